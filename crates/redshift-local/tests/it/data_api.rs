//! The wire: parameters, limits, tokens, waiting, results, listing, cancelling.

use std::time::{Duration, Instant};

use aws_sdk_redshiftdata::types::{StatementStatusString, StatusString};

use crate::common::{client, db, failed, finished, sdk_parameters, server, text};

#[tokio::test]
async fn parameters_arrive_as_they_are_whatever_they_contain() {
    let db = db().await;
    db.ok("CREATE TABLE t (v varchar(200))").await;
    let values = [
        "O'Brien",
        "''",
        "\\",
        "\\'",
        "'; DROP TABLE t; --",
        "a\\nb",
        "a\nb",
        ":x ::int",
        "NULL",
        "$$",
        "ü€𝄞",
        "E'x'",
    ];
    for value in values {
        let done = db.run_with("INSERT INTO t (v) VALUES (:value)", &[("value", value)]).await;
        finished(&done);
        let rows = db.rows_with("SELECT v FROM t WHERE v = :v", &[("v", value)]).await;
        assert_eq!(rows, [[value.to_owned()]]);
    }
}

#[tokio::test]
async fn backslashes_in_literals_are_escapes() {
    let db = db().await;
    let sql = r"SELECT CAST('a\'b' AS varchar(9)), CAST('\\' AS varchar(9)), CAST('it''s' AS varchar(9))";
    assert_eq!(db.rows_with(sql, &[]).await, [["a'b", "\\", "it's"]]);
}

#[tokio::test]
async fn a_colon_in_a_literal_a_cast_or_a_name_is_no_parameter() {
    let db = db().await;
    db.ok("CREATE TABLE t (\"a:b\" int)").await;
    db.ok("INSERT INTO t VALUES (1)").await;
    let rows = db.rows_with("SELECT \"a:b\"::bigint, CAST(':x' AS varchar(9)) FROM t -- :y", &[]).await;
    assert_eq!(rows, [["1", ":x"]]);
}

#[tokio::test]
async fn parameters_that_the_api_does_not_take_are_validation_errors() {
    let db = db().await;
    for (sql, parameters, message) in [
        ("SELECT 1", vec![("a", "1")], "is not used"),
        ("SELECT :b", vec![], "has no value"),
        ("SELECT :a", vec![("a", "")], "is empty"),
        ("SELECT :a", vec![("a-b", "1")], "[0-9a-zA-Z_]+"),
        ("SELECT 1; SELECT 2", vec![], "exactly one statement"),
        ("", vec![], "exactly one statement"),
    ] {
        let request = db.client.execute_statement().workgroup_name("local").database(&db.name).sql(sql);
        let error = request
            .set_parameters(sdk_parameters(&parameters))
            .send()
            .await
            .unwrap_err()
            .into_service_error();
        assert!(error.is_validation_exception(), "{error:?}");
        assert!(format!("{error:?}").contains(message), "{error:?}");
    }
}

#[tokio::test]
async fn one_to_forty_statements_of_100_kb_each() {
    let db = db().await;
    let batch = |n: usize| {
        let request = db.client.batch_execute_statement().workgroup_name("local").database(&db.name);
        request.set_sqls(Some(vec!["SELECT 1".to_owned(); n])).wait_time_seconds(30).send()
    };
    assert!(batch(0).await.unwrap_err().into_service_error().is_validation_exception());
    assert!(batch(41).await.unwrap_err().into_service_error().is_validation_exception());
    finished(&db.describe(batch(40).await.unwrap().id().unwrap()).await);

    let sql = |bytes: usize| format!("SELECT 1 /* {} */", "x".repeat(bytes - 15));
    let send = |sql: String| {
        db.client.execute_statement().workgroup_name("local").database(&db.name).sql(sql).send()
    };
    assert_eq!(sql(102_400).len(), 102_400);
    assert!(send(sql(102_400)).await.is_ok());
    assert!(send(sql(102_401)).await.unwrap_err().into_service_error().is_validation_exception());
}

#[tokio::test]
async fn a_client_token_answers_the_same_id_and_runs_once() {
    let db = db().await;
    db.ok("CREATE TABLE t (n int)").await;
    let send = |sql: &str| {
        let request = db.client.execute_statement().workgroup_name("local").database(&db.name);
        request.sql(sql).client_token("token").wait_time_seconds(30).send()
    };
    let first = send("INSERT INTO t VALUES (1)").await.unwrap();
    let second = send("INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(first.id(), second.id());
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "1");
    assert!(
        send("INSERT INTO t VALUES (2)").await.unwrap_err().into_service_error().is_validation_exception()
    );
}

#[tokio::test]
async fn wait_time_ends_with_the_statement_or_with_the_time() {
    let db = db().await;
    let started = Instant::now();
    finished(&db.run("SELECT 1").await);
    assert!(started.elapsed() < Duration::from_secs(5));
    let request = db.client.execute_statement().workgroup_name("local").database(&db.name).sql("SELECT 1");
    assert!(request.wait_time_seconds(31).send().await.is_err());
}

#[tokio::test]
async fn values_have_the_field_of_their_type() {
    let db = db().await;
    db.ok(
        "CREATE TABLE t (i int, l bigint, f float8, b boolean, d numeric(10,2), t timestamp, z timestamptz, \
           v varchar, c char(3), s super, x varbyte(4), day date)",
    )
    .await;
    let sql = "INSERT INTO t VALUES (1, 2, 1.5, true, 3.10, '2024-01-02 03:04:05.678901', '2024-01-02 03:04:05+01', \
               'v', 'c', JSON_PARSE('{\"a\": [1, 2.50]}'), FROM_HEX('0aff'), '2024-02-29')";
    db.ok(sql).await;
    let done = db.run("SELECT * FROM t").await;
    let result = db.client.get_statement_result().id(done.id()).send().await.unwrap();
    let row: Vec<_> = result.records()[0].iter().map(text).collect();
    let expected = [
        "1",
        "2",
        "1.5",
        "true",
        "3.10",
        "2024-01-02 03:04:05.678901",
        "2024-01-02 02:04:05+00",
        "v",
        "c  ",
        "{\"a\":[1,2.50]}",
        "0aff",
        "2024-02-29",
    ];
    assert_eq!(row, expected);
    let types: Vec<_> = result.column_metadata().iter().map(|c| c.type_name().unwrap()).collect();
    let expected = [
        "int4",
        "int8",
        "float8",
        "bool",
        "numeric",
        "timestamp",
        "timestamptz",
        "varchar",
        "bpchar",
        "super",
        "varbyte",
        "date",
    ];
    assert_eq!(types, expected);
    assert!(result.records()[0][0].is_long_value() && result.records()[0][2].is_double_value());
    assert_eq!(result.column_metadata()[4].scale(), 2);
}

#[tokio::test]
async fn results_come_page_by_page() {
    let db = db().await;
    let sql =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) SELECT i FROM n";
    let done = db.run(sql).await;
    finished(&done);
    assert_eq!((done.result_rows(), done.has_result_set()), (2500, Some(true)));
    let mut seen = Vec::new();
    let mut pages = db.client.get_statement_result().id(done.id()).into_paginator().send();
    while let Some(page) = pages.next().await {
        let page = page.unwrap();
        assert_eq!(page.total_num_rows(), 2500);
        seen.extend(page.records().iter().map(|row| text(&row[0]).parse::<i32>().unwrap()));
    }
    assert_eq!(seen, (1..=2500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_batch_has_its_results_at_its_statements() {
    let db = db().await;
    let done =
        db.batch(&["CREATE TABLE t (n int)", "INSERT INTO t VALUES (1), (2)", "SELECT SUM(n) FROM t"]).await;
    finished(&done);
    let parts = done.sub_statements();
    assert_eq!(parts[1].result_rows(), 2);
    assert_eq!(parts[2].id(), format!("{}:3", done.id()));
    assert!(parts[2].has_result_set().unwrap() && parts[2].duration() > 0);
    let get = |id: String| db.client.get_statement_result().id(id).send();
    assert_eq!(text(&get(parts[2].id().to_owned()).await.unwrap().records()[0][0]), "3");
    let error = get(done.id().to_owned()).await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception());
    assert_eq!(db.describe(parts[1].id()).await.result_rows(), 2);
}

#[tokio::test]
async fn listing_shows_what_finished_by_case_sensitive_prefix() {
    let db = db().await;
    for (name, sql) in
        [("Load-1", "SELECT 1"), ("Load-2", "SELECT 2"), ("load-3", "SELECT 3"), ("Load-4", "SELECT x")]
    {
        let request = db.client.execute_statement().workgroup_name("local").database(&db.name).sql(sql);
        request.statement_name(name).wait_time_seconds(30).send().await.unwrap();
    }
    let list = || db.client.list_statements().database(&db.name).statement_name("Load-");
    let names = |page: &aws_sdk_redshiftdata::operation::list_statements::ListStatementsOutput| {
        page.statements().iter().map(|s| s.statement_name().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&list().send().await.unwrap()), ["Load-2", "Load-1"]);
    assert_eq!(
        names(&list().status(StatusString::All).send().await.unwrap()),
        ["Load-4", "Load-2", "Load-1"]
    );
    let first = list().max_results(1).send().await.unwrap();
    let second =
        list().max_results(1).set_next_token(first.next_token().map(Into::into)).send().await.unwrap();
    assert_eq!((names(&first), names(&second)), (vec!["Load-2".into()], vec!["Load-1".into()]));
    assert_eq!(second.next_token(), None);
}

#[tokio::test]
async fn a_cancelled_statement_is_aborted_and_leaves_nothing() {
    let db = db().await;
    db.ok("CREATE TABLE t (n int)").await;
    server().await.add_fault(redshift_local::Fault::Delay {
        when: redshift_local::DelayWhen::BeforeCommit,
        ms: 60_000,
        times: Some(1),
        database: Some(db.name.clone()),
    });
    let request = db.client.batch_execute_statement().workgroup_name("local").database(&db.name);
    let sent = request.sqls("INSERT INTO t VALUES (1)").send().await.unwrap();
    let id = sent.id().unwrap();
    let cancelled = db.client.cancel_statement().id(id).send().await.unwrap();
    assert_eq!(cancelled.status(), Some(true));
    assert_eq!(db.describe(id).await.status(), Some(&StatusString::Aborted));
    // It may have been stopped before the delay.
    server().await.clear_faults(Some(&db.name));
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "0");
}

#[tokio::test]
async fn unknown_databases_ids_and_operations_are_told() {
    let db = db().await;
    let request = db.client.execute_statement().workgroup_name("local").database("nowhere").sql("SELECT 1");
    let id = request.wait_time_seconds(30).send().await.unwrap().id().unwrap().to_owned();
    assert!(failed(&db.describe(&id).await).contains("database \"nowhere\" does not exist"));
    let unknown = db.client.describe_statement().id("00000000-0000-0000-0000-000000000000").send().await;
    assert!(unknown.unwrap_err().into_service_error().is_resource_not_found_exception());
    let other = db.client.list_databases().workgroup_name("local").database("dev").send().await.unwrap_err();
    assert!(format!("{other:?}").contains("UnknownOperationException"), "{other:?}");
    let session = db.client.execute_statement().workgroup_name("local").database(&db.name).sql("SELECT 1");
    assert!(session.session_keep_alive_seconds(60).send().await.is_err());
}

#[tokio::test]
async fn in_auto_commit_each_statement_stands_alone() {
    let db = db().await;
    db.ok("CREATE TABLE t (n int)").await;
    let request = db.client.batch_execute_statement().workgroup_name("local").database(&db.name);
    let sqls = ["INSERT INTO t VALUES (1)", "INSERT INTO nowhere VALUES (1)", "INSERT INTO t VALUES (2)"];
    let request = request.set_sqls(Some(sqls.map(str::to_owned).to_vec()));
    let mode = aws_sdk_redshiftdata::types::ExecutionMode::AutoCommit;
    let sent = request.execution_mode(mode).wait_time_seconds(30).send().await.unwrap();
    let done = db.describe(sent.id().unwrap()).await;
    assert!(failed(&done).contains("relation \"nowhere\" does not exist"));
    let statuses: Vec<_> = done.sub_statements().iter().map(|s| s.status().unwrap().clone()).collect();
    use StatementStatusString as S;
    assert_eq!(statuses, [S::Finished, S::Failed, S::Finished]);
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "2");
}

#[tokio::test]
async fn a_mapped_caller_has_its_users_grants_and_no_more() {
    let db = db().await;
    let server = server().await;
    let user = format!("IAMR:Loader-{}", db.name);
    server.map_caller("AKIDLOADER", &user);
    let mapped =
        crate::common::Db { client: client(&server.endpoint(), "AKIDLOADER"), name: db.name.clone() };
    db.ok(&format!("CREATE USER \"{user}\" PASSWORD DISABLE")).await;
    db.ok("CREATE SCHEMA s").await;
    db.ok("CREATE TABLE s.t (n int)").await;
    db.ok("CREATE PROCEDURE s.p() AS $$ BEGIN INSERT INTO s.t VALUES (7); END $$ LANGUAGE plpgsql").await;
    assert!(mapped.error("SELECT * FROM s.t").await.contains("permission denied for schema s"));
    db.ok(&format!("GRANT USAGE ON SCHEMA s TO \"{user}\"")).await;
    db.ok(&format!("GRANT SELECT, INSERT ON TABLE s.t TO \"{user}\"")).await;
    assert!(mapped.error("CALL s.p()").await.contains("permission denied for procedure p"));
    db.ok(&format!("GRANT EXECUTE ON PROCEDURE s.p() TO \"{user}\"")).await;
    mapped.ok("CALL s.p()").await;
    mapped.ok("CREATE TEMP TABLE mine (n int)").await;
    assert_eq!(mapped.one("SELECT n FROM s.t").await, "7");
    assert_eq!(mapped.one("SELECT current_user").await, user);
    assert!(mapped.error("DELETE FROM s.t").await.contains("permission denied for table t"));
    assert!(mapped.error("LOCK TABLE s.t").await.contains("permission denied for table t"));
    assert_eq!(db.one(&format!("SELECT COUNT(*) FROM pg_user WHERE usename = '{user}'")).await, "1");
}
