//! UNLOAD writes what COPY and others can read, and COPY reads Parquet by position.

use std::io::Read;

use crate::common::{Db, db, failed, finished};
use crate::copy_common::{ROLE, bucket, copy, put};
use crate::s3_stub::stub;

fn unload(db: &Db, query: &str, prefix: &str, options: &str) -> String {
    let query = query.replace('\'', "''");
    format!("UNLOAD ('{query}') TO 's3://{}/{prefix}' IAM_ROLE '{ROLE}' FORMAT AS {options}", bucket(db))
}

fn object(db: &Db, key: &str) -> Vec<u8> {
    let found = stub().get(&bucket(db), key);
    found.unwrap_or_else(|| panic!("no {key} among {:?}", stub().keys(&bucket(db)))).to_vec()
}

fn text(db: &Db, key: &str) -> String {
    String::from_utf8(object(db, key)).unwrap()
}

const COLUMNS: &str = "a smallint, b int, c bigint, d real, e double precision, f boolean, g numeric(12,3), h date, \
    i timestamp, j timestamptz, k varchar(20), l char(3)";

#[tokio::test]
async fn parquet_comes_back_as_it_went() {
    let db = db().await;
    db.ok(&format!("CREATE TABLE t ({COLUMNS})")).await;
    db.ok("INSERT INTO t VALUES (-7, 1, 9007199254740993, 1.5, 0.1, true, -1234567.891, '1969-12-31', \
        '2024-02-29 01:02:03.000456', '2024-02-29 01:02:03+02', 'é \"x\"', 'ab')")
        .await;
    db.ok("INSERT INTO t (b) VALUES (2)").await;
    let done = db.run(&unload(&db, "SELECT * FROM t", "out/", "PARQUET MANIFEST")).await;
    finished(&done);
    assert_eq!(done.result_rows(), 2);
    assert_eq!(stub().keys(&bucket(&db)), ["out/0000_part_00.parquet", "out/manifest"]);
    db.ok(&format!("CREATE TABLE u ({COLUMNS})")).await;
    finished(&db.run(&copy(&db, "u", "out/manifest", "MANIFEST FORMAT AS PARQUET")).await);
    assert_eq!(
        db.rows_with("SELECT * FROM u ORDER BY b", &[]).await,
        db.rows_with("SELECT * FROM t ORDER BY b", &[]).await
    );
    assert_eq!(db.one("SELECT file_format FROM sys_load_history").await, "parquet");
}

#[tokio::test]
async fn parquet_goes_by_position_and_its_types_must_fit() {
    let db = db().await;
    db.ok("CREATE TABLE t (x int, y varchar(10))").await;
    for (n, query) in [
        "CAST(1 AS int) AS q, CAST('abc' AS varchar(9)) AS r",
        "CAST(1 AS bigint) AS x, CAST('a' AS varchar(9)) AS y",
        "CAST(1 AS int) AS x",
    ]
    .iter()
    .enumerate()
    {
        finished(&db.run(&unload(&db, &format!("SELECT {query}"), &format!("p{n}/"), "PARQUET")).await);
    }
    finished(&db.run(&copy(&db, "t", "p0/", "FORMAT PARQUET")).await);
    finished(&db.run(&copy(&db, "t (x)", "p2/", "FORMAT PARQUET")).await);
    assert_eq!(db.rows_with("SELECT x, y FROM t ORDER BY y", &[]).await, [["1", "abc"], ["1", "NULL"]]);
    put(&db, "p3/none", "no parquet");
    for (table, key, expected) in [
        ("t", "p1/", "incompatible Parquet schema for column 'x'. Column type: INT4, Parquet schema: INT64"),
        ("t", "p2/", "Unmatched number of columns between table and file. Table columns: 2, Data columns: 1"),
        ("t", "p3/", "Spectrum Scan Error"),
    ] {
        let error = db.error(&copy(&db, table, key, "FORMAT PARQUET")).await;
        assert!(error.contains(expected), "{error}");
    }
    put(&db, "m", format!("{{\"entries\":[{{\"url\":\"s3://{}/p0/0000_part_00.parquet\"}}]}}", bucket(&db)));
    let error = db.error(&copy(&db, "t", "m", "MANIFEST FORMAT PARQUET")).await;
    assert!(error.contains("content_length"), "{error}");
    db.ok("CREATE TABLE short (x int, y varchar(2))").await;
    let done = db.run(&copy(&db, "short", "p0/", "FORMAT PARQUET")).await;
    assert!(failed(&done).contains("Load into table 'short' failed"));
    let detail = "SELECT column_name, error_code FROM sys_load_error_detail";
    assert_eq!(db.rows_with(detail, &[]).await, [["y", "1204"]]);
}

#[tokio::test]
async fn csv_quotes_what_it_has_to() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, v varchar(20), s super)").await;
    db.ok("INSERT INTO t VALUES (1, 'a,\"b\"', JSON_PARSE('{\"k\": 1}')), (2, '', NULL), (3, NULL, NULL)")
        .await;
    let query = "SELECT id, v, s FROM t WHERE v IS NULL OR v <> 'none' ORDER BY id";
    finished(&db.run(&unload(&db, query, "c/", "CSV HEADER")).await);
    assert_eq!(text(&db, "c/0000_part_00"), "id,v,s\n1,\"a,\"\"b\"\"\",\"{\"\"k\"\":1}\"\n2,\"\",\n3,,\n");
    finished(&db.run(&unload(&db, query, "g/x_", "CSV DELIMITER '|' NULL AS 'nil' GZIP PARALLEL OFF")).await);
    let mut plain = String::new();
    flate2::read::GzDecoder::new(&object(&db, "g/x_000.gz")[..]).read_to_string(&mut plain).unwrap();
    assert_eq!(plain, "1|\"a,\"\"b\"\"\"|\"{\"\"k\"\":1}\"\n2|\"\"|nil\n3|nil|nil\n");
}

#[tokio::test]
async fn partitions_become_folders() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, day date, kind varchar(9))").await;
    db.ok("INSERT INTO t VALUES (1, '2024-01-01', 'a/b'), (2, '2024-01-02', 'c'), (3, NULL, 'c')").await;
    let by_day = unload(&db, "SELECT * FROM t", "p", "CSV PARTITION BY (day) CLEANPATH");
    put(&db, "p/day=2024-01-01/old", "x");
    put(&db, "p/day=2020-01-01/old", "x");
    finished(&db.run(&by_day).await);
    let keys = stub().keys(&bucket(&db));
    assert_eq!(
        keys,
        [
            "p/day=2020-01-01/old",
            "p/day=2024-01-01/0000_part_00",
            "p/day=2024-01-02/0000_part_00",
            "p/day=__HIVE_DEFAULT_PARTITION__/0000_part_00"
        ]
    );
    assert_eq!(text(&db, "p/day=2024-01-01/0000_part_00"), "1,a/b\n");
    let include = "CSV PARTITION BY (kind, day) INCLUDE";
    finished(&db.run(&unload(&db, "SELECT * FROM t WHERE id = 1", "i/", include)).await);
    assert_eq!(text(&db, "i/kind=a%2Fb/day=2024-01-01/0000_part_00"), "1,2024-01-01,a/b\n");
}

#[tokio::test]
async fn what_is_there_is_only_replaced_when_asked() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int)").await;
    put(&db, "o/0000_part_00", "old");
    put(&db, "o/other", "old");
    let sql = |options: &str| unload(&db, "SELECT id FROM t", "o/", options);
    assert!(db.error(&sql("CSV")).await.contains("unload destination on S3 is not empty"));
    finished(&db.batch(&["INSERT INTO t VALUES (1)", &sql("CSV ALLOWOVERWRITE")]).await);
    assert_eq!((text(&db, "o/0000_part_00").as_str(), text(&db, "o/other").as_str()), ("1\n", "old"));
    finished(&db.run(&sql("CSV CLEANPATH")).await);
    assert_eq!(stub().keys(&bucket(&db)), ["o/0000_part_00"]);
}

#[tokio::test]
async fn what_is_not_there_is_refused_by_name() {
    let db = db().await;
    db.ok("CREATE TABLE t (id bigint)").await;
    for (query, options, name) in [
        ("SELECT id FROM t", "JSON", "JSON"),
        ("SELECT id FROM t", "CSV ADDQUOTES", "ADDQUOTES"),
        ("SELECT id FROM t", "CSV ENCRYPTED", "ENCRYPTED"),
        ("SELECT id FROM t", "PARQUET GZIP", "GZIP with PARQUET"),
        ("SELECT id FROM t", "PARQUET HEADER", "HEADER with PARQUET"),
        ("SELECT id FROM t", "CSV ALLOWOVERWRITE CLEANPATH", "ALLOWOVERWRITE with CLEANPATH"),
        ("SELECT id FROM t", "CSV PARTITION BY (x)", "PARTITION BY column \"x\""),
        ("SELECT id FROM t", "CSV PARTITION BY (id)", "PARTITION BY all columns"),
        ("SELECT id FROM t LIMIT 1", "CSV", "LIMIT"),
        ("DELETE FROM t", "CSV", "takes a SELECT"),
        ("SELECT id FROM t; SELECT 1", "CSV", "one query"),
        ("SELECT id FROM t WHERE id = :x", "CSV", ":x"),
        ("SELECT DISTINCT ON (id) id FROM t", "CSV", "DISTINCT ON"),
        ("SELECT AVG(id) AS a FROM t", "PARQUET", "NUMERIC column a"),
    ] {
        let error = db.error(&unload(&db, query, "r/", options)).await;
        assert!(error.contains(name), "{query} {options}: {error}");
    }
    let error = db.error(&format!("UNLOAD ('SELECT id FROM t') TO 's3://b/k' IAM_ROLE '{ROLE}'")).await;
    assert!(error.contains("FORMAT"), "{error}");
    assert!(stub().keys(&bucket(&db)).is_empty());
}
