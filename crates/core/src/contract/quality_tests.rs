//! Tests of `quality` and `unique`: what becomes a rule, what is noted with the reason, what is refused.

use super::*;
use crate::fixtures::{contract, contract_text, try_contract};

const ID: &str = "name: id, physicalType: bigint, primaryKey: true";

fn of_column(quality: &str) -> Contract {
    contract("", &[ID, &format!("name: a, physicalType: varchar(9), quality: [{quality}]")])
}

fn of_schema(quality: &str) -> Result<Contract, ContractError> {
    let columns = [ID, "name: a, physicalName: aa, physicalType: varchar(9)"];
    let text = contract_text(crate::fixtures::S3, "", &columns);
    Contract::parse(&text.replace("    customProperties: []", &format!("    quality: [{quality}]")))
}

fn note(own: &Contract) -> &str {
    assert_eq!(own.notes.lines().len(), 1, "{:?}", own.notes);
    &own.notes.lines()[0]
}

#[test]
fn metrics_that_allow_none_become_rules_of_their_severity() {
    use Severity::{Error, Warning};
    let own = of_column(
        "{metric: nullValues, mustBe: 0, severity: warning}, {metric: nullValues, mustBeLessThan: 1}, \
         {metric: missingValues, mustBeLessOrEqualTo: 0, severity: Info, arguments: {missingValues: [null, '', 'N/A', 9]}}, \
         {metric: missingValues, mustBe: 0}, \
         {type: library, metric: invalidValues, mustBeBetween: [-1, 0], arguments: {validValues: [a, 1, true, NO, null], pattern: '^a'}}, \
         {metric: invalidValues, mustBe: 0.0, unit: percent, severity: warning, arguments: {pattern: '^b'}}",
    );
    let rules = &own.columns[1].rules;
    assert_eq!(own.notes.lines(), [] as [&str; 0]);
    assert_eq!(rules.null_values, Some(Error));
    let texts = ["", "N/A", "9"].map(str::to_owned).to_vec();
    assert_eq!(
        rules.missing_values,
        [
            MissingValues { texts, null: true, severity: Warning },
            MissingValues { texts: Vec::new(), null: true, severity: Error },
        ]
    );
    assert_eq!(rules.valid_values, [(["a", "1", "true", "NO"].map(str::to_owned).to_vec(), Error)]);
    assert_eq!(rules.patterns, [("^a".to_owned(), Error), ("^b".to_owned(), Warning)]);
}

#[test]
fn rules_that_no_single_record_can_break_are_noted_with_the_reason() {
    for (quality, why) in [
        ("{metric: nullValues, mustBeLessThan: 2}", "a limit other than none"),
        ("{metric: nullValues, mustBeLessThan: 1, unit: percent}", "a limit other than none"),
        ("{metric: nullValues, mustBeLessOrEqualTo: 0.5, unit: percent}", "a limit other than none"),
        ("{metric: nullValues, mustNotBe: 0}", "a limit other than none"),
        ("{metric: nullValues, mustBeGreaterThan: 0}", "a limit other than none"),
        ("{metric: nullValues, mustBeGreaterOrEqualTo: 0}", "a limit other than none"),
        ("{metric: duplicateValues, mustBeBetween: [0, 5]}", "a limit other than none"),
        ("{metric: missingValues, mustNotBeBetween: [1, 5]}", "a limit other than none"),
        ("{metric: rowCount, mustBe: 0}", "counts the rows of the table"),
        ("{metric: nullValues, mustBe: 0, arguments: {filter: x}}", "the argument \"filter\""),
        ("{metric: invalidValues, mustBe: 0}", "names neither validValues nor a pattern"),
        ("{type: text, description: d}", "is a text for people"),
        ("{type: sql, query: q, mustBeGreaterThan: 0}", "run it in the warehouse"),
        ("{type: custom, engine: soda, implementation: {x: 1}}", "is for the engine \"soda\""),
        ("{rule: nullCheck}", "is the standard's older form"),
        ("{name: n}", "names no metric"),
    ] {
        let own = of_column(quality);
        assert!(
            note(&own).starts_with("not checked in flight: schema[0].properties[1].quality[0]: "),
            "{own:?}"
        );
        assert!(note(&own).contains(why), "{quality}: {}", note(&own));
    }
    for quality in ["{metric: nullValues, mustBe: 0}", "{metric: duplicateValues, mustBe: 0}"] {
        let own = of_schema(quality).unwrap();
        assert!(note(&own).starts_with("not checked in flight: schema[0].quality[0]: names no "), "{own:?}");
    }
    let odd = of_column("{metric: nullValues, mustBe: 0, severity: blocker}");
    assert!(note(&odd).contains("\"blocker\" is taken as error"), "{odd:?}");
    assert_eq!(odd.columns[1].rules.null_values, Some(Severity::Error));
}

#[test]
fn wrong_quality_rules_are_refused_with_their_path() {
    for (quality, path, reason) in [
        ("{metric: nullValues}", "", "needs an operator"),
        ("{metric: nullValues, mustBe: 0, mustNotBe: 1}", "", "two operators, mustBe and mustNotBe"),
        ("{metric: nullValues, mustBe: none}", ".mustBe", "must be a number"),
        ("{metric: nullValues, mustBeBetween: [2, 1]}", ".mustBeBetween", "smaller number first"),
        ("{metric: nullValues, mustBeBetween: 1}", ".mustBeBetween", "a list of two numbers"),
        ("{metric: nulValues, mustBe: 0}", ".metric", "no metric of the standard"),
        ("{type: libary, metric: nullValues, mustBe: 0}", ".type", "no type of the standard"),
        (
            "{metric: missingValues, mustBe: 0, arguments: {missingValues: ''}}",
            ".arguments.missingValues",
            "must be a list",
        ),
        (
            "{metric: invalidValues, mustBe: 0, arguments: {pattern: 1}}",
            ".arguments.pattern",
            "must be a text",
        ),
        (
            "{metric: duplicateValues, mustBe: 0, arguments: {properties: [a]}}",
            ".arguments.properties",
            "of the schema",
        ),
        ("{type: custom, engine: cel, implementation: {a: 1}}", ".implementation", "an expression in CEL"),
        ("{type: custom, engine: cel}", ".implementation", "an expression in CEL"),
    ] {
        let columns = [ID, &format!("name: a, physicalType: varchar(9), quality: [{quality}]")];
        let error = try_contract("", &columns).expect_err(quality);
        assert_eq!(error.path, format!("schema[0].properties[1].quality[0]{path}"), "{quality}: {error}");
        assert!(error.reason.contains(reason), "{quality}: {error}");
    }
    let error =
        of_schema("{metric: duplicateValues, mustBe: 0, arguments: {properties: [id, b]}}").unwrap_err();
    assert_eq!(error.path, "schema[0].quality[0].arguments.properties");
    assert_eq!(error.reason, "names no column: \"b\"");
}

#[test]
fn unique_columns_are_known_and_told_to_be_held_in_part() {
    let own = contract(
        "",
        &[
            "name: id, physicalType: bigint, primaryKey: true, unique: true",
            "name: a, physicalType: bigint, unique: true",
            "name: b, physicalType: bigint, quality: [{metric: duplicateValues, mustBe: 0, severity: warning}]",
            "name: c, physicalType: bigint, unique: true, quality: [{metric: duplicateValues, mustBe: 0, severity: warning}]",
        ],
    );
    let unique: Vec<Option<Severity>> = own.columns.iter().map(|column| column.unique).collect();
    assert_eq!(unique, [None, Some(Severity::Error), Some(Severity::Warning), Some(Severity::Error)]);
    assert_eq!(own.notes.lines().len(), 3, "{:?}", own.notes);
    let together =
        of_schema("{metric: duplicateValues, mustBe: 0, arguments: {properties: [id, aa]}}").unwrap();
    assert_eq!(together.unique_together, [(vec![0, 1], Severity::Error)]);
    assert!(note(&together).contains("unique id, a is held only among the rows"), "{together:?}");
}

#[test]
fn rules_on_rows_keep_their_expression_name_and_path() {
    let row =
        |more: &str, cel: &str| format!("{{type: custom, engine: CEL, implementation: \"{cel}\"{more}}}");
    let own = of_schema(&format!(
        "{}, {}",
        row(", name: positive, id: x, severity: warning", "id > 0"),
        row("", "a != 'x'")
    ));
    let own = own.unwrap();
    let expected =
        [("positive", "id > 0", Severity::Warning), ("schema[0].quality[1]", "a != 'x'", Severity::Error)];
    for (i, (name, cel, severity)) in expected.into_iter().enumerate() {
        let path = format!("schema[0].quality[{i}]");
        assert_eq!(own.row_rules[i], RowRule { name: name.into(), cel: cel.into(), severity, path });
    }
    let of_column = of_column(&row(", description: an a, id: i-1", "a == 'a'"));
    assert_eq!(of_column.row_rules[0].name, "i-1");
    assert_eq!(of_column.row_rules[0].path, "schema[0].properties[1].quality[0]");
    assert!(own.notes.lines().is_empty() && of_column.notes.lines().is_empty());
}
