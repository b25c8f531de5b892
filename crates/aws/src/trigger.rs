//! The batch of messages that triggers a function, and the message that it can do nothing with. Knows no message's
//! meaning.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use penstock_core::quarantine::Subject;
use penstock_core::reject::{Reject, Rule, Violation};
use serde_json::Value;

use crate::quarantine::{Quarantine, QuarantineError};

/// The event as an SQS batch, if it is one.
pub fn sqs_batch(event: &Value) -> Option<SqsEvent> {
    let first = event.get("Records")?.get(0)?;
    (first.get("eventSource")?.as_str()? == "aws:sqs").then(|| serde_json::from_value(event.clone()).ok())?
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
