//! The obvious Rust: what a competent team writes by hand for one dataset, with aws_lambda_events and
//! serde_json::Value. It does the same work as firehose-transform, for good transactions and bad ones.

mod transaction;

use std::collections::HashSet;

use aws_lambda_events::firehose::{
    KinesisFirehoseEvent, KinesisFirehoseEventRecord, KinesisFirehoseResponse, KinesisFirehoseResponseRecord,
};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};

use transaction::{Arrival, Row};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(async |event: LambdaEvent<KinesisFirehoseEvent>| Ok::<_, Error>(transform(event.payload))))
        .await
}

fn transform(event: KinesisFirehoseEvent) -> KinesisFirehoseResponse {
    let source = event.source_kinesis_stream_arn.or(event.delivery_stream_arn).unwrap_or_default();
    let mut seen = HashSet::with_capacity(event.records.len());
    let mut response = KinesisFirehoseResponse::default();
    response.records = event.records.into_iter().map(|record| answer(record, &source, &mut seen)).collect();
    response
}

fn answer(
    record: KinesisFirehoseEventRecord,
    source: &str,
    seen: &mut HashSet<(String, String)>,
) -> KinesisFirehoseResponseRecord {
    let metadata = record.kinesis_firehose_record_metadata.as_ref();
    let arrival = Arrival {
        ms: record.approximate_arrival_timestamp.timestamp_millis(),
        sequence_number: metadata.and_then(|own| own.sequence_number.as_deref()).unwrap_or_default(),
        subsequence_number: metadata.map_or(0, |own| own.subsequence_number),
    };
    let mut answer = KinesisFirehoseResponseRecord::default();
    answer.record_id = record.record_id;
    match Row::read(&record.data, source, &arrival) {
        Err(reason) => {
            eprintln!("rejected: {reason}");
            answer.result = Some("ProcessingFailed".to_owned());
            answer.data = record.data;
        }
        Ok(Row { record_id, row_hash, json, partition_keys }) => {
            if !seen.insert((record_id, row_hash)) {
                answer.result = Some("Dropped".to_owned());
                answer.data = record.data;
                return answer;
            }
            answer.result = Some("Ok".to_owned());
            answer.data.0 = json;
            answer.metadata.partition_keys = partition_keys;
        }
    }
    answer
}
