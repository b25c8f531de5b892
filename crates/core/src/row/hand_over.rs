//! Rows into the hand-over format between functions and into COPY: one JSON object a row; keys are warehouse names,
//! every scalar is a text (COPY would pass JSON numbers through a float), super is nested JSON, NULL is null.
//! Reading it is `stamped`'s.

use super::rows::Row;
use super::scan::plain_len;
use crate::contract::{Contract, PhysicalType};

pub(crate) const RECORD_ID: &str = "_record_id";
pub(crate) const ROW_HASH: &str = "_row_hash";
pub(crate) const ORDER: &str = "_order";
pub(crate) const DELETED: &str = "_deleted";
pub(crate) const SOURCE: &str = "_source";
pub(super) const DATASET: &str = "_dataset";
pub(super) const CONTRACT_VERSION: &str = "_contract_version";

/// How a column's canonical text stands in JSON.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Digits, dates and the like: nothing to escape.
    Plain,
    Text,
    Json,
}

#[derive(Debug, Clone)]
struct Member {
    /// What stands before its value: `,"name":`, and the quote that opens a text.
    key: String,
    form: Form,
}

/// What stands before the values of the stamps; what closes the text before it is in it.
#[derive(Debug, Clone)]
struct Stamps {
    record_id: String,
    row_hash: String,
    order: String,
    /// By whether the row is a tombstone, with the value.
    deleted: [String; 2],
    source: String,
}

/// Writes rows of one contract; what is the same in every row is made once.
#[derive(Debug, Clone)]
pub struct HandOver {
    columns: Vec<Member>,
    stamps: Stamps,
    /// Dataset and contract version, as they end every whole row.
    tail: String,
}

impl HandOver {
    /// A writer for rows of the contract.
    pub fn new(contract: &Contract) -> Self {
        let columns = contract.columns.iter().enumerate().map(|(i, column)| {
            let form = match column.ty {
                PhysicalType::Super => Form::Json,
                PhysicalType::Varchar(_) | PhysicalType::Char(_) => Form::Text,
                _ => Form::Plain,
            };
            // Warehouse names are plain lower-case words: nothing to escape.
            let key = format!("{}\"{}\":\"", if i == 0 { "{" } else { "," }, column.physical.as_str());
            Member { key, form }
        });
        let mut tail = String::new();
        for (name, text) in [(DATASET, &contract.dataset), (CONTRACT_VERSION, &contract.version)] {
            tail.push_str(&key(name));
            push_text(text, &mut tail);
        }
        tail.push('}');
        let stamps = Stamps {
            record_id: format!("{}\"", key(RECORD_ID)),
            row_hash: format!("\"{}\"", key(ROW_HASH)),
            order: format!("\"{}\"", key(ORDER)),
            deleted: ["false", "true"].map(|is| format!("\"{}\"{is}\"", key(DELETED))),
            source: key(SOURCE),
        };
        Self { columns: columns.collect(), stamps, tail }
    }

    /// Appends a row with its four stamps as one JSON object without a line break: for messages that say once for all
    /// their rows where these come from.
    pub fn write(&self, row: Row<'_>, out: &mut String) {
        self.write_open(row, out);
        out.push('}');
    }

    /// The same with its source: what COPY has columns for.
    pub fn write_staged(&self, row: Row<'_>, source: &str, out: &mut String) {
        self.write_open(row, out);
        out.push_str(&self.stamps.source);
        push_text(source, out);
        out.push('}');
    }

    /// The same with everything that it is known by, also dataset and contract version.
    pub fn write_whole(&self, row: Row<'_>, source: &str, out: &mut String) {
        self.write_open(row, out);
        out.push_str(&self.stamps.source);
        push_text(source, out);
        out.push_str(&self.tail);
    }

    fn write_open(&self, row: Row<'_>, out: &mut String) {
        for (i, Member { key, form }) in self.columns.iter().enumerate() {
            let bare_key = key.get(..key.len() - 1).unwrap_or_default();
            match (row.get(i), form) {
                (None, _) => {
                    out.push_str(bare_key);
                    out.push_str("null");
                }
                (Some(text), Form::Plain) => {
                    out.push_str(key);
                    out.push_str(text);
                    out.push('"');
                }
                (Some(text), Form::Text) => {
                    out.push_str(key);
                    push_inner(text, out);
                    out.push('"');
                }
                (Some(json), Form::Json) => {
                    out.push_str(bare_key);
                    push_characters(json, out);
                }
            }
        }
        let (stamp, stamps) = (row.stamp(), &self.stamps);
        out.push_str(&stamps.record_id);
        out.push_str(stamp.record_id.as_str());
        out.push_str(&stamps.row_hash);
        out.push_str(stamp.row_hash.as_str());
        out.push_str(&stamps.order);
        // Letters, digits and slashes.
        out.push_str(stamp.order);
        let [live, deleted] = &stamps.deleted;
        out.push_str(if stamp.deleted { deleted } else { live });
    }
}

/// What stands before the value of a member that is not the first.
fn key(name: &str) -> String {
    format!(",\"{name}\":")
}

/// A JSON string. U+FFFE and U+FFFF are escaped too: SQS refuses bodies that hold them raw.
pub(crate) fn push_text(text: &str, out: &mut String) {
    out.push('"');
    push_inner(text, out);
    out.push('"');
}

/// What stands between the quotes of a JSON string.
#[inline]
fn push_inner(text: &str, out: &mut String) {
    if plain_len(text.as_bytes()).is_none()
        && (text.is_ascii() || memchr::memchr(0xef, text.as_bytes()).is_none())
    {
        out.push_str(text);
    } else {
        push_escaped(text, out);
    }
}

fn push_escaped(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c < ' ' || matches!(c, '"' | '\\' | '\u{fffe}' | '\u{ffff}')) {
        out.push_str(&rest[..at]);
        let c = rest[at..].chars().next().unwrap_or_default();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
        rest = &rest[at + c.len_utf8()..];
    }
    out.push_str(rest);
}

/// Nested JSON as it is, but for the two characters that SQS refuses, which can only stand in its texts.
fn push_characters(json: &str, out: &mut String) {
    if memchr::memchr(0xef, json.as_bytes()).is_none() {
        out.push_str(json);
        return;
    }
    let mut rest = json;
    while let Some(at) = rest.find(['\u{fffe}', '\u{ffff}']) {
        out.push_str(&rest[..at]);
        out.push_str(if rest[at..].starts_with('\u{fffe}') { "\\ufffe" } else { "\\uffff" });
        rest = &rest[at + '\u{fffe}'.len_utf8()..];
    }
    out.push_str(rest);
}
