//! Rows into Parquet files as a data lake keeps them: which columns, which folder, which file. Pure: rows go in, bytes
//! with their keys come out; who stores them, and how a dataset's table is declared, is not known here.
//!
//! A file has the columns of the contract that it was written by, and is never written anew because that one changed.
//! Readers find columns by their names: one that came later is NULL in older files, one that was removed is NULL in newer
//! ones, and stays in older ones for who asks for it. A type that became wider is another one in newer files; what reads
//! both reads both as the wider one.

mod chunk;
mod dictionary;
mod folder;
mod layout;
mod levels;
mod pages;
mod schema;
mod statistics;
mod value;
mod writers;

pub use layout::{LakeColumn, Layout};
pub use writers::Writers;

use crate::ident::{self, HexId};
use crate::lake_note::MAX_KEY_BYTES;

/// What names the files of a source: the same for every content of a key, so that a replaced source writes the same
/// names again.
pub fn source_id(bucket: &str, key: &str) -> HexId {
    ident::stable_id([bucket, key])
}

/// What one source may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all open files together: open row groups, compressed for the most part, encoded bytes that are too few to
    /// leave, and 1 KiB for each column of each closed row group, which the footer tells at the file's end. Where it is
    /// more, the largest row group is closed, or the largest file.
    pub memory_bytes: usize,
    /// Bytes of a row group as it is kept. What really ends one is the first of three: these bytes, 1,048,576 rows, and
    /// `memory_bytes`, which the row groups of all folders share.
    pub row_group_bytes: usize,
    /// Folders that one source may write to.
    pub max_partitions: usize,
}

impl Default for Limits {
    /// With what is on its way and what the engine holds, a function stays under 256 MiB. Here memory ends every row group
    /// that has not its most rows before: 96 MiB of a source of one folder, less of many.
    fn default() -> Self {
        Self { memory_bytes: 96 << 20, row_group_bytes: 128 << 20, max_partitions: 1_000 }
    }
}

/// The next bytes of a file. All but its last have at least 5 MiB, as S3 asks of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Key in the lake's bucket, dataset and folders included.
    pub file: String,
    /// Which piece of the file it is, from 0.
    pub number: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether the file ends with it.
    pub is_last: bool,
}

/// Why a source cannot be written here. What was given out of it before is no whole output.
#[derive(Debug, thiserror::Error)]
pub enum LakeError {
    /// More folders than one source may write to.
    #[error("has rows of more than {max} partitions")]
    TooManyPartitions {
        /// How many are allowed.
        max: usize,
    },
    /// The values of the partition columns do not fit a key.
    #[error("a row's partition makes a key of {bytes} bytes, S3 takes {max}")]
    KeyTooLong {
        /// Length of the key.
        bytes: usize,
        /// Most bytes of a key.
        max: usize,
    },
    /// A column's text is not the canonical one of its type.
    #[error("column {column} holds a text that is not canonical")]
    NotCanonical {
        /// The column's name in the warehouse.
        column: String,
    },
    /// The Parquet library refused what it was given.
    #[error("cannot be written as Parquet")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// Fewest bytes of a part that is not the last, as S3 has it.
const MIN_PIECE_BYTES: usize = 5 << 20;

#[cfg(test)]
mod tests;
