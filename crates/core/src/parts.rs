//! Rows into files that COPY reads: JSON lines in the hand-over format, zstd, cut to a size at which COPY reads them in
//! parallel. The same rows give the same files, byte by byte, so that a redelivery rewrites and never doubles them.
//! Writes nothing itself.

use std::io::{self, Write as _};

use zstd::stream::write::Encoder;

use crate::contract::Contract;
use crate::reject::{Rule, Violation};
use crate::row::{HandOver, Row};

/// Plain bytes of a file, but for the row that crosses it: some ten megabytes when compressed.
const PART_BYTES: usize = 48 << 20;
/// COPY takes JSON objects of at most 4 MB (Redshift, "COPY from JSON format").
const MAX_LINE_BYTES: usize = 4_000_000;
/// Fast: a file is read once.
const LEVEL: i32 = 1;

/// Packs the rows of one object.
pub struct PartWriter {
    hand_over: HandOver,
    source: String,
    line: String,
    encoder: Option<Encoder<'static, Vec<u8>>>,
    /// Plain bytes of the file so far.
    bytes: usize,
}

/// A row that no file takes.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// COPY would refuse the whole file.
    #[error("the row is too large for COPY")]
    TooLarge(Violation),
    /// Memory that cannot be had.
    #[error("packing rows: {0}")]
    Io(#[from] io::Error),
}

impl PartWriter {
    /// Rows of an object, `s3://bucket/key`.
    pub fn new(contract: &Contract, source: impl Into<String>) -> Self {
        let (line, encoder) = (String::new(), None);
        Self { hand_over: HandOver::new(contract), source: source.into(), line, encoder, bytes: 0 }
    }

    /// Adds a row; gives the file that it completes.
    pub fn push(&mut self, row: Row<'_>) -> Result<Option<Vec<u8>>, PartError> {
        self.line.clear();
        self.hand_over.write_whole(row, &self.source, &mut self.line);
        self.line.push('\n');
        if self.line.len() > MAX_LINE_BYTES {
            let reason =
                format!("has {} bytes with its stamps, COPY takes {MAX_LINE_BYTES}", self.line.len());
            return Err(PartError::TooLarge(Violation::record(Rule::RowTooLarge, reason)));
        }
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => none.insert(Encoder::new(Vec::new(), LEVEL)?),
        };
        encoder.write_all(self.line.as_bytes())?;
        self.bytes += self.line.len();
        if self.bytes < PART_BYTES {
            return Ok(None);
        }
        self.cut()
    }

    /// The last file, if there are rows in it.
    pub fn finish(mut self) -> Result<Option<Vec<u8>>, PartError> {
        self.cut()
    }

    /// The file so far, if there are rows in it: the next row begins another one.
    pub fn cut(&mut self) -> Result<Option<Vec<u8>>, PartError> {
        self.bytes = 0;
        Ok(self.encoder.take().map(Encoder::finish).transpose()?)
    }
}

/// A text as COPY reads it, in one file.
pub fn packed(text: &str) -> io::Result<Vec<u8>> {
    zstd::encode_all(text.as_bytes(), LEVEL)
}
