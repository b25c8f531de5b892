//! Where a framer may stop and be taken up again: right before a record, with nothing known but how the stream is
//! built. What is framed from there on is what one reading would have framed.

use serde::{Deserialize, Serialize};

use super::{JsonFramer, State};
use crate::contract::Delimiter;
use crate::decode::Limits;

/// How the stream is built, as far as its bytes have told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing but white space was seen.
    Start,
    /// A record a line.
    Lines,
    /// Objects one after another.
    Objects,
    /// Members of an array.
    Array,
    /// After the `]` of the array.
    AfterArray,
}

impl JsonFramer {
    /// A framer that goes on at `position`, where another one stopped.
    pub fn resume(delimiter: Delimiter, limits: Limits, mode: Mode, position: u64, line: u64) -> Self {
        Self { mode, offset: position, line, ..Self::new(delimiter, limits) }
    }

    /// No record that begins here or later is framed until the stop is moved on.
    pub fn stop_at(&mut self, stop: u64) {
        self.stop = stop;
    }

    /// How the stream is built so far.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Position and line of the record before which the framer stopped.
    pub fn stopped(&self) -> Option<(u64, u64)> {
        let is_before_record = !matches!(
            self.state,
            State::Between | State::DropPlain | State::DropBracketed(_) | State::DropMalformed(_)
        );
        (is_before_record && self.position() >= self.stop).then(|| (self.position(), self.line))
    }
}
