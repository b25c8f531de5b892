//! The batch of messages that triggers a function, and the message that it can do nothing with. Knows no message's
//! meaning.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use penstock_core::quarantine::Subject;
use penstock_core::reject::{Reject, Rule, Violation};
use serde_json::Value;

use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;

use crate::causes::answered;
use crate::quarantine::{Quarantine, QuarantineError};

/// ChangeMessageVisibilityBatch: at most 10 entries.
const MAX_ENTRIES: usize = 10;

/// The event as an SQS batch, if it is one.
pub fn sqs_batch(event: &Value) -> Option<SqsEvent> {
    let first = event.get("Records")?.get(0)?;
    (first.get("eventSource")?.as_str()? == "aws:sqs").then(|| serde_json::from_value(event.clone()).ok())?
}

/// Has messages that are given back come again after so many seconds: they would else wait for six times the function's
/// timeout. Where that is refused, they do; nothing else comes of it.
pub async fn come_again(sqs: &aws_sdk_sqs::Client, queue_url: &str, seconds: i32, messages: &[&SqsMessage]) {
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
