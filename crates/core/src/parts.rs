//! Rows into files that COPY reads: JSON lines in the hand-over format, zstd, cut to a size at which COPY reads them in
//! parallel. The same rows give the same files, byte by byte, so that a redelivery rewrites and never doubles them.
//! Lines are told to the frame by what they repeat of those before them and never stand in memory as a whole. Writes
//! nothing itself.

mod lines;
mod seen;
#[cfg(test)]
mod tests;

use std::io;

use zstd::bulk::Compressor;

use crate::contract::Contract;
use crate::reject::{Rule, Violation};
use crate::row::{HandOver, Row};
use lines::Lines;

/// Plain bytes of a file, but for the row that crosses it: a few megabytes when compressed, of the size that COPY reads
/// well in parallel.
const PART_BYTES: usize = 16 << 20;
/// COPY takes JSON objects of at most 4 MB (Redshift, "COPY from JSON format").
const MAX_LINE_BYTES: usize = 4_000_000;
/// A row whose values have no more is no longer than that, though each byte became an escape of six and 1,600 columns
/// (Redshift's most) have names of 127 bytes.
const MAX_PLAIN_BYTES: usize = 600_000;
/// Fast: a file is read once.
const LEVEL: i32 = 1;

/// Packs the rows of one object.
pub struct PartWriter {
    hand_over: HandOver,
    /// What all rows end with, by whether they are tombstones.
    tails: [String; 2],
    lines: Lines,
}

impl PartWriter {
    /// Rows of an object, `s3://bucket/key`.
    pub fn new(contract: &Contract, source: impl Into<String>) -> Self {
        let hand_over = HandOver::new(contract);
        let tails = hand_over.staged_tails(&source.into());
        Self { hand_over, tails, lines: Lines::default() }
    }

    /// Adds a row; gives the file that it completes.
    pub fn push(&mut self, row: Row<'_>) -> Result<Option<Vec<u8>>, Violation> {
        if row.has_more_bytes(MAX_PLAIN_BYTES) {
            self.check_length(row)?;
        }
        self.hand_over.write_staged(row, &self.tails, &mut self.lines);
        if self.lines.len() < PART_BYTES {
            return Ok(None);
        }
        Ok(self.cut())
    }

    /// Writes a large row to see its length.
    fn check_length(&self, row: Row<'_>) -> Result<(), Violation> {
        let mut line = String::new();
        self.hand_over.write_staged(row, &self.tails, &mut line);
        if line.len() <= MAX_LINE_BYTES {
            return Ok(());
        }
        let reason = format!("has {} bytes with its stamps, COPY takes {MAX_LINE_BYTES}", line.len());
        Err(Violation::record(Rule::RowTooLarge, reason))
    }

    /// The last file, if there are rows in it.
    pub fn finish(mut self) -> Option<Vec<u8>> {
        self.cut()
    }

    /// The file so far, if there are rows in it: the next row begins another one.
    pub fn cut(&mut self) -> Option<Vec<u8>> {
        self.lines.finish()
    }
}

/// A text as COPY reads it, in one file.
pub fn packed(text: &str) -> io::Result<Vec<u8>> {
    Compressor::new(LEVEL)?.compress(text.as_bytes())
}

#[cfg(test)]
mod content_tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::fixtures::{checker, origin};
    use crate::row::{Checker, Place, Rows, Session};

    fn rows_of(checker: &Checker, records: &[&str]) -> Rows {
        let (mut rows, mut session) = (Rows::default(), Session::default());
        for (position, record) in (0..).zip(records) {
            let place = Place::Object { origin: &origin(), position };
            checker.check_json(&mut session, record.as_bytes(), &place, &mut rows).unwrap();
        }
        rows
    }

    fn lines(packed: &[u8]) -> Vec<serde_json::Value> {
        let text = String::from_utf8(zstd::decode_all(packed).unwrap()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_file_has_what_copy_has_columns_for_and_no_more() {
        let checker = checker("", &["name: a, physicalType: 'varchar(9)'", "name: n, physicalType: integer"]);
        let rows = rows_of(&checker, &[r#"{"a":"x\"\\y","n":1}"#, r#"{"n":null}"#]);
        let mut parts = PartWriter::new(checker.contract(), "s3://b/k \"1\"");
        for row in rows.iter() {
            assert_eq!(parts.push(row).unwrap(), None);
        }
        let lines = lines(&parts.finish().unwrap());
        let keys = |at: usize| lines[at].as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        for at in [0, 1] {
            let all = ["_deleted", "_order", "_record_id", "_row_hash", "_source", "a", "n"];
            assert!(keys(at).iter().eq(&all), "{:?}", keys(at));
        }
        assert_eq!((&lines[0]["a"], &lines[0]["n"]), (&"x\"\\y".into(), &"1".into()));
        assert_eq!(
            (&lines[1]["a"], &lines[1]["_source"]),
            (&serde_json::Value::Null, &"s3://b/k \"1\"".into())
        );
    }

    #[test]
    fn a_row_that_copy_would_not_take_leaves_the_others() {
        let checker = checker("", &["name: s, physicalType: super"]);
        let large = format!(r#"{{"s":{{"a":"{}"}}}}"#, "x".repeat(MAX_LINE_BYTES));
        let rows = rows_of(&checker, &[r#"{"s":1}"#, &large, r#"{"s":2}"#]);
        let mut parts = PartWriter::new(checker.contract(), "s3://b/k");
        let pushed: Vec<_> = rows.iter().map(|row| parts.push(row)).collect();
        assert!(matches!(&pushed[1], Err(broken) if broken.rule == Rule::RowTooLarge));
        let lines = lines(&parts.finish().unwrap());
        assert_eq!(lines.iter().map(|line| line["s"].clone()).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn files_are_cut_at_their_size_and_lose_nothing() {
        let checker = checker("", &["name: s, physicalType: super"]);
        let record = format!(r#"{{"s":"{}"}}"#, "y".repeat(1 << 20));
        let rows = rows_of(&checker, &[&record]);
        let mut parts = PartWriter::new(checker.contract(), "s3://b/k");
        let mut files = Vec::new();
        for _ in 0..40 {
            files.extend(parts.push(rows.get(0).unwrap()).unwrap());
        }
        files.extend(parts.finish());
        assert_eq!(files.len(), 3);
        assert_eq!(files.iter().map(|file| lines(file).len()).sum::<usize>(), 40);
    }

    #[test]
    fn no_rows_are_no_file() {
        let checker = checker("", &["name: a, physicalType: integer"]);
        assert_eq!(PartWriter::new(checker.contract(), "s3://b/k").finish(), None);
    }
}
