//! firehose-transform: takes the records of a Firehose stream, checks each row against its dataset's contract, stamps
//! it and answers it in the hand-over format with the keys that Firehose partitions by.
//!
//! Every record is answered once, in its order. A record at fault costs no other record: it is answered as failed with
//! its data untouched, and Firehose keeps it under the error prefix. No AWS is called, so everything here may happen
//! twice: rows are idempotent by their stamps.

mod accounts;
mod config;
mod datasets;
mod error;
mod event;
mod partition;
mod sink;
mod transform;

use std::sync::atomic::{AtomicBool, Ordering};

use penstock_aws::Invocation;
use penstock_aws::telemetry::{self, Metrics};
use serde_json::value::RawValue;

pub use config::{Config, SERVICE};
pub use error::{Error, StartError};
pub use event::{Batch, Data, Event, NotFirehose, Record};
pub use sink::{Answer, MAX_ANSWER_BYTES, Outcome};

use transform::Transform;

/// The function: its settings, read once.
#[derive(Debug)]
pub struct App {
    config: Config,
    warm: AtomicBool,
}

impl App {
    /// Takes the settings.
    pub fn start(config: Config) -> Self {
        Self { config, warm: AtomicBool::new(false) }
    }

    /// One invocation: a batch of records, answered as JSON.
    pub fn handle(&self, event: Event, invocation: &Invocation) -> Result<Box<RawValue>, Error> {
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        telemetry::span(SERVICE, invocation, cold_start).in_scope(|| self.invoke(event, invocation))
    }

    fn invoke(&self, event: Event, invocation: &Invocation) -> Result<Box<RawValue>, Error> {
        let batch = event.into_batch()?;
        let mut transform = Transform::begin(&self.config.datasets, &batch)?;
        for record in batch.records() {
            transform.take(&record)?;
        }
        let (answer, accounts) = transform.finish(MAX_ANSWER_BYTES);
        let mut metrics = Metrics::new(SERVICE, invocation);
        accounts.iter().for_each(|account| account.tell(&mut metrics));
        metrics.emit();
        Ok(answer.into_json()?)
    }
}
