//! The queue route as a test has it: buckets, a FIFO queue, a warehouse database made by the project's own DDL, and
//! both functions as bootstraps. It knows the functions by their binaries and the warehouse by its Data API.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use penstock_aws::contracts::load_contracts;
use penstock_aws::vars::Vars;
use penstock_aws::warehouse::{Warehouse, WarehouseTarget};
use penstock_core::sql::{Ident, ledger_view, migration};
use redshift_local::Server;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{Bootstrap, Bucket, EventFile, MiniStack, Queue, SqsBatch, until, workspace_root};

/// The function that reads objects.
pub const READER: &str = "s3-to-sqs-fifo";
/// The function that loads rows.
pub const LOADER: &str = "sqs-fifo-to-redshift";

static WAREHOUSE: OnceCell<Server> = OnceCell::const_new();

/// The local Redshift of this test process; every route has a database of its own in it.
pub async fn warehouse() -> anyhow::Result<&'static Server> {
    let start = || async { Server::start(redshift_local::Config::default()).await.context("redshift-local") };
    WAREHOUSE.get_or_try_init(start).await
}

/// The queue route of one test.
#[derive(Debug)]
pub struct Route {
    /// Where files are dropped.
    pub landing: Bucket,
    /// Receipts.
    pub work: Bucket,
    /// Rejects.
    pub quarantine: Bucket,
    /// Rows on their way.
    pub queue: Queue,
    /// Name of the database.
    pub database: String,
    /// The local Redshift.
    pub redshift: &'static Server,
    /// Variables of both functions.
    pub vars: Vec<(String, String)>,
    /// s3-to-sqs-fifo.
    pub reader: Bootstrap,
    /// sqs-fifo-to-redshift.
    pub loader: Bootstrap,
    sql: Warehouse,
}

impl Route {
    /// The route with the project's own contracts.
    pub async fn start() -> anyhow::Result<Self> {
        Self::with_contracts(&workspace_root().join("infra/contracts")).await
    }

    /// The route with the contracts of a directory.
    pub async fn with_contracts(contracts: &Path) -> anyhow::Result<Self> {
        let cloud = MiniStack::shared().await?;
        let redshift = warehouse().await?;
        let database = cloud.unique_name("db").replace('-', "_");
        redshift.create_database(&database).await.context("database")?;
        let (landing, work, quarantine) = (
            cloud.create_bucket("landing").await?,
            cloud.create_bucket("work").await?,
            cloud.create_bucket("quarantine").await?,
        );
        let queue = cloud.create_fifo_queue("load").await?;
        let mut vars = cloud.function_vars();
        for (name, value) in [
            ("AWS_ENDPOINT_URL_REDSHIFT_DATA", redshift.endpoint()),
            ("CONTRACTS_DIR", contracts.display().to_string()),
            ("LANDING_BUCKET", landing.name.clone()),
            ("WORK_BUCKET", work.name.clone()),
            ("QUARANTINE_BUCKET", quarantine.name.clone()),
            ("LOAD_QUEUE_URL", queue.url.clone()),
            ("WORKGROUP_NAME", "local".to_owned()),
            ("DATABASE", database.clone()),
        ] {
            vars.push((name.to_owned(), value));
        }
        let sql = sql_client(cloud, redshift, &vars).await?;
        migrate(contracts, &sql, &database).await?;
        let reader = Bootstrap::start(READER, vars.clone()).await?;
        let loader = Bootstrap::start(LOADER, vars.clone()).await?;
        Ok(Self { landing, work, quarantine, queue, database, redshift, vars, reader, loader, sql })
    }

    /// Puts an object and gives its event, as it stands in the SQS batch of the reader's queue.
    pub async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<Value> {
        let body = body.into();
        let size = body.len();
        let etag = self.landing.put(key, body).await?;
        let event = EventFile::load("sqs-s3-put.json")?
            .in_bucket(&self.landing.name)
            .with_key(key)
            .with_object(key, size, &etag);
        Ok(event.json().clone())
    }

    /// Puts an object and has the reader deliver it; nothing may be given back.
    pub async fn read(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<()> {
        let event = self.put(key, body).await?;
        let answer = self.reader.invoke(&event).await?;
        anyhow::ensure!(failures(&answer).is_empty(), "the reader gave back {answer}");
        Ok(())
    }

    /// Loads until the queue is empty, as Lambda's event source does; gives the number of invocations.
    pub async fn load_all(&self) -> anyhow::Result<usize> {
        let mut invocations = 0;
        until("the queue to be empty", Duration::from_secs(120), async || {
            let batch = self.queue.receive(10).await?;
            if batch.is_empty() {
                return Ok((self.queue.depth().await? == 0).then_some(()));
            }
            invocations += 1;
            self.load(batch).await?;
            Ok(None)
        })
        .await?;
        Ok(invocations)
    }

    /// One batch through the loader, settled by its answer; gives the ids that were given back.
    pub async fn load(&self, batch: SqsBatch) -> anyhow::Result<Vec<String>> {
        let answer = self.loader.invoke(&batch.event).await?;
        Ok(self.queue.settle(batch, &answer).await?.into_iter().collect())
    }

    /// Rows of a query as texts.
    pub async fn sql(&self, sql: &str) -> anyhow::Result<Vec<Vec<Option<String>>>> {
        self.sql.execute(&self.database, sql).await.with_context(|| sql.to_owned())
    }

    /// Rows of a query as one text each, NULL as `null`, columns with `|` between.
    pub async fn lines(&self, sql: &str) -> anyhow::Result<Vec<String>> {
        let text = |value: Option<String>| value.unwrap_or_else(|| "null".into());
        let rows = self.sql(sql).await?;
        Ok(rows.into_iter().map(|row| row.into_iter().map(text).collect::<Vec<_>>().join("|")).collect())
    }

    /// The one number that a query gives.
    pub async fn number(&self, sql: &str) -> anyhow::Result<i64> {
        let rows = self.sql(sql).await?;
        let first = rows.first().and_then(|row| row.first()).and_then(|value| value.clone());
        first.with_context(|| format!("{sql} gave nothing"))?.parse().context("a number")
    }

    /// Every line of the quarantine bucket, keys in order.
    pub async fn quarantined(&self) -> anyhow::Result<Vec<Value>> {
        let mut lines = Vec::new();
        for key in self.quarantine.list("").await? {
            let mut text = String::new();
            let packed = self.quarantine.get(&key).await?;
            std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&packed[..]), &mut text)?;
            for line in text.lines() {
                lines.push(serde_json::from_str(line).with_context(|| key.clone())?);
            }
        }
        Ok(lines)
    }

    /// The rules of every quarantined line, in order.
    pub async fn quarantined_rules(&self) -> anyhow::Result<Vec<String>> {
        let lines = self.quarantined().await?;
        let rules = lines.iter().flat_map(|line| line["rules"].as_array().into_iter().flatten());
        Ok(rules.filter_map(|rule| rule["rule"].as_str().map(str::to_owned)).collect())
    }

    /// Every receipt, keys in order; each must balance.
    pub async fn receipts(&self) -> anyhow::Result<Vec<Value>> {
        let mut receipts = Vec::new();
        for key in self.work.list("receipts/").await? {
            let receipt: Value = serde_json::from_slice(&self.work.get(&key).await?)?;
            let count = |name: &str| receipt[name].as_u64().unwrap_or(u64::MAX / 8);
            let accounted = count("rejected") + count("duplicate") + count("sent");
            anyhow::ensure!(count("read") == accounted, "{key} does not balance: {receipt}");
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    /// Holds a dataset's ledger to its table: each line balances, and what was inserted is what is there.
    pub async fn check_ledger(&self, table: &str) -> anyhow::Result<()> {
        let unbalanced = format!(
            "SELECT COUNT(*) FROM penstock.objects_{table} WHERE n_read <> \
             n_inserted + n_updated + n_unchanged + n_duplicate + n_rejected"
        );
        anyhow::ensure!(self.number(&unbalanced).await? == 0, "ledger lines do not balance");
        let inserted = format!("SELECT COALESCE(SUM(n_inserted), 0) FROM penstock.objects_{table}");
        let (inserted, rows) =
            (self.number(&inserted).await?, self.number(&format!("SELECT COUNT(*) FROM tgt.{table}")).await?);
        anyhow::ensure!(inserted == rows, "the ledger says {inserted} inserted, the table has {rows}");
        let twice = format!(
            "SELECT COUNT(*) FROM (SELECT _record_id FROM tgt.{table} GROUP BY _record_id HAVING COUNT(*) > 1) d"
        );
        anyhow::ensure!(self.number(&twice).await? == 0, "records stand twice");
        Ok(())
    }
}

/// Ids of a partial batch answer.
pub fn failures(answer: &Value) -> Vec<String> {
    let items = answer["batchItemFailures"].as_array().into_iter().flatten();
    items.filter_map(|item| item["itemIdentifier"].as_str().map(str::to_owned)).collect()
}

async fn sql_client(
    cloud: &MiniStack,
    redshift: &Server,
    vars: &[(String, String)],
) -> anyhow::Result<Warehouse> {
    let config = cloud.sdk_config().await;
    let config =
        aws_sdk_redshiftdata::config::Builder::from(&config).endpoint_url(redshift.endpoint()).build();
    let lookup = |name: &str| vars.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    let target = WarehouseTarget::from_vars(&Vars::new(&lookup))?;
    Ok(Warehouse::new(aws_sdk_redshiftdata::Client::from_conf(config), target))
}

/// Creates what `penstock migrate` creates.
async fn migrate(contracts: &Path, sql: &Warehouse, database: &str) -> anyhow::Result<()> {
    let schema = Ident::new("tgt")?;
    let set = load_contracts(contracts)?;
    let mut tables = Vec::new();
    for contract in set.iter() {
        for statement in migration(contract, &schema)? {
            sql.execute(database, &statement).await.with_context(|| statement.clone())?;
        }
        tables.push(contract.table.clone());
    }
    sql.execute(database, &ledger_view(&tables)?).await?;
    Ok(())
}

/// A directory with the project's contracts and those given (file name, text), for `Route::with_contracts`.
pub fn contracts_with(extra: &[(&str, &str)]) -> anyhow::Result<(tempfile::TempDir, PathBuf)> {
    let scratch = tempfile::tempdir()?;
    let own = workspace_root().join("infra/contracts");
    for entry in std::fs::read_dir(own)? {
        let path = entry?.path();
        std::fs::copy(&path, scratch.path().join(path.file_name().context("a file")?))?;
    }
    for (name, text) in extra {
        std::fs::write(scratch.path().join(name), text)?;
    }
    let path = scratch.path().to_owned();
    Ok((scratch, path))
}
