//! Values of typed formats as JSON text, exactly: what the check of a JSON record takes or refuses by name. Knows no
//! format and no column.

use std::fmt::Write as _;

use crate::row::time::canonical_from_days;

/// Steps of a second that a time is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    fn per_second(self) -> i64 {
        match self {
            Self::Millis => 1_000,
            Self::Micros => 1_000_000,
            Self::Nanos => 1_000_000_000,
        }
    }
}

const SECONDS_OF_DAY: i64 = 86_400;

/// Longest prefix of a text that shows it to be longer than `max`.
pub(super) fn cut(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max.saturating_add(4))).unwrap_or(text)
}

/// Shortens what is longer than `max`, so that it still is.
pub(super) fn shorten(out: &mut String, max: usize) {
    let end = out.floor_char_boundary(max.saturating_add(4));
    out.truncate(end);
}

pub(super) fn text(out: &mut String, text: &str) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= b' ' && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.push_str(text.get(from..at).unwrap_or_default());
        from = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            control => display(out, format_args!("\\u{control:04x}")),
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out.push('"');
}

/// Bytes as a text of hex digits; only as many as show that they are more than `max`.
pub(super) fn hex(out: &mut String, bytes: &[u8], max: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for byte in bytes.iter().take(max.saturating_add(4)) {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from(DIGITS.get(usize::from(digit)).copied().unwrap_or(b'0')));
        }
    }
    out.push('"');
}

pub(super) fn uuid(out: &mut String, bytes: &[u8; 16]) {
    let bits = format!("{:032x}", u128::from_be_bytes(*bytes));
    out.push('"');
    for (i, digit) in bits.chars().enumerate() {
        out.push_str(if matches!(i, 8 | 12 | 16 | 20) { "-" } else { "" });
        out.push(digit);
    }
    out.push('"');
}

/// Anything whose `Display` is JSON already.
pub(super) fn display(out: &mut String, value: impl std::fmt::Display) {
    // Writing to a String cannot fail.
    write!(out, "{value}").unwrap_or_default();
}

/// A float as the shortest digits that give it back; what JSON cannot write is a text.
pub(super) fn float(out: &mut String, value: impl Into<f64> + std::fmt::Debug + Copy) {
    let wide: f64 = value.into();
    if wide.is_finite() {
        display(out, format_args!("{value:?}"));
    } else if wide.is_nan() {
        out.push_str("\"NaN\"");
    } else {
        out.push_str(if wide > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" });
    }
}

/// An unscaled big-endian two's complement number of `scale` decimals.
pub(super) fn decimal(out: &mut String, bytes: &[u8], scale: u32) {
    const MAX_SCALE: u32 = 1_000;
    let sign = if bytes.first().is_some_and(|first| *first >= 0x80) { 0xff } else { 0 };
    let own = bytes.iter().position(|byte| *byte != sign).unwrap_or(bytes.len());
    let digits = bytes.get(own..).unwrap_or_default();
    let mut wide = [sign; 17];
    let Some(room) = wide.len().checked_sub(digits.len()).filter(|_| scale <= MAX_SCALE) else {
        return out.push_str("\"a decimal of more than 38 digits\"");
    };
    if let Some(own) = wide.get_mut(room..) {
        own.copy_from_slice(digits);
    }
    let (top, low) = (wide[0], wide.last_chunk::<16>().copied().unwrap_or_default());
    let value = i128::from_be_bytes(low);
    if top != (if value < 0 { 0xff } else { 0 }) {
        return out.push_str("\"a decimal of more than 38 digits\"");
    }
    scaled(out, value, scale);
}

/// A number of `scale` decimals.
pub(super) fn scaled(out: &mut String, value: i128, scale: u32) {
    if value < 0 {
        out.push('-');
    }
    let scale = scale as usize;
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    out.push_str(whole);
    if scale > 0 {
        out.push('.');
        out.push_str(fraction);
    }
}

/// Days since 1970-01-01 as a date; a year of other than four digits is told so that it is refused.
pub(super) fn date(out: &mut String, days: i64) {
    out.push('"');
    plain_date(out, days);
    out.push('"');
}

fn plain_date(out: &mut String, days: i64) {
    if canonical_from_days(days, out).is_err() {
        display(out, format_args!("day {days}, which has no year of four digits"));
    }
}

/// Time since 1970-01-01 as a timestamp, with Z where it is an instant.
pub(super) fn timestamp(out: &mut String, value: i64, unit: Unit, zone: &str) {
    let (seconds, fraction) = (value.div_euclid(unit.per_second()), value.rem_euclid(unit.per_second()));
    out.push('"');
    plain_date(out, seconds.div_euclid(SECONDS_OF_DAY));
    out.push('T');
    plain_time(out, seconds.rem_euclid(SECONDS_OF_DAY), fraction, unit);
    out.push_str(zone);
    out.push('"');
}

/// Days since 1970-01-01 and nanoseconds of the day as a timestamp without a zone.
#[cfg(feature = "parquet")]
pub(super) fn timestamp_of_day(out: &mut String, days: i64, nanos: i64) {
    let unit = Unit::Nanos;
    out.push('"');
    plain_date(out, days);
    out.push('T');
    plain_time(out, nanos / unit.per_second(), nanos % unit.per_second(), unit);
    out.push('"');
}

/// Time since midnight; what is no time of a day is written so that it is refused.
pub(super) fn time(out: &mut String, value: i64, unit: Unit) {
    out.push('"');
    if value < 0 {
        display(out, value);
    } else {
        plain_time(out, value / unit.per_second(), value % unit.per_second(), unit);
    }
    out.push('"');
}

fn plain_time(out: &mut String, seconds: i64, fraction: i64, unit: Unit) {
    display(out, format_args!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    match unit {
        _ if fraction == 0 => {}
        Unit::Millis => display(out, format_args!(".{fraction:03}")),
        Unit::Micros => display(out, format_args!(".{fraction:06}")),
        Unit::Nanos if fraction % 1_000 == 0 => display(out, format_args!(".{:06}", fraction / 1_000)),
        Unit::Nanos => display(out, format_args!(".{fraction:09}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut String)) -> String {
        let mut out = String::new();
        write(&mut out);
        out
    }

    #[test]
    fn decimals_are_exact_at_their_limits() {
        let max = i128::MAX.to_be_bytes();
        for (bytes, scale, expected) in [
            (&[][..], 2, "0.00"),
            (&[0x00], 0, "0"),
            (&[0xff], 2, "-0.01"),
            (&[0x80], 0, "-128"),
            (&[0x00, 0x80], 1, "12.8"),
            (&[0xff, 0xff, 0x85], 3, "-0.123"),
            (&max, 38, "1.70141183460469231731687303715884105727"),
            (&i128::MIN.to_be_bytes(), 0, "-170141183460469231731687303715884105728"),
        ] {
            assert_eq!(written(|out| decimal(out, bytes, scale)), expected, "{bytes:?}");
        }
        let wide = [&[0u8; 20][..], &[1, 0]].concat();
        assert_eq!(written(|out| decimal(out, &wide, 0)), "256");
        let wide = [&[1u8][..], &[0; 16]].concat();
        assert!(written(|out| decimal(out, &wide, 0)).starts_with('"'));
        let wide = [&[0u8, 0x80][..], &[0; 15]].concat();
        assert!(written(|out| decimal(out, &wide, 0)).starts_with('"'));
    }

    #[test]
    fn times_keep_their_digits_and_floats_give_themselves_back() {
        let at = |value, unit, zone| written(|out| timestamp(out, value, unit, zone));
        assert_eq!(at(0, Unit::Millis, "Z"), "\"1970-01-01T00:00:00Z\"");
        assert_eq!(at(-1, Unit::Micros, "Z"), "\"1969-12-31T23:59:59.999999Z\"");
        assert_eq!(at(951_782_400_123, Unit::Millis, ""), "\"2000-02-29T00:00:00.123\"");
        assert_eq!(at(1_000, Unit::Nanos, ""), "\"1970-01-01T00:00:00.000001\"");
        assert_eq!(at(1_001, Unit::Nanos, ""), "\"1970-01-01T00:00:00.000001001\"");
        for extreme in [i64::MIN, i64::MAX] {
            assert!(at(extreme, Unit::Millis, "Z").len() > 20);
            assert!(written(|out| date(out, extreme)).len() > 10);
        }
        assert_eq!(written(|out| date(out, -719_162)), "\"0001-01-01\"");
        assert_eq!(written(|out| date(out, 2_932_896)), "\"9999-12-31\"");
        assert_eq!(written(|out| time(out, 86_399_999_999, Unit::Micros)), "\"23:59:59.999999\"");
        assert_eq!(written(|out| float(out, 0.1f32)), "0.1");
        assert_eq!(written(|out| float(out, 1e300)), "1e300");
        assert_eq!(written(|out| float(out, f64::NAN)), "\"NaN\"");
        assert_eq!(written(|out| float(out, f32::NEG_INFINITY)), "\"-Infinity\"");
        assert_eq!(written(|out| text(out, "a\"\\\n\u{1}ä")), "\"a\\\"\\\\\\u000a\\u0001ä\"");
    }
}
