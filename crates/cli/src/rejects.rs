//! `penstock rejects`: the records in quarantine, with the rules they break. Classified values are masked here and
//! nowhere else: what prints is given masked lines only. Changes nothing.

pub mod line;
pub mod read;
pub mod report;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;

use futures_util::StreamExt;
use penstock_aws::vars::Vars;
use penstock_core::contract::Contract;
use penstock_core::quarantine::UNKNOWN_DATASET;

use self::line::Line;
use self::read::Lines;
use self::report::Report;
use crate::Env;
use crate::args::RejectsArgs;
use crate::bucket::{Bucket, BucketError, Listed};
use crate::check::counted;
use crate::clients::Connect;
use crate::contracts::Contracts;
use crate::failure::{Exit, Failure};
use crate::printable::printable;

/// Objects that are opened ahead of the one that is read.
const OPENED: usize = 8;

/// Prints the rejects that were asked for.
pub async fn run(
    args: &RejectsArgs,
    env: Env<'_>,
    connect: Connect,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Exit, Failure> {
    let contracts = Contracts::read(&args.contracts.paths)?;
    let contracts: BTreeMap<&str, &Contract> =
        contracts.usable()?.into_iter().map(|(_, contract)| (contract.dataset.as_str(), contract)).collect();
    let bucket = Vars::new(env).required("QUARANTINE_BUCKET");
    let bucket = bucket.map_err(|error| Failure::usage(format!("{error}: it holds the rejects")))?;
    let clients = connect.clients().await?;
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let shown = if args.json { Shown::Json { left: limit } } else { Shown::Report(Report::new(limit)) };
    let bucket = Bucket::new(clients.s3, bucket);
    let mut reading = Reading { args, bucket, contracts, shown, faults: Vec::new(), out };
    for dataset in reading.datasets().await? {
        if reading.dataset(&dataset).await?.is_break() {
            writeln!(err, "note: stopped after {}, --limit 0 prints all", counted(limit, "reject"))?;
            break;
        }
    }
    match &reading.shown {
        Shown::Report(report) if !report.is_empty() => report.print(reading.out)?,
        Shown::Report(_) if reading.faults.is_empty() => writeln!(reading.out, "no rejects")?,
        _ => {}
    }
    if reading.faults.is_empty() { Ok(Exit::Ok) } else { Err(Failure::Refused(reading.faults)) }
}

/// How rejects are shown.
enum Shown {
    /// At once, so many more.
    Json { left: usize },
    /// At the end.
    Report(Report),
}

struct Reading<'a> {
    args: &'a RejectsArgs,
    bucket: Bucket,
    contracts: BTreeMap<&'a str, &'a Contract>,
    shown: Shown,
    /// What could not be read.
    faults: Vec<String>,
    out: &'a mut dyn Write,
}

impl Reading<'_> {
    /// Those that were named, or all that have rejects, also without a contract here.
    async fn datasets(&self) -> Result<Vec<String>, Failure> {
        if !self.args.datasets.is_empty() {
            return Ok(self.args.datasets.clone());
        }
        let mut folders = self.bucket.folders().await.map_err(not_listed)?;
        folders.sort_by_key(|name| name == UNKNOWN_DATASET);
        Ok(folders)
    }

    /// Reads a dataset's rejects; breaks when enough are printed.
    async fn dataset(&mut self, dataset: &str) -> Result<ControlFlow<()>, Failure> {
        let bucket = self.bucket.clone();
        let mut pages = bucket.list(format!("{dataset}/"));
        let mut is_empty = true;
        while let Some(page) = pages.next().await.map_err(not_listed)? {
            is_empty &= page.is_empty();
            let keys = page.into_iter().map(|Listed { key, .. }| key);
            let opened = keys.filter(|key| is_reject_part(key)).map(|key| async {
                let body = bucket.get(&key).await;
                (key, body)
            });
            let mut opened = futures_util::stream::iter(opened).buffered(OPENED);
            while let Some((key, body)) = opened.next().await {
                let lines = match body {
                    Ok(body) => Lines::new(body),
                    Err(error) if error.is_gone() => continue,
                    Err(error) if error.is_denied() => return Err(denied(&error)),
                    Err(error) => {
                        self.faults.push(error.to_string());
                        continue;
                    }
                };
                if self.object(dataset, &key, lines).await?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        let is_known = dataset == UNKNOWN_DATASET || self.contracts.contains_key(dataset);
        if is_empty && !is_known {
            return Err(Failure::usage(format!("dataset {dataset} has neither a contract nor rejects")));
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn object(
        &mut self,
        dataset: &str,
        key: &str,
        mut lines: Lines,
    ) -> Result<ControlFlow<()>, Failure> {
        let uri = self.bucket.uri(key);
        for number in 1.. {
            let text = match lines.next().await {
                Ok(Some(text)) => text,
                Ok(None) => break,
                Err(reason) => {
                    self.faults.push(format!("{uri}: {reason}"));
                    break;
                }
            };
            // The parser's own words may hold a value.
            let Ok(line) = serde_json::from_slice::<Line>(&text) else {
                self.faults.push(format!("{uri}: line {number} is no reject"));
                continue;
            };
            let is_asked_for = self.args.source.as_ref().is_none_or(|text| line.source.contains(text));
            if is_asked_for && self.show(dataset, line)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn show(&mut self, dataset: &str, line: Line) -> std::io::Result<ControlFlow<()>> {
        let contract = self.contracts.get(dataset).copied().filter(|_| line.dataset == dataset);
        let line = if self.args.show_classified { line } else { line.masked(contract) };
        match &mut self.shown {
            Shown::Report(report) => report.add(&line),
            Shown::Json { left: 0 } => return Ok(ControlFlow::Break(())),
            Shown::Json { left } => {
                *left -= 1;
                writeln!(self.out, "{}", printable(&serde_json::to_string(&line)?))?;
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// Whether a key is one of quarantined lines.
pub fn is_reject_part(key: &str) -> bool {
    key.ends_with(".jsonl.gz") || key.ends_with(".jsonl")
}

/// Why the bucket cannot be listed, and what helps.
pub fn not_listed(error: BucketError) -> Failure {
    if error.is_denied() { denied(&error) } else { Failure::refused(error) }
}

/// Why a part cannot be read, and what helps.
pub fn denied(error: &BucketError) -> Failure {
    Failure::refused(format!(
        "{error}: the quarantine bucket is readable only by the role penstock-<stage>-quarantine-reader: assume it and \
         run this again"
    ))
}
