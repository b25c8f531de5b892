//! The rules on a column's values beyond its type: `logicalTypeOptions`, and those of `quality` that one value can
//! break. Only reads them; `row` applies them.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::quality::{Check, Severity};
use super::types::{LogicalType, PhysicalType};
use super::value::{decimal, flag, multiple, scalar_text, text, texts, whole};
use super::{ContractError, Notes};
use crate::row::number::{Decimal, Multiple};
use crate::row::text_format::TextFormat;
use crate::row::time_format::TimeFormat;

/// Rules on one value, as declared; patterns are compiled when the dataset is first used.
#[derive(Debug, Clone, Default)]
pub struct ValueRules {
    /// Fewest characters.
    pub min_length: Option<u64>,
    /// Most characters (bytes are limited by the type).
    pub max_length: Option<u64>,
    /// Patterns that must all match.
    pub patterns: Vec<(String, Severity)>,
    /// Lists of values; each must hold the value.
    pub valid_values: Vec<(Vec<String>, Severity)>,
    /// No value may be NULL.
    pub null_values: Option<Severity>,
    /// Values that stand for a missing one, of which none may come.
    pub missing_values: Vec<MissingValues>,
    /// Lower bound and whether the bound itself is allowed.
    pub minimum: Option<(Bound, Inclusive)>,
    /// Upper bound and whether the bound itself is allowed.
    pub maximum: Option<(Bound, Inclusive)>,
    /// What a number must be a whole multiple of.
    pub multiple_of: Option<Multiple>,
    /// The form of a text.
    pub format: Option<TextFormat>,
    /// How a date or time is written, where it is not ISO 8601 in UTC.
    pub time_format: Option<TimeFormat>,
    /// Fewest items of an array.
    pub min_items: Option<u64>,
    /// Most items of an array.
    pub max_items: Option<u64>,
    /// Fewest members of an object.
    pub min_properties: Option<u64>,
    /// Most members of an object.
    pub max_properties: Option<u64>,
    /// Members that an object must have.
    pub required_properties: Vec<String>,
}

impl ValueRules {
    /// Whether a value of the right type may break one.
    pub(crate) fn has_any(&self) -> bool {
        // Every field by its name: a new rule must not be forgotten.
        let Self {
            min_length,
            max_length,
            patterns,
            valid_values,
            null_values,
            missing_values,
            minimum,
            maximum,
            multiple_of,
            format,
            // How a value is read, not what it must be.
            time_format: _,
            min_items,
            max_items,
            min_properties,
            max_properties,
            required_properties,
        } = self;
        let numbers = [min_length, max_length, min_items, max_items, min_properties, max_properties];
        numbers.iter().any(|number| number.is_some())
            || !(patterns.is_empty() && valid_values.is_empty() && missing_values.is_empty())
            || !required_properties.is_empty()
            || null_values.is_some()
            || minimum.is_some()
            || maximum.is_some()
            || multiple_of.is_some()
            || format.is_some()
    }
}

/// Values that stand for a missing one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingValues {
    /// Their texts.
    pub texts: Vec<String>,
    /// Whether NULL is one of them.
    pub null: bool,
    /// What a missing value does to its record.
    pub severity: Severity,
}

/// A bound that canonical texts are compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// For numbers.
    Number(Decimal),
    /// For dates and times: a canonical text, whose order is that of time.
    Time(String),
}

impl Bound {
    /// The bound's text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Number(number) => number.as_str(),
            Self::Time(text) => text,
        }
    }

    /// Compares with a canonical text of the same type; `None` if that is no number.
    pub fn compare(&self, canonical: &str) -> Option<Ordering> {
        match self {
            Self::Number(number) => number.compare(canonical),
            Self::Time(text) => Some(text.as_str().cmp(canonical)),
        }
    }
}

/// Whether a bound itself is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusive {
    /// The bound is a valid value.
    Yes,
    /// Only values beyond the bound are valid.
    No,
}

/// The column that options belong to.
#[derive(Clone, Copy)]
pub(super) struct Typed {
    pub ty: PhysicalType,
    pub logical: Option<LogicalType>,
}

impl Typed {
    fn is_text(self) -> bool {
        matches!(self.ty, PhysicalType::Varchar(_) | PhysicalType::Char(_) | PhysicalType::Varbyte(_))
    }

    fn is_timed(self) -> bool {
        self.ty == PhysicalType::Date || self.is_zoned()
    }

    fn is_zoned(self) -> bool {
        matches!(self.ty, PhysicalType::Time | PhysicalType::Timestamp | PhysicalType::TimestampTz)
    }

    fn may_be(self, logical: LogicalType) -> bool {
        self.ty == PhysicalType::Super && self.logical.is_none_or(|own| own == logical)
    }
}

impl ValueRules {
    /// Reads the options; `path` is the column's.
    pub(super) fn read(
        path: &str,
        options: &Map<String, Value>,
        column: Typed,
        notes: &mut Notes,
    ) -> Result<Self, ContractError> {
        let path = format!("{path}.logicalTypeOptions");
        // Bounds are written in the column's format.
        let mut rules = Self { time_format: time_format(&path, options, column)?, ..Self::default() };
        for (name, value) in options {
            rules.option(&Place { path: format!("{path}.{name}"), column }, name, value, notes)?;
        }
        Ok(rules)
    }

    fn option(
        &mut self,
        place: &Place,
        name: &str,
        value: &Value,
        notes: &mut Notes,
    ) -> Result<(), ContractError> {
        let (path, column) = (&place.path, place.column);
        match name {
            "minLength" if column.is_text() => self.min_length = Some(whole(path, value)?),
            "maxLength" if column.is_text() => self.max_length = Some(whole(path, value)?),
            "pattern" if column.is_text() => {
                self.patterns.push((text(path, value)?.to_owned(), Severity::Error));
            }
            "minimum" => self.at_least(place.bound(self, value)?, Inclusive::Yes),
            "exclusiveMinimum" => self.at_least(place.bound(self, value)?, Inclusive::No),
            "maximum" => self.at_most(place.bound(self, value)?, Inclusive::Yes),
            "exclusiveMaximum" => self.at_most(place.bound(self, value)?, Inclusive::No),
            "multipleOf" if column.ty.is_number() => self.multiple_of = Some(multiple(path, value)?),
            "format" if column.is_timed() => {}
            "format" => self.format(place, text(path, value)?, notes)?,
            "timezone" | "defaultTimezone" if column.is_zoned() => zone(place, name, value, notes)?,
            _ => return self.nested(place, name, value, notes),
        }
        Ok(())
    }

    /// Options of arrays and objects, and what is no option of the column's type.
    fn nested(
        &mut self,
        place: &Place,
        name: &str,
        value: &Value,
        notes: &mut Notes,
    ) -> Result<(), ContractError> {
        let path = &place.path;
        let (array, object) = (LogicalType::Array, LogicalType::Object);
        match name {
            "minItems" if place.column.may_be(array) => self.min_items = Some(whole(path, value)?),
            "maxItems" if place.column.may_be(array) => self.max_items = Some(whole(path, value)?),
            "uniqueItems" if place.column.may_be(array) => {
                if flag(path, value)? {
                    notes.not_in_flight(path, "items are not compared with each other: ask the warehouse");
                }
            }
            "minProperties" if place.column.may_be(object) => self.min_properties = Some(whole(path, value)?),
            "maxProperties" if place.column.may_be(object) => self.max_properties = Some(whole(path, value)?),
            "required" if place.column.may_be(object) => self.required_properties = texts(path, value)?,
            "minLength" | "maxLength" | "pattern" => return Err(place.is_not_for("texts")),
            "multipleOf" => return Err(place.is_not_for("numbers")),
            "minItems" | "maxItems" | "uniqueItems" => return Err(place.is_not_for("arrays")),
            "minProperties" | "maxProperties" | "required" => return Err(place.is_not_for("objects")),
            "timezone" | "defaultTimezone" => return Err(place.is_not_for("timestamps")),
            _ => notes.not_in_flight(path, "is no option of the standard"),
        }
        Ok(())
    }

    fn at_least(&mut self, bound: Bound, inclusive: Inclusive) {
        tighten(&mut self.minimum, (bound, inclusive), Ordering::Greater);
    }

    fn at_most(&mut self, bound: Bound, inclusive: Inclusive) {
        tighten(&mut self.maximum, (bound, inclusive), Ordering::Less);
    }

    fn format(&mut self, place: &Place, name: &str, notes: &mut Notes) -> Result<(), ContractError> {
        let (path, column) = (&place.path, place.column);
        if column.ty.is_number() {
            match (integer_range(name), name) {
                (Some((least, most)), _) => {
                    self.at_least(Bound::Number(decimal(path, &least.into())?), Inclusive::Yes);
                    self.at_most(Bound::Number(decimal(path, &most.into())?), Inclusive::Yes);
                }
                (None, "f32" | "f64") => notes.not_in_flight(
                    path,
                    &format!("{name} says what a reader keeps a number in, {} what it may be", column.ty),
                ),
                _ => return Err(place.refuse("must be one of i8 to i128, u8 to u128, f32 and f64")),
            }
        } else if column.is_text() {
            self.format = TextFormat::of(name);
            if self.format.is_none() {
                let known =
                    "says nothing that a text could be held to: uuid, email, uri, hostname, ipv4 and ipv6 do";
                notes.not_in_flight(path, known);
            }
        } else {
            notes.not_in_flight(path, "is no option of the standard for this type");
        }
        Ok(())
    }

    /// Takes in what `quality` asks of single values.
    pub(super) fn add(&mut self, check: Check, severity: Severity) {
        match check {
            Check::Nulls => self.null_values = self.null_values.max(Some(severity)),
            Check::Missing { texts, null } => {
                self.missing_values.push(MissingValues { texts, null, severity });
            }
            Check::Invalid { valid_values, pattern } => {
                self.valid_values.extend(valid_values.map(|own| (own, severity)));
                self.patterns.extend(pattern.map(|own| (own, severity)));
            }
            // Not rules on one value.
            Check::Duplicates(_) | Check::Row(_) => {}
        }
    }
}

/// Where an option stands, and the column it is about.
struct Place {
    path: String,
    column: Typed,
}

impl Place {
    fn refuse(&self, reason: &str) -> ContractError {
        ContractError::at(&self.path, reason.to_owned())
    }

    fn is_not_for(&self, what: &str) -> ContractError {
        self.refuse(&format!("is for {what}, and the column is {}", self.column.ty))
    }

    fn bound(&self, rules: &ValueRules, value: &Value) -> Result<Bound, ContractError> {
        if self.column.ty.is_number() {
            return decimal(&self.path, value).map(Bound::Number);
        }
        if !self.column.is_timed() {
            return Err(self.refuse(&format!("a {} column has no order to be held to", self.column.ty)));
        }
        let text = scalar_text(value).ok_or_else(|| self.refuse("must be a text"))?;
        let iso = TimeFormat::iso(self.column.ty);
        let mut bound = String::new();
        rules.time_format.as_ref().unwrap_or(&iso).bound(&text, &mut bound).map_err(|_| {
            self.refuse(&format!("{text:?} is no {}, neither in ISO 8601 nor in its format", self.column.ty))
        })?;
        Ok(Bound::Time(bound))
    }
}

/// How dates and times are written; `None` for ISO 8601 in UTC.
fn time_format(
    path: &str,
    options: &Map<String, Value>,
    column: Typed,
) -> Result<Option<TimeFormat>, ContractError> {
    let read = |name: &str| {
        let path = format!("{path}.{name}");
        options.get(name).map(|value| text(&path, value).map(|own| (path.clone(), own))).transpose()
    };
    if !column.is_timed() {
        return Ok(None);
    }
    let format = match read("format")? {
        None => TimeFormat::iso(column.ty),
        Some((path, pattern)) => TimeFormat::compile(pattern, column.ty)
            .map_err(|reason| ContractError::at(&path, format!("{pattern:?} {reason}")))?,
    };
    let format = match read("defaultTimezone")?.filter(|_| column.ty == PhysicalType::TimestampTz) {
        None => format,
        Some((path, zone)) => {
            format.with_default_zone(zone).map_err(|reason| ContractError::at(&path, reason))?
        }
    };
    Ok((!format.is_plain_iso()).then_some(format))
}

/// The default zone is part of the format; here its place is checked.
fn zone(place: &Place, name: &str, value: &Value, notes: &mut Notes) -> Result<(), ContractError> {
    let keeps_zone = place.column.ty == PhysicalType::TimestampTz;
    match name {
        "timezone" if flag(&place.path, value)? && !keeps_zone => {
            Err(place.refuse(&format!("{} keeps no time zone: use timestamptz", place.column.ty)))
        }
        "defaultTimezone" if !keeps_zone => {
            text(&place.path, value)?;
            notes.not_enforced(&place.path, &format!("{} keeps no time zone", place.column.ty));
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Smallest and largest number of Rust's integer types, by which the standard names them.
fn integer_range(name: &str) -> Option<(String, String)> {
    let bits: u32 = name.get(1..)?.parse().ok().filter(|bits| matches!(bits, 8 | 16 | 32 | 64 | 128))?;
    match name.as_bytes().first()? {
        b'i' => Some(((i128::MIN >> (128 - bits)).to_string(), (i128::MAX >> (128 - bits)).to_string())),
        b'u' => Some(("0".into(), (u128::MAX >> (128 - bits)).to_string())),
        _ => None,
    }
}

/// Of an inclusive and an exclusive bound the one that allows less is kept.
fn tighten(kept: &mut Option<(Bound, Inclusive)>, new: (Bound, Inclusive), side: Ordering) {
    let is_tighter =
        kept.as_ref().is_none_or(|(old, _)| match old.compare(new.0.as_str()).map(Ordering::reverse) {
            Some(Ordering::Equal) => new.1 == Inclusive::No,
            order => order == Some(side),
        });
    if is_tighter {
        *kept = Some(new);
    }
}
