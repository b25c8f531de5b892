//! glue-job-starter: takes S3 events and schedules and starts the Glue jobs and crawlers that the datasets' contracts
//! name, once for each piece of work, however often and in whatever grouping its messages come.
//!
//! Objects of the stage bucket, and those of the landing bucket that s3-to-lake hands over, are the job's; objects of the
//! lake and curated buckets are the crawler's. All work of a batch for one dataset and kind goes into one claim, which is
//! also the manifest of its run: how claims keep every piece in one run is `penstock_core::claim`'s. A piece is one put of
//! an object, or one time of a schedule. A message is given back unless all its work is in claims whose runs are started,
//! or in quarantine, or nothing to start.

mod claims;
mod config;
mod error;
mod group;
mod place;
mod sink;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use penstock_aws::quarantine::Quarantine;
use penstock_aws::store::Store;
use penstock_aws::telemetry::Metrics;
use penstock_aws::trigger::{GivenBack as _, answer, logged, quarantined, sqs_batch};
use penstock_aws::{Invocation, answered, s3_client};
use penstock_core::claim::{Claim, Claiming, Entry, Kind, Lease, Piece, Tick, folder};
use penstock_core::quarantine::UNKNOWN_DATASET;
use serde_json::Value;

use claims::Log;
pub use config::{Config, SERVICE};
pub use error::{Back, Error};
use group::{Group, Groups};
pub use penstock_aws::StartError;
use place::{Place, place};
pub use sink::{Cause, MANIFEST};
use sink::{Sink, What};
use told::{Created, Schedule, Start, Told, put_at, told_in, told_in_text};

/// Kept back before the deadline: a dataset's turn takes less.
const RESERVE: Duration = Duration::from_secs(20);
/// How far back work is looked for that tells no time and came in no message that does, in ms: longer than Lambda tries a
/// bare event, which is six hours.
const UNTIMED_MS: u64 = 24 * 3_600_000;

/// The function: its settings and clients, made once.
#[derive(Debug)]
pub struct App {
    config: Config,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    glue: aws_sdk_glue::Client,
    store: Store,
    quarantine: Quarantine,
    warm: AtomicBool,
}

/// Why messages are given back, by their number.
type Failures = BTreeMap<usize, Arc<Error>>;

impl App {
    /// Makes the clients.
    pub fn start(config: Config, sdk: &aws_config::SdkConfig) -> Self {
        let (sqs, glue) = (aws_sdk_sqs::Client::new(sdk), aws_sdk_glue::Client::new(sdk));
        Self::with_clients(config, s3_client(sdk), sqs, glue)
    }

    /// The same with clients that were made already.
    pub fn with_clients(
        config: Config,
        s3: aws_sdk_s3::Client,
        sqs: aws_sdk_sqs::Client,
        glue: aws_sdk_glue::Client,
    ) -> Self {
        let store = Store::new(s3.clone(), config.work_bucket.clone());
        let quarantine = Quarantine::new(s3.clone(), config.quarantine_bucket.clone(), SERVICE);
        Self { config, s3, sqs, glue, store, quarantine, warm: AtomicBool::new(false) }
    }

    /// One invocation: an SQS batch of S3 events and schedules, or one of them as it is.
    pub async fn handle(&self, event: Value, invocation: Invocation) -> Result<SqsBatchResponse, Back> {
        let all = async |metrics: &mut Metrics| self.invoke(event, &invocation, metrics).await;
        logged(SERVICE, &invocation, &self.warm, all).await
    }

    async fn invoke(
        &self,
        event: Value,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<SqsBatchResponse, Back> {
        if let Some(batch) = sqs_batch(&event) {
            drop(event);
            let failures = self.batch(&batch, invocation, metrics).await;
            return Ok(answer(Some((&self.sqs, &self.config.queue_url)), &batch, &failures).await);
        }
        let (mut groups, mut failures) = (Groups::default(), Failures::default());
        let told = told_in(&event).map_err(Back::of_event)?;
        let sent = Sent { number: 0, at_ms: invocation.now_ms().saturating_sub(UNTIMED_MS) };
        match self.gather(told, sent, &mut groups, metrics).await {
            Ok(()) => {}
            Err(Ungathered::Message(reason)) => return Err(Back::of_event(reason)),
            Err(Ungathered::Fault(error)) => drop(failures.insert(0, Arc::new(error))),
        }
        self.start_all(groups, &mut failures, invocation, metrics).await;
        // A bare event has no message to give back: its fault fails the invocation, which Lambda tries again.
        let fault = failures.remove(&0);
        fault.map_or(Ok(SqsBatchResponse::default()), |error| Err(back(error, 1, invocation.now_ms())))
    }

    /// What the messages of a batch tell is started together; why which of them come again.
    async fn batch(
        &self,
        batch: &SqsEvent,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> BTreeMap<usize, Back> {
        let (mut groups, mut failures) = (Groups::default(), Failures::default());
        let untimed_ms = invocation.now_ms().saturating_sub(UNTIMED_MS);
        for (number, message) in batch.records.iter().enumerate() {
            let sent = Sent { number, at_ms: sent_ms(message).unwrap_or(untimed_ms) };
            let gathered = match told_in_text(message.body.as_deref().unwrap_or_default()) {
                Ok(told) => self.gather(told, sent, &mut groups, metrics).await,
                Err(reason) => Err(Ungathered::Message(reason)),
            };
            let done = match gathered {
                Ok(()) => Ok(()),
                Err(Ungathered::Fault(error)) => Err(error),
                Err(Ungathered::Message(reason)) => {
                    quarantined(&self.quarantine, message, &reason, metrics).await.map_err(Error::from)
                }
            };
            failures.extend(done.err().map(|error| (number, Arc::new(error))));
        }
        self.start_all(groups, &mut failures, invocation, metrics).await;
        let receives = |number: usize| batch.records.get(number).map_or(1, receives);
        let now_ms = invocation.now_ms();
        failures.into_iter().map(|(number, error)| (number, back(error, receives(number), now_ms))).collect()
    }

    /// Puts what a message tells to the work of its dataset. All its objects are looked at, also after a fault.
    async fn gather(
        &self,
        told: Told,
        sent: Sent,
        groups: &mut Groups,
        metrics: &mut Metrics,
    ) -> Result<(), Ungathered> {
        let created = match told {
            Told::Objects(created) => created,
            Told::Schedule(schedule) => {
                return self.schedule(schedule, sent, groups).map_err(Ungathered::Message);
            }
        };
        let mut first = Ok(());
        for own in created {
            let done = self.object(own, sent, groups, metrics).await;
            first = first.and(done);
        }
        first.map_err(Ungathered::Fault)
    }

    fn schedule(&self, schedule: Schedule, sent: Sent, groups: &mut Groups) -> Result<(), String> {
        let Schedule { dataset, start, id, time, at_ms } = schedule;
        let Some((name, own)) = self.config.datasets.get_key_value(&dataset) else {
            return Err(format!("is a schedule of dataset {dataset:?}, which has no contract"));
        };
        let (kind, named, what) = match start {
            Start::Job => (Kind::Job, &own.job, "penstock.glueJob"),
            Start::Crawler => (Kind::Crawler, &own.crawler, "penstock.crawler"),
        };
        if *named == Ok(None) {
            return Err(format!("is a schedule of dataset {dataset}, whose contract names no {what}"));
        }
        groups.add((name, kind), Piece::Tick(Tick { id, time }), at_ms, sent.number);
        Ok(())
    }

    async fn object(
        &self,
        created: Created,
        sent: Sent,
        groups: &mut Groups,
        metrics: &mut Metrics,
    ) -> Result<(), Error> {
        let object = &created.object;
        match place(&self.config, object) {
            Place::Nothing(dataset) => {
                tracing::debug!(source = object.uri(), dataset, "object starts nothing");
                metrics.add(dataset, "ObjectsSkipped", 1);
            }
            Place::Fault(violation) => {
                self.quarantine.put_whole(object, UNKNOWN_DATASET, violation).await?;
                metrics.add(UNKNOWN_DATASET, "ObjectsFailed", 1);
            }
            Place::Work(dataset, kind) => match self.entry(created).await? {
                Some((entry, at_ms)) => {
                    let at_ms = at_ms.unwrap_or(sent.at_ms);
                    groups.add((dataset, kind), Piece::Object(entry), at_ms, sent.number);
                }
                None => metrics.add(dataset, "ObjectsSuperseded", 1),
            },
        }
        Ok(())
    }

    /// A put's identity, and its time where that is known. S3 is asked only where the event lacks some of it, and then
    /// for all: it tells of the object as it is now. `None`: it is gone.
    async fn entry(&self, created: Created) -> Result<Option<(Entry, Option<u64>)>, Error> {
        let Created { object, put, at_ms } = created;
        let url = object.uri();
        if let (Some(etag), Some(bytes), Some(put)) = (&object.etag, object.size, &put) {
            return Ok(Some((Entry { url, etag: etag.clone(), bytes, put: put.clone() }, at_ms)));
        }
        match self.s3.head_object().bucket(&object.bucket).key(&object.key).send().await {
            Ok(head) => {
                let etag = head.e_tag.unwrap_or_default().trim_matches('"').to_owned();
                let bytes = head.content_length.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0);
                let modified_ms: Option<u64> =
                    head.last_modified.and_then(|at| at.to_millis().ok()?.try_into().ok());
                let put = modified_ms.map(put_at).or(put).unwrap_or_default();
                Ok(Some((Entry { url, etag, bytes, put }, modified_ms.or(at_ms))))
            }
            Err(error) if error.code() == Some("NotFound") => Ok(None),
            Err(error) => Err(Error::Head { uri: url, message: answered(&error) }),
        }
    }

    /// Starts dataset by dataset; what is not started is told by its messages.
    async fn start_all(
        &self,
        groups: Groups,
        failures: &mut Failures,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) {
        for ((dataset, kind), group) in groups.by_log() {
            // Boxed: the future of all these calls is large, and its type deep.
            let (left, done) = Box::pin(self.start_group(&dataset, kind, &group, invocation, metrics)).await;
            let Err(error) = done else { continue };
            tell(&dataset, &error, metrics);
            let error = Arc::new(error);
            failures.extend(left.into_iter().map(|number| (number, Arc::clone(&error))));
        }
    }

    /// The messages whose work is not started, and why.
    async fn start_group(
        &self,
        dataset: &str,
        kind: Kind,
        group: &Group,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> (Vec<usize>, Result<(), Error>) {
        let all = || group.messages.iter().flatten().copied().collect();
        let (contract, name) = match self.named(dataset, kind) {
            Ok(found) => found,
            Err(reason) => return (all(), Err(Error::Contract { dataset: dataset.to_owned(), reason })),
        };
        if invocation.is_over(RESERVE) {
            return (all(), Err(Error::OutOfTime { dataset: dataset.to_owned() }));
        }
        let (what, target) = match kind {
            Kind::Job => (What::Job, &self.config.curated_bucket),
            Kind::LakeJob => (What::Job, &self.config.lake_bucket),
            Kind::Crawler => (What::Crawler, &self.config.lake_bucket),
        };
        let bucket = &self.config.work_bucket;
        let draft = Claim::draft(contract, target, bucket);
        let sink = Sink { glue: &self.glue, what, name };
        let log =
            Log { s3: &self.s3, store: &self.store, bucket, folder: folder(dataset, kind), sink, dataset };
        // A time of the future was told by a clock that goes wrong.
        let oldest_ms = group.oldest_ms.min(invocation.now_ms());
        let mut claiming = Claiming::new(&draft, self.lease(invocation), &group.pieces, Some(oldest_ms));
        let done = log.claim(&mut claiming, invocation).await;
        metrics.add(dataset, "RunsStarted", claiming.runs());
        metrics.add(dataset, "TakeOvers", claiming.taken_over());
        let (started, left): (Vec<_>, Vec<_>) =
            group.messages.iter().enumerate().partition(|(at, _)| claiming.is_done(*at));
        metrics.add(dataset, "Objects", started.len() as u64);
        (left.into_iter().flat_map(|(_, messages)| messages).copied().collect(), done)
    }

    fn named(&self, dataset: &str, kind: Kind) -> Result<(&penstock_core::contract::Contract, &str), String> {
        let own = self.config.datasets.get(dataset).ok_or("the dataset has no contract")?;
        let (named, what) = match kind {
            Kind::Job | Kind::LakeJob => (&own.job, "penstock.glueJob"),
            Kind::Crawler => (&own.crawler, "penstock.crawler"),
        };
        let name = named.as_ref().map_err(Clone::clone)?.as_deref();
        Ok((&own.contract, name.ok_or_else(|| format!("names no {what}"))?))
    }

    /// Of this invocation: held until it is surely over.
    fn lease(&self, invocation: &Invocation) -> Lease {
        let lease = self.config.lease.unwrap_or_else(|| invocation.lease());
        Lease { holder: invocation.holder(), ms: u64::try_from(lease.as_millis()).unwrap_or(u64::MAX) }
    }
}

/// The message that tells of work: its number, and the time that it stands for where the work itself tells none, in ms
/// since 1970.
#[derive(Debug, Clone, Copy)]
struct Sent {
    number: usize,
    at_ms: u64,
}

/// Why a message is not sorted in.
enum Ungathered {
    /// It tells of nothing.
    Message(String),
    /// It has to come again.
    Fault(Error),
}

fn back(error: Arc<Error>, receives: u32, now_ms: u64) -> Back {
    let again_s = error.again_s(receives, now_ms);
    Back { error, again_s }
}

/// How often a message was received.
fn receives(message: &SqsMessage) -> u32 {
    let count = message.attributes.get("ApproximateReceiveCount");
    count.and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// When a message was sent, in ms since 1970, where SQS says it.
fn sent_ms(message: &SqsMessage) -> Option<u64> {
    message.attributes.get("SentTimestamp")?.parse().ok()
}

fn tell(dataset: &str, error: &Error, metrics: &mut Metrics) {
    let kind = error.kind();
    match error {
        Error::Refused { refusal, .. } if refusal.cause == Cause::Busy => {
            metrics.add(dataset, "StartsWaiting", 1)
        }
        Error::Refused { .. } | Error::Contract { .. } => metrics.add(dataset, "StartsFailed", 1),
        _ => {}
    }
    match error.is_retryable() {
        true => tracing::warn!(dataset, error = %error, kind, "work is not started yet"),
        false => {
            tracing::error!(dataset, error = %error, kind, "work cannot be started until this is mended")
        }
    }
}
