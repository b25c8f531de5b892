//! Values that must not stand twice, looked for within a bounded window of rows that are read together. What lies
//! further apart, or in another object, only the warehouse can tell. Knows no SQL.

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

    /// The row's values; none where one of them is NULL.
    fn value(&self, draft: &Draft<'_>) -> Option<HexId> {
        let mut joined = String::new();
        for i in &self.columns {
            ident::push_netstr(draft.get(*i)?, &mut joined);
        }
        Some(ident::record_id_of_netstrs(&joined))
    }

    /// Looks for the row's values among those before it. Another version of the same row may have the same values; so
    /// may rows of which one value is NULL.
    pub fn check(
        &self,
        draft: &Draft<'_>,
        record_id: HexId,
        window: &Window,
    ) -> Option<(Severity, Violation)> {
        let owner = window.owners.get(&self.value(draft)?)?;
        let reason = || format!("stands in another row of the last {WINDOW}, too");
        (*owner != record_id).then(|| (self.severity, Violation::column(Rule::Unique, &self.names, reason())))
    }

    /// Keeps the values of a row that was accepted.
    pub fn keep(&self, draft: &Draft<'_>, record_id: HexId, window: &mut Window) {
        let Some(value) = self.value(draft) else { return };
        if window.owners.insert(value, record_id).is_none() {
            window.values.push_back(value);
        }
        if window.values.len() > WINDOW
            && let Some(oldest) = window.values.pop_front()
        {
            window.owners.remove(&oldest);
        }
    }
}
