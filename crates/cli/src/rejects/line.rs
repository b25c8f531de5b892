//! One line of the quarantine, and what of it may be shown. Prints nothing.

use std::borrow::Cow;

use penstock_core::contract::Contract;
use penstock_core::mask::{is_classified, mask};
use penstock_core::reject::{Rule, Violation};
use serde::{Deserialize, Serialize};

use crate::check::counted;

/// A reject as `penstock_core::quarantine` writes it, in its order; what else a line may hold is left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Line {
    /// Dataset, `_unknown` where there is none.
    pub dataset: String,
    /// Identity of the object or message.
    pub object_id: String,
    /// `s3://bucket/key`, or what else the record came from.
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_version: Option<String>,
    /// Byte offset in the decompressed object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
    /// Line from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The broken rules.
    pub rules: Vec<BrokenRule>,
    /// The record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// A record that is not UTF-8, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw_hex: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    raw_bytes: Option<usize>,
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct BrokenRule {
    /// Its name; it may be of another version of Penstock.
    pub rule: String,
    /// The column that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What was expected and found.
    pub reason: String,
}

impl From<Violation> for BrokenRule {
    fn from(own: Violation) -> Self {
        Self { rule: own.rule.as_str().to_owned(), column: own.column, reason: own.reason }
    }
}

/// Why a line has no record in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unkept {
    /// It is about a whole object or message.
    Whole,
    /// The record was longer than what a line keeps.
    Cut,
    /// Nothing of it was kept.
    Gone,
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let pair = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(pair).collect()
}

const HIDDEN_REASON: &str = "(the warehouse's text may hold values; --show-classified shows it)";

impl Line {
    /// A record that is in no quarantine, as if it were.
    pub fn of_record(
        dataset: &str,
        source: &str,
        (position, line): (Option<u64>, Option<u64>),
        raw: &[u8],
        violations: Vec<Violation>,
    ) -> Self {
        let text = std::str::from_utf8(raw).ok();
        let hex = || raw.iter().map(|byte| format!("{byte:02x}")).collect();
        Self {
            dataset: dataset.to_owned(),
            object_id: String::new(),
            source: source.to_owned(),
            contract_version: None,
            position,
            line,
            rules: violations.into_iter().map(BrokenRule::from).collect(),
            raw: text.map(str::to_owned),
            raw_hex: text.is_none().then(hex),
            raw_bytes: None,
        }
    }

    /// The line without classified values. Without a contract all of the record counts as classified.
    pub fn masked(mut self, contract: Option<&Contract>) -> Self {
        if contract.is_some_and(|contract| !is_classified(contract)) {
            return self;
        }
        let bytes = self.bytes();
        let hidden = || {
            let bytes = counted(bytes, "byte");
            format!("(hidden: {bytes} that cannot be masked; --show-classified shows them)")
        };
        let masked = |raw: String| contract.and_then(|contract| mask(contract, &raw)).unwrap_or_else(hidden);
        let hex = self.raw_hex.take().map(|_| hidden());
        self.raw = self.raw.map(masked).or(hex);
        let refused = Rule::RefusedByWarehouse.as_str();
        for rule in self.rules.iter_mut().filter(|own| own.rule == refused) {
            rule.reason = HIDDEN_REASON.to_owned();
        }
        self
    }

    /// The bytes of the record, or why they are not here.
    pub fn record(&self) -> Result<Cow<'_, [u8]>, Unkept> {
        if self.raw_bytes.is_some() {
            return Err(Unkept::Cut);
        }
        match (&self.raw, &self.raw_hex) {
            (Some(raw), _) => Ok(Cow::Borrowed(raw.as_bytes())),
            (None, Some(hex)) => bytes_of(hex).map(Cow::Owned).ok_or(Unkept::Gone),
            (None, None) if self.position.is_none() => Err(Unkept::Whole),
            (None, None) => Err(Unkept::Gone),
        }
    }

    /// Size of the record as it came.
    fn bytes(&self) -> usize {
        let raw = self.raw.as_ref().map(String::len);
        let hex = self.raw_hex.as_ref().map(|hex| hex.len() / 2);
        self.raw_bytes.or(raw).or(hex).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use penstock_core::ident;
    use penstock_core::quarantine::Subject;
    use penstock_core::reject::Reject;

    use super::*;

    const TRANSACTIONS: &str = include_str!("../../../../infra/contracts/transactions.odcs.yaml");

    /// The line that core writes of a record.
    fn written(rule: Rule, raw: &[u8]) -> String {
        let violations = vec![Violation::column(rule, "currency", "found \"DE99\"")];
        let reject = Reject { position: Some(7), line: Some(2), violations, raw: raw.to_vec() };
        let subject = Subject {
            dataset: "transactions".into(),
            id: ident::stable_id(["object"]),
            source: "s3://b/k".into(),
            contract_version: Some("1.0.0".into()),
        };
        let mut text = String::new();
        let packed = subject.lines(&[reject]);
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
        text.trim_end().to_owned()
    }

    fn masked(rule: Rule, raw: &[u8], contract: Option<&Contract>) -> Line {
        serde_json::from_str::<Line>(&written(rule, raw)).unwrap().masked(contract)
    }

    fn contract() -> Contract {
        Contract::parse(TRANSACTIONS).unwrap()
    }

    #[test]
    fn a_line_reads_back_as_core_wrote_it() {
        for raw in [b"{\"account_id\":\"DE99\"}".as_slice(), b"\xff\x00", b"", &[b'x'; 2 << 20]] {
            let text = written(Rule::Pattern, raw);
            let line: Line = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_string(&line).unwrap(), text);
        }
    }

    #[test]
    fn a_record_that_cannot_be_masked_is_hidden_with_its_size() {
        let hidden = "(hidden: 4 bytes that cannot be masked; --show-classified shows them)";
        for (raw, own) in
            [(b"DE99".as_slice(), Some(contract())), (b"{ \n}", None), (b"\xffDE9", Some(contract()))]
        {
            let line = masked(Rule::InvalidJson, raw, own.as_ref());
            assert_eq!((line.raw.as_deref(), line.raw_hex), (Some(hidden), None));
            assert_eq!(line.rules[0].reason, "found \"DE99\"");
        }
        let long = masked(Rule::RecordTooLarge, &[b'x'; 2 << 20], Some(&contract()));
        assert!(long.raw.unwrap().contains("2097152 bytes"));
        assert_eq!(masked(Rule::Unreadable, b"", None).raw, None);
    }

    #[test]
    fn the_warehouses_text_is_hidden_and_the_row_masked() {
        let line =
            masked(Rule::RefusedByWarehouse, b"{\"account_id\":\"DE99\",\"note\":\"x\"}", Some(&contract()));
        assert_eq!(line.raw.as_deref(), Some(r#"{"account_id":"***","note":"x"}"#));
        assert_eq!(line.rules[0].reason, HIDDEN_REASON);
    }

    #[test]
    fn without_classified_columns_nothing_is_hidden() {
        let open =
            Contract::parse(&TRANSACTIONS.replace("classification: restricted", "classification: public"));
        let open = open.unwrap();
        for raw in [b"no json DE99".as_slice(), b"\xff"] {
            let line = masked(Rule::RefusedByWarehouse, raw, Some(&open));
            assert_eq!(line, serde_json::from_str(&written(Rule::RefusedByWarehouse, raw)).unwrap());
        }
    }
}
