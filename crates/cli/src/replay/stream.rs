//! Rows as records of a Kinesis stream, and PutRecords: by count and bytes, every entry of an answer read by position,
//! only refused ones sent again. Knows no quarantine.

use std::time::Duration;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use penstock_aws::answered;
use penstock_core::chunk::{ChunkLimits, first_chunk};
use penstock_core::contract::Contract;
use penstock_core::reject::{Rule, Violation};
use penstock_core::row::{HandOver, Row};

/// PutRecords: at most 500 records and 5 MiB, of which partition keys count.
const REQUEST: ChunkLimits = ChunkLimits { max_count: 500, max_bytes: 5 << 20 };
/// A record with its partition key, on a stream whose limit nobody raised.
const MAX_RECORD_BYTES: usize = 1 << 20;
/// How often refused records are sent again.
const MAX_RESENDS: u32 = 8;
/// First pause before refused records are sent again; it doubles.
const BACKOFF: Duration = Duration::from_millis(100);

/// Rows that wait, each a record of its own.
pub struct Records {
    hand_over: HandOver,
    source: String,
    records: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    key: String,
    data: String,
}

impl Records {
    /// For rows of a contract; those that do not tell their source have this one.
    pub fn new(contract: &Contract, source: String) -> Self {
        Self { hand_over: HandOver::new(contract), source, records: Vec::new() }
    }

    /// Adds a row. The order of rows is in them, so their identity is as good a partition key as any, and it spreads
    /// them; a column's value would be seen in metrics and logs.
    pub fn push(&mut self, row: Row<'_>) -> Result<(), Violation> {
        let (key, mut data) = (row.stamp().record_id.to_string(), String::new());
        self.hand_over.write_whole(row, row.source().unwrap_or(&self.source), &mut data);
        data.push('\n');
        let bytes = data.len() + key.len();
        if bytes > MAX_RECORD_BYTES {
            let reason = format!("has {bytes} bytes with its stamps, a stream takes {MAX_RECORD_BYTES}");
            return Err(Violation::record(Rule::RowTooLarge, reason));
        }
        self.records.push(Entry { key, data });
        Ok(())
    }

    /// Adds what another one holds.
    pub fn append(&mut self, mut other: Self) {
        self.records.append(&mut other.records);
    }

    /// Cuts off the records of the next request.
    pub fn next_request(&mut self) -> Option<Request> {
        let count = first_chunk(&self.records, REQUEST, |own| own.key.len() + own.data.len());
        let request: Vec<Entry> = self.records.drain(..count).collect();
        (!request.is_empty()).then_some(Request(request))
    }
}

/// Records of one request.
#[derive(Debug)]
pub struct Request(Vec<Entry>);

impl Request {
    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Sends them until the stream has taken every one.
    pub async fn send(mut self, kinesis: &Client, stream: &str) -> Result<(), String> {
        let mut resends = 0;
        loop {
            let Some(code) = self.send_once(kinesis, stream).await? else { return Ok(()) };
            if resends == MAX_RESENDS {
                let count = self.0.len();
                return Err(format!("stream {stream}: {count} records refused {MAX_RESENDS} times: {code}"));
            }
            tokio::time::sleep(BACKOFF * 2u32.pow(resends)).await;
            resends += 1;
        }
    }

    /// Sends once and keeps what was not taken; gives the code of the last refusal, if there was one.
    async fn send_once(&mut self, kinesis: &Client, stream: &str) -> Result<Option<String>, String> {
        let entry = |own: &Entry| {
            let data = Blob::new(own.data.as_bytes());
            PutRecordsRequestEntry::builder().partition_key(&own.key).data(data).build()
        };
        let entries: Result<Vec<_>, BuildError> = self.0.iter().map(entry).collect();
        let entries = entries.map_err(|error| error.to_string())?;
        let request = kinesis.put_records().stream_name(stream).set_records(Some(entries));
        let answer =
            request.send().await.map_err(|error| format!("stream {stream}: {}", answered(&error)))?;
        let mut last = None;
        let mut told = answer.records().iter();
        self.0.retain(|_| {
            // A record without an answer is none that was taken.
            let own = told.next();
            let is_taken =
                own.is_some_and(|own| own.error_code().is_none() && own.sequence_number().is_some());
            if !is_taken {
                let code = own.and_then(|own| own.error_code()).unwrap_or("no answer for the record");
                last = Some(code.to_owned());
            }
            !is_taken
        });
        Ok(last)
    }
}
