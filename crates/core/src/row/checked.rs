//! Rows whose stamps are still to come, for many rows at once or for none. Knows rows as the arena gives them.

use std::fmt;

use super::rows::{Row, Rows};

/// Rows that fit their contract and are not all stamped yet: hashes are taken when somebody needs them.
#[derive(Clone, Default)]
pub struct CheckedRows {
    rows: Rows,
    /// How many have their stamps.
    stamped: usize,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct CheckedRow<'a>(Row<'a>);

impl CheckedRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Forgets all rows and keeps their memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.stamped = 0;
    }

    /// The row of an index.
    pub fn get(&self, at: usize) -> Option<CheckedRow<'_>> {
        self.rows.get(at).map(CheckedRow)
    }

    /// All rows.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = CheckedRow<'_>> + ExactSizeIterator {
        self.rows.iter().map(CheckedRow)
    }

    /// Where the checker writes.
    pub(crate) fn unstamped(&mut self) -> &mut Rows {
        &mut self.rows
    }

    /// Has every row stamped that is not: `stamp` is told the index of the first.
    pub(crate) fn stamp(&mut self, stamp: impl FnOnce(&mut Rows, usize)) -> &Rows {
        let first = std::mem::replace(&mut self.stamped, self.rows.len());
        stamp(&mut self.rows, first);
        &self.rows
    }
}

impl<'a> CheckedRow<'a> {
    /// The row, whose stamps nobody may ask for.
    #[cfg(feature = "parquet")]
    pub(crate) fn unstamped(self) -> Row<'a> {
        self.0
    }

    /// Canonical text of a column, `None` for NULL.
    pub fn get(&self, column: usize) -> Option<&'a str> {
        self.0.get(column)
    }

    /// Byte offset of its record in the decompressed stream; the ordinal where the format has rows, not bytes.
    pub fn position(&self) -> u64 {
        self.0.position()
    }
}

impl fmt::Debug for CheckedRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.fmt(f)
    }
}
