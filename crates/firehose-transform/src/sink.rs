//! The answer to Firehose: every record once, in its order, never over the limit of a Lambda answer to the byte.
//! Written as JSON in one piece. Knows no rows: it is given their text.

use base64_simd::STANDARD;

/// Most bytes of a Lambda answer.
pub const MAX_ANSWER_BYTES: usize = 6 * 1024 * 1024;

const HEAD: &str = "{\"records\":[";
const TAIL: &str = "]}";
const ID: &str = "{\"recordId\":";
const OK: &str = ",\"result\":\"Ok\",\"data\":\"";
const KEYS: &str = "\",\"metadata\":{\"partitionKeys\":";
const OK_END: &str = "}}";
const DROPPED: &str = ",\"result\":\"Dropped\"}";
const FAILED: &str = ",\"result\":\"ProcessingFailed\"}";
const FAILED_DATA: &str = ",\"result\":\"ProcessingFailed\",\"data\":";

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// Its rows go on.
    Ok {
        /// They, each with its line break.
        rows: &'a str,
        /// Partition keys, as a JSON object.
        keys: &'a str,
    },
    /// All its rows are in other records.
    Dropped,
    /// It is no row; its data goes back as it came.
    Failed(&'a str),
}

/// How a record was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// As it was asked.
    Whole,
    /// As failed and without its data, because the answer would have become too large.
    Minimal,
}

/// An answer being written. All records must be put, in the order in which they were announced.
#[derive(Debug)]
pub struct Answer {
    json: String,
    max_bytes: usize,
    /// Bytes that the records still to come take at least, each with its comma.
    reserved: usize,
}

impl Answer {
    /// Begins the answer to the records with these ids; `json` is memory that an earlier one left.
    pub fn begin<'a>(ids: impl Iterator<Item = &'a str>, max_bytes: usize, mut json: String) -> Self {
        let reserved = ids.map(|id| 1 + minimal_len(json_len(id))).sum();
        // Memory that is not written to is not used, and an answer that grows would be copied.
        json.clear();
        json.reserve(max_bytes.max(HEAD.len() + reserved + TAIL.len()));
        json.push_str(HEAD);
        Self { json, max_bytes, reserved }
    }

    /// Answers the next record: as asked if all later ones can then still be answered, else as failed.
    pub fn put(&mut self, id: &str, outcome: &Outcome<'_>) -> Answered {
        let id_len = json_len(id);
        self.reserved = self.reserved.saturating_sub(1 + minimal_len(id_len));
        if self.json.len() > HEAD.len() {
            self.json.push(',');
        }
        let len = self.json.len() + ID.len() + id_len + outcome.len() + self.reserved + TAIL.len();
        let fits = len <= self.max_bytes || outcome.len() <= FAILED.len();
        self.json.push_str(ID);
        push_json(id, &mut self.json);
        if fits {
            outcome.write(&mut self.json);
            return Answered::Whole;
        }
        self.json.push_str(FAILED);
        Answered::Minimal
    }

    /// The whole answer.
    pub fn into_json(mut self) -> String {
        self.json.push_str(TAIL);
        self.json
    }
}

impl Outcome<'_> {
    /// Bytes behind the id.
    fn len(&self) -> usize {
        match self {
            Self::Ok { rows, keys } => {
                OK.len() + STANDARD.encoded_length(rows.len()) + KEYS.len() + keys.len() + OK_END.len()
            }
            Self::Dropped => DROPPED.len(),
            Self::Failed(data) => FAILED_DATA.len() + json_len(data) + "}".len(),
        }
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Ok { rows, keys } => {
                out.push_str(OK);
                STANDARD.encode_append(rows, out);
                out.push_str(KEYS);
                out.push_str(keys);
                out.push_str(OK_END);
            }
            Self::Dropped => out.push_str(DROPPED),
            Self::Failed(data) => {
                out.push_str(FAILED_DATA);
                push_json(data, out);
                out.push('}');
            }
        }
    }
}

/// Bytes of a record's shortest answer but `Dropped`, without a comma.
fn minimal_len(id_len: usize) -> usize {
    ID.len() + id_len + FAILED.len()
}

/// Whether a text stands in JSON as it is. Without a branch a byte, so that the compiler takes many at once.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |special, b| special | (b < b' ') | (b == b'"') | (b == b'\\'))
}

/// Appends a JSON string.
pub fn push_json(text: &str, out: &mut String) {
    if is_plain(text) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&quoted(text));
    }
}

fn json_len(text: &str) -> usize {
    if is_plain(text) { text.len() + 2 } else { quoted(text).len() }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
