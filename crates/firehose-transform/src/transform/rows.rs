//! One record into rows of one dataset: an aggregated record is taken apart, JSON is framed, every row is checked and
//! stamped. A record is its rows or its fault, never a part of them.

use std::collections::BTreeSet;

use base64_simd::STANDARD;
use penstock_core::contract::Delimiter;
use penstock_core::decode::{JsonFramer, Limits};
use penstock_core::kpl;
use penstock_core::reject::Rule;
use penstock_core::row::{Place, Sequence, StreamPlace};

use super::lanes::{Lanes, Said};
use crate::error::WrongContract;
use crate::event::Record;

/// Why a record is no rows, and the dataset that counts it.
#[derive(Debug)]
pub struct Fault {
    pub lane: Option<usize>,
    pub rules: BTreeSet<Rule>,
}

impl Fault {
    /// One rule.
    pub fn of(lane: Option<usize>, rule: Rule) -> Self {
        Self { lane, rules: BTreeSet::from([rule]) }
    }
}

/// What was found in a record so far.
#[derive(Debug, Default)]
struct Found {
    /// Rows and pieces that are none.
    pieces: u64,
    /// Pieces that were framed as a row, right or not.
    rows: u64,
    lane: Option<usize>,
    rules: BTreeSet<Rule>,
}

impl Lanes<'_> {
    /// Reads a record's rows into their lane.
    pub fn read(&mut self, record: &Record<'_>) -> Result<Result<usize, Fault>, WrongContract> {
        self.mark();
        if self.is_full() {
            return Ok(Err(Fault::of(self.default(), Rule::ResponseBudget)));
        }
        let mut data = std::mem::take(&mut self.data);
        data.clear();
        // Strict base64: anything else may have lost something on its way.
        let decoded = record.data.map(|base64| STANDARD.decode_append(base64, &mut data));
        let told = match (decoded, place(record)) {
            (Some(Ok(())), Some(place)) => self.decoded(&data, place),
            _ => Ok(Err(Fault::of(self.default(), Rule::Unreadable))),
        };
        self.data = data;
        told
    }

    fn decoded(
        &mut self,
        bytes: &[u8],
        place: StreamPlace<'_>,
    ) -> Result<Result<usize, Fault>, WrongContract> {
        let Some(message) = kpl::message(bytes) else {
            // A record is nearly always one row, which needs no framing.
            if let Ok(lane) = self.row(bytes.trim_ascii(), place)? {
                return Ok(Ok(lane));
            }
            return self.pieces([bytes], place);
        };
        match kpl::decode(message) {
            Ok(records) => self.pieces(records.iter().map(|own| own.data), place),
            Err(_) => Ok(Err(Fault::of(self.default(), Rule::Unreadable))),
        }
    }

    fn pieces<'r>(
        &mut self,
        parts: impl IntoIterator<Item = &'r [u8]>,
        place: StreamPlace<'_>,
    ) -> Result<Result<usize, Fault>, WrongContract> {
        self.forget();
        let mut found = Found::default();
        for part in parts {
            self.framed(part, place, &mut found)?;
        }
        Ok(self.judge(found))
    }

    fn framed(
        &mut self,
        bytes: &[u8],
        place: StreamPlace<'_>,
        found: &mut Found,
    ) -> Result<(), WrongContract> {
        let mut framer = JsonFramer::new(Delimiter::Auto, Limits::default());
        framer.push(bytes);
        framer.finish();
        loop {
            let frame = match framer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return Ok(()),
                Err(broken) => {
                    found.pieces += 1;
                    found.rules.insert(broken.rule);
                    return Ok(());
                }
            };
            if self.is_full() {
                found.rules.insert(Rule::ResponseBudget);
                return Ok(());
            }
            let place = StreamPlace { index: found.pieces, ..place };
            found.pieces += 1;
            if let Some((rule, _)) = frame.fault {
                found.rules.insert(rule);
                continue;
            }
            found.rows += 1;
            match self.row(frame.bytes, place)? {
                Ok(lane) if *found.lane.get_or_insert(lane) != lane => {
                    found.rules.insert(Rule::MixedRecord);
                }
                Ok(_) => {}
                Err(mut fault) => {
                    found.lane = found.lane.or(fault.lane);
                    found.rules.append(&mut fault.rules);
                }
            }
        }
    }

    fn judge(&self, mut found: Found) -> Result<usize, Fault> {
        let lane = found.lane.or(self.default());
        if found.pieces == 0 {
            return Err(Fault::of(lane, Rule::NotAnObject));
        }
        match found.lane {
            Some(lane) if found.rules.is_empty() => Ok(lane),
            _ => {
                if found.pieces > 1 && found.rows > 0 {
                    found.rules.insert(Rule::MixedRecord);
                }
                Err(Fault { lane, rules: found.rules })
            }
        }
    }

    /// One row into its lane.
    fn row(&mut self, json: &[u8], place: StreamPlace<'_>) -> Result<Result<usize, Fault>, WrongContract> {
        let said = Said::by(json, &self.own);
        let at = self.of_row(&said)?;
        let Some((at, lane)) = at.and_then(|at| Some((at, self.get_mut(at)?))) else {
            return Ok(Err(Fault::of(None, Rule::UnknownDataset)));
        };
        let checker = &lane.dataset.checker;
        let checked = match said.is_stamped() {
            true => checker.check_stamped(&mut lane.session, json, &mut lane.rows),
            false => checker.check_json(&mut lane.session, json, &Place::Stream(place), &mut lane.rows),
        };
        Ok(match checked {
            Ok(accepted) => {
                lane.extra_fields += accepted.extra_fields;
                Ok(at)
            }
            Err(broken) => Err(Fault { lane: Some(at), rules: broken.iter().map(|own| own.rule).collect() }),
        })
    }
}

/// What the record's stamps are made of; `None` where Firehose did not say when it came.
fn place<'r>(record: &Record<'r>) -> Option<StreamPlace<'r>> {
    Some(StreamPlace {
        arrival_ms: record.arrival_ms?,
        sequence: record.sequence.map_or(Sequence::RecordId(record.id), Sequence::Number),
        subsequence: record.subsequence,
        index: 0,
    })
}
