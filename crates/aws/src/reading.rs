//! Reading one object on its way to where its rows go: fetch, ingest, quarantine, account. It is one mechanism for all
//! routes and sizes: an object that is too much for one invocation is handed to tasks in the function's own queue.
//! Knows no route: where rows go is the `Outlet`'s, what an ended object means is the function's.

mod outlet;
mod ranges;
mod sections;
mod split;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use penstock_core::decode::{Broken, Limits};
use penstock_core::ident::HexId;
use penstock_core::ingest::{Checkpoint, Ingest, over_rejected_fraction};
use penstock_core::object::ObjectRef;
use penstock_core::range::RangeTask;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Rule, Violation};
use penstock_core::row::{Checker, Origin};
use penstock_core::work::{self, Account, Progress};

use crate::Invocation;
use crate::fetch::{FetchError, FetchPart, Identified, fetch_from};
use crate::quarantine::{Quarantine, QuarantineError};
use crate::store::{Store, StoreError};
use crate::tasks::SendTasksError;

pub use outlet::{Outlet, RowSink, Unfit};
use sections::Sections;
pub use split::split_bytes;

/// Kept back before the deadline, to finish what was begun and to answer.
pub const RESERVE: Duration = Duration::from_secs(10);

/// An object cannot be read now.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// S3 did not answer with the object.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The object's bytes stopped coming.
    #[error("reading {uri}: {message}")]
    Body {
        /// The object.
        uri: String,
        /// What the SDK says.
        message: String,
    },
    /// The work bucket was not read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Rejects are not safe.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The function's own queue did not take tasks.
    #[error(transparent)]
    Tasks(#[from] SendTasksError),
    /// Rows did not get where they go.
    #[error("rows of {uri}: {message}")]
    Outlet {
        /// The object.
        uri: String,
        /// What the outlet says.
        message: String,
        /// Whether trying again can help without a person.
        may_pass: bool,
    },
    /// Another invocation settled the object while this one read of it: what is true now shows when its message comes
    /// again.
    #[error("the object was closed while it was read")]
    Closed,
    /// The dataset's contract cannot be used as it is: a new deployment mends it.
    #[error("contract: {0}")]
    Contract(String),
    /// The invocation ends before the object is done.
    #[error("no time is left in this invocation")]
    OutOfTime,
}

/// What became of an object.
#[derive(Debug)]
pub enum Outcome {
    /// It is read: its rows are where they go, its rejects in quarantine.
    Read(Box<Read>),
    /// No invocation is long enough for it; it is in quarantine as a whole, after what was read of it.
    Slow {
        /// What was read before.
        account: Box<Account>,
        /// Why no more was.
        violation: Violation,
    },
    /// It is there and cannot be read without a person; it is in quarantine as a whole.
    Unreadable,
    /// It vanished or was replaced; the newer content has its own event.
    Superseded,
    /// Tasks have it. Those of these ranges have to come again.
    Tasked {
        /// Ranges that this invocation has no time for.
        again: Vec<u32>,
    },
}

/// An object that was read to its end, or to where it breaks off.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// Its records.
    pub account: Account,
    /// Where and why it breaks off.
    pub broken: Option<Violation>,
    /// That too many of its records are rejects.
    pub over_limit: Option<Violation>,
    /// Whether it was read in pieces: then more than its files may lie in its folder.
    pub in_pieces: bool,
}

/// An object that is read.
#[derive(Debug, Clone, Copy)]
pub struct Subjected<'a> {
    /// The object, pinned to its content.
    pub object: &'a ObjectRef,
    /// What it is.
    pub identity: &'a Identified,
}

impl Subjected<'_> {
    /// Where its records come from.
    pub fn origin(&self) -> Origin {
        Origin::new(self.object.uri(), self.identity.object_id, self.identity.modified_ms)
    }
}

/// What reading objects of one dataset needs.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a, O> {
    /// Where objects lie.
    pub s3: &'a aws_sdk_s3::Client,
    /// For tasks.
    pub sqs: &'a aws_sdk_sqs::Client,
    /// The function's own queue.
    pub queue_url: &'a str,
    /// A larger object is read in pieces of about so many bytes.
    pub split_bytes: u64,
    /// Where it is kept how far an object is read.
    pub store: &'a Store,
    /// Where rejects go.
    pub quarantine: &'a Quarantine,
    /// The dataset's rules.
    pub checker: &'a Arc<Checker>,
    /// What the contract says.
    pub fingerprint: &'a HexId,
    /// How long this may take.
    pub invocation: &'a Invocation,
    /// Where rows go.
    pub outlet: O,
}

impl<O: Outlet> Reader<'_, O> {
    /// Reads an object that an event tells of; a large one is handed to tasks, of which those of `has_tasks` are there.
    pub async fn read(&self, own: Subjected<'_>, has_tasks: &[u32]) -> Result<Outcome, ReadError> {
        self.has_time()?;
        let folder = self.folder(own);
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

    fn has_time(&self) -> Result<(), ReadError> {
        if self.invocation.is_over(RESERVE) { Err(ReadError::OutOfTime) } else { Ok(()) }
    }

    /// Folder of what is kept of an object while it is read.
    pub fn folder(&self, own: Subjected<'_>) -> String {
        let (id, modified_ms) = (&own.identity.object_id, own.identity.modified_ms);
        work::object_folder(O::KEPT_IN, self.checker.contract(), self.fingerprint, id, modified_ms)
    }

    /// The same of the object that a task is for.
    pub fn folder_of_task(&self, task: &RangeTask) -> String {
        let RangeTask { fingerprint, object_id, modified_ms, .. } = task;
        work::object_folder(O::KEPT_IN, self.checker.contract(), fingerprint, object_id, *modified_ms)
    }

    /// How far an earlier delivery came with an object that takes long.
    async fn progress(&self, folder: &str) -> Result<Option<Progress>, ReadError> {
        Ok(self.store.get_text(&work::progress_key(folder)).await?)
    }

    /// Reads an object from where the last reading stopped, until it is done or time is up.
    async fn read_on(
        &self,
        own: Subjected<'_>,
        folder: &str,
        before: Option<Progress>,
    ) -> Result<ReadOn, ReadError> {
        let is_task = before.is_some();
        let fresh = || Progress { section_bytes: self.split_bytes, ..Progress::default() };
        let progress = before.unwrap_or_else(fresh);
        let checkpoint = progress.checkpoint.clone();
        let body = match self.body(own, checkpoint.as_ref().map_or(0, Checkpoint::fetch_from)).await? {
            Ok(body) => body,
            Err(outcome) => return Ok(ReadOn::Ended(outcome)),
        };
        let origin = own.origin();
        let mut ingest = self.ingest(&origin, checkpoint.as_ref())?;
        let mut sections = Sections::behind(*self, folder, &origin, progress);
        sections.stop(&mut ingest);
        let broken = match all(&mut sections, &mut ingest, body).await {
            Ok(broken) => broken,
            Err(ReadError::OutOfTime) => {
                // Without a section it says at least that the object takes long.
                sections.write_progress().await?;
                let advanced = sections.progress.checkpoint != checkpoint;
                return Ok(ReadOn::OutOfTime { advanced, progress: sections.progress });
            }
            Err(error) => return Err(error),
        };
        let in_pieces = is_task || sections.progress.checkpoint.is_some();
        let account = sections.close(broken.as_ref()).await?;
        let broken = broken.as_ref().map(Broken::violation);
        let over_limit = self.over_limit(&account);
        sections.close_rejects(broken.clone().or_else(|| over_limit.clone())).await?;
        // Another task of the object has ended it meanwhile.
        if is_task && self.split(folder).await?.is_none() {
            return Err(ReadError::Closed);
        }
        let read = Read { account, broken, over_limit, in_pieces };
        Ok(ReadOn::Ended(Outcome::Read(Box::new(read))))
    }

    /// The object's bytes from an offset on; an outcome where there are none.
    async fn body(&self, own: Subjected<'_>, offset: u64) -> Result<Result<ByteStream, Outcome>, ReadError> {
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
                Ok(Err(Outcome::Unreadable))
            }
        }
    }

    /// The record engine, from the object's beginning or from a checkpoint.
    fn ingest(&self, origin: &Origin, at: Option<&Checkpoint>) -> Result<Ingest, ReadError> {
        let (checker, limits) = (Arc::clone(self.checker), Limits::default());
        let ingest = match at {
            None => Ingest::new(checker, origin.clone(), limits),
            Some(at) => Ingest::resume(checker, origin.clone(), limits, at),
        };
        ingest.map_err(|error| ReadError::Contract(error.to_string()))
    }

    /// Whether too many records of the whole object are rejects.
    fn over_limit(&self, account: &Account) -> Option<Violation> {
        let Account { read, rejected, .. } = account;
        let max_fraction = self.checker.contract().table_options.max_rejected_fraction;
        over_rejected_fraction(*read, *rejected, max_fraction).then(|| {
            let reason = format!("{rejected} of {read} records rejected, over {max_fraction}");
            Violation::record(Rule::TooManyRejects, reason)
        })
    }

    /// The account of an object as others read it.
    pub fn receipt(
        &self,
        own: Subjected<'_>,
        account: &Account,
        (status, reason): (Status, Option<String>),
    ) -> Receipt {
        let contract = self.checker.contract();
        Receipt {
            dataset: contract.dataset.clone(),
            object_id: own.identity.object_id.to_string(),
            source: own.object.uri(),
            bytes: own.identity.bytes,
            source_ms: own.identity.modified_ms,
            contract_version: contract.version.clone(),
            status,
            reason,
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
enum ReadOn {
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

/// Reads a body to its end or to where it breaks off.
async fn all<O: Outlet>(
    sections: &mut Sections<'_, O>,
    ingest: &mut Ingest,
    mut body: ByteStream,
) -> Result<Option<Broken>, ReadError> {
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| sections.body_error(&error.to_string()))?;
        if let Some(broken) = sections.feed(ingest, &piece).await? {
            return Ok(Some(broken));
        }
    }
    sections.end(ingest).await
}
