//! Parquet files: collected whole, because their index stands at their end, and given row by row as JSON texts that
//! the check of JSON records takes. The parquet crate may panic on hostile bytes: that is caught here, and is a
//! corrupt file like any other.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::parquet_pages::{self, PageFault, PageLimits};
use super::parquet_row::{Column, Writer};
use super::parquet_schema::{self, Node};
use super::{Broken, Limits};
use crate::reject::Rule;

const MAGIC: &[u8] = b"PAR1";
/// Values of a page of a repeated column.
const MAX_REPEATED_VALUES: i64 = 4 << 20;

/// Push reader: `push` all bytes, `finish`, then take rows until there is none.
pub(crate) struct ParquetReader {
    limits: Limits,
    bytes: Vec<u8>,
    is_too_large: bool,
    finished: bool,
    open: Option<Open>,
    ordinal: u64,
}

/// A file and the row group that is read.
struct Open {
    bytes: Bytes,
    file: SerializedFileReader<Bytes>,
    fields: Vec<Node>,
    next_group: usize,
    columns: Vec<Column>,
    rows: u64,
}

impl std::fmt::Debug for ParquetReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetReader")
            .field("bytes", &self.bytes.len())
            .field("ordinal", &self.ordinal)
            .finish()
    }
}

impl ParquetReader {
    /// A reader at the beginning of a file.
    pub fn new(limits: Limits) -> Self {
        Self { limits, bytes: Vec::new(), is_too_large: false, finished: false, open: None, ordinal: 0 }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.is_too_large |= self.bytes.len() + bytes.len() > self.limits.max_whole_bytes;
        if self.is_too_large {
            self.bytes = Vec::new();
        } else {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// No more bytes come.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Writes the next row into `out` and tells its number, counted from 0; `None` before `finish`, and at the end. A
    /// row longer than a record may be is cut, and still is longer.
    pub fn next_record(&mut self, out: &mut String) -> Result<Option<u64>, Broken> {
        out.clear();
        if self.is_too_large {
            let reason = "a Parquet file is read as a whole, and this one is longer than the limit";
            return Err(Broken::new(Rule::TooLargeForFormat, reason));
        }
        if !self.finished {
            return Ok(None);
        }
        let read = catch_unwind(AssertUnwindSafe(|| self.read(out)));
        let is_row = read.unwrap_or_else(|_| Err(invalid("its reader gave up on the file")))?;
        if !is_row {
            return Ok(None);
        }
        self.ordinal += 1;
        Ok(Some(self.ordinal - 1))
    }

    fn read(&mut self, out: &mut String) -> Result<bool, Broken> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::new(std::mem::take(&mut self.bytes))?),
        };
        while open.rows == 0 {
            if open.next_group >= open.file.num_row_groups() {
                return Ok(false);
            }
            open.enter_group(self.limits)?;
        }
        let mut writer = Writer { columns: &mut open.columns, max: self.limits.max_record_bytes };
        writer.row(&open.fields, out).map_err(invalid)?;
        open.rows -= 1;
        Ok(true)
    }
}

impl Open {
    fn new(bytes: Vec<u8>) -> Result<Self, Broken> {
        if !bytes.starts_with(MAGIC) {
            return Err(invalid("the file does not begin as a Parquet file"));
        }
        if bytes.len() < 3 * MAGIC.len() || !bytes.ends_with(MAGIC) {
            return Err(Broken::new(Rule::Truncated, "the Parquet file breaks off"));
        }
        let bytes = Bytes::from(bytes);
        let file =
            SerializedFileReader::new(bytes.clone()).map_err(|_| invalid("the index cannot be read"))?;
        let schema = file.metadata().file_metadata().schema_descr();
        let fields = parquet_schema::tree(schema).ok_or_else(|| invalid("the schema cannot be"))?;
        Ok(Self { bytes, file, fields, next_group: 0, columns: Vec::new(), rows: 0 })
    }

    fn enter_group(&mut self, limits: Limits) -> Result<(), Broken> {
        let group =
            self.file.get_row_group(self.next_group).map_err(|_| invalid("a row group cannot be read"))?;
        self.columns.clear();
        for (i, chunk) in group.metadata().columns().iter().enumerate() {
            let (start, len) = chunk.byte_range();
            let range = usize::try_from(start).ok().zip(usize::try_from(len).ok());
            let pages = range.and_then(|(start, len)| self.bytes.get(start..start.checked_add(len)?));
            let is_repeated = chunk.column_descr().max_rep_level() > 0;
            let limits = PageLimits {
                bytes: limits.max_block_bytes,
                values: is_repeated.then_some(MAX_REPEATED_VALUES),
            };
            parquet_pages::check(pages.ok_or_else(|| invalid("a column lies outside of the file"))?, limits)
                .map_err(page_fault)?;
            let reader = group.get_column_reader(i).map_err(|_| invalid("a column cannot be read"))?;
            self.columns.push(Column::new(reader, chunk.column_descr().max_def_level()));
        }
        self.rows = u64::try_from(group.metadata().num_rows()).map_err(|_| invalid("a count is negative"))?;
        self.next_group += 1;
        Ok(())
    }
}

fn page_fault(fault: PageFault) -> Broken {
    match fault {
        PageFault::Invalid => invalid("a page cannot be read"),
        PageFault::TooLarge => {
            Broken::new(Rule::TooLargeForFormat, "a page of the Parquet file is longer than the limit")
        }
    }
}

fn invalid(reason: &str) -> Broken {
    Broken::new(Rule::InvalidParquet, reason)
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
