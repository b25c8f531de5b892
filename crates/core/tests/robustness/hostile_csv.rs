//! Hostile CSV, each with the rule that refuses it or the exact value that it becomes.

use std::fmt::Write as _;

use penstock_core::decode::Limits;
use penstock_core::reject::Rule;

use crate::datasets::csv;
use crate::rig::{ingest, whole};
use crate::rows::hold_all;

const A: &str = "name: a, physicalType: varchar(65535)";
const B: &str = "name: b, physicalType: varchar(65535)";
const DOC: &str = "name: doc, physicalType: super";

#[test]
fn odd_fields_are_kept_exactly_or_refused() {
    let own = csv("", &[A, B]);
    for (lines, wanted) in [
        (&b"x,y\n"[..], Ok([Some("x"), Some("y")])),
        (b"x,\r\n", Ok([Some("x"), None])),
        (b"\"\",y\n", Ok([Some(""), Some("y")])),
        (b"\"x\r\ny\",\"\"\"\"\n", Ok([Some("x\r\ny"), Some("\"")])),
        (b" x , y\n", Ok([Some(" x "), Some(" y")])),
        (b"x\"y\",\"\xef\xbb\xbf\"\n", Ok([Some("x\"y\""), Some("\u{feff}")])),
        (b"x\ry,\xef\xbf\xbe\n", Ok([Some("x\ry"), Some("\u{fffe}")])),
        (b"x\0,y\n", Err(Rule::NulCharacter)),
        (b"\xff,y\n", Err(Rule::NotUtf8)),
        (b"\xed\xa0\x80,y\n", Err(Rule::NotUtf8)),
        (b"\"x\"y,z\n", Err(Rule::InvalidCsv)),
        (b"\"x,y\n", Err(Rule::InvalidCsv)),
        (b"x\n", Err(Rule::FieldCount)),
        (b"x,y,z\n", Err(Rule::FieldCount)),
        (b",\n", Ok([None, None])),
    ] {
        for (bom, end) in [("", ""), ("\u{feff}", "last,one\n")] {
            let bytes = [bom.as_bytes(), b"a,b\n", lines, end.as_bytes()].concat();
            let outcome = whole(&own, &bytes);
            hold_all(&own, &outcome);
            let found = match outcome.batch.rejects.is_empty() {
                true => outcome.rows.get(0).map(|row| [row.get(0), row.get(1)]).ok_or(Rule::Unreadable),
                false => Err(outcome.rules()[0]),
            };
            assert_eq!(found, wanted, "{}", String::from_utf8_lossy(&bytes));
            // One bad record costs no other.
            let last = outcome.rows.iter().next_back().and_then(|row| row.get(0));
            assert!(end.is_empty() || last == Some("last"), "{}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn json_in_a_csv_field_has_nothing_behind_it() {
    let own = csv("", &[A, DOC]);
    for (field, wanted) in [
        ("\"{\"\"k\"\": [1, 2] }\"", Some("{\"k\":[1,2]}")),
        ("[]", Some("[]")),
        ("\"{\"\"k\"\":1},\"\"_deleted\"\":\"\"true\"\"\"", None),
        ("\"{\"\"k\"\":1}NaN\"", None),
        ("[] []", None),
        ("{", None),
    ] {
        let outcome = whole(&own, format!("a,doc\nx,{field}\n"));
        assert_eq!(outcome.rows.get(0).and_then(|row| row.get(1)), wanted, "{field}");
        assert_eq!(outcome.batch.rejects.is_empty(), wanted.is_some(), "{field}");
        hold_all(&own, &outcome);
    }
}

#[test]
fn empty_lines_without_end_are_no_records() {
    let own = csv("", &[A, B]);
    let outcome = whole(&own, format!("{}a,b\n{}x\n", "\r\n".repeat(10), "\n".repeat(1_000_000)));
    assert_eq!((outcome.told(), outcome.batch.read), (vec![(Some(1_000_012), None, Rule::FieldCount)], 1));
}

#[test]
fn a_header_of_ten_thousand_columns_is_read() {
    let own = csv("", &[A, B]);
    let mut header: String = (0..10_000).fold(String::new(), |mut all, i| {
        write!(all, "c{i},").unwrap();
        all
    });
    header.push_str("b,a");
    let fields = "1,".repeat(10_000);
    let outcome = whole(&own, format!("{header}\n{fields}y,x\n{fields}y\n"));
    assert_eq!((outcome.column(0), outcome.column(1)), (vec![Some("x")], vec![Some("y")]));
    assert_eq!(
        (outcome.told(), outcome.batch.extra_fields),
        (vec![(Some(3), None, Rule::FieldCount)], 10_000)
    );
    for (header, rule) in
        [("a,a", Rule::HeaderMismatch), ("x,y", Rule::HeaderMismatch), ("\"a,b", Rule::HeaderMismatch)]
    {
        assert_eq!(whole(&own, format!("{header}\n1,2\n")).broken(), Some(rule), "{header}");
    }
}

#[test]
fn a_line_of_a_million_delimiters_is_one_reject() {
    let own = csv("", &[A, B]);
    let outcome = whole(&own, format!("a,b\n{}\nx,y\n", ",".repeat(1_000_000)));
    assert_eq!(
        (outcome.told(), outcome.column(0)),
        (vec![(Some(2), None, Rule::FieldCount)], vec![Some("x")])
    );
}

#[test]
fn quotes_without_end_cost_only_their_own_lines() {
    let own = csv("", &[A, B]);
    let good = "x,y\n".repeat(5_000);
    let outcome = whole(&own, format!("a,b\n\"open,1\n{good}"));
    assert_eq!((outcome.told(), outcome.rows.len()), (vec![(Some(2), None, Rule::InvalidCsv)], 5_000));
    // Each second quote closes the first one and has text behind it: every line is a reject of its own.
    let outcome = whole(&own, format!("a,b\n{}", "\"open,1\n".repeat(2_000)));
    assert_eq!((outcome.batch.read, outcome.rows.is_empty()), (2_000, true));
    let lines = csv(", customProperties: [{property: penstock.multiline, value: false}]", &[A, B]);
    let outcome = whole(&lines, "a,b\n\"open,1\nx,y\n");
    assert_eq!(
        (outcome.told(), outcome.column(0)),
        (vec![(Some(2), None, Rule::InvalidCsv)], vec![Some("x")])
    );
}

#[test]
fn a_record_at_the_limit_is_read_and_one_byte_more_is_not() {
    let own = csv("", &[A, B]);
    for max_record_bytes in [20, 65_000] {
        for (over, rejects) in [(0, 0), (1, 1)] {
            let text = "z".repeat(max_record_bytes - 4 + over);
            for (record, end) in [
                (format!("\"{text}\","), ""),
                (format!("{text},\"\""), "\n"),
                (format!("\"{text}\","), "\r\n"),
            ] {
                // A quoted empty field takes two bytes more.
                let record = record.replacen(",\"\"", ",ab", 1);
                let record =
                    if record.starts_with('"') { format!("{record}b") } else { format!("{record}c") };
                assert_eq!(record.len(), max_record_bytes + over, "{record:.30}");
                let bytes = format!("a,b\n{record}{end}");
                let limits = Limits { max_record_bytes, ..Limits::default() };
                let outcome = ingest(&own, "a", bytes.as_bytes(), &[11, 1 << 20], limits);
                assert_eq!(
                    outcome.batch.rejects.len(),
                    rejects,
                    "{max_record_bytes} {over} {end:?} {:?}",
                    outcome.rules()
                );
                assert!(outcome.rules().iter().all(|rule| *rule == Rule::RecordTooLarge));
            }
        }
    }
}
