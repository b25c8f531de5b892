//! Stamped rows: the hand-over format between functions and into COPY. One JSON object a row; keys are warehouse
//! names, every scalar is a text (COPY would pass JSON numbers through a float), super is nested JSON, NULL is null.

use super::json::{Scalar, Slots, read_fields};
use super::{Cells, Checker, Names, Row, Stamp, scalar};
use crate::contract::{Contract, PhysicalType};
use crate::ident::HexId;
use crate::reject::{Rule, Violation};

const RECORD_ID: &str = "_record_id";
const ROW_HASH: &str = "_row_hash";
const ORDER: &str = "_order";
const DELETED: &str = "_deleted";
/// Most bytes of `_order` in the target.
const MAX_ORDER_BYTES: usize = 128;

/// Slots of a stamped row: the columns by warehouse name, then the four stamps.
pub(super) fn names(contract: &Contract) -> Names {
    let columns = contract.columns.iter().map(|column| column.physical.as_str());
    let stamps = [RECORD_ID, ROW_HASH, ORDER, DELETED];
    Names(columns.chain(stamps).enumerate().map(|(i, name)| (name.to_owned(), i)).collect())
}

impl Row {
    /// Appends the row as one JSON object without a line break.
    pub fn write_json(&self, contract: &Contract, out: &mut String) {
        out.push('{');
        for (i, column) in contract.columns.iter().enumerate() {
            push_key(column.physical.as_str(), out);
            match self.get(i) {
                None => out.push_str("null"),
                Some(json) if column.ty == PhysicalType::Super => push_characters(json, out),
                Some(text) => push_text(text, out),
            }
            out.push(',');
        }
        let stamp = self.stamp();
        for (name, text) in [
            (RECORD_ID, stamp.record_id.as_str()),
            (ROW_HASH, stamp.row_hash.as_str()),
            (ORDER, stamp.order.as_str()),
            (DELETED, if stamp.deleted { "true" } else { "false" }),
        ] {
            push_key(name, out);
            push_text(text, out);
            out.push(',');
        }
        out.pop();
        out.push('}');
    }
}

fn push_key(name: &str, out: &mut String) {
    // Warehouse names are plain lower-case words: nothing to escape.
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
}

/// A JSON string. U+FFFE and U+FFFF are escaped too: SQS refuses bodies that hold them raw.
pub(crate) fn push_text(text: &str, out: &mut String) {
    out.push('"');
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
    out.push('"');
}

/// Nested JSON as it is, but for the two characters that SQS refuses, which can only stand in its texts.
fn push_characters(json: &str, out: &mut String) {
    let mut rest = json;
    while let Some(at) = rest.find(['\u{fffe}', '\u{ffff}']) {
        out.push_str(&rest[..at]);
        out.push_str(if rest[at..].starts_with('\u{fffe}') { "\\ufffe" } else { "\\uffff" });
        rest = &rest[at + '\u{fffe}'.len_utf8()..];
    }
    out.push_str(rest);
}

impl Checker {
    /// Reads a stamped row. It may come from an older contract: a column that it lacks is NULL if that is allowed, a
    /// field that the contract no longer has is left out. Stamps are kept; with a primary key the record id is
    /// computed again and must agree.
    pub fn read_stamped(&self, json: &str) -> Result<Row, Vec<Violation>> {
        let columns = &self.contract.columns;
        let fields = read_fields(json.as_bytes(), &self.stamped_slots as &dyn Slots, columns.len() + 4)
            .map_err(|violation| vec![violation])?;
        let mut broken = Vec::new();
        let mut cells = Cells::new(columns.len());
        for (i, column) in columns.iter().enumerate() {
            // The source held the row to its rules; here only what the warehouse would refuse is checked.
            let put = scalar(column, fields.slots[i]).and_then(|scalar| cells.put(column, i, &scalar));
            if let Err(violation) = put {
                broken.push(Violation { column: Some(column.name.clone()), ..violation });
            }
        }
        let stamps = |at: usize| fields.slots[columns.len() + at].and_then(|raw| Scalar::of(raw).ok());
        match read_stamp(&stamps) {
            Ok(stamp) if broken.is_empty() => self.agree(cells, stamp).map_err(|violation| vec![violation]),
            Ok(_) => Err(broken),
            Err(violation) => {
                broken.push(violation);
                Err(broken)
            }
        }
    }

    fn agree(&self, cells: Cells, stamp: Stamp) -> Result<Row, Violation> {
        match self.record_id_of_key(&cells) {
            Some(own) if own != stamp.record_id => {
                Err(Violation::record(Rule::BadStamp, "_record_id is not the hash of the primary key"))
            }
            _ => Ok(Row { cells, stamp }),
        }
    }
}

fn read_stamp<'a>(stamp: &dyn Fn(usize) -> Option<Scalar<'a>>) -> Result<Stamp, Violation> {
    let bad = |name: &str, form: &str| Violation::record(Rule::BadStamp, format!("{name} must be {form}"));
    let text = |at: usize| match stamp(at) {
        Some(Scalar::Text(text)) => Some(text),
        _ => None,
    };
    let hex = |at: usize, name: &str| {
        text(at).and_then(|own| HexId::parse(&own)).ok_or_else(|| bad(name, "32 lower-case hex characters"))
    };
    let order = text(2).filter(|own| {
        (1..=MAX_ORDER_BYTES).contains(&own.len())
            && own.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'/')
    });
    let deleted = match stamp(3) {
        None | Some(Scalar::Null) => false,
        Some(Scalar::Text(own)) if own == "true" => true,
        Some(Scalar::Text(own)) if own == "false" => false,
        Some(_) => return Err(bad(DELETED, "true or false, as a text")),
    };
    Ok(Stamp {
        record_id: hex(0, RECORD_ID)?,
        row_hash: hex(1, ROW_HASH)?,
        order: order.ok_or_else(|| bad(ORDER, "1 to 128 letters, digits and slashes"))?.into_owned(),
        deleted,
    })
}
