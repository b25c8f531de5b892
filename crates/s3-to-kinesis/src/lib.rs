//! s3-to-kinesis: takes S3 events of the stream route, checks each record of the object against its contract, adds the
//! derived columns, stamps it, and puts it on the dataset's Kinesis data stream.
//!
//! A message is acknowledged only when every record of its objects was accepted by the stream or is in quarantine and
//! the receipt is written, or when tasks in the function's own queue have the object. A task is a message like any
//! other. Rows are idempotent by their stamps, so everything here may happen twice; the stream's order is not relied
//! on, because each row carries its own.

mod aggregate;
mod config;
mod deliver;
mod error;
mod outlet;
pub mod sink;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsMessage};
use penstock_aws::quarantine::Quarantine;
use penstock_aws::store::Store;
use penstock_aws::telemetry::Metrics;
use penstock_aws::trigger::{GivenBack as _, ObjectFunction, each_object, logged};
use penstock_aws::{Invocation, s3_client};
use penstock_core::object::{ObjectRef, events_in_text};
use penstock_core::range::RangeTask;
use penstock_core::receipt::Status;
use serde_json::Value;

pub use config::{Config, SERVICE};
pub use deliver::Delivered;
pub use error::Error;
pub use penstock_aws::StartError;
use sink::{SendError, Stream};

/// The function: its settings and clients, made once.
#[derive(Debug)]
pub struct App {
    config: Config,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    kinesis: aws_sdk_kinesis::Client,
    store: Store,
    quarantine: Quarantine,
    /// Those that were asked for their limits, by name.
    streams: Mutex<HashMap<String, Arc<Stream>>>,
    warm: AtomicBool,
}

/// What a message tells of one object: an event, or a task of ours.
#[derive(Debug, Clone)]
pub struct Told {
    object: ObjectRef,
    task: Option<RangeTask>,
}

impl From<ObjectRef> for Told {
    fn from(object: ObjectRef) -> Self {
        Self { object, task: None }
    }
}

impl App {
    /// Makes the clients.
    pub fn start(config: Config, sdk: &aws_config::SdkConfig) -> Self {
        let kinesis = aws_sdk_kinesis::Client::new(sdk);
        Self::with_clients(config, s3_client(sdk), aws_sdk_sqs::Client::new(sdk), kinesis)
    }

    /// The same with clients that were made already.
    pub fn with_clients(
        config: Config,
        s3: aws_sdk_s3::Client,
        sqs: aws_sdk_sqs::Client,
        kinesis: aws_sdk_kinesis::Client,
    ) -> Self {
        let store = Store::new(s3.clone(), config.work_bucket.clone());
        let quarantine = Quarantine::new(s3.clone(), config.quarantine_bucket.clone(), SERVICE);
        let streams = Mutex::default();
        Self { config, s3, sqs, kinesis, store, quarantine, streams, warm: AtomicBool::new(false) }
    }

    /// One invocation: an SQS batch of S3 events and tasks, or an S3 event in any other envelope.
    pub async fn handle(&self, event: Value, invocation: Invocation) -> Result<SqsBatchResponse, Error> {
        let all = async |metrics: &mut Metrics| each_object(self, &event, &invocation, metrics).await;
        logged(SERVICE, &invocation, &self.warm, all).await
    }

    /// A stream that was asked for its limits, now or before.
    async fn stream(&self, name: &str) -> Result<Arc<Stream>, SendError> {
        if let Some(own) = self.known_streams().get(name) {
            return Ok(Arc::clone(own));
        }
        let own = Arc::new(Stream::open(self.kinesis.clone(), name).await?);
        self.known_streams().insert(name.to_owned(), Arc::clone(&own));
        Ok(own)
    }

    fn known_streams(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Stream>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectFunction for App {
    type Told = Told;
    type Error = Error;

    fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    /// What a message tells: a task of ours, or S3's events.
    fn told_in(&self, text: &str) -> Result<Vec<Told>, String> {
        let Some(task) = RangeTask::parse(text) else {
            let events = events_in_text(text).map_err(|error| error.to_string())?;
            return Ok(events.created.into_iter().map(Told::from).collect());
        };
        let task = task?;
        let object = task.object();
        // Whoever may send to the queue must not have other buckets read.
        if object.bucket != self.config.landing_bucket {
            return Err(format!("is a task for bucket {}, which is not the landing bucket", object.bucket));
        }
        Ok(vec![Told { object, task: Some(task) }])
    }

    async fn object(
        &self,
        told: Told,
        _message: Option<&SqsMessage>,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<(), Error> {
        let delivered =
            self.deliver(&told, invocation).await.inspect_err(|error| log(&told.object, error))?;
        count(&delivered, metrics);
        Ok(())
    }

    fn queue(&self) -> Option<(&aws_sdk_sqs::Client, &str)> {
        Some((&self.sqs, &self.config.queue_url))
    }
}

fn log(object: &ObjectRef, error: &Error) {
    let (source, kind) = (object.uri(), error.kind());
    match error.is_retryable() {
        true => tracing::warn!(source, error = %error, kind, "object is not delivered yet"),
        false => {
            tracing::error!(source, error = %error, kind, "object cannot be delivered until this is mended")
        }
    }
}

fn count(delivered: &Delivered, metrics: &mut Metrics) {
    match delivered {
        Delivered::Done(receipt) => {
            let dataset = &receipt.dataset;
            metrics.add(dataset, "Objects", 1);
            metrics.add(dataset, "RecordsRead", receipt.read);
            metrics.add(dataset, "RecordsRejected", receipt.rejected);
            metrics.add(dataset, "RowsSent", receipt.sent);
            metrics.add(dataset, "ExtraFields", receipt.extra_fields);
            metrics.add(dataset, "Warnings", receipt.warnings);
            metrics.add(dataset, "ObjectsPartial", u64::from(receipt.status == Status::Partial));
            metrics.add(dataset, "ObjectsFailed", u64::from(receipt.status == Status::Failed));
        }
        Delivered::Quarantined(dataset) => metrics.add(dataset, "ObjectsFailed", 1),
        Delivered::Superseded(dataset) => metrics.add(dataset, "ObjectsSuperseded", 1),
        Delivered::Tasked(dataset) => metrics.add(dataset, "Tasks", 1),
    }
}
