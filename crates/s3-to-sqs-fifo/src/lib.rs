//! s3-to-sqs-fifo: takes S3 events of the queue route, checks each record of the object against its contract, adds
//! the derived columns, stamps it, and sends it to the dataset's FIFO queue in the order of its group.
//!
//! A message is acknowledged only when every record of its objects is in the queue or in quarantine and the receipt
//! is written. A record at fault costs no other record; an object at fault costs no other object; what may pass is
//! given back to the trigger. Rows are idempotent by their stamps, so everything here may happen twice.

mod config;
mod deliver;
mod error;
mod sink;

use std::sync::atomic::AtomicBool;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsMessage};
use penstock_aws::quarantine::Quarantine;
use penstock_aws::telemetry::Metrics;
use penstock_aws::trigger::{GivenBack as _, ObjectFunction, each_object, logged};
use penstock_aws::{Invocation, s3_client};
use penstock_core::object::ObjectRef;
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::receipt::Status;
use serde_json::Value;

pub use config::{Config, SERVICE};
pub use deliver::Delivered;
pub use error::Error;
pub use penstock_aws::StartError;
pub use sink::{SendError, Sink};

/// The function: its settings and clients, made once.
#[derive(Debug)]
pub struct App {
    config: Config,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    quarantine: Quarantine,
    warm: AtomicBool,
}

impl App {
    /// Makes the clients.
    pub fn start(config: Config, sdk: &aws_config::SdkConfig) -> Result<Self, StartError> {
        Ok(Self::with_clients(config, s3_client(sdk), aws_sdk_sqs::Client::new(sdk)))
    }

    /// The same with clients that were made already.
    pub fn with_clients(config: Config, s3: aws_sdk_s3::Client, sqs: aws_sdk_sqs::Client) -> Self {
        let quarantine = Quarantine::new(s3.clone(), config.quarantine_bucket.clone(), SERVICE);
        Self { config, s3, sqs, quarantine, warm: AtomicBool::new(false) }
    }

    /// One invocation: an SQS batch of S3 events, or an S3 event in any other envelope.
    pub async fn handle(&self, event: Value, invocation: Invocation) -> Result<SqsBatchResponse, Error> {
        let all = async |metrics: &mut Metrics| each_object(self, &event, &invocation, metrics).await;
        logged(SERVICE, &invocation, &self.warm, all).await
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
        told: ObjectRef,
        _message: Option<&SqsMessage>,
        invocation: &Invocation,
        metrics: &mut Metrics,
    ) -> Result<(), Error> {
        let delivered = self.deliver(&told, invocation).await.inspect_err(|error| log(&told, error))?;
        count(&delivered, metrics);
        Ok(())
    }

    /// Given back messages wait as long as the queue says.
    fn queue(&self) -> Option<(&aws_sdk_sqs::Client, &str)> {
        None
    }
}

fn log(object: &ObjectRef, error: &Error) {
    tracing::warn!(source = object.uri(), error = %error, kind = error.kind(), "object is not delivered yet");
}

fn count(delivered: &Delivered, metrics: &mut Metrics) {
    match delivered {
        Delivered::Done(receipt) => {
            let dataset = &receipt.dataset;
            metrics.add(dataset, "Objects", 1);
            metrics.add(dataset, "RecordsRead", receipt.read);
            metrics.add(dataset, "RecordsRejected", receipt.rejected);
            metrics.add(dataset, "RecordsDuplicate", receipt.duplicate);
            metrics.add(dataset, "RowsSent", receipt.sent);
            metrics.add(dataset, "ExtraFields", receipt.extra_fields);
            metrics.add(dataset, "Warnings", receipt.warnings);
            metrics.add(dataset, "ObjectsPartial", u64::from(receipt.status == Status::Partial));
            metrics.add(dataset, "ObjectsFailed", u64::from(receipt.status == Status::Failed));
        }
        Delivered::Quarantined(_) => metrics.add(UNKNOWN_DATASET, "ObjectsFailed", 1),
        Delivered::Superseded => metrics.add(UNKNOWN_DATASET, "ObjectsSuperseded", 1),
    }
}
