//! Migrations beside each other and beside people: the second one finds done what the first one did, and never narrows.

use std::time::Duration;

use tokio_postgres::{Client, NoTls};

use crate::common::{Db, Run, contracts, db, migrated, payments, transactions, with_branch};

/// A session of somebody else, past the Data API.
async fn session(db: &Db) -> Client {
    let (client, connection) =
        tokio_postgres::connect(&db.server.postgres_url(&db.name), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Runs a migration that has to wait for `other`'s transaction, and ends that one when it waits.
async fn migrate_behind(db: &Db, contract: &str, other: &str) -> Run {
    let session = session(db).await;
    session.batch_execute(&format!("BEGIN; {other}")).await.unwrap();
    let directory = contracts(&[("a.odcs.yaml", contract)]);
    let own = Db { server: db.server, name: db.name.clone() };
    let run = tokio::task::spawn_blocking(move || own.penstock(directory.path(), &["migrate", "."]));
    let waiting = "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = $1 AND NOT l.granted";
    let waits = async { while session.query(waiting, &[&db.name]).await.unwrap().is_empty() {} };
    tokio::time::timeout(Duration::from_secs(60), waits).await.unwrap();
    session.batch_execute("COMMIT").await.unwrap();
    run.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_another_migration_added_meanwhile_is_done() {
    let db = migrated().await;
    // The type of the local warehouse that stands for varchar(8).
    db.sql("CREATE TABLE public.types (t varchar(8))").await;
    let other = "ALTER TABLE tgt.transactions ADD COLUMN branch redshift_local.varchar_8";
    let run = migrate_behind(&db, &with_branch(false), other).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let kept = "\n  kept      column     tgt.transactions.branch  varchar(8)  another run was faster\n";
    assert!(run.out.contains(kept) && run.out.contains(": 0 created, 0 altered, "), "{}", run.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_became_something_else_meanwhile_is_refused() {
    let db = migrated().await;
    let other = "ALTER TABLE tgt.transactions ADD COLUMN branch bigint";
    let run = migrate_behind(&db, &with_branch(false), other).await;
    let told =
        "error: tgt.transactions: column branch: another migration made something else of it than varchar(8)";
    assert!(run.code == 1 && run.err.starts_with(told), "{}", run.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_at_the_same_time_end_in_the_same_tables() {
    let wide = with_branch(false).replace("physicalType: varchar(512)", "physicalType: varchar(1024)");
    let (one, two) = (db().await, db().await);
    let arguments = ["migrate", ".", "--role", "racer"];
    for contract in [transactions(&[]), wide] {
        let directory = contracts(&[("a.odcs.yaml", &contract), ("b.odcs.yaml", &payments())]);
        assert_eq!(one.penstock(directory.path(), &arguments).code, 0);
        let runs: Vec<Run> = std::thread::scope(|scope| {
            let run = || two.penstock(directory.path(), &arguments);
            let runs = [(); 3].map(|()| scope.spawn(run));
            runs.map(|run| run.join().unwrap()).into()
        });
        for run in runs {
            assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
        }
        assert_eq!(two.catalog().await, one.catalog().await);
    }
}

#[tokio::test]
async fn a_constraint_that_forbids_widening_is_told_beforehand() {
    let db = migrated().await;
    // The local warehouse declares none, as Redshift enforces none.
    let sql = "ALTER TABLE tgt.transactions ADD CONSTRAINT own_key UNIQUE (account_id, note)";
    session(&db).await.batch_execute(sql).await.unwrap();
    let wider = transactions(&[("physicalType: varchar(512)", "physicalType: varchar(1024)")]);
    let before = db.catalog().await;
    let run = db.penstock(contracts(&[("a.odcs.yaml", &wider)]).path(), &["migrate", "."]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    let told = "column note is to become varchar(1024), but is of the constraint own_key: Redshift widens no column of a";
    let sql = "\n    ALTER TABLE \"tgt\".\"transactions\" DROP CONSTRAINT \"own_key\";\n";
    assert!(run.err.contains(told) && run.err.contains(sql), "{}", run.err);
    assert_eq!(db.catalog().await, before);
}
