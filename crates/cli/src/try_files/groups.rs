//! Rejects by rule and column: how many, and the first of each. Bounded, whatever a file holds; is given only what may
//! be shown.

use std::collections::BTreeMap;

use penstock_core::reject::{Rule, Violation};

/// Rules and columns that are told apart: unknown fields can have names without end.
const MAX_GROUPS: usize = 1000;
/// Stands for the columns above that.
const OTHERS: &str = "(others)";

/// Broken rules of one file.
#[derive(Debug, Default)]
pub struct Groups(BTreeMap<(Rule, Option<String>), Group>);

/// One rule, broken in one column.
#[derive(Debug)]
pub struct Group {
    /// Records that break it.
    pub count: u64,
    /// The first of them.
    pub first: First,
}

/// The first record that broke a rule.
#[derive(Debug)]
pub struct First {
    /// From 1; only of formats that have lines.
    pub line: Option<u64>,
    /// Byte in the decompressed file, or number of the record from 0 where a format has rows.
    pub position: Option<u64>,
    /// What was expected and found.
    pub reason: String,
    /// The record's beginning, as it may be shown.
    pub record: String,
}

impl Groups {
    /// Adds a broken rule; `first` is asked only for the first of its kind.
    pub fn add(&mut self, violation: Violation, first: impl FnOnce(String) -> First) {
        let Violation { rule, column, reason } = violation;
        let mut of = (rule, column);
        if self.0.len() >= MAX_GROUPS && !self.0.contains_key(&of) {
            of.1 = Some(OTHERS.to_owned());
        }
        self.0.entry(of).or_insert_with(|| Group { count: 0, first: first(reason) }).count += 1;
    }

    /// Rule, column and group, the most frequent first.
    pub fn by_count(&self) -> Vec<(Rule, Option<&str>, &Group)> {
        let all = self.0.iter().map(|((rule, column), group)| (*rule, column.as_deref(), group));
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|(_, _, group)| std::cmp::Reverse(group.count));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_end_take_no_memory_and_lose_no_count() {
        let mut groups = Groups::default();
        for i in 0..5_000 {
            let violation = Violation::column(Rule::ExtraColumn, &format!("x{i}"), "is not in the contract");
            groups.add(violation, |reason| First {
                line: Some(i),
                position: None,
                reason,
                record: String::new(),
            });
        }
        let all = groups.by_count();
        assert_eq!(all.len(), MAX_GROUPS + 1);
        assert_eq!((all[0].1, all[0].2.count, all[0].2.first.line), (Some(OTHERS), 4_000, Some(1_000)));
        assert_eq!(all.iter().map(|(_, _, group)| group.count).sum::<u64>(), 5_000);
    }
}
