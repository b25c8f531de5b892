//! Faults strike where they are asked for, as often as asked.

use aws_sdk_redshiftdata::error::ProvideErrorMetadata;
use redshift_local::Fault;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{client, db, failed, finished, server};

fn fail(
    db: &str,
    contains: Option<&str>,
    kind: Option<&str>,
    sqlstate: Option<&str>,
    error: Option<&str>,
) -> Fault {
    Fault::Fail {
        contains: contains.map(Into::into),
        kind: kind.map(Into::into),
        skip: 0,
        error: error.map(Into::into),
        sqlstate: sqlstate.map(Into::into),
        times: None,
        database: Some(db.to_owned()),
    }
}

#[tokio::test]
async fn a_chosen_statement_fails_once() {
    let db = db().await;
    let server = server().await;
    db.ok("CREATE TABLE t (n int)").await;
    server.add_fault(fail(&db.name, Some("INTO t"), None, Some("40001"), None));
    let sqls = ["SELECT 1", "INSERT INTO t VALUES (1)"];
    assert!(failed(&db.batch(&sqls).await).starts_with("ERROR: 1023 DETAIL: Serializable"));
    finished(&db.batch(&sqls).await);
    server.add_fault(fail(&db.name, None, Some("insert"), None, Some("disk full")));
    assert_eq!(failed(&db.batch(&sqls).await), "ERROR: disk full");
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "1");
}

#[tokio::test]
async fn a_lost_answer_has_committed_and_the_retry_finds_it_by_token() {
    let db = db().await;
    db.ok("CREATE TABLE t (n int)").await;
    server().await.add_fault(Fault::LoseAnswer {
        operation: "BatchExecuteStatement".into(),
        times: None,
        database: Some(db.name.clone()),
    });
    // The SDK retries a server error by itself, with the same token.
    let request = db.client.batch_execute_statement().workgroup_name("local").database(&db.name);
    let sent = request.sqls("INSERT INTO t VALUES (1)").client_token("once").send().await.unwrap();
    finished(&db.describe(sent.id().unwrap()).await);
    assert_eq!(db.one("SELECT COUNT(*) FROM t").await, "1");
}

#[tokio::test]
async fn throttling_answers_the_exception_that_was_asked_for() {
    let db = db().await;
    server().await.add_fault(Fault::Throttle {
        operation: "ExecuteStatement".into(),
        exception: "ActiveStatementsExceededException".into(),
        message: None,
        times: Some(1),
        database: Some(db.name.clone()),
    });
    let send =
        || db.client.execute_statement().workgroup_name("local").database(&db.name).sql("SELECT 1").send();
    let error = send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("ActiveStatementsExceededException"));
    assert!(send().await.is_ok());
}

#[tokio::test]
async fn the_log_has_the_statements_without_the_values() {
    let db = db().await;
    db.ok("CREATE TABLE t (v varchar(20))").await;
    finished(&db.run_with("INSERT INTO t VALUES (:v)", &[("v", "secret-value")]).await);
    let log: Vec<_> = server()
        .await
        .statements()
        .into_iter()
        .filter(|entry| entry["database"] == db.name.as_str())
        .collect();
    assert_eq!(log[1]["sql"], "INSERT INTO t VALUES (:v)");
    assert_eq!(log[1]["status"], "FINISHED");
    assert!(!format!("{log:?}").contains("secret-value"));
}

#[test]
fn faults_read_as_documented() {
    for body in [
        r#"{"fault":"delay","when":"after-lock","ms":200,"times":3,"database":"dev"}"#,
        r#"{"fault":"delay","when":"before-commit","ms":200}"#,
        r#"{"fault":"delay","when":"during-copy","ms":20000,"times":1}"#,
        r#"{"fault":"fail","contains":"INTO t","skip":1,"sqlstate":"40001"}"#,
        r#"{"fault":"fail","kind":"CALL","error":"penstock already loaded 1"}"#,
        r#"{"fault":"lose-answer","operation":"BatchExecuteStatement"}"#,
        r#"{"fault":"throttle","operation":"DescribeStatement","exception":"ThrottlingException","times":2}"#,
    ] {
        serde_json::from_str::<Fault>(body).unwrap();
    }
    assert!(serde_json::from_str::<Fault>(r#"{"fault":"delay","when":"never","ms":1}"#).is_err());
}

/// The status and the body of an administrative call.
async fn admin(method: &str, path: &str, body: &str) -> (u16, String) {
    let endpoint = server().await.endpoint();
    let host = endpoint.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} /_redshift-local/{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn the_administration_answers_over_http() {
    let server = server().await;
    assert_eq!(admin("GET", "health", "").await, (200, "ok".to_owned()));
    assert_eq!(admin("POST", "databases", r#"{"name":"over_http"}"#).await.0, 201);
    let (status, text) = admin("POST", "databases", r#"{"name":"over_http"}"#).await;
    assert!(status == 409 && text.contains("already exists"), "{text}");
    assert_eq!(admin("POST", "databases", r#"{"name":"Bad-Name"}"#).await.0, 409);
    let body = r#"{"access_key_id":"AKIDHTTP","user":"IAMR:over-http"}"#;
    assert_eq!(admin("POST", "callers", body).await.0, 204);
    let db = crate::common::Db { client: client(&server.endpoint(), "AKIDHTTP"), name: "over_http".into() };
    assert_eq!(db.one("SELECT current_user").await, "IAMR:over-http");
    let body = r#"{"fault":"fail","kind":"SELECT","error":"by http","database":"over_http"}"#;
    assert_eq!(admin("POST", "faults", body).await.0, 201);
    assert!(admin("GET", "faults", "").await.1.contains("by http"));
    assert_eq!(db.error("SELECT 1").await, "ERROR: by http");
    assert_eq!(admin("POST", "faults", "{}").await.0, 400);
    assert!(admin("GET", "statements", "").await.1.contains("over_http"));
    assert_eq!(admin("DELETE", "faults?database=over_http", "").await.0, 204);
}
