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

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::tracing::Instrument as _;
use penstock_aws::quarantine::Quarantine;
use penstock_aws::reading::ReadError;
use penstock_aws::store::Store;
use penstock_aws::telemetry::{self, Metrics};
use penstock_aws::trigger::{come_again, sqs_batch};
use penstock_aws::{Invocation, s3_client};
use penstock_core::object::{ObjectRef, events_in, events_in_text};
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::range::RangeTask;
use penstock_core::receipt::Status;
use serde_json::Value;

pub use config::{Config, SERVICE};
pub use deliver::Delivered;
pub use error::Error;
pub use penstock_aws::StartError;
use sink::{SendError, Stream};

/// Seconds after which an object is read on that ran out of time: it did what it could.
const READ_ON_AFTER_S: i32 = 1;
/// Seconds after which messages of a fault that may pass come again, a stream that refuses rows among them.
const FAULT_AGAIN_S: i32 = 60;

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
struct Told {
    object: ObjectRef,
    task: Option<RangeTask>,
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
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        let span = telemetry::span(SERVICE, &invocation, cold_start);
        // Boxed: the runtime wraps this future many times over, and a type that deep is not taken by the compiler.
        Box::pin(self.invoke(event, &invocation).instrument(span)).await
    }

    async fn invoke(&self, event: Value, invocation: &Invocation) -> Result<SqsBatchResponse, Error> {
        let mut metrics = Metrics::new(SERVICE, invocation);
        let answer = match sqs_batch(&event) {
            Some(batch) => Ok(self.batch(batch, invocation, &mut metrics).await),
            None => self.bare(&event, invocation, &mut metrics).await.map(|()| SqsBatchResponse::default()),
        };
        let failed = answer.as_ref().map_or(1, |answer| answer.batch_item_failures.len());
        tracing::info!(totals = metrics.totals_json(), failed_messages = failed, "invocation is done");
        metrics.emit();
        answer
    }

    /// Each message on its own: one that fails is given back, the others are done.
    async fn batch(
        &self,
        batch: SqsEvent,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> SqsBatchResponse {
        let mut answer = SqsBatchResponse::default();
        let mut again: BTreeMap<i32, Vec<&SqsMessage>> = BTreeMap::new();
        for message in &batch.records {
            let Err(error) = self.message(message, invocation, metrics).await else { continue };
            tracing::warn!(message_id = message.message_id, error = %error, kind = error.kind(), "message is given back");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.clone().unwrap_or_default();
            answer.batch_item_failures.push(failure);
            again.entry(again_s(&error)).or_default().push(message);
        }
        for (seconds, messages) in again {
            come_again(&self.sqs, &self.config.queue_url, seconds, &messages).await;
        }
        answer
    }

    async fn message(
        &self,
        message: &SqsMessage,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<(), Error> {
        match self.told_in(message.body.as_deref().unwrap_or_default()) {
            Ok(told) => self.objects(told, invocation, metrics).await,
            Err(reason) => {
                self.quarantine.put_message(message, &reason).await?;
                metrics.add(UNKNOWN_DATASET, "MessagesQuarantined", 1);
                Ok(())
            }
        }
    }

    /// What a message tells: a task of ours, or S3's events.
    fn told_in(&self, text: &str) -> Result<Vec<Told>, String> {
        let Some(task) = RangeTask::parse(text) else {
            let events = events_in_text(text).map_err(|error| error.to_string())?;
            return Ok(events.created.into_iter().map(|object| Told { object, task: None }).collect());
        };
        let task = task?;
        let object = task.object();
        // Whoever may send to the queue must not have other buckets read.
        if object.bucket != self.config.landing_bucket {
            return Err(format!("is a task for bucket {}, which is not the landing bucket", object.bucket));
        }
        Ok(vec![Told { object, task: Some(task) }])
    }

    /// A bare event has no message to give back: its first fault fails the invocation, which Lambda tries again.
    async fn bare(&self, event: &Value, invocation: &Invocation, metrics: &mut Metrics) -> Result<(), Error> {
        let events = events_in(event).map_err(|error| Error::Event(error.to_string()))?;
        let told = events.created.into_iter().map(|object| Told { object, task: None }).collect();
        self.objects(told, invocation, metrics).await
    }

    /// All objects are tried, also after one has failed; the first fault is told.
    async fn objects(
        &self,
        told: Vec<Told>,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<(), Error> {
        let mut first = Ok(());
        for own in told {
            // Boxed: the future of a whole delivery is large, and its type deep.
            match Box::pin(self.deliver(&own, invocation)).await {
                Ok(delivered) => count(&delivered, metrics),
                Err(error) => {
                    log(&own.object, &error);
                    first = first.and(Err(error));
                }
            }
        }
        first
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

/// Seconds after which a message comes again. One that only a person can help comes again, too: as soon as that is
/// done it goes on, and else it is a dead letter before SQS forgets it.
fn again_s(error: &Error) -> i32 {
    match error {
        Error::Read(ReadError::OutOfTime | ReadError::Closed) => READ_ON_AFTER_S,
        _ => FAULT_AGAIN_S,
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
