//! The stream as the reader of objects sees it. Knows no object.

use penstock_aws::Invocation;
use penstock_aws::reading::{Outlet, ReadError, RowSink, Unfit};
use penstock_core::contract::Contract;
use penstock_core::row::{Origin, Row};
use penstock_core::work::{File, STREAMED};

use crate::sink::{SendError, Sink, Stream};

/// Rows of one dataset onto its stream.
#[derive(Debug, Clone, Copy)]
pub struct Puts<'a> {
    pub stream: &'a Stream,
    pub contract: &'a Contract,
    pub invocation: &'a Invocation,
}

impl<'a> Outlet for Puts<'a> {
    const KEPT_IN: &'static str = STREAMED;
    type Sink = PutSink<'a>;

    fn open(&self, _folder: &str, origin: &Origin, _section: u64) -> PutSink<'a> {
        let sink = Sink::new(self.stream, self.contract, &origin.source, self.invocation);
        PutSink { sink, source: origin.source.clone() }
    }
}

/// Rows of one object on their way to the stream.
pub struct PutSink<'a> {
    sink: Sink<'a>,
    source: String,
}

impl PutSink<'_> {
    fn failed(&self, error: &SendError) -> ReadError {
        let (uri, message) = (self.source.clone(), error.to_string());
        ReadError::Outlet { uri, message, may_pass: error.is_retryable() }
    }
}

impl RowSink for PutSink<'_> {
    fn push(&mut self, row: Row<'_>) -> Result<(), Unfit> {
        self.sink.push(row).map_err(|own| Unfit { violation: own.violation, raw: own.raw })
    }

    async fn drain(&mut self) -> Result<(), ReadError> {
        let drained = self.sink.drain().await;
        drained.map_err(|error| self.failed(&error))
    }

    async fn close(&mut self) -> Result<Vec<File>, ReadError> {
        let flushed = self.sink.flush().await;
        flushed.map_err(|error| self.failed(&error))?;
        Ok(Vec::new())
    }

    fn was_held_up(&self) -> bool {
        self.sink.refusals > 0
    }

    /// Its stamps tell a row that comes again, in whatever section.
    fn turn_to(&mut self, _section: u64) {}
}
