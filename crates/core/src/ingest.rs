//! One object's bytes into a batch: decompress, frame, check, derive, stamp. The one way in for every route.
//! Pure: bytes are pushed in, rows and rejects are taken out; who fetches and who delivers is not known here.

mod checkpoint;
mod reader;
mod recheck;

use std::sync::Arc;

use crate::contract::{Compression, ContractError, Format};
use crate::decode::{Broken, Inflate, Limits};
use crate::reject::Reject;
use crate::row::{CheckedRows, Checker, Origin, Place, Rows, Session, Warnings};
pub use checkpoint::Checkpoint;
use reader::{Reader, Taken};
pub use recheck::{Recheck, needs_header};

/// Rows and rejects of one object, since it was last cleared. `read` counts both.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records that fit the contract, in the object's order. `Ingest::stamp` gives them their stamps.
    pub rows: CheckedRows,
    /// Records that do not, in the object's order.
    pub rejects: Vec<Reject>,
    /// Records seen.
    pub read: u64,
    /// Fields that the contract does not name and that were left out.
    pub extra_fields: u64,
    /// Rows that break rules which only warn, and texts that were cut or emptied.
    pub warnings: Warnings,
}

impl Batch {
    /// Forgets what is in it and keeps its memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.rejects.clear();
        (self.read, self.extra_fields) = (0, 0);
        self.warnings = Warnings::default();
    }
}

/// Whether an object that has ended still has rows to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Call again: a format that is read in blocks has more.
    More,
    /// All of the object was given.
    Done,
}

/// Reads one object as a stream.
#[derive(Debug)]
pub struct Ingest {
    records: Records,
    inflate: Option<Inflate>,
    /// Whether the bytes are compressed.
    packed: bool,
    /// Plain bytes that were read before, and are dropped.
    skip: u64,
    reader: Reader,
    /// How decompression ended.
    unpacked: Result<(), Broken>,
}

/// What becomes of each record.
#[derive(Debug)]
struct Records {
    checker: Arc<Checker>,
    session: Session,
    origin: Origin,
    /// Whether lines are counted from the object's first one.
    tells_lines: bool,
    /// Whether they brought their stamps along.
    are_stamped: bool,
}

impl Ingest {
    /// Starts on an object. A dataset without an S3 server, or in a format that this build does not read, is refused.
    pub fn new(checker: Arc<Checker>, origin: Origin, limits: Limits) -> Result<Self, ContractError> {
        let s3 = checker.contract().s3.as_ref();
        let Some(s3) = s3 else {
            return Err(ContractError::at("servers", "has no server of type s3".into()));
        };
        if let Some(format) = s3.format.filter(|format| !can_read(*format)) {
            return Err(ContractError::at("servers", format!("{format:?} is no format that is read here")));
        }
        let reader = Reader::new(&checker, &origin, limits);
        let inflate = Some(Inflate::new(s3.compression, limits));
        let session = Session::default();
        let records = Records { checker, session, origin, tells_lines: true, are_stamped: false };
        Ok(Self { records, inflate, packed: false, skip: 0, reader, unpacked: Ok(()) })
    }

    /// Starts on an object of rows that another function has checked and stamped, in the hand-over format: they keep
    /// their stamps, and a record without them is a reject.
    pub fn of_stamped(checker: Arc<Checker>, origin: Origin, limits: Limits) -> Self {
        let inflate = Some(Inflate::new(Compression::Auto, limits));
        let session = Session::default();
        let records = Records { checker, session, origin, tells_lines: true, are_stamped: true };
        let reader = Reader::of_stamped(limits);
        Self { records, inflate, packed: false, skip: 0, reader, unpacked: Ok(()) }
    }

    /// Notes the names of fields that the contract does not name, for who asks for them.
    pub fn with_extra_names(mut self) -> Self {
        self.records.session.tell_extra_names();
        self
    }

    /// The first names of fields that were left out, shortened, each with the number of rows that had it.
    pub fn extra_names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.records.session.extra_names()
    }

    /// `s3://bucket/key` of the object.
    pub fn source(&self) -> &str {
        &self.records.origin.source
    }

    /// The batch's rows with their stamps: who only counts rows or looks at them does without.
    pub fn stamp<'b>(&mut self, batch: &'b mut Batch) -> &'b Rows {
        let Records { checker, session, origin, are_stamped, .. } = &mut self.records;
        batch.rows.stamp(|rows, from| {
            if !*are_stamped {
                checker.stamp(rows, from, |position| Place::Object { origin, position }, session);
            }
        })
    }

    /// All bytes in steps, for tests.
    #[cfg(test)]
    fn push(&mut self, mut bytes: &[u8], batch: &mut Batch) -> Result<(), Broken> {
        while !bytes.is_empty() {
            let taken = self.step(bytes, batch)?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Takes some of the object's next bytes and tells how many: as many as give at most 64 KiB of plain ones, so that
    /// a batch stays small whatever the bytes unpack to; none while rows of a block wait. On `Broken` what the batch
    /// got before stays valid.
    pub fn step(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<usize, Broken> {
        let Self { records, inflate, packed, skip, reader, .. } = self;
        let Some(inflate) = inflate else { return Ok(bytes.len()) };
        if reader.holds_rows() && reader.take(records, batch)? == Taken::Some {
            return Ok(0);
        }
        let mut framed = Ok(());
        let taken = inflate.step(bytes, &mut |plain| {
            let new = unread(skip, plain);
            if framed.is_ok() && !new.is_empty() {
                framed = reader.push(new, records).and_then(|()| reader.take(records, batch)).map(|_| ());
            }
        });
        *packed = !inflate.is_plain();
        framed.and(taken)
    }

    /// The end of the object, called until it is `Done`. A stream that is not complete is `Broken`, after its last
    /// records were taken.
    pub fn finish(&mut self, batch: &mut Batch) -> Result<Progress, Broken> {
        let Self { records, inflate, skip, reader, unpacked, .. } = self;
        if let Some(inflate) = inflate.take() {
            let mut framed = Ok(());
            *unpacked = inflate.finish(&mut |plain| {
                if framed.is_ok() {
                    framed = reader.push(unread(skip, plain), records);
                }
            });
            framed.and_then(|()| reader.finish(records, unpacked.is_ok()))?;
        }
        let taken = reader.take(records, batch);
        match (taken, std::mem::replace(unpacked, Ok(()))) {
            (Ok(Taken::Some), ended) => {
                *unpacked = ended;
                Ok(Progress::More)
            }
            (taken, ended) => ended.and(taken).map(|_| Progress::Done),
        }
    }
}

/// What of the next plain bytes was not read before.
fn unread<'b>(skip: &mut u64, plain: &'b [u8]) -> &'b [u8] {
    let read = usize::try_from(*skip).unwrap_or(usize::MAX).min(plain.len());
    *skip -= read as u64;
    plain.get(read..).unwrap_or_default()
}

/// Formats that this build reads.
fn can_read(format: Format) -> bool {
    match format {
        Format::Json | Format::Csv => true,
        Format::Parquet => cfg!(feature = "parquet"),
        Format::Avro => cfg!(feature = "avro"),
        Format::Binary => false,
    }
}

/// Whether more than the allowed share of the records was rejected.
pub fn over_rejected_fraction(read: u64, rejected: u64, max_fraction: f64) -> bool {
    rejected > 0 && rejected as f64 > max_fraction * read as f64
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;

#[cfg(test)]
mod stamped_tests;
