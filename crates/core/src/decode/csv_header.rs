//! Which field of a CSV file is which column: by the contract's order, or by the names of its header. Knows no
//! values.

use super::Broken;
use super::csv::CsvColumns;
use super::csv_fields::Target;
use super::csv_scan::{Dialect, Sink, scan};
use crate::reject::Rule;

/// Bytes of an unknown column's name that are kept: it is told with every record.
const MAX_NAME_BYTES: usize = 64;
/// Columns that a reason names.
const MAX_NAMED: usize = 10;

/// What each field of a record is.
#[derive(Debug)]
pub(super) struct Targets(Vec<Target>);

impl Targets {
    pub fn as_slice(&self) -> &[Target] {
        &self.0
    }

    /// Without a header: the contract's source columns in their order.
    pub fn in_order(columns: &CsvColumns) -> Self {
        Self((0..columns.names.len()).map(|i| target(columns, i)).collect())
    }

    /// By the header's names, matched exactly without blanks around them.
    pub fn of_header(record: &[u8], dialect: Dialect, columns: &CsvColumns) -> Result<Self, Broken> {
        let mut names = Names { record, doubled: Vec::new(), names: Vec::new() };
        // A line break behind the record ends its last field.
        let whole = [record, b"\n"].concat();
        names.record = &whole;
        scan(&whole, dialect, &mut names);
        let known: std::collections::HashMap<&str, usize> =
            columns.names.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
        let mut seen = vec![0u64; columns.names.len()];
        let mut targets = Vec::with_capacity(names.names.len());
        for name in &names.names {
            let name = name.trim_start_matches('\u{feff}').trim();
            match known.get(name) {
                Some(i) => {
                    if let Some(times) = seen.get_mut(*i) {
                        *times += 1;
                    }
                    targets.push(target(columns, *i));
                }
                None => {
                    let end = name.floor_char_boundary(MAX_NAME_BYTES);
                    targets.push(Target::Extra(name.get(..end).unwrap_or_default().to_owned()));
                }
            }
        }
        // A line break within a quoted name has its LF.
        let bare_cr = |pair: &[u8]| matches!(pair, [b'\r', next] if *next != b'\n');
        check(columns, &seen, record.windows(2).any(bare_cr))?;
        Ok(Self(targets))
    }
}

fn check(columns: &CsvColumns, seen: &[u64], has_bare_cr: bool) -> Result<(), Broken> {
    let named = |takes: &dyn Fn(usize, u64) -> bool| -> Vec<&str> {
        let all = columns.names.iter().zip(seen).enumerate();
        all.filter(|(i, (_, times))| takes(*i, **times)).map(|(_, (name, _))| name.as_str()).collect()
    };
    let twice = named(&|_, times| times > 1);
    let missing = named(&|i, times| times == 0 && columns.required.get(i).copied().unwrap_or(false));
    let reason = if has_bare_cr {
        "its lines end with CR alone: write them with LF or CRLF".to_owned()
    } else if seen.iter().all(|times| *times == 0) {
        format!("the header names no column of the contract, such as {}", listed(&named(&|_, _| true)))
    } else if !missing.is_empty() {
        format!("the header lacks {}", listed(&missing))
    } else if !twice.is_empty() {
        format!("the header names twice {}", listed(&twice))
    } else {
        return Ok(());
    };
    Err(Broken::new(Rule::HeaderMismatch, reason))
}

fn listed(names: &[&str]) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let first = names.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

fn target(columns: &CsvColumns, i: usize) -> Target {
    let slot = columns.slots.get(i).copied().unwrap_or(usize::MAX);
    match columns.keeps_json.get(i) {
        Some(true) => Target::Json(slot),
        _ => Target::Text(slot),
    }
}

/// The header's names.
struct Names<'a> {
    record: &'a [u8],
    doubled: Vec<usize>,
    names: Vec<String>,
}

impl Names<'_> {
    fn text(&self, start: usize, end: usize) -> String {
        String::from_utf8_lossy(self.record.get(start..end).unwrap_or_default()).into_owned()
    }
}

impl Sink for Names<'_> {
    fn unquoted(&mut self, start: usize, end: usize) {
        self.names.push(self.text(start, end));
    }

    fn quoted(&mut self, start: usize, end: usize) {
        let (mut text, mut kept) = (String::new(), start);
        for second in std::mem::take(&mut self.doubled) {
            text.push_str(&self.text(kept, second));
            kept = second + 1;
        }
        text.push_str(&self.text(kept, end));
        self.names.push(text);
    }

    fn doubled(&mut self, at: usize) {
        self.doubled.push(at);
    }

    // The reader has refused such a header already.
    fn line_break(&mut self) {}
    fn nul(&mut self) {}
    fn behind_quote(&mut self) {}
    fn unclosed(&mut self) {}
}
