//! Hostile JSON and packed streams, each with the rule that refuses it or the exact value that it becomes.

use std::io::Write as _;

use penstock_core::decode::Limits;
use penstock_core::reject::Rule;

use crate::datasets::{compile, contract_text, json};
use crate::files::{gzip, zstd};
use crate::rig::{ingest, whole};
use crate::rows::hold_all;

const TEXT: &str = "name: a, physicalType: varchar(65535)";
const DOC: &str = "name: s, physicalType: super";

/// What the value of `a` becomes: its text or the first rule.
fn text_of(record: &[u8]) -> Result<String, Rule> {
    let own = json(&[TEXT, DOC]);
    let outcome = whole(&own, record);
    hold_all(&own, &outcome);
    match outcome.rows.get(0) {
        Some(row) => Ok(row.get(0).unwrap_or("NULL").to_owned()),
        None => Err(outcome.rules()[0]),
    }
}

#[test]
fn odd_texts_are_kept_exactly_or_refused() {
    let kept: [(&[u8], &str); 9] = [
        (br#"{"a":"\ud83d\ude00"}"#, "\u{1f600}"),
        (b"{\"a\":\"\xef\xbf\xbe\xef\xbf\xbf\"}", "\u{fffe}\u{ffff}"),
        (br#"{"a":"\ufffe"}"#, "\u{fffe}"),
        ("{\"a\":\"x\u{feff}y\"}".as_bytes(), "x\u{feff}y"),
        (br#"{"a":"\r\n\t\b\f\/\\\""}"#, "\r\n\t\u{8}\u{c}/\\\""),
        (br#"{"\u0061":"by an escaped key"}"#, "by an escaped key"),
        (b"{\"a\":\"\xf4\x8f\xbf\xbf\"}", "\u{10ffff}"),
        (b"{\"a\":\"\x7f\xc2\x85\xe2\x80\xa8\"}", "\u{7f}\u{85}\u{2028}"),
        (b"\xef\xbb\xbf{\"a\":\"behind a BOM\"}", "behind a BOM"),
    ];
    for (record, text) in kept {
        assert_eq!(text_of(record).as_deref(), Ok(text), "{}", String::from_utf8_lossy(record));
    }
    let refused: [(&[u8], Rule); 17] = [
        (br#"{"a":"\ud800"}"#, Rule::InvalidJson),
        (br#"{"a":"\udc00\ud800"}"#, Rule::InvalidJson),
        (br#"{"s":["\ud800"]}"#, Rule::InvalidJson),
        (br#"{"s":{"\udfff":1}}"#, Rule::InvalidJson),
        (b"{\"a\":\"\xed\xa0\x80\"}", Rule::NotUtf8),
        (b"{\"a\":\"\xc0\x80\"}", Rule::NotUtf8),
        (b"{\"a\":\"\xf4\x90\x80\x80\"}", Rule::NotUtf8),
        (br#"{"a":"\u0000"}"#, Rule::NulCharacter),
        (br#"{"s":{"b":["\u0000"]}}"#, Rule::NulCharacter),
        (b"{\"a\":\"\0\"}", Rule::InvalidJson),
        (br#"{"a":"x","a":"x"}"#, Rule::DuplicateKey),
        (br#"{"a":"x","\u0061":"x"}"#, Rule::DuplicateKey),
        (br#"{"other":1,"oth\u0065r":2}"#, Rule::DuplicateKey),
        (br#"{"s":[{"b":1,"\u0062":2}]}"#, Rule::DuplicateKey),
        (br#"{"s":[1e400]}"#, Rule::InvalidJson),
        ("{\"a\":1}\u{feff}".as_bytes(), Rule::WrongType),
        (br#"{"a":'x'}"#, Rule::InvalidJson),
    ];
    for (record, rule) in refused {
        assert_eq!(text_of(record), Err(rule), "{}", String::from_utf8_lossy(record));
    }
}

#[test]
fn numbers_in_nested_json_keep_every_digit() {
    let own = json(&[DOC]);
    for number in ["9007199254740993", "-0", "0.1000", "1e308", "123456789012345678901234567890.5"] {
        let outcome = whole(&own, format!("{{\"s\":{{\"n\":[{number}]}}}}"));
        assert_eq!(outcome.column(0), [Some(format!("{{\"n\":[{number}]}}").as_str())]);
        hold_all(&own, &outcome);
    }
}

#[test]
fn a_bom_in_the_middle_is_part_of_its_line_and_costs_no_other() {
    let own = compile(&contract_text(", format: json, delimiter: new_line", "", &[TEXT]));
    let outcome = whole(&own, "{\"a\":\"x\"}\n\u{feff}{\"a\":\"y\"}\n{\"a\":\"z\"}\n");
    assert_eq!(outcome.column(0), [Some("x"), Some("z")]);
    assert_eq!(outcome.told(), [(Some(2), None, Rule::NotAnObject)]);
}

#[test]
fn deep_nesting_is_one_reject_wherever_it_stands() {
    let own = json(&[TEXT, DOC]);
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
    for value in [deep("[", "]"), deep("{\"k\":", "}"), deep("[{\"k\":[", "]}]")] {
        for record in
            [format!("{{\"s\":{value}}}"), format!("{{\"other\":{value}}}"), format!("{{\"a\":{value}}}")]
        {
            let outcome = whole(&own, format!("{record}\n{{\"a\":\"x\"}}\n"));
            assert_eq!((outcome.column(0), outcome.batch.rejects.len()), (vec![Some("x")], 1));
            assert_eq!(outcome.rules(), [Rule::InvalidJson], "{}", &record[..20]);
        }
    }
    let unclosed = "[".repeat(100_000);
    let outcome = whole(&own, format!("{{\"s\":{unclosed}\n{{\"a\":\"x\"}}\n"));
    assert_eq!((outcome.column(0), outcome.rules()), (vec![Some("x")], vec![Rule::InvalidJson]));
}

#[test]
fn a_record_of_four_megabytes_is_read_and_one_byte_more_is_not() {
    const LIMIT: usize = 4 << 20;
    let own = json(&["name: s, physicalType: super", "name: a, physicalType: varchar(9)"]);
    for (over, rules) in [(0, vec![]), (1, vec![Rule::RecordTooLarge])] {
        for tail in ["\n", "", "\r\n"] {
            let text = "x".repeat(LIMIT + over - "{\"s\":\"\"}".len());
            let bytes = format!("{{\"a\":\"1\"}}\n{{\"s\":\"{text}\"}}{tail}");
            let outcome = ingest(&own, "a", bytes.as_bytes(), &[1 << 20, 7], Limits::default());
            // In lines the line break's carriage return is no part of the record.
            assert_eq!(outcome.rules(), rules, "{over} {tail:?}");
            assert_eq!(outcome.rows.len(), 2 - over);
        }
    }
    let outcome = whole(&json(&[TEXT]), format!("{{\"a\":\"{}\"}}", "é".repeat(32_768)));
    assert_eq!(outcome.rules(), [Rule::TooLong]);
}

#[test]
fn a_million_empty_lines_are_no_records() {
    let own = json(&[TEXT]);
    let outcome = whole(&own, format!("{}{{\"a\":1}}\n", "\r\n".repeat(1_000_000)));
    assert_eq!(outcome.told(), [(Some(1_000_001), Some("a"), Rule::WrongType)]);
    assert_eq!(outcome.batch.read, 1);
    assert_eq!(whole(&own, "\n".repeat(1_000_000)).batch.read, 0);
}

/// A gzip stream of zeros, packed `times` times over.
fn nested_bomb(times: usize) -> Vec<u8> {
    (0..times).fold(vec![b'\n'; 32 << 20], |inner, _| gzip(&inner))
}

#[test]
fn bombs_are_stopped_and_told() {
    let limits = Limits { max_ratio: 100, free_bytes: 1 << 20, ..Limits::default() };
    let own = json(&[TEXT]);
    let blanks = vec![b'\n'; 32 << 20];
    let members = gzip(&vec![b'\n'; 1 << 20]).repeat(32);
    let frames = zstd(&vec![b'\n'; 1 << 20]).repeat(32);
    for (name, bomb) in
        [("gzip", gzip(&blanks)), ("zstd", zstd(&blanks)), ("members", members), ("frames", frames)]
    {
        let outcome = ingest(&own, "a", &bomb, &[4096], limits);
        assert_eq!(outcome.broken(), Some(Rule::DecompressionLimit), "{name}");
        assert_eq!(outcome.batch.read, 0);
    }
    // What is packed twice is unpacked once: bytes that are no record.
    let outcome = ingest(&own, "a", &nested_bomb(2), &[4096], limits);
    assert!(outcome.rows.is_empty() && outcome.batch.read > 0);
}

#[test]
fn packed_streams_with_something_wrong_behind_give_what_came_before() {
    let own = json(&[TEXT]);
    let good = b"{\"a\":\"x\"}\n{\"a\":\"y\"}\n";
    let mut wrong_sum = gzip(good);
    let at = wrong_sum.len() - 8;
    wrong_sum[at] ^= 1;
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(good).unwrap();
    let mut wrong_zstd = encoder.finish().unwrap();
    *wrong_zstd.last_mut().unwrap() ^= 1;
    for (name, bytes, rules) in [
        (
            "gzip and zeros",
            [gzip(good), vec![0; 512]].concat(),
            vec![Rule::CorruptCompression, Rule::Truncated],
        ),
        (
            "gzip and text",
            [gzip(good), b"tail that is no member".to_vec()].concat(),
            vec![Rule::CorruptCompression],
        ),
        ("wrong sum", wrong_sum, vec![Rule::CorruptCompression, Rule::Truncated]),
        ("wrong zstd sum", wrong_zstd, vec![Rule::CorruptCompression, Rule::Truncated]),
        ("gzip in two", [gzip(good), gzip(good)[..10].to_vec()].concat(), vec![Rule::Truncated]),
    ] {
        let outcome = whole(&own, &bytes);
        assert!(outcome.broken().is_some_and(|rule| rules.contains(&rule)), "{name}: {:?}", outcome.ended);
        assert!(outcome.batch.rejects.is_empty(), "{name}");
    }
    let asked = compile(&contract_text(
        ", format: json, customProperties: [{property: penstock.compression, value: zstd}]",
        "",
        &[TEXT],
    ));
    assert_eq!(whole(&asked, gzip(good)).broken(), Some(Rule::CorruptCompression));
}
