//! A text read along the steps of a pattern, and the day and time of day that its fields make. Allocates nothing.

use super::pattern::{MONTHS, Step, WEEKDAYS};
use crate::row::time::{Clock, Date, Parsed, TimeFault, nanos};

/// What a step of a pattern finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Year,
    Month,
    Day,
    YearDay,
    Weekday,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    ClockHour,
    /// 0 to 11.
    HalfHour,
    /// 1 to 12.
    HalfClockHour,
    /// 0 for AM, 1 for PM.
    Half,
    Minute,
    Second,
    Nanos,
    /// Seconds east of UTC, shifted so that none is below zero.
    Offset,
}

const FIELDS: usize = Field::Offset as usize + 1;
const NONE: u32 = u32::MAX;
const OFFSET_SHIFT: i64 = 100_000;

pub(super) fn offset_of(field: u32) -> i64 {
    i64::from(field) - OFFSET_SHIFT
}

/// The fields of one text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found([u32; FIELDS]);

impl Found {
    pub fn get(&self, field: Field) -> Option<u32> {
        self.0.get(field as usize).copied().filter(|value| *value != NONE)
    }

    /// A field that stands twice in a text must say the same.
    fn set(&mut self, field: Field, value: u32) -> Parsed<()> {
        match self.0.get_mut(field as usize) {
            Some(kept) if *kept == NONE || *kept == value => *kept = value,
            _ => return Err(TimeFault::Invalid),
        }
        Ok(())
    }

    pub fn date(&self) -> Parsed<Date> {
        let year = self.get(Field::Year).ok_or(TimeFault::Invalid)?;
        let by_month = match (self.get(Field::Month), self.get(Field::Day)) {
            (Some(month), Some(day)) => Some(Date::new(year, month, day)?),
            _ => None,
        };
        let by_day = self.get(Field::YearDay).map(|day| Date::of_year(year, day)).transpose()?;
        let date = by_month.or(by_day).ok_or(TimeFault::Invalid)?;
        let agree = by_day.is_none_or(|own| own == date)
            && self.get(Field::Weekday).is_none_or(|day| i64::from(day) == (date.days() + 3).rem_euclid(7));
        if agree { Ok(date) } else { Err(TimeFault::Invalid) }
    }

    /// `None` when the text has no time of day at all.
    pub fn clock(&self) -> Parsed<Option<Clock>> {
        let (minute, second) = (self.get(Field::Minute), self.get(Field::Second));
        let nanos = self.get(Field::Nanos);
        // A finer part without the coarser one says no time.
        let gap = (minute.is_none() && second.is_some()) || (second.is_none() && nanos.is_some());
        match self.hour()? {
            _ if gap => Err(TimeFault::Invalid),
            Some(hour) => {
                Clock::new(hour, minute.unwrap_or(0), second.unwrap_or(0), nanos.unwrap_or(0)).map(Some)
            }
            None if minute.is_none() => Ok(None),
            None => Err(TimeFault::Invalid),
        }
    }

    fn hour(&self) -> Parsed<Option<u32>> {
        let up_to = |field, last| match self.get(field) {
            Some(value) if value <= last => Ok(Some(value)),
            Some(_) => Err(TimeFault::Invalid),
            None => Ok(None),
        };
        let from_one = |field, last| match up_to(field, last)? {
            Some(0) => Err(TimeFault::Invalid),
            other => Ok(other.map(|value| value % last)),
        };
        let half = self.get(Field::Half);
        let of_half = up_to(Field::HalfHour, 11)?.or(from_one(Field::HalfClockHour, 12)?);
        let whole = up_to(Field::Hour, 23)?.or(from_one(Field::ClockHour, 24)?);
        let hour = match (whole, half, of_half) {
            (Some(hour), _, _) => hour,
            (None, Some(half), Some(hour)) => half * 12 + hour,
            (None, None, None) => return Ok(None),
            _ => return Err(TimeFault::Invalid),
        };
        let agree = half.is_none_or(|half| half == hour / 12) && of_half.is_none_or(|own| own == hour % 12);
        if agree { Ok(Some(hour)) } else { Err(TimeFault::Invalid) }
    }
}

/// Reads a whole text.
pub(super) fn read(steps: &[Step], text: &str) -> Parsed<Found> {
    let mut found = Found([NONE; FIELDS]);
    match walk(steps, text.as_bytes(), &mut found)? {
        [] => Ok(found),
        _ => Err(TimeFault::Invalid),
    }
}

/// Reads the front of a text, and gives the rest.
fn walk<'t>(steps: &[Step], mut text: &'t [u8], found: &mut Found) -> Parsed<&'t [u8]> {
    for step in steps {
        text = match step {
            Step::Optional(inner) => {
                let before = *found;
                walk(inner, text, found).unwrap_or_else(|_| {
                    *found = before;
                    text
                })
            }
            step => take(step, text, found)?,
        };
    }
    Ok(text)
}

fn take<'t>(step: &Step, text: &'t [u8], found: &mut Found) -> Parsed<&'t [u8]> {
    match *step {
        Step::Literal(ref literal) => text.strip_prefix(literal.as_bytes()).ok_or(TimeFault::Invalid),
        Step::Number { field, min, max, after } => {
            let (digits, rest) = digits(text, min, max, after)?;
            found.set(field, value(digits))?;
            Ok(rest)
        }
        Step::TwoDigitYear => {
            let (digits, rest) = digits(text, 2, 2, 0)?;
            found.set(Field::Year, 2000 + value(digits))?;
            Ok(rest)
        }
        Step::Fraction(len) => {
            let (digits, rest) = digits(text, len, len, 0)?;
            found.set(Field::Nanos, nanos(digits)?)?;
            Ok(rest)
        }
        Step::Month { full } => name(&MONTHS, full, text, |at| found.set(Field::Month, at + 1)),
        Step::Weekday { full } => name(&WEEKDAYS, full, text, |at| found.set(Field::Weekday, at)),
        Step::Half => name(&["AM", "PM"], true, text, |at| found.set(Field::Half, at)),
        Step::Offset { zulu, colon, minutes, seconds } => {
            let (offset, rest) = offset(text, zulu, Marks { colon, minutes, seconds })?;
            found.set(Field::Offset, (offset + OFFSET_SHIFT) as u32)?;
            Ok(rest)
        }
        Step::Optional(_) => Err(TimeFault::Invalid),
    }
}

/// From `min` to `max` digits, leaving the last `after` ones of a run to the numbers that follow at once.
fn digits(text: &[u8], min: usize, max: usize, after: usize) -> Parsed<(&[u8], &[u8])> {
    let run = text.iter().take(max + after).take_while(|b| b.is_ascii_digit()).count();
    let len = run.saturating_sub(after).min(max);
    if len < min { Err(TimeFault::Invalid) } else { Ok(text.split_at(len)) }
}

fn value(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum, b| sum * 10 + u32::from(b - b'0'))
}

/// One of some names, in any case; its place goes to `set`.
fn name<'t>(
    names: &[&str],
    full: bool,
    text: &'t [u8],
    set: impl FnOnce(u32) -> Parsed<()>,
) -> Parsed<&'t [u8]> {
    let starts = |name: &&str| {
        let name = if full { name.as_bytes() } else { name.as_bytes().get(..3).unwrap_or_default() };
        text.split_at_checked(name.len())
            .and_then(|(front, rest)| front.eq_ignore_ascii_case(name).then_some(rest))
    };
    let found = names.iter().enumerate().find_map(|(at, name)| Some((at, starts(name)?)));
    let (at, rest) = found.ok_or(TimeFault::Invalid)?;
    set(at as u32)?;
    Ok(rest)
}

#[derive(Clone, Copy)]
struct Marks {
    colon: bool,
    minutes: bool,
    seconds: bool,
}

/// An offset at the front of a text in seconds, and the rest.
fn offset(text: &[u8], zulu: bool, marks: Marks) -> Parsed<(i64, &[u8])> {
    let (sign, rest) = text.split_first().ok_or(TimeFault::Invalid)?;
    let sign = match sign {
        b'Z' if zulu => return Ok((0, rest)),
        b'+' => 1,
        b'-' => -1,
        _ => return Err(TimeFault::Invalid),
    };
    let (hour, rest) = two(rest, false).ok_or(TimeFault::Invalid)?;
    let (minute, rest) = match (two(rest, marks.colon), marks.minutes) {
        (Some(found), _) => found,
        (None, false) => (0, rest),
        (None, true) => return Err(TimeFault::Invalid),
    };
    let (second, rest) = two(rest, marks.colon).filter(|_| marks.seconds).unwrap_or((0, rest));
    if hour > 23 || minute > 59 || second > 59 {
        return Err(TimeFault::Invalid);
    }
    Ok((sign * i64::from(hour * 3600 + minute * 60 + second), rest))
}

/// Two digits, after a colon where one is asked.
fn two(text: &[u8], colon: bool) -> Option<(u32, &[u8])> {
    let text = if colon { text.strip_prefix(b":")? } else { text };
    digits(text, 2, 2, 0).ok().map(|(digits, rest)| (value(digits), rest))
}
