//! One object's bytes into a batch: decompress, frame, check, derive, stamp. The one way in for every route.
//! Pure: bytes are pushed in, rows and rejects are taken out; who fetches and who delivers is not known here.

use std::sync::Arc;

use crate::contract::{ContractError, Format};
use crate::decode::{Broken, Frame, Inflate, JsonFramer, Limits};
use crate::reject::{Reject, Violation};
use crate::row::{Checker, Origin, Row};

/// A row and where its record stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedRow {
    /// Byte offset in the decompressed stream.
    pub position: u64,
    /// The row.
    pub row: Row,
}

/// Rows and rejects of one object, since they were last taken. `read` counts both.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records that fit the contract, in the object's order.
    pub rows: Vec<PlacedRow>,
    /// Records that do not, in the object's order.
    pub rejects: Vec<Reject>,
    /// Records seen.
    pub read: u64,
    /// Fields that the contract does not name and that were left out.
    pub extra_fields: u64,
}

/// Reads one object as a stream.
#[derive(Debug)]
pub struct Ingest {
    checker: Arc<Checker>,
    origin: Origin,
    inflate: Inflate,
    framer: JsonFramer,
}

impl Ingest {
    /// Starts on an object. A dataset without an S3 server, or in a format that is not built yet, is refused.
    pub fn new(checker: Arc<Checker>, origin: Origin, limits: Limits) -> Result<Self, ContractError> {
        let s3 = checker.contract().s3.as_ref();
        let Some(s3) = s3 else {
            return Err(ContractError::at("servers", "has no server of type s3".into()));
        };
        if s3.format.is_some_and(|format| format != Format::Json) {
            return Err(ContractError::at("servers", "only the format json can be read yet".into()));
        }
        let framer = JsonFramer::new(s3.delimiter, limits);
        Ok(Self { checker, origin, inflate: Inflate::new(limits), framer })
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
    /// a batch stays small whatever the bytes unpack to. On `Broken` what the batch got before stays valid.
    pub fn step(&mut self, bytes: &[u8], batch: &mut Batch) -> Result<usize, Broken> {
        let Self { checker, origin, inflate, framer } = self;
        let mut framed = Ok(());
        let taken = inflate.step(bytes, &mut |plain| {
            if framed.is_ok() {
                framer.push(plain);
                framed = take(framer, checker, origin, batch);
            }
        });
        framed.and(taken)
    }

    /// The end of the object. A stream that is not complete is `Broken`, after its last records were taken.
    pub fn finish(self, batch: &mut Batch) -> Result<(), Broken> {
        let Self { checker, origin, inflate, mut framer } = self;
        let mut framed = Ok(());
        let unpacked = inflate.finish(&mut |plain| {
            if framed.is_ok() {
                framer.push(plain);
                framed = take(&mut framer, &checker, &origin, batch);
            }
        });
        framer.finish();
        let rest = take(&mut framer, &checker, &origin, batch);
        framed.and(unpacked).and(rest)
    }
}

fn take(
    framer: &mut JsonFramer,
    checker: &Checker,
    origin: &Origin,
    batch: &mut Batch,
) -> Result<(), Broken> {
    while let Some(frame) = framer.next_frame()? {
        batch.read += 1;
        match check(&frame, checker, origin, batch) {
            Ok(row) => batch.rows.push(PlacedRow { position: frame.position, row }),
            Err(violations) => batch.rejects.push(Reject {
                position: Some(frame.position),
                line: Some(frame.line),
                violations,
                raw: frame.bytes.to_vec(),
            }),
        }
    }
    Ok(())
}

fn check(
    frame: &Frame<'_>,
    checker: &Checker,
    origin: &Origin,
    batch: &mut Batch,
) -> Result<Row, Vec<Violation>> {
    if let Some((rule, reason)) = frame.fault {
        return Err(vec![Violation::record(rule, reason)]);
    }
    let checked = checker.check(frame.bytes, origin, frame.position)?;
    batch.extra_fields += checked.extra_fields as u64;
    Ok(checked.row)
}

/// Whether more than the allowed share of the records was rejected.
pub fn over_rejected_fraction(read: u64, rejected: u64, max_fraction: f64) -> bool {
    rejected > 0 && rejected as f64 > max_fraction * read as f64
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
