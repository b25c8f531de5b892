//! s3-to-redshift-copy: takes S3 events of the copy route and of the stage bucket and loads their objects into
//! Redshift, in one transaction a dataset, so that every object is loaded once however often and in whatever grouping
//! its events come.
//!
//! Objects of the landing bucket are read in flight: good rows into files that COPY reads, rejects into quarantine.
//! Objects of the stage bucket hold rows that our transform has stamped; COPY reads them where they lie. An object that
//! is too much for one invocation is read by tasks that the function sends to its own queue. A message is given back
//! unless all its objects are committed, in quarantine, or in the hands of tasks.

mod after;
mod config;
mod dataset;
mod error;
mod known;
mod mismatch;
mod prepare;
mod run;
mod sink;
mod waits;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use penstock_aws::quarantine::Quarantine;
use penstock_aws::reading::Reader;
use penstock_aws::store::Store;
use penstock_aws::telemetry::Metrics;
use penstock_aws::trigger::{answer, logged, quarantined, sqs_batch};
use penstock_aws::warehouse::Warehouse;
use penstock_aws::{Invocation, s3_client};
use penstock_core::ident::HexId;
use penstock_core::object::{ObjectRef, events_in, events_in_text};
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::range::RangeTask;
use penstock_core::reject::{Rule, Violation};
use penstock_core::row::Checker;
use penstock_core::work::contract_fingerprint;
use serde_json::Value;

pub use config::{Config, SERVICE};
use dataset::{Kind, Work};
pub use error::Error;
use known::Told;
pub use penstock_aws::StartError;
use prepare::{Files, Preparer};
use sink::Sink;
use waits::Sent;

/// Where Firehose puts what it could not deliver.
const FAILED_PREFIX: &str = "_failed/";

/// The function: its settings and clients, made once.
#[derive(Debug)]
pub struct App {
    config: Config,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    store: Store,
    quarantine: Quarantine,
    warehouse: Warehouse,
    warm: AtomicBool,
}

/// What a message tells, with its number.
type Numbered = (Told, usize);

/// Faults by number of message.
type Failures = BTreeMap<usize, Error>;

impl App {
    /// Makes the clients.
    pub fn start(config: Config, sdk: &aws_config::SdkConfig) -> Self {
        let redshift = aws_sdk_redshiftdata::Client::new(sdk);
        Self::with_clients(config, s3_client(sdk), aws_sdk_sqs::Client::new(sdk), redshift)
    }

    /// The same with clients that were made already.
    pub fn with_clients(
        config: Config,
        s3: aws_sdk_s3::Client,
        sqs: aws_sdk_sqs::Client,
        redshift: aws_sdk_redshiftdata::Client,
    ) -> Self {
        let store = Store::new(s3.clone(), config.work_bucket.clone());
        let quarantine = Quarantine::new(s3.clone(), config.quarantine_bucket.clone(), SERVICE);
        let warehouse = Warehouse::new(redshift, config.warehouse.clone());
        Self { config, s3, sqs, store, quarantine, warehouse, warm: AtomicBool::new(false) }
    }

    /// One invocation: an SQS batch of S3 events, or an S3 event in any other envelope.
    pub async fn handle(&self, event: Value, invocation: Invocation) -> Result<SqsBatchResponse, Error> {
        let all = async |metrics: &mut Metrics| self.invoke(&event, &invocation, metrics).await;
        logged(SERVICE, &invocation, &self.warm, all).await
    }

    async fn invoke(
        &self,
        event: &Value,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<SqsBatchResponse, Error> {
        let mut failures = Failures::new();
        if let Some(batch) = sqs_batch(event) {
            let told = self.told(&batch, &mut failures, metrics).await;
            self.load(told, &Sent::of(&batch), invocation, &mut failures, metrics).await;
            return Ok(answer(Some((&self.sqs, &self.config.queue_url)), &batch, &failures).await);
        }
        let events = events_in(event).map_err(|error| Error::Event(error.to_string()))?;
        let told = events.created.into_iter().map(|object| (Told { object, task: None }, 0)).collect();
        self.load(told, &Sent::default(), invocation, &mut failures, metrics).await;
        // A bare event has no message to give back: its fault fails the invocation, which Lambda tries again.
        failures.remove(&0).map_or(Ok(SqsBatchResponse::default()), Err)
    }

    /// The objects of all messages. A message that tells of none goes into quarantine.
    async fn told(&self, batch: &SqsEvent, failures: &mut Failures, metrics: &mut Metrics) -> Vec<Numbered> {
        let mut told = Vec::new();
        for (number, message) in batch.records.iter().enumerate() {
            match self.told_in(message.body.as_deref().unwrap_or_default()) {
                Ok(own) => told.extend(own.into_iter().map(|own| (own, number))),
                Err(reason) => {
                    let done = quarantined(&self.quarantine, message, &reason, metrics).await;
                    failures.extend(done.err().map(|error| (number, error.into())));
                }
            }
        }
        told
    }

    /// What a message tells: a task of ours, or S3's events.
    fn told_in(&self, text: &str) -> Result<Vec<Told>, String> {
        match RangeTask::parse(text) {
            Some(task) => {
                let task = task?;
                let object = task.object();
                // Whoever may send to the queue must not have other buckets read.
                if object.bucket != self.config.landing_bucket {
                    return Err(format!(
                        "is a task for bucket {}, which is not the landing bucket",
                        object.bucket
                    ));
                }
                Ok(vec![Told { object, task: Some(task) }])
            }
            None => {
                let events = events_in_text(text).map_err(|error| error.to_string())?;
                Ok(events.created.into_iter().map(|object| Told { object, task: None }).collect())
            }
        }
    }

    /// Loads dataset by dataset; what could not be loaded is told by its message.
    async fn load(
        &self,
        told: Vec<Numbered>,
        sent: &Sent,
        invocation: &Invocation,
        failures: &mut Failures,
        metrics: &mut Metrics,
    ) {
        let with_task = told.iter().filter(|(own, _)| own.task.is_some()).map(|(own, _)| &own.object);
        let tasked: HashSet<(String, String)> =
            with_task.map(|object| (object.bucket.clone(), object.key.clone())).collect();
        let mut by_dataset: BTreeMap<(bool, String, bool), Vec<Numbered>> = BTreeMap::new();
        for (own, number) in told {
            match self.place(&own.object).await {
                Ok(Some((dataset, kind))) => {
                    let has_task = tasked.contains(&(own.object.bucket.clone(), own.object.key.clone()));
                    let turn = (has_task, dataset, kind == Kind::Trusted);
                    by_dataset.entry(turn).or_default().push((own, number));
                }
                Ok(None) => metrics.add(UNKNOWN_DATASET, "ObjectsSkipped", 1),
                Err(error) => drop(failures.insert(number, error)),
            }
        }
        // Events of all datasets before any object with a task: one that reads for hours keeps no other dataset waiting.
        for ((_, dataset, is_trusted), told) in by_dataset {
            let kind = if is_trusted { Kind::Trusted } else { Kind::InFlight };
            let (objects, numbers): (Vec<Told>, Vec<usize>) = told.into_iter().unzip();
            // Boxed: the future of a whole load is large, and its type deep.
            let settled = Box::pin(self.dataset(&dataset, kind, &objects, invocation)).await;
            settled.counts.iter().for_each(|(name, count)| metrics.add(&dataset, *name, *count));
            let (latency, now) = (self.latency(&dataset), (invocation.now_ms(), &mut *metrics));
            settled.waits.tell(&dataset, latency, (&numbers, sent), settled.failed.iter(), now);
            for (place, error) in settled.failed {
                if let Some(number) = numbers.get(place) {
                    failures.insert(*number, error);
                }
            }
        }
    }

    /// Dataset of an object and how it is read; `None` where it is nothing to load, or was put into quarantine.
    async fn place(&self, object: &ObjectRef) -> Result<Option<(String, Kind)>, Error> {
        let violation = if object.bucket == self.config.stage_bucket {
            if object.key.starts_with(FAILED_PREFIX) {
                return Ok(None);
            }
            let dataset = object.key.split('/').next().unwrap_or_default();
            if self.config.homes.contains_key(dataset) {
                return Ok(Some((dataset.to_owned(), Kind::Trusted)));
            }
            Violation::record(Rule::UnknownDataset, "no contract is of the key's first folder")
        } else if object.bucket == self.config.landing_bucket {
            match self.config.datasets.of_object(&object.bucket, &object.key) {
                Some(Ok(checker)) => return Ok(Some((checker.contract().dataset.clone(), Kind::InFlight))),
                Some(Err(error)) => return Err(Error::Contract(error.to_string())),
                None => Violation::record(Rule::UnknownDataset, "no contract's location matches the key"),
            }
        } else {
            let reason = format!("bucket {} is not one that this function is set up for", object.bucket);
            Violation::record(Rule::UnknownBucket, reason)
        };
        self.quarantine.put_whole(object, UNKNOWN_DATASET, violation).await?;
        Ok(None)
    }

    async fn dataset(
        &self,
        dataset: &str,
        kind: Kind,
        objects: &[Told],
        invocation: &Invocation,
    ) -> dataset::Settled {
        let of_all = |reason: &str| {
            let failed = (0..objects.len()).map(|at| (at, Error::Contract(reason.to_owned()))).collect();
            dataset::Settled { failed, ..dataset::Settled::default() }
        };
        let home = match self.config.homes.get(dataset) {
            Some(Ok(home)) => home,
            Some(Err(reason)) => return of_all(reason),
            None => return of_all("the dataset's table is not known"),
        };
        let checker = match self.config.datasets.named(dataset) {
            Some(Ok(checker)) => checker,
            Some(Err(error)) => return of_all(&error.to_string()),
            None => return of_all("the dataset has no contract"),
        };
        let fingerprint = contract_fingerprint(checker.contract());
        let work = Work {
            kind,
            preparer: self.preparer(&checker, &fingerprint, invocation),
            sink: Sink {
                store: &self.store,
                warehouse: &self.warehouse,
                role: &self.config.copy_role,
                home,
                checker: &checker,
                fingerprint: &fingerprint,
                invocation,
                after: self.config.after.get(dataset),
            },
            quarantine: &self.quarantine,
            settled: dataset::Settled::default(),
        };
        work.settle(objects).await
    }

    /// What the dataset's contract promises.
    fn latency(&self, dataset: &str) -> Option<Duration> {
        self.config.datasets.named(dataset)?.ok()?.contract().latency
    }

    fn preparer<'a>(
        &'a self,
        checker: &'a Arc<Checker>,
        fingerprint: &'a HexId,
        invocation: &'a Invocation,
    ) -> Preparer<'a> {
        Preparer(Reader {
            s3: &self.s3,
            sqs: &self.sqs,
            queue_url: &self.config.queue_url,
            split_bytes: self.config.split_bytes,
            store: &self.store,
            quarantine: &self.quarantine,
            checker,
            fingerprint,
            invocation,
            outlet: Files { store: &self.store, contract: checker.contract() },
        })
    }
}
