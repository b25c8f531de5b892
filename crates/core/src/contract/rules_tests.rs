//! Tests of the rules on values: which options and quality rules are held, which are noted, which are refused.

use std::sync::Arc;

use super::*;
use crate::fixtures::{contract, try_contract};
use crate::row::Checker;

/// What a column's contract notes, compiled as well.
fn noted(column: &str) -> Vec<String> {
    let own = try_contract("", &[&format!("name: a, {column}")]).unwrap_or_else(|e| panic!("{column}: {e}"));
    let notes = own.notes.lines().to_vec();
    Checker::compile(Arc::new(own)).unwrap_or_else(|error| panic!("{column}: {error}"));
    notes
}

fn rules(column: &str) -> ValueRules {
    contract("", &[&format!("name: a, {column}")]).columns[0].rules.clone()
}

/// Path below the column and reason with which a column is refused.
fn refused(column: &str) -> (String, String) {
    let error = try_contract("", &[&format!("name: a, {column}")])
        .and_then(|own| Checker::compile(Arc::new(own)))
        .expect_err(column);
    let path = error.path.strip_prefix("schema[0].properties[0]").unwrap_or("elsewhere");
    (path.trim_start_matches('.').to_owned(), error.reason)
}

#[test]
fn options_of_the_standard_are_held_and_what_cannot_be_is_noted() {
    for (column, count) in [
        (
            "logicalType: string, logicalTypeOptions: {minLength: 1, maxLength: 9, pattern: '^a', format: email}",
            0,
        ),
        ("logicalType: string, logicalTypeOptions: {format: password}", 1),
        (
            "logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy, minimum: 01/02/2020, exclusiveMaximum: '2030-01-01'}",
            0,
        ),
        (
            "logicalType: timestamp, logicalTypeOptions: {timezone: true, defaultTimezone: Etc/UTC, minimum: '2020-01-01'}",
            0,
        ),
        (
            "logicalType: timestamp, logicalTypeOptions: {timezone: false, defaultTimezone: '+02:00', format: epoch_millis, minimum: 0}",
            0,
        ),
        ("physicalType: timestamp, logicalTypeOptions: {timezone: false, defaultTimezone: Europe/Berlin}", 1),
        ("logicalType: time, logicalTypeOptions: {format: 'h:mm a', timezone: false, maximum: '5:00 PM'}", 0),
        (
            "logicalType: integer, logicalTypeOptions: {multipleOf: 2, minimum: 1, maximum: 9, exclusiveMinimum: 0, exclusiveMaximum: 10, format: i64}",
            0,
        ),
        (
            "logicalType: number, physicalType: 'numeric(9,2)', logicalTypeOptions: {multipleOf: 0.5, minimum: 0.1, format: f64}",
            1,
        ),
        ("logicalType: object, logicalTypeOptions: {minProperties: 1, maxProperties: 2, required: [a]}", 0),
        (
            "logicalType: array, items: {logicalType: string}, logicalTypeOptions: {minItems: 1, maxItems: 2, uniqueItems: true}",
            2,
        ),
        ("logicalType: array, logicalTypeOptions: {uniqueItems: false}", 0),
        ("logicalType: boolean, logicalTypeOptions: {anything: 1}", 1),
    ] {
        let notes = noted(column);
        assert_eq!(notes.len(), count, "{column}: {notes:?}");
        let told =
            |note: &String| note.starts_with("not checked in flight: ") || note.starts_with("not enforced: ");
        assert!(notes.iter().all(told), "{notes:?}");
    }
}

#[test]
fn wrong_options_are_refused_with_their_path_and_reason() {
    for (column, option, reason) in [
        ("physicalType: bigint", "minLength: 1", "is for texts, and the column is bigint"),
        ("physicalType: bigint", "pattern: a", "is for texts"),
        ("physicalType: varchar(9)", "minimum: 3", "has no order"),
        ("physicalType: boolean", "exclusiveMaximum: 3", "has no order"),
        ("physicalType: super", "maximum: 3", "has no order"),
        ("physicalType: varchar(9)", "multipleOf: 3", "is for numbers"),
        ("logicalType: object", "minItems: 3", "is for arrays"),
        ("logicalType: array", "required: [a]", "is for objects"),
        ("logicalType: object", "required: [1]", "a list of texts"),
        ("logicalType: object", "maxProperties: many", "a whole number"),
        ("logicalType: array", "uniqueItems: maybe", "true or false"),
        ("physicalType: date", "timezone: true", "is for timestamps"),
        ("physicalType: timestamp", "timezone: true", "use timestamptz"),
        ("physicalType: timestamptz", "timezone: 'yes'", "true or false"),
        ("physicalType: timestamptz", "defaultTimezone: Europe/Berlin", "only UTC and fixed offsets"),
        ("physicalType: timestamptz", "defaultTimezone: 2", "must be a text"),
        ("physicalType: date", "format: YYYY-MM-dd", "counts weeks"),
        ("physicalType: date", "format: 7", "must be a text"),
        ("physicalType: timestamp", "format: yyyy-MM-ddXXX", "use timestamptz"),
        ("physicalType: date", "minimum: soon", "neither in ISO 8601 nor in its format"),
        ("physicalType: date", "maximum: '2024-02-30'", "is no date"),
        ("physicalType: date", "exclusiveMinimum: [1]", "must be a text"),
        ("physicalType: bigint", "format: i7", "must be one of"),
        ("physicalType: 'numeric(38,2)'", "minimum: 1234567890123456789.25", "put it in quotes"),
    ] {
        let (path, found) = refused(&format!("{column}, logicalTypeOptions: {{{option}}}"));
        let name = option.split(':').next().unwrap_or_default();
        assert_eq!(path, format!("logicalTypeOptions.{name}"), "{option}: {found}");
        assert!(found.contains(reason), "{option}: {found}");
    }
}

#[test]
fn bounds_of_dates_and_times_are_canonical_texts() {
    for (column, options, bound) in [
        ("physicalType: date", "format: MMM dd yyyy, minimum: Jan 02 2024", "2024-01-02"),
        ("physicalType: date", "format: MMM dd yyyy, minimum: '2024-01-02'", "2024-01-02"),
        ("physicalType: timestamp", "minimum: '2024-01-02'", "2024-01-02 00:00:00.000000"),
        (
            "physicalType: timestamptz",
            "minimum: '2024-01-02T00:00:00+01:00'",
            "2024-01-01 23:00:00.000000+00",
        ),
        (
            "physicalType: timestamptz",
            "defaultTimezone: '+01:00', minimum: '2024-01-02'",
            "2024-01-01 23:00:00.000000+00",
        ),
        (
            "physicalType: timestamptz",
            "format: epoch_seconds, minimum: 86400",
            "1970-01-02 00:00:00.000000+00",
        ),
        ("physicalType: time", "minimum: '08:30:00'", "08:30:00.000000"),
    ] {
        let own = rules(&format!("{column}, logicalTypeOptions: {{{options}}}"));
        assert_eq!(own.minimum.unwrap().0, Bound::Time(bound.to_owned()), "{options}");
    }
}

#[test]
fn formats_of_numbers_are_bounds() {
    for (format, least, most) in [
        ("i8", "-128", "127"),
        ("u16", "0", "65535"),
        ("i64", "-9223372036854775808", "9223372036854775807"),
        ("i128", "-170141183460469231731687303715884105728", "170141183460469231731687303715884105727"),
        ("u128", "0", "340282366920938463463374607431768211455"),
    ] {
        let own = rules(&format!("physicalType: 'numeric(38,0)', logicalTypeOptions: {{format: {format}}}"));
        let (minimum, maximum) = (own.minimum.unwrap(), own.maximum.unwrap());
        assert_eq!((minimum.0.as_str(), maximum.0.as_str()), (least, most), "{format}");
        assert_eq!((minimum.1, maximum.1), (Inclusive::Yes, Inclusive::Yes));
    }
}

#[test]
fn of_an_inclusive_and_an_exclusive_bound_the_tighter_one_holds() {
    for (options, kept) in [
        ("minimum: 0, exclusiveMinimum: 0", ("0", Inclusive::No)),
        ("minimum: 1, exclusiveMinimum: 0", ("1", Inclusive::Yes)),
        ("minimum: -1, exclusiveMinimum: 0.5", ("0.5", Inclusive::No)),
    ] {
        let own = contract(
            "",
            &[&format!("name: a, physicalType: 'numeric(9,2)', logicalTypeOptions: {{{options}}}")],
        );
        let (bound, inclusive) = own.columns[0].rules.minimum.clone().unwrap();
        assert_eq!((bound.as_str(), inclusive), kept, "{options}");
    }
    let own = contract(
        "",
        &["name: a, physicalType: bigint, logicalTypeOptions: {maximum: 9, exclusiveMaximum: 9}"],
    );
    assert_eq!(own.columns[0].rules.maximum.as_ref().unwrap().1, Inclusive::No);
}
