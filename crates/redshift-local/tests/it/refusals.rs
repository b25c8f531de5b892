//! What passes on PostgreSQL and fails on Redshift is refused, and the message names it.

use crate::common::{db, failed};

/// Statement, and what its error must name.
const SINGLE: &[(&str, &str)] = &[
    (r"INSERT INTO t (v) VALUES (E'x')", "E'...'"),
    ("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING", "ON CONFLICT"),
    ("INSERT INTO t (id) VALUES (1) RETURNING id", "RETURNING"),
    ("DELETE FROM t RETURNING id", "RETURNING"),
    ("SELECT DISTINCT ON (id) id FROM t", "DISTINCT ON"),
    ("SELECT COUNT(*) FILTER (WHERE id > 1) FROM t", "FILTER"),
    ("SELECT x.n FROM t, LATERAL (SELECT t.id AS n) x", "LATERAL"),
    ("SELECT ARRAY[1, 2]", "arrays"),
    ("SELECT id FROM t WHERE id = ANY('{1}')", "ANY and ALL over an array"),
    ("SELECT a FROM (VALUES (1)) v(a)", "VALUES as a table"),
    ("VALUES (1)", "VALUES as a table"),
    ("SELECT n FROM generate_series(1, 3) g(n)", "GENERATE_SERIES"),
    ("SELECT generate_series(1, 3)", "GENERATE_SERIES"),
    ("SELECT STRING_AGG(v, ',') FROM t", "STRING_AGG"),
    ("SAVEPOINT a", "savepoints"),
    ("SELECT pg_advisory_lock(1)", "advisory lock"),
    ("SELECT pg_try_advisory_xact_lock(1)", "advisory lock"),
    (
        "SELECT ROW_NUMBER() OVER (PARTITION BY v ORDER BY id NULLS LAST) FROM t",
        "NULLS FIRST or LAST in a window",
    ),
    ("SELECT id IS DISTINCT FROM 1 FROM t", "IS DISTINCT FROM"),
    ("SELECT id FROM t WHERE v IS NOT DISTINCT FROM 'x'", "IS DISTINCT FROM"),
    ("SELECT NOW() FROM t", "NOW with user tables"),
    (
        "INSERT INTO t (v) SELECT CAST(CURRENT_TIMESTAMP AS varchar(30)) FROM t",
        "CURRENT_TIMESTAMP with user tables",
    ),
    ("UPDATE t SET v = CAST(NOW() AS varchar(30))", "NOW with user tables"),
    ("CREATE TABLE z (a timestamp DEFAULT NOW())", "NOW with user tables"),
    ("LOCK TABLE t IN EXCLUSIVE MODE", "LOCK ... IN mode"),
    ("LOCK TABLE t NOWAIT", "LOCK ... NOWAIT"),
    ("DELETE FROM t AS x WHERE x.id = 1", "an alias on the target of DELETE"),
    (
        "MERGE INTO t AS x USING u ON x.id = u.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (u.id)",
        "an alias on the target of MERGE",
    ),
    (
        "MERGE INTO t USING u ON t.id = u.id WHEN MATCHED AND u.id > 1 THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (u.id)",
        "a condition on WHEN",
    ),
    ("SELECT t.id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id > t.id)", "correlated subquery"),
    ("SELECT t.id, (SELECT t.id + MAX(u.id) FROM u) FROM t", "correlated subquery"),
    ("SELECT t.id FROM t WHERE t.id = (SELECT u.id FROM u WHERE u.id = t.id LIMIT 1)", "correlated subquery"),
    ("INSERT INTO t (id, v) SELECT id, 'x' FROM u", "an untyped literal"),
    ("SELECT x.a FROM (SELECT 'x' AS a) x", "an untyped literal"),
    ("CREATE TABLE z AS SELECT NULL AS a", "an untyped literal"),
    ("SELECT 123456789012345678901234567890123456789 + 0", "38 digits"),
    ("CREATE TABLE z (a numeric(39, 0))", "precision 39"),
    ("SELECT CAST('infinity' AS timestamp)", "finite values only"),
    ("INSERT INTO t (at) VALUES ('infinity')", "finite values only"),
    ("INSERT INTO t (at) VALUES ('2024-01-01 00:00:00.1234567')", "microseconds"),
    ("SELECT CAST('2024-01-01 00:00:00.1234567' AS timestamp)", "microseconds"),
    ("CREATE TABLE z (xmin int)", "system column"),
    ("CREATE TABLE z (\"oid\" int)", "system column"),
    ("CREATE TABLE z (tag int)", "reserved word"),
    ("CREATE TABLE z (a int CHECK (a > 0))", "CHECK constraints"),
    ("CREATE TABLE z (a jsonb)", "the type JSONB"),
    ("CREATE TABLE z (a int[])", "the type INT[]"),
    ("CREATE TABLE z (a uuid)", "the type UUID"),
    ("CREATE INDEX i ON t (id)", "CREATE INDEX"),
    ("ALTER TABLE t ADD COLUMN a int, ADD COLUMN b int", "several actions"),
    ("ALTER TABLE t ALTER COLUMN id TYPE bigint", "anything but VARCHAR"),
    ("SELECT id FROM t FOR UPDATE", "FOR UPDATE"),
    ("BEGIN", "BEGIN"),
    ("COMMIT", "COMMIT"),
    (
        "COPY t FROM 's3://b/k' IAM_ROLE default ESCAPE",
        "COPY with ESCAPE is not supported by redshift-local yet",
    ),
    (
        "UNLOAD ('select 1') TO 's3://b/k' IAM_ROLE default CSV ESCAPE",
        "UNLOAD with ESCAPE is not supported by redshift-local yet",
    ),
    ("SELECT no_such_function(1)", "the function NO_SUCH_FUNCTION"),
    ("SELECT v ->> 'a' FROM t", "the operator ->>"),
    ("SELECT * FROM redshift_local.svv_columns", "permission denied for schema"),
];

/// Statements that a batch cannot hold.
const BATCH: &[(&str, &str)] = &[
    ("ALTER TABLE t ALTER COLUMN v TYPE varchar(400)", "ALTER COLUMN TYPE"),
    ("VACUUM t", "VACUUM"),
    ("ALTER TABLE t APPEND FROM u", "ALTER TABLE APPEND"),
    ("CREATE DATABASE z", "CREATE DATABASE"),
    ("DROP DATABASE z", "DROP DATABASE"),
    ("CREATE EXTERNAL TABLE s.z (a int) STORED AS PARQUET LOCATION 's3://b/k'", "CREATE EXTERNAL TABLE"),
    ("TRUNCATE t", "TRUNCATE"),
    ("COMMIT", "COMMIT"),
    ("LOCK TABLE t", "LOCK that is not the first statement"),
];

/// Bodies that a procedure cannot have.
const PROCEDURES: &[(&str, &str)] = &[
    ("BEGIN RAISE EXCEPTION 'x %', n + 1; END", "RAISE with expressions"),
    ("BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '22000'; END", "RAISE ... USING"),
    ("BEGIN DELETE FROM t; EXCEPTION WHEN OTHERS THEN RAISE INFO 'x'; END", "EXCEPTION blocks"),
    ("BEGIN SET LOCAL search_path = x; END", "SET LOCAL"),
    ("BEGIN IF EXISTS(SELECT 1 FROM t) THEN DELETE FROM t; END IF; END", "IF EXISTS(SELECT"),
    ("BEGIN TRUNCATE t; END", "TRUNCATE"),
    ("BEGIN INSERT INTO t (v) SELECT STRING_AGG(v, ',') FROM t; END", "STRING_AGG"),
    ("BEGIN COMMIT; END", "COMMIT"),
    ("BEGIN EXECUTE 'DROP TABLE t'; END", "EXECUTE"),
];

async fn tables() -> crate::common::Db {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, v varchar(300), at timestamp)").await;
    db.ok("CREATE TABLE u (id int)").await;
    db
}

#[tokio::test]
async fn each_construct_is_refused_by_name() {
    let db = tables().await;
    for (sql, named) in SINGLE {
        let error = db.error(sql).await;
        assert!(error.starts_with("ERROR: ") && error.contains(named), "{sql}\n  {error}\n  {named}");
    }
}

#[tokio::test]
async fn what_a_transaction_cannot_hold_is_refused_in_a_batch() {
    let db = tables().await;
    for (sql, named) in BATCH {
        let error = failed(&db.batch(&["SELECT COUNT(*) FROM u", sql]).await);
        assert!(error.contains(named), "{sql}\n  {error}");
    }
}

#[tokio::test]
async fn what_a_procedure_cannot_hold_is_refused() {
    let db = tables().await;
    for (body, named) in PROCEDURES {
        let sql = format!("CREATE PROCEDURE p() AS $$ DECLARE n int; {body} $$ LANGUAGE plpgsql");
        let error = db.error(&sql).await;
        assert!(error.contains(named), "{sql}\n  {error}");
    }
    let error =
        db.error("CREATE PROCEDURE p() NONATOMIC AS $$ BEGIN DELETE FROM t; END $$ LANGUAGE plpgsql").await;
    assert!(error.contains("NONATOMIC"), "{error}");
}

#[tokio::test]
async fn correlation_by_equality_passes() {
    let db = tables().await;
    db.ok("SELECT t.id FROM t WHERE EXISTS (SELECT 1 FROM u WHERE u.id = t.id AND u.id > 0)").await;
    db.ok("DELETE FROM t WHERE t.id IN (SELECT u.id FROM u)").await;
    db.ok("SELECT NOW()").await;
}

#[tokio::test]
async fn errors_do_not_name_files_of_this_machine() {
    let db = tables().await;
    let error = db.error("SELECT id FROM nowhere").await;
    assert_eq!(error, "ERROR: relation \"nowhere\" does not exist");
    let error = db.error("SELEC 1").await;
    assert!(error.starts_with("ERROR: syntax error: ") && !error.contains('/'), "{error}");
}
