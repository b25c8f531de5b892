//! What must hold of every row that was accepted, from whatever input: its texts fit their types, it comes back the
//! same from the hand-over format, and its canonical texts as source values give the same row again.

use std::fmt::Write as _;

use penstock_core::contract::{Contract, PhysicalType};
use penstock_core::row::{Checker, HandOver, Place, Row, Rows, Session};
use serde_json::Value;

use crate::rig::{Outcome, origin};

pub fn hold_all(checker: &Checker, outcome: &Outcome) {
    let mut buffers = (Session::default(), Rows::default());
    for row in outcome.rows.iter() {
        holds(checker, row, &mut buffers);
    }
}

fn holds(checker: &Checker, row: Row<'_>, (session, rows): &mut (Session, Rows)) {
    let contract = checker.contract();
    let has_format = contract.columns.iter().any(|column| column.rules.time_format.is_some());
    for (i, column) in contract.columns.iter().enumerate() {
        match row.get(i) {
            None => assert!(!column.required, "{} is required", column.name),
            Some(text) => assert!(fits(column.ty, text), "{} ({}): {text:?}", column.name, column.ty),
        }
    }
    let hand_over = HandOver::new(contract);
    let (mut json, mut whole) = (String::new(), String::new());
    hand_over.write(row, &mut json);
    hand_over.write_whole(row, "s3://b/k\"\u{fffe}", &mut whole);
    for json in [&json, &whole] {
        assert!(!json.contains(['\n', '\u{fffe}', '\u{ffff}', '\0']), "{json}");
        rows.clear();
        let read = checker.check_stamped(session, json.as_bytes(), rows);
        read.unwrap_or_else(|broken| panic!("{broken:?}\n{json}"));
        same(contract, row, rows.get(0).unwrap());
    }
    assert_eq!(rows.get(0).unwrap().source(), Some("s3://b/k\"\u{fffe}"));
    if !has_format {
        check_again(checker, row, (session, rows));
    }
}

/// The canonical texts as source values.
fn check_again(checker: &Checker, row: Row<'_>, (session, rows): (&mut Session, &mut Rows)) {
    let contract = checker.contract();
    let own = origin("a");
    let mut source = String::from("{");
    for (i, column) in contract.columns.iter().enumerate().filter(|(_, column)| column.derived.is_none()) {
        let Some(text) = row.get(i) else { continue };
        let comma = if source.len() > 1 { "," } else { "" };
        let text =
            if column.ty == PhysicalType::Super { text.to_owned() } else { Value::from(text).to_string() };
        write!(source, "{comma}{}:{text}", Value::from(column.name.as_str())).unwrap();
    }
    source.push('}');
    rows.clear();
    let place = Place::Object { origin: &own, position: row.position() };
    let read = checker.check_json(session, source.as_bytes(), &place, rows);
    read.unwrap_or_else(|broken| panic!("{broken:?}\n{source}"));
    let again = rows.get(0).unwrap();
    let texts =
        |row: Row<'_>| (0..contract.columns.len()).map(|i| row.get(i).map(str::to_owned)).collect::<Vec<_>>();
    assert_eq!(texts(row), texts(again), "{source}");
    assert_eq!(row.stamp().row_hash, again.stamp().row_hash, "{source}");
    assert_eq!(row.stamp().record_id, again.stamp().record_id, "{source}");
}

fn same(contract: &Contract, row: Row<'_>, again: Row<'_>) {
    for (i, column) in contract.columns.iter().enumerate() {
        match (row.get(i), again.get(i)) {
            // A character that SQS refuses stands escaped in nested JSON: other bytes, the same value.
            (Some(own), Some(other)) if column.ty == PhysicalType::Super && own != other => {
                let escaped = own.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
                assert_eq!(escaped, other, "{}", column.name);
            }
            (own, other) => assert_eq!(own, other, "{}", column.name),
        }
    }
    assert_eq!(row.stamp(), again.stamp());
}

/// Whether a text is the canonical one of a value of the type, told without the code under test.
fn fits(ty: PhysicalType, text: &str) -> bool {
    use PhysicalType as P;
    let shaped = |shape: &str| {
        text.len() == shape.len()
            && text
                .bytes()
                .zip(shape.bytes())
                .all(|(own, form)| if form == b'9' { own.is_ascii_digit() } else { own == form })
    };
    match ty {
        P::SmallInt => text.parse::<i16>().is_ok_and(|n| n.to_string() == text),
        P::Integer => text.parse::<i32>().is_ok_and(|n| n.to_string() == text),
        P::BigInt => text.parse::<i64>().is_ok_and(|n| n.to_string() == text),
        P::Numeric { precision, scale } => is_decimal(text, usize::from(precision), usize::from(scale)),
        P::Real => text.parse::<f32>().is_ok_and(|n| n.is_finite() && format!("{n:?}") == text),
        P::Double => text.parse::<f64>().is_ok_and(|n| n.is_finite() && format!("{n:?}") == text),
        P::Boolean => text == "true" || text == "false",
        P::Varchar(bytes) => text.len() <= bytes as usize && !text.contains('\0'),
        P::Char(bytes) => text.len() <= bytes as usize && text.is_ascii() && !text.ends_with(' '),
        P::Date => shaped("9999-99-99") && text > "0001",
        P::Time => shaped("99:99:99.999999"),
        P::Timestamp => shaped("9999-99-99 99:99:99.999999") && text > "0001",
        P::TimestampTz => shaped("9999-99-99 99:99:99.999999+00") && text > "0001",
        P::Super => serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok(),
        P::Varbyte(bytes) => {
            text.len() <= 2 * bytes as usize
                && text.len().is_multiple_of(2)
                && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        }
    }
}

fn is_decimal(text: &str, precision: usize, scale: usize) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_zero = digits.bytes().all(|b| b"0.".contains(&b));
    digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && !(is_zero && text.starts_with('-'))
        && fraction.len() == scale
        && (whole == "0"
            || (!whole.starts_with('0') && !whole.is_empty() && whole.len() <= precision - scale))
}
