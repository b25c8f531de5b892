//! The datasets of one event, each with its buffers and its account, and which of them a row belongs to.

use std::sync::Arc;

use memchr::memmem::Finder;
use penstock_core::row::{Row, Rows, Session};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::accounts::Account;
use crate::datasets::{Dataset, Datasets};
use crate::error::WrongContract;
use crate::sink::MAX_ANSWER_BYTES;

/// Rows over which no answer has room: with its stamps the shortest one takes more than 384 bytes of it.
const MAX_ROWS: usize = MAX_ANSWER_BYTES / 384;

/// A dataset of the event.
#[derive(Debug)]
pub struct Lane {
    pub dataset: Arc<Dataset>,
    pub session: Session,
    /// Rows of all records so far.
    pub rows: Rows,
    /// The first row of the record that is being read.
    pub start: usize,
    /// Fields of that record that the contract does not name.
    pub extra_fields: u64,
    pub account: Account,
}

/// All datasets of the event so far.
#[derive(Debug)]
pub struct Lanes<'a> {
    datasets: &'a Datasets,
    lanes: Vec<Lane>,
    /// Memory of rows that an earlier event left.
    spare: Vec<Rows>,
    default: Option<usize>,
    /// Whether all rows are of the default, whatever they say.
    is_fixed: bool,
    /// The bytes of the record that is being read.
    pub data: Vec<u8>,
    /// How the names of all fields begin that are not the source's own.
    pub own: Finder<'static>,
}

/// What a row says of itself, beside its values.
#[derive(Debug, Default, Deserialize)]
pub struct Said<'r> {
    #[serde(rename = "_record_id", default)]
    record_id: Present,
    #[serde(rename = "_dataset", borrow)]
    dataset: Option<&'r RawValue>,
}

/// Whether a field is there, null included.
#[derive(Debug, Default)]
struct Present(bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

impl<'r> Said<'r> {
    /// Looks into a record. Most of those without stamps do not even hold the beginning of a name.
    pub fn by(record: &'r [u8], own: &Finder<'_>) -> Self {
        // What cannot be read here is told by whoever reads its values.
        own.find(record).and_then(|_| serde_json::from_slice(record).ok()).unwrap_or_default()
    }

    /// Whether an earlier hop stamped it.
    pub fn is_stamped(&self) -> bool {
        self.record_id.0
    }

    fn dataset(&self) -> Option<String> {
        serde_json::from_str(self.dataset?.get()).ok()
    }
}

impl<'a> Lanes<'a> {
    /// Begins with the dataset that the function is set to, else with the one of the Firehose stream.
    pub fn begin(datasets: &'a Datasets, stream: &str, spare: Vec<Rows>) -> Result<Self, WrongContract> {
        let fixed = datasets.fixed()?;
        let is_fixed = fixed.is_some();
        let default = match fixed {
            Some(dataset) => Some(dataset),
            None => datasets.of_stream(stream)?,
        };
        let own = Finder::new("\"_");
        let mut lanes =
            Self { datasets, lanes: Vec::new(), spare, default: None, is_fixed, data: Vec::new(), own };
        lanes.default = default.map(|dataset| lanes.open(dataset));
        Ok(lanes)
    }

    fn open(&mut self, dataset: Arc<Dataset>) -> usize {
        self.lanes.push(Lane {
            session: Session::default(),
            rows: self.spare.pop().unwrap_or_default(),
            start: 0,
            extra_fields: 0,
            account: Account::of(&dataset.name),
            dataset,
        });
        // It may be opened in the middle of a record.
        if let Some(lane) = self.lanes.last_mut() {
            lane.session.mark();
        }
        self.lanes.len() - 1
    }

    /// The contracts.
    pub fn datasets(&self) -> &'a Datasets {
        self.datasets
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
    pub fn of_row(&mut self, said: &Said<'_>) -> Result<Option<usize>, WrongContract> {
        if self.is_fixed || said.dataset.is_none() {
            return Ok(self.default);
        }
        // What is no text is no dataset's name.
        let Some(name) = said.dataset() else { return Ok(None) };
        if let Some(lane) = self.lanes.iter().position(|lane| lane.dataset.name == name) {
            return Ok(Some(lane));
        }
        Ok(self.datasets.named(&name)?.map(|dataset| self.open(dataset)))
    }

    /// The next record begins.
    pub fn mark(&mut self) {
        for lane in &mut self.lanes {
            lane.session.mark();
            lane.start = lane.rows.len();
            lane.extra_fields = 0;
        }
    }

    /// Forgets the rows of the record that is being read.
    pub fn forget(&mut self) {
        for lane in &mut self.lanes {
            if lane.rows.len() > lane.start {
                lane.rows.truncate(lane.start);
            }
            lane.session.roll_back();
            lane.extra_fields = 0;
        }
    }

    /// The lane of a number that this gave.
    pub fn lane(&self, lane: usize) -> Option<&Lane> {
        self.lanes.get(lane)
    }

    /// Whether the event has more rows than any answer holds, so that no more need be read.
    pub fn is_full(&self) -> bool {
        self.lanes.iter().map(|lane| lane.rows.len()).sum::<usize>() > MAX_ROWS
    }

    /// A row that a lane has.
    pub fn get(&self, lane: usize, row: usize) -> Option<Row<'_>> {
        self.lanes.get(lane)?.rows.get(row)
    }

    /// The accounts of all datasets; the memory of their rows goes back into `spare`.
    pub fn into_accounts(self, spare: &mut Vec<Rows>) -> Vec<Account> {
        let close = |mut lane: Lane| {
            lane.account.warnings = lane.session.warnings().total();
            lane.rows.clear();
            spare.push(lane.rows);
            lane.account
        };
        self.lanes.into_iter().map(close).collect()
    }
}
