//! Dates and times: ISO 8601 texts in, one canonical text out. No clock, no time zone names: only offsets.
//! Runs once a value, so texts are taken apart by their fixed layout and written as one piece.

use super::instant;

/// Why a text is no date or time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeFault {
    /// Not of the form, or a day or hour that does not exist.
    Invalid,
    /// Digits beyond the microsecond that are not zero: Redshift would drop them.
    TooManyDigits,
}

pub(super) type Parsed<T> = Result<T, TimeFault>;

const DAY_SECONDS: i64 = 86_400;
/// What a number of one to nine digits after the point is multiplied with to be nanoseconds.
const NANOS_OF: [u32; 9] = [100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// A day that exists, of the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    year: u32,
    month: u32,
    day: u32,
}

/// A time of day that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Clock {
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
}

fn number(digits: &[u8]) -> Parsed<u32> {
    digits.iter().try_fold(0, |sum, b| match b.wrapping_sub(b'0') {
        digit @ 0..=9 => Ok(sum * 10 + u32::from(digit)),
        _ => Err(TimeFault::Invalid),
    })
}

/// Two digits; what are none gives a number that is beyond every range, so that only ranges need to be asked.
fn pair(tens: u8, ones: u8) -> u32 {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    let beyond = u32::from(tens > 9 || ones > 9) << 16;
    beyond | (u32::from(tens) * 10 + u32::from(ones))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

impl Date {
    pub fn new(year: u32, month: u32, day: u32) -> Parsed<Self> {
        let exists = (1..=9999).contains(&year)
            && (1..=12).contains(&month)
            && day >= 1
            && (day <= 28 || day <= days_in(year, month));
        if exists { Ok(Self { year, month, day }) } else { Err(TimeFault::Invalid) }
    }

    /// The day of a 1-based number in its year.
    pub fn of_year(year: u32, day: u32) -> Parsed<Self> {
        match (1..=365 + u32::from(is_leap(year))).contains(&day) {
            true => Self::of_days(Self::new(year, 1, 1)?.days() + i64::from(day) - 1),
            false => Err(TimeFault::Invalid),
        }
    }

    /// The day of a number counted from 1970-01-01, in eras of 400 years that begin in March (H. Hinnant's algorithm).
    pub fn of_days(days: i64) -> Parsed<Self> {
        let shifted = days.checked_add(719_468).ok_or(TimeFault::Invalid)?;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        match u32::try_from(year) {
            Ok(year @ 1..=9999) => Ok(Self { year, month: month as u32, day: day as u32 }),
            _ => Err(TimeFault::Invalid),
        }
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
        let shifted_month = i64::from((self.month + 9) % 12);
        let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
    }

    fn read(text: &[u8; 10]) -> Parsed<Self> {
        match *text {
            [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] => {
                Self::new(pair(y1, y2) * 100 + pair(y3, y4), pair(m1, m2), pair(d1, d2))
            }
            _ => Err(TimeFault::Invalid),
        }
    }
}

impl Clock {
    pub const MIDNIGHT: Self = Self { hour: 0, minute: 0, second: 0, micros: 0 };

    pub fn new(hour: u32, minute: u32, second: u32, nanos: u32) -> Parsed<Self> {
        if hour > 23 || minute > 59 || second > 59 {
            return Err(TimeFault::Invalid);
        }
        match nanos.is_multiple_of(1000) {
            true => Ok(Self { hour, minute, second, micros: nanos / 1000 }),
            false => Err(TimeFault::TooManyDigits),
        }
    }

    /// Of a second of the day.
    fn of_seconds(seconds: u32, micros: u32) -> Self {
        Self { hour: seconds / 3600, minute: seconds / 60 % 60, second: seconds % 60, micros }
    }

    /// A time of day at the front of a text, and what comes after it.
    fn read(text: &[u8]) -> Parsed<(Self, &[u8])> {
        let (head, rest) = text.split_first_chunk::<8>().ok_or(TimeFault::Invalid)?;
        let [h1, h2, b':', m1, m2, b':', s1, s2] = *head else { return Err(TimeFault::Invalid) };
        let (nanos, rest) = match rest {
            [b'.', rest @ ..] => fraction(rest)?,
            rest => (0, rest),
        };
        Ok((Self::new(pair(h1, h2), pair(m1, m2), pair(s1, s2), nanos)?, rest))
    }
}

/// One to nine digits as nanoseconds, and what comes after them.
fn fraction(text: &[u8]) -> Parsed<(u32, &[u8])> {
    let len = text.iter().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(len);
    Ok((nanos(digits)?, rest))
}

/// Digits after the point as nanoseconds.
pub(super) fn nanos(digits: &[u8]) -> Parsed<u32> {
    let factor = digits.len().checked_sub(1).and_then(|at| NANOS_OF.get(at)).ok_or(TimeFault::Invalid)?;
    Ok(number(digits)? * factor)
}

/// `+HH`, `+HHMM` or `+HH:MM`, or `Z`, to the end of the text, in seconds east of UTC.
pub(super) fn offset(text: &[u8]) -> Parsed<i64> {
    let (sign, h1, h2, m1, m2) = match *text {
        [b'Z'] => return Ok(0),
        [sign @ (b'+' | b'-'), h1, h2] => (sign, h1, h2, b'0', b'0'),
        [sign @ (b'+' | b'-'), h1, h2, m1, m2] | [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            (sign, h1, h2, m1, m2)
        }
        _ => return Err(TimeFault::Invalid),
    };
    let (hour, minute) = (pair(h1, h2), pair(m1, m2));
    if hour > 23 || minute > 59 {
        return Err(TimeFault::Invalid);
    }
    let seconds = i64::from(hour * 3600 + minute * 60);
    Ok(if sign == b'-' { -seconds } else { seconds })
}

fn date_and_clock(text: &[u8]) -> Parsed<(Date, Clock, &[u8])> {
    let (date, rest) = text.split_first_chunk::<10>().ok_or(TimeFault::Invalid)?;
    let date = Date::read(date)?;
    let [b'T' | b' ', rest @ ..] = rest else { return Err(TimeFault::Invalid) };
    let (clock, rest) = Clock::read(rest)?;
    Ok((date, clock, rest))
}

/// The longest canonical text; the others are parts of it.
fn text(date: Date, clock: Clock) -> [u8; 29] {
    let mut text = *b"0000-00-00 00:00:00.000000+00";
    let mut put = |at: usize, two: u32| {
        text[at] = b'0' + (two / 10) as u8;
        text[at + 1] = b'0' + (two % 10) as u8;
    };
    put(0, date.year / 100);
    put(2, date.year % 100);
    put(5, date.month);
    put(8, date.day);
    put(11, clock.hour);
    put(14, clock.minute);
    put(17, clock.second);
    put(20, clock.micros / 10_000);
    put(22, clock.micros / 100 % 100);
    put(24, clock.micros % 100);
    text
}

fn push(text: &[u8], out: &mut String) {
    // Digits and marks only.
    out.push_str(str::from_utf8(text).unwrap_or_default());
}

/// Appends `YYYY-MM-DD`.
pub(super) fn push_date(date: Date, out: &mut String) {
    push(&text(date, Clock::MIDNIGHT)[..10], out);
}

/// Appends `HH:MM:SS.ffffff`.
pub(super) fn push_time(clock: Clock, out: &mut String) {
    const ANY_DAY: Date = Date { year: 1, month: 1, day: 1 };
    push(&text(ANY_DAY, clock)[11..26], out);
}

/// Appends `YYYY-MM-DD HH:MM:SS.ffffff`.
pub(super) fn push_timestamp(date: Date, clock: Clock, out: &mut String) {
    push(&text(date, clock)[..26], out);
}

/// Appends `YYYY-MM-DD HH:MM:SS.ffffff+00` of a time so many seconds east of UTC.
pub(super) fn push_timestamptz(date: Date, clock: Clock, offset: i64, out: &mut String) -> Parsed<()> {
    let (date, clock) = match offset {
        0 => (date, clock),
        _ => {
            let second = i64::from(clock.hour * 3600 + clock.minute * 60 + clock.second) - offset;
            let day = date.days() + second.div_euclid(DAY_SECONDS);
            (Date::of_days(day)?, Clock::of_seconds(second.rem_euclid(DAY_SECONDS) as u32, clock.micros))
        }
    };
    push(&text(date, clock), out);
    Ok(())
}

/// Day and time of day of so many microseconds since 1970, in UTC.
pub(super) fn of_micros(micros: i64) -> Parsed<(Date, Clock)> {
    const DAY_MICROS: i64 = DAY_SECONDS * 1_000_000;
    let rest = micros.rem_euclid(DAY_MICROS);
    let clock = Clock::of_seconds((rest / 1_000_000) as u32, (rest % 1_000_000) as u32);
    Ok((Date::of_days(micros.div_euclid(DAY_MICROS))?, clock))
}

/// `YYYY-MM-DD`.
pub fn canonical_date(text: &str, out: &mut String) -> Parsed<()> {
    Date::read(text.as_bytes().try_into().map_err(|_| TimeFault::Invalid)?)?;
    // The one form that is taken is the canonical one.
    out.push_str(text);
    Ok(())
}

/// `HH:MM:SS.ffffff`.
pub fn canonical_time(text: &str, out: &mut String) -> Parsed<()> {
    match Clock::read(text.as_bytes())? {
        (clock, []) => push_time(clock, out),
        _ => return Err(TimeFault::Invalid),
    }
    Ok(())
}

/// `YYYY-MM-DD HH:MM:SS.ffffff`; an offset is refused, because dropping it would change the value.
pub fn canonical_timestamp(text: &str, out: &mut String) -> Parsed<()> {
    match date_and_clock(text.as_bytes())? {
        (date, clock, []) => push_timestamp(date, clock, out),
        _ => return Err(TimeFault::Invalid),
    }
    Ok(())
}

/// `YYYY-MM-DD HH:MM:SS.ffffff+00`, converted to UTC; without an offset the text is UTC (the standard's default).
pub fn canonical_timestamptz(text: &str, out: &mut String) -> Parsed<()> {
    timestamptz_at(text, 0, out)
}

/// The same; without an offset the text is so many seconds east of UTC.
pub(super) fn timestamptz_at(text: &str, default_offset: i64, out: &mut String) -> Parsed<()> {
    if instant::push(text, out) { Ok(()) } else { spelled_timestamptz(text, default_offset, out) }
}

/// The same for every spelling.
pub(super) fn spelled_timestamptz(text: &str, default_offset: i64, out: &mut String) -> Parsed<()> {
    let (date, clock, rest) = date_and_clock(text.as_bytes())?;
    let offset = if rest.is_empty() { default_offset } else { offset(rest)? };
    push_timestamptz(date, clock, offset, out)
}

/// An instant in ms since 1970; without an offset it is UTC. `None` for what is none, or before 1970.
pub fn ms_of_instant(text: &str) -> Option<u64> {
    let (date, clock, rest) = date_and_clock(text.as_bytes()).ok()?;
    let offset = if rest.is_empty() { 0 } else { offset(rest).ok()? };
    let second = i64::from(clock.hour * 3600 + clock.minute * 60 + clock.second) - offset;
    let ms = (date.days() * DAY_SECONDS + second) * 1_000 + i64::from(clock.micros / 1_000);
    u64::try_from(ms).ok()
}

/// Appends the canonical date of a number of days since 1970-01-01 (Avro and Parquet write dates so).
#[cfg(any(feature = "avro", feature = "parquet"))]
pub(crate) fn canonical_from_days(days: i64, out: &mut String) -> Parsed<()> {
    Date::of_days(days).map(|date| push_date(date, out))
}

/// Days since 1970-01-01 of a canonical date.
#[cfg(feature = "parquet")]
pub(crate) fn days_of(text: &str) -> Option<i64> {
    let text = text.as_bytes().try_into().ok()?;
    Date::read(text).ok().map(Date::days)
}

/// Microseconds since midnight of a canonical time.
#[cfg(feature = "parquet")]
pub(crate) fn day_micros_of(text: &str) -> Option<i64> {
    canonical_clock(text.as_bytes().try_into().ok()?)
}

/// Microseconds since 1970 of a canonical timestamp, or timestamptz.
#[cfg(feature = "parquet")]
pub(crate) fn micros_of(text: &str) -> Option<i64> {
    let (date, rest) = text.as_bytes().split_first_chunk::<10>()?;
    let (clock, zone) = rest.strip_prefix(b" ")?.split_first_chunk::<15>()?;
    let days = Date::read(date).ok()?.days();
    let micros = canonical_clock(clock)?;
    matches!(zone, b"" | b"+00").then(|| days * DAY_SECONDS * 1_000_000 + micros)
}

#[cfg(feature = "parquet")]
fn canonical_clock(text: &[u8; 15]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2, b'.', f1, f2, f3, f4, f5, f6] = *text else { return None };
    let micros = [pair(f1, f2), pair(f3, f4), pair(f5, f6)];
    let [high, middle, low] = micros.iter().all(|two| *two < 100).then_some(micros)?;
    let clock = Clock::new(pair(h1, h2), pair(m1, m2), pair(s1, s2), 0).ok()?;
    let seconds = i64::from(clock.hour * 3600 + clock.minute * 60 + clock.second);
    Some(seconds * 1_000_000 + i64::from(high * 10_000 + middle * 100 + low))
}

/// The UTC day of a time in ms since 1970, as `YYYY-MM-DD`; beyond the year 9999 it stays there.
pub fn utc_day(ms: u64) -> String {
    let mut day = canonical_from_ms(ms);
    day.truncate("YYYY-MM-DD".len());
    day
}

/// The canonical timestamptz of a time in ms since 1970; beyond the year 9999 it stays there.
pub fn canonical_from_ms(ms: u64) -> String {
    const LAST: (Date, Clock) = (Date { year: 9999, month: 12, day: 31 }, Clock::MIDNIGHT);
    let micros = i64::try_from(ms).ok().and_then(|ms| ms.checked_mul(1000));
    let (date, clock) = micros.and_then(|micros| of_micros(micros).ok()).unwrap_or(LAST);
    let mut out = String::with_capacity(32);
    push(&text(date, clock), &mut out);
    out
}

#[cfg(test)]
#[path = "time_tests.rs"]
mod tests;
