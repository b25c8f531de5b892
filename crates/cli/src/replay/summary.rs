//! What became of what was asked for, counted and told. Is given lines that may be shown, and asks nothing.

use std::collections::BTreeMap;
use std::io::Write;

use crate::args::ReplayArgs;
use crate::check::counted;
use crate::printable::printable;
use crate::rejects::line::Line;
use crate::rejects::report::Report;
use crate::table::{Align, Table};

/// Records of one dataset; files where files are replayed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub found: u64,
    /// Sent, or with --dry-run ready to be.
    pub sent: u64,
    pub rejected: u64,
    /// Replayed by an earlier call.
    pub before: u64,
    /// Cannot be sent, for reasons that `held` tells.
    pub held: u64,
}

/// Why something is not sent, and where that was seen first.
#[derive(Debug)]
struct Held {
    count: u64,
    first: String,
}

/// The account of one call.
#[derive(Debug)]
pub struct Summary {
    datasets: BTreeMap<String, Counts>,
    held: BTreeMap<String, Held>,
    notes: BTreeMap<String, u64>,
    rejects: Report,
    /// What could not be read or sent.
    pub faults: Vec<String>,
}

impl Summary {
    /// One that shows at most so many rejects in full, 0 for all.
    pub fn new(limit: usize) -> Self {
        let rejects = Report::new(if limit == 0 { usize::MAX } else { limit });
        Self {
            datasets: BTreeMap::new(),
            held: BTreeMap::new(),
            notes: BTreeMap::new(),
            rejects,
            faults: Vec::new(),
        }
    }

    /// The counts of a dataset, to be added to.
    pub fn of(&mut self, dataset: &str) -> &mut Counts {
        self.datasets.entry(dataset.to_owned()).or_default()
    }

    /// Records found so far.
    pub fn records(&self) -> u64 {
        self.datasets.values().map(|own| own.found).sum()
    }

    /// A record that would still be rejected, masked.
    pub fn reject(&mut self, dataset: &str, line: &Line) {
        self.of(dataset).rejected += 1;
        self.rejects.add(line);
    }

    /// Records that cannot be sent.
    pub fn hold(&mut self, dataset: &str, reason: impl Into<String>, source: &str, count: u64) {
        self.of(dataset).held += count;
        let first = || Held { count: 0, first: source.to_owned() };
        self.held.entry(reason.into()).or_insert_with(first).count += count;
    }

    /// Something that a person should know of records that are sent.
    pub fn note(&mut self, note: &str, count: u64) {
        *self.notes.entry(note.to_owned()).or_default() += count;
    }

    /// Something that could not be read or sent, each once.
    pub fn fault(&mut self, text: String) {
        if !self.faults.contains(&text) {
            self.faults.push(text);
        }
    }

    /// Prints all of it.
    pub fn print(&self, args: &ReplayArgs, out: &mut dyn Write) -> std::io::Result<()> {
        let what = if args.objects { "file" } else { "record" };
        if self.datasets.is_empty() {
            return match self.faults.is_empty() {
                true => writeln!(out, "nothing to replay"),
                false => Ok(()),
            };
        }
        if !self.rejects.is_empty() {
            writeln!(out, "still rejected\n")?;
            self.rejects.print(out)?;
            writeln!(out)?;
        }
        write!(out, "{}", self.table(args, what))?;
        for (reason, Held { count, first }) in &self.held {
            let first = printable(first);
            writeln!(out, "\nnot sent: {} (the first of {first}): {reason}", are(*count, what))?;
        }
        for (note, count) in &self.notes {
            writeln!(out, "\nnote: {}: {note}", are(*count, what))?;
        }
        if args.dry_run {
            writeln!(out, "\nnothing was sent: this was --dry-run")?;
        }
        Ok(())
    }

    fn table(&self, args: &ReplayArgs, what: &str) -> Table {
        let sent = if args.dry_run { "would be sent" } else { "sent" };
        let found = format!("{what}s");
        let heads: &[&str] = match args.objects {
            true => &[&found, sent, "not sent"],
            false => &[&found, sent, "still rejected", "replayed before", "not sent"],
        };
        let numbers = heads.iter().map(|head| (*head, Align::Right));
        let mut table = Table::new(std::iter::once(("dataset", Align::Left)).chain(numbers));
        for (dataset, Counts { found, sent, rejected, before, held }) in &self.datasets {
            let numbers = match args.objects {
                true => vec![found, sent, held],
                false => vec![found, sent, rejected, before, held],
            };
            let numbers = numbers.into_iter().map(ToString::to_string);
            table.push(std::iter::once(dataset.clone()).chain(numbers));
        }
        table
    }
}

fn are(count: u64, what: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), what)
}
