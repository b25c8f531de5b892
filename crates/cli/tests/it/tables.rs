//! A table that is there already and is not what its contract says: refused column by column, with the SQL that
//! mends it; and that SQL does.

use crate::common::{Db, TRANSACTIONS, contracts, db, transactions};

async fn migrated() -> (Db, tempfile::TempDir) {
    let db = db().await;
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert_eq!(run.code, 0, "{}", run.err);
    (db, directory)
}

/// The statements that an error advises.
fn advised(err: &str) -> Vec<String> {
    err.lines()
        .filter(|line| line.starts_with("    ALTER") || line.starts_with("    UPDATE"))
        .map(|line| line.trim().trim_end_matches(';').to_owned())
        .collect()
}

#[tokio::test]
async fn a_differing_table_is_refused_column_by_column_and_what_is_advised_mends_it() {
    let (db, _) = migrated().await;
    db.sql("INSERT INTO tgt.transactions (transaction_id, amount, merchant, _record_id, _row_hash, _order) VALUES ('t', 1.25, JSON_PARSE('{\"a\":1}'), 'r', 'h', 'o')").await;
    let wider = transactions(&[
        ("physicalType: varchar(512)", "physicalType: varchar(1024)"),
        ("physicalType: numeric(18,2)", "physicalType: numeric(20,3)"),
        (
            "- name: channel\n        logicalType",
            "- name: channel\n        physicalName: sales_channel\n        logicalType",
        ),
        (
            "- name: merchant\n        logicalType: object\n        physicalType: super",
            "- name: merchant\n        logicalType: string\n        physicalType: varchar(1000)",
        ),
    ]);
    let directory = contracts(&[("a.odcs.yaml", &wider)]);
    let before = db.catalog().await;
    let run = db.penstock(directory.path(), &["migrate", ".", "--role", "never"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    for told in [
        "error: tgt.transactions: column amount is numeric(18,2) in the warehouse and numeric(20,3) by the contract; to rebuild it",
        "error: tgt.transactions: column merchant is super in the warehouse and varchar(1000) by the contract; to rebuild it",
        "error: tgt.transactions: column sales_channel is missing; to add it:\n    ALTER TABLE \"tgt\".\"transactions\" ADD COLUMN \"sales_channel\" varchar(32);",
        "error: tgt.transactions: column note is varchar(512) in the warehouse and varchar(1024) by the contract; to widen it",
        "error: nothing was changed",
    ] {
        assert!(run.err.contains(told), "{told}: {}", run.err);
    }
    assert_eq!(db.catalog().await, before);
    assert_eq!(db.penstock(directory.path(), &["migrate", ".", "--dry-run"]).code, 1);
    for sql in advised(&run.err) {
        db.sql(&sql).await;
    }
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(
        run.out.contains("note: tgt.transactions has columns that its contract lacks; they stay: channel\n"),
        "{}",
        run.out
    );
    let kept = db.sql("SELECT CAST(amount AS varchar(20)), merchant FROM tgt.transactions").await;
    assert_eq!(kept, [[Some("1.250".to_owned()), Some("{\"a\":1}".to_owned())]]);
}

#[tokio::test]
async fn a_column_is_never_narrowed() {
    let (db, _) = migrated().await;
    let directory = contracts(&[(
        "a.odcs.yaml",
        &transactions(&[("physicalType: varchar(512)", "physicalType: varchar(8)")]),
    )]);
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert!(
        run.code == 1 && run.err.contains("a column is not narrowed: let the contract say varchar(512)"),
        "{}",
        run.err
    );
}

#[tokio::test]
async fn a_table_of_somebody_else_is_refused() {
    let db = db().await;
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    db.sql("CREATE SCHEMA tgt").await;
    db.sql("CREATE TABLE tgt.transactions (transaction_id varchar(64), tenant integer NOT NULL, note varchar(512) NOT NULL)").await;
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert_eq!(run.code, 1);
    assert!(
        run.err.contains("column _record_id is missing (char(32) NOT NULL) and cannot be added"),
        "{}",
        run.err
    );
    assert!(
        run.err.contains("column tenant is not in the contract and is NOT NULL without a default"),
        "{}",
        run.err
    );
    assert!(
        run.err.contains("column note is NOT NULL in the warehouse and may be NULL by the contract"),
        "{}",
        run.err
    );
}

#[tokio::test]
async fn a_view_in_the_tables_place_is_refused() {
    let db = db().await;
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    db.sql("CREATE SCHEMA tgt").await;
    db.sql("CREATE VIEW tgt.transactions AS SELECT CAST('a' AS varchar(64)) AS transaction_id").await;
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert!(run.code == 1 && run.err.contains("tgt.transactions is a view"), "{}", run.err);
}
