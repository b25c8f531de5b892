//! Times: canonical text at the limits of the calendar, offsets, and what is refused.

use super::*;

fn tz(text: &str) -> Parsed<String> {
    let mut out = String::new();
    canonical_timestamptz(text, &mut out).map(|()| out)
}

#[test]
fn a_day_is_that_of_utc() {
    assert_eq!(utc_day(0), "1970-01-01");
    assert_eq!(utc_day(86_399_999), "1970-01-01");
    assert_eq!(utc_day(951_782_400_000), "2000-02-29");
    assert_eq!(utc_day(1_767_225_599_999), "2025-12-31");
    assert_eq!(utc_day(u64::MAX), "9999-12-31");
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
fn every_day_of_the_calendar_has_its_number() {
    let mut number = Date::new(1, 1, 1).unwrap().days();
    assert_eq!((number, Date::new(1970, 1, 1).unwrap().days()), (-719_162, 0));
    for year in 1..=9999 {
        let mut of_year = 0;
        for month in 1..=12 {
            for day in 1..=days_in(year, month) {
                let date = Date::new(year, month, day).unwrap();
                of_year += 1;
                assert_eq!((date.days(), Date::of_days(number)), (number, Ok(date)));
                assert_eq!(Date::of_year(year, of_year), Ok(date));
                number += 1;
            }
        }
        assert_eq!(Date::of_year(year, of_year + 1), Err(TimeFault::Invalid));
    }
    for beyond in [number, i64::MAX, i64::MIN, -719_163] {
        assert_eq!(Date::of_days(beyond), Err(TimeFault::Invalid));
    }
}

#[test]
fn a_plain_timestamp_takes_no_offset() {
    assert_eq!(canonical_timestamp("2026-01-01T00:00:00Z", &mut String::new()), Err(TimeFault::Invalid));
    let mut out = String::new();
    assert_eq!(canonical_timestamp("2026-01-01T00:00:00", &mut out), Ok(()));
    assert_eq!(out, "2026-01-01 00:00:00.000000");
}
