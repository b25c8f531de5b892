//! Batches as transactions: rollback, locks, conflicts.

use aws_sdk_redshiftdata::types::StatementStatusString as S;
use redshift_local::{DelayWhen, Fault};

use crate::common::{Db, db, failed, finished, server};

async fn slow_after_lock(db: &Db, ms: u64, times: u64) {
    let fault =
        Fault::Delay { when: DelayWhen::AfterLock, ms, times: Some(times), database: Some(db.name.clone()) };
    server().await.add_fault(fault);
}

#[tokio::test]
async fn a_failed_batch_leaves_nothing_behind() {
    let db = db().await;
    db.ok("CREATE TABLE t (n int)").await;
    let done = db
        .batch(&["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1/0)", "INSERT INTO t VALUES (2)"])
        .await;
    assert!(failed(&done).contains("division by zero"));
    let statuses: Vec<_> = done.sub_statements().iter().map(|s| s.status().unwrap().clone()).collect();
    assert_eq!(statuses, [S::Finished, S::Failed, S::Aborted]);
    assert!(done.sub_statements()[1].error().unwrap().starts_with("ERROR: "));
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "0");
}

#[tokio::test]
async fn temporary_tables_live_for_one_call() {
    let db = db().await;
    finished(
        &db.batch(&["CREATE TEMP TABLE x (n int)", "INSERT INTO x VALUES (1)", "SELECT * FROM x"]).await,
    );
    assert!(db.error("SELECT * FROM x").await.contains("relation \"x\" does not exist"));
}

#[tokio::test]
async fn two_unlocked_writers_that_read_what_they_write_conflict() {
    let db = db().await;
    db.ok("CREATE TABLE t (n bigint)").await;
    db.ok("INSERT INTO t VALUES (1)").await;
    let fault = Fault::Delay {
        when: DelayWhen::BeforeCommit,
        ms: 300,
        times: Some(2),
        database: Some(db.name.clone()),
    };
    server().await.add_fault(fault);
    let sqls = ["SELECT MAX(n) FROM t", "INSERT INTO t SELECT MAX(n) + 1 FROM t"];
    let (one, two) = tokio::join!(db.batch(&sqls), db.batch(&sqls));
    let (won, lost) = if one.error().is_none() { (one, two) } else { (two, one) };
    finished(&won);
    let error = failed(&lost);
    assert!(error.starts_with("ERROR: 1023 DETAIL: Serializable isolation violation on table - "), "{error}");
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "2");
}

#[tokio::test]
async fn lock_serialises_batches_and_the_second_sees_the_firsts_rows() {
    let db = db().await;
    db.ok("CREATE TABLE gate (n int)").await;
    db.ok("CREATE TABLE t (n bigint)").await;
    slow_after_lock(&db, 200, 2).await;
    let sqls = ["LOCK TABLE gate", "INSERT INTO t SELECT COUNT(*) FROM t", "DELETE FROM t WHERE n > 100"];
    let (one, two) = tokio::join!(db.batch(&sqls), db.batch(&sqls));
    finished(&one);
    finished(&two);
    let apart = one.updated_at().unwrap().as_secs_f64() - two.updated_at().unwrap().as_secs_f64();
    assert!(apart.abs() > 0.15, "the second waited for the first: {apart}");
    assert_eq!(db.rows_with("SELECT n FROM t ORDER BY n", &[]).await, [["0"], ["1"]]);
}

#[tokio::test]
async fn lock_takes_several_tables_at_once() {
    let db = db().await;
    db.ok("CREATE TABLE a (n int)").await;
    db.ok("CREATE TABLE b (n int)").await;
    finished(&db.batch(&["LOCK TABLE a, b", "INSERT INTO a VALUES (1)"]).await);
}

#[tokio::test]
async fn locks_in_opposite_order_end_in_a_deadlock() {
    let db = db().await;
    db.ok("CREATE TABLE a (n int)").await;
    db.ok("CREATE TABLE b (n int)").await;
    slow_after_lock(&db, 300, 2).await;
    let (ab, ba) =
        (["LOCK TABLE a", "INSERT INTO b VALUES (1)"], ["LOCK TABLE b", "INSERT INTO a VALUES (1)"]);
    let (one, two) = tokio::join!(db.batch(&ab), db.batch(&ba));
    let errors: Vec<_> = [one, two].iter().filter_map(|d| d.error().map(str::to_owned)).collect();
    assert_eq!(errors, ["ERROR: deadlock detected"]);
}

#[tokio::test]
async fn blind_inserts_wait_for_each_other_and_both_finish() {
    let db = db().await;
    db.ok("CREATE TABLE t (n int)").await;
    let sqls = ["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)"];
    let done = tokio::join!(db.batch(&sqls), db.batch(&sqls), db.batch(&sqls), db.batch(&sqls));
    for one in [done.0, done.1, done.2, done.3] {
        finished(&one);
    }
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "8");
}
