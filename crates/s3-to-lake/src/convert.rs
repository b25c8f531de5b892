//! The conversion of one object, under the lease of its source: read, note what may be there from now on, make the files
//! visible, delete those of an earlier content, note what is there. Whoever dies anywhere on this way leaves a note that
//! names every file that may be there, so that the next one writes the same files again and nothing is left behind. Where
//! the next one's content gives no files, those of the earlier contents stay, unless they are parts of several.

use std::sync::Arc;

use penstock_aws::Invocation;
use penstock_aws::fetch::{Fetch, Identified, fetch, identify};
use penstock_aws::quarantine::Writer;
use penstock_core::decode::Limits;
use penstock_core::ident::HexId;
use penstock_core::ingest::{Ingest, over_rejected_fraction};
use penstock_core::lake::{self, Layout, Writers, source_id};
use penstock_core::lake_note::{Content, State};
use penstock_core::object::ObjectRef;
use penstock_core::quarantine::Subject;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Reject, Rule, Violation};
use penstock_core::row::{Checker, Origin};

use crate::budget::Budget;
use crate::error::Error;
use crate::lease::{Lease, Source};
use crate::place::Records;
use crate::read::{Reading, Stop, Tally};
use crate::sink::Uploads;
use crate::{App, Delivered, Files};

/// How a contract names the Glue job of its stage, of which is known what it can do. A job of another name may be able to
/// do anything.
const OWN_JOB: &str = "${GLUE_JOB_NAME}";

/// One object that is converted.
struct Conversion<'a> {
    app: &'a App,
    checker: Arc<Checker>,
    records: Records,
    object: ObjectRef,
    identity: Identified,
    source_id: HexId,
    budget: Budget<'a>,
}

/// How reading ended.
enum Ended {
    /// To the object's end; the files wait to be made visible.
    Read(Tally, Uploads),
    /// Nothing of it goes into the lake.
    Failed(Tally, Violation),
    /// It is too much for a function.
    TooMuch(String),
    Superseded,
    /// It cannot be read without a person.
    Unreadable(String),
}

impl App {
    /// Converts one object.
    pub async fn convert(
        &self,
        object: &ObjectRef,
        checker: Arc<Checker>,
        records: Records,
        invocation: &Invocation,
    ) -> Result<Delivered, Error> {
        let budget = Budget::begin(invocation);
        let Some(identity) = identify(&self.s3, object).await? else {
            return Ok(self.superseded(object, checker.contract()));
        };
        // What is read is the content that was identified.
        let (etag, size) = (identity.etag.clone(), Some(identity.bytes));
        let (object, source_id) =
            (ObjectRef { etag, size, ..object.clone() }, source_id(&object.bucket, &object.key));
        let own = Conversion { app: self, checker, records, object, identity, source_id, budget };
        own.run(invocation).await
    }
}

impl Conversion<'_> {
    fn dataset(&self) -> &str {
        &self.checker.contract().dataset
    }

    async fn run(&self, invocation: &Invocation) -> Result<Delivered, Error> {
        let uri = self.object.uri();
        let source = Source { uri: &uri, dataset: self.dataset(), id: self.source_id };
        let content = Content {
            object_id: self.identity.object_id,
            etag: self.identity.etag.clone(),
            modified_ms: self.identity.modified_ms,
        };
        let App { store, lake, .. } = self.app;
        let mut lease = Lease::take(store, lake, source, &content, invocation).await?;
        let done = self.under(&mut lease).await;
        if let Err(error) = &done {
            // It is another's already.
            if !matches!(error, Error::LeaseLost { .. }) {
                lease.give_back().await;
            }
        }
        done
    }

    async fn under(&self, lease: &mut Lease<'_>) -> Result<Delivered, Error> {
        let ended = match self.refused(lease) {
            Some(reason) => Ended::TooMuch(reason),
            None => Box::pin(self.read()).await?,
        };
        match ended {
            Ended::Read(tally, uploads) => self.commit(lease, tally, uploads).await,
            Ended::Failed(tally, violation) => self.fail(lease, tally, violation).await,
            Ended::TooMuch(reason) => self.too_much(lease, reason).await,
            Ended::Unreadable(reason) => {
                let violation = Violation::record(Rule::Unreadable, reason);
                self.quarantine_whole(violation.clone()).await?;
                self.fail(lease, Tally::default(), violation).await
            }
            Ended::Superseded => {
                lease.write(lease.note.given_back()).await?;
                Ok(self.app.superseded(&self.object, self.checker.contract()))
            }
        }
    }

    /// Why the object is not even begun.
    fn refused(&self, lease: &Lease<'_>) -> Option<String> {
        let most = self.app.config.convert_bytes;
        if lease.was_handed_over {
            return Some("was handed over before".to_owned());
        }
        if lease.note.is_deadly() {
            let deaths = lease.note.attempts - 1;
            return Some(format!("the function died {deaths} times while it converted the object"));
        }
        let bytes = self.identity.bytes;
        (bytes > most).then(|| format!("has {bytes} bytes, a function converts at most {most}"))
    }

    /// Reads the object, as far as that goes.
    async fn read(&self) -> Result<Ended, Error> {
        if self.budget.is_over() {
            return Err(Error::OutOfTime { uri: self.object.uri() });
        }
        let body = match fetch(&self.app.s3, &self.object).await? {
            Fetch::Found(fetched) => fetched.body,
            Fetch::Superseded => return Ok(Ended::Superseded),
            Fetch::Unreadable(reason) => return Ok(Ended::Unreadable(reason)),
        };
        let (uri, layout) = (self.object.uri(), Layout::new(self.checker.contract()));
        let app = self.app;
        let mut reading = Reading {
            uri: &uri,
            ingest: self.ingest()?,
            writers: Writers::new(&layout, self.source_id, lake::Limits::default())
                .map_err(|source| Error::Rows { uri: uri.clone(), source })?,
            uploads: Uploads::new(app.s3.clone(), app.config.lake_bucket.clone()),
            rejects: app.quarantine.of(self.subject()),
            budget: &self.budget,
            tally: Tally::default(),
        };
        let stopped = reading.in_time(body).await;
        let Reading { tally, uploads, rejects, .. } = reading;
        match self.judge(stopped, tally, rejects).await {
            Ok(Ok(tally)) => Ok(Ended::Read(tally, uploads)),
            Ok(Err(ended)) => {
                uploads.abort().await;
                Ok(ended)
            }
            Err(error) => {
                uploads.abort().await;
                Err(error)
            }
        }
    }

    /// The counts of an object that may go into the lake, else how its reading ended. Its last rejects are safe then.
    async fn judge(
        &self,
        stopped: Result<(), Stop>,
        tally: Tally,
        rejects: Writer<'_>,
    ) -> Result<Result<Tally, Ended>, Error> {
        let whole = match stopped {
            Ok(()) => self.too_many_rejects(&tally),
            Err(Stop::Broken(violation)) => Some(violation),
            Err(stop) => return self.stopped(stop).map(Err),
        };
        close(rejects, whole.as_ref()).await?;
        Ok(match whole {
            None => Ok(tally),
            Some(violation) => Err(Ended::Failed(tally, violation)),
        })
    }

    /// What it means that the object was not read to its end.
    fn stopped(&self, stop: Stop) -> Result<Ended, Error> {
        match stop {
            Stop::Failed(error) => Err(error),
            Stop::Broken(violation) => Ok(Ended::Failed(Tally::default(), violation)),
            Stop::TooMuch(reason) => Ok(Ended::TooMuch(reason)),
            Stop::OutOfTime if self.budget.is_whole => {
                Ok(Ended::TooMuch("its conversion takes longer than an invocation may".to_owned()))
            }
            Stop::OutOfTime => Err(Error::OutOfTime { uri: self.object.uri() }),
        }
    }

    fn ingest(&self) -> Result<Ingest, Error> {
        let Identified { object_id, modified_ms, .. } = self.identity;
        let origin = Origin::new(self.object.uri(), object_id, modified_ms);
        let checker = Arc::clone(&self.checker);
        match self.records {
            Records::Stamped => Ok(Ingest::of_stamped(checker, origin, Limits::default())),
            Records::Raw => Ingest::new(checker, origin, Limits::default())
                .map_err(|source| Error::Contract { uri: self.object.uri(), source }),
        }
    }

    fn subject(&self) -> Subject {
        let contract = self.checker.contract();
        Subject {
            dataset: contract.dataset.clone(),
            id: self.identity.object_id,
            source: self.object.uri(),
            contract_version: Some(contract.version.clone()),
        }
    }

    /// Whether so many records are rejects that nothing of the object is taken.
    fn too_many_rejects(&self, tally: &Tally) -> Option<Violation> {
        let Tally { read, rejected, unstamped, .. } = *tally;
        if self.records == Records::Stamped && read > 0 && unstamped == read {
            let reason = "no record has the stamps of a row that a function has checked";
            return Some(Violation::record(Rule::BadStamp, reason));
        }
        let most = self.checker.contract().table_options.max_rejected_fraction;
        over_rejected_fraction(read, rejected, most).then(|| {
            let reason = format!("{rejected} of {read} records rejected, over {most}");
            Violation::record(Rule::TooManyRejects, reason)
        })
    }

    /// Has the lake hold the files of this content and no other ones of the source.
    async fn commit(
        &self,
        lease: &mut Lease<'_>,
        tally: Tally,
        mut uploads: Uploads,
    ) -> Result<Delivered, Error> {
        let new: Vec<String> = uploads.keys().map(str::to_owned).collect();
        let noted = lease.note.with_files(new.iter().map(String::as_str));
        if let Err(error) = lease.write(noted).await {
            uploads.abort().await;
            return Err(error);
        }
        uploads.commit().await?;
        let stale = lease.note.stale(&new);
        self.app.lake.delete(&stale).await?;
        let files = Files { written: new.len() as u64, deleted: stale.len() as u64 };
        let receipt = self.receipt(&tally, (Status::Complete, None));
        log(&receipt, &tally, files);
        self.app.write_receipt(&receipt, &self.identity.object_id).await?;
        lease.write(lease.note.ended(State::Done, new)).await?;
        Ok(Delivered::Converted(Box::new(receipt), files))
    }

    /// Nothing of the content goes into the lake; what is there of an earlier one stays.
    async fn fail(
        &self,
        lease: &mut Lease<'_>,
        tally: Tally,
        violation: Violation,
    ) -> Result<Delivered, Error> {
        let (kept, deleted) = self.without_torn(lease).await?;
        let reason = match deleted {
            0 => violation.reason,
            _ => format!(
                "{}; {deleted} files of contents that were there in part are deleted",
                violation.reason
            ),
        };
        let files = Files { written: 0, deleted };
        let receipt = self.receipt(&tally, (Status::Failed, Some(reason)));
        log(&receipt, &tally, files);
        self.app.write_receipt(&receipt, &self.identity.object_id).await?;
        lease.write(lease.note.ended(State::Failed, kept)).await?;
        Ok(Delivered::Converted(Box::new(receipt), files))
    }

    /// The dataset's Glue job has it, if there is one that can do it.
    async fn too_much(&self, lease: &mut Lease<'_>, reason: String) -> Result<Delivered, Error> {
        let queue_url = match self.job_queue() {
            Ok(queue_url) => queue_url,
            Err(obstacle) => {
                let violation = Violation::record(Rule::NoProgress, format!("{reason}; {obstacle}"));
                self.quarantine_whole(violation.clone()).await?;
                return self.fail(lease, Tally::default(), violation).await;
            }
        };
        let (kept, _) = self.without_torn(lease).await?;
        self.app.hand_over(queue_url, &self.object, &self.identity).await?;
        let (source, dataset) = (self.object.uri(), self.dataset());
        tracing::warn!(source, dataset, reason, "object is handed to the dataset's Glue job");
        // The job changes the same note: what is there of an earlier content goes when its own files are there.
        lease.write(lease.note.ended(State::HandedOver, kept)).await?;
        Ok(Delivered::HandedOver(dataset.to_owned()))
    }

    /// The queue by which the dataset's Glue job gets the object, else why it cannot have it.
    fn job_queue(&self) -> Result<&str, String> {
        let contract = self.checker.contract();
        let (job, queue_url) = (&contract.lake.glue_job, &self.app.config.glue_queue_url);
        let (Some(job), Some(queue_url)) = (job, queue_url) else {
            return Err("there is no Glue job that it could be handed to".to_owned());
        };
        if self.records == Records::Stamped {
            return Err("Glue jobs take no stage objects of a dataset with penstock.lakeFormat".to_owned());
        }
        let needs = contract.unstamped_needs();
        if job.as_str() == OWN_JOB && !needs.is_empty() {
            return Err(format!("the Glue job of the stage cannot do what it takes: {}", needs.join(", ")));
        }
        Ok(queue_url)
    }

    /// The files that stay where the content gives none, and how many do not: where making an earlier one visible did not
    /// end, what is there may be of several contents, and its source alone can tell which.
    async fn without_torn(&self, lease: &Lease<'_>) -> Result<(Vec<String>, u64), Error> {
        let files = &lease.note.files;
        if !lease.note.is_torn() {
            return Ok((files.clone(), 0));
        }
        self.app.lake.delete(files).await?;
        let (source, dataset, deleted) = (self.object.uri(), self.dataset(), files.len() as u64);
        tracing::error!(source, dataset, deleted, "files of contents that were there in part are deleted");
        Ok((Vec::new(), deleted))
    }

    async fn quarantine_whole(&self, violation: Violation) -> Result<(), Error> {
        Ok(self.app.quarantine.put_whole(&self.object, self.dataset(), violation).await?)
    }

    fn receipt(&self, tally: &Tally, (status, reason): (Status, Option<String>)) -> Receipt {
        let contract = self.checker.contract();
        Receipt {
            dataset: contract.dataset.clone(),
            object_id: self.identity.object_id.to_string(),
            source: self.object.uri(),
            bytes: self.identity.bytes,
            source_ms: self.identity.modified_ms,
            contract_version: contract.version.clone(),
            status,
            reason,
            read: tally.read,
            rejected: tally.rejected,
            duplicate: 0,
            sent: tally.rows,
            extra_fields: tally.extra_fields,
            warnings: tally.warnings.total(),
        }
    }
}

/// Makes the last rejects safe, and with them what is wrong with the object as a whole. That is a line too, but no
/// record: it is not counted among the rejected.
async fn close(mut rejects: Writer<'_>, whole: Option<&Violation>) -> Result<(), Error> {
    rejects.add(whole.into_iter().cloned().map(Reject::whole).collect()).await?;
    rejects.finish().await?;
    Ok(())
}

fn log(receipt: &Receipt, tally: &Tally, files: Files) {
    let Receipt { source, read, rejected, sent, reason, .. } = receipt;
    let (written, deleted, warnings) = (files.written, files.deleted, &tally.warnings);
    let rules = serde_json::to_string(&tally.rules).unwrap_or_default();
    if !warnings.is_empty() {
        tracing::warn!(source, %warnings, "rows break rules that only warn, or lost a part of a text");
    }
    match receipt.status {
        Status::Complete if *rejected > 0 => {
            tracing::warn!(source, read, rejected, rules, written, deleted, "records were rejected");
        }
        Status::Complete => tracing::debug!(source, read, sent, written, deleted, "object was converted"),
        _ => tracing::error!(source, reason, read, rejected, rules, "nothing of the object is in the lake"),
    }
}
