//! The load transaction of Penstock, with COPY replaced by INSERT, and what a large one costs.

use std::fmt::Write as _;
use std::time::Instant;

use crate::common::{Db, db, failed, finished};

const SETUP: &[&str] = &[
    "CREATE SCHEMA tgt",
    "CREATE SCHEMA penstock",
    "CREATE TABLE \"tgt\".\"x\" (\"id\" bigint, \"name\" varchar(50), \"ob\" timestamp, \"_record_id\" char(32), \
     \"_row_hash\" char(32), \"_order\" varchar(128), \"_deleted\" boolean, \"_load_id\" varchar(64), \
     \"_source\" varchar(4096), \"_loaded_at\" timestamptz, PRIMARY KEY (\"id\")) DISTKEY(\"_record_id\") SORTKEY(\"_loaded_at\")",
    "CREATE TABLE \"penstock\".\"lock_x\" (n int)",
    "CREATE TABLE \"penstock\".\"objects_x\" (\"object_id\" varchar(64), \"source\" varchar(4096), \"load_id\" varchar(64), \
     \"status\" varchar(16), \"n_read\" bigint, \"n_inserted\" bigint, \"n_updated\" bigint, \"n_duplicate\" bigint, \
     \"n_rejected\" bigint)",
    "CREATE OR REPLACE PROCEDURE \"penstock\".\"sp_claim_x\"() AS $$
     DECLARE n bigint;
     BEGIN
       SELECT COUNT(*) INTO n FROM \"p_obj\" o JOIN \"penstock\".\"objects_x\" l ON l.\"object_id\" = o.\"object_id\"
         AND l.\"status\" = 'loaded';
       IF n > 0 THEN
         RAISE EXCEPTION 'penstock already loaded %', n;
       END IF;
     END
     $$ LANGUAGE plpgsql SECURITY INVOKER",
    "CREATE OR REPLACE PROCEDURE \"penstock\".\"sp_balance_x\"() AS $$
     DECLARE n bigint; m bigint;
     BEGIN
       SELECT SUM(\"n_read\"), COUNT(*) INTO n, m FROM \"p_obj\";
       SELECT COUNT(*) INTO m FROM \"p_stage\";
       IF n <> m THEN
         RAISE EXCEPTION 'penstock out of balance % %', n, m;
       ELSE
         m := 0;
       END IF;
       SELECT COUNT(*) INTO n FROM (SELECT \"_record_id\" FROM \"tgt\".\"x\" GROUP BY \"_record_id\" HAVING COUNT(*) > 1) d;
       IF n > 0 THEN
         RAISE EXCEPTION 'penstock duplicate keys %', n;
       END IF;
     END;
     $$ LANGUAGE plpgsql SECURITY INVOKER",
];

const COLUMNS: &str = "\"id\",\"name\",\"ob\"";
const STAMPS: &str = "\"_record_id\",\"_row_hash\",\"_order\",\"_deleted\",\"_source\"";
const DEFINITION: &str = "\"id\" bigint, \"name\" varchar(50), \"ob\" timestamp, \"_record_id\" char(32), \
    \"_row_hash\" char(32), \"_order\" varchar(128), \"_deleted\" boolean, \"_source\" varchar(4096)";
const WINNERS: &str =
    "SELECT r.\"id\", r.\"name\", r.\"ob\", r.\"_record_id\", r.\"_row_hash\", r.\"_order\", \
      r.\"_deleted\", r.\"_source\",
    CASE WHEN t.\"_record_id\" IS NULL THEN 'inserted'
         WHEN t.\"_row_hash\" = r.\"_row_hash\" AND r.\"_order\" > t.\"_order\" THEN 'restamped'
         WHEN t.\"_row_hash\" = r.\"_row_hash\" THEN 'unchanged'
         WHEN r.\"ob\" > t.\"ob\" THEN 'updated'
         WHEN r.\"ob\" IS NOT NULL AND t.\"ob\" IS NULL THEN 'updated'
         WHEN r.\"ob\" = t.\"ob\" AND r.\"_order\" > t.\"_order\" THEN 'updated'
         WHEN r.\"ob\" IS NULL AND t.\"ob\" IS NULL AND r.\"_order\" > t.\"_order\" THEN 'updated'
         ELSE 'duplicate' END
  FROM (SELECT s.*, ROW_NUMBER() OVER (PARTITION BY \"_record_id\"
          ORDER BY CASE WHEN \"ob\" IS NULL THEN 1 ELSE 0 END, \"ob\" DESC, \"_order\" DESC) AS \"rn\"
        FROM \"p_stage\" s) r
  LEFT JOIN \"tgt\".\"x\" t ON t.\"_record_id\" = r.\"_record_id\"
  WHERE r.\"rn\" = 1";

fn stage(object: &str, rows: &[(i64, &str, &str, &str)]) -> Vec<String> {
    let rows: Vec<_> = rows
        .iter()
        .map(|(id, name, ob, order)| {
            format!(
                "({id}, '{name}', '{ob}', '{id:032}', MD5('{name}'), '{order}', false, 's3://b/{object}')"
            )
        })
        .collect();
    vec![
        "LOCK TABLE \"penstock\".\"lock_x\"".into(),
        "CREATE TEMP TABLE \"p_obj\" (\"object_id\" varchar(64), \"source\" varchar(4096), \"n_read\" bigint, \
         \"n_rejected\" bigint, \"n_dup\" bigint)"
            .into(),
        format!(
            "INSERT INTO \"p_obj\" (\"object_id\",\"source\",\"n_read\",\"n_rejected\",\"n_dup\") \
             VALUES ('{object}', 's3://b/{object}', {}, 0, 0)",
            rows.len()
        ),
        "CALL \"penstock\".\"sp_claim_x\"()".into(),
        format!("CREATE TEMP TABLE \"p_stage\" ({DEFINITION})"),
        format!("INSERT INTO \"p_stage\" ({COLUMNS},{STAMPS}) VALUES {}", rows.join(",")),
    ]
}

fn load(object: &str, rows: &[(i64, &str, &str, &str)]) -> Vec<String> {
    let mut sqls = stage(object, rows);
    sqls.extend([
        format!("CREATE TEMP TABLE \"p_win\" ({DEFINITION}, \"outcome\" varchar(16))"),
        format!("INSERT INTO \"p_win\" ({COLUMNS},{STAMPS},\"outcome\") {WINNERS}"),
        "DELETE FROM \"tgt\".\"x\" USING \"p_win\" WHERE \"tgt\".\"x\".\"_record_id\" = \"p_win\".\"_record_id\" \
         AND \"p_win\".\"outcome\" IN ('updated','restamped')"
            .into(),
        format!(
            "INSERT INTO \"tgt\".\"x\" ({COLUMNS},\"_record_id\",\"_row_hash\",\"_order\",\"_deleted\",\"_load_id\",\
               \"_source\",\"_loaded_at\")
             SELECT {COLUMNS}, \"_record_id\",\"_row_hash\",\"_order\",\"_deleted\",
               CAST('{object}' AS varchar(64)), \"_source\", CAST('2024-01-01 00:00:00+00' AS timestamptz)
             FROM \"p_win\" WHERE \"outcome\" IN ('inserted','updated','restamped')"
        ),
        format!(
            "INSERT INTO \"penstock\".\"objects_x\"
             SELECT o.\"object_id\", o.\"source\", CAST('{object}' AS varchar(64)), CAST('loaded' AS varchar(16)),
               o.\"n_read\", SUM(CASE WHEN w.\"outcome\" = 'inserted' THEN 1 ELSE 0 END),
               SUM(CASE WHEN w.\"outcome\" = 'updated' THEN 1 ELSE 0 END),
               SUM(CASE WHEN w.\"outcome\" = 'duplicate' THEN 1 ELSE 0 END), o.\"n_rejected\"
             FROM \"p_obj\" o LEFT JOIN \"p_win\" w ON w.\"_source\" = o.\"source\" GROUP BY 1, 2, 3, 4, 5, 9"
        ),
        "CALL \"penstock\".\"sp_balance_x\"()".into(),
    ]);
    sqls
}

async fn set_up() -> Db {
    let db = db().await;
    for sql in SETUP {
        db.ok(sql).await;
    }
    db
}

async fn run(
    db: &Db,
    sqls: &[String],
) -> aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput {
    let sqls: Vec<_> = sqls.iter().map(String::as_str).collect();
    db.batch(&sqls).await
}

#[tokio::test]
async fn the_upsert_runs_unchanged_and_claims_its_objects() {
    let db = set_up().await;
    let first =
        load("o1", &[(1, "a", "2024-01-01", "1"), (2, "b", "2024-01-01", "1"), (1, "a2", "2024-01-02", "1")]);
    finished(&run(&db, &first).await);
    finished(&run(&db, &load("o2", &[(1, "old", "2023-01-01", "1"), (2, "b2", "2024-02-01", "1")])).await);
    let rows = db.rows_with("SELECT id, name FROM tgt.x ORDER BY id", &[]).await;
    assert_eq!(rows, [["1", "a2"], ["2", "b2"]]);
    let again = failed(&run(&db, &first).await);
    assert_eq!(again, "ERROR: penstock already loaded 1");
    let ledger = "SELECT n_inserted, n_updated, n_duplicate FROM penstock.objects_x ORDER BY object_id";
    assert_eq!(db.rows_with(ledger, &[]).await, [["2", "0", "0"], ["0", "1", "1"]]);
}

#[tokio::test]
async fn loads_at_the_same_time_lose_and_double_nothing() {
    let db = set_up().await;
    let loads: Vec<_> = (0..6)
        .map(|n| load(&format!("o{n}"), &[(1, &format!("v{n}"), "2024-01-01", &n.to_string())]))
        .collect();
    let done = futures_util::future::join_all(loads.iter().map(|sqls| run(&db, sqls))).await;
    for one in &done {
        finished(one);
    }
    assert_eq!(db.rows_with("SELECT name FROM tgt.x", &[]).await, [["v5"]]);
    assert_eq!(db.one("SELECT COUNT(*) FROM penstock.objects_x").await, "6");
}

#[tokio::test]
async fn a_large_batch_of_bound_rows_is_fast() {
    let db = db().await;
    db.ok("CREATE TABLE gate (n int)").await;
    db.ok("CREATE TABLE t (a bigint, b varchar(60), c varchar(60), d timestamp, s super)").await;
    let mut sqls = vec!["LOCK TABLE gate".to_owned(), "CREATE TEMP TABLE x (LIKE t)".to_owned()];
    let mut parameters = Vec::new();
    for statement in 0..10 {
        let mut sql = String::from("INSERT INTO x (a, b, c, d, s) VALUES ");
        for row in 0..400 {
            let p = (0..5)
                .map(|column| format!("p{}_{statement}_{row}_{column}", "x".repeat(30)))
                .collect::<Vec<_>>();
            let comma = if row > 0 { ", " } else { "" };
            let padding = " ".repeat(20);
            write!(
                sql,
                "{comma}(:{}, :{}, :{}, :{},{padding} JSON_PARSE(:{}))",
                p[0], p[1], p[2], p[3], p[4]
            )
            .unwrap();
            let values = ["12345", "it's a value", "another", "2024-01-01 00:00:00", "{\"a\": 1}"];
            parameters.extend(p.into_iter().zip(values.map(str::to_owned)));
        }
        assert!(sql.len() > 90_000 && sql.len() < 102_400, "{}", sql.len());
        sqls.push(sql);
    }
    let sqls: Vec<_> = sqls.iter().map(String::as_str).collect();
    let parameters: Vec<_> = parameters.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let mut best = f64::MAX;
    for _ in 0..3 {
        let started = Instant::now();
        let done = db.batch_with(&sqls, &parameters).await;
        finished(&done);
        let seen = started.elapsed().as_secs_f64() * 1000.0;
        let inside = done.duration() as f64 / 1e6;
        println!("12 statements, 20,000 parameters: {inside:.0} ms inside, {seen:.0} ms with the SDK");
        best = best.min(inside);
    }
    assert!(best < 1_000.0, "{best} ms");
}
