//! The fields of one CSV record into their slots: which are NULL, which are JSON, which have no column. Knows neither
//! the stream nor the header.

use super::csv::Fault;
use super::csv_scan::Sink;
use crate::row::fields::{Fields, MAX_EXTRA_TOLD, Span, Value};

/// What a field of the record is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    Text(usize),
    /// A column that keeps JSON.
    Json(usize),
    /// No column; its name, shortened.
    Extra(String),
}

/// Sets the fields of one record.
pub(super) struct Teller<'a> {
    record: &'a [u8],
    fields: &'a mut Fields,
    targets: &'a [Target],
    null_texts: &'a [String],
    quote: u8,
    /// Fields so far.
    pub count: usize,
    pub fault: Option<Fault>,
    /// Line breaks in quoted fields.
    pub breaks: u64,
}

impl<'a> Teller<'a> {
    pub fn new(
        record: &'a [u8],
        fields: &'a mut Fields,
        targets: &'a [Target],
        null_texts: &'a [String],
        quote: u8,
    ) -> Self {
        Self { record, fields, targets, null_texts, quote, count: 0, fault: None, breaks: 0 }
    }

    #[inline(always)]
    fn set(&mut self, start: usize, end: usize, value: impl FnOnce(&mut Self, bool) -> Value) {
        let target = self.targets.get(self.count);
        self.count += 1;
        let (slot, keeps_json) = match target {
            Some(Target::Text(slot)) => (*slot, false),
            Some(Target::Json(slot)) => (*slot, true),
            Some(Target::Extra(name)) => return self.extra(name),
            None => return,
        };
        let nested = keeps_json && matches!(self.record.get(start..end), Some([b'{' | b'[', ..]));
        let value = value(self, nested);
        let is_first = self.fields.set(slot, value);
        debug_assert!(is_first, "a slot has one field");
    }

    #[cold]
    fn extra(&mut self, name: &str) {
        let name = match self.fields.extra() {
            told if told < MAX_EXTRA_TOLD as u64 => name,
            _ => "",
        };
        let name = self.fields.of_scratch(|scratch| scratch.push_str(name));
        self.fields.add_extra(name);
    }

    fn without_doubling(&mut self, start: usize, end: usize) -> Span {
        // Bytes that are no text are refused with their record, whatever stands here.
        let text = std::str::from_utf8(self.record.get(start..end).unwrap_or_default()).unwrap_or_default();
        let quote = char::from(self.quote);
        self.fields.of_scratch(|scratch| {
            let mut rest = text;
            while let Some(at) = rest.find(quote) {
                scratch.push_str(rest.get(..=at).unwrap_or_default());
                rest = rest.get(at + 2..).unwrap_or_default();
            }
            scratch.push_str(rest);
        })
    }
}

impl Sink for Teller<'_> {
    #[inline(always)]
    fn unquoted(&mut self, start: usize, end: usize) {
        self.set(start, end, |own, nested| {
            if start == end {
                return Value::Null;
            }
            if !own.null_texts.is_empty() {
                let text = own.record.get(start..end).unwrap_or_default();
                if own.null_texts.iter().any(|null| null.as_bytes() == text) {
                    return Value::Null;
                }
            }
            let span = Fields::of_record(start, end);
            if nested { Value::Nested(span) } else { Value::Text(span) }
        });
    }

    #[inline]
    fn quoted(&mut self, start: usize, end: usize, doubled: bool) {
        let text = self.record.get(start..end).unwrap_or_default();
        self.breaks += memchr::memchr_iter(b'\n', text).count() as u64;
        self.set(start, end, |own, nested| {
            let span = if doubled { own.without_doubling(start, end) } else { Fields::of_record(start, end) };
            if nested { Value::Nested(span) } else { Value::Text(span) }
        });
    }

    fn behind_quote(&mut self) {
        self.fault = self.fault.or(Some(Fault::BehindQuote));
    }

    fn unclosed(&mut self) {
        self.fault = self.fault.or(Some(Fault::Unclosed));
    }
}
