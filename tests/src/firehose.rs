//! What Firehose does between a stream and the stage bucket: it takes aggregated records apart, has the transformation
//! answer batches of records, and writes what is `Ok` by its partition keys, gzip, and the rest under `_failed/`. The
//! local cloud's own one sends one record a batch. Knows no dataset.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use penstock_core::kpl;
use serde_json::{Value, json};

use crate::kinesis::{StreamRecord, stream_arn};
use crate::{Bootstrap, Bucket, REGION};

/// The function.
pub const TRANSFORM: &str = "firehose-transform";
/// Name of the delivery stream.
pub const DELIVERY_STREAM: &str = "clicks-and-customers-delivery";
/// As much as keeps the transformation's answer far below its limit.
const MAX_BATCH_BYTES: usize = 1 << 20;

/// The delivery stream of one test.
#[derive(Debug)]
pub struct Firehose {
    /// The transformation.
    pub transform: Bootstrap,
    stage: Bucket,
    delivered: AtomicU64,
}

/// Where a row goes, and its text.
type Rows = BTreeMap<String, Vec<u8>>;

impl Firehose {
    /// Starts the transformation with the contracts of a directory; it has no other variable than those that contracts
    /// name.
    pub async fn start(contracts: &str, stage: Bucket) -> anyhow::Result<Self> {
        let vars = [("CONTRACTS_DIR", contracts), ("DELIVERY_STREAM_NAME", DELIVERY_STREAM)];
        let transform = Bootstrap::start(TRANSFORM, vars).await?;
        Ok(Self { transform, stage, delivered: AtomicU64::new(0) })
    }

    /// Delivers records in batches of at most so many; gives the event of each object that it wrote, as it stands in an
    /// SQS batch. The same records delivered again are other objects, as Firehose has it.
    pub async fn deliver(&self, records: &[StreamRecord], most: usize) -> anyhow::Result<Vec<Value>> {
        let events = records.iter().map(taken_apart).collect::<anyhow::Result<Vec<_>>>()?.concat();
        let (mut rows, mut failed) = (Rows::new(), Vec::new());
        for batch in batches(&events, most) {
            let delivery = format!("arn:aws:firehose:{REGION}:000000000000:deliverystream/{DELIVERY_STREAM}");
            let event = json!({"invocationId": "bed54d4b-3a0b-4d29-9c3e-1b2a0d6f7e11",
                "deliveryStreamArn": delivery, "sourceKinesisStreamArn": stream_arn(), "region": REGION,
                "records": batch});
            let answer = self.transform.invoke(&event).await?;
            sort(batch, &answer, &mut rows, &mut failed)?;
        }
        let number = self.delivered.fetch_add(1, Ordering::Relaxed);
        let mut written = Vec::new();
        for (prefix, rows) in rows {
            let key = format!("{prefix}/penstock-1-{number:08}.gz");
            written.push(self.stage.put_for_event(&key, gzip(&rows)?).await?);
        }
        if !failed.is_empty() {
            let key = format!("_failed/processing-failed/penstock-1-{number:08}");
            written.push(self.stage.put_for_event(&key, failed).await?);
        }
        Ok(written)
    }
}

/// A stream record as records of an event: one, or one for each user record that was packed into it.
fn taken_apart(record: &StreamRecord) -> anyhow::Result<Vec<Value>> {
    let event = |subsequence: usize, key: &str, data: &[u8]| {
        json!({"recordId": format!("{}{subsequence:06}", record.sequence),
            "approximateArrivalTimestamp": record.arrival_ms, "data": STANDARD.encode(data),
            "kinesisRecordMetadata": {"sequenceNumber": record.sequence, "subsequenceNumber": subsequence,
                "partitionKey": key, "shardId": "shardId-000000000000",
                "approximateArrivalTimestamp": record.arrival_ms}})
    };
    let Some(message) = kpl::message(&record.data) else {
        return Ok(vec![event(0, &record.partition_key, &record.data)]);
    };
    let users = kpl::decode(message).context("an aggregated record")?;
    let users = users.iter().enumerate();
    Ok(users.map(|(at, own)| event(at, own.partition_key, own.data)).collect())
}

/// Pieces of at most so many records, and not much more than a transformation takes.
fn batches(events: &[Value], most: usize) -> Vec<&[Value]> {
    let mut bytes = 0;
    let mut batches: Vec<&[Value]> = Vec::new();
    let mut start = 0;
    for (at, event) in events.iter().enumerate() {
        let own = event["data"].as_str().map_or(0, str::len);
        if at > start && (at - start >= most || bytes + own > MAX_BATCH_BYTES) {
            batches.extend(events.get(start..at));
            (start, bytes) = (at, 0);
        }
        bytes += own;
    }
    batches.extend(events.get(start..).filter(|rest| !rest.is_empty()));
    batches
}

/// Where each record of a batch goes. Every one has to be answered once.
fn sort(batch: &[Value], answer: &Value, rows: &mut Rows, failed: &mut Vec<u8>) -> anyhow::Result<()> {
    let answered = answer["records"].as_array().context("no records")?;
    let id = |own: &Value| own["recordId"].as_str().map(str::to_owned).context("no recordId");
    let asked = batch.iter().map(|own| Ok((id(own)?, own))).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let ids = answered.iter().map(id).collect::<anyhow::Result<BTreeSet<_>>>()?;
    ensure!(ids.len() == answered.len() && ids.iter().eq(asked.keys()), "not every record is answered once");
    for own in answered {
        match own["result"].as_str() {
            Some("Ok") => {
                let keys = &own["metadata"]["partitionKeys"];
                let (dataset, dt) = (keys["dataset"].as_str(), keys["dt"].as_str());
                let (dataset, dt) = dataset.zip(dt).context("no partition keys")?;
                let data = STANDARD.decode(own["data"].as_str().context("no data")?)?;
                rows.entry(format!("{dataset}/dt={dt}")).or_default().extend(data);
            }
            Some("Dropped") => {}
            Some("ProcessingFailed") => {
                let asked = asked.get(&id(own)?).context("an id")?;
                let arrival = &asked["approximateArrivalTimestamp"];
                let line = json!({"attemptsMade": 1, "arrivalTimestamp": arrival, "attemptEndingTimestamp": arrival,
                    "errorCode": "Lambda.ProcessingFailedStatus",
                    "errorMessage": "ProcessingFailed status set for record",
                    "lambdaArn": format!("arn:aws:lambda:{REGION}:000000000000:function:{TRANSFORM}"),
                    "rawData": asked["data"]});
                failed.extend(format!("{line}\n").into_bytes());
            }
            result => bail!("{result:?} is no result"),
        }
    }
    Ok(())
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}
