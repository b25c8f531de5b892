//! One object of the landing bucket, read in flight: fetch, ingest, pack, quarantine, account. What it gives are files
//! that COPY reads, and the account of the object; both lie in the work bucket, so that a redelivery finds them. An
//! object that is too much for one invocation is handed to tasks.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use penstock_aws::Invocation;
use penstock_aws::fetch::{FetchPart, Identified, fetch_from};
use penstock_aws::quarantine::Quarantine;
use penstock_core::decode::{Broken, Limits};
use penstock_core::ident::HexId;
use penstock_core::ingest::{Checkpoint, Ingest, over_rejected_fraction};
use penstock_core::object::ObjectRef;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Rule, Violation};
use penstock_core::row::{Checker, Origin};
use penstock_core::work::{self, Account, Prepared, Progress};

use crate::error::Error;
use crate::reading::Reading;
use crate::store::Store;

/// Kept back before the deadline, to load what is ready and to answer.
pub const RESERVE: Duration = Duration::from_secs(10);

/// What became of an object.
#[derive(Debug)]
pub enum Outcome {
    /// Its rows are in the work bucket.
    Ready(Box<Prepared>),
    /// It is in quarantine as a whole: nothing of it loads. Its receipt, where it was read.
    Failed(Option<Box<Receipt>>),
    /// It vanished or was replaced; the newer content has its own event.
    Superseded,
    /// Tasks have it. Those of these ranges have to come again.
    Tasked {
        /// Ranges that this invocation has no time for.
        again: Vec<u32>,
    },
}

/// An object that is read.
#[derive(Debug, Clone, Copy)]
pub struct Subjected<'a> {
    /// The object, pinned to its content.
    pub object: &'a ObjectRef,
    /// What it is.
    pub identity: &'a Identified,
}

/// What reading objects of one dataset needs.
#[derive(Debug, Clone, Copy)]
pub struct Preparer<'a> {
    pub s3: &'a aws_sdk_s3::Client,
    pub sqs: &'a aws_sdk_sqs::Client,
    pub queue_url: &'a str,
    pub split_bytes: u64,
    pub store: &'a Store,
    pub quarantine: &'a Quarantine,
    pub checker: &'a Arc<Checker>,
    pub fingerprint: &'a HexId,
    pub invocation: &'a Invocation,
}

impl Preparer<'_> {
    /// Reads an object that an event tells of, unless that was done before; a large one is handed to tasks.
    pub async fn prepare(&self, own: Subjected<'_>, has_tasks: &[u32]) -> Result<Outcome, Error> {
        if self.invocation.is_over(RESERVE) {
            return Err(Error::OutOfTime);
        }
        let folder = self.folder(own);
        if let Some(done) = self.done(&folder).await? {
            return Ok(outcome(done));
        }
        let progress = self.progress(&folder).await?;
        if own.identity.bytes > self.split_bytes || progress.is_some() {
            return self.hand_to_tasks(own, &folder, progress.is_some(), has_tasks).await;
        }
        match Box::pin(self.read_on(own, &folder, None)).await? {
            ReadOn::Ended(outcome) => Ok(outcome),
            // Others of its batch may have had the time: a task has it for itself.
            ReadOn::OutOfTime { .. } => self.hand_to_tasks(own, &folder, true, has_tasks).await,
        }
    }

    /// Folder of an object's rows.
    pub fn folder(&self, own: Subjected<'_>) -> String {
        let (id, modified_ms) = (&own.identity.object_id, own.identity.modified_ms);
        work::object_folder(self.checker.contract(), self.fingerprint, id, modified_ms)
    }

    /// The account that an earlier delivery left. One that cannot be read is written again.
    pub async fn done(&self, folder: &str) -> Result<Option<Prepared>, Error> {
        self.text(&work::done_key(folder)).await
    }

    /// How far an earlier delivery came with an object that takes long.
    pub async fn progress(&self, folder: &str) -> Result<Option<Progress>, Error> {
        self.text(&work::progress_key(folder)).await
    }

    /// A small text of ours; `None` also where it cannot be read.
    pub async fn text<T: serde::de::DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let bytes = self.store.get(key).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Reads an object from where the last reading stopped, until it is done or time is up.
    pub async fn read_on(
        &self,
        own: Subjected<'_>,
        folder: &str,
        before: Option<Progress>,
    ) -> Result<ReadOn, Error> {
        let is_task = before.is_some();
        let fresh = || Progress { section_bytes: self.split_bytes, ..Progress::default() };
        let progress = before.unwrap_or_else(fresh);
        let checkpoint = progress.checkpoint.clone();
        let body = match self.body(own, checkpoint.as_ref().map_or(0, Checkpoint::fetch_from)).await? {
            Ok(body) => body,
            Err(outcome) => return Ok(ReadOn::Ended(outcome)),
        };
        let origin = origin(own);
        let mut ingest = self.ingest(&origin, checkpoint.as_ref())?;
        let mut reading = Reading::behind(*self, folder, &origin, progress);
        reading.stop(&mut ingest);
        let broken = match all(&mut reading, &mut ingest, body).await {
            Ok(broken) => broken,
            Err(Error::OutOfTime) => {
                // Without a section it says at least that the object takes long.
                reading.write_progress().await?;
                let advanced = reading.progress.checkpoint != checkpoint;
                return Ok(ReadOn::OutOfTime { advanced, progress: reading.progress });
            }
            Err(error) => return Err(error),
        };
        let in_pieces = is_task || reading.progress.checkpoint.is_some();
        let account = reading.close(broken.as_ref()).await?;
        let whole = broken.as_ref().map(Broken::violation).or_else(|| self.over_limit(&account));
        reading.close_rejects(whole.clone()).await?;
        // Another task of the object has ended it meanwhile.
        if is_task && self.split(folder).await?.is_none() {
            return Err(Error::Closed);
        }
        let outcome = self.finish(own, folder, account, whole, in_pieces).await?;
        Ok(ReadOn::Ended(outcome))
    }

    /// The object's bytes from an offset on; an outcome where there are none.
    pub async fn body(&self, own: Subjected<'_>, offset: u64) -> Result<Result<ByteStream, Outcome>, Error> {
        match fetch_from(self.s3, own.object, offset).await? {
            FetchPart::Found(body) => Ok(Ok(body)),
            FetchPart::Superseded => {
                tracing::warn!(
                    source = own.object.uri(),
                    "object was removed or replaced before it was read"
                );
                Ok(Err(Outcome::Superseded))
            }
            FetchPart::Unreadable(reason) => {
                let violation = Violation::record(Rule::Unreadable, reason);
                let dataset = &self.checker.contract().dataset;
                self.quarantine.put_whole(own.object, dataset, violation).await?;
                Ok(Err(Outcome::Failed(None)))
            }
        }
    }

    /// The record engine, from the object's beginning or from a checkpoint.
    pub fn ingest(&self, origin: &Origin, at: Option<&Checkpoint>) -> Result<Ingest, Error> {
        let (checker, limits) = (Arc::clone(self.checker), Limits::default());
        let ingest = match at {
            None => Ingest::new(checker, origin.clone(), limits),
            Some(at) => Ingest::resume(checker, origin.clone(), limits, at),
        };
        ingest.map_err(|error| Error::Contract(error.to_string()))
    }

    /// Whether too many records of the whole object are rejects.
    pub fn over_limit(&self, account: &Account) -> Option<Violation> {
        let Account { read, rejected, .. } = account;
        let max_fraction = self.checker.contract().table_options.max_rejected_fraction;
        over_rejected_fraction(*read, *rejected, max_fraction).then(|| {
            let reason = format!("{rejected} of {read} records rejected, over {max_fraction}");
            Violation::record(Rule::TooManyRejects, reason)
        })
    }

    /// Writes the account of an object whose rows and rejects are safe.
    pub async fn finish(
        &self,
        own: Subjected<'_>,
        folder: &str,
        account: Account,
        whole: Option<Violation>,
        in_pieces: bool,
    ) -> Result<Outcome, Error> {
        let (read, rejected, source) = (account.read, account.rejected, own.object.uri());
        match &whole {
            Some(Violation { reason, .. }) => {
                tracing::error!(source, reason, read, rejected, "nothing of the object is loaded")
            }
            None if rejected > 0 => tracing::warn!(source, read, rejected, "records were rejected"),
            None => tracing::debug!(source, read, "object is ready"),
        }
        let receipt = self.receipt(own, &account, whole);
        let prepared = Prepared { receipt, parts: account.parts, in_pieces };
        let text = serde_json::to_vec(&prepared).unwrap_or_default();
        self.store.put(&work::done_key(folder), text).await?;
        Ok(outcome(prepared))
    }

    /// The account of an object as others read it.
    pub fn receipt(&self, own: Subjected<'_>, account: &Account, whole: Option<Violation>) -> Receipt {
        let contract = self.checker.contract();
        Receipt {
            dataset: contract.dataset.clone(),
            object_id: own.identity.object_id.to_string(),
            source: own.object.uri(),
            bytes: own.identity.bytes,
            source_ms: own.identity.modified_ms,
            contract_version: contract.version.clone(),
            status: if whole.is_some() { Status::Failed } else { Status::Complete },
            reason: whole.map(|own| own.reason),
            read: account.read,
            rejected: account.rejected,
            duplicate: 0,
            sent: account.rows,
            extra_fields: account.extra_fields,
            warnings: account.warnings,
        }
    }
}

/// How reading an object ended.
#[derive(Debug)]
pub enum ReadOn {
    /// It is done.
    Ended(Outcome),
    /// Somebody has to go on.
    OutOfTime {
        /// Whether a section was completed.
        advanced: bool,
        /// How far it is read, as it is written down.
        progress: Progress,
    },
}

/// Where an object's records come from.
pub fn origin(own: Subjected<'_>) -> Origin {
    Origin::new(own.object.uri(), own.identity.object_id, own.identity.modified_ms)
}

/// Reads a body to its end or to where it breaks off.
async fn all(
    reading: &mut Reading<'_>,
    ingest: &mut Ingest,
    mut body: ByteStream,
) -> Result<Option<Broken>, Error> {
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| reading.body_error(&error.to_string()))?;
        if let Some(broken) = reading.feed(ingest, &piece).await? {
            return Ok(Some(broken));
        }
    }
    reading.end(ingest).await
}

/// What an object's account says of it.
pub fn outcome(prepared: Prepared) -> Outcome {
    match prepared.receipt.status {
        Status::Complete => Outcome::Ready(Box::new(prepared)),
        Status::Partial | Status::Failed => Outcome::Failed(Some(Box::new(prepared.receipt))),
    }
}
