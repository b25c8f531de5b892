//! What checking needs beside the contract and is used again from record to record: buffers, and what was seen so
//! far. One a stream of records (an object, an invocation); a checker itself never changes.

use super::fields::Fields;
use super::findings::Warnings;
use super::scan::{self, Hint, Names, Scanned};
use super::strict;
use super::unique::Window;
use crate::ident::RowHash;
use crate::reject::Violation;

/// Buffers of a stream of records.
#[derive(Debug, Default)]
pub struct Session {
    pub(crate) fields: Fields,
    hint: Hint,
    /// Text that a hash is taken of.
    pub(super) hashed: String,
    pub(super) row_hash: RowHash,
    /// Values that must not stand twice, for each such rule.
    pub(super) windows: Vec<Window>,
    warnings: Warnings,
}

/// What a row's record had besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Fields of the record that the contract does not name.
    pub extra_fields: u64,
}

impl Session {
    /// What rows broke that does not reject them, since it was last taken.
    pub fn warnings(&mut self) -> &mut Warnings {
        &mut self.warnings
    }

    /// Scans the record at the front of the bytes into `fields`, if it is plainly right.
    pub(super) fn scan(&mut self, names: &Names, bytes: &[u8]) -> Option<Scanned> {
        scan::scan(bytes, names, &mut self.hint, &mut self.fields)
    }

    /// Reads a record's fields; gives the record as text, which their spans speak of.
    pub(super) fn read<'r>(&mut self, names: &Names, record: &'r [u8]) -> Result<&'r str, Violation> {
        if self.scan(names, record).is_some_and(|own| own.len == record.len())
            && let Ok(text) = std::str::from_utf8(record)
        {
            return Ok(text);
        }
        strict::read_fields(record, names, &mut self.fields)?;
        // It was read as text already.
        Ok(std::str::from_utf8(record).unwrap_or_default())
    }
}
