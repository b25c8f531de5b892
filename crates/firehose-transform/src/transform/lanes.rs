//! The datasets of one event, each with its buffers and its account, and which of them a row belongs to.

use std::sync::Arc;

use memchr::memmem::Finder;
use penstock_core::row::{Rows, Session};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use crate::accounts::Account;
use crate::datasets::{Dataset, Datasets};
use crate::error::WrongContract;

/// A dataset of the event.
#[derive(Debug)]
pub struct Lane {
    pub dataset: Arc<Dataset>,
    pub session: Session,
    /// Rows of the record that is being read.
    pub rows: Rows,
    /// Fields of that record that the contract does not name.
    pub extra_fields: u64,
    pub account: Account,
}

/// All datasets of the event so far.
#[derive(Debug)]
pub struct Lanes<'a> {
    datasets: &'a Datasets,
    lanes: Vec<Lane>,
    default: Option<usize>,
    /// Whether all rows are of the default, whatever they say.
    is_fixed: bool,
    /// The word that every stamped row holds.
    pub stamp: Finder<'static>,
}

/// What a stamped row says of itself.
#[derive(Debug, Default, Deserialize)]
pub struct Stamped<'r> {
    #[serde(rename = "_record_id")]
    record_id: Option<IgnoredAny>,
    #[serde(rename = "_dataset", borrow)]
    dataset: Option<&'r RawValue>,
}

impl<'r> Stamped<'r> {
    /// Looks for stamps in a record; `None` for one without. Most records do not even hold the word.
    pub fn of(record: &'r [u8], word: &Finder<'_>) -> Option<Self> {
        word.find(record)?;
        let own: Self = serde_json::from_slice(record).ok()?;
        own.record_id.is_some().then_some(own)
    }

    fn dataset(&self) -> Option<String> {
        serde_json::from_str(self.dataset?.get()).ok()
    }
}

impl<'a> Lanes<'a> {
    /// Begins with the dataset that the function is set to, else with the one of the Firehose stream.
    pub fn begin(datasets: &'a Datasets, stream: &str) -> Result<Self, WrongContract> {
        let fixed = datasets.fixed()?;
        let is_fixed = fixed.is_some();
        let default = match fixed {
            Some(dataset) => Some(dataset),
            None => datasets.of_stream(stream)?,
        };
        let stamp = Finder::new("\"_record_id\"");
        let mut own = Self { datasets, lanes: Vec::new(), default: None, is_fixed, stamp };
        own.default = default.map(|dataset| own.open(dataset));
        Ok(own)
    }

    fn open(&mut self, dataset: Arc<Dataset>) -> usize {
        self.lanes.push(Lane {
            session: Session::default(),
            rows: Rows::default(),
            extra_fields: 0,
            account: Account::of(&dataset.name),
            dataset,
        });
        self.lanes.len() - 1
    }

    /// The lane of a number that this gave.
    pub fn get_mut(&mut self, lane: usize) -> Option<&mut Lane> {
        self.lanes.get_mut(lane)
    }

    /// The dataset of records that tell none.
    pub fn default(&self) -> Option<usize> {
        self.default
    }

    /// The dataset of a row, `None` if it is not known.
    pub fn of_row(&mut self, stamped: Option<&Stamped<'_>>) -> Result<Option<usize>, WrongContract> {
        if self.is_fixed {
            return Ok(self.default);
        }
        let Some(name) = stamped.and_then(Stamped::dataset) else { return Ok(self.default) };
        if let Some(lane) = self.lanes.iter().position(|lane| lane.dataset.name == name) {
            return Ok(Some(lane));
        }
        Ok(self.datasets.named(&name)?.map(|dataset| self.open(dataset)))
    }

    /// Forgets the rows of the last record.
    pub fn clear(&mut self) {
        for lane in &mut self.lanes {
            lane.rows.clear();
            lane.extra_fields = 0;
        }
    }

    /// The accounts of all datasets.
    pub fn into_accounts(self) -> impl Iterator<Item = Account> {
        self.lanes.into_iter().map(|mut lane| {
            lane.account.warnings = lane.session.warnings().total();
            lane.account
        })
    }
}
