//! A queue of the local SQS, and the part that Lambda's event source mapping plays between it and a function.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageSystemAttributeName, QueueAttributeName,
};
use serde_json::{Value, json};

use crate::ministack::REGION;
use crate::runtime_api::FunctionError;
use crate::wait::until;

/// What SQS hands out at most in one receive, and Lambda in one FIFO batch.
const MAX_RECEIVE: i32 = 10;

/// A queue with the few verbs that tests need; the rest goes through `client`.
#[derive(Debug, Clone)]
pub struct Queue {
    /// The client that made the queue.
    pub client: Client,
    /// The queue's URL.
    pub url: String,
    /// The queue's ARN.
    pub arn: String,
}

/// Received messages as the event that Lambda makes of them. They stay invisible until settled.
#[derive(Debug)]
pub struct SqsBatch {
    /// `{"Records": [...]}`.
    pub event: Value,
    /// Receipt handles by message id.
    receipts: BTreeMap<String, String>,
}

impl SqsBatch {
    /// The messages in it; 0 when the queue had none to give.
    #[must_use]
    pub fn len(&self) -> usize {
        self.receipts.len()
    }

    /// Whether the queue had none to give.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }
}

impl Queue {
    pub(crate) async fn create(client: Client, name: String) -> anyhow::Result<Self> {
        let mut create = client.create_queue().queue_name(&name);
        if name.ends_with(".fifo") {
            create = create.attributes(QueueAttributeName::FifoQueue, "true");
        }
        let created = create.send().await.with_context(|| format!("creating queue {name}"))?;
        let url = created.queue_url().context("a created queue has a URL")?.to_owned();
        Self::at(client, url).await
    }

    /// The queue of this name, which somebody else made.
    pub async fn named(client: Client, name: &str) -> anyhow::Result<Self> {
        let got = client.get_queue_url().queue_name(name).send().await;
        let url = got.with_context(|| format!("looking for queue {name}"))?.queue_url().map(str::to_owned);
        Self::at(client, url.context("a queue has a URL")?).await
    }

    async fn at(client: Client, url: String) -> anyhow::Result<Self> {
        let arn = attributes(&client, &url, [QueueAttributeName::QueueArn]).await?.concat();
        Ok(Self { client, url, arn })
    }

    pub(crate) async fn redrive_to(&self, dead: &Queue, max_receives: u32) -> anyhow::Result<()> {
        let policy = json!({ "deadLetterTargetArn": dead.arn, "maxReceiveCount": max_receives });
        let set = self.client.set_queue_attributes().queue_url(&self.url);
        let set = set.attributes(QueueAttributeName::RedrivePolicy, policy.to_string()).send().await;
        set.with_context(|| format!("setting the redrive policy of {}", self.url))?;
        Ok(())
    }

    /// Sends one message to a standard queue.
    pub async fn send(&self, body: &str) -> anyhow::Result<()> {
        let send = self.client.send_message().queue_url(&self.url).message_body(body).send().await;
        send.with_context(|| format!("sending to {}", self.url))?;
        Ok(())
    }

    /// Sends one message to a FIFO queue.
    pub async fn send_in_group(&self, body: &str, group: &str, dedup_id: &str) -> anyhow::Result<()> {
        let send = self.client.send_message().queue_url(&self.url).message_body(body);
        let send = send.message_group_id(group).message_deduplication_id(dedup_id).send().await;
        send.with_context(|| format!("sending to {}", self.url))?;
        Ok(())
    }

    /// Receives up to `max` (1 to 10) visible messages as a Lambda event.
    pub async fn receive(&self, max: i32) -> anyhow::Result<SqsBatch> {
        let messages = self.receive_messages(max).await?;
        let mut records = Vec::new();
        let mut receipts = BTreeMap::new();
        for message in &messages {
            let id = message.message_id().context("a received message has an id")?;
            let receipt = message.receipt_handle().context("a received message has a receipt handle")?;
            receipts.insert(id.to_owned(), receipt.to_owned());
            records.push(self.record(message));
        }
        Ok(SqsBatch { event: json!({ "Records": records }), receipts })
    }

    /// Does with `batch` what Lambda does after the function answered `response`: deletes what was not
    /// reported, and gives back what was, at once instead of after the visibility timeout. As on Lambda an
    /// empty answer acknowledges all, and a report that names no message of the batch fails the whole batch.
    /// Returns the ids that were given back.
    pub async fn settle(&self, batch: SqsBatch, response: &Value) -> anyhow::Result<BTreeSet<String>> {
        let all = || batch.receipts.keys().cloned().collect();
        let failed = match failed_ids(response) {
            Some(ids) if ids.iter().all(|id| batch.receipts.contains_key(id)) => ids,
            _ => all(),
        };
        let (back, done): (Vec<_>, Vec<_>) = batch.receipts.iter().partition(|(id, _)| failed.contains(*id));
        self.delete(&done).await?;
        self.hide(&back, 0).await?;
        Ok(failed)
    }

    /// Has batches taken until the queue is empty, as Lambda's event source does, and settles each by its answer; gives
    /// the number of invocations.
    pub async fn work_off(
        &self,
        mut invoke: impl AsyncFnMut(&Value) -> Result<Value, FunctionError>,
    ) -> anyhow::Result<usize> {
        let mut invocations = 0;
        until("the queue to be empty", Duration::from_secs(120), async || {
            let batch = self.receive(MAX_RECEIVE).await?;
            if batch.is_empty() {
                return Ok((self.depth().await? == 0).then_some(()));
            }
            invocations += 1;
            let answer = invoke(&batch.event).await?;
            self.settle(batch, &answer).await?;
            Ok(None)
        })
        .await?;
        Ok(invocations)
    }

    /// What Lambda does after an invocation that failed as a whole.
    pub async fn fail(&self, batch: SqsBatch) -> anyhow::Result<()> {
        self.hide(&batch.receipts.iter().collect::<Vec<_>>(), 0).await
    }

    /// Keeps the messages of a batch out of sight for that long from now.
    pub async fn keep(&self, batch: &SqsBatch, time: Duration) -> anyhow::Result<()> {
        self.hide(&batch.receipts.iter().collect::<Vec<_>>(), i32::try_from(time.as_secs())?).await
    }

    /// Receives and deletes until the queue gives nothing more; the bodies in the order of delivery. Messages
    /// that somebody else holds stay.
    pub async fn drain(&self) -> anyhow::Result<Vec<String>> {
        let mut bodies = Vec::new();
        loop {
            let batch = self.receive(MAX_RECEIVE).await?;
            if batch.is_empty() {
                return Ok(bodies);
            }
            let records = batch.event["Records"].as_array().into_iter().flatten();
            bodies.extend(records.filter_map(|record| record["body"].as_str().map(str::to_owned)));
            self.settle(batch, &Value::Null).await?;
        }
    }

    /// Visible and invisible messages.
    pub async fn depth(&self) -> anyhow::Result<u64> {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        // Both at once: a message that came back between two looks would be in neither.
        let counts = attributes(&self.client, &self.url, counts).await?;
        counts.iter().map(|count| Ok(count.parse::<u64>()?)).sum()
    }

    async fn receive_messages(&self, max: i32) -> anyhow::Result<Vec<Message>> {
        let receive = self.client.receive_message().queue_url(&self.url).max_number_of_messages(max);
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
        let received = receive.message_attribute_names("All").send().await;
        let received = received.with_context(|| format!("receiving from {}", self.url))?;
        Ok(received.messages.unwrap_or_default())
    }

    fn record(&self, message: &Message) -> Value {
        let attributes = message.attributes().into_iter().flatten();
        let attributes: BTreeMap<_, _> =
            attributes.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        json!({
            "messageId": message.message_id(),
            "receiptHandle": message.receipt_handle(),
            "body": message.body(),
            "attributes": attributes,
            "messageAttributes": {},
            "md5OfBody": message.md5_of_body(),
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn,
            "awsRegion": REGION,
        })
    }

    async fn delete(&self, messages: &[(&String, &String)]) -> anyhow::Result<()> {
        let entries = messages.iter().map(|(id, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(*id).receipt_handle(*receipt).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() {
            return Ok(());
        }
        let delete = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries));
        let deleted = delete.send().await.with_context(|| format!("deleting from {}", self.url))?;
        ensure!(deleted.failed().is_empty(), "not deleted: {:?}", deleted.failed());
        Ok(())
    }

    async fn hide(&self, messages: &[(&String, &String)], seconds: i32) -> anyhow::Result<()> {
        let entries = messages.iter().map(|(id, receipt)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(*id);
            entry.receipt_handle(*receipt).visibility_timeout(seconds).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        if entries.is_empty() {
            return Ok(());
        }
        let change = self.client.change_message_visibility_batch().queue_url(&self.url);
        let changed = change.set_entries(Some(entries)).send().await;
        let changed = changed.with_context(|| format!("changing the visibility in {}", self.url))?;
        ensure!(changed.failed().is_empty(), "visibility not changed: {:?}", changed.failed());
        Ok(())
    }
}

async fn attributes<const N: usize>(
    client: &Client,
    url: &str,
    names: [QueueAttributeName; N],
) -> anyhow::Result<Vec<String>> {
    let get = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(names.to_vec()));
    let got = get.send().await.with_context(|| format!("reading the attributes of {url}"))?;
    let value = |name| {
        let value = got.attributes().and_then(|attributes| attributes.get(&name));
        value.cloned().with_context(|| format!("{url} has no {name}"))
    };
    names.into_iter().map(value).collect()
}

/// The reported ids; None when the report itself is not valid, which fails the whole batch.
fn failed_ids(response: &Value) -> Option<BTreeSet<String>> {
    let failures = match response.get("batchItemFailures") {
        None | Some(Value::Null) => return Some(BTreeSet::new()),
        Some(failures) => failures.as_array()?,
    };
    let ids = failures.iter().map(|failure| failure["itemIdentifier"].as_str().map(str::to_owned));
    ids.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_answer_reports_nothing() {
        for response in [json!(null), json!({}), json!({ "batchItemFailures": [] }), json!("done")] {
            assert_eq!(failed_ids(&response), Some(BTreeSet::new()), "{response}");
        }
    }

    #[test]
    fn a_report_without_an_id_is_not_valid() {
        for entry in [json!({}), json!({ "itemIdentifier": null }), json!("a")] {
            assert_eq!(failed_ids(&json!({ "batchItemFailures": [{ "itemIdentifier": "a" }, entry] })), None);
        }
    }
}
