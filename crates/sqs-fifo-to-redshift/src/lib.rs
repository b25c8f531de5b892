//! sqs-fifo-to-redshift: takes messages of stamped rows from the FIFO queue and loads them, in one transaction a
//! batch and dataset, so that every key ends with its winner and nothing is doubled, however often and in whatever
//! grouping messages come.
//!
//! A message is acknowledged only when its rows are committed or in quarantine. A bad message never blocks its group;
//! a fault that may pass gives back that message and every later one of its group, and no other.

mod config;
mod error;
mod message;
mod sink;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use lambda_runtime::tracing::Instrument as _;
use penstock_aws::quarantine::Quarantine;
use penstock_aws::telemetry::{self, Metrics};
use penstock_aws::warehouse::Warehouse;
use penstock_aws::{Invocation, s3_client};
use penstock_core::quarantine::{Subject, UNKNOWN_DATASET};
use penstock_core::reject::{Reject, Violation};

pub use config::{Config, SERVICE};
pub use error::Error;
pub use message::{Body, Head, Rows};
pub use penstock_aws::StartError;
pub use sink::{Loadable, Settled, Sink};

/// Seconds after which a load that was still running is looked at again.
const RUNNING_AGAIN_S: i32 = 5;
/// Seconds after which messages of a fault that may pass come again.
const FAULT_AGAIN_S: i32 = 30;

/// The function: its settings and clients, made once.
#[derive(Debug)]
pub struct App {
    config: Config,
    sink: Sink,
    warm: AtomicBool,
}

/// Messages of one invocation that must come again, and why.
type Failures = HashMap<String, Error>;

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
        let sink = Sink {
            warehouse: Warehouse::new(redshift, config.warehouse.clone()),
            quarantine: Quarantine::new(s3, config.quarantine_bucket.clone(), SERVICE),
            sqs,
            queue_url: config.queue_url.clone(),
        };
        Self { config, sink, warm: AtomicBool::new(false) }
    }

    /// One invocation: a batch of the queue's messages.
    pub async fn handle(&self, event: SqsEvent, invocation: Invocation) -> SqsBatchResponse {
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        let span = telemetry::span(SERVICE, &invocation, cold_start);
        // Boxed: the runtime wraps this future many times over, and a type that deep is not taken by the compiler.
        Box::pin(self.batch(event, &invocation).instrument(span)).await
    }

    async fn batch(&self, event: SqsEvent, invocation: &Invocation) -> SqsBatchResponse {
        let mut metrics = Metrics::new(SERVICE, invocation);
        let mut failures = Failures::new();
        let heads: Vec<Head> = event.records.iter().map(Head::of).collect();
        let mut by_dataset: BTreeMap<String, Vec<(&Head, Rows)>> = BTreeMap::new();
        let mut closed: HashSet<&str> = HashSet::new();
        for (message, head) in event.records.iter().zip(&heads) {
            // What comes after a message that could not be read waits for it.
            if closed.contains(head.group.as_str()) {
                continue;
            }
            let body = message.body.as_deref().unwrap_or_default();
            match self.read(body, head, &mut metrics).await {
                Ok(Some(rows)) => {
                    by_dataset.entry(rows.checker.contract().dataset.clone()).or_default().push((head, rows))
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(message_id = head.id, error = %error, kind = error.kind(), "message is given back");
                    closed.insert(&head.group);
                    failures.insert(head.id.clone(), error);
                }
            }
        }
        for (dataset, messages) in &by_dataset {
            self.load(dataset, messages, invocation, &mut failures, &mut metrics).await;
        }
        let given_back = given_back(&heads, &failures);
        self.hand_over(&given_back, &failures).await;
        tracing::info!(
            totals = metrics.totals_json(),
            failed_messages = given_back.len(),
            "invocation is done"
        );
        metrics.emit();
        answer(&given_back)
    }

    /// Reads a message and makes its rejects safe; `None` when nothing of it is to be loaded.
    async fn read(&self, body: &str, head: &Head, metrics: &mut Metrics) -> Result<Option<Rows>, Error> {
        match Body::read(body, &self.config.datasets)? {
            Body::Unknown(violation) => {
                self.quarantine_message(body, head, violation).await?;
                metrics.add(UNKNOWN_DATASET, "MessagesQuarantined", 1);
                Ok(None)
            }
            Body::Rows(mut rows) => {
                let rejects = std::mem::take(&mut rows.rejects);
                if !rejects.is_empty() {
                    tracing::warn!(message_id = head.id, rejected = rejects.len(), "rows were rejected");
                    rows.rejects = rejects.iter().map(without_raw).collect();
                    self.sink.quarantine.put(rows.subject(head, "contract"), rejects).await?;
                }
                if !rows.warnings.is_empty() {
                    tracing::warn!(message_id = head.id, warnings = %rows.warnings, "rows lost a part of a text");
                    let dataset = &rows.checker.contract().dataset;
                    metrics.add(dataset, "Warnings", rows.warnings.total());
                }
                Ok(Some(rows))
            }
        }
    }

    async fn quarantine_message(&self, body: &str, head: &Head, violation: Violation) -> Result<(), Error> {
        tracing::error!(message_id = head.id, rule = violation.rule.as_str(), "message was quarantined");
        let reject = Reject { raw: body.as_bytes().to_vec(), ..Reject::whole(violation) };
        self.sink.quarantine.put(Subject::message(&head.id, &head.queue), vec![reject]).await?;
        Ok(())
    }

    async fn load(
        &self,
        dataset: &str,
        messages: &[(&Head, Rows)],
        invocation: &Invocation,
        failures: &mut Failures,
        metrics: &mut Metrics,
    ) {
        let loadable: Vec<Loadable<'_>> =
            messages.iter().map(|(head, rows)| Loadable { head, rows }).collect();
        let home = match self.config.homes.get(dataset) {
            Some(Ok(home)) => home,
            missing => {
                let reason = missing.and_then(|home| home.as_ref().err().cloned()).unwrap_or_default();
                tracing::error!(dataset, reason, "the dataset's table is not known");
                failures.extend(
                    loadable.iter().map(|message| (message.head.id.clone(), Error::Contract(reason.clone()))),
                );
                return;
            }
        };
        let settled = self.sink.load(&loadable, home, invocation).await;
        metrics.add(dataset, "Messages", loadable.len() as u64);
        settled.counts.iter().for_each(|(name, count)| metrics.add(dataset, *name, *count));
        failures.extend(settled.failed);
    }

    /// Messages of a running load come again at once, the others after a pause. A whole group goes by its first
    /// message: the queue holds a group back while any of its messages is invisible.
    async fn hand_over(&self, given_back: &[&Head], failures: &Failures) {
        let mut soon: HashMap<&str, bool> = HashMap::new();
        for head in given_back {
            let own = matches!(failures.get(&head.id), Some(Error::Running(_) | Error::OutOfTime));
            soon.entry(&head.group).or_insert(own);
        }
        let is_soon = |head: &&&Head| soon.get(head.group.as_str()).is_some_and(|soon| *soon);
        let (running, faulty): (Vec<&Head>, Vec<&Head>) = given_back.iter().partition(is_soon);
        self.sink.hand_over(&running, RUNNING_AGAIN_S).await;
        self.sink.hand_over(&faulty, FAULT_AGAIN_S).await;
    }
}

/// Rejects stay counted with their message; their raw bytes are safe and need no memory.
fn without_raw(reject: &Reject) -> Reject {
    Reject { raw: Vec::new(), ..reject.clone() }
}

/// Every failed message, and every later one of its group: acknowledging those would break the group's order.
fn given_back<'h>(heads: &'h [Head], failures: &Failures) -> Vec<&'h Head> {
    let mut closed: HashSet<&str> = HashSet::new();
    let mut given_back = Vec::new();
    for head in heads {
        if failures.contains_key(&head.id) || closed.contains(head.group.as_str()) {
            closed.insert(&head.group);
            given_back.push(head);
        }
    }
    given_back
}

fn answer(given_back: &[&Head]) -> SqsBatchResponse {
    let mut answer = SqsBatchResponse::default();
    for head in given_back {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = head.id.clone();
        answer.batch_item_failures.push(failure);
    }
    answer
}
