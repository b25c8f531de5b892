//! What of records and rows may be shown, masked as `penstock rejects` masks. Prints nothing.

use std::collections::BTreeMap;

use penstock_core::contract::Contract;
use penstock_core::mask::mask;
use penstock_core::quarantine::Subject;
use penstock_core::reject::Reject;
use penstock_core::row::{HandOver, Row};
use serde_json::value::RawValue;

use super::groups::First;
use crate::printable::shortened;
use crate::rejects::line::Line;

/// Width of a record's beginning that is kept.
const MAX_RECORD_WIDTH: usize = 400;

/// Shows records of one dataset.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The dataset's contract.
    pub contract: &'a Contract,
    /// Whether nothing is masked.
    pub is_open: bool,
}

/// An accepted row as it may be shown: by warehouse names, with its stamps.
pub type Sample = BTreeMap<String, Box<RawValue>>;

impl Shown<'_> {
    /// A reject as the first one of its kind.
    pub fn first(&self, subject: &Subject, reject: &Reject, reason: String) -> First {
        let line = serde_json::from_slice::<Line>(&subject.line_of(reject)).ok();
        let line = line.map(|line| if self.is_open { line } else { line.masked(Some(self.contract)) });
        let record = line.and_then(|line| line.raw.or(line.raw_hex.map(|hex| format!("hex {hex}"))));
        let record = shortened(&record.unwrap_or_default(), MAX_RECORD_WIDTH);
        First { line: reject.line, position: reject.position, reason, record }
    }

    /// An accepted row.
    pub fn sample(&self, hand_over: &HandOver, row: Row<'_>) -> Sample {
        let mut json = String::new();
        hand_over.write(row, &mut json);
        let shown = if self.is_open { Some(json) } else { mask(self.contract, &json) };
        shown.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
    }
}
