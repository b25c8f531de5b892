//! COPY as the load sends it: manifests, prefixes, packings, and what a transaction sees of them.

use std::time::{Duration, Instant};

use redshift_local::{Config, DelayWhen, Fault, Server};

use crate::common::{Db, client, db, failed, finished, server};
use crate::copy_common::{ROLE, bucket, copy, gzip, load, put, put_manifest, zstd};

#[tokio::test]
async fn the_statement_of_the_load_runs_and_the_batch_sees_its_rows() {
    let db = db().await;
    db.ok("CREATE TABLE gate (n int)").await;
    db.ok("CREATE TABLE target (id bigint, v varchar(20))").await;
    put(
        &db,
        "w/1.zst",
        [zstd("{\"id\":\"1\",\"v\":\"a\"}\n{\"id\":\"2\",\"v\":null}"), zstd("\n{\"id\":\"3\"}\n")].concat(),
    );
    put(&db, "w/2.gz", [gzip("{\"id\":\"4\",\"v\":\"\"}"), gzip("{\"id\":\"5\",\"v\":\"e\"}")].concat());
    put_manifest(&db, "w/parts.manifest", &["w/1.zst"]);
    put_manifest(&db, "w/stage.manifest", &["w/2.gz"]);
    let from = |manifest: &str, packing: &str| {
        format!(
            "COPY \"p_stage\" (\"id\",\"v\") FROM 's3://{}/w/{manifest}' IAM_ROLE '{ROLE}' MANIFEST \
             FORMAT AS JSON 'auto' {packing} TIMEFORMAT 'auto' COMPUPDATE OFF",
            bucket(&db)
        )
    };
    let done = db
        .batch(&[
            "LOCK TABLE gate",
            "CREATE TEMP TABLE \"p_stage\" (\"id\" bigint, \"v\" varchar(20))",
            &from("parts.manifest", "ZSTD"),
            &from("stage.manifest", "GZIP"),
            "SELECT pg_last_copy_count()",
            "INSERT INTO target SELECT id, v FROM p_stage",
        ])
        .await;
    finished(&done);
    let rows: Vec<_> = done.sub_statements().iter().map(|sub| sub.result_rows()).collect();
    assert_eq!(rows[2..4], [3, 2]);
    let count = db.client.get_statement_result().id(done.sub_statements()[4].id()).send().await.unwrap();
    assert_eq!(crate::common::text(&count.records()[0][0]), "2");
    let rows = db.rows_with("SELECT id, v FROM target ORDER BY id", &[]).await;
    assert_eq!(rows, [["1", "a"], ["2", "NULL"], ["3", "NULL"], ["4", ""], ["5", "e"]]);
}

#[tokio::test]
async fn a_prefix_takes_every_key_that_starts_with_it() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int)").await;
    for n in 0..10 {
        put(&db, &format!("in/part-{n}"), format!("{{\"id\":{n}}}"));
    }
    put(&db, "in/", "");
    put(&db, "in/part-9 (copy)+1.json", "{\"id\":10}");
    put(&db, "other/part-0", "{\"id\":99}");
    finished(&db.run(&copy(&db, "t", "in/", "JSON 'auto'")).await);
    assert_eq!(db.one("SELECT SUM(id) FROM t").await, "55");
    finished(&db.run(&copy(&db, "t", "in/part-9", "JSON 'auto'")).await);
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "13");
    let error = db.error(&copy(&db, "t", "nothing/", "JSON 'auto'")).await;
    assert_eq!(error, "ERROR: The specified S3 prefix 'nothing/' does not exist");
}

#[tokio::test]
async fn a_manifest_means_what_it_says() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int)").await;
    put(&db, "a", "{\"id\":1}");
    put_manifest(&db, "twice", &["a", "a"]);
    finished(&db.run(&copy(&db, "t", "twice", "MANIFEST JSON 'auto'")).await);
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "2");
    let entry = |key: &str, rest: &str| format!("{{\"url\":\"s3://{}/{key}\"{rest}}}", bucket(&db));
    let manifest = |entries: &[String]| format!("{{\"entries\":[{}]}}", entries.join(","));
    for (entries, expected) in [
        (vec![entry("a", ""), entry("gone", "")], Ok("3")),
        (vec![entry("a", ",\"mandatory\":false,\"meta\":{\"content_length\":8}")], Ok("4")),
        (
            vec![entry("a", ",\"meta\":{\"content_length\":9}")],
            Err("content_length is 9, the object has 8 bytes"),
        ),
        (
            vec![entry("a", ""), entry("gone", ",\"mandatory\":true")],
            Err("The specified key does not exist."),
        ),
        (vec![entry("gone", "")], Err("No files were found")),
        (vec![], Err("it has no entries")),
        (vec!["{\"mandatory\":true}".to_owned()], Err("missing field `url`")),
        (vec![entry("", "")], Err("is no object's")),
    ] {
        put(&db, "manifest", manifest(&entries));
        let done = db.run(&copy(&db, "t", "manifest", "MANIFEST JSON 'auto'")).await;
        match expected {
            Ok(_) => finished(&done),
            Err(text) => assert!(failed(&done).contains(text), "{:?}", done.error()),
        }
        let count = db.one("SELECT COUNT(*) FROM t").await;
        assert_eq!(count, expected.unwrap_or("4"));
    }
    let error = db.error(&copy(&db, "t", "no-manifest", "MANIFEST JSON 'auto'")).await;
    assert!(error.contains("Problem reading manifest file") && error.contains("NoSuchKey"), "{error}");
}

#[tokio::test]
async fn a_failed_copy_takes_all_back_and_its_errors_stay() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, v varchar(3))").await;
    put(&db, "good", "{\"id\":1,\"v\":\"abc\"}");
    put(&db, "bad", "{\"id\":2}\n\n{\"id\":3,\"v\":\"é12\"}");
    put_manifest(&db, "m", &["good", "bad"]);
    let manifest = copy(&db, "t", "m", "MANIFEST JSON 'auto'");
    let done =
        db.batch(&["INSERT INTO t VALUES (0, 'x')", &copy(&db, "t", "good", "JSON 'auto'"), &manifest]).await;
    let error = "ERROR: Load into table 't' failed. Check 'sys_load_error_detail' system table for details.";
    assert_eq!(failed(&done), error);
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "0");
    let file = format!("s3://{}/bad", bucket(&db));
    let detail = "SELECT file_name, line_number, column_name, column_type, column_length, error_code, error_message, \
        database_name FROM sys_load_error_detail WHERE query_id = ";
    let id = done.sub_statements()[2].redshift_query_id();
    let row = [&file, "3", "v", "varchar", "3", "1204", "String length exceeds DDL length", &db.name];
    assert_eq!(db.rows_with(&format!("{detail}{id}"), &[]).await, [row]);
    let legacy = "SELECT filename, err_code, err_reason FROM stl_load_errors";
    assert_eq!(db.rows_with(legacy, &[]).await, [[&file, "1204", "String length exceeds DDL length"]]);
    let history =
        "SELECT status, table_name, data_source, error_count FROM sys_load_history ORDER BY query_id";
    let source = |key: &str| format!("s3://{}/{key}", bucket(&db));
    let rows = db.rows_with(history, &[]).await;
    assert_eq!(rows, [["completed", "t", &source("good"), "0"], ["aborted", "t", &source("m"), "1"]]);
}

#[tokio::test]
async fn the_history_counts_loads_rows_and_files() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int)").await;
    put(&db, "in/1", "{\"id\":1}{\"id\":2}");
    put(&db, "in/2", "{\"id\":3}");
    for _ in 0..2 {
        finished(&db.run(&copy(&db, "t", "in/", "JSON 'auto'")).await);
    }
    let sql = format!(
        "SELECT COUNT(*), SUM(loaded_rows), SUM(source_file_count), SUM(loaded_bytes), MAX(file_format) \
         FROM sys_load_history WHERE data_source = 's3://{}/in/' AND status = 'completed' AND duration > 0 \
         AND end_time >= start_time",
        bucket(&db)
    );
    assert_eq!(db.rows_with(&sql, &[]).await, [["2", "6", "4", "48", "json"]]);
}

#[tokio::test]
async fn with_maxerror_the_good_rows_are_loaded() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int)").await;
    let body = "{\"id\":1}\n{\"id\":\"x\"}\n[1]\n{\"id\":2}\n{\"id\":tru}\n{\"id\":3}\n";
    load(&db, "t", body, "JSON 'auto' MAXERROR 4").await;
    assert_eq!(db.one("SELECT SUM(id) FROM t").await, "6");
    let sql = "SELECT line_number, error_code FROM sys_load_error_detail ORDER BY line_number";
    assert_eq!(db.rows_with(sql, &[]).await, [["2", "1207"], ["3", "1216"], ["5", "1216"]]);
    put(&db, "object", body);
    failed(&db.run(&copy(&db, "t", "object", "JSON 'auto' MAXERROR 3")).await);
    assert_eq!(db.one("SELECT SUM(id) FROM t").await, "6");
}

#[tokio::test]
async fn an_object_whose_packing_is_broken_fails_the_load_without_a_line() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int)").await;
    let whole = gzip("{\"id\":1}");
    put(&db, "plain", "{\"id\":1}");
    put(&db, "cut", &whole[..whole.len() - 3]);
    put(&db, "empty", "");
    for (key, packing) in [("plain", "GZIP"), ("plain", "ZSTD"), ("cut", "GZIP")] {
        let error = db.error(&copy(&db, "t", key, &format!("JSON 'auto' {packing} MAXERROR 10"))).await;
        assert!(error.contains(&format!("DETAIL: object: s3://{}/{key}", bucket(&db))), "{error}");
    }
    finished(&db.run(&copy(&db, "t", "empty", "JSON 'auto' ZSTD")).await);
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "0");
    assert_eq!(db.one("SELECT COUNT(*) FROM sys_load_error_detail").await, "0");
}

#[tokio::test]
async fn a_slow_copy_can_be_watched_and_cancelled() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int)").await;
    put(&db, "a", "{\"id\":1}");
    server().await.add_fault(Fault::Delay {
        when: DelayWhen::DuringCopy,
        ms: 60_000,
        times: Some(1),
        database: Some(db.name.clone()),
    });
    let sql = copy(&db, "t", "a", "JSON 'auto'");
    let sent =
        db.client.execute_statement().workgroup_name("local").database(&db.name).sql(&sql).send().await;
    let sent = sent.unwrap();
    let status = "SELECT COALESCE(MAX(status), 'none') FROM sys_load_history";
    let deadline = Instant::now() + Duration::from_secs(30);
    while db.one(status).await != "running" {
        assert!(Instant::now() < deadline, "the load does not start");
    }
    db.client.cancel_statement().id(sent.id().unwrap()).send().await.unwrap();
    assert_eq!(db.describe(sent.id().unwrap()).await.status().unwrap().as_str(), "ABORTED");
    assert_eq!(db.one(status).await, "aborted");
    // It may have been cancelled before the fault struck.
    server().await.clear_faults(Some(&db.name));
    finished(&db.run(&sql).await);
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "1");
}

#[tokio::test]
async fn without_an_endpoint_a_copy_fails_and_aws_itself_is_refused() {
    let config =
        Config { s3_endpoint: Some("https://s3.us-east-1.amazonaws.com".into()), ..Config::default() };
    assert!(Server::start(config).await.unwrap_err().to_string().contains("local S3 only"));
    let config = Config {
        s3_endpoint: Some(String::new()),
        postgres_url: Some(server().await.postgres_url("postgres")),
        ..Config::default()
    };
    let server = Server::start(config).await.unwrap();
    server.create_database("without_s3").await.unwrap();
    let db = Db { client: client(&server.endpoint(), "test"), name: "without_s3".into() };
    db.ok("CREATE TABLE t (id int)").await;
    let error = db.error(&copy(&db, "t", "a", "JSON 'auto'")).await;
    assert!(error.contains("AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL"), "{error}");
    server.shutdown().await;
}

#[tokio::test]
async fn a_caller_needs_the_right_to_insert() {
    let db = db().await;
    let server = server().await;
    server.map_caller("AKIDCOPY", "IAMR:copy");
    db.ok("CREATE TABLE t (id int)").await;
    put(&db, "a", "{\"id\":1}");
    let caller = Db { client: client(&server.endpoint(), "AKIDCOPY"), name: db.name.clone() };
    let sql = copy(&db, "t", "a", "JSON 'auto'");
    assert!(caller.error(&sql).await.contains("permission denied for table t"));
    db.ok("GRANT INSERT ON t TO \"IAMR:copy\"").await;
    finished(&caller.run(&sql).await);
    assert_eq!(caller.one("SELECT COUNT(*) FROM sys_load_history").await, "2");
}
