//! The records of one event into answers: finds each row's dataset, checks and stamps it, and drops rows that others
//! of the batch make needless. Knows neither base64 nor the answer's form.

mod lanes;
mod rows;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;
use std::ops::Range;

use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::reject::Rule;
use penstock_core::row::{Rows, utc_day};

use crate::accounts::Account;
use crate::datasets::Datasets;
use crate::error::WrongContract;
use crate::event::{Batch, Record};
use crate::sink::{Answer, Answered, Outcome};
use lanes::{Lane, Lanes};
use rows::Fault;

const DAY_MS: u64 = 86_400_000;

/// An event on its way through.
#[derive(Debug)]
pub struct Transform<'a> {
    batch: &'a Batch<'a>,
    lanes: Lanes<'a>,
    told: Vec<Told>,
    seen: HashMap<Fingerprint, Seen>,
    unknown: Account,
}

/// What became of one record so far.
#[derive(Debug)]
enum Told {
    Rows {
        lane: usize,
        rows: Range<usize>,
        /// How many of them an equal row of the batch makes needless.
        needless: usize,
    },
    Failed,
}

/// A hash of a row's dataset, identity and content.
type Fingerprint = u64;

/// The row of a fingerprint that counts so far. Small, because there is one for nearly every row of an event.
#[derive(Debug, Clone, Copy)]
struct Seen {
    record: u32,
    lane: u32,
    row: u32,
}

/// Memory that one event after another uses: fresh pages cost more than what is written into them.
#[derive(Debug, Default)]
pub struct Memory {
    told: Vec<Told>,
    seen: HashMap<Fingerprint, Seen>,
    rows: Vec<Rows>,
}

impl<'a> Transform<'a> {
    /// Begins an event, with the memory of an earlier one.
    pub fn begin(
        datasets: &'a Datasets,
        batch: &'a Batch<'a>,
        memory: Memory,
    ) -> Result<Self, WrongContract> {
        let Memory { told, seen, rows } = memory;
        let lanes = Lanes::begin(datasets, batch.delivery_stream(), rows)?;
        Ok(Self { batch, lanes, told, seen, unknown: Account::of(UNKNOWN_DATASET) })
    }

    /// Takes the next record. Only a contract that is wrong fails the whole event.
    pub fn take(&mut self, record: &Record<'_>) -> Result<(), WrongContract> {
        let told = match self.lanes.read(record)? {
            Ok(lane) => match self.keep(lane) {
                Some(told) => told,
                None => self.fail(Fault::of(Some(lane), Rule::MixedRecord)),
            },
            Err(fault) => self.fail(fault),
        };
        self.told.push(told);
        self.find_needless();
        Ok(())
    }

    /// The rows that a record left in its lane; `None` if their partition keys differ.
    fn keep(&mut self, at: usize) -> Option<Told> {
        let lane = self.lanes.get_mut(at)?;
        let rows = lane.start..lane.rows.len();
        if rows.len() > 1 {
            let keys = |row: usize| {
                let mut keys = String::new();
                // All arrived on the same day.
                lane.dataset.keys.write(&lane.rows.get(row)?, "", &mut keys);
                Some(keys)
            };
            let first = keys(rows.start)?;
            if !rows.clone().all(|row| keys(row).as_ref() == Some(&first)) {
                return None;
            }
        }
        lane.account.read += 1;
        lane.account.extra_fields += lane.extra_fields;
        Some(Told::Rows { lane: at, rows, needless: 0 })
    }

    /// Of equal rows the one that is later by its order counts: the others can never be the winner of their key, but
    /// that one may have to win over a row that came between them.
    fn find_needless(&mut self) {
        let record = self.told.len().saturating_sub(1);
        let Some(Told::Rows { lane, rows, .. }) = self.told.last() else { return };
        let lane = *lane;
        for row in rows.clone() {
            let Some(stamp) = self.lanes.get(lane, row).map(|row| row.stamp()) else { continue };
            let fingerprint = self.seen.hasher().hash_one((lane, stamp.record_id, stamp.row_hash));
            let own = Seen { record: record as u32, lane: lane as u32, row: row as u32 };
            match self.seen.entry(fingerprint) {
                Entry::Vacant(entry) => {
                    entry.insert(own);
                }
                Entry::Occupied(mut entry) => {
                    let other = *entry.get();
                    let Some(theirs) = self.lanes.get(other.lane as usize, other.row as usize) else {
                        continue;
                    };
                    let theirs = theirs.stamp();
                    let ids = (other.lane, theirs.record_id, theirs.row_hash);
                    if ids != (own.lane, stamp.record_id, stamp.row_hash) {
                        // Another row of the same fingerprint: then this one is not looked at, and is sent.
                        continue;
                    }
                    let is_later = theirs.order < stamp.order;
                    let loser = if is_later { entry.insert(own).record } else { own.record };
                    if let Some(Told::Rows { needless, .. }) = self.told.get_mut(loser as usize) {
                        *needless += 1;
                    }
                }
            }
        }
    }

    fn fail(&mut self, fault: Fault) -> Told {
        self.lanes.forget();
        let account = match fault.lane.and_then(|lane| self.lanes.get_mut(lane)) {
            Some(lane) => &mut lane.account,
            None => &mut self.unknown,
        };
        account.read += 1;
        account.reject(fault.rules);
        Told::Failed
    }

    /// The answer of at most so many bytes, and the accounts of all datasets. `json` is memory for it.
    pub fn finish(mut self, max_bytes: usize, json: String) -> (Answer, Vec<Account>, Memory) {
        let (mut answer, mut ends) = self.answer(max_bytes, json, Needless::Dropped);
        if ends.contains(&End::OverBudget) && ends.contains(&End::Dropped) {
            // The row that made another needless may be among those that did not fit.
            (answer, ends) = self.answer(max_bytes, String::new(), Needless::Sent);
        }
        for (told, end) in self.told.iter().zip(ends) {
            let Told::Rows { lane, rows, .. } = told else { continue };
            let Some(lane) = self.lanes.get_mut(*lane) else { continue };
            match end {
                End::Failed => {}
                End::Sent => lane.account.accept(rows.len()),
                End::Dropped => lane.account.dropped += 1,
                End::OverBudget => lane.account.reject([Rule::ResponseBudget]),
            }
        }
        let Self { batch, lanes, mut told, mut seen, unknown } = self;
        if unknown.read > 0 {
            lanes.datasets().tell_why_unknown(batch.delivery_stream());
        }
        let mut memory = Memory::default();
        let mut accounts = lanes.into_accounts(&mut memory.rows);
        accounts.push(unknown);
        told.clear();
        seen.clear();
        (answer, accounts, Memory { told, seen, ..memory })
    }

    /// An answer, and what became of each record in it.
    fn answer(&self, max_bytes: usize, json: String, needless_are: Needless) -> (Answer, Vec<End>) {
        let batch = self.batch;
        let mut answer = Answer::begin(batch.records().map(|record| record.id), max_bytes, json);
        let (mut text, mut day) = (Text::default(), None);
        let mut ends = Vec::with_capacity(self.told.len());
        for (record, told) in batch.records().zip(&self.told) {
            let (outcome, end) = match told {
                Told::Rows { rows, needless, .. }
                    if *needless == rows.len() && needless_are == Needless::Dropped =>
                {
                    (Outcome::Dropped, End::Dropped)
                }
                Told::Rows { lane, rows, .. } => {
                    let day = arrival_day(&mut day, &record);
                    text.write(self.lanes.lane(*lane), rows.clone(), batch.source(), day);
                    (Outcome::Ok { rows: &text.rows, keys: &text.keys }, End::Sent)
                }
                Told::Failed => (Outcome::Failed(record.data.unwrap_or_default()), End::Failed),
            };
            ends.push(match (answer.put(record.id, &outcome), end) {
                (Answered::Minimal, End::Sent) => End::OverBudget,
                (_, end) => end,
            });
        }
        (answer, ends)
    }
}

/// What is done with a record all of whose rows others make needless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needless {
    Dropped,
    Sent,
}

/// How a record was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Failed,
    Sent,
    Dropped,
    OverBudget,
}

/// What one record is answered with.
#[derive(Debug, Default)]
struct Text {
    rows: String,
    keys: String,
}

impl Text {
    fn write(&mut self, lane: Option<&Lane>, rows: Range<usize>, source: &str, day: &str) {
        self.rows.clear();
        self.keys.clear();
        let Some(lane) = lane else { return };
        if let Some(first) = lane.rows.get(rows.start) {
            lane.dataset.keys.write(&first, day, &mut self.keys);
        }
        for row in rows.filter_map(|row| lane.rows.get(row)) {
            lane.dataset.hand_over.write_whole(row, row.source().unwrap_or(source), &mut self.rows);
            self.rows.push('\n');
        }
    }
}

/// The day of a record's arrival; that of the last record is most likely the same.
fn arrival_day<'d>(last: &'d mut Option<(u64, String)>, record: &Record<'_>) -> &'d str {
    let arrival_ms = record.arrival_ms.unwrap_or_default();
    let number = arrival_ms / DAY_MS;
    if last.as_ref().is_none_or(|(own, _)| *own != number) {
        *last = None;
    }
    &last.get_or_insert_with(|| (number, utc_day(arrival_ms))).1
}
