//! The bytes of one object, or of one range of it, on their way: rows into the outlet, rejects into quarantine, counts
//! into an account. It goes section by section: each has files and quarantine keys of its own, so that who reads a
//! section again writes the same once more and never something beside it.

use penstock_core::decode::Broken;
use penstock_core::ingest::{Batch, Checkpoint, Ingest, Progress as Left};
use penstock_core::quarantine::Subject;
use penstock_core::reject::{Reject, Violation};
use penstock_core::row::{Origin, Warnings};
use penstock_core::work::{self, Account, Progress};

use super::{Outlet, ReadError, Reader, RowSink, Unfit};
use crate::quarantine::Writer;

/// One object on its way.
pub struct Sections<'a, O: Outlet> {
    own: Reader<'a, O>,
    folder: &'a str,
    origin: &'a Origin,
    sink: O::Sink,
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

impl<'a, O: Outlet> Sections<'a, O> {
    /// Goes on behind what was read before.
    pub fn behind(own: Reader<'a, O>, folder: &'a str, origin: &'a Origin, progress: Progress) -> Self {
        let at = progress.checkpoint.as_ref().map_or(0, Checkpoint::position);
        let section = at / progress.section_bytes.max(1);
        Self::of_section(own, folder, origin, section, progress)
    }

    /// Reads one range.
    pub fn of_range(own: Reader<'a, O>, folder: &'a str, origin: &'a Origin, number: u32) -> Self {
        Self::of_section(own, folder, origin, u64::from(number), Progress::default())
    }

    fn of_section(
        own: Reader<'a, O>,
        folder: &'a str,
        origin: &'a Origin,
        section: u64,
        progress: Progress,
    ) -> Self {
        Self {
            own,
            folder,
            origin,
            sink: own.outlet.open(folder, origin, section),
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
    pub async fn feed(&mut self, ingest: &mut Ingest, bytes: &[u8]) -> Result<Option<Broken>, ReadError> {
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
    ) -> Result<Option<Broken>, ReadError> {
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
    pub async fn end(&mut self, ingest: &mut Ingest) -> Result<Option<Broken>, ReadError> {
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
    ) -> Result<Option<Broken>, ReadError> {
        while let Some(at) = ingest.stopped() {
            self.close_rows().await?;
            self.section = at.position() / self.progress.section_bytes.max(1);
            self.sink.turn_to(self.section);
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
    pub async fn write_progress(&self) -> Result<(), ReadError> {
        let text = serde_json::to_vec(&self.progress).unwrap_or_default();
        self.own.store.put(&work::progress_key(self.folder), text).await?;
        Ok(())
    }

    /// Whether the reading may go on. One that waited for its outlet is no slow object.
    pub fn has_time(&self) -> Result<(), ReadError> {
        match self.own.has_time() {
            Err(ReadError::OutOfTime) if self.sink.was_held_up() => {
                let (uri, message) =
                    (self.origin.source.clone(), "was throttled until no time was left".to_owned());
                Err(ReadError::Outlet { uri, message, may_pass: true })
            }
            told => told,
        }
    }

    /// Hands on the rows and quarantines the rejects of a batch, which is empty then.
    async fn take(&mut self, ingest: &mut Ingest, batch: &mut Batch) -> Result<(), ReadError> {
        self.account.read += batch.read;
        self.account.extra_fields += batch.extra_fields;
        self.account.warnings += batch.warnings.total();
        self.warnings.append(&mut batch.warnings);
        self.reject(std::mem::take(&mut batch.rejects)).await?;
        for row in ingest.stamp(batch).iter() {
            match self.sink.push(row) {
                Ok(()) => self.account.rows += 1,
                Err(Unfit { violation, raw }) => {
                    let (position, violations) = (Some(row.position()), vec![violation]);
                    self.reject(vec![Reject { position, line: None, violations, raw }]).await?;
                }
            }
        }
        batch.clear();
        self.sink.drain().await
    }

    /// The object's bytes did not come.
    pub fn body_error(&self, message: &str) -> ReadError {
        ReadError::Body { uri: self.origin.source.clone(), message: message.to_owned() }
    }

    async fn close_rows(&mut self) -> Result<(), ReadError> {
        self.account.parts.extend(self.sink.close().await?);
        Ok(())
    }

    async fn reject(&mut self, rejects: Vec<Reject>) -> Result<(), ReadError> {
        self.account.rejected += rejects.len() as u64;
        Ok(self.rejects.add(rejects).await?)
    }

    /// Makes the last rows safe; what was read in all.
    pub async fn close(&mut self, broken: Option<&Broken>) -> Result<Account, ReadError> {
        self.close_rows().await?;
        let mut all = std::mem::take(&mut self.progress.account);
        all.append(std::mem::take(&mut self.account));
        all.broken = broken.map(|broken| broken.reason.clone());
        if !self.warnings.is_empty() {
            let (source, warnings) = (self.origin.source.as_str(), &self.warnings);
            tracing::warn!(source, %warnings, "rows break rules that only warn, or lost a part of a text");
        }
        Ok(all)
    }

    /// Makes the last rejects safe, and with them what is wrong with the object as a whole. That is a line too, but
    /// no record: it is not counted among the rejected.
    pub async fn close_rejects(mut self, whole: Option<Violation>) -> Result<(), ReadError> {
        self.rejects.add(whole.into_iter().map(Reject::whole).collect()).await?;
        self.rejects.finish().await?;
        Ok(())
    }
}

impl<O: Outlet> Reader<'_, O> {
    /// Whose rejects an object's are.
    pub(super) fn subject(&self, origin: &Origin) -> Subject {
        let contract = self.checker.contract();
        Subject {
            dataset: contract.dataset.clone(),
            id: origin.object_id,
            source: origin.source.clone(),
            contract_version: Some(contract.version.clone()),
        }
    }
}
