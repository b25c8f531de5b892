//! The fields of one record by slot, as spans of its text: what every format's reader hands to the checker. Reused
//! from record to record, so that a good row costs no allocation. Knows no types: a number is still a text.

/// A stretch of text: of the record itself, or of the scratch text beside it where a reader had to unescape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
    in_scratch: bool,
}

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// The record has no such field.
    Missing,
    Null,
    Bool(bool),
    /// The digits as the source wrote them.
    Number(Span),
    Text(Span),
    /// A JSON object or array, not looked into yet.
    Nested(Span),
}

impl Span {
    /// Where it lies in the record's own text; `None` where a reader had to unescape it.
    pub fn in_record(self) -> Option<(u32, u32)> {
        (!self.in_scratch).then_some((self.start, self.end))
    }
}

/// Names of fields without a slot that are kept; a hostile record may have hundreds of thousands.
pub(crate) const MAX_EXTRA_TOLD: usize = 32;

/// One record's fields.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    values: Vec<Value>,
    scratch: String,
    /// Fields without a slot.
    extra: u64,
    extra_names: Vec<Span>,
    /// Whether the record's own text may hold NUL, which no column takes. JSON's never does.
    pub may_hold_nul: bool,
    /// A buffer of CSV's reader: the second ones of doubled quotes in the field that is being read.
    pub doubled: Vec<usize>,
}

/// A field's value with its text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    /// The digits as the source wrote them.
    Number(&'a str),
    Text(&'a str),
    /// An object or array, or any value of a column that keeps JSON; not looked into yet.
    Nested(&'a str),
    /// The column's canonical text, made here.
    Canonical(&'a str),
}

impl Scalar<'_> {
    /// What it is, for a reason.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Nested(_) => "an object or array",
            Self::Canonical(_) => "a value",
        }
    }
}

impl Fields {
    /// Forgets the last record; the next one has `slots` slots.
    pub fn clear(&mut self, slots: usize) {
        self.values.clear();
        self.values.resize(slots, Value::Missing);
        self.scratch.clear();
        self.extra = 0;
        self.extra_names.clear();
        self.may_hold_nul = false;
        self.doubled.clear();
    }

    /// The same for a record that sets every slot that the last one set.
    pub fn clear_but_values(&mut self, slots: usize) {
        if self.values.len() != slots {
            return self.clear(slots);
        }
        self.scratch.clear();
        self.extra = 0;
        self.extra_names.clear();
        self.may_hold_nul = false;
        self.doubled.clear();
    }

    /// Sets a slot, whatever it held.
    pub fn put(&mut self, slot: usize, value: Value) {
        if let Some(own) = self.values.get_mut(slot) {
            *own = value;
        }
    }

    /// Sets a slot; false if it was set already, or is none.
    #[must_use]
    pub fn set(&mut self, slot: usize, value: Value) -> bool {
        match self.values.get_mut(slot) {
            Some(own @ Value::Missing) => {
                *own = value;
                true
            }
            _ => false,
        }
    }

    /// A stretch of the record's own bytes. Records are at most a few MiB, so offsets fit 32 bits.
    pub fn of_record(start: usize, end: usize) -> Span {
        Span { start: start as u32, end: end as u32, in_scratch: false }
    }

    /// Text that does not stand in the record as it is.
    pub fn of_scratch(&mut self, write: impl FnOnce(&mut String)) -> Span {
        let start = self.scratch.len() as u32;
        write(&mut self.scratch);
        Span { start, end: self.scratch.len() as u32, in_scratch: true }
    }

    /// Counts a field that has no slot.
    pub fn add_extra(&mut self, name: Span) {
        self.extra += 1;
        if self.extra_names.len() < MAX_EXTRA_TOLD {
            self.extra_names.push(name);
        }
    }

    /// How many fields have no slot.
    pub fn extra(&self) -> u64 {
        self.extra
    }

    /// Names of the first of them.
    pub fn extra_names<'a>(&'a self, record: &'a str) -> impl Iterator<Item = &'a str> {
        self.extra_names.iter().map(move |name| self.text(*name, record))
    }

    /// A slot's value.
    pub fn value(&self, slot: usize) -> Value {
        self.values.get(slot).copied().unwrap_or(Value::Missing)
    }

    /// A slot's value with its text; a missing field is NULL.
    pub fn scalar<'a>(&'a self, slot: usize, record: &'a str) -> Scalar<'a> {
        match self.value(slot) {
            Value::Missing | Value::Null => Scalar::Null,
            Value::Bool(flag) => Scalar::Bool(flag),
            Value::Number(span) => Scalar::Number(self.text(span, record)),
            Value::Text(span) => Scalar::Text(self.text(span, record)),
            Value::Nested(span) => Scalar::Nested(self.text(span, record)),
        }
    }

    /// The text of a span; spans are made at the boundaries of characters.
    pub fn text<'a>(&'a self, span: Span, record: &'a str) -> &'a str {
        let text = if span.in_scratch { &self.scratch } else { record };
        text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }
}
