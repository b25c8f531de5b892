//! One object of the landing bucket, read in flight into files that COPY reads. They lie in the work bucket beside the
//! account of the object, so that a redelivery finds them.

use penstock_aws::reading::{
    Outcome as ReadOutcome, Outlet, Read, ReadError, Reader, RowSink, Subjected, Unfit,
};
use penstock_aws::store::Store;
use penstock_core::contract::Contract;
use penstock_core::parts::PartWriter;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::Violation;
use penstock_core::row::{Origin, Row};
use penstock_core::work::{self, File, Prepared};

use crate::error::Error;

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

/// What reading objects of one dataset needs.
#[derive(Debug, Clone, Copy)]
pub struct Preparer<'a>(pub Reader<'a, Files<'a>>);

impl Preparer<'_> {
    /// Reads an object that an event tells of, unless that was done before; a large one is handed to tasks.
    pub async fn prepare(&self, own: Subjected<'_>, has_tasks: &[u32]) -> Result<Outcome, Error> {
        match self.done(own).await? {
            Some(done) => Ok(outcome(done)),
            None => self.finish(own, self.0.read(own, has_tasks).await?).await,
        }
    }

    /// Reads the ranges of these tasks, or reads on where the object has but one.
    pub async fn prepare_tasks(&self, own: Subjected<'_>, numbers: &[u32]) -> Result<Outcome, Error> {
        match self.done(own).await? {
            Some(done) => Ok(outcome(done)),
            None => self.finish(own, self.0.read_tasks(own, numbers).await?).await,
        }
    }

    /// The account that an earlier delivery left. One that cannot be read is written again.
    async fn done(&self, own: Subjected<'_>) -> Result<Option<Prepared>, Error> {
        Ok(self.0.store.get_text(&work::done_key(&self.0.folder(own))).await?)
    }

    async fn finish(&self, own: Subjected<'_>, read: ReadOutcome) -> Result<Outcome, Error> {
        Ok(match read {
            ReadOutcome::Read(read) => self.write_done(own, *read).await?,
            ReadOutcome::Slow { account, violation } => {
                let status = (Status::Failed, Some(violation.reason));
                Outcome::Failed(Some(Box::new(self.0.receipt(own, &account, status))))
            }
            ReadOutcome::Unreadable => Outcome::Failed(None),
            ReadOutcome::Superseded => Outcome::Superseded,
            ReadOutcome::Tasked { again } => Outcome::Tasked { again },
        })
    }

    /// Writes the account of an object whose rows and rejects are safe.
    async fn write_done(&self, own: Subjected<'_>, read: Read) -> Result<Outcome, Error> {
        let Read { account, broken, over_limit, in_pieces } = read;
        let whole = broken.or(over_limit);
        let (records, rejected, source) = (account.read, account.rejected, own.object.uri());
        match &whole {
            Some(Violation { reason, .. }) => {
                tracing::error!(source, reason, read = records, rejected, "nothing of the object is loaded")
            }
            None if rejected > 0 => tracing::warn!(source, read = records, rejected, "records were rejected"),
            None => tracing::debug!(source, read = records, "object is ready"),
        }
        let status = if whole.is_some() { Status::Failed } else { Status::Complete };
        let receipt = self.0.receipt(own, &account, (status, whole.map(|own| own.reason)));
        let prepared = Prepared { receipt, parts: account.parts, in_pieces };
        let text = serde_json::to_vec(&prepared).unwrap_or_default();
        self.0.store.put(&work::done_key(&self.0.folder(own)), text).await?;
        Ok(outcome(prepared))
    }
}

/// What an object's account says of it.
fn outcome(prepared: Prepared) -> Outcome {
    match prepared.receipt.status {
        Status::Complete => Outcome::Ready(Box::new(prepared)),
        Status::Partial | Status::Failed => Outcome::Failed(Some(Box::new(prepared.receipt))),
    }
}

/// Rows into files that COPY reads.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    pub store: &'a Store,
    pub contract: &'a Contract,
}

impl<'a> Outlet for Files<'a> {
    const KEPT_IN: &'static str = work::COPIED;
    type Sink = FileSink<'a>;

    fn open(&self, folder: &str, origin: &Origin, section: u64) -> FileSink<'a> {
        FileSink {
            store: self.store,
            folder: folder.to_owned(),
            parts: PartWriter::new(self.contract, origin.source.clone()),
            section,
            full: Vec::new(),
            written: Vec::new(),
        }
    }
}

/// The rows of one object on their way into files.
pub struct FileSink<'a> {
    store: &'a Store,
    folder: String,
    parts: PartWriter,
    section: u64,
    /// Files that wait to be written.
    full: Vec<Vec<u8>>,
    /// Those of this section.
    written: Vec<File>,
}

impl RowSink for FileSink<'_> {
    fn push(&mut self, row: Row<'_>) -> Result<(), Unfit> {
        // A refused row's raw bytes are gone; the object still has them at that position.
        let full = self.parts.push(row).map_err(|violation| Unfit { violation, raw: Vec::new() })?;
        self.full.extend(full);
        Ok(())
    }

    async fn drain(&mut self) -> Result<(), ReadError> {
        for bytes in self.full.drain(..) {
            let key = work::part_key(&self.folder, self.section, self.written.len());
            self.written.push(self.store.put(&key, bytes).await?);
        }
        Ok(())
    }

    async fn close(&mut self) -> Result<Vec<File>, ReadError> {
        self.full.extend(self.parts.cut());
        self.drain().await?;
        Ok(std::mem::take(&mut self.written))
    }

    fn was_held_up(&self) -> bool {
        false
    }

    fn turn_to(&mut self, section: u64) {
        self.section = section;
    }
}
