//! `penstock rejects` over a quarantine bucket in memory: what is printed, and that nothing classified ever is.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use penstock_core::ident;
use penstock_core::quarantine::Subject;
use penstock_core::reject::{Reject, Rule, Violation};

use crate::buckets::{GONE, Objects, denied, no_warehouse, run, s3};
use crate::common::{Run, TRANSACTIONS, contracts, payments, transactions};

/// The classified value of every record here.
const SECRET: &str = "DE89370400440532013000";
const HIDDEN: &str = "that cannot be masked; --show-classified shows them)";

fn part(dataset: &str, source: &str, rejects: &[Reject]) -> (String, Vec<u8>) {
    let subject = Subject {
        dataset: dataset.into(),
        id: ident::stable_id([source]),
        source: source.into(),
        contract_version: None,
    };
    (subject.key("reader", 0), subject.lines(rejects))
}

fn reject(line: Option<u64>, violation: Violation, raw: &str) -> Reject {
    Reject { position: line.map(|line| line * 100), line, violations: vec![violation], raw: raw.into() }
}

fn record(note: &str) -> String {
    format!(r#"{{"transaction_id":"t1","account_id":"{SECRET}","currency":"eur","note":"{note}"}}"#)
}

/// Two files with rejects, a row that the warehouse refused, and what belongs to no dataset.
fn quarantine() -> Objects {
    let pattern = || Violation::column(Rule::Pattern, "currency", "must match ^[A-Z]{3}$");
    let broken = Violation::record(Rule::InvalidJson, "EOF while parsing a string");
    let refused = Violation::record(Rule::RefusedByWarehouse, format!("ERROR: value too long: {SECRET}"));
    let unknown = Violation::record(Rule::UnknownMessage, "is no message of Penstock");
    let stamped = format!(r#"{{"transaction_id":"t2","account":"{SECRET}","note":"n","_order":"x"}}"#);
    let half = &record("a")[..60];
    let rejects = [reject(Some(1), pattern(), &record("a")), reject(Some(3), broken, half)];
    BTreeMap::from([
        part("transactions", "s3://landing/1.json", &rejects),
        part("transactions", "s3://landing/2.json", &[reject(None, refused, &stamped)]),
        part("transactions", "s3://landing/3.json", &[reject(Some(9), pattern(), &record("\u{9b}2J"))]),
        part("_unknown", "arn:queue", &[reject(None, unknown, &record("a"))]),
        ("transactions/gone/reader-000000.jsonl".into(), GONE.into()),
        ("transactions/README.txt".into(), b"no reject".to_vec()),
    ])
}

/// The project's contract, with a column that is called otherwise in the warehouse.
fn directory() -> tempfile::TempDir {
    contracts(&[(
        "a.odcs.yaml",
        &transactions(&[(
            "physicalType: varchar(34)",
            "physicalType: varchar(34)\n        physicalName: account",
        )]),
    )])
}

async fn rejects(directory: &Path, arguments: &[&str], objects: Objects) -> Run {
    let arguments = [&["rejects"], arguments].concat();
    let env = [("QUARANTINE_BUCKET", "b")];
    run(directory, &arguments, &env, (s3(objects), no_warehouse())).await
}

#[tokio::test]
async fn rejects_are_grouped_by_source_with_classified_values_masked() {
    let directory = directory();
    let run = rejects(directory.path(), &[], quarantine()).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    for expected in [
        "s3://landing/1.json (dataset transactions)\nwhere   rule ",
        "\nline 1  pattern       currency  must match ^[A-Z]{3}$       {\"transaction_id\":\"t1\",\"account_id\":\"***\",",
        "\nline 3  invalid_json            EOF while parsing a string  (hidden: 60 bytes that",
        "s3://landing/2.json (dataset transactions)\nwhere  rule ",
        "\n-      refused_by_warehouse          (the warehouse's text may hold values; --show-classified shows it)  \
         {\"transaction_id\":\"t2\",\"account\":\"***\",",
        "arn:queue (dataset _unknown)\nwhere  rule ",
        "\n-      unknown_message          is no message of Penstock  (hidden: 89",
        "\npattern               currency      2\n",
        "\n5 rejects of 4 sources\n",
    ] {
        assert!(run.out.contains(expected), "{expected}\n\nis not in\n\n{}", run.out);
    }
}

#[tokio::test]
async fn no_way_of_printing_shows_a_classified_value_but_the_one_that_is_asked_for() {
    let directory = directory();
    for arguments in [&[][..], &["--json"], &["--json", "--limit", "0"], &["--dataset", "_unknown"]] {
        let run = rejects(directory.path(), arguments, quarantine()).await;
        assert!(!run.out.contains(SECRET) && !run.out.contains(&SECRET[..8]), "{}", run.out);
        assert!(!run.out.contains('\u{9b}') && run.out.contains(HIDDEN), "{}", run.out);
    }
    for arguments in [&["--show-classified"][..], &["--show-classified", "--json"]] {
        let run = rejects(directory.path(), arguments, quarantine()).await;
        assert_eq!(run.out.matches(SECRET).count(), 6, "{}", run.out);
        assert!(!run.out.contains('\u{9b}') && !run.out.contains(HIDDEN), "{}", run.out);
    }
}

#[tokio::test]
async fn json_is_the_quarantines_own_lines() {
    let directory = directory();
    let run = rejects(directory.path(), &["--json", "--source", "/1.json"], quarantine()).await;
    let lines: Vec<serde_json::Value> =
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), run.code, run.err.as_str()), (2, 0, ""));
    assert_eq!((&lines[0]["line"], &lines[0]["position"]), (&1.into(), &100.into()));
    assert_eq!(lines[0]["rules"][0]["rule"], "pattern");
    let raw: serde_json::Value = serde_json::from_str(lines[0]["raw"].as_str().unwrap()).unwrap();
    assert_eq!((&raw["account_id"], &raw["note"]), (&"***".into(), &"a".into()));
    let run = rejects(directory.path(), &["--json", "--limit", "2"], quarantine()).await;
    assert_eq!(run.out.lines().count(), 2);
    assert_eq!(run.err, "note: stopped after 2 rejects, --limit 0 prints all\n");
}

#[tokio::test]
async fn an_empty_quarantine_has_no_rejects() {
    let directory = directory();
    let run = rejects(directory.path(), &[], Objects::new()).await;
    assert_eq!((run.out.as_str(), run.err.as_str(), run.code), ("no rejects\n", "", 0));
    let run = rejects(directory.path(), &["--source", "elsewhere"], quarantine()).await;
    assert_eq!((run.out.as_str(), run.code), ("no rejects\n", 0));
    let run = rejects(directory.path(), &["--dataset", "transaction"], quarantine()).await;
    assert_eq!(run.code, 2);
    assert_eq!(run.err, "error: dataset transaction has neither a contract nor rejects\n");
}

#[tokio::test]
async fn rejects_of_a_dataset_whose_contract_is_gone_are_hidden() {
    let other = contracts(&[("b.odcs.yaml", &payments())]);
    let run = rejects(other.path(), &["--dataset", "transactions"], quarantine()).await;
    assert_eq!((run.code, run.out.matches(HIDDEN).count()), (0, 4), "{}", run.out);
    assert!(!run.out.contains(SECRET) && !run.out.contains("t1"), "{}", run.out);
}

#[tokio::test]
async fn a_contract_without_classified_columns_hides_nothing() {
    let open =
        contracts(&[("a.odcs.yaml", &transactions(&[("classification: restricted", "examples: [x]")]))]);
    let run = rejects(open.path(), &["--dataset", "transactions"], quarantine()).await;
    assert_eq!(run.out.matches(SECRET).count(), 5, "{}", run.out);
    assert!(run.out.contains("refused_by_warehouse          ERROR: value too long"), "{}", run.out);
}

#[tokio::test]
async fn a_part_that_cannot_be_read_is_told_and_hides_no_other() {
    let mut objects = quarantine();
    let (key, packed) = part("transactions", "s3://landing/4.json", &[]);
    objects.insert(format!("transactions/0{key}"), packed[..packed.len() - 4].to_vec());
    let mut plain = Vec::new();
    writeln!(plain, "{{\"raw\":\"{SECRET}\"}}").unwrap();
    objects.insert("transactions/1.jsonl".into(), plain);
    let run = rejects(directory().path(), &[], objects).await;
    assert_eq!(run.code, 1);
    assert!(run.out.ends_with("5 rejects of 4 sources\n") && !run.err.contains(SECRET), "{}", run.out);
    assert!(run.err.contains("error: s3://b/transactions/1.jsonl: line 1 is no reject\n"), "{}", run.err);
    assert!(run.err.contains(".jsonl.gz: the compressed data breaks off"), "{}", run.err);
}

#[tokio::test]
async fn who_may_not_read_the_bucket_is_told_the_role_that_may() {
    let env = [("QUARANTINE_BUCKET", "b")];
    let run = run(directory().path(), &["rejects"], &env, (denied(), no_warehouse())).await;
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert_eq!(
        run.err,
        "error: s3://b/: AccessDenied: Access Denied: the quarantine bucket is readable only by the role \
         penstock-<stage>-quarantine-reader: assume it and run this again\n"
    );
}

#[tokio::test]
async fn without_the_bucket_the_usage_is_wrong() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let run = run(directory.path(), &["rejects"], &[], (denied(), no_warehouse())).await;
    assert!(run.code == 2 && run.err.contains("QUARANTINE_BUCKET is not set"), "{}", run.err);
}
