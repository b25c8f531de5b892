//! Numbers and times at the limits of their types: the exact value, or the rule that refuses it. What a property
//! expects is reckoned here with whole numbers, never by the code under test.

use std::fmt::Write as _;

use penstock_core::reject::Rule;
use proptest::prelude::*;

use crate::datasets::json;
use crate::rig::{cases, whole};

/// The text that a value becomes in a column of the type.
fn becomes(column: &str, value: &str) -> Result<String, Rule> {
    let outcome = whole(&json(&[&format!("name: v, {column}")]), format!("{{\"v\":{value}}}\n"));
    match outcome.rows.get(0) {
        Some(row) => Ok(row.get(0).unwrap_or("NULL").to_owned()),
        None => Err(outcome.rules()[0]),
    }
}

fn check(cases: &[(&str, &str, Result<&str, Rule>)]) {
    for (ty, value, wanted) in cases {
        let own = becomes(&format!("physicalType: '{ty}'"), value);
        assert_eq!(own.as_deref().map_err(|rule| *rule), *wanted, "{value} as {ty}");
    }
}

#[test]
fn whole_numbers_end_where_their_type_ends() {
    check(&[
        ("bigint", "9223372036854775807", Ok("9223372036854775807")),
        ("bigint", "-9223372036854775808", Ok("-9223372036854775808")),
        ("bigint", "9223372036854775808", Err(Rule::OutOfRange)),
        ("bigint", "-9223372036854775809", Err(Rule::OutOfRange)),
        ("bigint", "9007199254740993", Ok("9007199254740993")),
        ("bigint", "9.007199254740993e15", Ok("9007199254740993")),
        ("bigint", "9223372036854775807.0", Ok("9223372036854775807")),
        ("bigint", "1.5", Err(Rule::TooManyDigits)),
        ("bigint", "-0", Ok("0")),
        ("bigint", "-0.0e9", Ok("0")),
        ("bigint", "1e400", Err(Rule::OutOfRange)),
        ("bigint", "\"+007\"", Ok("7")),
        ("bigint", "\"\"", Err(Rule::NotANumber)),
        ("bigint", "\"1_000\"", Err(Rule::NotANumber)),
        ("bigint", "\"1,000\"", Err(Rule::NotANumber)),
        ("bigint", "\" 1\"", Err(Rule::NotANumber)),
        ("bigint", "\"٣\"", Err(Rule::NotANumber)),
        ("bigint", "true", Err(Rule::WrongType)),
        ("integer", "2147483647", Ok("2147483647")),
        ("integer", "-2147483649", Err(Rule::OutOfRange)),
        ("smallint", "-32768", Ok("-32768")),
        ("smallint", "32768", Err(Rule::OutOfRange)),
    ]);
}

#[test]
fn decimals_and_floats_are_exact_or_refused() {
    let nines = "9".repeat(38);
    let fine = format!("9.{}", "9".repeat(37));
    let tiny = format!("0.{}1", "0".repeat(36));
    let over = format!("1{}", "0".repeat(38));
    check(&[
        ("numeric(38,0)", &nines, Ok(&nines)),
        ("numeric(38,0)", &format!("-{nines}"), Ok(&format!("-{nines}"))),
        ("numeric(38,0)", &over, Err(Rule::TooManyDigits)),
        ("numeric(38,0)", "1e38", Err(Rule::TooManyDigits)),
        ("numeric(38,0)", "1e37", Ok(&format!("1{}", "0".repeat(37)))),
        ("numeric(38,37)", &fine, Ok(&fine)),
        ("numeric(38,37)", "1e-37", Ok(&tiny)),
        ("numeric(38,37)", "1e-38", Err(Rule::TooManyDigits)),
        ("numeric(38,37)", "10", Err(Rule::TooManyDigits)),
        ("numeric(18,2)", "-0.00", Ok("0.00")),
        ("numeric(18,2)", "-0.001", Err(Rule::TooManyDigits)),
        ("numeric(18,2)", "1.10000000000000000000000000000000000000000", Ok("1.10")),
        ("numeric(18,2)", "1e400", Err(Rule::TooManyDigits)),
        ("numeric(18,2)", "0e999999999999999999999999", Ok("0.00")),
        ("numeric(18,2)", "1e-999999999999999999999999", Err(Rule::TooManyDigits)),
        ("numeric(18,2)", "9007199254740993.01", Ok("9007199254740993.01")),
        ("numeric(18,2)", "\"NaN\"", Err(Rule::NotANumber)),
        ("numeric(18,2)", "NaN", Err(Rule::InvalidJson)),
        ("double precision", "1e400", Err(Rule::OutOfRange)),
        ("double precision", "1e-400", Ok("0.0")),
        ("double precision", "-0", Ok("0.0")),
        ("double precision", "1.7976931348623157e308", Ok("1.7976931348623157e308")),
        ("double precision", "5e-324", Ok("5e-324")),
        ("double precision", "\"inf\"", Err(Rule::NotANumber)),
        ("real", "3.4028235e38", Ok("3.4028235e38")),
        ("real", "3.5e38", Err(Rule::OutOfRange)),
    ]);
}

#[test]
fn times_are_exact_from_the_year_one_to_the_year_9999() {
    check(&[
        ("date", "\"0001-01-01\"", Ok("0001-01-01")),
        ("date", "\"9999-12-31\"", Ok("9999-12-31")),
        ("date", "\"0000-12-31\"", Err(Rule::InvalidDate)),
        ("date", "\"10000-01-01\"", Err(Rule::InvalidDate)),
        ("date", "\"1900-02-29\"", Err(Rule::InvalidDate)),
        ("date", "\"2000-02-29\"", Ok("2000-02-29")),
        ("date", "\"2026-1-2\"", Err(Rule::InvalidDate)),
        ("date", "20260102", Err(Rule::WrongType)),
        ("timestamp", "\"0001-01-01T00:00:00\"", Ok("0001-01-01 00:00:00.000000")),
        ("timestamp", "\"9999-12-31 23:59:59.999999000\"", Ok("9999-12-31 23:59:59.999999")),
        ("timestamp", "\"9999-12-31 23:59:59.9999999\"", Err(Rule::TooManyDigits)),
        ("timestamp", "\"2026-01-02T03:04:05Z\"", Err(Rule::InvalidTimestamp)),
        ("timestamp", "\"2026-01-02T24:00:00\"", Err(Rule::InvalidTimestamp)),
        ("timestamp", "\"2026-12-31T23:59:60\"", Err(Rule::InvalidTimestamp)),
        ("timestamptz", "\"0001-01-01T00:00:00Z\"", Ok("0001-01-01 00:00:00.000000+00")),
        ("timestamptz", "\"0001-01-01T00:00:00+00:01\"", Err(Rule::InvalidTimestamp)),
        ("timestamptz", "\"9999-12-31T23:59:59-00:01\"", Err(Rule::InvalidTimestamp)),
        ("timestamptz", "\"0001-01-01T23:59:59+23:59\"", Ok("0001-01-01 00:00:59.000000+00")),
        ("timestamptz", "\"2026-03-01T00:30:00.000001+01\"", Ok("2026-02-28 23:30:00.000001+00")),
        ("timestamptz", "\"2026-01-02T03:04:05\"", Ok("2026-01-02 03:04:05.000000+00")),
        ("timestamptz", "\"2026-01-02T03:04:05+24:00\"", Err(Rule::InvalidTimestamp)),
        ("time", "\"23:59:59.999999\"", Ok("23:59:59.999999")),
        ("time", "\"24:00:00\"", Err(Rule::InvalidTime)),
    ]);
}

/// `digits` as a decimal number with `scale` digits behind the point.
fn decimal(digits: i128, scale: usize) -> String {
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    let sign = if digits < 0 { "-" } else { "" };
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// The canonical text of a time so many microseconds after the year 1 began, in UTC.
fn instant(micros: i64) -> String {
    let (mut days, rest) = (micros.div_euclid(86_400_000_000), micros.rem_euclid(86_400_000_000));
    let is_leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let mut year = 1;
    while days >= 365 + i64::from(is_leap(year)) {
        days -= 365 + i64::from(is_leap(year));
        year += 1;
    }
    let months = [31, 28 + i64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    let (second, micros) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{:02}-{:02} {hour:02}:{minute:02}:{second:02}.{micros:06}", month + 1, days + 1)
}

const LAST: i64 = 315_537_897_599_999_999;
const EPOCH: i64 = 62_135_596_800_000_000;

proptest! {
    #![proptest_config(cases(400))]
    #[test]
    fn a_decimal_is_the_same_however_it_is_written(
        digits in -(10_i128.pow(38) - 1)..10_i128.pow(38), few in any::<bool>(), scale in 0usize..38, shift in -60i32..60,
        zeros in 0usize..50, quoted in any::<bool>(),
    ) {
        let digits = if few { digits % 1_000 } else { digits };
        let wanted = decimal(digits, scale);
        let exponent = -(scale as i32) - shift;
        let moved = match shift {
            // JSON's numbers begin with one zero at most.
            _ if digits == 0 => "0".to_owned(),
            0.. => format!("{digits}{}", "0".repeat(shift as usize)),
            _ => decimal(digits, shift.unsigned_abs() as usize),
        };
        let tail = if moved.contains('.') { "0".repeat(zeros) } else { String::new() };
        let mut text = format!("{moved}{tail}e{exponent}");
        if quoted {
            text = format!("\"{text}\"");
        }
        let ty = format!("physicalType: 'numeric(38,{scale})'");
        prop_assert_eq!(becomes(&ty, &text), Ok(wanted.clone()), "{}", text);
        prop_assert_eq!(becomes(&ty, &wanted), Ok(wanted.clone()));
    }

    #[test]
    fn a_time_is_the_same_instant_at_every_offset_and_as_an_epoch(
        micros in 0..=LAST, near in 0..200_000_000_000i64, edge in 0u8..3, minutes in -1439i64..1440,
    ) {
        let micros = match edge { 0 => near, 1 => LAST - near, _ => micros };
        let wanted = Ok(format!("{}+00", instant(micros)));
        let local = micros + minutes * 60_000_000;
        if (0..=LAST).contains(&local) {
            let mut text = format!("\"{}", instant(local).replace(' ', "T"));
            let sign = if minutes < 0 { '-' } else { '+' };
            write!(text, "{sign}{:02}:{:02}\"", minutes.abs() / 60, minutes.abs() % 60).unwrap();
            prop_assert_eq!(becomes("physicalType: timestamptz", &text), wanted.clone(), "{}", text);
        }
        let epoch = (micros - EPOCH).to_string();
        let column = "physicalType: timestamptz, logicalTypeOptions: {format: epoch_micros}";
        prop_assert_eq!(becomes(column, &epoch), wanted.clone(), "{}", epoch);
        let column = "physicalType: timestamptz, logicalTypeOptions: {format: epoch_seconds}";
        let seconds = decimal(i128::from(micros - EPOCH), 6);
        prop_assert_eq!(becomes(column, &seconds), wanted, "{}", seconds);
    }
}
