//! Rows of one object onto its dataset's stream: written as the hand-over format has them, packed into requests, sent
//! several at once, and sent again record by record until the stream has taken each. What order rows arrive in is nobody's
//! promise: they carry `_order`, and the warehouse decides. Knows no object and no event.

mod refused;
pub(crate) mod request;
mod stream;
mod window;

use std::panic::resume_unwind;
use std::time::Duration;

use penstock_aws::Invocation;
use penstock_core::contract::{Aggregate, Contract};
use penstock_core::ident::{HEX_LEN, HexId};
use penstock_core::reject::Violation;
use penstock_core::row::{HandOver, Row};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::aggregate::{Buckets, OverLimit};
use refused::Refused;
use request::{Label, MAX_RECORDS, Outbox, Request};
use stream::{Answer, Verdict};
pub use stream::{SendError, Stream};
use window::Window;

/// Kept back before the deadline. Who still wants to write down how far it came has to stop pushing earlier.
pub const RESERVE: Duration = Duration::from_secs(5);
/// Bytes of refused records beside which no new ones are sent.
const MAX_REFUSED_BYTES: usize = 4 << 20;

/// A row that no record of the stream can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TooLarge {
    /// The limit, and what the row takes.
    pub violation: Violation,
    /// The row as it would have been sent.
    pub raw: Vec<u8>,
}

/// Rows of one object on their way to one stream.
#[derive(Debug)]
pub struct Sink<'a> {
    stream: &'a Stream,
    contract: &'a Contract,
    invocation: &'a Invocation,
    source: String,
    hand_over: HandOver,
    /// The row that is being written. Its memory is used again, as is the next one's.
    text: String,
    /// What its partition key is hashed of.
    joined: String,
    /// Where rows share records.
    buckets: Option<Buckets>,
    outbox: Outbox,
    in_flight: JoinSet<(Request, Result<Answer, SendError>)>,
    refused: Refused,
    last_code: Option<String>,
    window: Window,
    pushed: u64,
    /// Rows that the stream has accepted.
    pub sent: u64,
    /// Records that it has accepted: as many, unless rows are aggregated.
    pub records: u64,
    /// How often it has refused a record.
    pub refusals: u64,
}

impl<'a> Sink<'a> {
    /// A sink for rows of one source, `s3://bucket/key`.
    pub fn new(
        stream: &'a Stream,
        contract: &'a Contract,
        source: impl Into<String>,
        invocation: &'a Invocation,
    ) -> Self {
        let source = source.into();
        let aggregate = contract.stream.as_ref().map(|own| own.aggregate).unwrap_or_default();
        let buckets = match aggregate {
            Aggregate::None => None,
            Aggregate::Kpl => Some(Buckets::new(stream.record_limit().saturating_sub(HEX_LEN))),
        };
        let refused = Refused::new((&source, &invocation.request_id, invocation.now_ms()));
        Self {
            hand_over: HandOver::new(contract),
            text: String::new(),
            joined: String::new(),
            outbox: Outbox::default(),
            in_flight: JoinSet::new(),
            last_code: None,
            window: Window::new(),
            pushed: 0,
            sent: 0,
            records: 0,
            refusals: 0,
            stream,
            contract,
            invocation,
            source,
            buckets,
            refused,
        }
    }

    /// Takes a row; what no record can hold is given back as a reject. Sends nothing: full requests wait for `drain`.
    pub fn push(&mut self, row: Row<'_>) -> Result<(), TooLarge> {
        let mut line = std::mem::take(&mut self.text);
        line.clear();
        self.hand_over.write_whole(row, &self.source, &mut line);
        line.push('\n');
        let key = row.partition_key(self.contract, &mut self.joined);
        let pushed = self.push_line(key, &line);
        self.text = line;
        pushed
    }

    /// The same for a row that was written before, with the newline that ends it, and its partition key.
    pub fn push_line(&mut self, key: HexId, line: &str) -> Result<(), TooLarge> {
        match self.pack(key, line.as_bytes()) {
            Ok(()) => {
                self.pushed += 1;
                Ok(())
            }
            Err(OverLimit(bytes)) => {
                let raw = line.strip_suffix('\n').unwrap_or(line).as_bytes().to_vec();
                Err(TooLarge { violation: self.stream.too_large(bytes + HEX_LEN), raw })
            }
        }
    }

    /// Puts a line into a record.
    fn pack(&mut self, key: HexId, line: &[u8]) -> Result<(), OverLimit> {
        let outbox = &mut self.outbox;
        if let Some(buckets) = &mut self.buckets {
            return buckets.push(&key, line, |label, full| {
                outbox.add(label, full.bytes(), |out| full.finish(out));
            });
        }
        if line.len() + HEX_LEN > self.stream.record_limit() {
            return Err(OverLimit(line.len()));
        }
        let label = Label { key, bucket: None, rows: 1 };
        outbox.add(label, line.len(), |out| out.extend_from_slice(line));
        Ok(())
    }

    /// Lets full requests go. Waits only while as many as may be are in flight.
    pub async fn drain(&mut self) -> Result<(), SendError> {
        if self.outbox.is_drained() {
            return Ok(());
        }
        self.send_until(|own| own.outbox.is_drained()).await?;
        // What was begun gets to the network before more rows are read.
        tokio::task::yield_now().await;
        Ok(())
    }

    /// Waits until the stream has accepted every row that was pushed.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        let outbox = &mut self.outbox;
        if let Some(buckets) = &mut self.buckets {
            buckets.close(|label, full| outbox.add(label, full.bytes(), |out| full.finish(out)));
        }
        outbox.close();
        self.send_until(|own| own.outbox.is_drained() && own.in_flight.is_empty() && own.refused.is_empty())
            .await
    }

    async fn send_until(&mut self, is_done: impl Fn(&Self) -> bool) -> Result<(), SendError> {
        loop {
            while let Some(joined) = self.in_flight.try_join_next() {
                self.settle(joined)?;
            }
            let is_over = self.invocation.is_over(RESERVE);
            if !is_over {
                self.launch();
            }
            if is_done(self) {
                return Ok(());
            }
            if is_over {
                return Err(self.out_of_time());
            }
            self.wait().await?;
        }
    }

    /// Sends what may go now: refused records that have waited long enough, then new ones.
    fn launch(&mut self) {
        let now = Instant::now();
        while self.in_flight.len() < self.window.size() {
            let request = self.refused.take_due(now).or_else(|| self.next_new());
            let Some(request) = request else { return };
            self.in_flight.spawn(self.stream.put(request));
        }
    }

    /// New records only go while few refused ones wait: memory stays bounded, and a stream that refuses gets less.
    fn next_new(&mut self) -> Option<Request> {
        let few = self.refused.records() < self.window.size() * MAX_RECORDS
            && self.refused.bytes() < MAX_REFUSED_BYTES;
        if few { self.outbox.next() } else { None }
    }

    /// Waits for an answer, for refused records to be due, or for the end of the time.
    async fn wait(&mut self) -> Result<(), SendError> {
        let may_send = self.in_flight.len() < self.window.size();
        let due = self.refused.next_due().filter(|_| may_send);
        let end = self.invocation.left(RESERVE).map(|left| Instant::now() + left);
        let wake = due.into_iter().chain(end).min();
        let woken = async {
            match wake {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(joined) = self.in_flight.join_next() => self.settle(joined),
            () = woken => Ok(()),
        }
    }

    /// Reads an answer: what was refused is held back.
    fn settle(
        &mut self,
        joined: Result<(Request, Result<Answer, SendError>), JoinError>,
    ) -> Result<(), SendError> {
        let (request, answer) = joined.map_err(|error| match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => {
                SendError::Request { stream: self.stream.name().to_owned(), message: error.to_string() }
            }
        })?;
        let answer = answer?;
        let (now, mut throttled) = (Instant::now(), 0);
        for (at, record) in request.records.iter().enumerate() {
            match answer.verdict(at) {
                Verdict::Accepted => {
                    self.sent += u64::from(record.label.rows);
                    self.records += 1;
                }
                refusal @ Verdict::Refused(code) => {
                    throttled += usize::from(refusal.is_throttled());
                    self.refusals += 1;
                    if self.last_code.as_deref() != Some(code) {
                        self.last_code = Some(code.to_owned());
                    }
                    self.refused.hold(&request, record, now);
                }
            }
        }
        self.window.answered(request.records.len(), throttled);
        Ok(())
    }

    fn out_of_time(&self) -> SendError {
        SendError::OutOfTime {
            stream: self.stream.name().to_owned(),
            rows: self.pushed - self.sent,
            code: self.last_code.clone().unwrap_or_else(|| "none".to_owned()),
        }
    }
}
