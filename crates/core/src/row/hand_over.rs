//! Rows into the hand-over format between functions and into COPY: one JSON object a row; keys are warehouse names,
//! every scalar is a text (COPY would pass JSON numbers through a float), super is nested JSON, NULL is null.
//! Reading it is `stamped`'s.

use super::roomy::Roomy;
use super::rows::Row;
use crate::contract::{Contract, PhysicalType};
use crate::ident::HexId;

pub(crate) const RECORD_ID: &str = "_record_id";
pub(crate) const ROW_HASH: &str = "_row_hash";
pub(crate) const ORDER: &str = "_order";
pub(crate) const DELETED: &str = "_deleted";
pub(crate) const SOURCE: &str = "_source";
pub(super) const DATASET: &str = "_dataset";
pub(super) const CONTRACT_VERSION: &str = "_contract_version";

/// Numbers of what is no column's value; behind the last, those of columns that are NULL.
const IDENTITY: usize = 0;
const CONTENT: usize = 1;
const LIVE: usize = 2;
const DEAD: usize = 3;
const FIRST_NULL: usize = 4;

/// How a column's canonical text stands in JSON.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// Digits, dates and the like: nothing to escape.
    Plain,
    /// Any text, and whether the source has it.
    Text(bool),
    Json,
}

#[derive(Debug, Clone)]
struct Member {
    /// What stands before its value: `,"name":`, and the quote that opens a text.
    key: String,
    /// All of it where it has none.
    null: String,
    form: Form,
}

/// What stands before the values of the stamps.
#[derive(Debug, Clone)]
struct Stamps {
    record_id: String,
    row_hash: String,
    order: String,
    /// By whether the row is a tombstone, with the value.
    deleted: [String; 2],
    source: String,
}

/// What takes rows, piece by piece. A key is told with what opens its value, and is the same wherever a row has it.
pub(crate) trait Pieces {
    /// A column, or `_order` behind the last one, whose value is like those before it and ends with a quote.
    fn text(&mut self, column: usize, key: &str, value: Roomy<'_>);

    /// A column whose value is JSON.
    fn json(&mut self, column: usize, key: &str, value: Roomy<'_>);

    /// A value that is like no other and ends with a quote; by a number of its own.
    fn hash(&mut self, number: usize, key: &str, hash: &HexId);

    /// A key with its value, if it has one; by a number of its own.
    fn fixed(&mut self, number: usize, text: &str);
}

impl Pieces for String {
    #[inline]
    fn text(&mut self, _: usize, key: &str, value: Roomy<'_>) {
        self.push_str(key);
        self.push_str(value.as_str());
        self.push('"');
    }

    #[inline]
    fn json(&mut self, _: usize, key: &str, value: Roomy<'_>) {
        self.push_str(key);
        self.push_str(value.as_str());
    }

    #[inline]
    fn hash(&mut self, _: usize, key: &str, hash: &HexId) {
        self.push_str(key);
        self.push_str(hash.as_str());
        self.push('"');
    }

    #[inline]
    fn fixed(&mut self, _: usize, text: &str) {
        self.push_str(text);
    }
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
                PhysicalType::Varchar(_) | PhysicalType::Char(_) => Form::Text(column.derived.is_none()),
                _ => Form::Plain,
            };
            // Warehouse names are plain lower-case words: nothing to escape.
            let bare = format!("{}\"{}\":", if i == 0 { "{" } else { "," }, column.physical.as_str());
            let key = if let Form::Json = form { bare.clone() } else { format!("{bare}\"") };
            Member { key, null: format!("{bare}null"), form }
        });
        let mut tail = String::new();
        for (name, text) in [(DATASET, &contract.dataset), (CONTRACT_VERSION, &contract.version)] {
            tail.push_str(&key(name));
            push_text(text, &mut tail);
        }
        tail.push('}');
        let stamps = Stamps {
            record_id: format!("{}\"", key(RECORD_ID)),
            row_hash: format!("{}\"", key(ROW_HASH)),
            order: format!("{}\"", key(ORDER)),
            deleted: ["false", "true"].map(|is| format!("{}\"{is}\"", key(DELETED))),
            source: key(SOURCE),
        };
        Self { columns: columns.collect(), stamps, tail }
    }

    /// Appends a row with its four stamps as one JSON object without a line break: for messages that say once for all
    /// their rows where these come from.
    pub fn write(&self, row: Row<'_>, out: &mut String) {
        self.write_open(row, out);
        out.push_str(self.deleted(row));
        out.push('}');
    }

    /// The same with its source and a line break: what COPY has columns for. `tails` are what `staged_tails` gave.
    pub(crate) fn write_staged(&self, row: Row<'_>, tails: &[String; 2], out: &mut impl Pieces) {
        self.write_open(row, out);
        let [live, deleted] = tails;
        match row.is_deleted() {
            true => out.fixed(DEAD, deleted),
            false => out.fixed(LIVE, live),
        }
    }

    /// What all staged rows of a source end with: those that live, and tombstones.
    pub(crate) fn staged_tails(&self, source: &str) -> [String; 2] {
        self.stamps.deleted.clone().map(|mut tail| {
            tail.push_str(&self.stamps.source);
            push_text(source, &mut tail);
            tail + "}\n"
        })
    }

    fn deleted(&self, row: Row<'_>) -> &str {
        let [live, deleted] = &self.stamps.deleted;
        if row.is_deleted() { deleted } else { live }
    }

    /// The same with everything that it is known by, also dataset and contract version.
    pub fn write_whole(&self, row: Row<'_>, source: &str, out: &mut String) {
        self.write_open(row, out);
        out.push_str(self.deleted(row));
        out.push_str(&self.stamps.source);
        push_text(source, out);
        out.push_str(&self.tail);
    }

    /// All but what a row ends with: whether it is a tombstone, and what is the same in many.
    fn write_open(&self, row: Row<'_>, out: &mut impl Pieces) {
        for (i, (Member { key, null, form }, text)) in self.columns.iter().zip(row.roomies()).enumerate() {
            let Some(text) = text else {
                out.fixed(FIRST_NULL + i, null);
                continue;
            };
            match form {
                Form::Plain => out.text(i, key, text),
                Form::Text(of_source) if *of_source && row.is_plain() || text.is_plain() => {
                    out.text(i, key, text);
                }
                Form::Text(_) => out.text(i, key, escaped(text.as_str()).as_str().into()),
                Form::Json => match with_characters(text.as_str()) {
                    None => out.json(i, key, text),
                    Some(changed) => out.json(i, key, changed.as_str().into()),
                },
            }
        }
        let ([record_id, row_hash], stamps) = (row.hashes(), &self.stamps);
        out.hash(IDENTITY, &stamps.record_id, record_id);
        out.hash(CONTENT, &stamps.row_hash, row_hash);
        // Letters, digits and slashes.
        out.text(self.columns.len(), &stamps.order, row.roomy_order());
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
    if Roomy::from(text).is_plain() {
        out.push_str(text);
    } else {
        out.push_str(&escaped(text));
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
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
    out + rest
}

/// Nested JSON without the two characters that SQS refuses, which can only stand in its texts; `None` if it has none.
fn with_characters(json: &str) -> Option<String> {
    memchr::memchr(0xef, json.as_bytes())?;
    Some(json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff"))
}
