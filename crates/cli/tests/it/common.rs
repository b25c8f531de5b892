//! A directory of contracts, a run of the binary, and a warehouse: one server for all tests, a database for each.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::config::{BehaviorVersion, Credentials, Region};
use penstock_aws::warehouse::{Compute, Warehouse, WarehouseTarget};
use redshift_local::{Config, Server};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// The contract that the project deploys.
pub const TRANSACTIONS: &str = include_str!("../../../../infra/contracts/transactions.odcs.yaml");

static SERVER: OnceCell<Server> = OnceCell::const_new();
static COUNT: AtomicU32 = AtomicU32::new(0);

/// What a run printed and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// Runs the binary with nothing in its environment but `env`.
pub fn penstock(directory: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Run {
    let mut command = Command::new(env!("CARGO_BIN_EXE_penstock"));
    command.args(arguments).current_dir(directory).env_clear().envs(env.iter().copied());
    command.output().unwrap().into()
}

/// A directory with contracts.
pub fn contracts(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

/// The project's contract with each `from` replaced; a `from` that is not there fails the test.
pub fn transactions(changes: &[(&str, &str)]) -> String {
    let mut text = TRANSACTIONS.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from:?} is not in the contract");
        text = text.replacen(from, to, 1);
    }
    text
}

/// A second dataset beside the project's.
pub fn payments() -> String {
    transactions(&[
        ("name: transactions\nversion", "name: payments\nversion"),
        ("queue/transactions/", "queue/payments/"),
        ("- name: transactions\n    logicalType", "- name: payments\n    logicalType"),
    ])
}

/// The project's contract with one more column.
pub fn with_branch(required: bool) -> String {
    let note = "      - name: note\n";
    let branch = format!(
        "      - name: branch\n        logicalType: string\n        physicalType: varchar(8)\n        required: {required}\n{note}"
    );
    transactions(&[(note, &branch)])
}

/// A new database with the project's table.
pub async fn migrated() -> Db {
    let db = db().await;
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let run = db.penstock(directory.path(), &["migrate", "."]);
    assert_eq!(run.code, 0, "{}", run.err);
    db
}

/// A database of its own.
pub struct Db {
    pub server: &'static Server,
    pub name: String,
}

/// A new database.
pub async fn db() -> Db {
    let server = SERVER.get_or_init(|| async { Server::start(Config::default()).await.unwrap() }).await;
    let name = format!("cli_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    server.create_database(&name).await.unwrap();
    Db { server, name }
}

impl Db {
    /// Runs the binary against this database.
    pub fn penstock(&self, directory: &Path, arguments: &[&str]) -> Run {
        self.penstock_with(directory, arguments, &[("DATABASE", &self.name)])
    }

    /// The same with other variables.
    pub fn penstock_with(&self, directory: &Path, arguments: &[&str], more: &[(&str, &str)]) -> Run {
        let endpoint = self.server.endpoint();
        let mut env = vec![
            ("WORKGROUP_NAME", "local"),
            ("AWS_ENDPOINT_URL_REDSHIFT_DATA", endpoint.as_str()),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "admin"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        env.extend(more);
        penstock(directory, arguments, &env)
    }

    /// The warehouse as an access key sees it.
    pub fn warehouse(&self, access_key: &str) -> Warehouse {
        let compute = Compute::Workgroup("local".into());
        Warehouse::new(self.client(access_key), WarehouseTarget { compute, secret_arn: None })
    }

    /// The Data API as an access key calls it.
    pub fn client(&self, access_key: &str) -> Client {
        let config = aws_sdk_redshiftdata::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new(access_key, "secret", None, None, "test"))
            .endpoint_url(self.server.endpoint())
            .build();
        Client::from_conf(config)
    }

    /// Runs a statement as the administrator.
    pub async fn sql(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.warehouse("admin").execute(&self.name, sql).await.unwrap()
    }

    /// All that the catalog says of tables, views, columns, procedures and grants.
    pub async fn catalog(&self) -> Vec<Vec<Option<String>>> {
        let mut all = Vec::new();
        for sql in [
            "SELECT table_schema, table_name, table_type FROM svv_tables ORDER BY 1, 2",
            "SELECT table_schema, table_name, column_name, data_type, character_maximum_length, is_nullable \
             FROM svv_columns ORDER BY table_schema, table_name, ordinal_position",
            "SELECT n.nspname, p.proname, p.prosrc, CAST(p.proacl AS varchar(1000)) FROM pg_proc p \
             JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('tgt', 'penstock') ORDER BY 1, 2",
            "SELECT n.nspname, c.relname, CAST(c.relacl AS varchar(1000)) FROM pg_class c \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('tgt', 'penstock') ORDER BY 1, 2",
            "SELECT nspname, CAST(nspacl AS varchar(1000)) FROM pg_namespace WHERE nspname IN ('tgt', 'penstock') ORDER BY 1",
        ] {
            all.extend(self.sql(sql).await);
        }
        all
    }
}
