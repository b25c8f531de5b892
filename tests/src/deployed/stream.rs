//! The streaming route of a deployed stage, as a test of it works with it: files dropped into it, records put onto its
//! stream, and the wait until nothing is on its way any more.

use std::ops::Deref;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use super::Deployment;
use crate::{Bucket, COPIER, Queue, Results, until};

/// The function that sends files to the stream.
pub const STREAMER: &str = "s3-to-kinesis";
/// The function that Firehose asks.
pub const TRANSFORM: &str = "firehose-transform";
/// What any file of a test takes at the most on its way into the warehouse.
const SETTLES_WITHIN: Duration = Duration::from_secs(120);

/// The streaming route of a deployed stage; it is asked for its [`Results`] directly. Make one in every test: clients
/// belong to the tokio runtime of whoever made them.
#[derive(Debug)]
pub struct DeployedStream<'d> {
    /// Where files are dropped.
    pub landing: Bucket,
    /// What Firehose delivers.
    pub stage: Bucket,
    /// Events of the landing bucket, and tasks.
    pub events: Queue,
    /// Events that were given up.
    pub dead: Queue,
    /// Events of the stage bucket.
    delivered: Queue,
    deployment: &'d Deployment<'d>,
    results: Results,
}

impl Deref for DeployedStream<'_> {
    type Target = Results;

    fn deref(&self) -> &Results {
        &self.results
    }
}

impl Deployment<'_> {
    /// The streaming route of the stage, which must be deployed.
    pub async fn stream_route(&self) -> anyhow::Result<DeployedStream<'_>> {
        let (s3, sqs) = (self.cloud.s3().await, self.cloud.sqs().await);
        let bucket = |purpose| Bucket { client: s3.clone(), name: self.bucket(purpose) };
        let queue = async |own: &str| Queue::named(sqs.clone(), &self.name(own)).await;
        Ok(DeployedStream {
            landing: bucket("landing"),
            stage: bucket("stage"),
            events: queue(STREAMER).await?,
            dead: queue(&format!("{STREAMER}-dlq")).await?,
            delivered: queue(COPIER).await?,
            deployment: self,
            results: self.results().await?,
        })
    }
}

impl DeployedStream<'_> {
    /// Puts an object below the route's prefix and waits until its event is in the queue.
    pub async fn drop_file(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<()> {
        let (cloud, queue) = (self.deployment.cloud, self.deployment.name(STREAMER));
        let before = cloud.notified(&queue);
        self.landing.put(key, body).await?;
        let told = async || Ok((cloud.notified(&queue) > before).then_some(()));
        until("the object's event", SETTLES_WITHIN, told).await
    }

    /// Waits until s3-to-kinesis has taken all events.
    pub async fn read_all(&self) -> anyhow::Result<()> {
        let empty = async || Ok((self.events.depth().await? == 0).then_some(()));
        until("all events to be taken", SETTLES_WITHIN, empty).await
    }

    /// Puts records onto the stream as a producer of somebody else does.
    pub fn produce(&self, records: &[Value]) -> anyhow::Result<()> {
        let entry = |own: &Value| json!({"Data": own.to_string(), "PartitionKey": "producer"});
        let entries = Value::from(records.iter().map(entry).collect::<Vec<_>>()).to_string();
        let put = ["kinesis", "put-records", "--stream-name", &self.deployment.stream()];
        let answer = self.deployment.cloud.aws(&[&put[..], &["--records", &entries]].concat())?;
        ensure!(answer["FailedRecordCount"] == 0, "the stream refused records: {answer}");
        Ok(())
    }

    /// Waits until loads have read so many rows of a dataset, and nothing is on its way any more.
    pub async fn load_all(&self, dataset: &str, rows: i64) -> anyhow::Result<()> {
        let read = format!("SELECT COALESCE(SUM(n_read), 0) FROM penstock.objects_{dataset}");
        let settled = async || {
            let found = self.number(&read).await?;
            ensure!(found <= rows, "{found} rows of {dataset} were read and not {rows}");
            let left = self.events.depth().await? + self.delivered.depth().await?;
            Ok((found == rows && left == 0).then_some(()))
        };
        until("all records to be loaded", SETTLES_WITHIN, settled).await.with_context(|| {
            format!("the local cloud warned of {:#?}", self.deployment.cloud.warnings(&self.deployment.stage))
        })
    }
}
