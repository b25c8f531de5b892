//! s3-to-sqs-fifo: takes S3 events of the queue route, checks each record of the object against its contract, adds
//! the derived columns, stamps it, and sends it to the dataset's FIFO queue in the order of its group.
//!
//! A message is acknowledged only when every record of its objects is in the queue or in quarantine and the receipt
//! is written. A record at fault costs no other record; an object at fault costs no other object; what may pass is
//! given back to the trigger. Rows are idempotent by their stamps, so everything here may happen twice.

mod config;
mod deliver;
mod error;
mod sink;

use std::sync::atomic::{AtomicBool, Ordering};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use lambda_runtime::tracing::Instrument as _;
use penstock_aws::quarantine::Quarantine;
use penstock_aws::telemetry::{self, Metrics};
use penstock_aws::trigger::sqs_batch;
use penstock_aws::{Invocation, s3_client};
use penstock_core::object::{ObjectEvents, events_in, events_in_text};
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::receipt::Status;
use serde_json::Value;

pub use config::{Config, SERVICE};
pub use deliver::Delivered;
pub use error::Error;
pub use penstock_aws::StartError;
pub use sink::SendError;

/// The function: its settings and clients, made once.
#[derive(Debug)]
pub struct App {
    config: Config,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    quarantine: Quarantine,
    warm: AtomicBool,
}

impl App {
    /// Makes the clients.
    pub fn start(config: Config, sdk: &aws_config::SdkConfig) -> Result<Self, StartError> {
        Ok(Self::with_clients(config, s3_client(sdk), aws_sdk_sqs::Client::new(sdk)))
    }

    /// The same with clients that were made already.
    pub fn with_clients(config: Config, s3: aws_sdk_s3::Client, sqs: aws_sdk_sqs::Client) -> Self {
        let quarantine = Quarantine::new(s3.clone(), config.quarantine_bucket.clone(), SERVICE);
        Self { config, s3, sqs, quarantine, warm: AtomicBool::new(false) }
    }

    /// One invocation: an SQS batch of S3 events, or an S3 event in any other envelope.
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
        for message in &batch.records {
            let Err(error) = self.message(message, invocation, metrics).await else { continue };
            tracing::warn!(message_id = message.message_id, error = %error, kind = error.kind(), "message is given back");
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = message.message_id.clone().unwrap_or_default();
            answer.batch_item_failures.push(failure);
        }
        answer
    }

    async fn message(
        &self,
        message: &SqsMessage,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<(), Error> {
        let body = message.body.as_deref().unwrap_or_default();
        match events_in_text(body) {
            Ok(events) => self.objects(&events, invocation, metrics).await,
            Err(error) => {
                self.quarantine.put_message(message, &error.to_string()).await?;
                metrics.add(UNKNOWN_DATASET, "MessagesQuarantined", 1);
                Ok(())
            }
        }
    }

    /// A bare event has no message to give back: its first fault fails the invocation, which Lambda tries again.
    async fn bare(&self, event: &Value, invocation: &Invocation, metrics: &mut Metrics) -> Result<(), Error> {
        let events = events_in(event).map_err(|error| Error::Event(error.to_string()))?;
        self.objects(&events, invocation, metrics).await
    }

    /// All objects are tried, also after one has failed; the first fault is told.
    async fn objects(
        &self,
        events: &ObjectEvents,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<(), Error> {
        let mut first = Ok(());
        for object in &events.created {
            // Boxed: the future of a whole delivery is large, and its type deep.
            match Box::pin(self.deliver(object, invocation)).await {
                Ok(delivered) => count(&delivered, metrics),
                Err(error) => {
                    tracing::warn!(source = object.uri(), error = %error, kind = error.kind(), "object is not delivered yet");
                    first = first.and(Err(error));
                }
            }
        }
        first
    }
}

fn count(delivered: &Delivered, metrics: &mut Metrics) {
    match delivered {
        Delivered::Done(receipt) => {
            let dataset = &receipt.dataset;
            metrics.add(dataset, "Objects", 1);
            metrics.add(dataset, "RecordsRead", receipt.read);
            metrics.add(dataset, "RecordsRejected", receipt.rejected);
            metrics.add(dataset, "RecordsDuplicate", receipt.duplicate);
            metrics.add(dataset, "RowsSent", receipt.sent);
            metrics.add(dataset, "ExtraFields", receipt.extra_fields);
            metrics.add(dataset, "Warnings", receipt.warnings);
            metrics.add(dataset, "ObjectsPartial", u64::from(receipt.status == Status::Partial));
            metrics.add(dataset, "ObjectsFailed", u64::from(receipt.status == Status::Failed));
        }
        Delivered::Quarantined(_) => metrics.add(UNKNOWN_DATASET, "ObjectsFailed", 1),
        Delivered::Superseded => metrics.add(UNKNOWN_DATASET, "ObjectsSuperseded", 1),
    }
}
