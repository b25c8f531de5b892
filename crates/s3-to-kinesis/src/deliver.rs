//! One object, or one piece of it, from S3 to the stream, and what is written down of it. Memory stays bounded: rows and
//! rejects leave while the object is still being read.

use std::sync::Arc;

use penstock_aws::Invocation;
use penstock_aws::fetch::{Identified, identify};
use penstock_aws::reading::{Outcome, Read, Reader, Subjected};
use penstock_core::contract::Contract;
use penstock_core::ident::HexId;
use penstock_core::object::ObjectRef;
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Rule, Violation};
use penstock_core::row::Checker;
use penstock_core::work::{Account, contract_fingerprint};

use crate::error::Error;
use crate::outlet::Puts;
use crate::sink::Stream;
use crate::{App, Told};

/// What became of what a message tells. Where there is no receipt, the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The stream has its rows, quarantine its rejects, and its receipt is written.
    Done(Box<Receipt>),
    /// The object as a whole is in quarantine.
    Quarantined(String),
    /// It vanished or was replaced; the newer content has its own event.
    Superseded(String),
    /// Tasks have the rest of it.
    Tasked(String),
}

/// What delivering objects of one dataset needs.
struct Delivery<'a> {
    app: &'a App,
    checker: Arc<Checker>,
    fingerprint: HexId,
    stream: Arc<Stream>,
    invocation: &'a Invocation,
}

impl App {
    /// Delivers what a message tells of one object; an error means that the message must come again.
    pub(crate) async fn deliver(&self, told: &Told, invocation: &Invocation) -> Result<Delivered, Error> {
        let object = &told.object;
        if object.bucket != self.config.landing_bucket {
            let reason = format!("bucket {} is not the one this function is set up for", object.bucket);
            return self.refuse(object, Violation::record(Rule::UnknownBucket, reason)).await;
        }
        let Some(checker) = self.config.datasets.of_object(&object.bucket, &object.key) else {
            let violation = Violation::record(Rule::UnknownDataset, "no contract's location matches the key");
            return self.refuse(object, violation).await;
        };
        let checker = checker.map_err(|source| Error::Contract { uri: object.uri(), source })?;
        let stream = match self.config.streams.get(&checker.contract().dataset) {
            Some(Ok(name)) => {
                let opened = self.stream(name).await;
                opened.map_err(|source| Error::Limits { uri: object.uri(), source })?
            }
            Some(Err(reason)) => return Err(stream_error(object, reason)),
            None => return Err(stream_error(object, "the dataset has none")),
        };
        let fingerprint = contract_fingerprint(checker.contract());
        let delivery = Delivery { app: self, checker, fingerprint, stream, invocation };
        match identify(&self.s3, object).await? {
            Some(identity) => delivery.object(told, &identity).await,
            None => delivery.supersede(told).await,
        }
    }

    async fn refuse(&self, object: &ObjectRef, violation: Violation) -> Result<Delivered, Error> {
        self.quarantine.put_whole(object, UNKNOWN_DATASET, violation).await?;
        Ok(Delivered::Quarantined(UNKNOWN_DATASET.to_owned()))
    }
}

fn stream_error(object: &ObjectRef, reason: &str) -> Error {
    Error::Stream { uri: object.uri(), reason: reason.to_owned() }
}

impl Delivery<'_> {
    fn contract(&self) -> &Contract {
        self.checker.contract()
    }

    fn dataset(&self) -> String {
        self.contract().dataset.clone()
    }

    fn reader(&self) -> Reader<'_, Puts<'_>> {
        let App { s3, sqs, config, store, quarantine, .. } = self.app;
        Reader {
            s3,
            sqs,
            queue_url: &config.queue_url,
            split_bytes: config.split_bytes,
            store,
            quarantine,
            checker: &self.checker,
            fingerprint: &self.fingerprint,
            invocation: self.invocation,
            outlet: Puts { stream: &self.stream, contract: self.contract(), invocation: self.invocation },
        }
    }

    async fn object(&self, told: &Told, identity: &Identified) -> Result<Delivered, Error> {
        let (etag, size) = (identity.etag.clone(), Some(identity.bytes));
        let object = ObjectRef { etag, size, ..told.object.clone() };
        let own = Subjected { object: &object, identity };
        let reader = self.reader();
        let outcome = match &told.task {
            // An earlier put of the same content: the later put has an event of its own.
            Some(task) if task.modified_ms != identity.modified_ms => return self.supersede(told).await,
            Some(task) if task.fingerprint == self.fingerprint => {
                Box::pin(reader.read_tasks(own, &[task.number])).await?
            }
            // A task of another contract: who finds nothing kept of the object under this one begins it anew, and the
            // others find that it is begun, or read.
            Some(task) => {
                self.app.store.delete_folder(&reader.folder_of_task(task)).await?;
                Box::pin(reader.read_tasks(own, &[])).await?
            }
            None => Box::pin(reader.read(own, &[])).await?,
        };
        self.close(told, own, outcome).await
    }

    /// What the outcome means for the object and its message.
    async fn close(&self, told: &Told, own: Subjected<'_>, outcome: Outcome) -> Result<Delivered, Error> {
        match outcome {
            Outcome::Read(read) => {
                let status = status(&read);
                self.finish(own, &read.account, status, read.in_pieces).await
            }
            Outcome::Slow { account, violation } => {
                let status = match account.rows {
                    0 => Status::Failed,
                    _ => Status::Partial,
                };
                self.finish(own, &account, (status, Some(violation.reason)), true).await
            }
            Outcome::Unreadable => {
                self.forget(told).await?;
                Ok(Delivered::Quarantined(self.dataset()))
            }
            Outcome::Superseded => self.supersede(told).await,
            Outcome::Tasked { again } if again.is_empty() => Ok(Delivered::Tasked(self.dataset())),
            Outcome::Tasked { .. } => Err(penstock_aws::reading::ReadError::OutOfTime.into()),
        }
    }

    async fn supersede(&self, told: &Told) -> Result<Delivered, Error> {
        tracing::warn!(
            source = told.object.uri(),
            dataset = self.contract().dataset,
            "object was removed or replaced before it was read"
        );
        self.forget(told).await?;
        Ok(Delivered::Superseded(self.dataset()))
    }

    /// What tasks have kept of an object that is not read on.
    async fn forget(&self, told: &Told) -> Result<(), Error> {
        if let Some(task) = &told.task {
            self.app.store.delete_folder(&self.reader().folder_of_task(task)).await?;
        }
        Ok(())
    }

    /// Says for good what became of the object. The receipt first: a task that comes later and finds nothing else kept
    /// of the object takes it as read.
    async fn finish(
        &self,
        own: Subjected<'_>,
        account: &Account,
        status: (Status, Option<String>),
        in_pieces: bool,
    ) -> Result<Delivered, Error> {
        let reader = self.reader();
        let receipt = reader.receipt(own, account, status);
        log(&receipt);
        let text = serde_json::to_vec(&receipt).unwrap_or_default();
        self.app.store.put(&Receipt::key(&receipt.dataset, &own.identity.object_id), text).await?;
        if in_pieces {
            self.app.store.delete_folder(&reader.folder(own)).await?;
        }
        Ok(Delivered::Done(Box::new(receipt)))
    }
}

/// How an object ended, and why it is not complete. What the stream has taken stays.
fn status(read: &Read) -> (Status, Option<String>) {
    let Read { account, broken, over_limit, .. } = read;
    let reason = |violation: &Violation| Some(violation.reason.clone());
    match (broken, over_limit) {
        (Some(broken), _) if account.read == 0 => (Status::Failed, reason(broken)),
        (Some(broken), _) => (Status::Partial, reason(broken)),
        (None, Some(over)) => (Status::Partial, reason(over)),
        (None, None) => (Status::Complete, None),
    }
}

fn log(receipt: &Receipt) {
    let Receipt { source, read, rejected, sent, reason, .. } = receipt;
    match receipt.status {
        Status::Complete if *rejected > 0 => {
            tracing::warn!(source, read, rejected, sent, "records were rejected");
        }
        Status::Complete => tracing::debug!(source, read, sent, "object was delivered"),
        Status::Partial => {
            tracing::error!(source, reason, read, rejected, sent, "object was delivered in part");
        }
        Status::Failed => tracing::error!(source, reason, "object could not be read"),
    }
    if !receipt.is_balanced() {
        tracing::error!(source, receipt = ?receipt, "receipt is out of balance");
    }
}
