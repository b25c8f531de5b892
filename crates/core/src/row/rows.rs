//! Checked rows in one arena: their canonical texts, stamps and positions, reused from batch to batch. A row only
//! gets in through the checker, so holding a `Row` proves that its values fit their columns.

use std::fmt;

use super::roomy::Roomy;
use crate::contract::Contract;
use crate::ident::{self, HexId};

/// What a row is known by on its way and in the warehouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp<'a> {
    /// Identity: of the primary key, or of the record's place.
    pub record_id: HexId,
    /// Hash of the columns that are not NULL.
    pub row_hash: HexId,
    /// Source time / object id / position: one text comparison tells the later.
    pub order: &'a str,
    /// Whether the row is a tombstone.
    pub deleted: bool,
}

/// Where a text lies in the arena; a batch is far below 4 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell {
    start: u32,
    end: u32,
}

impl Cell {
    /// NULL: no text ends before it starts.
    pub const NULL: Self = Self { start: 1, end: 0 };
}

#[derive(Debug, Clone, Copy)]
struct Head {
    position: u64,
    record_id: HexId,
    row_hash: HexId,
    order: Cell,
    /// `_source` that a stamped row brought along.
    source: Cell,
    deleted: bool,
    /// The source's texts are known to stand in JSON as they are.
    is_plain: bool,
}

impl Head {
    /// Of a row that is not stamped yet.
    const fn unstamped(position: u64) -> Self {
        let (record_id, row_hash) = (HexId::NONE, HexId::NONE);
        let (deleted, is_plain) = (false, false);
        Self { position, record_id, row_hash, order: Cell::NULL, source: Cell::NULL, deleted, is_plain }
    }
}

/// Rows of one dataset, in the order they were read.
#[derive(Clone, Default)]
pub struct Rows {
    text: String,
    /// As many as the dataset has columns, for each row.
    cells: Vec<Cell>,
    heads: Vec<Head>,
}

/// One row of an arena.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    rows: &'a Rows,
    cells: &'a [Cell],
    head: &'a Head,
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// Forgets all rows and keeps their memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.cells.clear();
        self.heads.clear();
    }

    /// Forgets all rows but the first so many.
    pub fn truncate(&mut self, len: usize) {
        if len == 0 {
            return self.clear();
        }
        self.cells.truncate(len * self.columns());
        self.heads.truncate(len);
    }

    /// The row of an index.
    pub fn get(&self, at: usize) -> Option<Row<'_>> {
        self.get_of(at, self.columns())
    }

    /// The same of rows that have so many columns: asked once for all.
    #[inline]
    pub(super) fn get_of(&self, at: usize, columns: usize) -> Option<Row<'_>> {
        let head = self.heads.get(at)?;
        Some(Row { rows: self, cells: self.cells.get(at * columns..(at + 1) * columns)?, head })
    }

    pub(super) fn columns(&self) -> usize {
        self.cells.len() / self.heads.len().max(1)
    }

    /// All rows.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Row<'_>> + ExactSizeIterator {
        let cells = self.cells.chunks_exact(self.columns().max(1));
        self.heads.iter().zip(cells).map(|(head, cells)| Row { rows: self, cells, head })
    }

    /// Gives a row its identity and its order, and tells whether the source's texts are known to stand in JSON as they
    /// are.
    pub(super) fn stamp(
        &mut self,
        at: usize,
        record_id: HexId,
        is_plain: bool,
        order: impl FnOnce(&mut String),
    ) {
        let Some(head) = self.heads.get_mut(at) else { return };
        let start = self.text.len() as u32;
        order(&mut self.text);
        let order = Cell { start, end: self.text.len() as u32 };
        (head.record_id, head.order, head.is_plain) = (record_id, order, is_plain);
    }

    /// Gives a row the hash of its columns.
    pub(super) fn set_row_hash(&mut self, at: usize, row_hash: HexId) {
        if let Some(head) = self.heads.get_mut(at) {
            head.row_hash = row_hash;
        }
    }

    /// Keeps a text of many records before they are checked: one copy instead of many.
    pub(crate) fn keep<'t>(&mut self, text: &'t str) -> RecordText<'t> {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        RecordText { text, kept: Some(Kept { start }) }
    }

    fn text(&self, cell: Cell) -> Option<&str> {
        self.text.get(cell.start as usize..cell.end as usize)
    }

    #[inline]
    fn roomy(&self, cell: Cell) -> Option<Roomy<'_>> {
        (cell != Cell::NULL).then(|| Roomy::of(&self.text, cell.start as usize, cell.end as usize))
    }
}

impl<'a> Row<'a> {
    /// Canonical text of a column, `None` for NULL.
    pub fn get(&self, column: usize) -> Option<&'a str> {
        self.rows.text(*self.cells.get(column)?)
    }

    /// The same of all columns with what lies behind them.
    #[inline]
    pub(super) fn roomies(&self) -> impl Iterator<Item = Option<Roomy<'a>>> {
        self.cells.iter().map(|cell| self.rows.roomy(*cell))
    }

    /// The same with what lies behind it.
    #[inline]
    pub(crate) fn roomy(&self, column: usize) -> Option<Roomy<'a>> {
        self.rows.roomy(*self.cells.get(column)?)
    }

    /// Whether the source's texts are known to stand in JSON as they are.
    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.head.is_plain
    }

    /// Its `_record_id` and its `_row_hash`.
    #[inline]
    pub(super) fn hashes(&self) -> [&'a HexId; 2] {
        [&self.head.record_id, &self.head.row_hash]
    }

    /// Whether it is a tombstone.
    #[inline]
    pub(super) fn is_deleted(&self) -> bool {
        self.head.deleted
    }

    /// Its `_order` with what lies behind it.
    #[inline]
    pub(crate) fn roomy_order(&self) -> Roomy<'a> {
        self.rows.roomy(self.head.order).unwrap_or("".into())
    }

    /// Whether all its columns together have more bytes.
    #[inline]
    pub(crate) fn has_more_bytes(&self, than: usize) -> bool {
        // Few batches have so many in all their rows.
        self.rows.text.len() > than && self.text_bytes() > than
    }

    fn text_bytes(&self) -> usize {
        self.cells.iter().map(|cell| cell.end.saturating_sub(cell.start) as usize).sum()
    }

    /// Identity and order.
    pub fn stamp(&self) -> Stamp<'a> {
        let Head { record_id, row_hash, deleted, .. } = *self.head;
        Stamp { record_id, row_hash, order: self.rows.text(self.head.order).unwrap_or_default(), deleted }
    }

    /// Byte offset of its record in the decompressed stream; the ordinal where the format has rows, not bytes.
    pub fn position(&self) -> u64 {
        self.head.position
    }

    /// The `_source` that a stamped row brought along.
    pub fn source(&self) -> Option<&'a str> {
        self.rows.text(self.head.source)
    }

    /// The ordered group that the contract's `groupBy` puts the row into.
    pub fn group(&self, contract: &Contract, groups: u32) -> u32 {
        ident::group(contract.group_by.iter().map(|i| self.get(*i)), groups)
    }
}

/// Values and stamps, wherever their texts lie.
impl fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.cells.iter().map(|cell| self.rows.text(*cell)).collect();
        f.debug_tuple("Row").field(&self.position()).field(&texts).field(&self.stamp()).finish()
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// A row being written at the end of an arena; dropped without `finish` it leaves no trace.
pub(super) struct Draft<'a> {
    rows: &'a mut Rows,
    text_len: usize,
    cells_len: usize,
    deleted: bool,
}

impl<'a> Draft<'a> {
    pub fn begin(rows: &'a mut Rows, columns: usize) -> Self {
        let (text_len, cells_len) = (rows.text.len(), rows.cells.len());
        rows.cells.resize(cells_len + columns, Cell::NULL);
        Self { rows, text_len, cells_len, deleted: false }
    }

    /// Canonical text of a column, `None` for NULL.
    pub fn get(&self, column: usize) -> Option<&str> {
        self.rows.text(*self.rows.cells.get(self.cells_len + column)?)
    }

    /// Writes a text at the end of the arena; an error takes it back.
    pub fn write<T, E>(&mut self, write: impl FnOnce(&mut String) -> Result<T, E>) -> Result<(Cell, T), E> {
        let start = self.rows.text.len();
        match write(&mut self.rows.text) {
            Ok(told) => Ok((Cell { start: start as u32, end: self.rows.text.len() as u32 }, told)),
            Err(error) => {
                self.rows.text.truncate(start);
                Err(error)
            }
        }
    }

    /// Writes a text at the end of the arena.
    pub fn append(&mut self, write: impl FnOnce(&mut String)) -> Cell {
        let start = self.rows.text.len() as u32;
        write(&mut self.rows.text);
        Cell { start, end: self.rows.text.len() as u32 }
    }

    /// Keeps a text.
    pub fn text(&mut self, text: &str) -> Cell {
        self.append(|out| out.push_str(text))
    }

    /// Gives a column its text.
    pub fn set(&mut self, column: usize, cell: Cell) {
        if let Some(own) = self.rows.cells.get_mut(self.cells_len + column) {
            *own = cell;
        }
    }

    /// The row is a tombstone.
    pub fn mark_deleted(&mut self) {
        self.deleted = true;
    }

    /// Keeps the record's text, of which cells may be cut, unless it is kept already.
    pub fn record(&mut self, record: RecordText<'_>) -> Kept {
        record.kept.unwrap_or_else(|| Kept { start: self.text(record.text).start })
    }

    /// The row so far.
    pub fn row(&self) -> Row<'_> {
        const HEAD: &Head = &Head::unstamped(0);
        Row { rows: self.rows, cells: self.rows.cells.get(self.cells_len..).unwrap_or_default(), head: HEAD }
    }

    /// Keeps the row; its stamps are to come.
    pub fn finish_unstamped(mut self, position: u64) {
        self.keep(Head { deleted: self.deleted, ..Head::unstamped(position) });
    }

    /// Keeps a row that brought its stamps along.
    pub fn finish(mut self, position: u64, stamp: Finished) {
        let Finished { record_id, row_hash, order, source, deleted } = stamp;
        self.keep(Head { position, record_id, row_hash, order, source, deleted, is_plain: false });
    }

    fn keep(&mut self, head: Head) {
        self.rows.heads.push(head);
        (self.text_len, self.cells_len) = (self.rows.text.len(), self.rows.cells.len());
    }
}

/// The text of a record that is to be checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordText<'t> {
    text: &'t str,
    kept: Option<Kept>,
}

impl<'t> From<&'t str> for RecordText<'t> {
    fn from(text: &'t str) -> Self {
        Self { text, kept: None }
    }
}

impl<'t> RecordText<'t> {
    /// The text.
    pub fn as_str(self) -> &'t str {
        self.text
    }

    /// A record of a text that holds many.
    #[inline]
    pub fn part(self, start: u64, len: usize) -> Option<Self> {
        let at = usize::try_from(start).ok()?;
        let text = self.text.get(at..at + len)?;
        Some(Self { text, kept: self.kept.map(|own| Kept { start: own.start + at as u32 }) })
    }
}

/// Where a text begins in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kept {
    start: u32,
}

impl Kept {
    /// A stretch of it.
    pub fn cell(self, (start, end): (u32, u32)) -> Cell {
        Cell { start: self.start + start, end: self.start + end }
    }
}

/// The stamps of a finished row, their texts in the arena.
pub(super) struct Finished {
    pub record_id: HexId,
    pub row_hash: HexId,
    pub order: Cell,
    pub source: Cell,
    pub deleted: bool,
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        self.rows.text.truncate(self.text_len);
        self.rows.cells.truncate(self.cells_len);
    }
}
