//! The copy route of a deployed stage, as a test of it works with it: clients for its buckets and queues, files
//! dropped into it, and the wait until nothing is on its way any more.

use std::ops::Deref;
use std::time::Duration;

use anyhow::ensure;

use super::Deployment;
use crate::{Bucket, COPIER, Queue, Results, until};

/// What any file of a test takes at the most on its way into the warehouse.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// The copy route of a deployed stage; it is asked for its [`Results`] directly. Make one in every test: clients
/// belong to the tokio runtime of whoever made them.
#[derive(Debug)]
pub struct DeployedCopy<'d> {
    /// Where files are dropped.
    pub landing: Bucket,
    /// Where Firehose would write stamped rows.
    pub stage: Bucket,
    /// Events of both buckets.
    pub events: Queue,
    /// Events that were given up.
    pub dead: Queue,
    deployment: &'d Deployment<'d>,
    results: Results,
}

impl Deref for DeployedCopy<'_> {
    type Target = Results;

    fn deref(&self) -> &Results {
        &self.results
    }
}

impl Deployment<'_> {
    /// The copy route of the stage, which must be deployed.
    pub async fn copy_route(&self) -> anyhow::Result<DeployedCopy<'_>> {
        let (s3, sqs) = (self.cloud.s3().await, self.cloud.sqs().await);
        let bucket = |purpose| Bucket { client: s3.clone(), name: self.bucket(purpose) };
        Ok(DeployedCopy {
            landing: bucket("landing"),
            stage: bucket("stage"),
            events: Queue::named(sqs.clone(), &self.name(COPIER)).await?,
            dead: Queue::named(sqs, &self.name(&format!("{COPIER}-dlq"))).await?,
            deployment: self,
            results: self.results().await?,
        })
    }
}

impl DeployedCopy<'_> {
    /// Puts an object into one of the route's buckets and waits until its event is in the queue.
    pub async fn drop_file(
        &self,
        bucket: &Bucket,
        key: &str,
        body: impl Into<Vec<u8>>,
    ) -> anyhow::Result<()> {
        let (cloud, queue) = (self.deployment.cloud, self.deployment.name(COPIER));
        let before = cloud.notified(&queue);
        bucket.put(key, body).await?;
        let told = async || Ok((cloud.notified(&queue) > before).then_some(()));
        until("the object's event", SETTLES_WITHIN, told).await
    }

    /// Waits until nothing is on its way any more.
    pub async fn load_all(&self) -> anyhow::Result<()> {
        let empty = async || Ok((self.events.depth().await? == 0).then_some(()));
        until("all objects to be loaded", SETTLES_WITHIN, empty).await.map_err(|error| {
            let warned = self.deployment.cloud.warnings(&self.deployment.stage);
            error.context(format!("the local cloud warned of {warned:#?}"))
        })
    }

    /// Holds the work bucket to its promise: after the loads nothing is left in it but receipts, and the Glue job's script.
    pub async fn check_clean(&self) -> anyhow::Result<()> {
        let mut left = self.work.list("").await?;
        left.retain(|key| !["receipts/", "glue/"].iter().any(|own| key.starts_with(own)));
        ensure!(left.is_empty(), "left behind: {left:?}");
        Ok(())
    }
}
