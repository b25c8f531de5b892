//! Dates and times: ISO 8601 texts in, one canonical text out. No clock, no time zone names: only offsets.

/// Why a text is no date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFault {
    /// Not of the form, or a day or hour that does not exist.
    Invalid,
    /// Digits beyond the microsecond that are not zero: Redshift would drop them.
    TooManyDigits,
}

type Parsed<T> = Result<T, TimeFault>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Date {
    year: i64,
    month: u32,
    day: u32,
}

#[derive(Debug, Clone, Copy)]
struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
}

/// Reads digits and marks from the front of a text.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn number(&mut self, digits: usize) -> Parsed<u32> {
        let (own, rest) = self.0.split_at_checked(digits).ok_or(TimeFault::Invalid)?;
        self.0 = rest;
        own.iter().try_fold(0, |sum, b| match b.is_ascii_digit() {
            true => Ok(sum * 10 + u32::from(b - b'0')),
            false => Err(TimeFault::Invalid),
        })
    }

    fn mark(&mut self, marks: &[u8]) -> Parsed<()> {
        self.take(marks).map(|_| ()).ok_or(TimeFault::Invalid)
    }

    fn take(&mut self, marks: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        marks.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    fn end(&self) -> Parsed<()> {
        if self.0.is_empty() { Ok(()) } else { Err(TimeFault::Invalid) }
    }

    fn date(&mut self) -> Parsed<Date> {
        let year = i64::from(self.number(4)?);
        self.mark(b"-")?;
        let month = self.number(2)?;
        self.mark(b"-")?;
        let day = self.number(2)?;
        match (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
        {
            true => Ok(Date { year, month, day }),
            false => Err(TimeFault::Invalid),
        }
    }

    fn clock(&mut self) -> Parsed<Clock> {
        let hour = self.number(2)?;
        self.mark(b":")?;
        let minute = self.number(2)?;
        self.mark(b":")?;
        let second = self.number(2)?;
        if hour > 23 || minute > 59 || second > 59 {
            return Err(TimeFault::Invalid);
        }
        Ok(Clock { hour, minute, second, micros: self.fraction()? })
    }

    /// Up to nine digits after the point; those beyond the sixth must be zero.
    fn fraction(&mut self) -> Parsed<u32> {
        if self.take(b".").is_none() {
            return Ok(0);
        }
        let len = self.0.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&len) {
            return Err(TimeFault::Invalid);
        }
        let value = self.number(len)? * 10u32.pow(9 - len as u32);
        if value.is_multiple_of(1000) { Ok(value / 1000) } else { Err(TimeFault::TooManyDigits) }
    }

    /// Seconds east of UTC; `None` when the text has no offset.
    fn offset(&mut self) -> Parsed<Option<i64>> {
        let Some(sign) = self.take(b"Z+-") else { return Ok(None) };
        if sign == b'Z' {
            return Ok(Some(0));
        }
        let hour = self.number(2)?;
        let minute = match self.0 {
            [] => 0,
            _ => {
                self.take(b":");
                self.number(2)?
            }
        };
        if hour > 23 || minute > 59 {
            return Err(TimeFault::Invalid);
        }
        let seconds = i64::from(hour * 3600 + minute * 60);
        Ok(Some(if sign == b'-' { -seconds } else { seconds }))
    }
}

fn days_in(year: i64, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

impl Date {
    fn first_of_next_month(self) -> Self {
        match self.month {
            12 => Self { year: self.year + 1, month: 1, day: 1 },
            month => Self { month: month + 1, day: 1, ..self },
        }
    }

    fn next(self) -> Self {
        match self.day == days_in(self.year, self.month) {
            true => self.first_of_next_month(),
            false => Self { day: self.day + 1, ..self },
        }
    }

    fn previous(self) -> Self {
        match (self.month, self.day) {
            (1, 1) => Self { year: self.year - 1, month: 12, day: 31 },
            (month, 1) => Self { month: month - 1, day: days_in(self.year, month - 1), ..self },
            _ => Self { day: self.day - 1, ..self },
        }
    }

    fn write(self, out: &mut String) {
        push_digits(self.year as u32, 4, out);
        out.push('-');
        push_digits(self.month, 2, out);
        out.push('-');
        push_digits(self.day, 2, out);
    }
}

impl Clock {
    fn write(self, out: &mut String) {
        push_digits(self.hour, 2, out);
        out.push(':');
        push_digits(self.minute, 2, out);
        out.push(':');
        push_digits(self.second, 2, out);
        out.push('.');
        push_digits(self.micros, 6, out);
    }
}

fn push_digits(value: u32, digits: u32, out: &mut String) {
    out.extend((0..digits).rev().map(|at| char::from(b'0' + (value / 10u32.pow(at) % 10) as u8)));
}

/// `YYYY-MM-DD`.
pub fn canonical_date(text: &str, out: &mut String) -> Parsed<()> {
    let mut cursor = Cursor(text.as_bytes());
    let date = cursor.date()?;
    cursor.end()?;
    date.write(out);
    Ok(())
}

/// `HH:MM:SS.ffffff`.
pub fn canonical_time(text: &str, out: &mut String) -> Parsed<()> {
    let mut cursor = Cursor(text.as_bytes());
    let clock = cursor.clock()?;
    cursor.end()?;
    clock.write(out);
    Ok(())
}

/// `YYYY-MM-DD HH:MM:SS.ffffff`; an offset is refused, because dropping it would change the value.
pub fn canonical_timestamp(text: &str, out: &mut String) -> Parsed<()> {
    let mut cursor = Cursor(text.as_bytes());
    let (date, clock) = date_and_clock(&mut cursor)?;
    cursor.end()?;
    date.write(out);
    out.push(' ');
    clock.write(out);
    Ok(())
}

/// `YYYY-MM-DD HH:MM:SS.ffffff+00`, converted to UTC; without an offset the text is UTC (the standard's default).
pub fn canonical_timestamptz(text: &str, out: &mut String) -> Parsed<()> {
    let mut cursor = Cursor(text.as_bytes());
    let (date, clock) = date_and_clock(&mut cursor)?;
    let offset = cursor.offset()?.unwrap_or(0);
    cursor.end()?;
    let seconds = i64::from(clock.hour * 3600 + clock.minute * 60 + clock.second) - offset;
    let date = match seconds.div_euclid(86_400) {
        0 => date,
        days if days > 0 => date.next(),
        _ => date.previous(),
    };
    if !(1..=9999).contains(&date.year) {
        return Err(TimeFault::Invalid);
    }
    let seconds = seconds.rem_euclid(86_400) as u32;
    let clock = Clock { hour: seconds / 3600, minute: seconds / 60 % 60, second: seconds % 60, ..clock };
    date.write(out);
    out.push(' ');
    clock.write(out);
    out.push_str("+00");
    Ok(())
}

/// The canonical timestamptz of a time in ms since 1970; beyond the year 9999 it stays there.
pub fn canonical_from_ms(ms: u64) -> String {
    const LAST_DAY: u64 = 2_932_896; // 9999-12-31
    let (days, rest) = ((ms / 86_400_000).min(LAST_DAY), ms % 86_400_000);
    // Civil date of a day number, counted in eras of 400 years that begin in March (H. Hinnant's algorithm).
    let shifted = days as i64 + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    let seconds = (rest / 1000) as u32;
    let clock = Clock {
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        micros: (rest % 1000) as u32 * 1000,
    };
    let mut out = String::with_capacity(32);
    Date { year, month, day }.write(&mut out);
    out.push(' ');
    clock.write(&mut out);
    out.push_str("+00");
    out
}

fn date_and_clock(cursor: &mut Cursor<'_>) -> Parsed<(Date, Clock)> {
    let date = cursor.date()?;
    cursor.mark(b"T ")?;
    Ok((date, cursor.clock()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tz(text: &str) -> Parsed<String> {
        let mut out = String::new();
        canonical_timestamptz(text, &mut out).map(|()| out)
    }

    #[test]
    fn offsets_carry_over_days_months_and_years() {
        for (text, want) in [
            ("2026-01-01T00:30:00+01:00", "2025-12-31 23:30:00.000000+00"),
            ("2024-02-28T23:30:00-0100", "2024-02-29 00:30:00.000000+00"),
            ("2023-12-31 23:59:59.5-14", "2024-01-01 13:59:59.500000+00"),
            ("2026-05-01T10:00:00.123456000Z", "2026-05-01 10:00:00.123456+00"),
            ("2026-05-01T10:00:00", "2026-05-01 10:00:00.000000+00"),
        ] {
            assert_eq!(tz(text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn days_and_hours_that_do_not_exist_are_refused() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T23:59:60Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "2026-01-01",
            "2026-01-01T10:00Z",
            "20260101T000000Z",
            "2026-01-01T00:00:00+",
            "2026-01-01T00:00:00+1",
            "2026-01-01T00:00:00.Z",
            "",
            "2026-01-01T00:00:00Zx",
        ] {
            assert_eq!(tz(text), Err(TimeFault::Invalid), "{text}");
        }
        assert_eq!(tz("2026-01-01T00:00:00.0000001Z"), Err(TimeFault::TooManyDigits));
    }

    #[test]
    fn milliseconds_become_the_utc_time() {
        for (ms, want) in [
            (0, "1970-01-01 00:00:00.000000+00"),
            (951_782_400_123, "2000-02-29 00:00:00.123000+00"),
            (1_763_694_896_789, "2025-11-21 03:14:56.789000+00"),
            (4_107_542_399_999, "2100-02-28 23:59:59.999000+00"),
        ] {
            assert_eq!(canonical_from_ms(ms), want);
        }
    }

    #[test]
    fn a_plain_timestamp_takes_no_offset() {
        assert_eq!(canonical_timestamp("2026-01-01T00:00:00Z", &mut String::new()), Err(TimeFault::Invalid));
        let mut out = String::new();
        assert_eq!(canonical_timestamp("2026-01-01T00:00:00", &mut out), Ok(()));
        assert_eq!(out, "2026-01-01 00:00:00.000000");
    }
}
