//! What is kept of a record that could not be loaded: one JSON line each, under a key that is the same on every
//! delivery, so that a redelivery rewrites and never doubles it. Lines hold raw values: only the quarantine bucket
//! may get them. Writes nothing itself.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use serde::Serialize;

use crate::ident::{self, HexId};
use crate::reject::{Reject, Violation};

/// Raw bytes of one line at the most; a longer record is cut and says so (its object still has all of it).
const MAX_RAW_BYTES: usize = 1 << 20;

/// Whose rejects these are.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Dataset, `_unknown` where there is none.
    pub dataset: String,
    /// Identity of the object, or a hash of the message id where there is no object.
    pub id: HexId,
    /// `s3://bucket/key`, or what else the record came from.
    pub source: String,
    /// Version of the contract that the records were held to.
    pub contract_version: Option<String>,
}

/// Dataset name of what belongs to none.
pub const UNKNOWN_DATASET: &str = "_unknown";

#[derive(Serialize)]
struct Line<'a> {
    dataset: &'a str,
    object_id: &'a str,
    source: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    rules: &'a [Violation],
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<&'a str>,
    /// Records that are not UTF-8, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_bytes: Option<usize>,
}

impl Subject {
    /// A message that no dataset or object can be told of.
    pub fn message(message_id: &str, source: &str) -> Self {
        Self {
            dataset: UNKNOWN_DATASET.to_owned(),
            id: ident::stable_id(["message", message_id]),
            source: source.to_owned(),
            contract_version: None,
        }
    }

    /// Key of the n-th part (from 0) of what one function rejects of this subject.
    pub fn key(&self, function: &str, part: u32) -> String {
        self.section_key(function, 0, part)
    }

    /// The same of one section of a large object; the first one's keys are those of a whole object.
    pub fn section_key(&self, function: &str, section: u64, part: u32) -> String {
        let section = if section == 0 { String::new() } else { format!("s{section:06}-") };
        format!("{}/{}/{function}-{section}{part:06}.jsonl.gz", self.dataset, self.id)
    }

    /// The rejects as gzipped JSON lines; the same rejects give the same bytes.
    pub fn lines(&self, rejects: &[Reject]) -> Vec<u8> {
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
        for reject in rejects {
            // A Vec takes every write.
            let _infallible = gzip.write_all(&self.line_of(reject));
        }
        gzip.finish().unwrap_or_default()
    }

    /// One reject as its JSON line, with the line's end.
    pub fn line_of(&self, reject: &Reject) -> Vec<u8> {
        let mut line = serde_json::to_vec(&self.line(reject)).unwrap_or_default();
        line.push(b'\n');
        line
    }

    fn line<'a>(&'a self, reject: &'a Reject) -> Line<'a> {
        let cut = reject.raw.len() > MAX_RAW_BYTES;
        let kept = reject.raw.get(..MAX_RAW_BYTES).unwrap_or(&reject.raw);
        let text = match std::str::from_utf8(kept) {
            Ok(text) => Some(text),
            // A cut may stand inside a character.
            Err(error) if cut && error.valid_up_to() + 4 > kept.len() => {
                std::str::from_utf8(&kept[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        };
        let hex = || kept.iter().map(|byte| format!("{byte:02x}")).collect();
        Line {
            dataset: &self.dataset,
            object_id: self.id.as_str(),
            source: &self.source,
            contract_version: self.contract_version.as_deref(),
            position: reject.position,
            line: reject.line,
            rules: &reject.violations,
            raw: text.filter(|text| !text.is_empty()),
            raw_hex: text.is_none().then(hex),
            raw_bytes: cut.then_some(reject.raw.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::reject::Rule;

    fn read(packed: &[u8]) -> Vec<serde_json::Value> {
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn every_reject_is_one_line_that_reads_back() {
        let subject = Subject::message("m-1", "arn:queue");
        let reject = |raw: &[u8]| Reject {
            position: Some(7),
            line: Some(2),
            violations: vec![Violation::column(Rule::TooLong, "note", "has 9 bytes, varchar(8) holds 8")],
            raw: raw.to_vec(),
        };
        let packed = subject.lines(&[
            reject(b"{\"a\":\"\n'; DROP\"}"),
            reject(b"\xff\x00"),
            reject(&"é".repeat(1 << 20).into_bytes()),
        ]);
        let lines = read(&packed);
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0]["raw"], "{\"a\":\"\n'; DROP\"}");
        assert_eq!(lines[0]["rules"][0]["rule"], "too_long");
        assert_eq!((&lines[1]["raw_hex"], &lines[1]["raw"]), (&"ff00".into(), &serde_json::Value::Null));
        assert_eq!(lines[2]["raw_bytes"], 2 << 20);
        assert_eq!(
            packed,
            subject.lines(&[
                reject(b"{\"a\":\"\n'; DROP\"}"),
                reject(b"\xff\x00"),
                reject(&"é".repeat(1 << 20).into_bytes())
            ])
        );
    }
}
