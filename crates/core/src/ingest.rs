//! One object's bytes into a batch: decompress, frame, check, derive, stamp. The one way in for every route.
//! Pure: bytes are pushed in, rows and rejects are taken out; who fetches and who delivers is not known here.

use std::sync::Arc;

use crate::contract::{ContractError, Format};
use crate::decode::{Broken, Inflate, JsonFramer, Limits};
use crate::reject::{Reject, Violation};
use crate::row::{Accepted, Checker, Origin, Place, Rows, Session, Warnings};

/// Rows and rejects of one object, since it was last cleared. `read` counts both.
#[derive(Debug, Default)]
pub struct Batch {
    /// Records that fit the contract, in the object's order.
    pub rows: Rows,
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

/// Reads one object as a stream.
#[derive(Debug)]
pub struct Ingest {
    records: Records,
    inflate: Inflate,
    framer: JsonFramer,
}

/// What becomes of each record.
#[derive(Debug)]
struct Records {
    checker: Arc<Checker>,
    session: Session,
    origin: Origin,
}

impl Ingest {
    /// Starts on an object. A dataset without an S3 server, or in a format that is not built yet, is refused.
    pub fn new(checker: Arc<Checker>, origin: Origin, limits: Limits) -> Result<Self, ContractError> {
        let s3 = checker.contract().s3.as_ref();
        let Some(s3) = s3 else {
            return Err(ContractError::at("servers", "has no server of type s3".into()));
        };
        if s3.format != Format::Json {
            return Err(ContractError::at("servers", "only the format json can be read yet".into()));
        }
        let framer = JsonFramer::new(s3.delimiter, limits);
        let records = Records { checker, session: Session::default(), origin };
        Ok(Self { records, inflate: Inflate::new(limits), framer })
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
        let Self { records, inflate, framer } = self;
        let mut framed = Ok(());
        let taken = inflate.step(bytes, &mut |plain| {
            if framed.is_ok() {
                framer.push(plain);
                framed = records.take(framer, batch);
            }
        });
        framed.and(taken)
    }

    /// The end of the object. A stream that is not complete is `Broken`, after its last records were taken.
    pub fn finish(self, batch: &mut Batch) -> Result<(), Broken> {
        let Self { mut records, inflate, mut framer } = self;
        let mut framed = Ok(());
        let unpacked = inflate.finish(&mut |plain| {
            if framed.is_ok() {
                framer.push(plain);
                framed = records.take(&mut framer, batch);
            }
        });
        framer.finish();
        let rest = records.take(&mut framer, batch);
        framed.and(unpacked).and(rest)
    }
}

impl Records {
    fn take(&mut self, framer: &mut JsonFramer, batch: &mut Batch) -> Result<(), Broken> {
        let Self { checker, session, origin } = self;
        while let Some(frame) = framer.next_accepted(&mut |bytes| checker.accept(session, bytes))? {
            batch.read += 1;
            let place = Place::Object { origin, position: frame.position };
            let checked = match (frame.fault, frame.accepted) {
                (Some((rule, reason)), _) => Err(vec![Violation::record(rule, reason)]),
                (None, true) => {
                    // Accepted records are UTF-8.
                    let text = std::str::from_utf8(frame.bytes).unwrap_or_default();
                    checker.check_fields(session, text, &place, &mut batch.rows)
                }
                (None, false) => checker.check_json(session, frame.bytes, &place, &mut batch.rows),
            };
            match checked {
                Ok(Accepted { extra_fields }) => batch.extra_fields += extra_fields,
                Err(violations) => batch.rejects.push(Reject {
                    position: Some(frame.position),
                    line: Some(frame.line),
                    violations,
                    raw: frame.bytes.to_vec(),
                }),
            }
        }
        batch.warnings.append(session.warnings());
        Ok(())
    }
}

/// Whether more than the allowed share of the records was rejected.
pub fn over_rejected_fraction(read: u64, rejected: u64, max_fraction: f64) -> bool {
    rejected > 0 && rejected as f64 > max_fraction * read as f64
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
