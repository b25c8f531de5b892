//! Dates and times as COPY reads them. `auto` takes ISO 8601 and its usual variants (`/` or nothing between the parts
//! of a date, `T` or a blank before the time, an offset behind it), not every notation that Redshift recognises.
//! Gives PostgreSQL's text; knows no columns.

use crate::sql::{TimeFormat, TimePart};

/// The days of the months in a common year.
const DAYS: [u32; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

#[derive(Debug, Default, Clone, Copy)]
struct Moment {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    /// Minutes east of UTC.
    offset: Option<i32>,
}

/// A date as `YYYY-MM-DD`; `None`: it is none.
pub fn date(text: &str, format: &TimeFormat) -> Option<String> {
    let moment = match format {
        TimeFormat::EpochSeconds | TimeFormat::EpochMilliseconds => return None,
        format => read(text.trim(), format)?,
    };
    Some(format!("{:04}-{:02}-{:02}", moment.year, moment.month, moment.day))
}

/// A timestamp in PostgreSQL's words; without an offset it is in UTC.
pub fn timestamp(text: &str, format: &TimeFormat) -> Option<String> {
    let text = text.trim();
    let per_second = match format {
        TimeFormat::EpochSeconds => 1,
        TimeFormat::EpochMilliseconds => 1_000,
        format => return Some(print(&read(text, format)?)),
    };
    let count: i64 = text.parse().ok()?;
    from_epoch_micros(count.checked_mul(1_000_000 / per_second)?)
}

/// A time of day, with an offset where it has one.
pub fn time(text: &str) -> Option<String> {
    let mut scan = Scan { rest: text.trim() };
    let mut moment = Moment::default();
    scan.clock(&mut moment)?;
    moment.offset = scan.offset()?;
    (scan.rest.is_empty() && is_clock(&moment)).then(|| print_clock(&moment))
}

/// Microseconds since 1970 as a timestamp in PostgreSQL's words.
pub fn from_epoch_micros(micros: i64) -> Option<String> {
    let (days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let date = from_epoch_days(days)?;
    Some(format!("{date} {:02}:{:02}:{:02}.{micros:06}", seconds / 3600, seconds / 60 % 60, seconds % 60))
}

/// Days since 1970 as `YYYY-MM-DD`; `None` before the year 1 and after 9999.
pub fn from_epoch_days(days: i64) -> Option<String> {
    // Counted from 0000-03-01, so that a leap day is the last of its year.
    let days = days.checked_add(719_468)?;
    let era = days.div_euclid(146_097);
    let in_era = days.rem_euclid(146_097);
    let year_in_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    let shifted = (5 * in_year + 2) / 153;
    let day = in_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_in_era + i64::from(month <= 2);
    (1..=9999).contains(&year).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn read(text: &str, format: &TimeFormat) -> Option<Moment> {
    let mut scan = Scan { rest: text };
    let moment = match format {
        TimeFormat::Pattern(parts) => scan.pattern(parts)?,
        TimeFormat::Auto => scan.iso(true)?,
        _ => scan.iso(false)?,
    };
    (scan.rest.is_empty() && is_date(&moment) && is_clock(&moment)).then_some(moment)
}

fn print(moment: &Moment) -> String {
    let Moment { year, month, day, .. } = *moment;
    format!("{year:04}-{month:02}-{day:02} {}", print_clock(moment))
}

fn print_clock(moment: &Moment) -> String {
    let Moment { hour, minute, second, micros, .. } = *moment;
    let offset = match moment.offset {
        Some(minutes) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
        }
        None => String::new(),
    };
    format!("{hour:02}:{minute:02}:{second:02}.{micros:06}{offset}")
}

fn is_date(moment: &Moment) -> bool {
    let Moment { year, month, day, .. } = *moment;
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let month_at = (month as usize).wrapping_sub(1);
    let last = DAYS.get(month_at).map(|days| if month == 2 && is_leap { days + 1 } else { *days });
    year > 0 && last.is_some_and(|last| (1..=last).contains(&day))
}

fn is_clock(moment: &Moment) -> bool {
    moment.hour < 24 && moment.minute < 60 && moment.second < 60
}

/// What is left of a text.
struct Scan<'a> {
    rest: &'a str,
}

impl Scan<'_> {
    fn iso(&mut self, is_lenient: bool) -> Option<Moment> {
        let mut moment = Moment { year: self.digits(4)?, ..Moment::default() };
        let separator = ['-', '/'].into_iter().find(|c| self.take(*c) && (is_lenient || *c == '-'));
        if separator.is_none() && !is_lenient {
            return None;
        }
        moment.month = self.digits(2)?;
        if let Some(separator) = separator
            && !self.take(separator)
        {
            return None;
        }
        moment.day = self.digits(2)?;
        if self.rest.is_empty() {
            return Some(moment);
        }
        if !(self.take(' ') || is_lenient && self.take('T')) {
            return None;
        }
        self.clock(&mut moment)?;
        moment.offset = self.offset()?;
        Some(moment)
    }

    fn pattern(&mut self, parts: &[TimePart]) -> Option<Moment> {
        let mut moment = Moment { month: 1, day: 1, ..Moment::default() };
        for part in parts {
            match part {
                TimePart::Year => moment.year = self.digits(4)?,
                TimePart::Month => moment.month = self.digits(2)?,
                TimePart::Day => moment.day = self.digits(2)?,
                TimePart::Hour => moment.hour = self.digits(2)?,
                TimePart::Minute => moment.minute = self.digits(2)?,
                TimePart::Second => {
                    moment.second = self.digits(2)?;
                    moment.micros = self.fraction()?;
                }
                TimePart::Offset => moment.offset = self.offset()?,
                TimePart::Literal(c) if self.take(*c) => {}
                TimePart::Literal(_) => return None,
            }
        }
        Some(moment)
    }

    /// `HH:MI`, `HH:MI:SS` or `HH:MI:SS.ffffff`.
    fn clock(&mut self, moment: &mut Moment) -> Option<()> {
        moment.hour = self.digits(2)?;
        if !self.take(':') {
            return None;
        }
        moment.minute = self.digits(2)?;
        if self.take(':') {
            moment.second = self.digits(2)?;
            moment.micros = self.fraction()?;
        }
        Some(())
    }

    /// Microseconds; more digits are no time.
    fn fraction(&mut self) -> Option<u32> {
        if !self.take('.') {
            return Some(0);
        }
        let digits = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > 6 {
            return None;
        }
        Some(self.digits(digits)? * 10u32.pow(6 - digits as u32))
    }

    /// Minutes; `Some(None)` where nothing is left.
    fn offset(&mut self) -> Option<Option<i32>> {
        if self.rest.is_empty() {
            return Some(None);
        }
        if self.take('Z') || self.take('z') {
            return Some(Some(0));
        }
        self.take(' ');
        let sign = if self.take('-') { -1 } else { i32::from(self.take('+')) };
        let hours = self.digits(2)? as i32;
        self.take(':');
        let minutes = if self.rest.is_empty() { 0 } else { self.digits(2)? as i32 };
        (sign != 0 && hours < 16 && minutes < 60).then_some(Some(sign * (hours * 60 + minutes)))
    }

    fn digits(&mut self, count: usize) -> Option<u32> {
        let digits = self.rest.get(..count).filter(|text| text.bytes().all(|b| b.is_ascii_digit()))?;
        self.rest = self.rest.get(count..)?;
        digits.parse().ok()
    }

    fn take(&mut self, c: char) -> bool {
        match self.rest.strip_prefix(c) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auto_takes_the_usual_notations_and_the_default_does_not() {
        for text in ["2024-02-29T01:02:03.5Z", "2024/02/29 01:02:03.500+00", "20240229 01:02:03.5+0000"] {
            assert_eq!(timestamp(text, &TimeFormat::Auto).unwrap(), "2024-02-29 01:02:03.500000+00:00");
            assert_eq!(timestamp(text, &TimeFormat::Default), None);
        }
        let plain = "2024-02-29 01:02:03";
        assert_eq!(timestamp(plain, &TimeFormat::Default).unwrap(), "2024-02-29 01:02:03.000000");
    }

    #[test]
    fn days_that_do_not_exist_are_no_dates() {
        for text in
            ["2023-02-29", "2024-13-01", "2024-00-01", "0000-01-01", "2024-1-1", "", "now", "infinity"]
        {
            assert_eq!(date(text, &TimeFormat::Auto), None, "{text}");
        }
        for text in ["2024-01-01 24:00:00", "2024-01-01 00:60:00", "2024-01-01 00:00:00.1234567"] {
            assert_eq!(timestamp(text, &TimeFormat::Auto), None, "{text}");
        }
    }

    #[test]
    fn the_epoch_counts_both_ways() {
        assert_eq!(from_epoch_days(0).unwrap(), "1970-01-01");
        assert_eq!(from_epoch_days(-1).unwrap(), "1969-12-31");
        assert_eq!(from_epoch_days(11_016).unwrap(), "2000-02-29");
        assert_eq!(timestamp("1709168523", &TimeFormat::EpochSeconds).unwrap(), "2024-02-29 01:02:03.000000");
    }
}
