//! Where the rows of an object go, as its reader sees it: files that COPY reads, or a stream. Knows neither.

use std::future::Future;

use penstock_core::reject::Violation;
use penstock_core::row::{Origin, Row};
use penstock_core::work::File;

use super::ReadError;

/// Where the rows of a dataset go.
pub trait Outlet: Copy {
    /// Folder of the work bucket of what is kept of large objects.
    const KEPT_IN: &'static str;

    /// Rows of one object on their way.
    type Sink: RowSink;

    /// Begins with a section of an object, whose folder in the work bucket is given.
    fn open(&self, folder: &str, origin: &Origin, section: u64) -> Self::Sink;
}

/// Rows of one object on their way. It goes section by section: who reads a section again writes the same once more and
/// never something beside it.
pub trait RowSink {
    /// Takes a row. It waits for nothing.
    fn push(&mut self, row: Row<'_>) -> Result<(), Unfit>;

    /// Lets go of what is full; called for every few rows.
    fn drain(&mut self) -> impl Future<Output = Result<(), ReadError>>;

    /// Makes all rows of the section safe; the files that they are in, where it is files.
    fn close(&mut self) -> impl Future<Output = Result<Vec<File>, ReadError>>;

    /// Whether where rows go could not take them as fast as they came.
    fn was_held_up(&self) -> bool;

    /// Goes on with another section, after the last one was closed.
    fn turn_to(&mut self, section: u64);
}

/// A row that no carrier holds: a reject.
#[derive(Debug)]
pub struct Unfit {
    /// What is wrong with it.
    pub violation: Violation,
    /// Its text, where it is kept.
    pub raw: Vec<u8>,
}
