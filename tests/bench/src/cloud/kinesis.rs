//! The Kinesis of the cloud: streams that take what PutRecords allows, keep an account of the rows that they took, and
//! go wrong as often as they are told to. It knows a row's `_record_id` and nothing else of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;

use anyhow::{Context as _, ensure};
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use penstock_core::kpl;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::sample::SplitMix;

/// What the name of an operation has before it.
pub const TARGET: &str = "Kinesis_20131202.";

const CONTENT_TYPE: (&str, &str) = ("content-type", "application/x-amz-json-1.1");
const MAX_RECORDS: usize = 500;
const MAX_REQUEST_BYTES: usize = 5 << 20;
const MAX_RECORD_BYTES: usize = 1 << 20;
const MAX_KEY_CHARS: usize = 256;

/// Of a hundred, how many go wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Records that a call refuses for want of throughput.
    pub refused: u64,
    /// Calls that take nothing and answer 500.
    pub failed: u64,
    /// Calls whose records are taken and whose answer breaks off.
    pub lost: u64,
}

/// What of the rows is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// How many they were.
    #[default]
    Count,
    /// Each by its `_record_id`.
    Rows,
}

/// All streams: they have one account.
#[derive(Debug)]
pub struct Streams {
    /// How they go wrong.
    pub faults: Faults,
    /// What they keep.
    pub keep: Keep,
    taken: Taken,
    random: SplitMix,
    buffer: Vec<u8>,
}

/// What was taken.
#[derive(Debug, Default)]
pub struct Taken {
    /// Kinesis records.
    pub records: u64,
    /// Rows in them.
    pub rows: u64,
    /// Rows that had been taken before, byte for byte.
    pub doubled: u64,
    /// `_record_id`s that came with two different rows.
    pub conflicts: u64,
    /// Calls, and those of them that went wrong as a whole.
    pub calls: [u64; 2],
    /// Records that were refused.
    pub refused: u64,
    /// Digest of each row, white space and the order of its keys left out, by `_record_id`.
    pub by_id: HashMap<String, u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Asked<'a> {
    #[serde(borrow)]
    records: Vec<Entry<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'a> {
    #[serde(borrow)]
    data: Cow<'a, str>,
    #[serde(borrow)]
    partition_key: Cow<'a, str>,
}

/// A record's `_record_id`, without the row's other members.
#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(borrow, rename = "_record_id")]
    record_id: Cow<'a, str>,
}

impl Taken {
    /// Adds what was taken later.
    pub fn add(&mut self, later: Self) {
        self.records += later.records;
        self.rows += later.rows;
        self.doubled += later.doubled;
        self.conflicts += later.conflicts;
        self.refused += later.refused;
        self.calls = [self.calls[0] + later.calls[0], self.calls[1] + later.calls[1]];
        for (id, digest) in later.by_id {
            match self.by_id.insert(id, digest) {
                None => {}
                Some(before) if before == digest => self.doubled += 1,
                Some(_) => self.conflicts += 1,
            }
        }
    }
}

impl Default for Streams {
    fn default() -> Self {
        let (faults, keep, taken) = Default::default();
        Self { faults, keep, taken, random: SplitMix(20_261_121), buffer: Vec::new() }
    }
}

impl Streams {
    /// What was taken since this was called last.
    pub fn take(&mut self) -> Taken {
        std::mem::take(&mut self.taken)
    }

    /// Answers an operation.
    pub fn answer(&mut self, operation: &str, body: &[u8]) -> Response {
        match operation {
            "PutRecords" => self.put(body).unwrap_or_else(|error| {
                let told = json!({"__type": "ValidationException", "message": format!("{error:#}")});
                (StatusCode::BAD_REQUEST, [CONTENT_TYPE], told.to_string()).into_response()
            }),
            "DescribeStreamSummary" => ([CONTENT_TYPE], summary().to_string()).into_response(),
            _ => StatusCode::BAD_REQUEST.into_response(),
        }
    }

    fn put(&mut self, body: &[u8]) -> anyhow::Result<Response> {
        self.taken.calls[0] += 1;
        let asked: Asked<'_> = serde_json::from_slice(body).context("no PutRecords")?;
        ensure!((1..=MAX_RECORDS).contains(&asked.records.len()), "{} records", asked.records.len());
        if self.is_drawn(self.faults.failed) {
            self.taken.calls[1] += 1;
            return Ok((StatusCode::INTERNAL_SERVER_ERROR, [CONTENT_TYPE], "{}").into_response());
        }
        let (mut results, mut refused, mut bytes) = (String::with_capacity(body.len() / 8), 0, 0);
        for entry in &asked.records {
            results.push_str(if results.is_empty() { "" } else { "," });
            if self.is_drawn(self.faults.refused) {
                refused += 1;
                results.push_str(REFUSED);
                continue;
            }
            bytes += self.record(entry)?;
            let number = 5_000_000 + self.taken.records;
            results.push_str(&format!(
                r#"{{"SequenceNumber":"49672148110{number:045}","ShardId":"shardId-000000000003"}}"#
            ));
        }
        ensure!(bytes <= MAX_REQUEST_BYTES, "a request of {bytes} bytes");
        self.taken.refused += refused;
        if self.is_drawn(self.faults.lost) {
            self.taken.calls[1] += 1;
            return Ok(broken_off());
        }
        let answer = format!(r#"{{"FailedRecordCount":{refused},"Records":[{results}]}}"#);
        Ok(([CONTENT_TYPE], answer).into_response())
    }

    fn is_drawn(&mut self, percent: u64) -> bool {
        percent > 0 && self.random.below(100) < percent
    }

    /// Takes a record; its bytes.
    fn record(&mut self, entry: &Entry<'_>) -> anyhow::Result<usize> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        STANDARD.decode_vec(&*entry.data, &mut buffer).context("data is no base64")?;
        let bytes = buffer.len() + entry.partition_key.len();
        ensure!(bytes <= MAX_RECORD_BYTES, "a record of {bytes} bytes");
        ensure!((1..=MAX_KEY_CHARS).contains(&entry.partition_key.chars().count()), "a partition key");
        self.taken.records += 1;
        match kpl::message(&buffer) {
            None => self.row(&buffer)?,
            Some(message) => {
                for own in kpl::decode(message).context("an aggregated record")? {
                    self.row(own.data)?;
                }
            }
        }
        self.buffer = buffer;
        Ok(bytes)
    }

    fn row(&mut self, row: &[u8]) -> anyhow::Result<()> {
        self.taken.rows += 1;
        if self.keep == Keep::Count {
            return Ok(());
        }
        let read: Identified<'_> = serde_json::from_slice(row).context("a row with a _record_id")?;
        let digest = digest(row)?;
        match self.taken.by_id.insert(read.record_id.into_owned(), digest) {
            None => {}
            Some(before) if before == digest => self.taken.doubled += 1,
            Some(_) => self.taken.conflicts += 1,
        }
        Ok(())
    }
}

const REFUSED: &str = r#"{"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard shardId-000000000003"}"#;

/// Of a row as it is meant: its members by name.
fn digest(row: &[u8]) -> anyhow::Result<u64> {
    let row: BTreeMap<String, Value> = serde_json::from_slice(row)?;
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&row)?.hash(&mut hasher);
    Ok(hasher.finish())
}

/// An answer of which only the head arrives.
fn broken_off() -> Response {
    let cut = io::Error::from(io::ErrorKind::ConnectionReset);
    ([CONTENT_TYPE], Body::from_stream(stream::iter([Err::<Vec<u8>, _>(cut)]))).into_response()
}

fn summary() -> Value {
    json!({"StreamDescriptionSummary": {
        "StreamName": "bench", "StreamARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/bench",
        "StreamStatus": "ACTIVE", "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "RetentionPeriodHours": 24,
        "StreamCreationTimestamp": 1_772_323_200, "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
        "EncryptionType": "NONE", "OpenShardCount": 4, "ConsumerCount": 0, "MaxRecordSizeInKiB": 1024}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(streams: &mut Streams, rows: &[&str]) -> StatusCode {
        let records: Vec<_> =
            rows.iter().map(|row| json!({"Data": STANDARD.encode(row), "PartitionKey": "k"})).collect();
        let body = json!({"StreamName": "bench", "Records": records}).to_string();
        streams.answer("PutRecords", body.as_bytes()).status()
    }

    #[test]
    fn a_row_that_comes_again_is_doubled_and_another_one_of_its_id_a_conflict() {
        let mut streams = Streams { keep: Keep::Rows, ..Streams::default() };
        let first = r#"{"_record_id":"a","v":"1"}"#;
        for row in [first, r#"{"v":"1", "_record_id":"a"}"#, r#"{"_record_id":"b","v":"1"}"#] {
            assert_eq!(put(&mut streams, &[row]), StatusCode::OK);
        }
        assert_eq!(put(&mut streams, &[r#"{"_record_id":"a","v":"2"}"#]), StatusCode::OK);
        let taken = streams.take();
        assert_eq!((taken.rows, taken.doubled, taken.conflicts, taken.by_id.len()), (4, 1, 1, 2));
        assert_eq!(streams.take().rows, 0);
    }

    #[test]
    fn what_kinesis_refuses_is_refused() {
        let mut streams = Streams::default();
        assert_eq!(put(&mut streams, &[]), StatusCode::BAD_REQUEST);
        assert_eq!(put(&mut streams, &["{}"; 501]), StatusCode::BAD_REQUEST);
        assert_eq!(put(&mut streams, &[&" ".repeat(1 << 20)]), StatusCode::BAD_REQUEST);
        assert_eq!(put(&mut streams, &[" ".repeat(1_000_000).as_str(); 6]), StatusCode::BAD_REQUEST);
        assert_eq!(put(&mut streams, &["{}"; 500]), StatusCode::OK);
    }

    #[test]
    fn a_failed_call_takes_nothing_and_one_whose_answer_is_lost_takes_all() {
        let all = |faults| Streams { faults, ..Streams::default() };
        let mut failing = all(Faults { failed: 100, ..Faults::default() });
        assert_eq!(put(&mut failing, &["{}"]), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!((failing.taken.rows, failing.taken.calls), (0, [1, 1]));
        let mut losing = all(Faults { lost: 100, ..Faults::default() });
        put(&mut losing, &["{}"]);
        assert_eq!((losing.taken.rows, losing.taken.calls), (1, [1, 1]));
        let mut refusing = all(Faults { refused: 100, ..Faults::default() });
        assert_eq!(put(&mut refusing, &["{}"]), StatusCode::OK);
        assert_eq!((refusing.taken.rows, refusing.taken.refused), (0, 1));
    }
}
