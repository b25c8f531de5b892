//! The stream route as a test has it: the copy route that ends it, a stream, what Firehose does behind it, and the
//! function that puts an object's rows on the stream, as a bootstrap. It knows the functions by their binaries.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::copy_route::batch;
use crate::firehose::{DELIVERY_STREAM, Firehose};
use crate::kinesis::{KinesisStub, STREAM};
use crate::route::failures;
use crate::{Bootstrap, CopyRoute, MiniStack, Queue};

/// The function.
pub const STREAMER: &str = "s3-to-kinesis";
/// Records of a batch that the transformation is given.
const BATCH: usize = 500;

/// The stream route of one test; it is asked for what its copy route is asked for directly.
#[derive(Debug)]
pub struct StreamRoute {
    /// The stream.
    pub kinesis: KinesisStub,
    /// What delivers it.
    pub firehose: Firehose,
    /// The queue of the function's events and tasks.
    pub tasks: Queue,
    /// Variables of the function.
    pub vars: Vec<(String, String)>,
    /// The function.
    pub streamer: Bootstrap,
    copy: CopyRoute,
    /// Records of the stream that were delivered.
    delivered: AtomicUsize,
}

impl Deref for StreamRoute {
    type Target = CopyRoute;

    fn deref(&self) -> &CopyRoute {
        &self.copy
    }
}

impl StreamRoute {
    /// The route with the contracts of a directory, and more variables for its functions.
    pub async fn with_settings(folder: TempDir, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let contracts = folder.path().display().to_string();
        let kinesis = KinesisStub::serve().await?;
        let tasks = MiniStack::shared().await?.create_queue("stream").await?;
        let stream = [
            ("AWS_ENDPOINT_URL_KINESIS", kinesis.endpoint.as_str()),
            ("STREAM_QUEUE_URL", tasks.url.as_str()),
            ("STREAM_NAME", STREAM),
            ("DELIVERY_STREAM_NAME", DELIVERY_STREAM),
        ];
        let copy = CopyRoute::with_settings(folder, &[&stream[..], settings].concat()).await?;
        let firehose = Firehose::start(&contracts, copy.stage.clone()).await?;
        let vars = copy.vars.clone();
        let streamer = Bootstrap::start(STREAMER, vars.clone()).await?;
        Ok(Self { kinesis, firehose, tasks, vars, streamer, copy, delivered: AtomicUsize::new(0) })
    }

    /// Has the function take a batch of messages; the numbers of those that it gives back.
    pub async fn send(&self, messages: &[Value]) -> anyhow::Result<Vec<usize>> {
        given_back(&self.streamer.invoke(&batch(messages)).await?)
    }

    /// Puts objects into the landing bucket and has the function take all at once, and its tasks until there are none;
    /// nothing may be given back.
    pub async fn send_all(&self, objects: &[(&str, Vec<u8>)]) -> anyhow::Result<Vec<Value>> {
        let mut messages = Vec::new();
        for (key, body) in objects {
            messages.push(self.landing.put_for_event(key, body.clone()).await?);
        }
        let given_back = self.send(&messages).await?;
        ensure!(given_back.is_empty(), "messages {given_back:?} were given back");
        self.tasks.work_off(async |event| self.streamer.invoke(event).await).await?;
        Ok(messages)
    }

    /// The tasks that stand in the queue, as messages; they are gone from there.
    pub async fn take_tasks(&self) -> anyhow::Result<Vec<Value>> {
        Ok(self.tasks.drain().await?.iter().map(|body| self.message(body)).collect())
    }

    /// A message of the function's queue.
    #[must_use]
    pub fn message(&self, body: &str) -> Value {
        json!({"Records": [{"messageId": "0", "receiptHandle": "r", "body": body,
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772323200000"}, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": self.tasks.arn, "awsRegion": crate::REGION}]})
    }

    /// Delivers what came onto the stream since this was called last, and loads it.
    pub async fn load_new(&self) -> anyhow::Result<()> {
        let first = self.delivered.load(Ordering::Relaxed);
        let records = self.kinesis.records_from(first);
        self.delivered.store(first + records.len(), Ordering::Relaxed);
        let messages = self.firehose.deliver(&records, BATCH).await?;
        if messages.is_empty() {
            return Ok(());
        }
        let given_back = self.copy.take(&messages).await?;
        ensure!(given_back.is_empty(), "objects {given_back:?} of the stage bucket were given back");
        Ok(())
    }

    /// The one receipt of an object.
    pub async fn receipt_of(&self, key: &str) -> anyhow::Result<Value> {
        let source = format!("s3://{}/{key}", self.landing.name);
        let mut all = self.receipts().await?;
        all.retain(|receipt| receipt["source"] == source.as_str());
        ensure!(all.len() == 1, "{} receipts of {source}", all.len());
        all.pop().context("one receipt")
    }
}

/// The numbers of the messages that an answer gives back.
pub fn given_back(answer: &Value) -> anyhow::Result<Vec<usize>> {
    failures(answer).iter().map(|id| id.parse().context("a message's number")).collect()
}
