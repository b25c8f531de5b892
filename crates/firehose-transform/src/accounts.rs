//! What became of an invocation's records, by dataset: counts and rules, never a value.

use std::collections::BTreeMap;

use penstock_aws::telemetry::Metrics;
use penstock_core::reject::Rule;

/// Counts of one dataset.
#[derive(Debug, Default)]
pub struct Account {
    /// The dataset; `_unknown` for records that belong to none.
    pub dataset: String,
    /// Records of the event.
    pub read: u64,
    /// Records that were answered with rows.
    pub accepted: u64,
    /// Rows in them.
    pub rows: u64,
    /// Records all of whose rows are in other records.
    pub dropped: u64,
    /// Records that were answered as failed.
    pub rejected: u64,
    /// Fields of accepted rows that the contract does not name.
    pub extra_fields: u64,
    /// Findings of quality rules that only warn.
    pub warnings: u64,
    /// How many records broke each rule.
    pub rules: BTreeMap<Rule, u64>,
}

impl Account {
    /// An empty account.
    pub fn of(dataset: &str) -> Self {
        Self { dataset: dataset.to_owned(), ..Self::default() }
    }

    /// Counts a record that was answered with so many rows.
    pub fn accept(&mut self, rows: usize) {
        self.accepted += 1;
        self.rows += rows as u64;
    }

    /// Counts a failed record with the rules that it broke.
    pub fn reject(&mut self, rules: impl IntoIterator<Item = Rule>) {
        self.rejected += 1;
        for rule in rules {
            *self.rules.entry(rule).or_default() += 1;
        }
    }

    /// One log line and the metrics; nothing for a dataset without records.
    pub fn tell(&self, metrics: &mut Metrics) {
        if self.read == 0 {
            return;
        }
        let Self { dataset, read, accepted, rows, dropped, rejected, extra_fields, warnings, .. } = self;
        let rules: BTreeMap<&str, u64> = self.rules.iter().map(|(rule, n)| (name(*rule), *n)).collect();
        let rules_json = serde_json::to_string(&rules).unwrap_or_default();
        tracing::info!(
            dataset,
            records_read = read,
            records_accepted = accepted,
            rows_accepted = rows,
            records_dropped = dropped,
            records_rejected = rejected,
            extra_fields,
            warnings,
            rejected_by_rule = rules_json,
            "records are transformed"
        );
        for (metric, count) in [
            ("RecordsRead", read),
            ("RecordsAccepted", accepted),
            ("RowsAccepted", rows),
            ("RecordsDropped", dropped),
            ("RecordsRejected", rejected),
            ("ExtraFields", extra_fields),
            ("Warnings", warnings),
        ] {
            metrics.add(dataset, metric, *count);
        }
        for (rule, count) in rules {
            metrics.add(dataset, format!("Rejected.{rule}"), count);
        }
    }
}

/// The rule's name in this function's log and metrics.
fn name(rule: Rule) -> &'static str {
    match rule {
        // What the stream route calls it; on the other routes an object or message is at fault, not a record.
        Rule::UnknownDataset => "dataset_unknown",
        rule => rule.as_str(),
    }
}
