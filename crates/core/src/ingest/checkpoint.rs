//! Where the reading of an object may stop, and how another one goes on there: right before a record, with the little
//! that its decoder knows by then. What both read together is what one reading would have read.
//!
//! A decompressor's state cannot be kept: a compressed object is unpacked again from its beginning, and what lies
//! before the checkpoint is dropped unread. That is many times faster than reading it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Batch, Ingest, Reader, Records};
use crate::contract::{Compression, ContractError};
use crate::decode::{Broken, Inflate, JsonMode, Limits};
use crate::ident::HexId;
use crate::row::{Checker, Origin, Session};

/// Where a reading stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Byte offset of the next record in the decompressed stream.
    position: u64,
    /// Whether the object's bytes are compressed.
    packed: bool,
    /// 1-based line of the record; not known to who has not read what is before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    decoder: Decoder,
    /// Values that must not stand twice, by rule, oldest first, and whose they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    seen: Vec<Vec<(HexId, HexId)>>,
}

/// What a decoder knows between two records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Decoder {
    Json { mode: JsonMode },
    Csv { header: Option<String> },
}

impl Checkpoint {
    /// Byte offset of the next record in the decompressed stream.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Byte offset in the object itself from which on its bytes are needed.
    pub fn fetch_from(&self) -> u64 {
        if self.packed { 0 } else { self.position }
    }

    /// The same for another line, of an object whose lines stand for themselves.
    pub fn at_line(&self, position: u64) -> Self {
        Self { position, line: None, ..self.clone() }
    }

    /// Right before one record, whose bytes alone are given.
    pub(super) fn of_record(position: u64, decoder: Decoder, seen: Vec<Vec<(HexId, HexId)>>) -> Self {
        Self { position, packed: false, line: None, decoder, seen }
    }

    pub(super) fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    pub(super) fn line(&self) -> Option<u64> {
        self.line
    }
}

impl Ingest {
    /// Goes on where another reading of the same object under the same contract stopped. It takes the object's bytes
    /// from `fetch_from` on.
    pub fn resume(
        checker: Arc<Checker>,
        origin: Origin,
        limits: Limits,
        at: &Checkpoint,
    ) -> Result<Self, ContractError> {
        let mut fresh = Self::new(checker, origin, limits)?;
        let reader = Reader::resume(&fresh.records, limits, at)
            .map_err(|broken| ContractError::at("servers", broken.reason))?;
        fresh.reader = reader;
        fresh.records.session = Session::resume(&at.seen);
        fresh.records.tells_lines = at.line.is_some();
        if at.packed {
            fresh.skip = at.position;
        } else {
            // Bytes in the middle of a text may look like the beginning of a compressed one.
            fresh.inflate = Some(Inflate::new(Compression::None, limits));
        }
        Ok(fresh)
    }

    /// Records that begin here or later are not read before `go_on`. Formats in blocks know no such place: their
    /// objects are read to the end.
    pub fn stop_at(&mut self, position: u64) {
        self.reader.stop_at(position);
    }

    /// Where the reading has stopped, if it has. Bytes that come meanwhile wait.
    pub fn stopped(&self) -> Option<Checkpoint> {
        let (position, line, decoder) = self.reader.stopped()?;
        let line = self.records.tells_lines.then_some(line);
        Some(Checkpoint { position, packed: self.packed, line, decoder, seen: self.records.session.seen() })
    }

    /// Goes on to the next stop, with the bytes that wait.
    pub fn go_on(&mut self, stop: u64, batch: &mut Batch) -> Result<(), Broken> {
        let Self { records, reader, .. } = self;
        reader.stop_at(stop);
        reader.take(records, batch).map(|_| ())
    }

    /// How to begin at any line, if every line stands for itself and the bytes so far have told how it is to be read:
    /// then the object can be read in ranges.
    pub fn line_wise(&self) -> Option<Checkpoint> {
        let is_plain = self.inflate.as_ref().is_some_and(Inflate::is_plain);
        let Records { checker, .. } = &self.records;
        let decoder = self.reader.line_wise()?;
        let alone = is_plain && !checker.looks_back();
        alone.then_some(Checkpoint { position: 0, packed: false, line: None, decoder, seen: Vec::new() })
    }
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
