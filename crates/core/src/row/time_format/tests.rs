//! Tests of patterns and epochs: what they take, refuse and make of a text.

use proptest::prelude::*;

use super::*;
use crate::row::time::Date;
use PhysicalType as P;

fn compiled(pattern: &str, ty: P) -> TimeFormat {
    TimeFormat::compile(pattern, ty).unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

fn read(pattern: &str, ty: P, text: &str) -> Parsed<String> {
    let mut out = String::from("before");
    let outcome = compiled(pattern, ty).canonical(text, false, &mut out);
    if outcome.is_err() {
        assert_eq!(out, "before", "{pattern} {text}");
    }
    outcome.map(|()| out.split_off("before".len()))
}

fn takes(pattern: &str, ty: P, texts: &[(&str, &str)]) {
    for (text, want) in texts {
        assert_eq!(read(pattern, ty, text).as_deref(), Ok(*want), "{pattern} {text:?}");
    }
}

fn refuses(pattern: &str, ty: P, texts: &[&str]) {
    for text in texts {
        assert_eq!(read(pattern, ty, text), Err(TimeFault::Invalid), "{pattern} {text:?}");
    }
}

#[test]
fn days_are_read_as_their_pattern_says_and_only_so() {
    takes("MMM dd yyyy", P::Date, &[("Jan 02 2024", "2024-01-02"), ("FEB 29 2024", "2024-02-29")]);
    refuses(
        "MMM dd yyyy",
        P::Date,
        &["Feb 29 2023", "Jan 2 2024", "January 02 2024", "Foo 02 2024", "Jan 02 24", "Jan 02 2024 ", ""],
    );
    takes("yyyyMMdd", P::Date, &[("20240229", "2024-02-29")]);
    refuses("yyyyMMdd", P::Date, &["2024029", "202402290", "20230229", "00000101", "2024-2-9"]);
    takes("d/M/yy", P::Date, &[("1/2/24", "2024-02-01"), ("31/12/99", "2099-12-31")]);
    refuses("d/M/yy", P::Date, &["001/2/24", "1/2/2024", "31/2/24", "/2/24"]);
    takes("EEE, d MMMM y", P::Date, &[("Sat, 21 november 2026", "2026-11-21")]);
    refuses("EEE, d MMMM y", P::Date, &["Sun, 21 November 2026", "Saturday, 21 November 2026"]);
    takes("EEEE d.L.uuuu", P::Date, &[("Saturday 21.11.2026", "2026-11-21")]);
    takes("yyyy-DDD", P::Date, &[("2024-366", "2024-12-31"), ("2023-001", "2023-01-01")]);
    refuses("yyyy-DDD", P::Date, &["2023-366", "2023-000", "2023-1"]);
    takes("y/M/d", P::Date, &[("1/1/1", "0001-01-01"), ("9999/12/31", "9999-12-31")]);
    // A time of day must be midnight, or the column would lose it.
    takes("M/d/yyyy H:mm", P::Date, &[("1/31/2024 0:00", "2024-01-31")]);
    refuses("M/d/yyyy H:mm", P::Date, &["1/31/2024 0:01", "1/31/2024 24:00"]);
}

#[test]
fn times_of_day_are_read_in_12_and_24_hours() {
    takes("HH:mm:ss", P::Time, &[("00:00:00", "00:00:00.000000"), ("23:59:59", "23:59:59.000000")]);
    refuses("HH:mm:ss", P::Time, &["24:00:00", "23:59:60", "23:60:00", "1:00:00", "01:00"]);
    takes(
        "h:mm a",
        P::Time,
        &[
            ("12:00 AM", "00:00:00.000000"),
            ("12:30 pm", "12:30:00.000000"),
            ("1:05 PM", "13:05:00.000000"),
            ("11:59 PM", "23:59:00.000000"),
        ],
    );
    refuses("h:mm a", P::Time, &["0:30 AM", "13:00 PM", "1:05", "1:05 XM"]);
    takes("K:mm a", P::Time, &[("0:30 PM", "12:30:00.000000")]);
    takes("k:mm", P::Time, &[("24:30", "00:30:00.000000"), ("1:00", "01:00:00.000000")]);
    refuses("k:mm", P::Time, &["0:30", "25:00"]);
    takes("HH:mm a", P::Time, &[("13:00 PM", "13:00:00.000000")]);
    refuses("HH:mm a", P::Time, &["13:00 AM"]);
    takes("Hmm", P::Time, &[("930", "09:30:00.000000"), ("1230", "12:30:00.000000")]);
    takes("HH", P::Time, &[("07", "07:00:00.000000")]);
    takes("HHmmssSSS", P::Time, &[("123456789", "12:34:56.789000")]);
    takes("HH:mm:ss.SSSSSSSSS", P::Time, &[("12:34:56.123456000", "12:34:56.123456")]);
    assert_eq!(read("HH:mm:ss[.SSSSSSS]", P::Time, "12:34:56.1234567"), Err(TimeFault::TooManyDigits));
}

#[test]
fn timestamps_and_offsets_are_read() {
    let iso = "yyyy-MM-dd'T'HH:mm:ss.SSSXXX";
    takes(
        iso,
        P::TimestampTz,
        &[
            ("2024-02-28T23:30:00.250-01:00", "2024-02-29 00:30:00.250000+00"),
            ("2024-01-01T00:00:00.000Z", "2024-01-01 00:00:00.000000+00"),
        ],
    );
    refuses(
        iso,
        P::TimestampTz,
        &[
            "2024-01-01T00:00:00.000",
            "2024-01-01T00:00:00.000z",
            "2024-01-01T00:00:00.000+0100",
            "2024-01-01T00:00:00.000+24:00",
            "2024-01-01 00:00:00.000Z",
            "2024-01-01T00:00:00.00Z",
            "9999-12-31T23:59:59.000-01:00",
            "0001-01-01T00:00:00.000+01:00",
        ],
    );
    takes("dd/MM/yyyy HH:mm:ss", P::Timestamp, &[("02/01/2024 03:04:05", "2024-01-02 03:04:05.000000")]);
    takes("M/d/yy h:mm a", P::Timestamp, &[("1/2/24 12:05 AM", "2024-01-02 00:05:00.000000")]);
    takes("yyyy-MM-dd", P::Timestamp, &[("2024-01-02", "2024-01-02 00:00:00.000000")]);
    for (pattern, text) in [
        ("yyyyMMddHHmmssX", "20240102040000+0130"),
        ("yyyyMMddHHmmssx", "20240102033000+01"),
        ("yyyyMMddHHmmssXX", "20240102040000+0130"),
        ("yyyyMMddHHmmssZ", "20240102040000+0130"),
        ("yyyyMMddHHmmssXXXX", "20240102040010+013010"),
        ("yyyyMMddHHmmssZZZZZ", "20240102040010+01:30:10"),
        ("yyyyMMddHHmmssXXXXX", "20240102040000+01:30"),
    ] {
        takes(pattern, P::TimestampTz, &[(text, "2024-01-02 02:30:00.000000+00")]);
    }
    refuses("yyyyMMddHHmmssx", P::TimestampTz, &["20240102033000Z"]);
}

#[test]
fn sections_are_read_where_they_stand_and_left_out_where_not() {
    let pattern = "yyyy-MM-dd[['T'][ ]HH:mm[:ss[.SSS]]][X]";
    takes(
        pattern,
        P::TimestampTz,
        &[
            ("2024-01-02", "2024-01-02 00:00:00.000000+00"),
            ("2024-01-02T03:04", "2024-01-02 03:04:00.000000+00"),
            ("2024-01-02 03:04:05.678+01", "2024-01-02 02:04:05.678000+00"),
            ("2024-01-02Z", "2024-01-02 00:00:00.000000+00"),
        ],
    );
    refuses(pattern, P::TimestampTz, &["2024-01-02T03", "2024-01-02T03:04:05.67", "2024-01-02T03:04.678"]);
    // Alternatives: the first that fits the form is taken, and its day must exist.
    let either = "[dd/MM/yyyy][yyyy-MM-dd]";
    takes(either, P::Date, &[("01/02/2024", "2024-02-01"), ("2024-02-01", "2024-02-01")]);
    refuses(either, P::Date, &["13/13/2024", "01/02/20242024-02-02", ""]);
    refuses("[MM/dd/yyyy][dd/MM/yyyy]", P::Date, &["13/01/2024"]);
}

#[test]
fn quotes_stand_for_themselves() {
    takes("yyyy 'o''clock' MM''dd", P::Date, &[("2024 o'clock 01'02", "2024-01-02")]);
    takes("d. MMMM yyyy 'Uhr é'", P::Date, &[("2. May 2024 Uhr é", "2024-05-02")]);
}

#[test]
fn epochs_are_exact() {
    for (name, text, want) in [
        ("epoch_seconds", "0", "1970-01-01 00:00:00.000000+00"),
        ("epoch_seconds", "-1", "1969-12-31 23:59:59.000000+00"),
        ("epoch_seconds", "1700000000.123456", "2023-11-14 22:13:20.123456+00"),
        ("epoch_seconds", "-0.5000000000", "1969-12-31 23:59:59.500000+00"),
        ("epoch_seconds", "1.7e9", "2023-11-14 22:13:20.000000+00"),
        ("epoch_seconds", "253402300799", "9999-12-31 23:59:59.000000+00"),
        ("epoch_seconds", "-62135596800", "0001-01-01 00:00:00.000000+00"),
        ("epoch_millis", "1700000000123", "2023-11-14 22:13:20.123000+00"),
        ("epoch_millis", "1700000000123.456", "2023-11-14 22:13:20.123456+00"),
        ("epoch_micros", "-1", "1969-12-31 23:59:59.999999+00"),
        ("epoch_micros", "5.0", "1970-01-01 00:00:00.000005+00"),
    ] {
        takes(name, P::TimestampTz, &[(text, want)]);
        let plain = want.trim_end_matches("+00");
        takes(name, P::Timestamp, &[(text, plain)]);
    }
    for text in ["", "-", "+1", "1.", ".5", "1 ", "0x1", "253402300800", "-62135596801", "1e400", "e", "NaN"]
    {
        refuses("epoch_seconds", P::TimestampTz, &[text]);
    }
    refuses("epoch_micros", P::TimestampTz, &["999999999999999999", "9999999999999999999999"]);
    for (name, text) in [("epoch_seconds", "0.0000001"), ("epoch_millis", "0.0001"), ("epoch_micros", "0.1")]
    {
        assert_eq!(read(name, P::TimestampTz, text), Err(TimeFault::TooManyDigits), "{name}");
    }
    takes("epoch_seconds", P::Date, &[("86400", "1970-01-02")]);
    refuses("epoch_seconds", P::Date, &["86401"]);
}

#[test]
fn numbers_are_read_by_epochs_and_by_patterns_of_digits() {
    let mut out = String::new();
    assert_eq!(compiled("yyyyMMdd", P::Date).canonical("20240102", true, &mut out), Ok(()));
    assert_eq!(compiled("epoch_millis", P::Timestamp).canonical("0", true, &mut out), Ok(()));
    assert_eq!(out, "2024-01-021970-01-01 00:00:00.000000");
    let iso = TimeFormat::iso(P::TimestampTz);
    assert_eq!(iso.canonical("20240102", true, &mut out), Err(TimeFault::Invalid));
}

#[test]
fn texts_without_an_offset_take_the_default_one() {
    for (zone, want) in [
        ("UTC", "2024-01-01 00:30:00.000000+00"),
        ("Etc/UTC", "2024-01-01 00:30:00.000000+00"),
        ("+01:00", "2023-12-31 23:30:00.000000+00"),
        ("UTC-05", "2024-01-01 05:30:00.000000+00"),
    ] {
        let own = compiled("yyyy-MM-dd HH:mm[XXX]", P::TimestampTz).with_default_zone(zone).unwrap();
        let iso = TimeFormat::iso(P::TimestampTz).with_default_zone(zone).unwrap();
        let mut out = String::new();
        own.canonical("2024-01-01 00:30", false, &mut out).unwrap();
        iso.canonical("2024-01-01T00:30:00", false, &mut out).unwrap();
        own.canonical("2024-01-01 02:30+02:00", false, &mut out).unwrap();
        assert_eq!(out, format!("{want}{want}2024-01-01 00:30:00.000000+00"), "{zone}");
    }
    for zone in ["Europe/Berlin", "", "+19:00", "Etc/GMT+5", "CET"] {
        assert!(TimeFormat::iso(P::TimestampTz).with_default_zone(zone).is_err(), "{zone}");
    }
}

#[test]
fn patterns_that_give_no_value_of_the_type_are_refused_with_the_reason() {
    for (pattern, ty, reason) in [
        ("YYYY-MM-dd", P::Date, "YYYY counts weeks"),
        ("yyyy-MM-DD", P::Date, "write dd"),
        ("MMM yyyy", P::Date, "names no day"),
        ("HH:mm", P::Timestamp, "names no day"),
        ("yyyy-MM-dd hh:mm", P::Timestamp, "names no hour"),
        ("mm:ss", P::Time, "names no hour"),
        ("HH.SSS", P::Time, "leaves out"),
        ("yyyy-MM-dd HH:mm", P::Time, "does not keep"),
        ("yyyy-MM-ddXXX", P::Timestamp, "use timestamptz"),
        ("yyyy-MM-ddXXX", P::Date, "does not keep"),
        ("HH:mmX", P::Time, "does not keep"),
        ("yyyy-MM-dd HH:mm VV", P::TimestampTz, "VV is a time zone's name"),
        ("yyyy-MM-dd HH:mm z", P::TimestampTz, "z is a time zone's name"),
        ("G yyyy-MM-dd", P::Date, "G does not make a day"),
        ("yyyyy-MM-dd", P::Date, "yyyyy has more letters"),
        ("yyyy-MMMMM-dd", P::Date, "MMMMM has more letters"),
        ("yyyy-MM-ddTHH:mm", P::Timestamp, "quote what stands for itself"),
        ("yyyy-MM-dd HH:mm ppH", P::Timestamp, "is not read"),
        ("yyyyMMdd {", P::Date, "later use"),
        ("[yyyyMMdd", P::Date, "without its ']'"),
        ("yyyyMMdd]", P::Date, "without its '['"),
        ("[[[[[[[[[yyyyMMdd]]]]]]]]]", P::Date, "too many sections"),
        ("yyyyMMdd'", P::Date, "not closed"),
        ("yMd", P::Date, "open width"),
        ("epoch_seconds", P::Time, "keeps no day"),
        ("unix", P::Timestamp, "epoch_seconds, epoch_millis"),
        ("", P::Date, "names no day"),
    ] {
        let error = TimeFormat::compile(pattern, ty).expect_err(pattern);
        assert!(error.contains(reason), "{pattern}: {error}");
    }
}

proptest! {
    #[test]
    fn every_pattern_reads_back_what_is_written_in_it(
        day in -719_162_i64..=2_932_896, second in 0_u32..86_400, milli in 0_u32..1000,
    ) {
        let date = Date::of_days(day).unwrap();
        let mut iso = String::new();
        time::push_date(date, &mut iso);
        let (y, m, d) = (&iso[..4], &iso[5..7], &iso[8..10]);
        let (h, min, s) = (second / 3600, second / 60 % 60, second % 60);
        let want = format!("{iso} {h:02}:{min:02}:{s:02}.{milli:03}000");
        let (half, half_hour) = (if h < 12 { "AM" } else { "PM" }, (h + 11) % 12 + 1);
        let month = pattern::MONTHS[m.parse::<usize>().unwrap() - 1];
        for (pattern, text) in [
            ("yyyyMMddHHmmssSSS", format!("{y}{m}{d}{h:02}{min:02}{s:02}{milli:03}")),
            ("dd/MM/yyyy H:m:s.SSS", format!("{d}/{m}/{y} {h}:{min}:{s}.{milli:03}")),
            ("MMMM d, y h:mm:ss.SSS a", format!("{month} {}, {} {half_hour}:{min:02}:{s:02}.{milli:03} {half}",
                d.trim_start_matches('0'), y.trim_start_matches('0'))),
        ] {
            prop_assert_eq!(read(pattern, P::Timestamp, &text), Ok(want.clone()), "{} {}", pattern, text);
        }
        let micros = (day * 86_400 + i64::from(second)) * 1_000_000 + i64::from(milli) * 1000;
        prop_assert_eq!(read("epoch_micros", P::Timestamp, &micros.to_string()), Ok(want));
    }

    #[test]
    fn no_text_and_no_pattern_can_panic(pattern in "[yMdHhmsSaEXxZDkK':/ .\\[\\]T-]{0,24}", text in "\\PC{0,32}") {
        for ty in [P::Date, P::Time, P::Timestamp, P::TimestampTz] {
            if let Ok(own) = TimeFormat::compile(&pattern, ty) {
                let mut out = String::new();
                let fits = own.canonical(&text, false, &mut out).is_ok();
                prop_assert_eq!(fits, !out.is_empty());
            }
        }
    }
}
