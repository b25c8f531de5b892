//! One server for all tests, and a database for each.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::types::{Field, SqlParameter, StatusString};
use redshift_local::{Config, Server};
use tokio::sync::OnceCell;

use crate::s3_stub::stub;

static SERVER: OnceCell<Server> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The server of this test binary.
pub async fn server() -> &'static Server {
    let config = || Config { s3_endpoint: Some(stub().endpoint.clone()), ..Config::default() };
    SERVER.get_or_init(|| async { Server::start(config()).await.unwrap() }).await
}

/// A client with its own database.
pub struct Db {
    pub client: Client,
    pub name: String,
}

/// A client for an endpoint, as an access key.
pub fn client(endpoint: &str, access_key: &str) -> Client {
    let config = aws_sdk_redshiftdata::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new(access_key, "secret", None, None, "test"))
        .endpoint_url(endpoint)
        .build();
    Client::from_conf(config)
}

/// A new database with a client for it.
pub async fn db() -> Db {
    let server = server().await;
    let name = format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).await.unwrap();
    Db { client: client(&server.endpoint(), "test"), name }
}

impl Db {
    /// Runs a batch to its end.
    pub async fn batch(&self, sqls: &[&str]) -> DescribeStatementOutput {
        self.batch_with(sqls, &[]).await
    }

    pub async fn batch_with(&self, sqls: &[&str], parameters: &[(&str, &str)]) -> DescribeStatementOutput {
        let request = self.client.batch_execute_statement().workgroup_name("local").database(&self.name);
        let request = request.set_sqls(Some(sqls.iter().map(|s| s.to_string()).collect()));
        let sent =
            request.set_parameters(sdk_parameters(parameters)).wait_time_seconds(30).send().await.unwrap();
        self.describe(sent.id().unwrap()).await
    }

    /// Runs one statement to its end.
    pub async fn run(&self, sql: &str) -> DescribeStatementOutput {
        self.run_with(sql, &[]).await
    }

    pub async fn run_with(&self, sql: &str, parameters: &[(&str, &str)]) -> DescribeStatementOutput {
        let request = self.client.execute_statement().workgroup_name("local").database(&self.name).sql(sql);
        let sent =
            request.set_parameters(sdk_parameters(parameters)).wait_time_seconds(30).send().await.unwrap();
        self.describe(sent.id().unwrap()).await
    }

    pub async fn describe(&self, id: &str) -> DescribeStatementOutput {
        self.client.describe_statement().id(id).wait_time_seconds(30).send().await.unwrap()
    }

    /// Runs a statement that must finish.
    pub async fn ok(&self, sql: &str) {
        finished(&self.run(sql).await);
    }

    /// The first column of the first row, as text.
    pub async fn one(&self, sql: &str) -> String {
        self.rows_with(sql, &[]).await[0][0].clone()
    }

    pub async fn rows_with(&self, sql: &str, parameters: &[(&str, &str)]) -> Vec<Vec<String>> {
        let done = self.run_with(sql, parameters).await;
        finished(&done);
        let result = self.client.get_statement_result().id(done.id()).send().await.unwrap();
        result.records().iter().map(|row| row.iter().map(text).collect()).collect()
    }

    /// The error of a statement that must fail.
    pub async fn error(&self, sql: &str) -> String {
        failed(&self.run(sql).await)
    }
}

pub fn sdk_parameters(parameters: &[(&str, &str)]) -> Option<Vec<SqlParameter>> {
    let build =
        |(name, value): &(&str, &str)| SqlParameter::builder().name(*name).value(*value).build().unwrap();
    (!parameters.is_empty()).then(|| parameters.iter().map(build).collect())
}

pub fn finished(done: &DescribeStatementOutput) {
    assert_eq!(done.status(), Some(&StatusString::Finished), "{:?}", done.error());
}

pub fn failed(done: &DescribeStatementOutput) -> String {
    assert_eq!(done.status(), Some(&StatusString::Failed), "{done:?}");
    done.error().unwrap().to_owned()
}

pub fn text(field: &Field) -> String {
    match field {
        Field::StringValue(text) => text.clone(),
        Field::LongValue(n) => n.to_string(),
        Field::DoubleValue(n) => n.to_string(),
        Field::BooleanValue(b) => b.to_string(),
        Field::IsNull(_) => "NULL".to_owned(),
        other => format!("{other:?}"),
    }
}
