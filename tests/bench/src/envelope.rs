//! The event of a Firehose transformation, as the service sends it for a Kinesis source. Knows no row's fields.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::sample::{Form, SplitMix, Transactions};

/// The stream that the records came from.
const SOURCE: &str = "arn:aws:kinesis:eu-central-1:123456789012:stream/tx";
const DELIVERY_STREAM: &str = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/transactions";
/// 2026-03-05T08:40:00Z. Arrivals are eighths of a second: aws_lambda_events reads them through a float and loses the
/// millisecond of most others, so that the obvious Rust would stamp other orders than everybody else.
const FIRST_ARRIVAL_MS: u64 = 1_772_700_000_000;

/// An event of `count` records of one transaction each.
pub fn event(count: usize) -> anyhow::Result<Vec<u8>> {
    let (mut transactions, mut random) = (Transactions::new(), SplitMix(56));
    let records = (0..count as u64)
        .map(|n| {
            let mut line = Vec::with_capacity(512);
            transactions.write(Form::Ndjson, &mut line)?;
            let (_line_break, row) = line.split_last().context("a row is not empty")?;
            Ok(record(n, row, &mut random))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    let head = format!(
        r#"{{"invocationId":"bed54d4b-3a0b-4d29-9c3e-1b2a0d6f7e11","sourceKinesisStreamArn":"{SOURCE}","deliveryStreamArn":"{DELIVERY_STREAM}","region":"eu-central-1","records":["#
    );
    Ok([head, records.join(","), "]}".to_owned()].concat().into_bytes())
}

fn record(n: u64, row: &[u8], random: &mut SplitMix) -> String {
    let arrival = FIRST_ARRIVAL_MS + 125 * (n / 20);
    let sequence = format!("49672148110{:031}{:014}", 5_000_000 + 3 * n, 70_000 + random.below(20_000));
    let partition = random.below(50_000);
    let data = STANDARD.encode(row);
    format!(
        r#"{{"recordId":"{sequence}","approximateArrivalTimestamp":{arrival},"data":"{data}","kinesisRecordMetadata":{{"sequenceNumber":"{sequence}","subsequenceNumber":0,"partitionKey":"6f1c2d3e-4b5a-4978-8695-{partition:012}","shardId":"shardId-000000000003","approximateArrivalTimestamp":{arrival}}}}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_is_what_aws_lambda_events_reads() {
        let event = event(3).unwrap();
        let read: aws_lambda_events::firehose::KinesisFirehoseEvent = serde_json::from_slice(&event).unwrap();
        assert_eq!(read.source_kinesis_stream_arn.as_deref(), Some(SOURCE));
        let metadata = read.records[2].kinesis_firehose_record_metadata.as_ref().unwrap();
        assert_eq!(metadata.sequence_number.as_ref().unwrap().len(), 56);
        assert!(read.records[0].data.starts_with(br#"{"transaction_id":"tx-00000001-"#));
    }
}
