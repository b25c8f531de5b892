//! Rows on their way into a table: values in, PostgreSQL's COPY text out, and the errors of those that do not fit.
//! Knows neither formats nor S3.

use super::columns::{Column, Value};
use crate::sql::Conversion;

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Flaw {
    /// Redshift's number for it.
    pub code: i32,
    /// Redshift's words.
    pub message: String,
    /// Where in the value.
    pub position: usize,
}

impl Flaw {
    /// A flaw of the whole value.
    pub fn new(code: i32, message: String) -> Self {
        Self { code, message, position: 0 }
    }
}

/// A line of SYS_LOAD_ERROR_DETAIL.
#[derive(Debug, Clone)]
pub struct LoadError {
    /// The object's URL.
    pub file: String,
    /// From 1.
    pub line: u64,
    /// The column's name, type and length, where the error has one.
    pub column: Option<(String, &'static str, String)>,
    /// The error itself.
    pub flaw: Flaw,
}

/// Where a parser puts what it has read.
#[derive(Debug)]
pub struct Rows<'a> {
    /// The columns in the order in which their values come.
    pub columns: &'a [Column],
    /// How texts become values.
    pub conversion: &'a Conversion,
    /// The object that is read.
    pub file: String,
    /// Rows for PostgreSQL that were not sent yet.
    pub out: Vec<u8>,
    /// Rows so far.
    pub loaded: u64,
    /// Errors so far.
    pub errors: Vec<LoadError>,
    /// Errors at which the load fails.
    pub max_errors: usize,
}

impl Rows<'_> {
    /// Adds a row with a value for each column; one that does not fit makes the row an error.
    pub fn add(&mut self, line: u64, values: &[Value<'_>]) {
        let start = self.out.len();
        for (i, column) in self.columns.iter().enumerate() {
            if i > 0 {
                self.out.push(b'\t');
            }
            let value = values.get(i).copied().unwrap_or(Value::Null);
            if let Err(flaw) = column.write(value, self.conversion, &mut self.out) {
                self.out.truncate(start);
                return self.reject(line, Some(i), flaw);
            }
        }
        self.out.push(b'\n');
        self.loaded += 1;
    }

    /// Notes an error.
    pub fn reject(&mut self, line: u64, column: Option<usize>, flaw: Flaw) {
        let column = column.and_then(|i| self.columns.get(i)).map(|column| {
            let (type_name, length) = column.kind.shown();
            (column.name.clone(), type_name, length)
        });
        self.errors.push(LoadError { file: self.file.clone(), line, column, flaw });
    }

    /// The load fails: nothing more needs to be read.
    pub fn is_lost(&self) -> bool {
        self.errors.len() >= self.max_errors.max(1)
    }
}
