//! The records of one event into answers: finds each row's dataset, checks and stamps it, and drops rows that others
//! of the batch make needless. Knows neither base64 nor the answer's form.

mod lanes;
mod rows;

use std::collections::HashMap;
use std::ops::Range;

use penstock_core::ident::HexId;
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::reject::Rule;

use crate::accounts::Account;
use crate::datasets::Datasets;
use crate::error::WrongContract;
use crate::event::{Batch, Record};
use crate::partition::day_of_ms;
use crate::sink::{Answer, Answered, Outcome};
use lanes::Lanes;
use rows::Fault;

const DAY_MS: u64 = 86_400_000;

/// An event on its way through.
#[derive(Debug)]
pub struct Transform<'a> {
    batch: &'a Batch,
    lanes: Lanes<'a>,
    told: Vec<Told>,
    /// Rows in the hand-over format, partition keys and orders, of all records.
    text: String,
    seen: HashMap<(HexId, HexId), Seen>,
    /// The last record's day of arrival, by its number: the next one's is most likely the same.
    day: Option<(u64, String)>,
    unknown: Account,
}

/// What became of one record so far.
#[derive(Debug)]
enum Told {
    Rows {
        lane: usize,
        count: usize,
        /// How many of them an equal row of the batch makes needless.
        needless: usize,
        rows: Range<usize>,
        keys: Range<usize>,
    },
    Failed,
}

/// The row of an identity and content that counts so far.
#[derive(Debug)]
struct Seen {
    record: usize,
    order: Range<usize>,
}

impl<'a> Transform<'a> {
    /// Begins an event.
    pub fn begin(datasets: &'a Datasets, batch: &'a Batch) -> Result<Self, WrongContract> {
        Ok(Self {
            batch,
            lanes: Lanes::begin(datasets, batch.delivery_stream())?,
            told: Vec::with_capacity(batch.len()),
            text: String::with_capacity(batch.bytes() * 2),
            seen: HashMap::with_capacity(batch.len()),
            day: None,
            unknown: Account::of(UNKNOWN_DATASET),
        })
    }

    /// Takes the next record. Only a contract that is wrong fails the whole event.
    pub fn take(&mut self, record: &Record<'_>) -> Result<(), WrongContract> {
        let told = match self.lanes.read(record)? {
            Ok(lane) => match self.hand_over(lane, record.arrival_ms.unwrap_or_default()) {
                Some(told) => told,
                None => self.fail(Fault::of(Some(lane), Rule::MixedRecord)),
            },
            Err(fault) => self.fail(fault),
        };
        let is_rows = matches!(told, Told::Rows { .. });
        self.told.push(told);
        if let (Some(Told::Rows { lane, .. }), true) = (self.told.last(), is_rows) {
            self.drop_needless(*lane);
        }
        Ok(())
    }

    /// The rows that a record left in its lane, with the keys that all of them have; `None` if they differ.
    fn hand_over(&mut self, at: usize, arrival_ms: u64) -> Option<Told> {
        let day = day(&mut self.day, arrival_ms);
        let lane = self.lanes.get_mut(at)?;
        lane.account.read += 1;
        let start = self.text.len();
        let mut keys = start..start;
        for row in lane.rows.iter() {
            let own = self.text.len();
            lane.dataset.keys.write(&row, day, &mut self.text);
            if keys.is_empty() {
                keys = own..self.text.len();
            } else if self.text.get(own..) == self.text.get(keys.clone()) {
                self.text.truncate(own);
            } else {
                self.text.truncate(start);
                lane.account.read -= 1;
                return None;
            }
        }
        let start = self.text.len();
        for row in lane.rows.iter() {
            let source = row.source().unwrap_or(self.batch.source());
            lane.dataset.hand_over.write_whole(row, source, &mut self.text);
            self.text.push('\n');
        }
        lane.account.extra_fields += lane.extra_fields;
        Some(Told::Rows { lane: at, count: lane.rows.len(), needless: 0, rows: start..self.text.len(), keys })
    }

    /// Of equal rows the one that is later by its order counts: the others can never be the winner of their key, but
    /// that one may have to win over a row that came between them.
    fn drop_needless(&mut self, lane: usize) {
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        let record = self.told.len() - 1;
        for row in lane.rows.iter() {
            let stamp = row.stamp();
            let start = self.text.len();
            self.text.push_str(stamp.order);
            let own = Seen { record, order: start..self.text.len() };
            let Some(other) = self.seen.get_mut(&(stamp.record_id, stamp.row_hash)) else {
                self.seen.insert((stamp.record_id, stamp.row_hash), own);
                continue;
            };
            let is_later = self.text.get(other.order.clone()) < Some(stamp.order);
            let loser = if is_later { std::mem::replace(other, own).record } else { record };
            if let Some(Told::Rows { needless, .. }) = self.told.get_mut(loser) {
                *needless += 1;
            }
        }
    }

    fn fail(&mut self, fault: Fault) -> Told {
        let account = match fault.lane.and_then(|lane| self.lanes.get_mut(lane)) {
            Some(lane) => &mut lane.account,
            None => &mut self.unknown,
        };
        account.read += 1;
        account.reject(fault.rules);
        Told::Failed
    }

    /// The answer of at most so many bytes, and the accounts of all datasets.
    pub fn finish(mut self, max_bytes: usize) -> (Answer, Vec<Account>) {
        let batch = self.batch;
        let mut answer = Answer::begin(batch.records().map(|record| record.id), max_bytes);
        for (record, told) in batch.records().zip(&self.told) {
            let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
            let Told::Rows { lane, count, needless, rows, keys } = told else {
                answer.put(record.id, &Outcome::Failed(record.data));
                continue;
            };
            let Some(lane) = self.lanes.get_mut(*lane) else { continue };
            if needless == count {
                answer.put(record.id, &Outcome::Dropped);
                lane.account.dropped += 1;
                continue;
            }
            match answer.put(record.id, &Outcome::Ok { rows: text(rows), keys: text(keys) }) {
                Answered::Whole => lane.account.accept(*count),
                Answered::Minimal => lane.account.reject([Rule::ResponseBudget]),
            }
        }
        let accounts = self.lanes.into_accounts().chain([self.unknown]);
        (answer, accounts.collect())
    }
}

/// The day of an arrival.
fn day(last: &mut Option<(u64, String)>, arrival_ms: u64) -> &str {
    let number = arrival_ms / DAY_MS;
    if last.as_ref().is_none_or(|(own, _)| *own != number) {
        *last = None;
    }
    &last.get_or_insert_with(|| (number, day_of_ms(arrival_ms))).1
}
