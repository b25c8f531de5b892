//! Tests of compiled rules: what each takes, refuses and counts.

use proptest::prelude::*;

use super::*;
use crate::fixtures::contract;
use Severity::{Error, Warning};

/// The rules that a canonical text of a column breaks; `None` is NULL.
fn broken(column: &str, text: Option<&str>) -> Vec<(Severity, Rule)> {
    let own = contract("", &[&format!("name: a, {column}")]);
    let column = &own.columns[0];
    let rules = CompiledRules::compile("", column).unwrap_or_else(|error| panic!("{error}"));
    let mut told = Vec::new();
    let mut tell = |severity, violation: Violation| {
        assert!(!violation.reason.is_empty() && violation.column.as_deref() == Some("a"));
        told.push((severity, violation.rule));
    };
    match text {
        Some(text) => rules.check(column, text, &mut tell),
        None => rules.check_null(column, &mut tell),
    }
    told
}

fn holds(column: &str, rule: Rule, takes: &[&str], refuses: &[&str]) {
    for text in takes {
        assert_eq!(broken(column, Some(text)), [], "{column} {text:?}");
    }
    for text in refuses {
        assert_eq!(broken(column, Some(text)), [(Error, rule)], "{column} {text:?}");
    }
    assert_eq!(broken(column, None), [], "{column}");
}

#[test]
fn a_column_without_rules_takes_everything() {
    let own = contract("", &["name: a, physicalType: date, logicalTypeOptions: {format: yyyyMMdd}"]);
    assert!(!CompiledRules::compile("", &own.columns[0]).unwrap().has_rules);
    holds("physicalType: bigint", Rule::Maximum, &["1", "-1"], &[]);
}

#[test]
fn lengths_count_characters() {
    let column = "physicalType: varchar(99), logicalTypeOptions: {minLength: 2, maxLength: 4}";
    holds(column, Rule::TooShort, &["ab", "éé", "abcd", "😀😀😀😀", "😀😀"], &["", "a", "é", "😀"]);
    holds(column, Rule::TooLong, &[], &["abcde", "ééééé"]);
    holds("physicalType: varchar(99), logicalTypeOptions: {minLength: 1}", Rule::TooShort, &["a"], &[""]);
}

#[test]
fn bounds_hold_numbers_of_every_type_exactly() {
    let options = "logicalTypeOptions: {minimum: -2.5, exclusiveMaximum: 1e3}";
    for ty in ["'numeric(38,2)'", "'numeric(9,0)'", "double precision", "bigint"] {
        let fraction = if ty.contains("9,0") || ty == "bigint" { "" } else { ".00" };
        let text = |whole: &str| format!("{whole}{fraction}");
        let column = format!("physicalType: {ty}, {options}");
        holds(
            &column,
            Rule::Minimum,
            &[&text("-2"), &text("0"), &text("999")],
            &[&text("-3"), &text("-100")],
        );
        holds(&column, Rule::Maximum, &[], &[&text("1000"), &text("123456789")]);
    }
    let wide = "physicalType: 'numeric(38,2)', logicalTypeOptions: {minimum: -0.005, maximum: '123456789012345678901234567890.12'}";
    holds(wide, Rule::Minimum, &["0.00"], &["-0.01"]);
    holds(
        wide,
        Rule::Maximum,
        &["123456789012345678901234567890.12"],
        &["123456789012345678901234567890.13"],
    );
}

#[test]
fn bounds_hold_dates_and_times() {
    let column = "physicalType: date, logicalTypeOptions: {format: dd.MM.yyyy, minimum: 01.02.2020, exclusiveMaximum: '2020-03-01'}";
    holds(column, Rule::Minimum, &["2020-02-01", "2020-02-29"], &["2020-01-31", "0001-01-01"]);
    holds(column, Rule::Maximum, &[], &["2020-03-01", "9999-01-01"]);
    let column = "physicalType: timestamptz, logicalTypeOptions: {exclusiveMinimum: '2020-01-01T00:00:00Z'}";
    holds(column, Rule::Minimum, &["2020-01-01 00:00:00.000001+00"], &["2020-01-01 00:00:00.000000+00"]);
    let column = "physicalType: time, logicalTypeOptions: {maximum: '17:00:00'}";
    holds(column, Rule::Maximum, &["17:00:00.000000"], &["17:00:00.000001"]);
}

#[test]
fn values_are_compared_as_what_they_are() {
    let valid = |values: &str| {
        format!("quality: [{{metric: invalidValues, mustBe: 0, arguments: {{validValues: [{values}]}}}}]")
    };
    holds(
        &format!("physicalType: 'numeric(9,2)', {}", valid("1, '2.5'")),
        Rule::ValidValues,
        &["1.00", "2.50"],
        &["1.50"],
    );
    holds(&format!("physicalType: char(3), {}", valid("'a  '")), Rule::ValidValues, &["a"], &["b", "aa"]);
    let many: Vec<String> = (0..40).map(|i| format!("v{i}")).collect();
    let column = format!("physicalType: varchar(9), {}", valid(&many.join(", ")));
    holds(&column, Rule::ValidValues, &["v0", "v39"], &["v40", ""]);
    holds(&format!("physicalType: varchar(9), {}", valid("")), Rule::ValidValues, &[], &["", "a"]);
}

#[test]
fn missing_values_and_nulls_are_told_with_their_severity() {
    let column = "physicalType: varchar(9), quality: [{metric: nullValues, mustBe: 0, severity: warning}, \
        {metric: missingValues, mustBe: 0, arguments: {missingValues: [null, '', N/A, far too long for it]}}]";
    assert_eq!(broken(column, None), [(Warning, Rule::NullValues), (Error, Rule::MissingValues)]);
    assert_eq!(broken(column, Some("N/A")), [(Error, Rule::MissingValues)]);
    assert_eq!(broken(column, Some("")), [(Error, Rule::MissingValues)]);
    assert_eq!(broken(column, Some("far too l")), []);
    let number = "physicalType: 'numeric(9,2)', quality: [{metric: missingValues, mustBe: 0, arguments: {missingValues: [-999, N/A]}}]";
    holds(number, Rule::MissingValues, &["0.00"], &["-999.00"]);
}

#[test]
fn patterns_of_a_warning_are_told_as_such() {
    let column = "physicalType: varchar(9), logicalTypeOptions: {pattern: 'b'}, \
        quality: [{metric: invalidValues, mustBe: 0, severity: warning, arguments: {pattern: '^[a-z]{2}$'}}]";
    assert_eq!(broken(column, Some("ab")), []);
    assert_eq!(broken(column, Some("abc")), [(Warning, Rule::Pattern)]);
    assert_eq!(broken(column, Some("A")), [(Error, Rule::Pattern), (Warning, Rule::Pattern)]);
}

#[test]
fn items_and_members_are_held() {
    let column = "logicalType: array, logicalTypeOptions: {minItems: 1, maxItems: 2}";
    holds(column, Rule::TooFewItems, &["[1]", "[1,2]"], &["[]"]);
    holds(column, Rule::TooManyItems, &[], &["[1,2,3]"]);
    let column =
        "logicalType: object, logicalTypeOptions: {minProperties: 1, maxProperties: 2, required: [a]}";
    holds(column, Rule::Required, &[r#"{"a":1}"#, r#"{"b":1,"a":{}}"#], &[r#"{"b":{"a":1}}"#]);
    holds(column, Rule::TooManyItems, &[], &[r#"{"a":1,"b":2,"c":3}"#]);
    assert_eq!(broken(column, Some("{}")), [(Error, Rule::TooFewItems), (Error, Rule::Required)]);
}

#[test]
fn multiples_and_formats_are_held() {
    holds(
        "physicalType: bigint, logicalTypeOptions: {multipleOf: 5}",
        Rule::MultipleOf,
        &["10", "0"],
        &["7"],
    );
    holds("physicalType: bigint, logicalTypeOptions: {format: u8}", Rule::Maximum, &["0", "255"], &["256"]);
    holds(
        "physicalType: varchar(9), logicalTypeOptions: {format: ipv4}",
        Rule::Format,
        &["1.2.3.4"],
        &["1.2.3"],
    );
}

proptest! {
    #[test]
    fn a_scaled_bound_orders_as_the_decimal_does(bound in -20_000_i64..20_000, value in -20_000_i64..20_000) {
        let text = |n: i64| format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100);
        let own = contract("", &[&format!("name: a, physicalType: 'numeric(18,2)', logicalTypeOptions: {{minimum: {}}}", text(bound))]);
        let minimum = own.columns[0].rules.minimum.clone().unwrap();
        let limit = Limit::new(&minimum, own.columns[0].ty);
        prop_assert!(limit.scaled.is_some());
        prop_assert_eq!(limit.allows(&text(value), Ordering::Greater), value >= bound);
        let by_decimal = Limit { scaled: None, ..limit };
        prop_assert_eq!(by_decimal.allows(&text(value), Ordering::Greater), value >= bound);
    }
}
