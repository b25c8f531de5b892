//! The queue route of a deployed stage, as a test of it works with it: clients for its buckets and queues, files
//! dropped into it, and the wait until nothing is on its way any more.

use std::ops::Deref;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::Deployment;
use crate::{Bucket, Queue, READER, Results, until};

/// What any file of a test takes at the most on its way into the warehouse.
const SETTLES_WITHIN: Duration = Duration::from_secs(60);

/// The queue route of a deployed stage; it is asked for its [`Results`] directly. Make one in every test: clients
/// belong to the tokio runtime of whoever made them.
#[derive(Debug)]
pub struct DeployedRoute<'d> {
    /// Where files are dropped.
    pub landing: Bucket,
    /// Events of the landing bucket.
    pub events: Queue,
    /// Rows on their way.
    pub queue: Queue,
    /// Events and rows that were given up.
    pub dead: [Queue; 2],
    deployment: &'d Deployment<'d>,
    results: Results,
}

impl Deref for DeployedRoute<'_> {
    type Target = Results;

    fn deref(&self) -> &Results {
        &self.results
    }
}

impl Deployment<'_> {
    /// The route of the stage, which must be deployed; files are taken from the bucket that it made itself.
    pub async fn route(&self) -> anyhow::Result<DeployedRoute<'_>> {
        self.route_from(&self.bucket("landing")).await
    }

    /// The same with a landing bucket that was there before.
    pub async fn route_from(&self, landing: &str) -> anyhow::Result<DeployedRoute<'_>> {
        let sqs = self.cloud.sqs().await;
        let queue = async |own: &str| Queue::named(sqs.clone(), &self.name(own)).await;
        Ok(DeployedRoute {
            landing: Bucket { client: self.cloud.s3().await, name: landing.to_owned() },
            events: queue(READER).await?,
            queue: queue("load.fifo").await?,
            dead: [queue(&format!("{READER}-dlq")).await?, queue("load-dlq.fifo").await?],
            deployment: self,
            results: self.results().await?,
        })
    }

    /// Where its files end, or would end.
    pub async fn results(&self) -> anyhow::Result<Results> {
        let s3 = self.cloud.s3().await;
        let ends = ["work", "quarantine"].map(|own| Bucket { client: s3.clone(), name: self.bucket(own) });
        Results::new(self.cloud, self.redshift, &self.database, ends).await
    }
}

impl DeployedRoute<'_> {
    /// Puts an object below the route's prefix and waits until its event is in the queue.
    pub async fn drop_file(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<()> {
        let (cloud, queue) = (self.deployment.cloud, self.deployment.name(READER));
        let before = cloud.notified(&queue);
        self.landing.put(key, body).await?;
        until("the object's event", SETTLES_WITHIN, async || {
            Ok((cloud.notified(&queue) > before).then_some(()))
        })
        .await
    }

    /// Waits until the reader has taken all events: their rows are in the load queue or loaded then.
    pub async fn read_all(&self) -> anyhow::Result<()> {
        self.holds(&self.events, 0).await
    }

    /// Waits until nothing is on its way any more.
    pub async fn load_all(&self) -> anyhow::Result<()> {
        self.load_all_but(0).await
    }

    /// Waits until nothing is on its way any more but messages that a test holds.
    pub async fn load_all_but(&self, held: usize) -> anyhow::Result<()> {
        self.read_all().await?;
        self.holds(&self.queue, held).await
    }

    /// Messages that were given up.
    pub async fn given_up(&self) -> anyhow::Result<u64> {
        let [events, rows] = &self.dead;
        Ok(events.depth().await? + rows.depth().await?)
    }

    /// Statements of loads that were run in the stage's database: the user and the outcome of each.
    #[must_use]
    pub fn loads(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let log = self.deployment.redshift.statements();
        let own = log.iter().filter(|entry| entry["database"] == self.database);
        // Only a load takes the dataset's lock.
        let loads = own.filter(|entry| entry["sql"].as_str().is_some_and(|sql| sql.starts_with("LOCK")));
        loads.map(|entry| (text(&entry["user"]), text(&entry["status"]))).collect()
    }

    async fn holds(&self, queue: &Queue, messages: usize) -> anyhow::Result<()> {
        let what = format!("{} to hold {messages} messages", queue.arn);
        let held =
            until(
                &what,
                SETTLES_WITHIN,
                async || Ok((queue.depth().await? == messages as u64).then_some(())),
            );
        let warned = || {
            format!("the local cloud warned of {:#?}", self.deployment.cloud.warnings(&self.deployment.stage))
        };
        held.await.with_context(warned)
    }
}
