//! What a migration does to a table that is there: it adds columns and widens texts, one statement each, and what
//! stands in the way is told before anything is changed, or explained.

use redshift_local::Fault;

use crate::common::{Db, contracts, migrated, transactions, with_branch};

/// One more column, and a text that is wider.
fn changed() -> String {
    with_branch(false).replace("physicalType: varchar(512)", "physicalType: varchar(1024)")
}

fn wider() -> String {
    transactions(&[("physicalType: varchar(512)", "physicalType: varchar(1024)")])
}

/// The next statement that holds `contains` fails.
fn fail(db: &Db, contains: &str, skip: u64, error: &str) {
    db.server.add_fault(Fault::Fail {
        contains: Some(contains.to_owned()),
        kind: None,
        skip,
        error: Some(error.to_owned()),
        sqlstate: None,
        times: None,
        database: Some(db.name.clone()),
    });
}

async fn length_of_note(db: &Db) -> String {
    let sql = "SELECT character_maximum_length FROM svv_columns WHERE table_name = 'transactions' AND column_name = 'note'";
    db.sql(sql).await[0][0].clone().unwrap()
}

#[tokio::test]
async fn columns_are_added_and_texts_widened_and_rows_stay() {
    let db = migrated().await;
    db.sql("INSERT INTO tgt.transactions (transaction_id, note, _record_id, _row_hash, _order) VALUES ('t', 'n', 'r', 'h', 'o')").await;
    let directory = contracts(&[("a.odcs.yaml", &changed())]);
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let widened = "\n  widened   column     tgt.transactions.note  varchar(512) → varchar(1024)  ";
    let added = "\n  added     column     tgt.transactions.branch  varchar(8)  ";
    let places = [widened, added].map(|line| run.out.find(line).unwrap());
    assert!(places.is_sorted(), "{}", run.out);
    assert!(
        run.out.contains(": 0 created, 2 altered (1 added, 1 widened), 3 replaced, 5 kept, 0 granted\n"),
        "{}",
        run.out
    );
    let rows = db.sql("SELECT transaction_id, note, branch FROM tgt.transactions").await;
    assert_eq!(rows, [[Some("t".to_owned()), Some("n".to_owned()), None]]);
    let catalog = db.catalog().await;
    let again = db.penstock(directory.path(), &["migrate", "."]);
    assert!(again.code == 0 && again.out.contains(": 0 created, 0 altered, "), "{}", again.out);
    assert_eq!(db.catalog().await, catalog);
}

#[tokio::test]
async fn a_dry_run_prints_the_alterations_and_does_none() {
    let db = migrated().await;
    let (before, directory) = (db.catalog().await, contracts(&[("a.odcs.yaml", &changed())]));
    let run = db.penstock(directory.path(), &["migrate", ".", "--dry-run"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    for told in [
        "-- tgt.transactions: column note is varchar(512) in the warehouse and varchar(1024) by the contract\n\
         ALTER TABLE \"tgt\".\"transactions\" ALTER COLUMN \"note\" TYPE varchar(1024);\n",
        "-- tgt.transactions: column branch is missing (varchar(8))\n\
         ALTER TABLE \"tgt\".\"transactions\" ADD COLUMN \"branch\" varchar(8);\n",
        "it would be: 0 created, 2 altered (1 added, 1 widened), ",
    ] {
        assert!(run.out.contains(told), "{told}: {}", run.out);
    }
    assert_eq!(db.catalog().await, before);
}

#[tokio::test]
async fn one_table_that_is_refused_keeps_all_others_as_they_are() {
    let db = migrated().await;
    let other =
        crate::common::payments().replace("physicalType: numeric(18,2)", "physicalType: numeric(20,3)");
    let older = contracts(&[("b.odcs.yaml", &crate::common::payments())]);
    assert_eq!(db.penstock(older.path(), &["migrate", "."]).code, 0);
    let before = db.catalog().await;
    let directory = contracts(&[("a.odcs.yaml", &changed()), ("b.odcs.yaml", &other)]);
    let run = db.penstock(directory.path(), &["migrate", ".", "--role", "nobody"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.contains("error: tgt.payments: column amount is numeric(18,2) in the"), "{}", run.err);
    assert!(run.err.contains("error: tgt.transactions: column branch is missing"), "{}", run.err);
    assert_eq!(db.catalog().await, before);
}

#[tokio::test]
async fn a_run_that_broke_off_anywhere_is_finished_by_the_next() {
    let directory = contracts(&[("a.odcs.yaml", &changed())]);
    let whole = migrated().await;
    assert_eq!(whole.penstock(directory.path(), &["migrate", "."]).code, 0);
    let expected = whole.catalog().await;
    for broken in ["ALTER COLUMN", "ADD COLUMN", "CREATE OR REPLACE PROCEDURE", "CREATE OR REPLACE VIEW"] {
        let db = migrated().await;
        fail(&db, broken, 0, "the warehouse went away");
        let run = db.penstock(directory.path(), &["migrate", "."]);
        assert!(run.code == 1 && run.err.contains("ERROR: the warehouse went away"), "{broken}: {}", run.err);
        assert!(run.err.contains("what was done before it stays; run again"), "{}", run.err);
        let run = db.penstock(directory.path(), &["migrate", "."]);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{broken}");
        assert_eq!(db.catalog().await, expected, "{broken}");
    }
}

#[tokio::test]
async fn an_encoding_that_cannot_be_widened_is_told_beforehand() {
    let db = migrated().await;
    // The local warehouse has no encodings, and so none of Redshift's view of them.
    db.sql(
        "CREATE TABLE public.svv_redshift_columns (database_name varchar(128), schema_name varchar(128), \
         table_name varchar(128), column_name varchar(128), encoding varchar(128))",
    )
    .await;
    db.sql(&format!(
        "INSERT INTO public.svv_redshift_columns VALUES ('{}', 'tgt', 'transactions', 'note', 'text32k')",
        db.name
    ))
    .await;
    let (before, directory) = (db.catalog().await, contracts(&[("a.odcs.yaml", &changed())]));
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    let told = "error: tgt.transactions: column note is to become varchar(1024), but is encoded TEXT32K: Redshift widens no \
        text of this encoding; to change it, then run again:\n    \
        ALTER TABLE \"tgt\".\"transactions\" ALTER COLUMN \"note\" ENCODE zstd;\n";
    assert!(run.err.contains(told), "{}", run.err);
    assert_eq!(db.catalog().await, before);
    db.sql("UPDATE public.svv_redshift_columns SET encoding = 'zstd'").await;
    assert_eq!(db.penstock(directory.path(), &["migrate", "."]).code, 0);
}

#[tokio::test]
async fn a_text_with_a_default_is_told_beforehand() {
    let db = migrated().await;
    for sql in [
        "ALTER TABLE tgt.transactions DROP COLUMN note",
        "ALTER TABLE tgt.transactions ADD COLUMN note varchar(512) DEFAULT 'none'",
    ] {
        db.sql(sql).await;
    }
    let run = db.penstock(contracts(&[("a.odcs.yaml", &wider())]).path(), &["migrate", "."]);
    assert!(
        run.code == 1 && run.err.contains("and Redshift widens no column with a DEFAULT; to rebuild it"),
        "{}",
        run.err
    );
    assert_eq!(length_of_note(&db).await, "512");
}

#[tokio::test]
async fn a_widening_that_the_warehouse_refuses_is_explained() {
    let directory = contracts(&[("a.odcs.yaml", &changed())]);
    for (error, told) in [
        (
            "cannot alter column \"note\" of relation \"transactions\" with encode type \"text255\"",
            "\n    ALTER TABLE \"tgt\".\"transactions\" ALTER COLUMN \"note\" ENCODE zstd;\n",
        ),
        (
            "cannot alter type of a column used by a view or rule",
            "a view reads the column: drop it, run again",
        ),
        ("cannot alter column \"note\"", "a PRIMARY KEY, UNIQUE or FOREIGN KEY constraint"),
    ] {
        let db = migrated().await;
        let before = db.catalog().await;
        fail(&db, "ALTER COLUMN", 0, error);
        let run = db.penstock(directory.path(), &["migrate", "."]);
        let opening =
            format!("error: tgt.transactions: column note: ERROR: {error}\n  statement: ALTER TABLE ");
        assert!(run.code == 1 && run.err.starts_with(&opening), "{}", run.err);
        assert!(run.err.contains(told), "{told}: {}", run.err);
        // It was the first statement, so nothing else was done.
        assert_eq!(db.catalog().await, before);
    }
}

#[tokio::test]
async fn the_length_that_is_there_already_is_no_error() {
    let db = migrated().await;
    let error =
        "cannot alter column \"note\" of relation \"transactions\", target column size should be different;";
    fail(&db, "ALTER COLUMN", 0, error);
    let run = db.penstock(contracts(&[("a.odcs.yaml", &wider())]).path(), &["migrate", "."]);
    // Only that the catalog still says otherwise is told, at the end.
    let kept = "\n  kept      column     tgt.transactions.note  varchar(512) → varchar(1024)  another run was faster\n";
    assert!(run.out.contains(kept), "{} {}", run.out, run.err);
    assert!(run.err.ends_with("varchar(1024) by the contract; run again\n"), "{}", run.err);
}
