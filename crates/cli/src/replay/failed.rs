//! Records that Firehose could not process, from the stage bucket's `_failed/`: JSON lines with the record in base64,
//! when it came, and why it failed. What is a row by now goes onto its stream once more; a record is its rows or its
//! fault, as the transform has it.
//!
//! A row that has no stamps yet gets them here, of the record's arrival and of its place in the file of failed records:
//! sent again, it is the same row, and a second run of the transform keeps its stamps. Firehose may write a record into
//! two such files; without a key, stamps and a sequence number nothing then tells that the two are one.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64_simd::STANDARD;
use penstock_core::contract::Delimiter;
use penstock_core::decode::{JsonFramer, Limits};
use penstock_core::kpl::{self, KplError};
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::reject::{Rule, Violation};
use penstock_core::row::{Checker, MAX_SEQUENCE_DIGITS, Place, Rows, Sequence, Session, StreamPlace};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::Replay;
use super::marks::{Marks, id_of};
use super::stream::Records;
use crate::bucket::Bucket;
use crate::failure::Failure;
use crate::rejects::line::Line;
use crate::rejects::read::Lines;

/// Where Firehose puts what it could not process.
const FOLDER: &str = "_failed/";
const NO_RECORD: &str = "the line holds no record as Firehose writes it";
const NOT_DONE: &str = "not taken, or not noted: run this again";
const NO_DATASET: &str = "says no dataset: name it with one --dataset";

/// A line as Firehose writes it; names differ between kinds of failure in their first letter.
#[derive(Debug, Deserialize)]
struct Failed {
    #[serde(rename = "rawData")]
    raw_data: String,
    #[serde(rename = "arrivalTimestamp")]
    arrival: Value,
    #[serde(rename = "sequenceNumber", default)]
    sequence: Value,
    #[serde(rename = "subSequenceNumber", default)]
    subsequence: Value,
}

/// What a row says of itself, if it is stamped.
#[derive(Debug, Default, Deserialize)]
struct Stamped {
    #[serde(rename = "_record_id", default, deserialize_with = "is_there")]
    has_id: bool,
    #[serde(rename = "_dataset", default)]
    dataset: Option<Value>,
}

/// A member counts as the transform has it: by its name, whatever it is.
fn is_there<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// A record and where it stood.
struct Record<'a> {
    bytes: Vec<u8>,
    failed: Failed,
    /// `s3://bucket/key#number`: what names it where it has no sequence number.
    name: String,
    /// `s3://bucket/key`.
    source: &'a str,
}

/// Records of one file that fit, by dataset, and their numbers.
type Ready = BTreeMap<String, (Records, Vec<String>)>;

/// A record that is no row: its dataset, where that is known, and why.
struct Fault {
    dataset: Option<String>,
    violations: Vec<Violation>,
}

impl Replay<'_> {
    /// Replays what Firehose could not process.
    pub async fn failed(&mut self) -> Result<(), Failure> {
        let stage = self.bucket("STAGE_BUCKET")?;
        let marks = Marks::under(self.bucket("WORK_BUCKET")?, FOLDER).await?;
        let (mut keys, mut pages) = (Vec::new(), stage.list(FOLDER.to_owned()));
        while let Some(page) = pages.next().await.map_err(Failure::refused)? {
            let asked = page.into_iter().filter(|own| {
                self.selection.takes_time(own.modified) && self.selection.takes_source(&stage.uri(&own.key))
            });
            keys.extend(asked.map(|own| own.key));
        }
        if !keys.is_empty() {
            self.look_at_streams().await;
        }
        for (done, key) in keys.iter().enumerate() {
            self.progress(done, keys.len());
            self.failed_file(&stage, key, &marks).await?;
        }
        Ok(())
    }

    /// Asks the streams that records may go to for their limits.
    async fn look_at_streams(&mut self) {
        let is_asked = |own: &&Arc<Checker>| {
            let contract = own.contract();
            contract.stream.is_some() && self.selection.takes_dataset(&contract.dataset)
        };
        let checkers: Vec<_> = self.checkers.values().filter(is_asked).cloned().collect();
        for checker in checkers {
            self.known_stream(checker.contract()).await;
        }
    }

    /// Judges a file, sends what fits and then notes it.
    async fn failed_file(&mut self, stage: &Bucket, key: &str, marks: &Marks) -> Result<(), Failure> {
        let uri = stage.uri(key);
        let before = match marks.of(key).await {
            Ok(_) if self.args.again => Default::default(),
            Ok(before) => before,
            Err(fault) => {
                self.summary.fault(fault);
                return Ok(());
            }
        };
        let mut lines = match stage.get(key).await {
            Ok(body) => Lines::new(body),
            Err(error) if error.is_gone() => return Ok(()),
            Err(error) => {
                self.summary.fault(error.to_string());
                return Ok(());
            }
        };
        let (mut ready, mut count) = (Ready::new(), 0);
        loop {
            match lines.next().await {
                Ok(None) => break,
                Ok(Some(line)) => {
                    // Some kinds of failure come without line breaks.
                    for value in serde_json::Deserializer::from_slice(&line).into_iter::<Value>() {
                        let failed = value.and_then(serde_json::from_value).ok();
                        let is_before = before.contains(&id_of(Some(count), b""));
                        self.failed_record(failed, &uri, (count, is_before), &mut ready);
                        count += 1;
                    }
                }
                Err(reason) => {
                    self.summary.fault(format!("{uri}: {reason}"));
                    break;
                }
            }
        }
        self.deliver_failed(key, ready, marks).await
    }

    fn failed_record(
        &mut self,
        failed: Option<Failed>,
        uri: &str,
        (number, is_before): (u64, bool),
        ready: &mut Ready,
    ) {
        let Some(record) = failed.and_then(|failed| Record::read(failed, number, uri)) else {
            self.summary.of(UNKNOWN_DATASET).found += 1;
            return self.summary.hold(UNKNOWN_DATASET, NO_RECORD, uri, 1);
        };
        let judged = self.rows_of(&record);
        let dataset = match &judged {
            Ok((dataset, _)) => Some(dataset.clone()),
            Err(Fault { dataset, .. }) => dataset.clone(),
        };
        let (is_known, dataset) = (dataset.is_some(), dataset.unwrap_or_else(|| UNKNOWN_DATASET.to_owned()));
        if is_known && !self.selection.takes_dataset(&dataset) {
            return;
        }
        let counts = self.summary.of(&dataset);
        counts.found += 1;
        match judged {
            _ if is_before => counts.before += 1,
            Err(_) if !is_known => self.summary.hold(&dataset, NO_DATASET, uri, 1),
            Err(Fault { violations, .. }) => {
                let contract = self.checkers.get(&dataset).map(|own| own.contract());
                let place = (None, Some(number + 1));
                let line = Line::of_record(&dataset, uri, place, &record.bytes, violations);
                let shown = if self.args.show_classified { line } else { line.masked(contract) };
                self.summary.reject(&dataset, &shown);
            }
            Ok((dataset, records)) => add(ready, dataset, records, id_of(Some(number), b"")),
        }
    }

    /// The rows of a record, each a record of its dataset's stream; all of them or none.
    fn rows_of(&self, record: &Record<'_>) -> Result<(String, Records), Fault> {
        let mut framer = JsonFramer::new(Delimiter::Auto, Limits::default());
        let Ok(pieces) = pieces(&record.bytes) else {
            let reason = "its message of the Kinesis Producer Library cannot be read";
            let violations = vec![Violation::record(Rule::Unreadable, reason)];
            return Err(Fault { dataset: self.only_dataset(), violations });
        };
        for piece in pieces {
            framer.push(piece);
            framer.push(b"\n");
        }
        framer.finish();
        let mut found: Option<(String, Records)> = None;
        for index in 0.. {
            let of = |dataset: Option<&String>, violations| Fault { dataset: dataset.cloned(), violations };
            let known = found.as_ref().map(|(dataset, _)| dataset.clone()).or_else(|| self.only_dataset());
            let frame = match framer.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(broken) => return Err(of(known.as_ref(), vec![broken.violation()])),
            };
            if let Some((rule, reason)) = frame.fault {
                return Err(of(known.as_ref(), vec![Violation::record(rule, reason)]));
            }
            let (dataset, records) = self.row_of(record, frame.bytes, index)?;
            match &mut found {
                None => found = Some((dataset, records)),
                Some((own, all)) if *own == dataset => all.append(records),
                Some((own, _)) => {
                    let reason = "holds rows of several datasets";
                    return Err(of(Some(own), vec![Violation::record(Rule::MixedRecord, reason)]));
                }
            }
        }
        let nothing = || vec![Violation::record(Rule::NotAnObject, "holds no row")];
        found.ok_or_else(|| Fault { dataset: self.only_dataset(), violations: nothing() })
    }

    fn row_of(&self, record: &Record<'_>, json: &[u8], index: u64) -> Result<(String, Records), Fault> {
        let stamped: Stamped = serde_json::from_slice(json).unwrap_or_default();
        let is_stamped = stamped.has_id;
        let dataset = match stamped.dataset {
            Some(Value::String(said)) => Some(said),
            // What is no text is no dataset's name.
            Some(said) => Some(said.to_string()),
            None => self.only_dataset(),
        };
        let fault = |violations| Fault { dataset: dataset.clone(), violations };
        let Some(checker) = dataset.as_ref().and_then(|own| self.checkers.get(own)) else {
            let reason = "no contract has the row's dataset";
            return Err(fault(vec![Violation::record(Rule::UnknownDataset, reason)]));
        };
        let (mut session, mut rows) = (Session::default(), Rows::default());
        let checked = match is_stamped {
            true => checker.check_stamped(&mut session, json, &mut rows),
            false => checker.check_json(&mut session, json, &record.place(index), &mut rows),
        };
        checked.map_err(fault)?;
        let contract = checker.contract();
        let stream = self.streams.get(&contract.dataset).cloned();
        let mut records = Records::new(contract, record.source.to_owned(), stream);
        for row in rows.iter() {
            records.push(row, contract).map_err(|violation| fault(vec![violation]))?;
        }
        Ok((contract.dataset.clone(), records))
    }

    /// The dataset of rows that do not say theirs: the one that was named, or the only one that has a stream.
    fn only_dataset(&self) -> Option<String> {
        let named = self.selection.datasets();
        let streams = || self.checkers.values().filter(|own| own.contract().stream.is_some());
        match named {
            [one] => Some(one.clone()),
            [] if streams().count() == 1 => streams().next().map(|own| own.contract().dataset.clone()),
            _ => None,
        }
    }

    async fn deliver_failed(&mut self, key: &str, ready: Ready, marks: &Marks) -> Result<(), Failure> {
        for (dataset, (records, numbers)) in ready {
            let count = numbers.len() as u64;
            if !self.args.dry_run {
                let Some(checker) = self.checkers.get(&dataset).cloned() else { continue };
                let sent = match self.put(records, checker.contract()).await? {
                    Ok(()) => marks.add(key, numbers).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = sent {
                    self.summary.fault(format!("{key}: {error}"));
                    self.summary.hold(&dataset, NOT_DONE, key, count);
                    continue;
                }
            }
            self.summary.of(&dataset).sent += count;
        }
        Ok(())
    }
}

fn add(ready: &mut Ready, dataset: String, records: Records, number: String) {
    match ready.get_mut(&dataset) {
        Some((all, numbers)) => {
            all.append(records);
            numbers.push(number);
        }
        None => drop(ready.insert(dataset, (records, vec![number]))),
    }
}

impl<'a> Record<'a> {
    fn read(failed: Failed, number: u64, source: &'a str) -> Option<Self> {
        let name = format!("{source}#{number}");
        let bytes = STANDARD.decode_to_vec(failed.raw_data.as_bytes()).ok()?;
        self::number(&failed.arrival)?;
        Some(Self { bytes, failed, name, source })
    }

    fn place(&self, index: u64) -> Place<'_> {
        let digits = self.failed.sequence.as_str().filter(|own| {
            !own.is_empty() && own.len() <= MAX_SEQUENCE_DIGITS && own.bytes().all(|b| b.is_ascii_digit())
        });
        Place::Stream(StreamPlace {
            arrival_ms: number(&self.failed.arrival).unwrap_or(0),
            sequence: digits.map_or(Sequence::RecordId(&self.name), Sequence::Number),
            subsequence: number(&self.failed.subsequence).unwrap_or(0),
            index,
        })
    }
}

/// The records that a producer put into one.
fn pieces(bytes: &[u8]) -> Result<Vec<&[u8]>, KplError> {
    match kpl::message(bytes) {
        Some(message) => Ok(kpl::decode(message)?.iter().map(|own| own.data).collect()),
        None => Ok(vec![bytes]),
    }
}

/// A number that may stand as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
