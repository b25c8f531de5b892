//! The files of one folder, one after the other: rows gather in a row group, row groups in the open file, and its
//! bytes leave in pieces. Knows no limits: it is told when to close what.

use std::io;

use parquet::errors::Result;
use parquet::file::writer::SerializedFileWriter;

use super::chunk::Chunk;
use super::pages::Packer;
use super::schema::Schema;
use super::{MIN_PIECE_BYTES, Piece};

/// What the footer keeps of a column of a row group until the file ends, about: fields, ends of its range, lists.
const FOOTER_COLUMN_BYTES: usize = 1 << 10;

/// A folder that rows of the source went to.
#[derive(Debug, Default)]
pub(super) struct Folder {
    /// The columns of the open row group; none without rows.
    pub chunks: Vec<Chunk>,
    pub rows: usize,
    /// Bytes that they hold.
    pub group_bytes: usize,
    file: Option<Open>,
    /// Number of the next file.
    files: u32,
}

#[derive(Debug)]
struct Open {
    writer: SerializedFileWriter<Sink>,
    name: String,
    /// Pieces that were given.
    pieces: u32,
    /// Bytes that the footer of the row groups so far takes, by estimate.
    footer_bytes: usize,
}

/// Bytes of a file that did not leave yet.
#[derive(Debug, Default)]
struct Sink {
    full: Vec<Vec<u8>>,
    rest: Vec<u8>,
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        if self.rest.len() >= MIN_PIECE_BYTES {
            self.full.push(std::mem::take(&mut self.rest));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Folder {
    /// Encoded bytes that are too few to leave, and what only the file's end lets go.
    pub fn unsent_bytes(&self) -> usize {
        self.file.as_ref().map_or(0, |file| file.writer.inner().rest.len() + file.footer_bytes)
    }

    /// Ends the open row group; its bytes go to the open file, or to a new one, which `name` names by its number.
    pub fn end_group(
        &mut self,
        schema: &Schema,
        packer: &mut Packer,
        name: impl FnOnce(u32) -> String,
    ) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut file = match self.file.take() {
            Some(file) => file,
            None => Open::new(schema, name(self.files))?,
        };
        let mut group = file.writer.next_row_group()?;
        for (chunk, column) in std::mem::take(&mut self.chunks).into_iter().zip(&schema.columns) {
            let (bytes, closed) = chunk.finish(column.clone(), packer)?;
            group.append_column(&bytes, closed)?;
        }
        group.close()?;
        file.writer.flush()?;
        file.footer_bytes += schema.columns.len() * FOOTER_COLUMN_BYTES;
        self.file = Some(file);
        (self.rows, self.group_bytes) = (0, 0);
        Ok(())
    }

    /// Takes what may leave of the open file.
    pub fn give(&mut self, ready: &mut Vec<Piece>) {
        if let Some(file) = &mut self.file {
            let full = std::mem::take(&mut file.writer.inner_mut().full);
            full.into_iter().for_each(|bytes| file.give(bytes, ready));
        }
    }

    /// Ends the open file and takes its rest; rows that are still to come go to the next one.
    pub fn end_file(&mut self, ready: &mut Vec<Piece>) -> Result<()> {
        let Some(mut file) = self.file.take() else { return Ok(()) };
        self.files += 1;
        file.writer.finish()?;
        file.writer.flush()?;
        let Sink { full, rest } = std::mem::take(file.writer.inner_mut());
        full.into_iter().for_each(|bytes| file.give(bytes, ready));
        match ready.last_mut() {
            // The footer ended in the very byte that filled the piece.
            Some(last) if rest.is_empty() && last.file == file.name => last.is_last = true,
            _ => {
                file.give(rest, ready);
                ready.iter_mut().last().into_iter().for_each(|piece| piece.is_last = true);
            }
        }
        Ok(())
    }
}

impl Open {
    fn new(schema: &Schema, name: String) -> Result<Self> {
        let writer =
            SerializedFileWriter::new(Sink::default(), schema.root.clone(), schema.properties.clone())?;
        Ok(Self { writer, name, pieces: 0, footer_bytes: 0 })
    }

    fn give(&mut self, bytes: Vec<u8>, ready: &mut Vec<Piece>) {
        let (file, number) = (self.name.clone(), self.pieces);
        ready.push(Piece { file, number, bytes, is_last: false });
        self.pieces += 1;
    }
}
