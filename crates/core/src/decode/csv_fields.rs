//! The fields of one CSV record into their slots: which are NULL, which are JSON, which have no column. Knows neither
//! the stream nor the header.

use simdutf8::compat::from_utf8;

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
    ) -> Self {
        Self { record, fields, targets, null_texts, count: 0, fault: None, breaks: 0 }
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
        // Each slot has one field at the most.
        self.fields.put(slot, value);
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
        let text = from_utf8(self.record.get(start..end).unwrap_or_default()).unwrap_or_default();
        let doubled = std::mem::take(&mut self.fields.doubled);
        let span = self.fields.of_scratch(|scratch| {
            let mut kept = 0;
            for second in &doubled {
                let second = second - start;
                scratch.push_str(text.get(kept..second).unwrap_or_default());
                kept = second + 1;
            }
            scratch.push_str(text.get(kept..).unwrap_or_default());
        });
        self.fields.doubled = doubled;
        span
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
    fn quoted(&mut self, start: usize, end: usize) {
        self.set(start, end, |own, nested| {
            let span = match own.fields.doubled.is_empty() {
                true => Fields::of_record(start, end),
                false => own.without_doubling(start, end),
            };
            if nested { Value::Nested(span) } else { Value::Text(span) }
        });
        self.fields.doubled.clear();
    }

    fn doubled(&mut self, at: usize) {
        self.fields.doubled.push(at);
    }

    fn line_break(&mut self) {
        self.breaks += 1;
    }

    fn nul(&mut self) {
        self.fields.may_hold_nul = true;
    }

    fn behind_quote(&mut self) {
        self.fault = self.fault.or(Some(Fault::BehindQuote));
    }

    fn unclosed(&mut self) {
        self.fault = self.fault.or(Some(Fault::Unclosed));
    }
}
