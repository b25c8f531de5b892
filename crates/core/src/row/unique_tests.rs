//! Values that must not stand twice: whose they are, and when they are remembered.

use crate::fixtures::{checker, origin};
use crate::reject::Rule;
use crate::row::{Checker, Place, Rows, Session};

/// Accepted, or the broken rules with their columns.
type Outcome = Result<(), Vec<(Rule, Option<String>)>>;

/// Outcome of each record in one session; `!` before a record rolls back what it did.
fn outcomes(own: &Checker, records: &[&str]) -> Vec<Outcome> {
    let (mut session, mut rows, origin) = (Session::default(), Rows::default(), origin());
    let mut check = |(position, record): (usize, &&str)| {
        session.mark();
        let (record, fails) = record.strip_prefix('!').map_or((*record, false), |record| (record, true));
        let place = Place::Object { origin: &origin, position: position as u64 };
        let checked = own.check_json(&mut session, record.as_bytes(), &place, &mut rows);
        if fails {
            session.roll_back();
        }
        checked.map(|_| ()).map_err(|broken| broken.into_iter().map(|own| (own.rule, own.column)).collect())
    };
    records.iter().enumerate().map(&mut check).collect()
}

fn twin(column: &str) -> Outcome {
    Err(vec![(Rule::Unique, Some(column.to_owned()))])
}

const KEY: &str = "name: id, physicalType: bigint, primaryKey: true";
const A: &str = "name: a, physicalType: bigint, unique: true";
const B: &str = "name: b, physicalType: bigint, unique: true";

#[test]
fn a_value_is_its_rows_and_null_is_nobodys() {
    let own = checker("", &[KEY, A]);
    let records = [
        r#"{"id":1,"a":7}"#,
        r#"{"id":2,"a":7}"#,
        r#"{"id":1,"a":7}"#,
        r#"{"id":3}"#,
        r#"{"id":4,"a":null}"#,
    ];
    assert_eq!(outcomes(&own, &records), [Ok(()), twin("a"), Ok(()), Ok(()), Ok(())]);
}

#[test]
fn a_row_that_was_refused_owns_no_value() {
    let own = checker("", &[A, B]);
    let records = [r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":2,"b":3}"#];
    assert_eq!(outcomes(&own, &records), [Ok(()), twin("b"), Ok(())]);
}

#[test]
fn a_row_that_was_taken_back_owns_no_value() {
    let own = checker("", &[A]);
    assert_eq!(outcomes(&own, &[r#"!{"a":1}"#, r#"{"a":1}"#, r#"{"a":1}"#]), [Ok(()), Ok(()), twin("a")]);
}

#[test]
fn a_value_is_forgotten_when_enough_others_have_come() {
    let own = checker("", &[A]);
    let many: Vec<String> = (0..=super::WINDOW).map(|n| format!("{{\"a\":{n}}}")).collect();
    let mut records: Vec<&str> = many.iter().map(String::as_str).collect();
    records.extend([r#"{"a":0}"#, r#"{"a":5}"#]);
    let found = outcomes(&own, &records);
    assert_eq!(found.get(super::WINDOW + 1..), Some(&[Ok(()), twin("a")][..]));
}
