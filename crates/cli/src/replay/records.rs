//! Records in quarantine: each part judged, sent and noted by itself, in this order. Whatever is between two of these
//! steps may fail, or the process end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use penstock_core::ingest::needs_header;
use penstock_core::quarantine::UNKNOWN_DATASET;
use penstock_core::reject::Violation;
use penstock_core::row::Checker;

use super::Replay;
use super::judge::{Judge, is_row};
use super::marks::{Marks, id_of};
use super::origin::{Known, Named, Reason};
use super::outbox::{FileMaker, Outbox, Way};
use crate::bucket::{Bucket, Listed};
use crate::failure::Failure;
use crate::rejects::line::{Line, Unkept};
use crate::rejects::read::Lines;
use crate::rejects::{denied, is_reject_part, not_listed};

const UNKNOWN: &str = "of no dataset: deploy a contract for it, and replay the file with --objects";
const NO_CONTRACT: &str = "the dataset has no contract here";
const NO_WAY: &str = "written by a function that this command does not know";
const LAKE: &str =
    "of the lake route, whose files are made of whole sources: --objects --prefix replays the file";
const JOB: &str = "of the Glue job, which reads each put of a file once: put the file again under its key";
const STAGED: &str =
    "of the lake route, from the stage bucket: --objects does not replay it there, send its event yourself";
const NO_SERVER: &str = "the contract has no queue or stream any more to send it to";
const WHOLE: &str = "about a whole file, which --objects --prefix replays";
const FAILED: &str = "the file failed as a whole, and nothing of it is loaded: --objects --prefix replays it";
const CUT: &str = "longer than what quarantine keeps of a record";
const GONE: &str = "nothing of the text was kept";
const NOT_SEEN: &str = "the file could not be looked at: run this again";
const NOT_DONE: &str = "not taken, or not noted: run this again";
const GUESSED: &str = "the file is gone: the time of the quarantine stands for that of the file";

/// Parts that hold the rejects of one object by one function.
type Subjects = BTreeMap<(String, String), Vec<Listed>>;

/// One part that is read.
struct Part<'a> {
    dataset: &'a str,
    key: &'a str,
    way: Way,
    listed: &'a Listed,
    /// Whether nothing of its object is loaded.
    has_failed: bool,
    before: BTreeSet<String>,
}

impl Replay<'_> {
    /// Replays the quarantined records that were asked for.
    pub async fn records(&mut self) -> Result<(), Failure> {
        let quarantine = self.quarantine().await?;
        let mut datasets = self.selection.datasets().to_vec();
        if datasets.is_empty() {
            datasets = quarantine.folders().await.map_err(not_listed)?;
        }
        for dataset in datasets {
            let subjects = self.subjects(&quarantine, &dataset).await?;
            if subjects.is_empty() && dataset != UNKNOWN_DATASET && !self.checkers.contains_key(&dataset) {
                let reason = format!("dataset {dataset} has neither a contract nor rejects of that time");
                return Err(Failure::usage(reason));
            }
            let folder = format!("{dataset}/");
            let marks = Marks::under(self.bucket("WORK_BUCKET")?, &folder).await?;
            let total = subjects.len();
            for (done, parts) in subjects.values().enumerate() {
                self.progress(done, total);
                self.subject(&quarantine, &dataset, parts, &marks).await?;
            }
        }
        Ok(())
    }

    async fn quarantine(&self) -> Result<Bucket, Failure> {
        let bucket = self.bucket("QUARANTINE_BUCKET")?;
        let name = bucket.name().to_owned();
        Ok(Bucket::new(self.clients.quarantine_reader(self.env).await, name))
    }

    /// The parts of a dataset by object and function, of those with any that was written in the span.
    async fn subjects(&self, quarantine: &Bucket, dataset: &str) -> Result<Subjects, Failure> {
        let mut subjects = Subjects::new();
        let mut pages = quarantine.list(format!("{dataset}/"));
        while let Some(page) = pages.next().await.map_err(not_listed)? {
            for listed in page.into_iter().filter(|own| is_reject_part(&own.key)) {
                let (folder, name) = listed.key.rsplit_once('/').unwrap_or_default();
                let function = Way::of_function(&listed.key).map_or(name, |(function, _)| function);
                let subject = (folder.to_owned(), function.to_owned());
                subjects.entry(subject).or_default().push(listed);
            }
        }
        let is_taken = |part: &Listed| self.selection.takes_time(part.modified);
        subjects.retain(|_, parts| parts.iter().any(is_taken));
        Ok(subjects)
    }

    async fn subject(
        &mut self,
        quarantine: &Bucket,
        dataset: &str,
        parts: &[Listed],
        marks: &Marks,
    ) -> Result<(), Failure> {
        let checker = self.checkers.get(dataset).cloned();
        let Some(way) = parts.first().and_then(|first| Way::of_part(&first.key)) else {
            return self.hold_wayless(quarantine, dataset, parts).await;
        };
        let Some(checker) = checker else {
            let reason = if dataset == UNKNOWN_DATASET { UNKNOWN } else { NO_CONTRACT };
            return self.hold_all(quarantine, dataset, parts, |_| reason).await;
        };
        // The line that says so stands in one of the parts, of the span or not.
        let mut has_failed = false;
        if way == Way::Copy && !self.args.again {
            for part in parts {
                let lines = self.lines(quarantine, &part.key).await?;
                has_failed |= lines.iter().any(|line| line.record() == Err(Unkept::Whole));
            }
        }
        for listed in self.in_span(parts) {
            let before = match marks.of(&listed.key).await {
                Ok(_) if self.args.again => BTreeSet::new(),
                Ok(before) => before,
                Err(fault) => {
                    self.summary.fault(fault);
                    continue;
                }
            };
            let part = Part { dataset, key: &listed.key, way, listed, has_failed, before };
            let lines = self.lines(quarantine, &listed.key).await?;
            self.part(&part, lines, &checker, marks).await?;
        }
        Ok(())
    }

    fn in_span<'p>(&self, parts: &'p [Listed]) -> Vec<&'p Listed> {
        parts.iter().filter(|part| self.selection.takes_time(part.modified)).collect()
    }

    /// Tells lines that no way leads back from, by their source.
    async fn hold_wayless(
        &mut self,
        quarantine: &Bucket,
        dataset: &str,
        parts: &[Listed],
    ) -> Result<(), Failure> {
        let maker = parts.first().and_then(|first| FileMaker::of_part(&first.key));
        let stage = (self.env)("STAGE_BUCKET").map(|bucket| format!("s3://{bucket}/"));
        let reason = |source: &str| match stage.as_deref() {
            _ if maker.is_none() => NO_WAY,
            _ if dataset == UNKNOWN_DATASET => UNKNOWN,
            Some(stage) if source.starts_with(stage) => STAGED,
            _ if maker == Some(FileMaker::Job) => JOB,
            _ => LAKE,
        };
        self.hold_all(quarantine, dataset, parts, reason).await
    }

    async fn hold_all(
        &mut self,
        quarantine: &Bucket,
        dataset: &str,
        parts: &[Listed],
        reason: impl Fn(&str) -> &'static str,
    ) -> Result<(), Failure> {
        for part in self.in_span(parts) {
            for line in self.lines(quarantine, &part.key).await? {
                self.summary.of(dataset).found += 1;
                self.summary.hold(dataset, reason(&line.source), &line.source, 1);
            }
        }
        Ok(())
    }

    /// The lines of a part that were asked for. What cannot be read is told, and costs only what is behind it.
    async fn lines(&mut self, quarantine: &Bucket, key: &str) -> Result<Vec<Line>, Failure> {
        let mut lines = match quarantine.get(key).await {
            Ok(body) => Lines::new(body),
            Err(error) if error.is_gone() => return Ok(Vec::new()),
            Err(error) if error.is_denied() => return Err(denied(&error)),
            Err(error) => {
                self.summary.fault(error.to_string());
                return Ok(Vec::new());
            }
        };
        let mut found = Vec::new();
        for number in 1.. {
            match lines.next().await {
                Ok(None) => break,
                Ok(Some(text)) => match serde_json::from_slice::<Line>(&text) {
                    Ok(line) if self.selection.takes_source(&line.source) => found.push(line),
                    Ok(_) => {}
                    // The parser's own words may hold a value.
                    Err(_) => {
                        self.summary.fault(format!("{}: line {number} is no reject", quarantine.uri(key)))
                    }
                },
                Err(reason) => {
                    self.summary.fault(format!("{}: {reason}", quarantine.uri(key)));
                    break;
                }
            }
        }
        Ok(found)
    }

    async fn part(
        &mut self,
        part: &Part<'_>,
        lines: Vec<Line>,
        checker: &Arc<Checker>,
        marks: &Marks,
    ) -> Result<(), Failure> {
        self.summary.of(part.dataset).found += lines.len() as u64;
        let open = self.open(part, lines);
        let Some(first) = open.first() else { return Ok(()) };
        let (count, source) = (open.len() as u64, first.source.clone());
        let known = match self.known(part, &open, checker).await {
            Ok(Ok(known)) => known,
            Ok(Err(reason)) => {
                self.summary.hold(part.dataset, reason, &source, count);
                return Ok(());
            }
            // One file that S3 does not tell of is no reason to leave the others.
            Err(Failure::Refused(faults)) => {
                faults.into_iter().for_each(|fault| self.summary.fault(fault));
                self.summary.hold(part.dataset, NOT_SEEN, &source, count);
                return Ok(());
            }
            Err(failure) => return Err(failure),
        };
        let stream = match part.way {
            Way::Stream => self.known_stream(checker.contract()).await,
            Way::Queue | Way::Copy => None,
        };
        let Some(outbox) = Outbox::of(part.way, checker.contract(), &known.origin, stream) else {
            self.summary.hold(part.dataset, NO_SERVER, &source, count);
            return Ok(());
        };
        let mut judge = Judge::new(checker, &known, outbox);
        let fit = self.judge(part, open, &mut judge, checker);
        self.deliver(part, fit, judge.outbox, checker, &known, marks).await
    }

    /// What the stamps of a part's records are made of; rows have theirs.
    async fn known(
        &self,
        part: &Part<'_>,
        lines: &[Line],
        checker: &Arc<Checker>,
    ) -> Result<Result<Known, Reason>, Failure> {
        let contract = checker.contract();
        let first = lines.iter().find(|line| !is_row(line));
        let Some(first) = first else {
            let source = lines.first().map_or("", |line| line.source.as_str());
            return Ok(Ok(Known::of_rows(source)));
        };
        let lacks_columns = |line: &Line| {
            !is_row(line) && line.record().is_ok_and(|raw| needs_header(contract, &line.source, &raw))
        };
        let named =
            Named { source: &first.source, object_id: &first.object_id, quarantined: part.listed.modified };
        self.origin(named, checker, lines.iter().any(lacks_columns)).await
    }

    /// The records that may be sent; the others are told.
    fn open(&mut self, part: &Part<'_>, lines: Vec<Line>) -> Vec<Line> {
        let mut open = Vec::new();
        for line in lines {
            let reason = match line.record() {
                Ok(raw) if part.before.contains(&id_of(line.position, &raw)) => {
                    self.summary.of(part.dataset).before += 1;
                    continue;
                }
                Ok(_) if part.has_failed => FAILED,
                Ok(_) => {
                    open.push(line);
                    continue;
                }
                Err(Unkept::Whole) => WHOLE,
                Err(Unkept::Cut) => CUT,
                Err(Unkept::Gone) => GONE,
            };
            self.summary.hold(part.dataset, reason, &line.source, 1);
        }
        open
    }

    /// Names of the records that fit, which are in the judge's outbox by then.
    fn judge(
        &mut self,
        part: &Part<'_>,
        lines: Vec<Line>,
        judge: &mut Judge<'_>,
        checker: &Arc<Checker>,
    ) -> Vec<String> {
        let mut fit = Vec::new();
        for mut line in lines {
            let Ok(raw) = line.record() else { continue };
            let judged = match line.position {
                Some(position) if !is_row(&line) => judge.record(&raw, position),
                _ => judge.row(&raw),
            };
            match judged {
                Ok(()) => fit.push(id_of(line.position, &raw)),
                Err(violations) => {
                    line.rules = violations.into_iter().map(Violation::into).collect();
                    let shown =
                        if self.args.show_classified { line } else { line.masked(Some(checker.contract())) };
                    self.summary.reject(part.dataset, &shown);
                }
            }
        }
        fit
    }

    /// Sends what fits and then notes it: dying in between sends the same once more, and never loses one.
    async fn deliver(
        &mut self,
        part: &Part<'_>,
        fit: Vec<String>,
        outbox: Outbox<'_>,
        checker: &Arc<Checker>,
        known: &Known,
        marks: &Marks,
    ) -> Result<(), Failure> {
        if fit.is_empty() {
            return Ok(());
        }
        let count = fit.len() as u64;
        if !self.args.dry_run {
            let sent = match outbox.finish() {
                Ok(packed) => self.send(packed, checker.contract()).await?,
                Err(error) => Err(error),
            };
            let noted = match sent {
                Ok(()) => marks.add(part.key, fit).await,
                Err(error) => Err(error),
            };
            if let Err(error) = noted {
                self.summary.fault(format!("{}: {error}", known.origin.source));
                self.summary.hold(part.dataset, NOT_DONE, &known.origin.source, count);
                return Ok(());
            }
        }
        self.summary.of(part.dataset).sent += count;
        if known.is_guessed {
            self.summary.note(GUESSED, count);
        }
        Ok(())
    }
}
