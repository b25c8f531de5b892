//! Loads rows of messages into the warehouse, one transaction over as many messages as there are, and gives back
//! messages that must come again. A value that the table refuses is found by halving, group order kept, so that only
//! its row is quarantined.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::time::Duration;

use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use penstock_aws::Invocation;
use penstock_aws::quarantine::Quarantine;
use penstock_aws::warehouse::{Fault, LoadEnd, LoadName, TableHome, Warehouse};
use penstock_core::ident::{self, HexId};
use penstock_core::reject::{Reject, Rule, Violation};
use penstock_core::row::HandOver;
use penstock_core::sql::{FifoLoad, LoadError, StagedRow};

use crate::config::SERVICE;
use crate::error::Error;
use crate::message::{Head, Rows};

/// Kept back before the deadline, to hand over and answer.
const RESERVE: Duration = Duration::from_secs(6);
/// ChangeMessageVisibilityBatch: at most 10 entries.
const MAX_ENTRIES: usize = 10;

/// A message and its rows, as the sink takes them.
#[derive(Debug, Clone, Copy)]
pub struct Loadable<'a> {
    /// Id, group, time.
    pub head: &'a Head,
    /// Its rows.
    pub rows: &'a Rows,
}

/// Rows of one message: all of them, or a part while a culprit is searched.
#[derive(Debug, Clone)]
struct Part {
    message: usize,
    rows: Range<usize>,
}

/// What became of a dataset's messages.
#[derive(Debug, Default)]
pub struct Settled {
    /// Message ids that must come again, with the fault.
    pub failed: Vec<(String, Error)>,
    /// Counts for metrics and the log.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Settled {
    fn add(&mut self, name: &'static str, count: u64) {
        *self.counts.entry(name).or_default() += count;
    }
}

/// The warehouse, the quarantine and the queue, as one function uses them.
#[derive(Debug)]
pub struct Sink {
    /// Where rows go.
    pub warehouse: Warehouse,
    /// Where rejects go.
    pub quarantine: Quarantine,
    /// For handing messages over.
    pub sqs: aws_sdk_sqs::Client,
    /// The queue.
    pub queue_url: String,
}

/// Names of the counts in the load's last statement, in order.
const COUNTS: [&str; 6] =
    ["RowsRead", "RowsInserted", "RowsUpdated", "RowsUnchanged", "RowsDuplicate", "RowsRejected"];

impl Sink {
    /// Loads the messages of one dataset, given in the order of the queue.
    pub async fn load(
        &self,
        messages: &[Loadable<'_>],
        home: &TableHome,
        invocation: &Invocation,
    ) -> Settled {
        let mut settled = Settled::default();
        let mut failed_groups: HashSet<&str> = HashSet::new();
        // A message of rejects alone has nothing to insert, but its line in the ledger and its place in the counts.
        let counts = |rows: &Rows| !rows.rows.is_empty() || !rows.rejects.is_empty();
        let all = (0..messages.len()).filter(|i| counts(messages[*i].rows));
        let mut open: Vec<Vec<Part>> =
            vec![all.map(|i| Part { message: i, rows: 0..messages[i].rows.rows.len() }).collect()];
        // The earlier half lies on top, so rows of a group are never loaded before those that came before them.
        while let Some(mut parts) = open.pop() {
            parts.retain(|part| !failed_groups.contains(messages[part.message].head.group.as_str()));
            if parts.is_empty() {
                continue;
            }
            match self.load_parts(messages, &parts, home, invocation, &mut settled).await {
                Ok(Loaded::Done) => {}
                Ok(Loaded::Split) => match halves(&parts) {
                    Some((first, second)) => open.extend([second, first]),
                    // One row that cannot be put into a batch: it is smaller than a message, so this cannot be.
                    None => fail(messages, &parts, &mut failed_groups, &mut settled, || {
                        LoadError::TooLarge { rows: 1 }.into()
                    }),
                },
                Err(error) => {
                    let text = error.to_string();
                    tracing::warn!(error = text, kind = error.kind(), "load is not done");
                    fail(messages, &parts, &mut failed_groups, &mut settled, || error.of_another());
                }
            }
        }
        settled
    }

    /// One transaction. A fault that one row caused by itself ends with that row in quarantine and in the ledger as
    /// rejected.
    async fn load_parts(
        &self,
        messages: &[Loadable<'_>],
        parts: &[Part],
        home: &TableHome,
        invocation: &Invocation,
        settled: &mut Settled,
    ) -> Result<Loaded, Error> {
        let Some(first) = parts.first().map(|part| messages[part.message]) else { return Ok(Loaded::Done) };
        let rows: Vec<StagedRow<'_>> = parts.iter().flat_map(|part| staged(messages, part)).collect();
        let load = FifoLoad {
            contract: first.rows.checker.contract(),
            schema: &home.schema,
            load_id: load_id(messages, parts),
            loaded_ms: sent(messages, parts).max().unwrap_or(0),
            oldest_ms: sent(messages, parts).min().unwrap_or(0),
            source: &first.head.queue,
            rows: &rows,
            rejected: rejected(messages, parts),
        };
        let text = match self.run(&load, home, invocation, settled).await? {
            Ended::Committed => return Ok(Loaded::Done),
            Ended::TooLarge => return Ok(Loaded::Split),
            Ended::Refused(text) => text,
        };
        match parts {
            [part] if part.rows.len() == 1 => {
                self.quarantine_culprit(first, part, &text).await?;
                settled.add("RowsRefused", 1);
                let own_id = ident::stable_id(["refused", load.load_id.as_str()]);
                let refused = FifoLoad { load_id: own_id, rows: &[], rejected: load.rejected + 1, ..load };
                match self.run(&refused, home, invocation, settled).await? {
                    Ended::Committed => Ok(Loaded::Done),
                    // A load without rows has no value that could be refused: the fault is not the row's.
                    Ended::TooLarge | Ended::Refused(_) => Err(Error::Load(Fault::Transient)),
                }
            }
            _ => Ok(Loaded::Split),
        }
    }

    /// Runs a load's transaction and tells how it ended; what may pass is an error.
    async fn run(
        &self,
        load: &FifoLoad<'_>,
        home: &TableHome,
        invocation: &Invocation,
        settled: &mut Settled,
    ) -> Result<Ended, Error> {
        if invocation.is_over(RESERVE) {
            return Err(Error::OutOfTime);
        }
        let batch = match load.batch() {
            Ok(batch) => batch,
            Err(LoadError::TooLarge { .. }) => return Ok(Ended::TooLarge),
            Err(error) => return Err(error.into()),
        };
        let (dataset, load_id) = (load.contract.dataset.as_str(), load.load_id.as_str());
        settled.add("Loads", 1);
        let name = LoadName { dataset, load_id };
        match self.warehouse.load(name, &home.database, &batch, invocation).await? {
            LoadEnd::Finished { statement, counts } => {
                let counts = counts.unwrap_or_default();
                tracing::info!(dataset, load_id, statement, ?counts, "load is finished");
                for (name, count) in COUNTS.into_iter().zip(counts) {
                    settled.add(name, u64::try_from(count).unwrap_or(0));
                }
                Ok(Ended::Committed)
            }
            LoadEnd::Running { statement } => Err(Error::Running(statement)),
            LoadEnd::Failed { fault: Fault::Data, message } => Ok(Ended::Refused(message)),
            LoadEnd::Failed { fault, .. } => {
                if fault == Fault::OutOfBalance {
                    settled.add("LoadsOutOfBalance", 1);
                    tracing::error!(dataset, load_id, "load is out of balance and was rolled back");
                }
                Err(Error::Load(fault))
            }
        }
    }

    /// The warehouse's text may hold the value, so it goes nowhere but here.
    async fn quarantine_culprit(&self, message: Loadable<'_>, part: &Part, text: &str) -> Result<(), Error> {
        let Some(row) = message.rows.rows.get(part.rows.start) else { return Ok(()) };
        let mut raw = String::new();
        HandOver::new(message.rows.checker.contract()).write(row, &mut raw);
        let reject = Reject {
            position: None,
            line: None,
            violations: vec![Violation::record(Rule::RefusedByWarehouse, text)],
            raw: raw.into_bytes(),
        };
        let subject = message.rows.subject(message.head, &format!("warehouse {}", part.rows.start));
        self.quarantine.put(subject, vec![reject]).await?;
        tracing::error!(
            message_id = message.head.id,
            record_id = row.stamp().record_id.as_str(),
            "row was refused by the warehouse"
        );
        Ok(())
    }

    /// Lets failed messages come again soon: their visibility would else last six times the function's timeout.
    pub async fn hand_over(&self, heads: &[&Head], seconds: i32) {
        for piece in heads.chunks(MAX_ENTRIES) {
            let entries: Vec<_> = piece
                .iter()
                .enumerate()
                .filter_map(|(i, head)| {
                    let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(i.to_string());
                    let handle = head.receipt_handle.as_ref()?;
                    entry.receipt_handle(handle).visibility_timeout(seconds).build().ok()
                })
                .collect();
            if entries.is_empty() {
                continue;
            }
            let request = self.sqs.change_message_visibility_batch().queue_url(&self.queue_url);
            match request.set_entries(Some(entries)).send().await {
                Ok(answer) if answer.failed().is_empty() => {}
                Ok(answer) => {
                    tracing::warn!(count = answer.failed().len(), "visibility of messages was not shortened")
                }
                Err(error) => {
                    let error = penstock_aws::answered(&error);
                    tracing::warn!(error, service = SERVICE, "visibility of messages was not shortened");
                }
            }
        }
    }
}

enum Loaded {
    Done,
    /// The same rows again, in two loads.
    Split,
}

/// How a transaction ended that was not cut short.
enum Ended {
    Committed,
    /// More rows than one batch takes.
    TooLarge,
    /// A value was refused; the text may hold it.
    Refused(String),
}

/// When the messages of these parts were sent, in ms since 1970.
fn sent<'a>(messages: &'a [Loadable<'_>], parts: &'a [Part]) -> impl Iterator<Item = u64> + 'a {
    parts.iter().map(|part| messages[part.message].head.sent_ms)
}

/// Rows of these messages that the contract rejected, counted with the first rows of each.
fn rejected(messages: &[Loadable<'_>], parts: &[Part]) -> u64 {
    let first = parts.iter().filter(|part| part.rows.start == 0);
    first.map(|part| messages[part.message].rows.rejects.len() as u64).sum()
}

fn staged<'a>(messages: &'a [Loadable<'a>], part: &Part) -> impl Iterator<Item = StagedRow<'a>> {
    let rows = messages[part.message].rows;
    let own = part.rows.clone().filter_map(|at| rows.rows.get(at));
    own.map(|row| StagedRow { row, source: &rows.source })
}

/// The same messages (or the same parts of them) give the same load on every delivery.
fn load_id(messages: &[Loadable<'_>], parts: &[Part]) -> HexId {
    let texts: Vec<String> = parts
        .iter()
        .flat_map(|part| {
            let whole = part.rows == (0..messages[part.message].rows.rows.len());
            let rows = if whole { String::new() } else { format!("{}-{}", part.rows.start, part.rows.end) };
            [messages[part.message].head.id.clone(), rows]
        })
        .collect();
    ident::stable_id(["fifo"].into_iter().chain(texts.iter().map(String::as_str)))
}

/// Two halves in order: of the messages, or of the one message's rows.
fn halves(parts: &[Part]) -> Option<(Vec<Part>, Vec<Part>)> {
    match parts {
        [] => None,
        [one] if one.rows.len() < 2 => None,
        [one] => {
            let middle = one.rows.start + one.rows.len() / 2;
            let first = Part { message: one.message, rows: one.rows.start..middle };
            let second = Part { message: one.message, rows: middle..one.rows.end };
            Some((vec![first], vec![second]))
        }
        many => {
            let (first, second) = many.split_at(many.len() / 2);
            Some((first.to_vec(), second.to_vec()))
        }
    }
}

/// Gives back the messages of these parts, and closes their groups for the rest of the batch.
fn fail<'m>(
    messages: &[Loadable<'m>],
    parts: &[Part],
    groups: &mut HashSet<&'m str>,
    settled: &mut Settled,
    error: impl Fn() -> Error,
) {
    settled.add("LoadsNotDone", 1);
    for part in parts {
        let head = messages[part.message].head;
        groups.insert(head.group.as_str());
        if !settled.failed.iter().any(|(id, _)| *id == head.id) {
            settled.failed.push((head.id.clone(), error()));
        }
    }
}
