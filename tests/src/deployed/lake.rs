//! The lake route of a deployed stage, as a test of it works with it: clients for its buckets and queues, files dropped
//! into it, and the wait until nothing is on its way any more.

use std::ops::Deref;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::Deployment;
use crate::{Bucket, Queue, Results, until};

/// The function that writes the lake.
pub const LAKER: &str = "s3-to-lake";
/// The function that starts jobs and crawlers.
pub const STARTER: &str = "glue-job-starter";
/// What any file of a test takes at the most on its way. A message that finds another one's claim in the making comes
/// again after a minute.
const SETTLES_WITHIN: Duration = Duration::from_secs(150);

/// The lake route of a deployed stage; it is asked for its [`Results`] directly. Make one in every test: clients
/// belong to the tokio runtime of whoever made them.
#[derive(Debug)]
pub struct DeployedLake<'d> {
    /// Where files are dropped.
    pub landing: Bucket,
    /// Where Firehose would write stamped rows.
    pub stage: Bucket,
    /// Where files end.
    pub lake: Bucket,
    /// Where those of Glue jobs end.
    pub curated: Bucket,
    /// Events for s3-to-lake.
    pub events: Queue,
    /// Events for glue-job-starter.
    pub starts: Queue,
    /// Events that were given up.
    pub dead: [Queue; 2],
    deployment: &'d Deployment<'d>,
    results: Results,
}

impl Deref for DeployedLake<'_> {
    type Target = Results;

    fn deref(&self) -> &Results {
        &self.results
    }
}

impl Deployment<'_> {
    /// The lake route of the stage, which must be deployed.
    pub async fn lake_route(&self) -> anyhow::Result<DeployedLake<'_>> {
        let (s3, sqs) = (self.cloud.s3().await, self.cloud.sqs().await);
        let bucket = |purpose| Bucket { client: s3.clone(), name: self.bucket(purpose) };
        let queue = async |own: &str| Queue::named(sqs.clone(), &self.name(own)).await;
        Ok(DeployedLake {
            landing: bucket("landing"),
            stage: bucket("stage"),
            lake: bucket("lake"),
            curated: bucket("curated"),
            events: queue(LAKER).await?,
            starts: queue(STARTER).await?,
            dead: [queue(&format!("{LAKER}-dlq")).await?, queue(&format!("{STARTER}-dlq")).await?],
            deployment: self,
            results: self.results().await?,
        })
    }
}

impl DeployedLake<'_> {
    /// Puts an object below the route's prefix and waits until its event is in the queue.
    pub async fn drop_file(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<()> {
        let (cloud, queue) = (self.deployment.cloud, self.deployment.name(LAKER));
        let before = cloud.notified(&queue);
        self.landing.put(key, body).await?;
        let told = async || Ok((cloud.notified(&queue) > before).then_some(()));
        until("the object's event", SETTLES_WITHIN, told).await
    }

    /// Waits until s3-to-lake has taken all events. Those of glue-job-starter wait a minute where a crawler runs.
    pub async fn settle(&self) -> anyhow::Result<()> {
        self.hold_nothing(&[&self.events]).await
    }

    /// Waits until glue-job-starter has taken all events, too.
    pub async fn settle_starts(&self) -> anyhow::Result<()> {
        self.hold_nothing(&[&self.events, &self.starts]).await
    }

    async fn hold_nothing(&self, queues: &[&Queue]) -> anyhow::Result<()> {
        let empty = async || {
            let mut left = 0;
            for queue in queues {
                left += queue.depth().await?;
            }
            Ok((left == 0).then_some(()))
        };
        until("all objects to be taken", SETTLES_WITHIN, empty).await.with_context(|| {
            format!("the local cloud warned of {:#?}", self.deployment.cloud.warnings(&self.deployment.stage))
        })
    }

    /// Runs of the stage's Glue job.
    pub fn runs(&self) -> anyhow::Result<Vec<Value>> {
        let job = self.deployment.name("json-to-parquet");
        let mut found = self.deployment.cloud.aws(&["glue", "get-job-runs", "--job-name", &job])?;
        let Value::Array(runs) = found["JobRuns"].take() else { anyhow::bail!("no runs: {found}") };
        Ok(runs)
    }

    /// Whether a crawler of the stage runs or has run.
    pub fn has_crawled(&self, crawler: &str) -> anyhow::Result<bool> {
        let name = self.deployment.name(crawler);
        let found = self.deployment.cloud.aws(&["glue", "get-crawler", "--name", &name])?;
        Ok(found["Crawler"]["State"] == "RUNNING" || found["Crawler"]["LastCrawl"].is_object())
    }

    /// Waits until a crawler does not run any more.
    pub async fn crawled(&self, crawler: &str) -> anyhow::Result<()> {
        let name = self.deployment.name(crawler);
        let ready = async || {
            let found = self.deployment.cloud.aws(&["glue", "get-crawler", "--name", &name])?;
            Ok((found["Crawler"]["State"] == "READY").then_some(()))
        };
        until("the crawler to end", SETTLES_WITHIN, ready).await
    }
}
