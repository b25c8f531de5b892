//! s3-to-lake: takes S3 events of the lake route and of the stage bucket and has their objects in the lake: copied by
//! S3 where they are not looked into, else as Parquet, each record checked against its contract.
//!
//! What is in the lake of a source depends on the source's content alone, and so do the keys: a redelivery writes the
//! same files again, and a replaced source takes the place of its own files and of no other. A conversion that does not
//! fit an invocation is handed to the dataset's Glue job. A message is acknowledged only when the files are there and
//! the rejects in quarantine, or when one of these two has the object.

mod budget;
mod config;
mod convert;
mod copy;
mod error;
mod hand_over;
mod lease;
mod place;
mod read;
pub mod sink;

use std::sync::atomic::AtomicBool;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsMessage};
use penstock_aws::quarantine::Quarantine;
use penstock_aws::store::Store;
use penstock_aws::telemetry::Metrics;
use penstock_aws::trigger::{GivenBack as _, ObjectFunction, each_object, logged};
use penstock_aws::{Invocation, s3_client};
use penstock_core::contract::Contract;
use penstock_core::ident::HexId;
use penstock_core::object::ObjectRef;
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Rule, Violation};
use serde_json::Value;

pub use config::{Config, SERVICE};
pub use error::Error;
pub use penstock_aws::StartError;
use place::{Form, Place};

/// The function: its settings and clients, made once.
#[derive(Debug)]
pub struct App {
    config: Config,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    store: Store,
    lake: Store,
    quarantine: Quarantine,
    warm: AtomicBool,
}

/// What became of an object. Where there is no receipt, the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// Its rows are in the lake, its rejects in quarantine, its receipt is written.
    Converted(Box<Receipt>, Files),
    /// It is in the lake as it is, its receipt is written.
    Copied(Box<Receipt>),
    /// The object as a whole is in quarantine: nothing of it is in the lake.
    Quarantined(String),
    /// It vanished or was replaced; the newer content has its own event.
    Superseded(String),
    /// The dataset's Glue job has it.
    HandedOver(String),
    /// It is for others.
    Skipped,
}

/// Files of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Files {
    /// That are there now.
    pub written: u64,
    /// Of an earlier content, that are gone.
    pub deleted: u64,
}

impl App {
    /// Makes the clients.
    pub fn start(config: Config, sdk: &aws_config::SdkConfig) -> Self {
        Self::with_clients(config, s3_client(sdk), aws_sdk_sqs::Client::new(sdk))
    }

    /// The same with clients that were made already.
    pub fn with_clients(config: Config, s3: aws_sdk_s3::Client, sqs: aws_sdk_sqs::Client) -> Self {
        let store = Store::new(s3.clone(), config.work_bucket.clone());
        let lake = Store::new(s3.clone(), config.lake_bucket.clone());
        let quarantine = Quarantine::new(s3.clone(), config.quarantine_bucket.clone(), SERVICE);
        Self { config, s3, sqs, store, lake, quarantine, warm: AtomicBool::new(false) }
    }

    /// One invocation: an SQS batch of S3 events, or an S3 event in any other envelope.
    pub async fn handle(&self, event: Value, invocation: Invocation) -> Result<SqsBatchResponse, Error> {
        let all = async |metrics: &mut Metrics| each_object(self, &event, &invocation, metrics).await;
        logged(SERVICE, &invocation, &self.warm, all).await
    }

    /// Delivers one object; an error means that its event must come again.
    async fn deliver(&self, object: &ObjectRef, invocation: &Invocation) -> Result<Delivered, Error> {
        match self.config.place(object)? {
            Place::Skipped(reason) => {
                tracing::debug!(source = object.uri(), reason, "object is for others");
                Ok(Delivered::Skipped)
            }
            Place::Refused(violation) => self.refuse(object, UNKNOWN_DATASET, violation).await,
            Place::Taken(checker, Form::AsIs(Some(key))) => {
                Box::pin(self.copy(object, &key, checker.contract(), invocation)).await
            }
            Place::Taken(checker, Form::AsIs(None)) => {
                let reason = "its key in the lake would be longer than S3 takes";
                let violation = Violation::record(Rule::Unreadable, reason);
                self.refuse(object, &checker.contract().dataset, violation).await
            }
            Place::Taken(checker, Form::Parquet(records)) => {
                Box::pin(self.convert(object, checker, records, invocation)).await
            }
        }
    }

    /// Puts the object as a whole into quarantine.
    async fn refuse(
        &self,
        object: &ObjectRef,
        dataset: &str,
        violation: Violation,
    ) -> Result<Delivered, Error> {
        self.quarantine.put_whole(object, dataset, violation).await?;
        Ok(Delivered::Quarantined(dataset.to_owned()))
    }

    /// Says for good what became of an object.
    async fn write_receipt(&self, receipt: &Receipt, id: &HexId) -> Result<(), Error> {
        if !receipt.is_balanced() {
            tracing::error!(source = receipt.source, receipt = ?receipt, "receipt is out of balance");
        }
        let text = serde_json::to_vec(receipt).unwrap_or_default();
        self.store.put(&Receipt::key(&receipt.dataset, id), text).await?;
        Ok(())
    }

    fn superseded(&self, object: &ObjectRef, contract: &Contract) -> Delivered {
        let (source, dataset) = (object.uri(), contract.dataset.clone());
        tracing::warn!(source, dataset, "object was removed or replaced before it was read");
        Delivered::Superseded(dataset)
    }
}

impl ObjectFunction for App {
    type Told = ObjectRef;
    type Error = Error;

    fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }

    async fn object(
        &self,
        object: ObjectRef,
        _message: Option<&SqsMessage>,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<(), Error> {
        let delivered = self.deliver(&object, invocation).await;
        if let Err(error) = &delivered {
            log(&object, error, metrics);
        }
        count(&delivered?, metrics);
        Ok(())
    }

    fn queue(&self) -> Option<(&aws_sdk_sqs::Client, &str)> {
        Some((&self.sqs, &self.config.queue_url))
    }
}

fn log(object: &ObjectRef, error: &Error, metrics: &mut Metrics) {
    let (source, kind) = (object.uri(), error.kind());
    match error {
        Error::Held { .. } => {
            metrics.add(UNKNOWN_DATASET, "ObjectsWaiting", 1);
            tracing::debug!(source, error = %error, kind, "object waits for another invocation");
        }
        error if error.is_retryable() => {
            tracing::warn!(source, error = %error, kind, "object is not in the lake yet");
        }
        error => tracing::error!(source, error = %error, kind, "object waits until this is mended"),
    }
}

fn count(delivered: &Delivered, metrics: &mut Metrics) {
    match delivered {
        Delivered::Converted(receipt, files) => {
            let dataset = &receipt.dataset;
            metrics.add(dataset, "Objects", 1);
            metrics.add(dataset, "ObjectsConverted", u64::from(receipt.status == Status::Complete));
            metrics.add(dataset, "ObjectsFailed", u64::from(receipt.status != Status::Complete));
            metrics.add(dataset, "RecordsRead", receipt.read);
            metrics.add(dataset, "RecordsRejected", receipt.rejected);
            metrics.add(dataset, "RowsWritten", if files.written > 0 { receipt.sent } else { 0 });
            metrics.add(dataset, "ExtraFields", receipt.extra_fields);
            metrics.add(dataset, "Warnings", receipt.warnings);
            metrics.add(dataset, "FilesWritten", files.written);
            metrics.add(dataset, "FilesDeleted", files.deleted);
        }
        Delivered::Copied(receipt) => {
            metrics.add(&receipt.dataset, "Objects", 1);
            metrics.add(&receipt.dataset, "ObjectsCopied", 1);
        }
        Delivered::Quarantined(dataset) => metrics.add(dataset, "ObjectsFailed", 1),
        Delivered::Superseded(dataset) => metrics.add(dataset, "ObjectsSuperseded", 1),
        Delivered::HandedOver(dataset) => metrics.add(dataset, "ObjectsHandedOver", 1),
        Delivered::Skipped => metrics.add(UNKNOWN_DATASET, "ObjectsSkipped", 1),
    }
}
