//! What checking needs beside the contract and is used again from record to record: buffers, and what was seen so
//! far. One a stream of records (an object, an invocation); a checker itself never changes.

use std::collections::BTreeMap;

use simdutf8::compat::from_utf8;

use super::fields::{Fields, MAX_EXTRA_TOLD};
use super::findings::Warnings;
use super::scan::{self, Hint, Names, Scanned};
use super::strict;
use super::unique::Window;
use crate::ident::{HexId, RowHashes};
use crate::reject::Violation;

/// Buffers of a stream of records.
#[derive(Debug, Default)]
pub struct Session {
    pub(crate) fields: Fields,
    hint: Hint,
    /// Text that a hash is taken of.
    pub(super) hashed: String,
    pub(super) row_hashes: RowHashes,
    /// A row's values that must not stand twice, by rule.
    pub(super) values: Vec<Option<HexId>>,
    /// The values of the rows so far, by rule.
    windows: Vec<Window>,
    warnings: Warnings,
    /// Names of fields without a column, each with the number of rows; none if nobody asks.
    extra_names: Option<BTreeMap<String, u64>>,
    /// Of the rows since a mark, whose fate is not settled; none where each row stands for itself.
    unsettled: Option<Unsettled>,
}

/// What rows left behind that may be taken back.
#[derive(Debug, Default)]
struct Unsettled {
    /// Rules whose windows got a value, in that order.
    kept: Vec<usize>,
    warnings: Warnings,
}

/// What a row's record had besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Fields of the record that the contract does not name.
    pub extra_fields: u64,
}

impl Session {
    /// What rows broke that does not reject them, since it was last taken.
    pub fn warnings(&mut self) -> &mut Warnings {
        if let Some(unsettled) = &mut self.unsettled {
            self.warnings.append(&mut unsettled.warnings);
        }
        &mut self.warnings
    }

    /// From here on rows stand or fall together, until the next mark.
    pub fn mark(&mut self) {
        let unsettled = self.unsettled.get_or_insert_default();
        unsettled.kept.clear();
        self.warnings.append(&mut unsettled.warnings);
    }

    /// The rows since the mark fell: nothing of them counts.
    pub fn roll_back(&mut self) {
        let Some(unsettled) = &mut self.unsettled else { return };
        unsettled.warnings = Warnings::default();
        while let Some(rule) = unsettled.kept.pop() {
            if let Some(window) = self.windows.get_mut(rule) {
                window.forget_last();
            }
        }
    }

    /// From here on the names of fields without a column are told.
    pub(crate) fn tell_extra_names(&mut self) {
        self.extra_names.get_or_insert_default();
    }

    /// The first names of fields that the contract does not name, each with the number of rows that had it.
    pub(crate) fn extra_names(&self) -> impl Iterator<Item = (&str, u64)> {
        self.extra_names.iter().flatten().map(|(name, rows)| (name.as_str(), *rows))
    }

    /// Takes the names of an accepted record's fields.
    pub(super) fn note_extra_names(&mut self, record: &str) {
        let Some(noted) = &mut self.extra_names else { return };
        for name in self.fields.extra_names(record) {
            let has_room = noted.len() < MAX_EXTRA_TOLD;
            match noted.get_mut(name) {
                Some(rows) => *rows += 1,
                None if has_room => drop(noted.insert(name.to_owned(), 1)),
                None => {}
            }
        }
    }

    /// What later rows are held against, by rule: values and whose they are, oldest first.
    pub(crate) fn seen(&self) -> Vec<Vec<(HexId, HexId)>> {
        self.windows.iter().map(Window::entries).collect()
    }

    /// Goes on where a session had seen this.
    pub(crate) fn resume(seen: &[Vec<(HexId, HexId)>]) -> Self {
        let mut session = Self::default();
        for (rule, entries) in seen.iter().enumerate() {
            for (value, owner) in entries {
                session.keep(rule, *value, *owner);
            }
        }
        session
    }

    pub(super) fn warn(&mut self, warned: Vec<Violation>) {
        if warned.is_empty() {
            return;
        }
        match &mut self.unsettled {
            Some(unsettled) => unsettled.warnings.add(warned),
            None => self.warnings.add(warned),
        }
    }

    /// The row that has a rule's values.
    pub(super) fn owner(&self, rule: usize, value: HexId) -> Option<HexId> {
        self.windows.get(rule)?.owner(&value)
    }

    /// Keeps an accepted row's values for a rule.
    pub(super) fn keep(&mut self, rule: usize, value: HexId, record_id: HexId) {
        if self.windows.len() <= rule {
            self.windows.resize_with(rule + 1, Window::default);
        }
        let is_new = self.windows.get_mut(rule).is_some_and(|window| window.keep(value, record_id));
        if let (true, Some(unsettled)) = (is_new, &mut self.unsettled) {
            unsettled.kept.push(rule);
        }
    }

    /// Scans the record at the front of the bytes into `fields`, if it is plainly right.
    pub(super) fn scan(&mut self, names: &Names, bytes: &[u8]) -> Option<Scanned> {
        scan::scan(bytes, names, &mut self.hint, &mut self.fields)
    }

    /// Reads a record's fields; gives the record as text, which their spans speak of.
    pub(super) fn read<'r>(&mut self, names: &Names, record: &'r [u8]) -> Result<&'r str, Violation> {
        if self.scan(names, record).is_some_and(|own| own.len == record.len())
            && let Ok(text) = from_utf8(record)
        {
            return Ok(text);
        }
        strict::read_fields(record, names, &mut self.fields)?;
        // It was read as text already.
        Ok(std::str::from_utf8(record).unwrap_or_default())
    }
}
