//! `penstock check`: what it says of right, wrong and suspicious contracts, without an environment.

use std::path::Path;

use crate::common::{Run, TRANSACTIONS, contracts, payments, penstock, transactions};

fn check(files: &[(&str, &str)]) -> Run {
    penstock(contracts(files).path(), &["check", "."], &[])
}

fn one(changes: &[(&str, &str)]) -> Run {
    check(&[("t.odcs.yaml", &transactions(changes))])
}

const KEY: &str = "        primaryKey: true\n        primaryKeyPosition: 1\n";
const GROUP_BY: &str = "      - property: penstock.groupBy\n        value: account_id\n";

#[test]
fn the_projects_contracts_can_be_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let run = penstock(&root, &["check"], &[]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let line = "ok  transactions.odcs.yaml  dataset transactions 1.0.0 → tgt.transactions, 12 columns, key transaction_id\n";
    assert!(run.out.contains(line), "{}", run.out);
    let line =
        "dataset sensor_readings 1.0.0 → the lake, as Parquet, 7 columns, key sensor_id, measured_at\n";
    assert!(run.out.contains(line), "{}", run.out);
}

#[test]
fn a_dataset_without_files_of_its_own_is_told_what_still_comes() {
    let fed = "apiVersion: v3.1.0\nkind: DataContract\nid: fed\nname: fed\nversion: 1.0.0\nstatus: active\nservers:\n  \
        - {server: k, type: kinesis, customProperties: [{property: penstock.streamName, value: s}]}\nschema:\n  \
        - name: fed\n    properties:\n      - {name: id, logicalType: integer, primaryKey: true}\n";
    let run = check(&[("fed.odcs.yaml", fed)]);
    let note = "note: no server of type s3: no file of the landing bucket is taken for this dataset; rows that come by \
        the stream are\n";
    assert!(run.code == 0 && run.out.contains(note), "{}", run.out);
}

#[test]
fn every_wrong_file_is_told_and_not_only_the_first() {
    let run = check(&[
        ("a.odcs.yaml", &transactions(&[("physicalType: numeric(18,2)", "physicalType: money")])),
        ("b.odcs.yaml", "schema: ["),
        ("c.odcs.yaml", &payments()),
        ("d.odcs.yaml", &transactions(&[("penstock.orderBy", "penstock.orderby")])),
    ]);
    assert_eq!(run.code, 1);
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[0].starts_with("error: ./a.odcs.yaml: schema[0].properties[2]: "), "{}", run.out);
    assert!(lines[0].ends_with("(column amount)"), "{}", run.out);
    assert!(lines[1].starts_with("error: ./b.odcs.yaml: not a YAML document"), "{}", run.out);
    assert!(run.out.contains("\nok  c.odcs.yaml  dataset payments 1.0.0 → tgt.payments"), "{}", run.out);
    assert!(
        run.out.contains("error: ./d.odcs.yaml: schema[0].customProperties: penstock.orderby is not"),
        "{}",
        run.out
    );
    assert_eq!(lines.last(), Some(&"4 contracts checked: 1 ok, 3 wrong"));
}

/// A dataset whose objects are copied into the lake as they are.
const IMAGES: &str = "apiVersion: v3.1.0\nkind: DataContract\nid: images\nname: images\nversion: 1.0.0\nstatus: active\n\
    servers:\n  - {server: landing, type: s3, location: 's3://${LANDING_BUCKET}/lake/images/**', format: binary}\n\
    schema:\n  - name: images\n";

#[test]
fn objects_that_are_not_looked_into_need_no_columns_and_get_no_table() {
    let files = contracts(&[("images.odcs.yaml", IMAGES), ("t.odcs.yaml", &transactions(&[]))]);
    let checked = penstock(files.path(), &["check", "."], &[]);
    let line = "ok  images.odcs.yaml  dataset images 1.0.0 → the lake, as it is\nok  ";
    assert!(checked.code == 0 && checked.out.starts_with(line), "{}", checked.out);
    assert!(checked.out.ends_with("2 contracts checked: all can be used\n"), "{}", checked.out);
    let ddl = penstock(files.path(), &["ddl", "."], &[]);
    assert!(ddl.code == 0 && !ddl.out.contains("images") && ddl.out.contains("transactions"), "{}", ddl.out);
}

#[test]
fn patterns_and_expressions_are_compiled() {
    let run = one(&[("^[A-Z]{3}$", "'^[A-Z'")]);
    assert!(run.code == 1 && run.out.contains("schema[0].properties[3]: pattern: "), "{}", run.out);
    let run = one(&[("minor(amount, 2)", "minor(amount,")]);
    assert!(run.code == 1 && run.out.contains("not CEL: "), "{}", run.out);
    assert!(run.out.contains("(column amount_minor)"), "{}", run.out);
}

#[test]
fn a_dataset_a_table_or_a_location_is_there_once() {
    let run = check(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", TRANSACTIONS)]);
    assert_eq!(run.code, 1);
    assert!(
        run.out.contains("error: ./b.odcs.yaml: dataset transactions is also in ./a.odcs.yaml"),
        "{}",
        run.out
    );
    let other = transactions(&[(
        "- name: transactions\n    logicalType",
        "- name: other\n    physicalName: transactions\n    logicalType",
    )]);
    let run = check(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", &other)]);
    assert!(run.out.contains("error: ./b.odcs.yaml: table \"transactions\" is also in"), "{}", run.out);
    let overlap = payments().replace("queue/payments/", "queue/**/");
    let run = check(&[("a.odcs.yaml", &overlap), ("b.odcs.yaml", TRANSACTIONS)]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("error: ./b.odcs.yaml: location s3://${LANDING_BUCKET}/queue/transactions/*.json can match the same key as ./a.odcs.yaml"), "{}", run.out);
}

#[test]
fn a_queue_without_any_key_is_an_error() {
    let run = one(&[(KEY, ""), (GROUP_BY, "")]);
    assert_eq!(run.code, 1);
    assert!(
        run.out.contains("schema[0]: the queue server needs penstock.groupBy or a primary key"),
        "{}",
        run.out
    );
    assert_eq!(one(&[(KEY, "")]).code, 0);
}

#[test]
fn names_that_the_warehouse_cannot_take_are_errors() {
    for (change, told) in [
        (("schema: tgt", "schema: Tgt"), "servers: schema \"Tgt\" must be"),
        (("schema: tgt", "schema: penstock"), "servers: schema penstock holds Penstock's own tables"),
        (("schema: tgt", "schema: ${X"), "servers: schema \"${X\""),
        (("database: ${DATABASE}", "database: ${DATABASE"), "servers: database \"${DATABASE\""),
    ] {
        let run = one(&[change]);
        assert!(run.code == 1 && run.out.contains(told), "{told}: {}", run.out);
    }
    let long = format!("physicalName: {}\n    logicalType: object\n    physicalType: table", "t".repeat(120));
    let run = one(&[("logicalType: object\n    physicalType: table", &long)]);
    assert!(run.code == 1 && run.out.contains("the table's name is too long for its ledger"), "{}", run.out);
}

#[test]
fn what_is_rarely_meant_is_a_note_and_no_error() {
    let optional = "physicalType: timestamptz\n        partitioned";
    let run = one(&[
        ("physicalType: timestamptz\n        required: true\n        partitioned", optional),
        (
            "physicalType: varchar(16)\n        required: true",
            "physicalType: varchar(16)\n        required: true\n        customProperties:\n          - property: penstock.overflow\n            value: 'null'",
        ),
    ]);
    assert_eq!(run.code, 0, "{}", run.out);
    for note in [
        "    note: column booked_at is partitioned and not required",
        "    note: penstock.orderBy booked_at is not required",
        "    note: column status is required and penstock.overflow is null",
    ] {
        assert!(run.out.contains(note), "{note}: {}", run.out);
    }
    assert!(run.out.ends_with("1 contract checked: all can be used, 3 notes\n"), "{}", run.out);
}

#[test]
fn a_location_that_no_event_of_the_queue_is_of_is_a_note_and_one_that_leaves_the_route_open_is_not() {
    for (route, is_told) in [("copy", true), ("*", false), ("**", false)] {
        let run = one(&[("/queue/transactions", &format!("/{route}/transactions"))]);
        assert_eq!(
            run.out.contains("note: the location is not below queue/"),
            is_told,
            "{route}: {}",
            run.out
        );
    }
}

#[test]
fn what_has_no_effect_is_a_note() {
    let run = one(&[("classification: restricted", "unique: true")]);
    assert_eq!(run.code, 0);
    let note = "    note: not checked in flight: schema[0].properties[1]: unique is held only among the rows that are \
        read together: ask the warehouse about all (column account_id)";
    assert!(run.out.contains(note), "{}", run.out);
}

#[test]
fn what_cannot_be_checked_in_flight_is_listed_with_the_reason() {
    let quality = "        quality:\n          - metric: nullValues\n            mustBeLessThan: 5\n            unit: percent\n          \
        - type: text\n            description: d\n          - metric: nullValues\n            mustBe: 0\n";
    let run = one(&[("        classification: restricted\n", quality)]);
    assert_eq!(run.code, 0, "{}", run.out);
    for (i, why) in [(0, "a limit other than none is about all rows"), (1, "is a text for people")] {
        let note = format!("    note: not checked in flight: schema[0].properties[1].quality[{i}]: {why}");
        assert!(run.out.contains(&note), "{note}: {}", run.out);
    }
    assert!(run.out.ends_with("1 contract checked: all can be used, 2 notes\n"), "{}", run.out);
}

#[test]
fn formats_and_quality_rules_that_cannot_be_used_are_errors() {
    let run = one(&[(
        "        physicalType: timestamptz\n",
        "        physicalType: timestamptz\n        logicalTypeOptions:\n          format: YYYY-MM-dd\n",
    )]);
    let told = "schema[0].properties[4].logicalTypeOptions.format: \"YYYY-MM-dd\" YYYY counts weeks";
    assert!(run.code == 1 && run.out.contains(told), "{}", run.out);
    let quality = "        quality:\n          - metric: nullValues\n            mustBe: none\n";
    let run = one(&[("        classification: restricted\n", quality)]);
    let told = "schema[0].properties[1].quality[0].mustBe: must be a number (column account_id)";
    assert!(run.code == 1 && run.out.contains(told), "{}", run.out);
}

#[test]
fn rules_that_no_value_can_keep_are_notes() {
    for (options, told) in [
        ("{minLength: 5, maxLength: 4}", "minLength 5 is above maxLength 4"),
        ("{minLength: 35}", "minLength 35 is more than varchar(34) has bytes"),
        ("{maxLength: 35}", "maxLength 35 is more than varchar(34) has bytes"),
    ] {
        let run = one(&[(
            "        classification: restricted\n",
            &format!("        logicalTypeOptions: {options}\n"),
        )]);
        let told = format!("    note: column account_id: {told}");
        assert!(run.code == 0 && run.out.contains(&told), "{told}: {}", run.out);
    }
    for (options, told) in [
        ("{minimum: 2, maximum: 1.5}", "no value lies between its minimum 2 and its maximum 1.5"),
        ("{minimum: 2, exclusiveMaximum: 2}", "no value lies between"),
    ] {
        let physical = "        physicalType: numeric(18,2)\n";
        let run = one(&[(physical, &format!("{physical}        logicalTypeOptions: {options}\n"))]);
        let told = format!("    note: column amount: {told}");
        assert!(run.code == 0 && run.out.contains(&told), "{told}: {}", run.out);
    }
    let empty = "        quality:\n          - metric: invalidValues\n            mustBe: 0\n            arguments: {validValues: []}\n";
    let run = one(&[("        classification: restricted\n", empty)]);
    assert!(run.out.contains("column account_id: validValues is empty"), "{}", run.out);
}

#[test]
fn files_with_another_name_are_not_silently_left_out() {
    let run = check(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yml", &payments()), ("c.yaml", &payments())]);
    assert_eq!(run.code, 0);
    assert!(run.out.contains("note: ./b.odcs.yml: not read"), "{}", run.out);
    assert!(run.out.contains("note: ./c.yaml: not read"), "{}", run.out);
    let directory = contracts(&[("draft.yaml", TRANSACTIONS)]);
    let run = penstock(directory.path(), &["check", "draft.yaml"], &[]);
    assert!(
        run.code == 0 && run.out.contains("note: functions read only files that are called *.odcs.yaml"),
        "{}",
        run.out
    );
}

#[test]
fn a_file_that_is_named_twice_is_read_once() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let run = penstock(directory.path(), &["check", ".", "a.odcs.yaml"], &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    assert!(run.out.ends_with("1 contract checked: all can be used\n"), "{}", run.out);
}

#[test]
fn a_path_that_leads_to_no_contract_is_wrong_usage() {
    let directory = contracts(&[]);
    let run = penstock(directory.path(), &["check", "nowhere"], &[]);
    assert_eq!((run.code, run.err.as_str()), (2, "error: nowhere: no such file or directory\n"));
    let run = penstock(directory.path(), &["check", "."], &[]);
    assert_eq!((run.code, run.err.as_str()), (2, "error: .: holds no file *.odcs.yaml\n"));
    assert_eq!(penstock(directory.path(), &["chek"], &[]).code, 2);
    assert_eq!(penstock(directory.path(), &["check", "--role", "x"], &[]).code, 2);
}

#[test]
fn a_file_that_is_no_text_is_told_like_any_other() {
    let directory = contracts(&[("b.odcs.yaml", TRANSACTIONS)]);
    std::fs::write(directory.path().join("a.odcs.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    let run = penstock(directory.path(), &["check", "."], &[]);
    assert_eq!(run.code, 1);
    assert!(run.out.starts_with("error: ./a.odcs.yaml: cannot be read: "), "{}", run.out);
    assert!(run.out.contains("ok  b.odcs.yaml"), "{}", run.out);
}

#[test]
fn help_says_who_checks_the_standard_itself() {
    let run = penstock(Path::new("."), &["check", "--help"], &[]);
    let last = run.out.lines().last();
    assert_eq!(
        last,
        Some("The JSON Schema of the Open Data Contract Standard itself is checked by `make check`.")
    );
}

#[test]
fn a_misspelt_key_of_the_standard_is_an_error_with_the_key_that_is_meant() {
    for (from, to, told) in [
        (
            "required: true",
            "requird: true",
            "schema[0].properties[0]: \"requird\" is no key of the standard and has no effect: \"required\"? (column transaction_id)",
        ),
        (
            "          minLength: 1",
            "          min_length: 1",
            "schema[0].properties[0].logicalTypeOptions: \"min_length\" is no key of the standard and has no effect: \"minLength\"?",
        ),
        (
            "        transformSourceObjects",
            "        transformSourceObject",
            "\"transformSourceObject\" is no key of the standard",
        ),
        (
            "status: active",
            "statuss: active",
            ": \"statuss\" is no key of the standard and has no effect: \"status\"?",
        ),
        (
            "    location: s3",
            "    lokation: s3",
            "servers[0]: \"lokation\" is no key of the standard and has no effect: \"location\"?",
        ),
        (
            "            mustBe: 0",
            "            mustbe: 0",
            "schema[0].properties[3].quality[0]: \"mustbe\" is no key",
        ),
    ] {
        let run = one(&[(from, to)]);
        assert!(run.code == 1 && run.out.contains(told), "{told}: {}", run.out);
    }
    // What is nobody's is left alone.
    let run = one(&[("status: active", "status: active\nownedByUs: yes")]);
    assert_eq!(run.code, 0, "{}", run.out);
}
