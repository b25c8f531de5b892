//! Frames CSV records in a byte stream and hands on their fields as spans. Lenient as Python's csv where a file can
//! still be read one way only; what cannot is told and costs no other record. Knows no types: every value is a text.

use simdutf8::compat::from_utf8;

use super::csv_framer::Framer;
use super::{Broken, Frame, Limits};
use crate::contract::CsvOptions;
use crate::reject::{Rule, Violation};
use crate::row::fields::Fields;

/// Why a record is none. Small, because it is handed on with every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooLarge,
    Unclosed,
    BehindQuote,
    FieldCount,
    CutOff,
}

impl Fault {
    pub(super) fn told(self) -> (Rule, &'static str) {
        match self {
            Self::TooLarge => (Rule::RecordTooLarge, "the record is longer than the limit"),
            Self::Unclosed => (Rule::InvalidCsv, "a quoted field is not closed"),
            Self::BehindQuote => (Rule::InvalidCsv, "text stands behind a closing quote"),
            Self::CutOff => (Rule::Truncated, "the object breaks off in this record"),
            Self::FieldCount => (Rule::FieldCount, "the record has another number of fields than expected"),
        }
    }
}

/// The contract's source columns: which fields become which slots.
#[derive(Debug, Clone, Default)]
pub(crate) struct CsvColumns {
    /// Source names, in the contract's order.
    pub names: Vec<String>,
    /// The slot of each.
    pub slots: Vec<usize>,
    /// Whether the column keeps JSON.
    pub keeps_json: Vec<bool>,
    /// Whether a header must name it.
    pub required: Vec<bool>,
    /// Slots of a record, those without a source column included.
    pub slot_count: usize,
}

/// A framed record; its fields are in `Fields` unless it has a fault.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CsvFrame<'a> {
    /// The record without its line break.
    pub frame: Frame<'a>,
    /// Fields of the record and fields expected, where they differ.
    pub(super) counts: Option<(usize, usize)>,
}

impl CsvFrame<'_> {
    /// The frame's fault, with the counts of fields.
    pub fn violation(&self) -> Option<Violation> {
        let (rule, reason) = self.frame.fault?;
        Some(match self.counts {
            Some((found, expected)) => {
                Violation::record(rule, format!("the record has {found} fields, expected are {expected}"))
            }
            None => Violation::record(rule, reason),
        })
    }
}

/// Push reader: `push` bytes, then take records until there is none; `finish` says that no more bytes come.
#[derive(Debug)]
pub(crate) struct CsvReader {
    buffer: Vec<u8>,
    framer: Framer,
}

impl CsvReader {
    /// A reader at the beginning of a stream; `options.delimiter` must be decided, else it is a comma.
    pub fn new(options: &CsvOptions, columns: CsvColumns, limits: Limits) -> Self {
        Self { buffer: Vec::new(), framer: Framer::new(options, columns, limits) }
    }

    /// A reader that goes on at `position`, where another one stopped that had read this header.
    pub fn resume(
        options: &CsvOptions,
        columns: CsvColumns,
        limits: Limits,
        header: Option<&str>,
        place: (u64, u64),
    ) -> Result<Self, Broken> {
        let framer = Framer::resume(options, columns, limits, header, place)?;
        Ok(Self { buffer: Vec::new(), framer })
    }

    /// No record that begins here or later is framed until the stop is moved on.
    pub fn stop_at(&mut self, stop: u64) {
        self.framer.stop_at(stop);
    }

    /// Whether every line is a record of its own, its columns known.
    pub fn is_line_wise(&self) -> bool {
        self.framer.is_line_wise()
    }

    /// The header, where one was read.
    pub fn header(&self) -> Option<&str> {
        self.framer.header()
    }

    /// Position and line of the record before which the reader stopped.
    pub fn stopped(&self) -> Option<(u64, u64)> {
        self.framer.stopped(&self.buffer)
    }

    /// Adds bytes. All records must have been taken before, else the buffer grows.
    pub fn push(&mut self, bytes: &[u8]) {
        // Half of the buffer at least goes at once: what is kept is moved once for as many bytes that went.
        if self.framer.framed_bytes() * 2 >= self.buffer.len() {
            self.buffer.drain(..self.framer.forget());
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// No more bytes come: what is left is framed or told.
    pub fn finish(&mut self) {
        if self.framer.finish(&self.buffer) {
            // The last line's missing break: so every record ends at one.
            self.buffer.push(b'\n');
        }
    }

    /// No more bytes come, although the object has more: what is left without a line break is no record.
    pub fn break_off(&mut self) {
        self.framer.break_off();
    }

    /// The records that are there.
    pub fn records(&mut self) -> CsvRecords<'_> {
        let rest = self.buffer.get(self.framer.framed_bytes()..).unwrap_or_default();
        CsvRecords {
            lines: Lines { start: self.framer.position(), bytes: rest },
            buffer: &self.buffer,
            framer: &mut self.framer,
        }
    }
}

/// Records of the bytes that a reader has.
pub(crate) struct CsvRecords<'b> {
    framer: &'b mut Framer,
    buffer: &'b [u8],
    lines: Lines<'b>,
}

impl<'b> CsvRecords<'b> {
    /// The next record, `None` when more bytes are needed (or, after `finish`, at the end). The header is no record;
    /// one that does not fit the contract is `Broken`.
    #[inline]
    pub fn next(&mut self, fields: &mut Fields) -> Result<Option<CsvFrame<'b>>, Broken> {
        self.framer.next_record(self.buffer, fields)
    }

    /// The lines that the records are in.
    pub fn lines(&self) -> Lines<'b> {
        self.lines
    }
}

/// Whole lines of a stream, as far as they are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines<'b> {
    /// Stream offset of the first byte.
    pub start: u64,
    bytes: &'b [u8],
}

impl<'b> Lines<'b> {
    /// All of them as one text, if every one is: that is looked at once for many records.
    pub fn text(self) -> Option<&'b str> {
        let end = memchr::memrchr(b'\n', self.bytes)?;
        from_utf8(self.bytes.get(..=end)?).ok()
    }
}

#[cfg(test)]
#[path = "csv_tests.rs"]
mod tests;
