//! The queue route as a test has it: buckets, a FIFO queue, a warehouse database made by the project's own DDL, and
//! both functions as bootstraps. It knows the functions by their binaries and the warehouse by its Data API.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use penstock_aws::contracts::load_contracts;
use penstock_core::sql::{Ident, ledger_view, migration};
use redshift_local::Server;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::results::{Results, WORKGROUP};
use crate::{Bootstrap, Bucket, MiniStack, Queue, SqsBatch, workspace_root};

/// The function that reads objects.
pub const READER: &str = "s3-to-sqs-fifo";
/// The function that loads rows.
pub const LOADER: &str = "sqs-fifo-to-redshift";

static WAREHOUSE: OnceCell<Server> = OnceCell::const_new();

/// The local Redshift of this test process; every route has a database of its own in it.
pub async fn warehouse() -> anyhow::Result<&'static Server> {
    warehouse_of(MiniStack::shared().await?).await
}

/// The same, with files from the S3 of this cloud: whoever asks first in a test process decides.
pub(crate) async fn warehouse_of(cloud: &MiniStack) -> anyhow::Result<&'static Server> {
    let start = || async {
        let s3_endpoint = Some(cloud.endpoint().to_owned());
        let config = redshift_local::Config { s3_endpoint, ..redshift_local::Config::default() };
        Server::start(config).await.context("redshift-local")
    };
    WAREHOUSE.get_or_try_init(start).await
}

/// The queue route of one test; it is asked for its [`Results`] directly.
#[derive(Debug)]
pub struct Route {
    /// Where files are dropped.
    pub landing: Bucket,
    /// Rows on their way.
    pub queue: Queue,
    /// The local Redshift.
    pub redshift: &'static Server,
    /// Variables of both functions.
    pub vars: Vec<(String, String)>,
    /// s3-to-sqs-fifo.
    pub reader: Bootstrap,
    /// sqs-fifo-to-redshift.
    pub loader: Bootstrap,
    results: Results,
}

impl Deref for Route {
    type Target = Results;

    fn deref(&self) -> &Results {
        &self.results
    }
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
            ("WORKGROUP_NAME", WORKGROUP.to_owned()),
            ("DATABASE", database.clone()),
        ] {
            vars.push((name.to_owned(), value));
        }
        let results = Results::new(cloud, redshift, &database, [work, quarantine]).await?;
        migrate(contracts, &results).await?;
        let reader = Bootstrap::start(READER, vars.clone()).await?;
        let loader = Bootstrap::start(LOADER, vars.clone()).await?;
        Ok(Self { landing, queue, redshift, vars, reader, loader, results })
    }

    /// Puts an object and gives its event, as it stands in the SQS batch of the reader's queue.
    pub async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<Value> {
        self.landing.put_for_event(key, body).await
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
        self.queue.work_off(async |event| self.loader.invoke(event).await).await
    }

    /// One batch through the loader, settled by its answer; gives the ids that were given back.
    pub async fn load(&self, batch: SqsBatch) -> anyhow::Result<Vec<String>> {
        let answer = self.loader.invoke(&batch.event).await?;
        Ok(self.queue.settle(batch, &answer).await?.into_iter().collect())
    }
}

/// Ids of a partial batch answer.
pub fn failures(answer: &Value) -> Vec<String> {
    let items = answer["batchItemFailures"].as_array().into_iter().flatten();
    items.filter_map(|item| item["itemIdentifier"].as_str().map(str::to_owned)).collect()
}

/// Creates what `penstock migrate` creates.
pub(crate) async fn migrate(contracts: &Path, results: &Results) -> anyhow::Result<()> {
    let schema = Ident::new("tgt")?;
    let set = load_contracts(contracts)?;
    let mut tables = Vec::new();
    for contract in set.iter().filter(|own| !own.is_binary()) {
        for statement in migration(contract, &schema)? {
            results.sql(&statement).await?;
        }
        tables.push(contract.table.clone());
    }
    results.sql(&ledger_view(&tables)?).await?;
    Ok(())
}

/// A directory `contracts` with the project's contracts and those given (file name, text).
pub fn contracts_with(extra: &[(&str, &str)]) -> anyhow::Result<(tempfile::TempDir, PathBuf)> {
    let scratch = tempfile::tempdir()?;
    let contracts = scratch.path().join("contracts");
    std::fs::create_dir(&contracts)?;
    for entry in std::fs::read_dir(workspace_root().join("infra/contracts"))? {
        let path = entry?.path();
        std::fs::copy(&path, contracts.join(path.file_name().context("a file")?))?;
    }
    for (name, text) in extra {
        std::fs::write(contracts.join(name), text)?;
    }
    Ok((scratch, contracts))
}
