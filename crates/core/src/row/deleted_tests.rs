//! Tests of `penstock.deletedWhen`: which rows are tombstones, which are rejected, and what the rule does to hashes.

use crate::fixtures::{One, broken, check, checker, read_stamped};
use crate::reject::Rule;
use crate::row::Checker;

const COLUMNS: [&str; 4] = [
    "name: id, physicalType: bigint, primaryKey: true",
    "name: Op, physicalName: op, physicalType: varchar(9)",
    "name: amount, physicalType: 'numeric(9,2)'",
    "name: gone, physicalType: boolean, transformLogic: \"Op == 'D'\"",
];

fn with_rule(cel: &str) -> Checker {
    checker(&format!("{{property: penstock.deletedWhen, value: {cel:?}}}"), &COLUMNS)
}

fn row(checker: &Checker, record: &str) -> One {
    check(checker, record).unwrap_or_else(|broken| panic!("{record}: {broken:?}"))
}

#[test]
fn a_rule_over_source_or_derived_columns_marks_tombstones() {
    for rule in ["Op == 'D'", "gone", "Op.startsWith('D') && amount < 1", "[Op].exists(o, o == 'D')"] {
        let own = with_rule(rule);
        let tombstone = row(&own, r#"{"id":1,"Op":"D","amount":0.5}"#);
        assert!(tombstone.stamp().deleted, "{rule}");
        assert!(tombstone.json(own.contract()).contains(r#""_deleted":"true""#));
        assert!(!row(&own, r#"{"id":1,"Op":"U","amount":0.5}"#).stamp().deleted, "{rule}");
    }
    assert!(!row(&checker("", &COLUMNS), r#"{"id":1,"Op":"D"}"#).stamp().deleted);
}

#[test]
fn a_row_that_the_rule_has_no_answer_for_is_rejected() {
    for (rule, record) in [
        ("amount < 1", r#"{"id":1,"Op":"D"}"#),
        ("Op.startsWith('D')", r#"{"id":1}"#),
        ("1 / id == 1", r#"{"id":0}"#),
        ("coalesce(Op, 'x')", r#"{"id":1,"Op":"D"}"#),
    ] {
        let Ok(own) = std::panic::catch_unwind(|| with_rule(rule)) else {
            // What never gives true or false is refused with its contract.
            assert_eq!(rule, "coalesce(Op, 'x')");
            continue;
        };
        assert_eq!(broken(&own, record), [(Rule::DeletedWhen, None)], "{rule}");
    }
}

#[test]
fn a_row_that_breaks_another_rule_is_asked_nothing_more() {
    assert_eq!(broken(&with_rule("1 / id == 1"), r#"{"id":"x"}"#), [(Rule::NotANumber, Some("id".into()))]);
}

#[test]
fn another_rule_is_another_hash_and_the_flag_itself_is_none() {
    let hash =
        |checker: &Checker, op: &str| row(checker, &format!("{{\"id\":1,\"Op\":\"{op}\"}}")).stamp().row_hash;
    let (none, by_op, by_gone) = (checker("", &COLUMNS), with_rule("Op == 'D'"), with_rule("gone"));
    assert_eq!(hash(&by_op, "D"), hash(&with_rule("Op == 'D'"), "D"));
    assert_ne!(hash(&none, "D"), hash(&by_op, "D"));
    assert_ne!(hash(&none, "U"), hash(&by_op, "U"), "also where both say the same");
    assert_ne!(hash(&by_gone, "D"), hash(&by_op, "D"));
}

#[test]
fn a_stamped_row_keeps_its_own_flag() {
    let own = with_rule("Op == 'D'");
    let json = row(&own, r#"{"id":1,"Op":"D"}"#).json(own.contract());
    assert!(read_stamped(&own, &json).unwrap().stamp().deleted);
    let live = json.replace(r#""_deleted":"true""#, r#""_deleted":"false""#);
    assert!(!read_stamped(&own, &live).unwrap().stamp().deleted);
}
