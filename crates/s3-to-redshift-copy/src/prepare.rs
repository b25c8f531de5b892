//! One object of the landing bucket, read in flight: fetch, ingest, pack, quarantine, account. What it gives are files
//! that COPY reads, and the account of the object; both lie in the work bucket, so that a redelivery finds them.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use penstock_aws::Invocation;
use penstock_aws::fetch::{Fetch, Fetched, fetch};
use penstock_aws::quarantine::{Quarantine, Writer};
use penstock_core::decode::{Broken, Limits};
use penstock_core::ident::{self, HexId};
use penstock_core::ingest::{Batch, Ingest, Progress, over_rejected_fraction};
use penstock_core::object::ObjectRef;
use penstock_core::parts::{PartError, PartWriter};
use penstock_core::quarantine::Subject;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Reject, Rule, Violation};
use penstock_core::row::{Checker, Origin, Warnings};
use penstock_core::work::{self, File, Prepared};

use crate::error::Error;
use crate::store::Store;

/// Kept back before the deadline, to load what is ready and to answer.
pub const RESERVE: Duration = Duration::from_secs(20);

/// What became of an object.
#[derive(Debug)]
pub enum Outcome {
    /// Its rows are in the work bucket.
    Ready(Box<Prepared>),
    /// It is in quarantine as a whole: nothing of it loads. Its receipt, where it was read.
    Failed(Option<Box<Receipt>>),
    /// It vanished or was replaced; the newer content has its own event.
    Superseded,
}

/// What reading objects of one dataset needs.
#[derive(Debug, Clone, Copy)]
pub struct Preparer<'a> {
    pub s3: &'a aws_sdk_s3::Client,
    pub store: &'a Store,
    pub quarantine: &'a Quarantine,
    pub checker: &'a Arc<Checker>,
    pub fingerprint: &'a HexId,
    pub invocation: &'a Invocation,
}

impl Preparer<'_> {
    /// Reads an object, unless that was done before.
    pub async fn prepare(&self, object: &ObjectRef) -> Result<Outcome, Error> {
        if self.invocation.is_over(RESERVE) {
            return Err(Error::OutOfTime);
        }
        match fetch(self.s3, object).await? {
            Fetch::Superseded => {
                tracing::warn!(source = object.uri(), "object was removed or replaced before it was read");
                Ok(Outcome::Superseded)
            }
            Fetch::Unreadable(reason) => {
                let violation = Violation::record(Rule::Unreadable, reason);
                let dataset = &self.checker.contract().dataset;
                quarantine_whole(self.quarantine, object, dataset, violation).await?;
                Ok(Outcome::Failed(None))
            }
            Fetch::Found(fetched) => {
                let folder =
                    work::object_folder(self.checker.contract(), self.fingerprint, &fetched.object_id);
                if let Some(done) = self.done(&folder).await? {
                    return Ok(outcome(done));
                }
                Box::pin(self.read(object, *fetched, &folder)).await
            }
        }
    }

    /// The account that an earlier delivery left.
    async fn done(&self, folder: &str) -> Result<Option<Prepared>, Error> {
        let key = work::done_key(folder);
        let Some(bytes) = self.store.get(&key).await? else { return Ok(None) };
        // One that cannot be read is written again.
        Ok(serde_json::from_slice(&bytes).ok())
    }

    async fn read(&self, object: &ObjectRef, fetched: Fetched, folder: &str) -> Result<Outcome, Error> {
        let contract = self.checker.contract();
        let origin = Origin::new(object.uri(), fetched.object_id, fetched.modified_ms);
        let ingest = Ingest::new(Arc::clone(self.checker), origin.clone(), Limits::default())
            .map_err(|error| Error::Contract(error.to_string()))?;
        let subject = Subject {
            dataset: contract.dataset.clone(),
            id: origin.object_id,
            source: origin.source.clone(),
            contract_version: Some(contract.version.clone()),
        };
        let mut reading = Reading {
            own: *self,
            folder,
            uri: &origin.source,
            parts: PartWriter::new(contract, origin.source.clone()),
            files: Vec::new(),
            rejects: self.quarantine.of(subject),
            tally: Tally::default(),
        };
        let broken = reading.all(ingest, fetched.body).await?;
        let prepared = reading.finish(&origin, fetched.bytes, broken).await?;
        let text = serde_json::to_vec(&prepared).unwrap_or_default();
        self.store.put(&work::done_key(folder), text).await?;
        Ok(outcome(prepared))
    }
}

fn outcome(prepared: Prepared) -> Outcome {
    match prepared.receipt.status {
        Status::Complete => Outcome::Ready(Box::new(prepared)),
        Status::Partial | Status::Failed => Outcome::Failed(Some(Box::new(prepared.receipt))),
    }
}

/// An object's own fault: nothing of it loads.
pub async fn quarantine_whole(
    quarantine: &Quarantine,
    object: &ObjectRef,
    dataset: &str,
    violation: Violation,
) -> Result<(), Error> {
    let (etag, size) = (object.etag.as_deref().unwrap_or_default(), object.size.unwrap_or(0));
    let rule = violation.rule;
    let subject = Subject {
        dataset: dataset.to_owned(),
        id: ident::stable_id([&object.bucket, &object.key, etag, &size.to_string()]),
        source: object.uri(),
        contract_version: None,
    };
    // What the warehouse says may hold a value.
    let reason = if rule == Rule::RefusedByWarehouse { "" } else { &violation.reason };
    tracing::error!(source = object.uri(), rule = rule.as_str(), reason, "object was quarantined");
    quarantine.put(subject, vec![Reject::whole(violation)]).await?;
    Ok(())
}

/// Counts of one object.
#[derive(Debug, Default)]
struct Tally {
    read: u64,
    rejected: u64,
    rows: u64,
    extra_fields: u64,
    warnings: Warnings,
}

/// One object on its way.
struct Reading<'a> {
    own: Preparer<'a>,
    folder: &'a str,
    uri: &'a str,
    parts: PartWriter,
    files: Vec<File>,
    rejects: Writer<'a>,
    tally: Tally,
}

impl Reading<'_> {
    /// Reads the body to its end or to where it breaks off, in steps of bounded memory.
    async fn all(&mut self, mut ingest: Ingest, mut body: ByteStream) -> Result<Option<Broken>, Error> {
        let mut batch = Batch::default();
        while let Some(piece) = body.next().await {
            let piece = piece
                .map_err(|error| Error::Body { uri: self.uri.to_owned(), message: error.to_string() })?;
            let mut rest: &[u8] = &piece;
            while !rest.is_empty() {
                self.has_time()?;
                batch.clear();
                let step = ingest.step(rest, &mut batch);
                self.take(&mut ingest, &mut batch).await?;
                match step {
                    Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                    Err(broken) => return Ok(Some(broken)),
                }
            }
        }
        loop {
            batch.clear();
            let ended = ingest.finish(&mut batch);
            self.take(&mut ingest, &mut batch).await?;
            match ended {
                Ok(Progress::More) => self.has_time()?,
                Ok(Progress::Done) => return Ok(None),
                Err(broken) => return Ok(Some(broken)),
            }
        }
    }

    fn has_time(&self) -> Result<(), Error> {
        if self.own.invocation.is_over(RESERVE) { Err(Error::OutOfTime) } else { Ok(()) }
    }

    /// Packs the rows and quarantines the rejects of a batch.
    async fn take(&mut self, ingest: &mut Ingest, batch: &mut Batch) -> Result<(), Error> {
        self.tally.read += batch.read;
        self.tally.extra_fields += batch.extra_fields;
        self.tally.warnings.append(&mut batch.warnings);
        self.reject(std::mem::take(&mut batch.rejects)).await?;
        for row in ingest.stamp(batch).iter() {
            match self.parts.push(row) {
                Ok(full) => {
                    self.tally.rows += 1;
                    self.write(full).await?;
                }
                Err(PartError::TooLarge(violation)) => {
                    let (position, violations) = (Some(row.position()), vec![violation]);
                    // Its raw bytes are gone; the object still has them at that position.
                    self.reject(vec![Reject { position, line: None, violations, raw: Vec::new() }]).await?;
                }
                Err(error) => return Err(self.failed(&error)),
            }
        }
        Ok(())
    }

    fn failed(&self, error: &PartError) -> Error {
        Error::Body { uri: self.uri.to_owned(), message: error.to_string() }
    }

    async fn write(&mut self, part: Option<Vec<u8>>) -> Result<(), Error> {
        if let Some(bytes) = part {
            let key = work::part_key(self.folder, self.files.len());
            self.files.push(self.own.store.put(&key, bytes).await?);
        }
        Ok(())
    }

    async fn reject(&mut self, rejects: Vec<Reject>) -> Result<(), Error> {
        self.tally.rejected += rejects.len() as u64;
        Ok(self.rejects.add(rejects).await?)
    }

    /// Writes the last file, makes the rejects safe, and gives the account of the object.
    async fn finish(
        mut self,
        origin: &Origin,
        bytes: u64,
        broken: Option<Broken>,
    ) -> Result<Prepared, Error> {
        let parts = std::mem::replace(&mut self.parts, PartWriter::new(self.own.checker.contract(), ""));
        let last = parts.finish().map_err(|error| self.failed(&error))?;
        self.write(last).await?;
        let contract = self.own.checker.contract();
        let Tally { read, rejected, rows, extra_fields, warnings } = std::mem::take(&mut self.tally);
        let max_fraction = contract.table_options.max_rejected_fraction;
        let reason = match &broken {
            Some(broken) => Some(broken.violation()),
            None if over_rejected_fraction(read, rejected, max_fraction) => {
                let reason = format!("{rejected} of {read} records rejected, over {max_fraction}");
                Some(Violation::record(Rule::TooManyRejects, reason))
            }
            None => None,
        };
        // The object's own fault is a line too, but no record: it is not counted among the rejected.
        self.rejects.add(reason.iter().cloned().map(Reject::whole).collect()).await?;
        self.rejects.finish().await?;
        let (source, reason) = (self.uri, reason.map(|own| own.reason));
        if !warnings.is_empty() {
            tracing::warn!(source, %warnings, "rows break rules that only warn, or lost a part of a text");
        }
        match &reason {
            Some(reason) => {
                tracing::error!(source, reason, read, rejected, "nothing of the object is loaded")
            }
            None if rejected > 0 => tracing::warn!(source, read, rejected, "records were rejected"),
            None => tracing::debug!(source, read, "object is ready"),
        }
        let receipt = Receipt {
            dataset: contract.dataset.clone(),
            object_id: origin.object_id.to_string(),
            source: origin.source.clone(),
            bytes,
            source_ms: origin.source_ms,
            contract_version: contract.version.clone(),
            status: if reason.is_some() { Status::Failed } else { Status::Complete },
            reason,
            read,
            rejected,
            duplicate: 0,
            sent: rows,
            extra_fields,
            warnings: warnings.total(),
        };
        Ok(Prepared { receipt, parts: self.files })
    }
}
