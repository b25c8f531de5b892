//! The bytes of one object, or of one range of it, on their way: rows into files, rejects into quarantine, counts into
//! an account. It goes section by section: each has files and quarantine keys of its own, so that who reads a section
//! again writes the same once more and never something beside it.

use penstock_aws::quarantine::Writer;
use penstock_core::decode::Broken;
use penstock_core::ingest::{Batch, Checkpoint, Ingest, Progress as Left};
use penstock_core::parts::{PartError, PartWriter};
use penstock_core::quarantine::Subject;
use penstock_core::reject::{Reject, Violation};
use penstock_core::row::{Origin, Warnings};
use penstock_core::work::{self, Account, Progress};

use crate::error::Error;
use crate::prepare::{Preparer, RESERVE};

/// One object on its way.
pub struct Reading<'a> {
    own: Preparer<'a>,
    folder: &'a str,
    origin: &'a Origin,
    parts: PartWriter,
    rejects: Writer<'a>,
    section: u64,
    /// Empty between two pieces; its memory is used again.
    batch: Batch,
    /// Of the section that is being read.
    account: Account,
    warnings: Warnings,
    /// The sections before it, and where they end.
    pub progress: Progress,
}

impl<'a> Reading<'a> {
    /// Goes on behind what was read before.
    pub fn behind(own: Preparer<'a>, folder: &'a str, origin: &'a Origin, progress: Progress) -> Self {
        let at = progress.checkpoint.as_ref().map_or(0, Checkpoint::position);
        let section = at / progress.section_bytes.max(1);
        Self::of_section(own, folder, origin, section, progress)
    }

    /// Reads one range.
    pub fn of_range(own: Preparer<'a>, folder: &'a str, origin: &'a Origin, number: u32) -> Self {
        Self::of_section(own, folder, origin, u64::from(number), Progress::default())
    }

    fn of_section(
        own: Preparer<'a>,
        folder: &'a str,
        origin: &'a Origin,
        section: u64,
        progress: Progress,
    ) -> Self {
        let contract = own.checker.contract();
        Self {
            own,
            folder,
            origin,
            parts: PartWriter::new(contract, origin.source.clone()),
            rejects: own.quarantine.of_section(own.subject(origin), section),
            section,
            batch: Batch::default(),
            account: Account::default(),
            warnings: Warnings::default(),
            progress,
        }
    }

    /// Has the reading stop where this section ends.
    pub fn stop(&self, ingest: &mut Ingest) {
        ingest.stop_at(self.section_end());
    }

    fn section_end(&self) -> u64 {
        (self.section + 1).saturating_mul(self.progress.section_bytes)
    }

    /// Reads bytes, in steps of bounded memory, up to where the object breaks off.
    pub async fn feed(&mut self, ingest: &mut Ingest, bytes: &[u8]) -> Result<Option<Broken>, Error> {
        let mut batch = std::mem::take(&mut self.batch);
        let fed = self.steps(ingest, bytes, &mut batch).await;
        self.batch = batch;
        fed
    }

    async fn steps(
        &mut self,
        ingest: &mut Ingest,
        bytes: &[u8],
        batch: &mut Batch,
    ) -> Result<Option<Broken>, Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.has_time()?;
            let step = ingest.step(rest, batch);
            self.take(ingest, batch).await?;
            match step {
                Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                Err(broken) => return Ok(Some(broken)),
            }
            if let Some(broken) = self.turn_sections(ingest, batch).await? {
                return Ok(Some(broken));
            }
        }
        Ok(None)
    }

    /// Reads what is left when no more bytes come.
    pub async fn end(&mut self, ingest: &mut Ingest) -> Result<Option<Broken>, Error> {
        let mut batch = Batch::default();
        loop {
            let ended = ingest.finish(&mut batch);
            self.take(ingest, &mut batch).await?;
            match ended {
                Ok(Left::More) => self.has_time()?,
                Ok(Left::Done) => return Ok(None),
                Err(broken) => return Ok(Some(broken)),
            }
            if let Some(broken) = self.turn_sections(ingest, &mut batch).await? {
                return Ok(Some(broken));
            }
        }
    }

    /// Closes the sections that are complete, and writes down how far the object is read by then.
    async fn turn_sections(
        &mut self,
        ingest: &mut Ingest,
        batch: &mut Batch,
    ) -> Result<Option<Broken>, Error> {
        while let Some(at) = ingest.stopped() {
            self.close_part().await?;
            self.section = at.position() / self.progress.section_bytes.max(1);
            self.rejects.turn_to(self.section).await?;
            self.progress.account.append(std::mem::take(&mut self.account));
            self.progress.checkpoint = Some(at);
            self.write_progress().await?;
            let went_on = ingest.go_on(self.section_end(), batch);
            self.take(ingest, batch).await?;
            if let Err(broken) = went_on {
                return Ok(Some(broken));
            }
            self.has_time()?;
        }
        Ok(None)
    }

    /// Lets the next reader know that this object takes long, and where to go on.
    pub async fn write_progress(&self) -> Result<(), Error> {
        let text = serde_json::to_vec(&self.progress).unwrap_or_default();
        self.own.store.put(&work::progress_key(self.folder), text).await?;
        Ok(())
    }

    /// Whether the reading may go on.
    pub fn has_time(&self) -> Result<(), Error> {
        if self.own.invocation.is_over(RESERVE) { Err(Error::OutOfTime) } else { Ok(()) }
    }

    /// Packs the rows and quarantines the rejects of a batch, which is empty then.
    async fn take(&mut self, ingest: &mut Ingest, batch: &mut Batch) -> Result<(), Error> {
        self.account.read += batch.read;
        self.account.extra_fields += batch.extra_fields;
        self.account.warnings += batch.warnings.total();
        self.warnings.append(&mut batch.warnings);
        self.reject(std::mem::take(&mut batch.rejects)).await?;
        for row in ingest.stamp(batch).iter() {
            match self.parts.push(row) {
                Ok(full) => {
                    self.account.rows += 1;
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
        batch.clear();
        Ok(())
    }

    fn failed(&self, error: &PartError) -> Error {
        self.body_error(&error.to_string())
    }

    /// The object's bytes did not come, or could not be packed.
    pub fn body_error(&self, message: &str) -> Error {
        Error::Body { uri: self.origin.source.clone(), message: message.to_owned() }
    }

    async fn write(&mut self, part: Option<Vec<u8>>) -> Result<(), Error> {
        if let Some(bytes) = part {
            let key = work::part_key(self.folder, self.section, self.account.parts.len());
            self.account.parts.push(self.own.store.put(&key, bytes).await?);
        }
        Ok(())
    }

    async fn close_part(&mut self) -> Result<(), Error> {
        let last = self.parts.cut().map_err(|error| self.failed(&error))?;
        self.write(last).await
    }

    async fn reject(&mut self, rejects: Vec<Reject>) -> Result<(), Error> {
        self.account.rejected += rejects.len() as u64;
        Ok(self.rejects.add(rejects).await?)
    }

    /// Makes the last rows safe; what was read in all.
    pub async fn close(&mut self, broken: Option<&Broken>) -> Result<Account, Error> {
        self.close_part().await?;
        let mut all = std::mem::take(&mut self.progress.account);
        all.append(std::mem::take(&mut self.account));
        all.broken = broken.map(|broken| broken.reason.clone());
        if !self.warnings.is_empty() {
            let (source, warnings) = (self.origin.source.as_str(), &self.warnings);
            tracing::warn!(source, %warnings, "rows break rules that only warn, or lost a part of a text");
        }
        Ok(all)
    }

    /// Makes the last rejects safe, and with them why nothing of the object loads. That is a line too, but no record:
    /// it is not counted among the rejected.
    pub async fn close_rejects(mut self, whole: Option<Violation>) -> Result<(), Error> {
        self.rejects.add(whole.into_iter().map(Reject::whole).collect()).await?;
        self.rejects.finish().await?;
        Ok(())
    }
}

impl Preparer<'_> {
    /// Whose rejects an object's are.
    pub fn subject(&self, origin: &Origin) -> Subject {
        let contract = self.checker.contract();
        Subject {
            dataset: contract.dataset.clone(),
            id: origin.object_id,
            source: origin.source.clone(),
            contract_version: Some(contract.version.clone()),
        }
    }
}
