//! Values that must not stand twice, looked for within a bounded window of rows that are read together. What lies
//! further apart, or in another object, only the warehouse can tell. Knows no SQL.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};

use super::rows::Draft;
use crate::contract::{Contract, Severity};
use crate::ident::{self, HexId};
use crate::reject::{Rule, Violation};

/// Rows that are looked back on.
const WINDOW: usize = 32_768;

/// Columns whose values together may stand only once.
#[derive(Debug)]
pub(super) struct Unique {
    columns: Vec<usize>,
    names: String,
    severity: Severity,
}

/// The last values of one rule, and whose they were.
#[derive(Debug, Default)]
pub(super) struct Window {
    owners: HashMap<HexId, HexId>,
    values: VecDeque<HexId>,
}

impl Unique {
    /// The rules of a contract. The primary key is not among them: of equal keys one wins.
    pub fn of(contract: &Contract) -> Vec<Self> {
        let single = contract.columns.iter().enumerate().filter_map(|(i, own)| Some((vec![i], own.unique?)));
        let together =
            contract.unique_together.iter().map(|(columns, severity)| (columns.clone(), *severity));
        let is_key = |columns: &[usize]| {
            !contract.key.is_empty() && contract.key.iter().all(|own| columns.contains(own))
        };
        let name = |i: &usize| contract.columns.get(*i).map(|own| own.name.as_str());
        let rules = single.chain(together).filter(|(columns, _)| !is_key(columns));
        rules
            .map(|(columns, severity)| {
                let names = columns.iter().filter_map(name).collect::<Vec<_>>().join(", ");
                Self { columns, names, severity }
            })
            .collect()
    }

    /// The row's values; none where one of them is NULL, which equals nothing. `joined` is a buffer.
    pub fn value(&self, draft: &Draft<'_>, joined: &mut String) -> Option<HexId> {
        joined.clear();
        for i in &self.columns {
            ident::push_netstr(draft.get(*i)?, joined);
        }
        Some(ident::record_id_of_netstrs(joined))
    }

    /// What a row breaks whose values another row has. (Another version of the same row may have them, too.)
    pub fn broken(&self) -> (Severity, Violation) {
        let reason = format!("stands in another row of the last {WINDOW}, too");
        (self.severity, Violation::column(Rule::Unique, &self.names, reason))
    }
}

impl Window {
    /// What is kept, oldest first: the values and whose they are.
    pub fn entries(&self) -> Vec<(HexId, HexId)> {
        self.values.iter().filter_map(|value| Some((*value, self.owner(value)?))).collect()
    }

    /// The row that has the values.
    pub fn owner(&self, value: &HexId) -> Option<HexId> {
        self.owners.get(value).copied()
    }

    /// Keeps the values of a row that was accepted; false if they were kept already.
    pub fn keep(&mut self, value: HexId, record_id: HexId) -> bool {
        let Entry::Vacant(entry) = self.owners.entry(value) else { return false };
        entry.insert(record_id);
        self.values.push_back(value);
        if self.values.len() > WINDOW
            && let Some(oldest) = self.values.pop_front()
        {
            self.owners.remove(&oldest);
        }
        true
    }

    /// Forgets the values that were kept last.
    pub fn forget_last(&mut self) {
        if let Some(value) = self.values.pop_back() {
            self.owners.remove(&value);
        }
    }
}

#[cfg(test)]
#[path = "unique_tests.rs"]
mod tests;
