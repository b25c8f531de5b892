//! How long rows took until they were in the warehouse, held against the latency that their contract promises. What is
//! given back counts with what it has waited so far, so that a dataset that is stuck is told too.

use std::collections::HashSet;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use penstock_aws::telemetry::Metrics;

use crate::error::Error;

/// When S3 told of the objects, by number of message; nothing where the event came without a queue.
#[derive(Debug, Default)]
pub struct Sent(Vec<Option<u64>>);

impl Sent {
    /// Times of a batch.
    pub fn of(batch: &SqsEvent) -> Self {
        let sent = batch.records.iter().map(|own| own.attributes.get("SentTimestamp")?.parse().ok());
        Self(sent.collect())
    }
}

/// What of a dataset was loaded here.
#[derive(Debug, Default)]
pub struct Waits {
    places: HashSet<usize>,
    oldest_ms: Option<u64>,
}

impl Waits {
    /// An object of a load whose oldest object is of that time, and its places in the list that was given.
    pub fn commit(&mut self, oldest_ms: u64, places: impl IntoIterator<Item = usize>) {
        self.oldest_ms = Some(self.oldest_ms.map_or(oldest_ms, |other| other.min(oldest_ms)));
        self.places.extend(places);
    }

    /// Counts the age of the oldest object that was loaded or given back, and whether it is more than was promised.
    pub fn tell<'f>(
        mut self,
        dataset: &str,
        latency: Option<Duration>,
        (numbers, sent): (&[usize], &Sent),
        failed: impl Iterator<Item = (&'f usize, &'f Error)>,
        (now_ms, metrics): (u64, &mut Metrics),
    ) {
        self.places.extend(failed.map(|(place, _)| place));
        let of_place = |place: &usize| *sent.0.get(*numbers.get(*place)?)?;
        let oldest_ms = self.places.iter().filter_map(of_place).chain(self.oldest_ms).min();
        let Some(oldest_ms) = oldest_ms else { return };
        let age = Duration::from_millis(now_ms.saturating_sub(oldest_ms));
        metrics.raise(dataset, "FreshnessSeconds", age.as_secs());
        if let Some(latency) = latency.filter(|latency| age > *latency) {
            let (seconds, promised) = (age.as_secs(), latency.as_secs());
            tracing::warn!(dataset, seconds, promised, "rows are later than their contract promises");
            metrics.add(dataset, "LoadsLate", 1);
        }
    }
}
