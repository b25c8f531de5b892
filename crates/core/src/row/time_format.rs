//! `logicalTypeOptions.format` of dates and times, compiled: patterns of the JDK's DateTimeFormatter, and epochs.
//! Gives the same canonical texts as `time`. Knows no columns, no clock and no time zone names.
//!
//! As the JDK reads them, with these differences, all of which refuse or take more and never read another value:
//! a day or hour that does not exist is refused (the JDK's default would take the last of the month, and 24:00);
//! names of months and days, AM and PM are taken in any case; a year has one to four digits and a lone `d`, `H` and
//! the like one or two. What a text leaves out at its end (seconds, minutes, the time of day) is zero.

mod pattern;
mod read;

use pattern::Step;
use read::{Field, Found};

use super::number::canonical_numeric;
use super::time::{self, Clock, Parsed, TimeFault};
use crate::contract::PhysicalType;

/// Farthest offset of a time zone, as the JDK has it.
const MAX_OFFSET_HOURS: i64 = 18;

/// How the texts of a column are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeFormat {
    name: String,
    form: Form,
    ty: PhysicalType,
    /// Seconds east of UTC of a text without an offset.
    default_offset: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// As `time` reads it.
    Iso,
    /// A number since 1970 whose one is so many microseconds.
    Epoch(i64),
    Pattern(Vec<Step>),
}

impl TimeFormat {
    /// Compiles a pattern for a column of a type; an error says what is wrong with the pattern, or what it lacks.
    pub fn compile(pattern: &str, ty: PhysicalType) -> Result<Self, String> {
        let epoch = match pattern {
            "epoch_seconds" => Some(1_000_000),
            "epoch_millis" => Some(1_000),
            "epoch_micros" => Some(1),
            _ => None,
        };
        let form = match (epoch, ty) {
            (Some(_), PhysicalType::Time) => {
                return Err(format!("{pattern} is a day and a time of day, {ty} keeps no day"));
            }
            (Some(unit), _) => Form::Epoch(unit),
            (None, _) if pattern.contains("unix") || pattern.contains("epoch") => {
                return Err(
                    "is no pattern: of epochs, epoch_seconds, epoch_millis and epoch_micros are known".into(),
                );
            }
            (None, _) => Form::Pattern(pattern::compile(pattern, ty)?),
        };
        Ok(Self { name: pattern.to_owned(), form, ty, default_offset: 0 })
    }

    /// The ISO form, for columns whose texts have another offset than UTC where they name none.
    pub fn iso(ty: PhysicalType) -> Self {
        Self { name: "ISO 8601".into(), form: Form::Iso, ty, default_offset: 0 }
    }

    /// Reads texts without an offset as that of `zone`, which is UTC or a fixed offset.
    pub fn with_default_zone(mut self, zone: &str) -> Result<Self, String> {
        self.default_offset = fixed_offset(zone).ok_or_else(|| {
            format!(
                "{zone:?} has rules that change: only UTC and fixed offsets such as +02:00 are known here"
            )
        })?;
        Ok(self)
    }

    /// Whether it is what `time` reads without a format.
    pub fn is_plain_iso(&self) -> bool {
        self.form == Form::Iso && self.default_offset == 0
    }

    /// What a value should look like, for a reject's reason.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Appends the canonical text of the column's type; `out` is as before on a fault.
    pub fn canonical(&self, text: &str, is_number: bool, out: &mut String) -> Result<(), TimeFault> {
        match &self.form {
            Form::Iso if is_number => Err(TimeFault::Invalid),
            Form::Iso => self.iso_text(text, out),
            Form::Epoch(unit) => self.epoch(text, *unit, out),
            Form::Pattern(steps) => self.put(&read::read(steps, text)?, out),
        }
    }

    /// Appends the canonical text of a bound: in the column's own format, in ISO 8601, or a day for its midnight.
    pub fn bound(&self, text: &str, out: &mut String) -> Result<(), TimeFault> {
        if self.canonical(text, false, out).is_ok() || self.iso_text(text, out).is_ok() {
            return Ok(());
        }
        match self.ty {
            PhysicalType::Timestamp | PhysicalType::TimestampTz => {
                self.iso_text(&format!("{text}T00:00:00"), out)
            }
            _ => Err(TimeFault::Invalid),
        }
    }

    fn iso_text(&self, text: &str, out: &mut String) -> Parsed<()> {
        match self.ty {
            PhysicalType::Date => time::canonical_date(text, out),
            PhysicalType::Time => time::canonical_time(text, out),
            PhysicalType::Timestamp => time::canonical_timestamp(text, out),
            _ => time::timestamptz_at(text, self.default_offset, out),
        }
    }

    fn epoch(&self, text: &str, unit: i64, out: &mut String) -> Parsed<()> {
        let (date, clock) = time::of_micros(micros(text, unit)?)?;
        match self.ty {
            PhysicalType::Date if clock != Clock::MIDNIGHT => return Err(TimeFault::Invalid),
            PhysicalType::Date => time::push_date(date, out),
            PhysicalType::Timestamp => time::push_timestamp(date, clock, out),
            _ => time::push_timestamptz(date, clock, 0, out)?,
        }
        Ok(())
    }

    fn put(&self, found: &Found, out: &mut String) -> Parsed<()> {
        match self.ty {
            PhysicalType::Date => {
                // A time of day other than midnight would be lost.
                match found.clock()? {
                    None | Some(Clock::MIDNIGHT) => time::push_date(found.date()?, out),
                    Some(_) => return Err(TimeFault::Invalid),
                }
            }
            PhysicalType::Time => time::push_time(found.clock()?.ok_or(TimeFault::Invalid)?, out),
            PhysicalType::Timestamp => {
                time::push_timestamp(found.date()?, found.clock()?.unwrap_or_default(), out);
            }
            _ => {
                let offset = found.get(Field::Offset).map_or(self.default_offset, read::offset_of);
                time::push_timestamptz(found.date()?, found.clock()?.unwrap_or_default(), offset, out)?;
            }
        }
        Ok(())
    }
}

/// A number as microseconds, exactly.
fn micros(text: &str, unit: i64) -> Parsed<i64> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let whole_len = digits.iter().position(|b| !b.is_ascii_digit()).unwrap_or(digits.len());
    let (whole, rest) = digits.split_at(whole_len);
    let part = match rest {
        [] => 0,
        [b'.', fraction @ ..] if !fraction.is_empty() && fraction.iter().all(u8::is_ascii_digit) => {
            fraction_of(fraction, unit)?
        }
        _ => return written_out(text, unit),
    };
    // Eighteen digits are beyond the year 9999 in every unit and below the largest number.
    if whole.is_empty() || whole.len() > 18 {
        return Err(TimeFault::Invalid);
    }
    let whole = whole.iter().fold(0_i64, |sum, b| sum * 10 + i64::from(b - b'0'));
    let sum = whole.checked_mul(unit).and_then(|sum| sum.checked_add(part)).ok_or(TimeFault::Invalid)?;
    Ok(if negative { -sum } else { sum })
}

/// Digits after the point of an epoch in microseconds; those that are finer must be zero.
fn fraction_of(digits: &[u8], unit: i64) -> Parsed<i64> {
    let (sum, _) = digits.iter().try_fold((0, unit), |(sum, unit), b| match (unit / 10, b - b'0') {
        (_, 0) => Ok((sum, unit / 10)),
        (0, _) => Err(TimeFault::TooManyDigits),
        (unit, digit) => Ok((sum + unit * i64::from(digit), unit)),
    })?;
    Ok(sum)
}

/// A JSON number with an exponent, such as 1.7e9: rare enough to be written out first.
fn written_out(text: &str, unit: i64) -> Parsed<i64> {
    if !text.bytes().any(|b| matches!(b, b'e' | b'E')) {
        return Err(TimeFault::Invalid);
    }
    let mut plain = String::new();
    canonical_numeric(text, 38, 9, &mut plain).map_err(|_| TimeFault::Invalid)?;
    micros(&plain, unit)
}

/// Seconds east of UTC of a zone whose offset never changes.
fn fixed_offset(zone: &str) -> Option<i64> {
    let zone = zone.trim();
    if ["UTC", "GMT", "Etc/UTC", "Etc/GMT", "Z"].iter().any(|own| zone.eq_ignore_ascii_case(own)) {
        return Some(0);
    }
    let offset = zone.strip_prefix("UTC").unwrap_or(zone);
    time::offset(offset.as_bytes()).ok().filter(|seconds| seconds.abs() <= MAX_OFFSET_HOURS * 3600)
}

#[cfg(test)]
mod tests;
