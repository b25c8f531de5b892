//! What was found wrong with one record: what rejects it and what is only counted. Holds no values.

use std::collections::BTreeMap;
use std::fmt;

use crate::contract::Severity;
use crate::reject::{Rule, Violation};

/// Broken rules of one record.
#[derive(Debug, Default)]
pub(super) struct Findings {
    /// They reject the record.
    pub broken: Vec<Violation>,
    /// They are counted if the record is a row.
    pub warned: Vec<Violation>,
}

impl Findings {
    pub fn add(&mut self, severity: Severity, violation: Violation) {
        match severity {
            Severity::Error => self.broken.push(violation),
            Severity::Warning => self.warned.push(violation),
        }
    }
}

/// How many rows broke rules that do not reject, by rule and column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Warnings(BTreeMap<(Rule, Option<String>), u64>);

impl Warnings {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Rule, column (or name of the rule) and how many rows, in a stable order.
    pub fn iter(&self) -> impl Iterator<Item = (Rule, Option<&str>, u64)> {
        self.0.iter().map(|((rule, column), count)| (*rule, column.as_deref(), *count))
    }

    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Adds the counts of others, and empties these.
    pub fn append(&mut self, others: &mut Self) {
        for (of, count) in std::mem::take(&mut others.0) {
            *self.0.entry(of).or_default() += count;
        }
    }

    pub(super) fn add(&mut self, warned: Vec<Violation>) {
        for violation in warned {
            *self.0.entry((violation.rule, violation.column)).or_default() += 1;
        }
    }
}

/// `rule column: count`, one after another, for a log line.
impl fmt::Display for Warnings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (rule, column, count)) in self.iter().enumerate() {
            let (comma, column) = (if i > 0 { ", " } else { "" }, column.map(|own| format!(" {own}")));
            write!(f, "{comma}{}{}: {count}", rule.as_str(), column.unwrap_or_default())?;
        }
        Ok(())
    }
}
