//! The copy route as a test has it: buckets, a warehouse database made by the project's own DDL, and the function as a
//! bootstrap. It knows the function by its binary and the warehouse by its Data API.

use std::ops::Deref;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use redshift_local::Server;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::results::{Results, WORKGROUP};
use crate::route::{failures, migrate, warehouse};
use crate::{Bootstrap, Bucket, MiniStack, Queue};

/// The function.
pub const COPIER: &str = "s3-to-redshift-copy";

/// The copy route of one test; it is asked for its [`Results`] directly.
#[derive(Debug)]
pub struct CopyRoute {
    /// Where files are dropped.
    pub landing: Bucket,
    /// Where Firehose writes stamped rows.
    pub stage: Bucket,
    /// The local Redshift.
    pub redshift: &'static Server,
    /// The queue that messages would come from.
    pub queue: Queue,
    /// Variables of the function.
    pub vars: Vec<(String, String)>,
    /// The function.
    pub copier: Bootstrap,
    results: Results,
    /// The function reads its contracts when it starts, and again when it is started again.
    _contracts: TempDir,
}

impl Deref for CopyRoute {
    type Target = Results;

    fn deref(&self) -> &Results {
        &self.results
    }
}

impl CopyRoute {
    /// The route with the contracts of a directory, and the models of the directory `models` in it.
    pub async fn with_contracts(folder: TempDir) -> anyhow::Result<Self> {
        Self::with_settings(folder, &[]).await
    }

    /// The same with more variables for the function.
    pub async fn with_settings(folder: TempDir, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let contracts = folder.path();
        let cloud = MiniStack::shared().await?;
        let redshift = warehouse().await?;
        let database = cloud.unique_name("db").replace('-', "_");
        redshift.create_database(&database).await.context("database")?;
        let (landing, stage) = (cloud.create_bucket("landing").await?, cloud.create_bucket("stage").await?);
        let (work, quarantine) =
            (cloud.create_bucket("work").await?, cloud.create_bucket("quarantine").await?);
        let queue = cloud.create_queue("copy").await?;
        let mut vars = cloud.function_vars();
        for (name, value) in [
            ("AWS_ENDPOINT_URL_REDSHIFT_DATA", redshift.endpoint()),
            ("CONTRACTS_DIR", contracts.display().to_string()),
            ("MODELS_DIR", contracts.join("models").display().to_string()),
            ("LANDING_BUCKET", landing.name.clone()),
            ("STAGE_BUCKET", stage.name.clone()),
            ("WORK_BUCKET", work.name.clone()),
            ("QUARANTINE_BUCKET", quarantine.name.clone()),
            ("COPY_QUEUE_URL", queue.url.clone()),
            ("COPY_ROLE_ARN", "arn:aws:iam::000000000000:role/copy".to_owned()),
            ("WORKGROUP_NAME", WORKGROUP.to_owned()),
            ("DATABASE", database.clone()),
        ] {
            vars.push((name.to_owned(), value));
        }
        vars.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let results = Results::new(cloud, redshift, &database, [work, quarantine]).await?;
        migrate(contracts, &results).await?;
        let copier = Bootstrap::start(COPIER, vars.clone()).await?;
        Ok(Self { landing, stage, redshift, queue, vars, copier, results, _contracts: folder })
    }

    /// Has the function take a batch of messages; the numbers of those that it gives back.
    pub async fn take(&self, messages: &[Value]) -> anyhow::Result<Vec<usize>> {
        let answer = self.copier.invoke(&batch(messages)).await?;
        failures(&answer).iter().map(|id| id.parse().context("a message's number")).collect()
    }

    /// Has a function take what the queue gives until it is empty, as Lambda's event source does; gives the number of
    /// invocations. Each has so much time, if it is limited.
    pub async fn work_off(&self, function: &Bootstrap, time: Option<Duration>) -> anyhow::Result<usize> {
        self.queue
            .work_off(async |event| match time {
                Some(time) => function.invoke_until(event, SystemTime::now() + time).await,
                None => function.invoke(event).await,
            })
            .await
    }

    /// Puts objects into the landing bucket and has the function take them all at once; nothing may be given back.
    pub async fn load(&self, objects: &[(&str, Vec<u8>)]) -> anyhow::Result<Vec<Value>> {
        let mut messages = Vec::new();
        for (key, body) in objects {
            messages.push(self.landing.put_for_event(key, body.clone()).await?);
        }
        let given_back = self.take(&messages).await?;
        anyhow::ensure!(given_back.is_empty(), "messages {given_back:?} were given back");
        Ok(messages)
    }

    /// Holds the work bucket to its promise: after a load nothing is left in it but receipts.
    pub async fn check_clean(&self) -> anyhow::Result<()> {
        let left: Vec<_> =
            self.work.list("").await?.into_iter().filter(|key| !key.starts_with("receipts/")).collect();
        anyhow::ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }
}

/// One batch of the messages of several; each has its number as id.
pub fn batch(messages: &[Value]) -> Value {
    let records = messages.iter().flat_map(|own| own["Records"].as_array().into_iter().flatten());
    let records: Vec<Value> = records
        .enumerate()
        .map(|(number, record)| {
            let mut record = record.clone();
            record["messageId"] = json!(number.to_string());
            record
        })
        .collect();
    json!({ "Records": records })
}
