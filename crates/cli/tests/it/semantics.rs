//! What contracts may say beyond columns, in the warehouse and in `check`: tombstones, histories, replaced objects, and
//! models that run after loads.

use std::path::Path;

use tempfile::TempDir;

use crate::common::{Db, Run, TRANSACTIONS, contracts, db, penstock, transactions, with_branch};

const CUSTOM: &str = "      - property: penstock.orderBy\n";
const CUSTOMERS: &str = include_str!("../../../../infra/contracts/customers.odcs.yaml");
const DAILY: &str = include_str!("../../../../infra/redshift/models/customers_daily.sql");

/// A contract with more custom properties.
fn with(text: &str, properties: &[(&str, &str)]) -> String {
    let own: String = properties
        .iter()
        .map(|(name, value)| format!("      - property: penstock.{name}\n        value: {value}\n"))
        .collect();
    assert!(text.contains(CUSTOM));
    text.replacen(CUSTOM, &format!("{own}{CUSTOM}"), 1)
}

fn kept() -> [(&'static str, &'static str); 2] {
    [("deletedWhen", "status == 'cancelled'"), ("keepHistory", "true")]
}

/// Contracts with a directory `models` beside them.
fn with_models(files: &[(&str, &str)], models: &[(&str, &str)]) -> TempDir {
    let directory = contracts(files);
    std::fs::create_dir(directory.path().join("models")).unwrap();
    for (name, text) in models {
        std::fs::write(directory.path().join("models").join(name), text).unwrap();
    }
    directory
}

fn check(files: &[(&str, &str)], models: &[(&str, &str)]) -> Run {
    penstock(with_models(files, models).path(), &["check", "--models", "models", "."], &[])
}

fn migrate(db: &Db, directory: &Path) -> Run {
    let run = db.penstock(directory, &["migrate", "--models", "models", "--role", "loader", "."]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    run
}

async fn columns(db: &Db, schema: &str, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT column_name FROM svv_columns WHERE table_schema = '{schema}' AND table_name = '{table}' ORDER BY ordinal_position"
    );
    db.sql(&sql).await.into_iter().map(|row| row[0].clone().unwrap()).collect()
}

#[tokio::test]
async fn history_and_live_view_follow_their_contract() {
    let db = db().await;
    let directory = with_models(&[("a.odcs.yaml", &with(TRANSACTIONS, &kept()))], &[]);
    let run = migrate(&db, directory.path());
    for line in ["created   table      stg.transactions", "created   view       tgt.transactions_live"] {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
    let again = migrate(&db, directory.path());
    assert!(again.out.contains(": 0 created, 0 altered, 4 replaced, "), "{}", again.out);
    // A column in the middle, and a wider text that the view reads.
    let changed = with_branch(false).replace("physicalType: varchar(512)", "physicalType: varchar(1024)");
    std::fs::write(directory.path().join("a.odcs.yaml"), with(&changed, &kept())).unwrap();
    let run = migrate(&db, directory.path());
    for line in [
        "widened   column     tgt.transactions.note  ",
        "widened   column     stg.transactions.note  ",
        "added     column     tgt.transactions.branch  ",
        "added     column     stg.transactions.branch  ",
    ] {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
    let live = columns(&db, "tgt", "transactions_live").await;
    let place = live.iter().position(|own| own == "branch").unwrap();
    assert_eq!((live[place + 1].as_str(), live.last().unwrap().as_str()), ("note", "_loaded_at"), "{live:?}");
    let mut target = columns(&db, "tgt", "transactions").await;
    let (mut history, mut live) = (columns(&db, "stg", "transactions").await, live);
    [&mut target, &mut history, &mut live].into_iter().for_each(|own| own.sort());
    assert_eq!((&history, &live), (&target, &target));
}

#[tokio::test]
async fn a_history_that_differs_is_told_as_the_table_is() {
    let db = db().await;
    let directory = with_models(&[("a.odcs.yaml", &with(TRANSACTIONS, &kept()))], &[]);
    migrate(&db, directory.path());
    let narrower = transactions(&[("physicalType: varchar(512)", "physicalType: varchar(256)")]);
    std::fs::write(directory.path().join("a.odcs.yaml"), with(&narrower, &kept())).unwrap();
    let run = db.penstock(directory.path(), &["migrate", "--models", "models", "."]);
    assert_eq!(run.code, 1);
    for table in ["tgt", "stg"] {
        assert!(
            run.err.contains(&format!("{table}.transactions: column note is varchar(512)")),
            "{}",
            run.err
        );
    }
}

#[tokio::test]
async fn models_are_defined_by_the_migration_and_may_be_filled_by_the_role_alone() {
    let db = db().await;
    let directory = with_models(&[("a.odcs.yaml", CUSTOMERS)], &[("customers_daily.sql", DAILY)]);
    let run = migrate(&db, directory.path());
    for line in [
        "created   schema     mart",
        "created   table      mart.customers_daily",
        "created   view       mart.customers_by_country",
        "granted   privilege  SELECT, INSERT, DELETE ON mart.customers_daily TO IAMR:loader",
    ] {
        assert!(run.out.contains(line), "{line}: {}", run.out);
    }
    assert!(migrate(&db, directory.path()).out.contains(": 0 created, 0 altered, "));
    db.server.map_caller("models-key", "IAMR:loader");
    let loader = db.warehouse("models-key");
    let fill = "INSERT INTO mart.customers_daily (day, country, customers) SELECT CAST(updated_at AS date), country, 1 FROM tgt.customers";
    loader.execute(&db.name, fill).await.unwrap();
    for refused in [
        "DROP TABLE mart.customers_daily",
        "CREATE TABLE mart.own (n integer)",
        "UPDATE mart.customers_daily SET customers = 1",
    ] {
        loader.execute(&db.name, refused).await.unwrap_err();
    }
    let ddl = penstock(directory.path(), &["ddl", "--models", "models", "."], &[]);
    assert!(ddl.out.contains("CREATE TABLE IF NOT EXISTS \"mart\".\"customers_daily\" ("), "{}", ddl.out);
    assert!(!ddl.out.contains("DELETE FROM"), "{}", ddl.out);
}

#[test]
fn a_model_that_cannot_be_run_is_told_with_its_file_and_line() {
    for (model, told) in [
        (None, "models/customers_daily.sql: No such file"),
        (
            Some("DELETE FROM tgt.customers;\n\nTRUNCATE tgt.customers;"),
            "customers_daily.sql: line 3: TRUNCATE is not taken here",
        ),
        (
            Some("DELETE FROM tgt.customers;"),
            "customers_daily.sql: line 1: tgt.customers is no table that this file creates",
        ),
        (
            Some("CREATE TABLE IF NOT EXISTS tgt.customers (n bigint);"),
            "line 1: tgt.customers is a dataset's",
        ),
        (
            Some(
                "CREATE TABLE IF NOT EXISTS mart.a (n bigint);\nDELETE FROM mart.a;\nINSERT INTO mart.a (n) SELECT n FROM tgt.costumers;",
            ),
            "line 3: tgt.costumers is no table of these contracts and none that a model makes",
        ),
        (
            Some("CREATE OR REPLACE VIEW mart.a AS SELECT n FROM tgt.customers_live WITH NO SCHEMA BINDING;"),
            "line 1: tgt.customers_live is no table of these contracts",
        ),
    ] {
        let models: Vec<_> = model.iter().map(|text| ("customers_daily.sql", *text)).collect();
        let run = check(&[("c.odcs.yaml", CUSTOMERS)], &models);
        assert_eq!(run.code, 1, "{told}: {}", run.out);
        let line =
            run.out.lines().find(|line| line.contains(told)).unwrap_or_else(|| panic!("{told}: {}", run.out));
        assert!(line.starts_with("error: ./c.odcs.yaml: penstock.afterLoad customers_daily: "), "{line}");
    }
    let run = check(&[("c.odcs.yaml", CUSTOMERS)], &[("customers_daily.sql", DAILY)]);
    assert_eq!(run.code, 0, "{}", run.out);
}

#[test]
fn names_that_penstock_gives_are_no_tables_of_others() {
    let live = transactions(&[
        ("name: transactions\nversion", "name: other\nversion"),
        ("queue/transactions/", "queue/other/"),
        ("- name: transactions\n    logicalType", "- name: transactions_live\n    logicalType"),
    ]);
    let own = with(TRANSACTIONS, &kept());
    for (first, second, told) in [(&own, &live, "b"), (&live, &own, "b")] {
        let run = check(&[("a.odcs.yaml", first), ("b.odcs.yaml", second)], &[]);
        let expected = format!(
            "error: ./{told}.odcs.yaml: table transactions_live has the name of the view without tombstones of ./a.odcs.yaml"
        );
        assert!(run.code == 1 && run.out.contains(&expected), "{}", run.out);
    }
    let run = check(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", &live)], &[]);
    assert_eq!(run.code, 0, "{}", run.out);
    let stg = own.replace("schema: tgt", "schema: stg");
    let run = check(&[("a.odcs.yaml", &stg)], &[]);
    assert!(run.code == 1 && run.out.contains("\"stg\" is the schema of histories"), "{}", run.out);
}

#[test]
fn what_does_less_than_it_seems_is_a_note() {
    let keyless = with(TRANSACTIONS, &[("deletedWhen", "status == 'cancelled'"), ("afterLoad", "m")])
        .replace("        primaryKey: true\n        primaryKeyPosition: 1\n", "");
    let model =
        "CREATE OR REPLACE VIEW mart.v AS SELECT status FROM tgt.transactions_live WITH NO SCHEMA BINDING;";
    let run = check(&[("a.odcs.yaml", &keyless)], &[("m.sql", model)]);
    assert_eq!(run.code, 0, "{}", run.out);
    for note in ["a tombstone deletes no row", "penstock.afterLoad runs after loads of the copy route only"] {
        assert!(run.out.contains(note), "{note}: {}", run.out);
    }
}
