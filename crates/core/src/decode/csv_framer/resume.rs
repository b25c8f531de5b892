//! Where a reader may stop and be taken up again: right before a record, with nothing known but the header. What is
//! framed from there on is what one reading would have framed.

use super::{BETWEEN, CsvColumns, Framer, State, Targets};
use crate::contract::CsvOptions;
use crate::decode::{Broken, Limits};

/// Where a reader is to stop, and what another one needs to go on.
#[derive(Debug)]
pub(super) struct Pause {
    /// The header, as text.
    pub header: Option<String>,
    /// Stream offset from which on no record is begun.
    stop: u64,
}

impl Default for Pause {
    fn default() -> Self {
        Self { header: None, stop: u64::MAX }
    }
}

impl Framer {
    /// One that goes on at `position`, where another one stopped that had read this header.
    pub fn resume(
        options: &CsvOptions,
        columns: CsvColumns,
        limits: Limits,
        header: Option<&str>,
        (position, line): (u64, u64),
    ) -> Result<Self, Broken> {
        let mut framer = Self::new(options, columns, limits);
        if let Some(header) = header {
            framer.targets = Some(Targets::of_header(header.as_bytes(), framer.dialect, &framer.columns)?);
            framer.pause.header = Some(header.to_owned());
        }
        (framer.state, framer.offset, framer.line) = (BETWEEN, position, line);
        Ok(framer)
    }

    /// No record that begins here or later is framed until the stop is moved on.
    pub fn stop_at(&mut self, stop: u64) {
        self.pause.stop = stop;
    }

    /// Whether every line is a record of its own, its columns known.
    pub fn is_line_wise(&self) -> bool {
        self.targets.is_some() && (self.dialect.quote.is_none() || !self.dialect.multiline)
    }

    /// The header, where one was read.
    pub fn header(&self) -> Option<&str> {
        self.pause.header.as_deref()
    }

    /// Position and line of the record before which the reader stopped.
    pub fn stopped(&self, buffer: &[u8]) -> Option<(u64, u64)> {
        let is_before_record = matches!(self.state, State::Record(..)) && !self.rest(buffer).is_empty();
        (is_before_record && self.is_at_stop()).then(|| (self.position(), self.line))
    }

    /// Whether what comes next is behind the stop. A header comes before all records, wherever it stands.
    pub(super) fn is_at_stop(&self) -> bool {
        self.position() >= self.pause.stop && self.targets.is_some()
    }
}
