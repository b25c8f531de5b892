//! `penstock status` over receipts in memory and the local warehouse: what balances, what does not, and what is told.

use std::path::Path;

use serde_json::json;

use crate::buckets::{GONE, Objects, denied, run, s3};
use crate::common::{Db, Run, TRANSACTIONS, contracts, db, payments};
use crate::loader::load;

const CUSTOMERS: &str = include_str!("../../../../infra/contracts/customers.odcs.yaml");
const DAILY: &str = include_str!("../../../../infra/redshift/models/customers_daily.sql");

/// A receipt of six records, of which `sent` were sent.
fn receipt(dataset: &str, name: &str, status: &str, sent: u64) -> (String, Vec<u8>) {
    let mut receipt = json!({
        "dataset": dataset, "object_id": name, "source": format!("s3://landing/{name}"), "bytes": 1, "source_ms": 1,
        "contract_version": "1.0.0", "status": status, "read": 6, "rejected": 2, "duplicate": 1, "sent": sent,
        "extra_fields": 0,
    });
    if status != "complete" {
        receipt["reason"] = json!("the JSON breaks\noff");
    }
    (format!("receipts/{dataset}/{name}.json"), receipt.to_string().into_bytes())
}

/// Three complete files of which one is old, and one that broke off.
fn receipts() -> Objects {
    Objects::from([
        receipt("transactions", "a", "complete", 3),
        receipt("transactions", "b", "partial", 3),
        receipt("transactions", "c", "complete", 3),
        receipt("transactions", "old", "complete", 3),
        ("receipts/transactions/gone.json".into(), GONE.into()),
        receipt("transactions-of-others", "x", "complete", 3),
    ])
}

/// A database with the project's dataset and one row in it.
async fn loaded(directory: &Path) -> Db {
    let db = db().await;
    let run = db.penstock(directory, &["migrate", "."]);
    assert_eq!(run.code, 0, "{}", run.err);
    load(&db, "admin").await;
    db
}

async fn status(db: &Db, directory: &Path, arguments: &[&str], objects: Objects) -> Run {
    let arguments = [&["status"], arguments].concat();
    let env = [("WORK_BUCKET", "b"), ("WORKGROUP_NAME", "local"), ("DATABASE", &db.name)];
    run(directory, &arguments, &env, (s3(objects), db.client("admin"))).await
}

#[tokio::test]
async fn files_and_loads_that_add_up_are_balanced() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = loaded(directory.path()).await;
    let env = [
        ("WORK_BUCKET", "b"),
        ("CLUSTER_IDENTIFIER", "local"),
        ("DATABASE", db.name.as_str()),
        ("LOAD_QUEUE_URL", "https://queue"),
    ];
    let run = run(directory.path(), &["status"], &env, (s3(receipts()), db.client("admin"))).await;
    let expected = "\
files
dataset       files  partial  failed  read  rejected  duplicate  sent
------------  -----  -------  ------  ----  --------  ---------  ----
transactions      4        1       0    24         8          4    12

partial: s3://landing/b: the JSON breaks\\noff

warehouse
dataset       loads  read  inserted  updated  unchanged  duplicate  rejected  rows
------------  -----  ----  --------  -------  ---------  ---------  --------  ----
transactions      1     1         1        0          0          0         0     1

queue: messages: 3 waiting, 1 in flight
transactions: balanced, but 1 file is not complete
";
    assert_eq!((run.out.as_str(), run.err.as_str(), run.code), (expected, "", 0));
}

#[tokio::test]
async fn only_receipts_of_the_time_that_is_asked_for_are_counted() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = loaded(directory.path()).await;
    for (since, files) in [("7d", 3), ("11d", 4), ("30m", 0)] {
        let run = status(&db, directory.path(), &["--since", since], receipts()).await;
        assert!(run.out.starts_with(&format!("files (receipts of the last {since})\n")), "{}", run.out);
        assert!(run.out.contains(&format!("\ntransactions      {files} ")), "{since}: {}", run.out);
    }
}

#[tokio::test]
async fn each_thing_that_does_not_add_up_is_told() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = loaded(directory.path()).await;
    db.sql("UPDATE penstock.objects_transactions SET n_read = NULL").await;
    db.sql("INSERT INTO tgt.transactions SELECT * FROM tgt.transactions").await;
    let mut objects = receipts();
    objects.extend([receipt("transactions", "d", "complete", 4)]);
    objects.insert("receipts/transactions/e.json".into(), b"{}".to_vec());
    let run = status(&db, directory.path(), &[], objects).await;
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    let findings = run.out.lines().filter(|line| line.starts_with("transactions: "));
    let expected = [
        "transactions: NOT BALANCED: s3://landing/d: its receipt says read 6, but rejected 2 + duplicate 1 + sent 4",
        "transactions: NOT BALANCED: s3://b/receipts/transactions/e.json: is no receipt: missing field `dataset` at line \
         1 column 2",
        "transactions: NOT BALANCED: 1 line of the ledger: read is not inserted + updated + unchanged + duplicate + \
         rejected",
        "transactions: NOT BALANCED: record ids that stand more than once in the table: 1",
        "transactions: note: inserted 1, rows in the table 2: was something deleted or written by others?",
    ];
    assert_eq!(findings.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn rows_that_somebody_deleted_are_noted_and_no_fault() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = loaded(directory.path()).await;
    db.sql("DELETE FROM tgt.transactions").await;
    let run = status(&db, directory.path(), &[], receipts()).await;
    assert_eq!(run.code, 0);
    assert!(
        run.out.contains("transactions: balanced, but 1 file is not complete\ntransactions: note: inserted 1, rows in the table 0: "),
        "{}",
        run.out
    );
}

#[tokio::test]
async fn a_dataset_without_a_ledger_hides_no_other() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = loaded(directory.path()).await;
    let all = contracts(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", &payments())]);
    let run = status(&db, all.path(), &[], receipts()).await;
    assert_eq!((run.code, run.err.as_str()), (1, ""));
    assert!(run.out.contains("\npayments          -     - "), "{}", run.out);
    let told = "transactions: balanced, but 1 file is not complete\npayments: receipts balanced; there is no ledger penstock.objects_payments ";
    assert!(run.out.contains(told), "{}", run.out);
    let one = status(&db, all.path(), &["--dataset", "payments"], receipts()).await;
    assert!(!one.out.contains("transactions") && one.out.contains("\npayments      0 "), "{}", one.out);
}

#[tokio::test]
async fn a_database_that_does_not_answer_hides_no_other() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = loaded(directory.path()).await;
    let far = payments().replace("database: ${DATABASE}", "database: not_there");
    let all = contracts(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", &far)]);
    let run = status(&db, all.path(), &[], receipts()).await;
    assert_eq!(run.code, 1);
    let told = "transactions: balanced, but 1 file is not complete\npayments: the warehouse does not tell: database not_there: ";
    assert!(run.out.contains(told), "{}", run.out);
}

#[tokio::test]
async fn of_many_incomplete_files_some_are_listed_and_the_others_counted() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = loaded(directory.path()).await;
    let many = (0..25).map(|n| receipt("transactions", &format!("{n:02}"), "failed", 3));
    let run = status(&db, directory.path(), &[], many.collect()).await;
    assert_eq!((run.code, run.out.matches("failed: s3://landing/").count()), (0, 20));
    assert!(run.out.contains("failed: s3://landing/19: the JSON breaks\\noff\nand 5 more\n"), "{}", run.out);
}

#[tokio::test]
async fn receipts_that_may_not_be_read_are_an_error_in_one_line() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = loaded(directory.path()).await;
    let env = [("WORK_BUCKET", "b"), ("WORKGROUP_NAME", "local"), ("DATABASE", &db.name)];
    let run = run(directory.path(), &["status"], &env, (denied(), db.client("admin"))).await;
    let expected =
        "error: the receipts cannot be read: s3://b/receipts/transactions/: AccessDenied: Access Denied\n";
    assert_eq!((run.code, run.err.as_str()), (1, expected));
}

#[tokio::test]
async fn what_is_missing_or_misspelt_is_wrong_usage() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let db = db().await;
    let run = db.penstock(directory.path(), &["status", "."]);
    assert!(run.code == 2 && run.err.contains("WORK_BUCKET is not set"), "{}", run.err);
    let run = db.penstock(directory.path(), &["status", ".", "--dataset", "transaction"]);
    assert_eq!(run.code, 2);
    assert_eq!(run.err, "error: no contract is of dataset transaction; there are: transactions\n");
    let run = db.penstock(directory.path(), &["status", ".", "--since", "soon"]);
    assert!(run.code == 2 && run.err.contains("such as 90m, 12h or 7d"), "{}", run.err);
}

#[tokio::test]
async fn loads_of_the_copy_route_are_held_to_their_ledger_and_its_queue_is_counted() {
    let directory = contracts(&[("c.odcs.yaml", CUSTOMERS)]);
    std::fs::write(directory.path().join("customers_daily.sql"), DAILY).unwrap();
    let db = db().await;
    let migrated = db.penstock(directory.path(), &["migrate", "--models", ".", "."]);
    assert_eq!(migrated.code, 0, "{}", migrated.err);
    // A load of two files that were read in flight; one of stamped rows, which are counted for the load alone.
    db.sql(
        "INSERT INTO penstock.objects_customers (load_id, object_id, status, n_read, n_inserted, n_updated, n_unchanged, \
         n_duplicate, n_rejected) VALUES ('l1', 'a', 'loaded', 3, 2, 0, 0, 0, 1), ('l1', 'b', 'loaded', 2, 0, 1, 1, 0, 0), \
         ('l2', 'l2', 'loaded', 4, 0, 0, 4, 0, 0), ('l2', 'c', 'loaded', NULL, NULL, NULL, NULL, NULL, NULL)",
    )
    .await;
    for key in ["k1", "k2"] {
        let row = format!("('{key}', 'n', 'DE', 1, '{key}', 'h', 'o')");
        let columns = "customer_id, name, country, balance, _record_id, _row_hash, _order";
        db.sql(&format!("INSERT INTO tgt.customers ({columns}) VALUES {row}")).await;
    }
    let objects = Objects::from([receipt("customers", "failed", "failed", 3)]);
    let env = [
        ("WORK_BUCKET", "b"),
        ("WORKGROUP_NAME", "local"),
        ("DATABASE", db.name.as_str()),
        ("COPY_QUEUE_URL", "https://queue"),
    ];
    let run = run(directory.path(), &["status"], &env, (s3(objects), db.client("admin"))).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let line = "\ncustomers      2     9         2        1          5          0         1     2\n";
    assert!(run.out.contains(line), "{}", run.out);
    assert!(
        run.out.ends_with(
            "\ncopy queue: messages: 3 waiting, 1 in flight\ncustomers: balanced, but 1 file is not complete\n"
        ),
        "{}",
        run.out
    );
}
