//! Tests of contracts that are refused: with which path and reason, and how long a hostile one may take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use crate::fixtures::{QUEUE, S3, contract_text, try_contract};
use crate::row::Checker;

const ID: &str = "name: id, physicalType: bigint, primaryKey: true";

/// Path and reason with which a contract is refused, rules included.
fn refused(text: &str) -> (String, String) {
    let error = Contract::parse(text).and_then(|own| Checker::compile(Arc::new(own))).expect_err(text);
    assert!(!error.reason.is_empty());
    (error.path, error.reason)
}

fn refused_column(column: &str) -> (String, String) {
    refused(&contract_text(S3, "", &[ID, column]))
}

fn refused_custom(custom: &str) -> (String, String) {
    refused(&contract_text(S3, custom, &[ID, "name: a, physicalType: varchar(9)"]))
}

fn property(name: &str, value: &str) -> String {
    format!("{{property: penstock.{name}, value: {value}}}")
}

#[test]
fn a_typo_in_a_penstock_property_is_refused_wherever_it_stands() {
    let typo = "customProperties: [{property: penstock.tpyo, value: 1}]";
    let column =
        format!("name: a, logicalType: object, properties: [{{name: x, logicalType: string, {typo}}}]");
    let quality = format!("name: a, logicalType: string, quality: [{{type: text, description: d, {typo}}}]");
    for (text, path) in [
        (contract_text(S3, "{property: penstock.tpyo, value: 1}", &[ID]), "schema[0].customProperties"),
        (contract_text(S3, "", &[&format!("{ID}, {typo}")]), "schema[0].properties[0].customProperties"),
        (contract_text(S3, "", &[ID, &column]), "schema[0].properties[1].properties[0].customProperties"),
        (contract_text(S3, "", &[ID, &quality]), "schema[0].properties[1].quality[0].customProperties"),
        (contract_text(S3, "", &[ID]) + typo, "customProperties"),
        (contract_text(S3, "", &[ID]) + "roles: [{role: r, " + typo + "}]", "roles[0].customProperties"),
    ] {
        let (at, reason) = refused(&text);
        assert_eq!(at, path, "{reason}");
        assert!(reason.contains("penstock.tpyo is not a property that Penstock knows here"), "{reason}");
    }
    for kind in ["s3, location: 's3://b/k'", "kinesis", "redshift", "custom", "postgres"] {
        let (at, _) = refused(&contract_text(&format!("{{server: x, type: {kind}, {typo}}}"), "", &[ID]));
        assert_eq!(at, "servers[0].customProperties", "{kind}");
    }
    // Known, but not there.
    assert_eq!(refused_custom(&property("overflow", "null")).0, "schema[0].customProperties");
    assert_eq!(
        refused_column(
            "name: a, logicalType: string, customProperties: [{property: penstock.orderBy, value: a}]"
        )
        .0,
        "schema[0].properties[1].customProperties"
    );
}

#[test]
fn a_custom_property_of_another_form_is_refused_with_what_it_should_be() {
    for (custom, expected) in [
        (property("maxRejectedFraction", "2"), "a number from 0 to 1"),
        (property("maxRejectedFraction", "'0.5'"), "a number from 0 to 1"),
        (property("extraColumns", "drop"), "ignore or reject"),
        (property("dedupDays", "0"), "a whole number from 1"),
        (property("keepHistory", "'yes'"), "true or false"),
        (property("keepHistory", "yes"), "true or false"),
        (property("orderBy", "[a]"), "a text"),
        (property("orderBy", "''"), "a text"),
        (property("groupBy", "[1]"), "a text or a list of texts"),
        (property("lakeFormat", "orc"), "as-is or parquet"),
        (format!("{}, {}", property("dedupDays", "3"), property("dedupDays", "3")), "is set twice"),
    ] {
        let (path, reason) = refused_custom(&custom);
        assert_eq!(path, "schema[0].customProperties", "{custom}");
        assert!(reason.contains(expected), "{custom}: {reason}");
    }
    let queue = "{server: q, type: custom, customProperties: [{property: penstock.groups, value: 4}]}";
    assert_eq!(refused(&contract_text(queue, "", &[ID])).1, "needs penstock.queueUrl");
    let map = contract_text(S3, "", &[ID]) + "customProperties: {penstock.x: 1}";
    assert_eq!(refused(&map).0, "customProperties");
}

#[test]
fn a_name_that_is_no_column_is_refused() {
    for name in ["orderBy", "groupBy", "partitionBy", "distkey", "sortkey"] {
        let (path, reason) = refused_custom(&property(name, "boked_at"));
        assert_eq!(path, "schema[0]");
        assert_eq!(reason, format!("penstock.{name} names no column: \"boked_at\""));
    }
    for name in ["groupBy", "partitionBy"] {
        let (_, reason) = refused_custom(&property(name, "[]"));
        assert_eq!(reason, format!("penstock.{name} must name at least one column"));
    }
    let own = try_contract(&property("orderBy", "s"), &[ID, "name: s, logicalType: object"]);
    assert!(own.unwrap_err().reason.contains("a super column has no order"));
}

#[test]
fn a_wrong_rule_for_tombstones_is_refused() {
    for (cel, expected) in [
        ("gone == true", "penstock.deletedWhen: \"gone\" is no column"),
        ("a == ", "penstock.deletedWhen: not CEL"),
        ("frobnicate(a)", "penstock.deletedWhen: frobnicate is no function"),
        ("upper(a)", "penstock.deletedWhen: must give true or false"),
        ("id", "penstock.deletedWhen: must give true or false"),
    ] {
        let (path, reason) = refused_custom(&property("deletedWhen", &format!("{cel:?}")));
        assert_eq!(path, "schema[0].customProperties", "{cel}");
        assert!(reason.starts_with(expected), "{cel}: {reason}");
    }
    assert!(refused_custom(&property("deletedWhen", "true")).1.contains("must be a text"));
}

#[test]
fn rows_are_replaced_by_object_only_where_no_key_decides_and_an_object_loads_as_a_whole() {
    let replace = property("onReplace", "replace");
    let (path, reason) = refused_custom(&replace);
    assert_eq!(path, "schema[0]");
    assert!(reason.contains("with a primary key rows take each other's place by key"), "{reason}");
    for servers in [QUEUE, "{server: k, type: kinesis}"] {
        let own = contract_text(&format!("{S3}, {servers}"), &replace, &["name: a, physicalType: bigint"]);
        assert!(refused(&own).1.contains("only the copy route loads an object as a whole"), "{servers}");
    }
    let own = contract_text(S3, &replace, &["name: a, physicalType: bigint"]);
    assert_eq!(Contract::parse(&own).unwrap().table_options.on_replace, OnReplace::Replace);
    assert!(refused_custom(&property("onReplace", "truncate")).1.contains("append or replace"));
}

#[test]
fn what_asks_for_rows_is_refused_where_objects_are_copied_as_they_are() {
    const BINARY: &str = "{server: s, type: s3, location: 's3://b/lake/t/**', format: binary}";
    for (servers, custom, asks) in [
        (String::new(), property("lakeFormat", "parquet"), "penstock.lakeFormat parquet"),
        (String::new(), property("afterLoad", "m"), "penstock.afterLoad"),
        (String::new(), property("keepHistory", "true"), "penstock.keepHistory"),
        (String::new(), property("deletedWhen", "'true'"), "penstock.deletedWhen"),
        (String::new(), property("onReplace", "replace"), "penstock.onReplace replace"),
        (format!(", {QUEUE}"), String::new(), "a queue"),
        (", {server: k, type: kinesis}".to_owned(), String::new(), "a stream"),
    ] {
        let text = contract_text(&format!("{BINARY}{servers}"), &custom, &[]);
        let (path, reason) = refused(&text.replace("    properties:\n", ""));
        assert_eq!(path, "schema[0]", "{reason}");
        let expected =
            format!("{asks} is not possible: objects of format binary go into the lake as they are");
        assert_eq!(reason, expected);
    }
    let (path, reason) = refused(&contract_text(S3, "", &[]).replace("    properties:\n", ""));
    assert_eq!((path.as_str(), reason.as_str()), ("schema[0].properties", "a dataset needs columns"));
}

#[test]
fn models_are_named_by_plain_words_and_once() {
    for (value, expected) in [
        ("[daily, daily]", "\"daily\" is named twice"),
        ("../daily", "must be 1 to 64 of a-z, 0-9 and _"),
        ("daily.sql", "must be 1 to 64 of a-z, 0-9 and _"),
        ("['']", "must be 1 to 64 of a-z, 0-9 and _"),
        ("[1]", "must be a text or a list of texts"),
    ] {
        let (_, reason) = refused_custom(&property("afterLoad", value));
        assert!(reason.contains(expected), "{value}: {reason}");
    }
    let own = try_contract(&property("afterLoad", "daily"), &[ID]).unwrap();
    assert_eq!(
        (own.table_options.after_load.as_slice(), own.notes.lines().len()),
        (&["daily".to_owned()][..], 0)
    );
}

#[test]
fn wrong_columns_are_refused_with_their_path() {
    for (column, reason) in [
        ("name: a, physicalType: json", "is not a Redshift type"),
        ("name: a, physicalType: varchar(99999)", "from 1 to 65535 bytes"),
        ("name: a, logicalType: date, physicalType: varchar(9)", "does not fit"),
        ("name: a, logicalType: integer, physicalType: 'numeric(9,2)'", "does not fit"),
        ("name: a, logicalType: number", "needs a physicalType"),
        ("name: a", "needs a logicalType or a physicalType"),
        ("name: a, physicalType: real, primaryKey: true", "cannot be part of the primary key"),
        ("name: a, physicalType: float8, primaryKey: true", "cannot be part of the primary key"),
        ("name: a, physicalType: super, primaryKey: true", "cannot be part of the primary key"),
        (
            "name: a, physicalType: varchar(9), primaryKey: true, customProperties: [{property: penstock.overflow, value: truncate}]",
            "must be reject",
        ),
        ("name: select, physicalType: date", "reserved word"),
        ("name: tag, physicalType: date", "reserved word"),
        ("name: Amount, physicalType: date", "must be 1 to 127 of a-z"),
        ("name: a, physicalName: A B, physicalType: date", "must be 1 to 127 of a-z"),
        ("name: _order, physicalType: date", "adds itself"),
        ("name: xmin, physicalType: date", "adds itself"),
        ("name: id, physicalType: date", "is there already"),
        ("name: x, physicalName: id, physicalType: date", "is there already"),
        ("name: a, physicalType: date, primaryKey: true, primaryKeyPosition: 0", "starts from 1"),
        ("name: a, physicalType: date, partitioned: true, partitionKeyPosition: -2", "starts from 1"),
        ("name: a, physicalType: varchar(9), logicalTypeOptions: {pattern: '('}", "pattern: "),
        ("name: a, physicalType: varchar(9), transformLogic: 'nope + 1'", "\"nope\" is no source column"),
        ("name: a, physicalType: varchar(9), transformLogic: 'frobnicate(id)'", "frobnicate is no function"),
        (
            "name: a, physicalType: varchar(9), transformLogic: 'id == 5 ? frobnicate(id) : 1'",
            "frobnicate is no function",
        ),
        ("name: a, physicalType: varchar(9), transformLogic: 'id +'", "not CEL"),
        ("name: a, physicalType: varchar(9), transformLogic: 'a'", "\"a\" is no source column"),
        (
            "name: a, physicalType: varchar(9), transformLogic: 'id', transformSourceObjects: [idd]",
            "names no source column",
        ),
        ("name: a, physicalType: super, transformLogic: 'id'", "cannot be derived"),
    ] {
        let (path, found) = refused_column(column);
        assert!(path.starts_with("schema[0].properties[1]"), "{column}: {path}");
        assert!(found.contains(reason), "{column}: {found}");
    }
    let twice = [
        "name: a, physicalType: date, primaryKey: true, primaryKeyPosition: 1",
        "name: b, physicalType: date, primaryKey: true, primaryKeyPosition: 1",
    ];
    let (path, reason) = refused(&contract_text(S3, "", &twice));
    assert_eq!(
        (path.as_str(), reason.as_str()),
        ("schema[0].properties", "two columns have the same position of primaryKey")
    );
    assert_eq!(refused(&contract_text(S3, "", &[])).0, "schema[0].properties");
}

#[test]
fn wrong_options_and_rules_are_refused_with_their_path() {
    let options = "schema[0].properties[1].logicalTypeOptions";
    for (column, path) in [
        ("physicalType: varchar(9), logicalTypeOptions: {minLength: -1}", format!("{options}.minLength")),
        ("physicalType: varchar(9), logicalTypeOptions: {maxLength: x}", format!("{options}.maxLength")),
        ("physicalType: varchar(9), logicalTypeOptions: {pattern: 5}", format!("{options}.pattern")),
        ("physicalType: bigint, logicalTypeOptions: {minimum: true}", format!("{options}.minimum")),
        ("physicalType: bigint, logicalTypeOptions: {multipleOf: 0}", format!("{options}.multipleOf")),
        ("physicalType: super, logicalTypeOptions: {minItems: few}", format!("{options}.minItems")),
        ("physicalType: varchar(9), logicalTypeOptions: {format: 5}", format!("{options}.format")),
        (
            "physicalType: bigint, logicalTypeOptions: {exclusiveMaximum: ten}",
            format!("{options}.exclusiveMaximum"),
        ),
        (
            "physicalType: bigint, quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [[1]]}}]",
            "schema[0].properties[1].quality[0].arguments.validValues".to_owned(),
        ),
        (
            "physicalType: bigint, quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [x]}}]",
            "schema[0].properties[1]".to_owned(),
        ),
        (
            "physicalType: varchar(2), quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [abc]}}]",
            "schema[0].properties[1]".to_owned(),
        ),
    ] {
        assert_eq!(refused_column(&format!("name: a, {column}")).0, path, "{column}");
    }
}

#[test]
fn documents_of_another_kind_are_refused_with_their_path() {
    let good = contract_text(S3, "", &[ID]);
    for (from, to, path) in [
        ("kind: DataContract", "kind: DataProduct", "kind"),
        ("apiVersion: v3.1.0", "apiVersion: v2.2.2", "apiVersion"),
        ("version: 1.2.3", "version: 1.0", "version"),
        ("name: t\n", "name: 'a b'\n    physicalName: t\n", "schema[0].name"),
        ("name: t\n", "name: '../x'\n    physicalName: t\n", "schema[0].name"),
        ("name: t\n", "name: Order\n", "schema[0]"),
        ("type: s3", "type: s3, delimiter: tab", "servers[0].delimiter"),
        ("format: json", "format: xml", "servers[0].format"),
        ("location: 's3://b/t/*', ", "", "servers[0]"),
        ("'s3://b/t/*'", "'s3://*/t'", "servers[0].location"),
        ("'s3://b/t/*'", "'s3://${B/t'", "servers[0].location"),
        ("primaryKey: true", "primaryKey: 'true'", "schema[0].properties[0].primaryKey"),
        ("physicalType: bigint", "logicalType: bigint", "schema[0].properties[0].logicalType"),
    ] {
        assert!(good.contains(from), "{from}");
        let (at, reason) = refused(&good.replacen(from, to, 1));
        assert_eq!(at, path, "{to}: {reason}");
    }
    let second = good.clone() + "  - name: u\n    properties: [{name: a, logicalType: string}]\n";
    assert_eq!(
        refused(&second),
        ("schema".into(), "must hold exactly one object (one file a dataset), not 2".into())
    );
    assert_eq!(refused(&contract_text(&format!("{S3}, {S3}"), "", &[ID])).0, "servers[1]");
    assert_eq!(refused(&contract_text(&format!("{QUEUE}, {QUEUE}"), "", &[ID])).0, "servers[1]");
    for text in ["", "[]", "x", "a: 1", "a: [", "\t", "a: 1\na: 2\n", "--- 1\n--- 2\n"] {
        assert!(Contract::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn hostile_documents_end_in_an_error_and_not_in_a_hang() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..30 {
        let before = format!("*a{}, ", i - 1).repeat(10);
        bomb.push_str(&format!("a{i}: &a{i} [{before}]\n"));
    }
    let column = "      - {name: c, physicalType: date}\n";
    for (name, text) in [
        ("alias bomb", bomb),
        ("deep flow", "[".repeat(100_000)),
        ("deep block", (0..5_000).map(|i| " ".repeat(i % 3_000) + "a:\n").collect()),
        ("deep map", "{a: ".repeat(50_000)),
        ("5 MB of columns", contract_text(S3, "", &[ID]) + &column.repeat(5_000_000 / column.len())),
        ("5 MB of text", "x".repeat(5_000_000)),
        ("5 MB of keys", (0..400_000).map(|i| format!("key{i}: 1\n")).collect()),
        ("5 MB of one key", format!("{}: 1", "k".repeat(5_000_000))),
        ("anchors", "&a ".repeat(100_000)),
        ("merge keys", "<<: {<<: ".repeat(10_000)),
        ("binary", "\0\u{1}\u{feff}".repeat(1000)),
        (
            "huge pattern",
            contract_text(
                S3,
                "",
                &[
                    "name: a, physicalType: varchar(9), logicalTypeOptions: {pattern: '(((a{99}){99}){99}){99}'}",
                ],
            ),
        ),
    ] {
        let start = Instant::now();
        let outcome = Contract::parse(&text).and_then(|own| Checker::compile(Arc::new(own)));
        assert!(outcome.is_err(), "{name}");
        assert!(start.elapsed() < Duration::from_secs(20), "{name} took {:?}", start.elapsed());
        assert!(outcome.unwrap_err().to_string().len() < 10_000, "{name}: a short reason");
    }
}
