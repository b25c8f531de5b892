//! Depth of a queue and of its dead-letter queue. Knows no dataset.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName as Name;
use penstock_aws::answered;

/// Messages of a queue, as SQS counts them: approximately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// To be received.
    pub waiting: u64,
    /// Received and not acknowledged.
    pub in_flight: u64,
    /// In the dead-letter queue, none where there is no such queue; the text tells why it cannot be asked.
    pub dead: Result<u64, String>,
}

impl Queue {
    /// Asks for a queue's depth, where there is one.
    pub async fn of(sqs: &Client, url: Option<&str>) -> Option<Result<Self, String>> {
        match url {
            Some(url) => Some(Self::read(sqs, url).await),
            None => None,
        }
    }

    /// Asks for a queue's depth.
    async fn read(sqs: &Client, url: &str) -> Result<Self, String> {
        let names = [
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::RedrivePolicy,
        ];
        let request = sqs.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.into()));
        let answer = request.send().await.map_err(|error| answered(&error))?;
        let value = |name: Name| answer.attributes().and_then(|own| own.get(&name)).map(String::as_str);
        let number = |name: Name| {
            let text = value(name.clone()).unwrap_or_default();
            text.parse().map_err(|_| format!("{} is no number", name.as_str()))
        };
        let dead = match value(Name::RedrivePolicy).and_then(dead_letter_queue) {
            Some(name) => depth_of(sqs, &name).await,
            None => Ok(0),
        };
        Ok(Self {
            waiting: number(Name::ApproximateNumberOfMessages)?,
            in_flight: number(Name::ApproximateNumberOfMessagesNotVisible)?,
            dead,
        })
    }

    /// Whether no message is on its way.
    pub fn is_empty(&self) -> bool {
        self.waiting == 0 && self.in_flight == 0
    }
}

/// Name of the queue that a redrive policy leads to.
fn dead_letter_queue(policy: &str) -> Option<String> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    policy.get("deadLetterTargetArn")?.as_str()?.rsplit(':').next().map(str::to_owned)
}

async fn depth_of(sqs: &Client, name: &str) -> Result<u64, String> {
    let found = sqs.get_queue_url().queue_name(name).send().await.map_err(|error| answered(&error))?;
    let request = sqs.get_queue_attributes().set_queue_url(found.queue_url);
    let count = Name::ApproximateNumberOfMessages;
    let answer = request.attribute_names(count.clone()).send().await.map_err(|error| answered(&error))?;
    let text = answer.attributes().and_then(|own| own.get(&count)).map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| format!("{} is no number", count.as_str()))
}
