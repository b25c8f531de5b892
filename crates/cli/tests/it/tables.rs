//! A table that is there already and is not what its contract says: refused column by column, with the SQL that
//! mends it; and that SQL does.

use crate::common::{TRANSACTIONS, contracts, db, migrated, transactions, with_branch};

/// The statements that an error advises.
fn advised(err: &str) -> Vec<String> {
    err.lines()
        .filter(|line| ["    ALTER", "    UPDATE", "    INSERT"].iter().any(|sql| line.starts_with(sql)))
        .map(|line| line.trim().trim_end_matches(';').to_owned())
        .collect()
}

#[tokio::test]
async fn a_differing_table_is_refused_column_by_column_and_what_is_advised_mends_it() {
    let db = migrated().await;
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
        "error: tgt.transactions: column sales_channel is missing (varchar(32)); it is migrated once the rest is mended\n",
        "error: tgt.transactions: column note is varchar(512) in the warehouse and varchar(1024) by the contract; it is migrated once the rest is mended\n",
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
    assert!(run.out.contains(": 0 created, 2 altered (1 added, 1 widened), "), "{}", run.out);
    assert!(
        run.out.contains(
            "  note: tgt.transactions: column channel is not in the contract and stays; to drop it:\n      \
             ALTER TABLE \"tgt\".\"transactions\" DROP COLUMN \"channel\";\n"
        ),
        "{}",
        run.out
    );
    let kept = db.sql("SELECT CAST(amount AS varchar(20)), merchant FROM tgt.transactions").await;
    assert_eq!(kept, [[Some("1.250".to_owned()), Some("{\"a\":1}".to_owned())]]);
}

#[tokio::test]
async fn a_column_is_never_narrowed() {
    let db = migrated().await;
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

#[tokio::test]
async fn a_required_column_is_not_added_and_not_without_a_value() {
    let db = migrated().await;
    let (before, directory) = (db.catalog().await, contracts(&[("a.odcs.yaml", &with_branch(true))]));
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    let told = "error: tgt.transactions: column branch is missing and required: rows that are there would have no value";
    assert!(run.err.starts_with(told), "{}", run.err);
    let sql = "\n    ALTER TABLE \"tgt\".\"transactions\" ADD COLUMN \"branch\" varchar(8);\
               \n    UPDATE \"tgt\".\"transactions\" SET \"branch\" = <value>;\n";
    assert!(run.err.contains(sql), "{}", run.err);
    assert_eq!(db.catalog().await, before);
    for sql in advised(&run.err) {
        db.sql(&sql.replace("<value>", "'b1'")).await;
    }
    assert_eq!(db.penstock(directory.path(), &["migrate", "."]).code, 0);
}

#[tokio::test]
async fn a_column_that_joins_the_key_is_refused() {
    let db = migrated().await;
    let key = "        logicalType: string\n        physicalType: varchar(34)\n";
    let joined = format!("{key}        primaryKey: true\n        primaryKeyPosition: 2\n");
    for (contract, told) in [
        (
            transactions(&[(key, &joined)]),
            "column account_id may be NULL in the warehouse and is NOT NULL by",
        ),
        (
            with_branch(true).replace(
                "physicalType: varchar(8)\n",
                "physicalType: varchar(8)\n        primaryKey: true\n        primaryKeyPosition: 2\n",
            ),
            "column branch is missing (varchar(8) NOT NULL) and of the key",
        ),
    ] {
        let directory = contracts(&[("a.odcs.yaml", &contract)]);
        let run = db.penstock(directory.path(), &["migrate", "."]);
        assert!(run.code == 1 && run.err.contains(told), "{told}: {}", run.err);
        let sql = "\n    ALTER TABLE \"tgt\".\"transactions\" RENAME TO \"transactions_before\";\n";
        assert!(run.err.contains(sql), "{}", run.err);
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_mended_by_a_second_table() {
    let db = migrated().await;
    db.sql("INSERT INTO tgt.transactions (transaction_id, note, _record_id, _row_hash, _order) VALUES ('77', 'n', 'r', 'h', 'o')").await;
    let key = "logicalType: string\n        physicalType: varchar(64)\n";
    let contract = transactions(&[
        (key, "logicalType: integer\n        physicalType: bigint\n"),
        ("        logicalTypeOptions:\n          minLength: 1\n", ""),
    ]);
    let directory = contracts(&[("a.odcs.yaml", &contract)]);
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert!(
        run.code == 1 && run.err.contains("the first statement, then this command again, then the second:\n"),
        "{}",
        run.err
    );
    let sqls = advised(&run.err);
    let [rename, copy] = sqls.as_slice() else { panic!("{}", run.err) };
    db.sql(rename).await;
    assert_eq!(db.penstock(directory.path(), &["migrate", "."]).code, 0);
    db.sql(copy).await;
    let rows = db.sql("SELECT transaction_id + 1, note FROM tgt.transactions").await;
    assert_eq!(rows, [[Some("78".to_owned()), Some("n".to_owned())]]);
    assert_eq!(db.penstock(directory.path(), &["migrate", "."]).code, 0);
}
