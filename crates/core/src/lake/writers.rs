//! All files of one source: rows into the files of their folders, within limits of memory. Files, and where they are
//! cut, follow from the rows and the limits alone. Knows no S3.

use std::collections::HashMap;
use std::fmt;

use super::chunk::Chunk;
use super::folder::Folder;
use super::layout::{Cell, LakeColumn, Layout};
use super::pages::Packer;
use super::schema::Schema;
use super::value::Form;
use super::{LakeError, Limits, MAX_KEY_BYTES, Piece};
use crate::ident::HexId;
use crate::ingest::{Batch, Ingest};
use crate::row::Row;

/// Rows of a row group: as many as pyarrow writes, so that each has dictionaries of its own.
const MAX_GROUP_ROWS: usize = 1 << 20;

/// The files of one source.
pub struct Writers<'l> {
    layout: &'l Layout,
    schema: Schema,
    source_id: HexId,
    limits: Limits,
    packer: Packer,
    folders: Folders,
    ready: Vec<Piece>,
    /// Bytes of all open row groups, and of all open files that are too few to leave, with their footers.
    group_bytes: usize,
    unsent_bytes: usize,
    /// Memory for the texts of a row, and for bytes.
    text: String,
    bytes: Vec<u8>,
}

/// In the order that rows came to them in.
#[derive(Default)]
struct Folders {
    all: Vec<(String, Folder)>,
    by_name: HashMap<String, usize>,
}

impl<'l> Writers<'l> {
    /// No file yet. A source without rows has none.
    pub fn new(layout: &'l Layout, source_id: HexId, limits: Limits) -> Result<Self, LakeError> {
        Ok(Self {
            layout,
            schema: Schema::new(layout)?,
            source_id,
            limits,
            packer: Packer::new()?,
            folders: Folders::default(),
            ready: Vec::new(),
            group_bytes: 0,
            unsent_bytes: 0,
            text: String::new(),
            bytes: Vec::new(),
        })
    }

    /// Takes the rows of a batch, once; they are stamped if the files have stamps. After an error nothing of the source
    /// is of use.
    pub fn push(&mut self, ingest: &mut Ingest, batch: &mut Batch) -> Result<(), LakeError> {
        let source = ingest.source().to_owned();
        let rows: Vec<Row<'_>> = match self.layout.has_stamps() {
            true => ingest.stamp(batch).iter().collect(),
            false => batch.rows.iter().map(|row| row.unstamped()).collect(),
        };
        if self.layout.partitions().is_empty() {
            let folder = self.folder("")?;
            return self.push_to(folder, &rows, &source);
        }
        let mut sorted = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            let mut folders = std::mem::take(&mut self.text);
            folders.clear();
            self.layout.push_folders(|column| row.get(column), &mut folders);
            sorted.push((self.folder(&folders)?, at));
            self.text = folders;
        }
        sorted.sort_unstable();
        for own in sorted.chunk_by(|a, b| a.0 == b.0) {
            let rows: Vec<_> = own.iter().filter_map(|(_, at)| rows.get(*at).copied()).collect();
            if let Some((folder, _)) = own.first() {
                self.push_to(*folder, &rows, &source)?;
            }
        }
        Ok(())
    }

    /// What is ready to leave, of every file in its order; asked for after every batch, so that nothing piles up.
    pub fn pieces(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.ready)
    }

    /// The rest: every file that is open is closed.
    pub fn finish(&mut self) -> Result<Vec<Piece>, LakeError> {
        for at in 0..self.folders.all.len() {
            self.end_group(at)?;
            self.end_file(at)?;
        }
        Ok(self.pieces())
    }

    /// Index of a folder.
    fn folder(&mut self, name: &str) -> Result<usize, LakeError> {
        if let Some(at) = self.folders.by_name.get(name) {
            return Ok(*at);
        }
        let at = self.folders.all.len();
        let bytes = self.layout.file(name, &self.source_id, u32::MAX).len();
        if at == self.limits.max_partitions {
            return Err(LakeError::TooManyPartitions { max: at });
        } else if bytes > MAX_KEY_BYTES {
            return Err(LakeError::KeyTooLong { bytes, max: MAX_KEY_BYTES });
        }
        self.folders.all.push((name.to_owned(), Folder::default()));
        self.folders.by_name.insert(name.to_owned(), at);
        Ok(at)
    }

    /// Rows of one folder, column by column.
    fn push_to(&mut self, at: usize, rows: &[Row<'_>], source: &str) -> Result<(), LakeError> {
        let Some((_, folder)) = self.folders.all.get_mut(at).filter(|_| !rows.is_empty()) else {
            return Ok(());
        };
        if folder.rows == 0 {
            folder.chunks = self.schema.chunks();
        }
        for (column, chunk) in self.layout.columns().iter().zip(&mut folder.chunks) {
            push_column(column, rows, source, chunk, (&mut self.packer, &mut self.bytes))?;
        }
        folder.rows += rows.len();
        self.group_bytes -= folder.group_bytes;
        folder.group_bytes = folder.chunks.iter().map(|chunk| chunk.memory()).sum();
        self.group_bytes += folder.group_bytes;
        if folder.group_bytes >= self.limits.row_group_bytes || folder.rows >= MAX_GROUP_ROWS {
            self.end_group(at)?;
        }
        self.keep_memory()
    }

    /// Closes what is largest until the open files are within their memory: files, if half of it only waits to be a
    /// piece or a footer, else row groups.
    fn keep_memory(&mut self) -> Result<(), LakeError> {
        let limit = self.limits.memory_bytes;
        loop {
            if self.group_bytes + self.unsent_bytes <= limit {
                return Ok(());
            }
            let closes_file = self.unsent_bytes > limit / 2;
            let size = |folder: &Folder| if closes_file { folder.unsent_bytes() } else { folder.group_bytes };
            let all = self.folders.all.iter().enumerate().map(|(at, (_, folder))| (size(folder), at));
            let Some((1.., at)) = all.max() else { return Ok(()) };
            if closes_file { self.end_file(at)? } else { self.end_group(at)? }
        }
    }

    fn end_group(&mut self, at: usize) -> Result<(), LakeError> {
        let Some((name, folder)) = self.folders.all.get_mut(at) else { return Ok(()) };
        self.group_bytes -= folder.group_bytes;
        self.unsent_bytes -= folder.unsent_bytes();
        let named = |number| self.layout.file(name, &self.source_id, number);
        folder.end_group(&self.schema, &mut self.packer, named)?;
        folder.give(&mut self.ready);
        self.unsent_bytes += folder.unsent_bytes();
        Ok(())
    }

    fn end_file(&mut self, at: usize) -> Result<(), LakeError> {
        let Some((_, folder)) = self.folders.all.get_mut(at) else { return Ok(()) };
        self.unsent_bytes -= folder.unsent_bytes();
        Ok(folder.end_file(&mut self.ready)?)
    }
}

/// The values of one column of rows.
fn push_column(
    column: &LakeColumn,
    rows: &[Row<'_>],
    source: &str,
    chunk: &mut Chunk,
    (packer, bytes): (&mut Packer, &mut Vec<u8>),
) -> Result<(), LakeError> {
    let form = Form::of(column.ty);
    let mut push = |text: Option<&str>| {
        let value = match text {
            Some(text) => form.value(text, bytes),
            None => None,
        };
        if value.is_none() && (text.is_some() || column.required) {
            return Err(LakeError::NotCanonical { column: column.name.clone() });
        }
        Ok(chunk.push(value, packer)?)
    };
    rows.iter().try_for_each(|row| match column.cell {
        Cell::Column(own) => push(row.get(own)),
        Cell::RecordId => push(Some(row.stamp().record_id.as_str())),
        Cell::RowHash => push(Some(row.stamp().row_hash.as_str())),
        Cell::Order => push(Some(row.stamp().order)),
        Cell::Source => push(Some(row.source().unwrap_or(source))),
        Cell::Deleted => push(Some(if row.stamp().deleted { "true" } else { "false" })),
    })
}

impl fmt::Debug for Writers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folders = self.folders.all.len();
        f.debug_struct("Writers")
            .field("source_id", &self.source_id)
            .field("folders", &folders)
            .finish_non_exhaustive()
    }
}
