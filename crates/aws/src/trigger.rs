//! The trigger of a function whose work is told by S3 events: an SQS batch of them, or a bare one. What is done with an
//! object is the function's; which messages are given back, when they come again, and what becomes of a message that
//! tells of nothing is the same for all. Knows no message's meaning.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use lambda_runtime::tracing::Instrument as _;
use penstock_core::object::{ObjectRef, events_in, events_in_text};
use penstock_core::quarantine::{Subject, UNKNOWN_DATASET};
use penstock_core::reject::{Reject, Rule, Violation};
use serde_json::Value;

use crate::Invocation;
use crate::causes::answered;
use crate::quarantine::{Quarantine, QuarantineError};
use crate::telemetry::{self, Metrics};

/// ChangeMessageVisibilityBatch: at most 10 entries.
const MAX_ENTRIES: usize = 10;

/// Seconds after which messages of a fault that may pass come again.
pub const FAULT_AGAIN_S: i32 = 60;

/// The event as an SQS batch, if it is one.
pub fn sqs_batch(event: &Value) -> Option<SqsEvent> {
    let first = event.get("Records")?.get(0)?;
    (first.get("eventSource")?.as_str()? == "aws:sqs").then(|| serde_json::from_value(event.clone()).ok())?
}

/// Has messages that are given back come again after so many seconds: they would else wait for six times the function's
/// timeout. Where that is refused, they do; nothing else comes of it.
async fn come_again(sqs: &aws_sdk_sqs::Client, queue_url: &str, seconds: i32, messages: &[&SqsMessage]) {
    for piece in messages.chunks(MAX_ENTRIES) {
        let entry = |(i, message): (usize, &&SqsMessage)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(i.to_string());
            let handle = message.receipt_handle.as_ref()?;
            entry.receipt_handle(handle).visibility_timeout(seconds).build().ok()
        };
        let entries: Vec<_> = piece.iter().enumerate().filter_map(entry).collect();
        if entries.is_empty() {
            continue;
        }
        let request = sqs.change_message_visibility_batch().queue_url(queue_url);
        if let Err(error) = request.set_entries(Some(entries)).send().await {
            tracing::warn!(error = answered(&error), "visibility of messages was not shortened");
        }
    }
}

/// A function whose trigger tells of objects, which it handles one by one.
pub trait ObjectFunction {
    /// What a message tells of one object.
    type Told: From<ObjectRef>;
    /// Why an object, or a message, has to come again.
    type Error: GivenBack + From<QuarantineError>;

    /// Where messages go that tell of nothing.
    fn quarantine(&self) -> &Quarantine;

    /// What a message's text tells; an error is why it tells of nothing.
    fn told_in(&self, text: &str) -> Result<Vec<Self::Told>, String> {
        let events = events_in_text(text).map_err(|error| error.to_string())?;
        Ok(events.created.into_iter().map(Self::Told::from).collect())
    }

    /// Handles one object, and logs and counts what became of it.
    fn object(
        &self,
        told: Self::Told,
        message: Option<&SqsMessage>,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> impl Future<Output = Result<(), Self::Error>>;

    /// Where messages wait that are given back, if it is the function's to say for how long.
    fn queue(&self) -> Option<(&aws_sdk_sqs::Client, &str)>;
}

/// Why a message is given back.
pub trait GivenBack: std::fmt::Display {
    /// Of a bare event that is not one of S3's.
    fn of_event(reason: String) -> Self;

    /// Stable name: alarms match on it.
    fn kind(&self) -> &'static str;

    /// Seconds after which the message comes again.
    fn again_s(&self) -> i32;
}

/// One invocation: an SQS batch of S3 events, or an S3 event in any other envelope.
pub async fn each_object<F: ObjectFunction>(
    function: &F,
    event: &Value,
    invocation: &Invocation,
    metrics: &mut Metrics,
) -> Result<SqsBatchResponse, F::Error> {
    if let Some(batch) = sqs_batch(event) {
        return Ok(each_message(function, &batch, invocation, metrics).await);
    }
    // A bare event has no message to give back: its first fault fails the invocation, which Lambda tries again.
    let events = events_in(event).map_err(|error| F::Error::of_event(error.to_string()))?;
    let told = events.created.into_iter().map(F::Told::from).collect();
    objects(function, told, None, invocation, metrics).await?;
    Ok(SqsBatchResponse::default())
}

/// Each message on its own: one that fails is given back, the others are done.
async fn each_message<F: ObjectFunction>(
    function: &F,
    batch: &SqsEvent,
    invocation: &Invocation,
    metrics: &mut Metrics,
) -> SqsBatchResponse {
    let mut failures = BTreeMap::new();
    for (number, message) in batch.records.iter().enumerate() {
        let done = match function.told_in(message.body.as_deref().unwrap_or_default()) {
            Ok(told) => objects(function, told, Some(message), invocation, metrics).await,
            Err(reason) => {
                quarantined(function.quarantine(), message, &reason, metrics).await.map_err(F::Error::from)
            }
        };
        if let Err(error) = done {
            failures.insert(number, error);
        }
    }
    answer(function.queue(), batch, &failures).await
}

/// A message that tells of nothing, put where a person finds it.
pub async fn quarantined(
    quarantine: &Quarantine,
    message: &SqsMessage,
    reason: &str,
    metrics: &mut Metrics,
) -> Result<(), QuarantineError> {
    quarantine.put_message(message, reason).await?;
    metrics.add(UNKNOWN_DATASET, "MessagesQuarantined", 1);
    Ok(())
}

/// All objects are tried, also after one has failed; the first fault is told.
async fn objects<F: ObjectFunction>(
    function: &F,
    told: Vec<F::Told>,
    message: Option<&SqsMessage>,
    invocation: &Invocation,
    metrics: &mut Metrics,
) -> Result<(), F::Error> {
    let mut first = Ok(());
    for own in told {
        // Boxed: the future of a whole object is large, and its type deep.
        let done = Box::pin(function.object(own, message, invocation, metrics)).await;
        first = first.and(done);
    }
    first
}

/// The answer to a batch with faults by number of message, which come again when each of them says.
pub async fn answer<E: GivenBack>(
    queue: Option<(&aws_sdk_sqs::Client, &str)>,
    batch: &SqsEvent,
    failures: &BTreeMap<usize, E>,
) -> SqsBatchResponse {
    let mut answer = SqsBatchResponse::default();
    let mut again: BTreeMap<i32, Vec<&SqsMessage>> = BTreeMap::new();
    for (number, error) in failures {
        let Some(message) = batch.records.get(*number) else { continue };
        tracing::warn!(message_id = message.message_id, error = %error, kind = error.kind(), "message is given back");
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = message.message_id.clone().unwrap_or_default();
        answer.batch_item_failures.push(failure);
        again.entry(error.again_s()).or_default().push(message);
    }
    if let Some((sqs, queue_url)) = queue {
        for (seconds, messages) in again {
            come_again(sqs, queue_url, seconds, &messages).await;
        }
    }
    answer
}

/// One invocation as it is logged: its span, its totals, its metrics.
pub async fn logged<E>(
    service: &'static str,
    invocation: &Invocation,
    warm: &AtomicBool,
    handle: impl AsyncFnOnce(&mut Metrics) -> Result<SqsBatchResponse, E>,
) -> Result<SqsBatchResponse, E> {
    let cold_start = !warm.swap(true, Ordering::Relaxed);
    let span = telemetry::span(service, invocation, cold_start);
    let logged = async {
        let mut metrics = Metrics::new(service, invocation);
        let answer = handle(&mut metrics).await;
        let failed = answer.as_ref().map_or(1, |answer| answer.batch_item_failures.len());
        tracing::info!(totals = metrics.totals_json(), failed_messages = failed, "invocation is done");
        metrics.emit();
        answer
    };
    // Boxed: the runtime wraps this future many times over, and a type that deep is not taken by the compiler.
    Box::pin(logged.instrument(span)).await
}

impl Quarantine {
    /// A message that tells of nothing, with the reason.
    pub async fn put_message(&self, message: &SqsMessage, reason: &str) -> Result<(), QuarantineError> {
        let id = message.message_id.as_deref().unwrap_or_default();
        let subject = Subject::message(id, message.event_source_arn.as_deref().unwrap_or_default());
        let raw = message.body.as_deref().unwrap_or_default().as_bytes().to_vec();
        let reject = Reject { raw, ..Reject::whole(Violation::record(Rule::UnknownEvent, reason)) };
        self.put(subject, vec![reject]).await?;
        tracing::error!(message_id = id, reason, "message was quarantined");
        Ok(())
    }
}
