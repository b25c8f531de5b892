//! `penstock migrate` against the local warehouse: what it leaves there, twice, in two databases and in dry runs.

use crate::common::{TRANSACTIONS, contracts, db, payments, penstock, transactions};

#[tokio::test]
async fn a_second_run_creates_nothing_and_leaves_the_same_catalog() {
    let db = db().await;
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", &payments())]);
    let first = db.penstock(directory.path(), &["migrate", ".", "--role", "twice"]);
    assert_eq!((first.code, first.err.as_str()), (0, ""), "{}", first.out);
    assert!(first.out.contains("\n  created   table      tgt.transactions  "), "{}", first.out);
    assert!(first.out.contains("\n  created   user       IAMR:twice  "), "{}", first.out);
    assert!(first.out.contains(": 14 created, 0 altered, 0 replaced, 0 kept, 12 granted\n"), "{}", first.out);
    let catalog = db.catalog().await;
    let second = db.penstock(directory.path(), &["migrate", ".", "--role", "twice"]);
    assert_eq!(second.code, 0, "{}", second.err);
    assert!(second.out.contains("\n  kept      table      tgt.transactions\n"), "{}", second.out);
    assert!(
        second.out.contains(": 0 created, 0 altered, 5 replaced, 9 kept, 12 granted\n"),
        "{}",
        second.out
    );
    assert_eq!(db.catalog().await, catalog);
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_prints_what_is_missing() {
    let db = db().await;
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let before = db.catalog().await;
    let dry = db.penstock(directory.path(), &["migrate", ".", "--dry-run", "--role", "dry"]);
    assert_eq!((dry.code, dry.err.as_str()), (0, ""), "{}", dry.out);
    assert!(dry.out.contains("CREATE USER \"IAMR:dry\" PASSWORD DISABLE;\n"), "{}", dry.out);
    assert!(
        dry.out.contains(
            "nothing was changed; it would be: 9 created, 0 altered, 0 replaced, 0 kept, 7 granted"
        ),
        "{}",
        dry.out
    );
    assert_eq!(db.catalog().await, before);
    assert!(db.sql("SELECT usename FROM pg_user WHERE usename = 'IAMR:dry'").await.is_empty());
    assert_eq!(db.penstock(directory.path(), &["migrate", "."]).code, 0);
    let dry = db.penstock(directory.path(), &["migrate", ".", "--dry-run"]);
    assert!(dry.out.contains("-- kept: table tgt.transactions\n"), "{}", dry.out);
    assert!(!dry.out.contains("CREATE TABLE"), "{}", dry.out);
}

#[tokio::test]
async fn the_view_unites_the_ledgers_of_earlier_deployments_too() {
    let db = db().await;
    let older = contracts(&[("b.odcs.yaml", &payments())]);
    assert_eq!(db.penstock(older.path(), &["migrate", "."]).code, 0);
    let newer = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    assert_eq!(db.penstock(newer.path(), &["migrate", "."]).code, 0);
    for table in ["payments", "transactions"] {
        db.sql(&format!(
            "INSERT INTO penstock.objects_{table} (load_id, object_id, status) VALUES ('l', 'o', 'loaded')"
        ))
        .await;
    }
    let rows = db.sql("SELECT dataset FROM penstock.objects ORDER BY dataset").await;
    assert_eq!(rows, [[Some("payments".to_owned())], [Some("transactions".to_owned())]]);
}

#[tokio::test]
async fn contracts_go_to_the_databases_that_they_name() {
    let (one, two) = (db().await, db().await);
    let other = payments().replace("database: ${DATABASE}", &format!("database: {}", two.name));
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", &other)]);
    let run = one.penstock(directory.path(), &["migrate", ".", "--role", "both"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert_eq!(run.out.matches("user       IAMR:both").count(), 1, "{}", run.out);
    let names = "SELECT table_name FROM svv_tables WHERE table_schema = 'tgt'";
    assert_eq!(one.sql(names).await, [[Some("transactions".to_owned())]]);
    assert_eq!(two.sql(names).await, [[Some("payments".to_owned())]]);
}

#[tokio::test]
async fn a_statement_that_fails_is_told_with_the_warehouses_words() {
    let db = db().await;
    db.server.map_caller("nobody", "nobody");
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let env = [("DATABASE", db.name.as_str()), ("AWS_ACCESS_KEY_ID", "nobody")];
    let run = db.penstock_with(directory.path(), &["migrate", "."], &env);
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: schema tgt: ERROR: permission denied for database"), "{}", run.err);
    assert!(run.err.contains("\n  statement: CREATE SCHEMA IF NOT EXISTS \"tgt\"\n"), "{}", run.err);
    let run = db.penstock_with(directory.path(), &["migrate", "."], &[("DATABASE", "not_there")]);
    assert!(run.code == 1 && run.err.starts_with("error: database not_there: "), "{}", run.err);
}

#[test]
fn a_warehouse_that_does_not_answer_is_told_without_debug_forms() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let env = [
        ("WORKGROUP_NAME", "x"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
        ("AWS_ENDPOINT_URL_REDSHIFT_DATA", "http://127.0.0.1:1"),
    ];
    let run = penstock(directory.path(), &["migrate", "."], &env);
    assert_eq!(run.code, 1);
    assert!(
        run.err.starts_with("error: the warehouse cannot be asked: ExecuteStatement: dispatch failure"),
        "{}",
        run.err
    );
    assert!(!run.err.contains("DispatchFailure"), "{}", run.err);
}

#[tokio::test]
async fn a_setting_that_is_missing_is_wrong_usage() {
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let run = penstock(directory.path(), &["migrate", "."], &[]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("WORKGROUP_NAME is not set"), "{}", run.err);
    let run = penstock(
        directory.path(),
        &["migrate", "."],
        &[("WORKGROUP_NAME", "x"), ("AWS_EC2_METADATA_DISABLED", "true")],
    );
    assert!(run.code == 2 && run.err.contains("AWS_REGION"), "{}", run.err);
    let unset = transactions(&[("database: ${DATABASE}", "database: ${TARGET_DATABASE}")]);
    let run =
        penstock(contracts(&[("a.odcs.yaml", &unset)]).path(), &["migrate", "."], &[("WORKGROUP_NAME", "x")]);
    assert!(run.code == 2 && run.err.contains("TARGET_DATABASE, which is not set"), "{}", run.err);
}
