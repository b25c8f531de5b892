//! Rows that wait for their stream, written as it takes them, and their way onto it, which is the one of s3-to-kinesis.
//! Knows no quarantine.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use penstock_aws::Invocation;
use penstock_core::chunk::{ChunkLimits, first_chunk};
use penstock_core::contract::{Aggregate, Contract};
use penstock_core::ident::HexId;
use penstock_core::reject::Violation;
use penstock_core::row::{HandOver, Row};
use s3_to_kinesis::sink::{Sink, Stream};

use super::Replay;
use crate::failure::Failure;

/// Rows that go before the rate is looked at again. Without one they may share records as those of a file do.
const AT_A_RATE: ChunkLimits = ChunkLimits { max_count: 500, max_bytes: 5 << 20 };
const AT_ONCE: ChunkLimits = ChunkLimits { max_count: 20_000, max_bytes: 5 << 20 };
/// How long a stream may go on refusing such rows. One shard takes them in five seconds, if nobody else writes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Rows that wait.
pub struct Records {
    hand_over: HandOver,
    source: String,
    aggregate: Aggregate,
    /// Whose limit decides, once it is known.
    stream: Option<Arc<Stream>>,
    lines: Vec<Line>,
    /// What a partition key is hashed of.
    joined: String,
}

struct Line {
    key: HexId,
    text: String,
}

impl Records {
    /// For rows of a contract; those that do not tell their source have this one.
    pub fn new(contract: &Contract, source: String, stream: Option<Arc<Stream>>) -> Self {
        let aggregate = contract.stream.as_ref().map(|own| own.aggregate).unwrap_or_default();
        let (lines, joined) = (Vec::new(), String::new());
        Self { hand_over: HandOver::new(contract), source, aggregate, stream, lines, joined }
    }

    /// Adds a row of that contract.
    pub fn push(&mut self, row: Row<'_>, contract: &Contract) -> Result<(), Violation> {
        let (key, mut text) = (row.partition_key(contract, &mut self.joined), String::new());
        self.hand_over.write_whole(row, row.source().unwrap_or(&self.source), &mut text);
        text.push('\n');
        if let Some(stream) = &self.stream {
            stream.check_line(self.aggregate, &key, &text)?;
        }
        self.lines.push(Line { key, text });
        Ok(())
    }

    /// Adds what another one holds.
    pub fn append(&mut self, mut other: Self) {
        self.lines.append(&mut other.lines);
    }
}

impl Replay<'_> {
    /// The stream of a dataset, which is asked for its limits once.
    async fn stream(&mut self, contract: &Contract) -> Result<Result<Arc<Stream>, String>, Failure> {
        let Some(name) = contract.stream.as_ref().and_then(|own| own.stream_name.as_ref()) else {
            return Ok(Err(format!("dataset {} has no penstock.streamName", contract.dataset)));
        };
        if let Some(known) = self.streams.get(&contract.dataset) {
            return Ok(Ok(Arc::clone(known)));
        }
        let name = name.resolve(self.env).map_err(Failure::usage)?;
        let opened = Stream::open(self.clients.kinesis.clone(), name).await.map(Arc::new);
        if let Ok(stream) = &opened {
            self.streams.insert(contract.dataset.clone(), Arc::clone(stream));
        }
        Ok(opened.map_err(|error| error.to_string()))
    }

    /// The same to judge rows by its limit. Without it they are judged when they are sent: a dry run needs no stream.
    pub async fn known_stream(&mut self, contract: &Contract) -> Option<Arc<Stream>> {
        self.stream(contract).await.ok()?.ok()
    }

    /// Puts records onto the stream of their dataset; `Ok` only when it has every one.
    pub async fn put(
        &mut self,
        records: Records,
        contract: &Contract,
    ) -> Result<Result<(), String>, Failure> {
        let stream = match self.stream(contract).await? {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error)),
        };
        let mut rest = records.lines.as_slice();
        while !rest.is_empty() {
            let count = first_chunk(rest, limits(self.args.rate), |own| own.text.len());
            let (lines, later) = rest.split_at(count);
            self.pace.wait(count as u64).await;
            if let Err(error) = send(lines, &stream, contract, &records.source).await {
                return Ok(Err(error));
            }
            rest = later;
        }
        Ok(Ok(()))
    }
}

fn limits(rate: Option<NonZeroU32>) -> ChunkLimits {
    if rate.is_some() { AT_A_RATE } else { AT_ONCE }
}

/// Sends lines until the stream has taken every one.
async fn send(lines: &[Line], stream: &Stream, contract: &Contract, source: &str) -> Result<(), String> {
    let patience = Invocation::lasting(Some(PATIENCE));
    let mut sink = Sink::new(stream, contract, source, &patience);
    for Line { key, text } in lines {
        let pushed = sink.push_line(*key, text);
        pushed.map_err(|too_large| format!("a row {}", too_large.violation.reason))?;
        sink.drain().await.map_err(|error| error.to_string())?;
    }
    sink.flush().await.map_err(|error| error.to_string())
}
