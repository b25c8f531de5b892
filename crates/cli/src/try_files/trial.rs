//! One file through the functions' ingest, counted. Memory stays bounded: rows and rejects leave while the file is
//! still being read.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use penstock_core::contract::Contract;
use penstock_core::decode::{Broken, Limits};
use penstock_core::ident;
use penstock_core::ingest::{Batch, Ingest, Progress, over_rejected_fraction};
use penstock_core::quarantine::Subject;
use penstock_core::queue::{MAX_MESSAGE_BYTES, Packer};
use penstock_core::reject::{Reject, Rule};
use penstock_core::row::{Checker, HandOver, Origin, Row, Warnings};

use super::groups::Groups;
use super::inputs::{Input, Opened, Reader};
use super::outputs::Outputs;
use super::progress::Bar;
use super::repeats::{Repeats, Seen};
use super::shown::{Sample, Shown};
use crate::failure::Failure;

/// Bytes that are asked of a file at once.
const READ_BYTES: usize = 256 << 10;

/// What became of one file.
#[derive(Debug, Default)]
pub struct Account {
    /// The file as it was asked for.
    pub source: String,
    pub bytes: u64,
    pub read: u64,
    pub rejected: u64,
    pub extra_fields: u64,
    /// Names of fields that the contract does not name, with the number of rows: the first ones.
    pub extra_names: Vec<(String, u64)>,
    /// Columns of the source that no row has a value in, by their place in the contract.
    pub empty: Vec<usize>,
    /// None of a dataset without a key: each of its rows stands for itself.
    pub repeats: Option<Repeats>,
    pub groups: Groups,
    pub warnings: Warnings,
    pub samples: Vec<Sample>,
    /// Why nothing more could be read.
    pub broken: Option<Broken>,
    pub time: Duration,
}

impl Account {
    /// Records that became rows.
    pub fn accepted(&self) -> u64 {
        self.read.saturating_sub(self.rejected)
    }

    /// Whether more was rejected than the contract allows.
    pub fn is_over(&self, contract: &Contract) -> bool {
        let max_fraction = contract.table_options.max_rejected_fraction;
        over_rejected_fraction(self.read, self.rejected, max_fraction)
    }

    /// Whether a function would take it as complete.
    pub fn is_complete(&self, contract: &Contract) -> bool {
        self.broken.is_none() && !self.is_over(contract)
    }
}

/// What is the same for all files of a call.
#[derive(Debug)]
pub struct Trial<'a> {
    pub checker: &'a Arc<Checker>,
    pub hand_over: HandOver,
    pub max_samples: usize,
    pub is_open: bool,
}

/// One file on its way.
struct Reading<'a> {
    trial: &'a Trial<'a>,
    shown: Shown<'a>,
    origin: Origin,
    subject: Subject,
    seen: Option<Seen>,
    /// Text of a row from which it may be too long for a message; none without a queue.
    long_row_bytes: Option<usize>,
    outputs: &'a mut Outputs,
    account: Account,
}

impl Trial<'_> {
    /// Reads a file to its end or to where it breaks off.
    pub fn run(&self, input: &Input, outputs: &mut Outputs, err: &mut dyn Write) -> Result<Account, Failure> {
        let opened = input.open();
        let source_ms = opened.as_ref().map_or(0, |opened| opened.source_ms);
        let contract = self.checker.contract();
        let (source, object_id) = (input.name.clone(), ident::stable_id([input.name.as_str()]));
        let subject = Subject {
            dataset: contract.dataset.clone(),
            id: object_id,
            source: source.clone(),
            contract_version: Some(contract.version.clone()),
        };
        let mut reading = Reading {
            trial: self,
            shown: Shown { contract, is_open: self.is_open },
            subject,
            seen: (!contract.key.is_empty()).then(Seen::default),
            long_row_bytes: contract.queue.as_ref().map(|_| long_row_bytes(contract, &source)),
            origin: Origin::new(source, object_id, source_ms),
            outputs,
            account: Account { source: input.name.clone(), empty: sources(contract), ..Account::default() },
        };
        let mut bar = Bar::new(opened.as_ref().ok().and_then(|opened| opened.bytes));
        let broken = match opened {
            Ok(Opened { reader, .. }) => reading.read(reader, &mut bar, err)?,
            Err(error) => Some(unreadable(&error)),
        };
        reading.account.time = bar.end(err);
        reading.finish(broken)
    }
}

impl Reading<'_> {
    fn read(
        &mut self,
        mut file: Reader,
        bar: &mut Bar,
        err: &mut dyn Write,
    ) -> Result<Option<Broken>, Failure> {
        let ingest = Ingest::new(Arc::clone(self.trial.checker), self.origin.clone(), Limits::default());
        let mut ingest = ingest.map_err(Failure::refused)?.with_extra_names();
        let (mut buffer, mut batch) = (vec![0; READ_BYTES], Batch::default());
        loop {
            let read = match file.read(&mut buffer) {
                Ok(0) => return self.end(ingest, &mut batch),
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Some(unreadable(&error))),
            };
            self.account.bytes += read as u64;
            let mut rest = buffer.get(..read).unwrap_or_default();
            while !rest.is_empty() {
                let step = ingest.step(rest, &mut batch);
                self.take(&mut ingest, &mut batch)?;
                match step {
                    Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                    Err(broken) => return Ok(Some(broken)),
                }
                bar.draw(self.account.bytes - rest.len() as u64, err);
            }
        }
    }

    fn end(&mut self, mut ingest: Ingest, batch: &mut Batch) -> Result<Option<Broken>, Failure> {
        loop {
            let ended = ingest.finish(batch);
            self.take(&mut ingest, batch)?;
            if !matches!(ended, Ok(Progress::More)) {
                let names = ingest.extra_names();
                self.account.extra_names = names.map(|(name, rows)| (name.to_owned(), rows)).collect();
            }
            match ended {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => return Ok(None),
                Err(broken) => return Ok(Some(broken)),
            }
        }
    }

    /// Counts, shows and writes what a batch holds, and empties it.
    fn take(&mut self, ingest: &mut Ingest, batch: &mut Batch) -> Result<(), Failure> {
        self.account.read += batch.read;
        self.account.extra_fields += batch.extra_fields;
        self.account.warnings.append(&mut batch.warnings);
        for reject in batch.rejects.drain(..) {
            self.reject(reject)?;
        }
        for row in ingest.stamp(batch).iter() {
            match self.refused_by_packer(row) {
                Some(reject) => self.reject(reject)?,
                None => self.accept(row)?,
            }
        }
        batch.clear();
        Ok(())
    }

    fn accept(&mut self, row: Row<'_>) -> Result<(), Failure> {
        if let Some(seen) = &mut self.seen {
            seen.add(&row.stamp());
        }
        if self.account.samples.len() < self.trial.max_samples {
            self.account.samples.push(self.shown.sample(&self.trial.hand_over, row));
        }
        self.account.empty.retain(|column| row.get(*column).is_none());
        self.outputs.row(&self.trial.hand_over, row, &self.origin.source)
    }

    fn reject(&mut self, reject: Reject) -> Result<(), Failure> {
        self.account.rejected += 1;
        self.outputs.reject(&self.subject, &reject)?;
        for violation in reject.violations.clone() {
            let first = |reason| self.shown.first(&self.subject, &reject, reason);
            self.account.groups.add(violation, first);
        }
        Ok(())
    }

    /// A row that no queue message can hold. The packer itself decides; it is asked only where that is possible.
    fn refused_by_packer(&self, row: Row<'_>) -> Option<Reject> {
        let contract = self.trial.checker.contract();
        let text: usize = (0..contract.columns.len()).filter_map(|i| row.get(i)).map(str::len).sum();
        if self.long_row_bytes.is_none_or(|long| text < long) {
            return None;
        }
        let violation = Packer::new(contract, contract.queue.as_ref()?, &self.origin).push(row).err()?;
        let mut raw = String::new();
        self.trial.hand_over.write(row, &mut raw);
        let (position, violations) = (Some(row.position()), vec![violation]);
        Some(Reject { position, line: None, violations, raw: raw.into_bytes() })
    }

    fn finish(mut self, broken: Option<Broken>) -> Result<Account, Failure> {
        if let Some(broken) = &broken {
            // The file's own fault is a line in quarantine, but no record.
            self.outputs.reject(&self.subject, &Reject::whole(broken.violation()))?;
        }
        self.account.broken = broken;
        self.account.repeats = self.seen.map(Seen::count);
        Ok(self.account)
    }
}

/// The columns that a source has.
fn sources(contract: &Contract) -> Vec<usize> {
    let columns = contract.columns.iter().enumerate();
    columns.filter(|(_, column)| column.derived.is_none()).map(|(at, _)| at).collect()
}

/// Below this no escaping makes a row too long for a message: a byte takes six at the most.
fn long_row_bytes(contract: &Contract, source: &str) -> usize {
    let names: usize = contract.columns.iter().map(|column| column.physical.as_str().len() + 8).sum();
    let fixed = 1024 + names + 6 * (source.len() + contract.dataset.len() + contract.version.len());
    MAX_MESSAGE_BYTES.saturating_sub(fixed) / 6
}

fn unreadable(error: &std::io::Error) -> Broken {
    Broken { rule: Rule::Unreadable, reason: format!("cannot be read: {error}") }
}
