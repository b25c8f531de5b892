//! Bytes of an object into raw records: decompression and framing, as a stream with bounded memory. Every byte of
//! the stream ends in a record, in a reject or is white space between them. Knows no columns.

#[cfg(feature = "avro")]
pub(crate) mod avro;
#[cfg(feature = "avro")]
mod avro_datum;
#[cfg(feature = "avro")]
mod avro_schema;
mod brackets;
mod compress;
pub(crate) mod csv;
mod csv_fields;
mod csv_framer;
mod csv_header;
mod csv_scan;
pub(crate) mod detect;
mod json;
#[cfg(any(feature = "avro", feature = "parquet"))]
mod json_text;
#[cfg(feature = "parquet")]
pub(crate) mod parquet;
#[cfg(feature = "parquet")]
mod parquet_pages;
#[cfg(feature = "parquet")]
mod parquet_row;
#[cfg(feature = "parquet")]
mod parquet_schema;

pub use compress::Inflate;
pub use json::{Frame, JsonFramer, Mode as JsonMode};

use crate::reject::{Rule, Violation};

/// Caps on what is read; over them a record or object is a reject.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest record in bytes (Redshift takes JSON objects up to 4 MB).
    pub max_record_bytes: usize,
    /// Most decompressed bytes per compressed byte, once more than `free_bytes` have come out.
    pub max_ratio: u64,
    /// Decompressed bytes that are free of the ratio's cap.
    pub free_bytes: u64,
    /// Longest block of an Avro file and page of a Parquet file, packed and unpacked.
    pub max_block_bytes: usize,
    /// Longest file of a format that is read as a whole (Parquet: its index stands at its end).
    pub max_whole_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_record_bytes: 4 << 20,
            max_ratio: 200,
            free_bytes: 64 << 20,
            max_block_bytes: 64 << 20,
            max_whole_bytes: 256 << 20,
        }
    }
}

/// The stream broke off: nothing after it can be read. What came before stays valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Broken {
    /// What is wrong with the object.
    pub rule: Rule,
    /// What was seen.
    pub reason: String,
}

impl Broken {
    pub(crate) fn new(rule: Rule, reason: impl Into<String>) -> Self {
        Self { rule, reason: reason.into() }
    }

    /// As the broken rule of a whole object.
    pub fn violation(&self) -> Violation {
        Violation::record(self.rule, self.reason.clone())
    }
}
