//! firehose-transform: takes the records of a Firehose stream, checks each row against its dataset's contract, stamps
//! it and answers it in the hand-over format with the keys that Firehose partitions by.
//!
//! Every record is answered once, in its order. A record at fault costs no other record: it is answered as failed with
//! its data untouched, and Firehose keeps it under the error prefix. No AWS is called, so everything here may happen
//! twice: rows are idempotent by their stamps.

mod accounts;
mod config;
mod datasets;
mod direct;
mod error;
mod event;
mod partition;
mod sink;
mod transform;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use penstock_aws::Invocation;
use penstock_aws::telemetry::{self, Metrics};

pub use config::{Config, SERVICE};
pub use direct::run;
pub use error::{Error, StartError};
pub use event::{Batch, NotFirehose, Parts, Record};
pub use sink::{Answer, MAX_ANSWER_BYTES, Outcome};

use transform::Transform;

/// The function: its settings, read once.
#[derive(Debug)]
pub struct App {
    config: Config,
    warm: AtomicBool,
    memory: Mutex<Memory>,
}

/// Memory that one event after another uses.
#[derive(Debug, Default)]
struct Memory {
    event: event::Parts,
    transform: transform::Memory,
    /// The last answer, free again once it was sent.
    answer: Bytes,
}

impl App {
    /// Takes the settings.
    pub fn start(config: Config) -> Self {
        Self { config, warm: AtomicBool::new(false), memory: Mutex::default() }
    }

    /// One invocation: a batch of records as Firehose sends it, answered as JSON.
    pub fn handle(&self, event: &[u8], invocation: &Invocation) -> Result<Bytes, Error> {
        let cold_start = !self.warm.swap(true, Ordering::Relaxed);
        telemetry::span(SERVICE, invocation, cold_start).in_scope(|| self.invoke(event, invocation))
    }

    fn invoke(&self, event: &[u8], invocation: &Invocation) -> Result<Bytes, Error> {
        let memory = std::mem::take(&mut *self.memory.lock().unwrap_or_else(PoisonError::into_inner));
        let batch = Batch::read(event, memory.event)?;
        let mut transform = Transform::begin(&self.config.datasets, &batch, memory.transform)?;
        for record in batch.records() {
            transform.take(&record)?;
        }
        let json = memory.answer.try_into_mut().map(Vec::from).unwrap_or_default();
        let (answer, accounts, transform) = transform.finish(MAX_ANSWER_BYTES, emptied(json));
        let mut metrics = Metrics::new(SERVICE, invocation);
        accounts.iter().for_each(|account| account.tell(&mut metrics));
        metrics.emit();
        let answer = Bytes::from(answer.into_json().into_bytes());
        let kept = Memory { event: batch.into_parts(), transform, answer: answer.clone() };
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = kept;
        Ok(answer)
    }
}

/// The bytes' memory as an empty text.
fn emptied(mut bytes: Vec<u8>) -> String {
    bytes.clear();
    String::from_utf8(bytes).unwrap_or_default()
}
