//! Lines cut into fields: CSV with its quotes, and plain delimited text without. A quoted field may hold delimiters,
//! line ends and doubled quotes. Knows no packing and no S3.

use super::columns::{Kind, Value};
use super::json::bad_utf8;
use super::nested;
use super::rows::{Flaw, Rows};
use crate::sql::Delimited;

/// The most that a row may have.
const MAX_ROW_BYTES: usize = 4 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    FieldStart,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: its end, or the first of two.
    Quote,
}

/// Reads one file.
#[derive(Debug)]
pub struct Reader {
    format: Delimited,
    at: At,
    /// The fields of the row, one behind the other.
    text: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    line: u64,
    started_at: u64,
    /// A byte of the row was seen.
    is_open: bool,
    /// Quotes that stand where none may.
    is_malformed: bool,
}

impl Reader {
    /// For one object of S3.
    pub fn new(format: Delimited) -> Self {
        Self {
            format,
            at: At::FieldStart,
            text: Vec::new(),
            ends: Vec::new(),
            line: 1,
            started_at: 1,
            is_open: false,
            is_malformed: false,
        }
    }

    /// Takes bytes of the file.
    pub fn push(&mut self, bytes: &[u8], rows: &mut Rows<'_>) {
        for byte in bytes {
            self.byte(*byte, rows);
            if rows.is_lost() {
                return;
            }
        }
    }

    /// The file is over; its last line needs no end.
    pub fn end(&mut self, rows: &mut Rows<'_>) {
        if self.at == At::Quoted {
            rows.reject(self.started_at, None, Flaw::new(1216, "End-of-file inside a quoted field".into()));
        } else if self.is_open {
            self.row(rows);
        }
    }

    fn byte(&mut self, byte: u8, rows: &mut Rows<'_>) {
        if self.line <= self.format.header_lines {
            self.line += u64::from(byte == b'\n');
            self.started_at = self.line;
        } else if byte == b'\n' && self.at != At::Quoted {
            self.row(rows);
            self.line += 1;
            self.started_at = self.line;
        } else {
            self.line += u64::from(byte == b'\n');
            self.part_of_row(byte);
            self.is_open = true;
            if self.text.len() > MAX_ROW_BYTES {
                self.text.truncate(MAX_ROW_BYTES);
                self.is_malformed = true;
            }
        }
    }

    fn part_of_row(&mut self, byte: u8) {
        let is_quote = self.format.quote == Some(byte);
        match self.at {
            At::Quoted if is_quote => self.at = At::Quote,
            At::Quoted => self.text.push(byte),
            At::Quote if is_quote => {
                self.text.push(byte);
                self.at = At::Quoted;
            }
            _ if byte == self.format.delimiter => {
                self.ends.push(self.text.len());
                self.at = At::FieldStart;
            }
            At::FieldStart if is_quote => self.at = At::Quoted,
            // A line may end with CR and LF.
            At::Quote => self.is_malformed |= byte != b'\r',
            At::FieldStart | At::Plain => {
                self.text.push(byte);
                self.at = At::Plain;
            }
        }
    }

    fn row(&mut self, rows: &mut Rows<'_>) {
        if self.text.last() == Some(&b'\r') && self.at == At::Plain {
            self.text.pop();
        }
        self.ends.push(self.text.len());
        let is_blank = self.text.is_empty() && self.ends.len() == 1 && self.at != At::Quote;
        if !(is_blank && self.format.skips_blank_lines)
            && let Err((column, flaw)) = self.values(rows)
        {
            rows.reject(self.started_at, column, flaw);
        }
        self.at = At::FieldStart;
        self.text.clear();
        self.ends.clear();
        self.is_open = false;
        self.is_malformed = false;
    }

    fn values(&self, rows: &mut Rows<'_>) -> Result<(), (Option<usize>, Flaw)> {
        if self.is_malformed {
            return Err((None, Flaw::new(1216, "Invalid quote formatting for CSV".into())));
        }
        let text = std::str::from_utf8(&self.text).map_err(|error| (None, bad_utf8(&self.text, &error)))?;
        let (wanted, found) = (rows.columns.len(), self.ends.len());
        if found > wanted {
            return Err((None, Flaw::new(1202, "Extra column(s) found".into())));
        }
        if found < wanted {
            return Err((Some(found), Flaw::new(1214, "Delimiter not found".into())));
        }
        let mut values = Vec::with_capacity(wanted);
        let mut from = 0;
        for (i, end) in self.ends.iter().enumerate() {
            let field = text.get(from..*end).unwrap_or_default();
            from = *end;
            let is_null = rows.conversion.null_as.as_deref() == Some(field);
            let is_json = rows.columns.get(i).is_some_and(|column| column.kind == Kind::Super);
            values.push(match () {
                () if is_null => Value::Null,
                () if is_json => nested::parsed(field).map_err(|flaw| (Some(i), flaw))?,
                () => Value::Text(field),
            });
        }
        rows.add(self.started_at, &values);
        Ok(())
    }
}
