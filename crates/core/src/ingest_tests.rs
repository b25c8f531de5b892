//! Tests of an object's way into a batch: forms, broken streams, bad lines, hostile bytes, and that nothing depends
//! on how the bytes arrive.

use std::io::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::contract::Contract;
use crate::fixtures::{QUEUE, S3, checker, contract_text, origin};
use crate::reject::Rule;

fn dataset() -> Arc<Checker> {
    Arc::new(checker(
        "",
        &[
            "name: a, physicalType: varchar(65535)",
            "name: n, physicalType: 'numeric(38,2)'",
            "name: s, physicalType: super",
        ],
    ))
}

fn with_delimiter(delimiter: &str) -> Arc<Checker> {
    let s3 = S3.replace("format: json", &format!("format: json, delimiter: {delimiter}"));
    let text = contract_text(&format!("{s3}, {QUEUE}"), "", &["name: a, physicalType: varchar(65535)"]);
    Arc::new(Checker::compile(Arc::new(Contract::parse(&text).unwrap())).unwrap())
}

fn ingest_in(checker: &Arc<Checker>, pieces: &[&[u8]], limits: Limits) -> (Batch, Result<(), Broken>) {
    let mut batch = Batch::default();
    let mut ingest = Ingest::new(Arc::clone(checker), origin(), limits).unwrap();
    for piece in pieces {
        if let Err(broken) = ingest.push(piece, &mut batch) {
            return (batch, Err(broken));
        }
    }
    let ended = finish(&mut ingest, &mut batch);
    assert_eq!(batch.read, (batch.rows.len() + batch.rejects.len()) as u64);
    (batch, ended)
}

/// To the end, with all rows that wait.
fn finish(ingest: &mut Ingest, batch: &mut Batch) -> Result<(), Broken> {
    while ingest.finish(batch)? == Progress::More {}
    Ok(())
}

fn ingest(checker: &Arc<Checker>, bytes: &[u8]) -> (Batch, Result<(), Broken>) {
    ingest_in(checker, &bytes.chunks(64 << 10).collect::<Vec<_>>(), Limits::default())
}

fn values(batch: &Batch) -> Vec<Option<&str>> {
    batch.rows.iter().map(|row| row.get(0)).collect()
}

fn rules(batch: &Batch) -> Vec<Rule> {
    batch.rejects.iter().map(|reject| reject.violations[0].rule).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn rule_of(ended: Result<(), Broken>) -> Option<Rule> {
    ended.err().map(|broken| broken.rule)
}

#[test]
fn every_form_of_the_same_records_gives_the_same_rows() {
    let own = dataset();
    let lines = "{\"a\":\"x\"}\n{\"a\":\"y }{\"}\n{\"a\":\"z\"}\n";
    let forms: Vec<Vec<u8>> = vec![
        lines.into(),
        lines.replace('\n', "\r\n\r\n").into(),
        lines.trim_end().into(),
        lines.replace('\n', "").into(),
        format!("\u{feff}{lines}").into(),
        format!("[{}]", lines.trim_end().replace('\n', ",")).into(),
        format!("[\n  {}\n]\n", lines.trim_end().replace('\n', ",\n  ")).into(),
        lines.replace("{\"a\":", "{\n  \"a\":\n    ").into(),
        gzip(lines.as_bytes()),
        [gzip(&lines.as_bytes()[..5]), gzip(&lines.as_bytes()[5..])].concat(),
        zstd::encode_all(lines.as_bytes(), 3).unwrap(),
    ];
    for form in forms {
        let (batch, ended) = ingest(&own, &form);
        assert_eq!(
            (values(&batch), ended),
            (vec![Some("x"), Some("y }{"), Some("z")], Ok(())),
            "{}",
            String::from_utf8_lossy(&form)
        );
    }
    let (batch, ended) = ingest(&with_delimiter("new_line"), lines.as_bytes());
    assert_eq!((batch.rows.len(), ended), (3, Ok(())));
    let (batch, ended) = ingest(&with_delimiter("array"), b" [{\"a\":\"x\"}]");
    assert_eq!((batch.rows.len(), ended), (1, Ok(())));
    assert_eq!(rule_of(ingest(&with_delimiter("array"), lines.as_bytes()).1), Some(Rule::NotAnArray));
}

#[test]
fn an_object_that_breaks_off_gives_its_rows_and_says_so() {
    let own = dataset();
    let lines: String = (0..20_000).map(|i| format!("{{\"a\":\"{i:x}{}\"}}\n", i * 7919 % 1000)).collect();
    for packed in [gzip(lines.as_bytes()), zstd::encode_all(lines.as_bytes(), 3).unwrap()] {
        let (batch, ended) = ingest(&own, &packed[..packed.len() / 2]);
        assert_eq!(rule_of(ended), Some(Rule::Truncated));
        assert!(batch.rows.len() > 1_000 && batch.rejects.len() <= 1, "{} rows", batch.rows.len());
    }
    for (array, rejects) in [
        ("[{\"a\":\"x\"},\n{\"a\":\"y\"}", 0),
        ("[{\"a\":\"x\"},\n{\"a\":\"y\"},", 0),
        ("[{\"a\":\"x\"},\n{\"a\":\"y\"}, {\"a\":", 1),
    ] {
        let (batch, ended) = ingest(&own, array.as_bytes());
        assert_eq!(
            (batch.rows.len(), batch.rejects.len(), rule_of(ended)),
            (2, rejects, Some(Rule::Truncated)),
            "{array}"
        );
    }
    // The array is closed behind its malformed last member.
    let (batch, ended) = ingest(&own, b"[\n{\"a\":\"x\"},\n{\"a\":[}\n]\n");
    assert_eq!((batch.rows.len(), batch.rejects.len(), ended), (1, 1, Ok(())));
}

#[test]
fn an_object_corrupt_from_the_start_gives_nothing() {
    let own = dataset();
    for bytes in [
        &[0x1f, 0x8b, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 1, 2, 3][..],
        &[0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff],
    ] {
        let (batch, ended) = ingest(&own, bytes);
        assert!(matches!(rule_of(ended), Some(Rule::CorruptCompression | Rule::Truncated)));
        assert_eq!(batch.read, 0);
    }
}

#[test]
fn an_empty_object_has_no_records() {
    for bytes in
        [&b""[..], b"\n\n", b"[]", b"\xef\xbb\xbf", &gzip(b""), &zstd::encode_all(&b""[..], 1).unwrap()]
    {
        let (batch, ended) = ingest(&dataset(), bytes);
        assert_eq!((batch.read, ended), (0, Ok(())), "{bytes:?}");
    }
}

#[test]
fn bad_lines_between_good_ones_are_told_by_position_and_line() {
    let (batch, ended) = ingest(
        &dataset(),
        b"{\"a\":\"x\"}\n{\"a\":1}\n\n{\"a\":\n{\"a\":\"y\"}\nplain\n{\"a\":\"z\"}\n{\"a\":\"\xff\"}\n",
    );
    assert_eq!((values(&batch), ended), (vec![Some("x"), Some("y"), Some("z")], Ok(())));
    let told: Vec<_> = batch.rejects.iter().map(|r| (r.position, r.line, r.violations[0].rule)).collect();
    assert_eq!(
        told,
        [
            (Some(10), Some(2), Rule::WrongType),
            // The next line could be its value: that it is not shows two lines later, and costs that line nothing.
            (Some(19), Some(4), Rule::InvalidJson),
            (Some(35), Some(6), Rule::NotAnObject),
            (Some(51), Some(8), Rule::NotUtf8),
        ]
    );
}

#[test]
fn hostile_values_are_rejected_or_kept_exactly() {
    let own = dataset();
    let number = |text: &str| {
        let (batch, _) = ingest(&own, format!("{{\"n\":{text}}}\n").as_bytes());
        batch
            .rows
            .get(0)
            .map(|row| row.get(1).unwrap_or("NULL").to_owned())
            .ok_or_else(|| batch.rejects[0].violations[0].rule)
    };
    assert_eq!(number("9007199254740993").as_deref(), Ok("9007199254740993.00"));
    assert_eq!(number("-0").as_deref(), Ok("0.00"));
    assert_eq!(number("1e400"), Err(Rule::TooManyDigits));
    assert_eq!(number("1e-400"), Err(Rule::TooManyDigits));
    assert_eq!(number(&"9".repeat(1_000_000)), Err(Rule::TooManyDigits));
    assert_eq!(number(&format!("0.{}", "0".repeat(1_000_000))).as_deref(), Ok("0.00"));
    assert_eq!(number("Infinity"), Err(Rule::InvalidJson));
    for (record, rule) in [
        (&b"{\"a\":\"\\ud800\"}"[..], Rule::InvalidJson),
        (b"{\"\\ud800\":1}", Rule::InvalidJson),
        (b"{\"a\":\"\\u0000\"}", Rule::NulCharacter),
        (b"{\"a\":\"\0\"}", Rule::InvalidJson),
        (b"{\"a\":\"\xc3\"}", Rule::NotUtf8),
        (b"{\"a\":\"\xed\xa0\x80\"}", Rule::NotUtf8),
        (b"{\"a\":1,\"a\":2}", Rule::DuplicateKey),
        (b"{\"s\":{\"b\":1,\"b\":2}}", Rule::DuplicateKey),
        (b"\0\0\0", Rule::NotAnObject),
        (b"{\"a\":\"x\"}}", Rule::NotAnObject),
    ] {
        let (batch, _) = ingest(&own, record);
        assert_eq!(rules(&batch).last(), Some(&rule), "{}", String::from_utf8_lossy(record));
    }
}

#[test]
fn deep_nesting_and_long_texts_are_rejects_and_not_crashes() {
    let own = dataset();
    let deep =
        |depth: usize| format!("{{\"s\":{}{}}}\n{{\"a\":\"x\"}}\n", "[".repeat(depth), "]".repeat(depth));
    for (depth, rejects) in [(100, 0), (10_000, 1)] {
        let (batch, ended) = ingest(&own, deep(depth).as_bytes());
        assert_eq!((batch.rejects.len(), batch.rows.len(), ended), (rejects, 2 - rejects, Ok(())), "{depth}");
    }
    let (batch, _) = ingest(
        &with_delimiter("new_line"),
        format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes(),
    );
    assert_eq!(rules(&batch), [Rule::WrongType]);
    for (length, rule) in [
        ((4 << 20) - 8, Rule::TooLong),
        ((4 << 20) - 7, Rule::RecordTooLarge),
        (9 << 20, Rule::RecordTooLarge),
    ] {
        let (batch, ended) =
            ingest(&own, format!("{{\"a\":\"{}\"}}\n{{\"a\":\"x\"}}\n", "x".repeat(length)).as_bytes());
        assert_eq!((rules(&batch), batch.rows.len(), ended), (vec![rule], 1, Ok(())), "{length}");
        assert!(batch.rejects[0].raw.len() <= 4 << 20);
    }
}

#[test]
fn a_record_over_the_limit_costs_no_other_in_any_form() {
    let limits = Limits { max_record_bytes: 64, ..Limits::default() };
    let long = format!("{{\"s\":[\n{{\"a\":\"{}\"}},\n{{}}]}}", "x".repeat(300));
    let unclosed = format!("{{\"s\":[\"{}\"\n", "x".repeat(300));
    let (good, own) = ("{\"a\":\"x\"}", dataset());
    for (text, rejects) in [
        (format!("{good}\n{long}\n{good}\n"), 1),
        (format!("{good}{long}{good}"), 1),
        (format!("[{good},{long},{good}]"), 1),
        (format!("{good}\n{unclosed}{good}\n"), 1),
        (format!("[{good},\n{unclosed}  {good}]"), 1),
        (format!("[{good}, \"{}\", [[{good}]], {good}]", ",".repeat(300)), 2),
        (format!("{good}\n{}\n{good}", "y".repeat(300)), 1),
    ] {
        let whole = ingest_in(&own, &[text.as_bytes()], limits);
        assert_eq!((whole.0.rows.len(), whole.0.rejects.len(), &whole.1), (2, rejects, &Ok(())), "{text}");
    }
}

/// What the batch holds, comparable.
fn shown(outcome: &(Batch, Result<(), Broken>)) -> String {
    format!("{:?}", outcome)
}

fn json_like() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        4 => Just("{\"a\":\"x\"}"), 4 => Just("\n"), 1 => Just("{"), 1 => Just("}"), 1 => Just("["), 1 => Just("]"), 1 => Just("\""), 1 => Just(","),
        1 => Just("\\"), 1 => Just(" "), 1 => Just("{\"a\":["), 1 => Just("\u{feff}"), 1 => Just("{\"s\":{\"b\":[1,\n{}]}}"), 1 => Just("junk"),
        1 => Just("\n  {\"a\":\"y\"}"), 1 => Just("\0"), 1 => Just("{\"a\":\"0123456789012345678901234567890123456789\"}"),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn the_result_does_not_depend_on_the_pieces(
        json in json_like(), open in any::<bool>(), sizes in proptest::collection::vec(1usize..20, 1..20), max_record_bytes in 8usize..60,
    ) {
        let text = if open { [b"[", json.as_slice()].concat() } else { json };
        let limits = Limits { max_record_bytes, ..Limits::default() };
        let mut pieces = Vec::new();
        let mut rest = text.as_slice();
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break; }
            let (piece, tail) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        for checker in [dataset(), with_delimiter("new_line")] {
            let whole = ingest_in(&checker, &[&text], limits);
            prop_assert_eq!(shown(&ingest_in(&checker, &pieces, limits)), shown(&whole), "{}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn no_bytes_can_panic_the_ingest(bytes in proptest::collection::vec(any::<u8>(), 0..300), magic in 0usize..3) {
        let head: &[u8] = [&b""[..], &[0x1f, 0x8b, 8, 0], &[0x28, 0xb5, 0x2f, 0xfd]][magic];
        let bytes = [head, &bytes].concat();
        let own = dataset();
        let whole = ingest_in(&own, &[&bytes], Limits::default());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let pieces = ingest_in(&own, &single, Limits::default());
        let rows = |own: &Batch| format!("{:?}", own.rows);
        prop_assert_eq!((rows(&pieces.0), pieces.1.is_ok()), (rows(&whole.0), whole.1.is_ok()));
    }
}

/// Time to ingest a text in pieces.
fn time_of(checker: &Arc<Checker>, text: &str, piece: usize) -> Duration {
    let start = Instant::now();
    let mut batch = Batch::default();
    let mut ingest = Ingest::new(Arc::clone(checker), origin(), Limits::default()).unwrap();
    for bytes in text.as_bytes().chunks(piece) {
        ingest.push(bytes, &mut batch).unwrap();
        batch = Batch::default();
    }
    let _broken_off = finish(&mut ingest, &mut batch);
    start.elapsed()
}

/// A ratio to plain rows of the same length tells a square from a line on any machine: a square is in the thousands.
#[test]
fn hostile_files_cost_no_more_than_their_length() {
    let own = dataset();
    let size = 6 << 20;
    let plain = "{\"k\":\"a\",\"n\":1}\n".repeat(size / 16);
    let base = time_of(&own, &plain, 64 << 10);
    let fill = |head: &str, body: &str, tail: &str| [head, &body.repeat(size / body.len()), tail].concat();
    for (name, text) in [
        ("blank lines in a malformed member", fill("[{\"a\":]", "\n", "")),
        ("blanks in a malformed member", fill("[{\"a\":]\n", " ", "")),
        ("indented lines", fill("[{\"a\":]", "\n ", "")),
        ("lines in a malformed record", fill("{\"a\":]", "\nx", "")),
        ("one plain member", fill("[", "x", "")),
        ("one plain line", fill("", "x", "")),
        ("opened texts", fill("", "{\"a\":\"\n", "")),
        ("opened objects", fill("", "{", "")),
        ("opened lines", fill("", "{\n", "")),
        ("opened members", fill("[", "{\n", "")),
        ("opened arrays", fill("{\"a\":", "[", "")),
        ("one text", fill("{\"a\":\"", "\\\"", "")),
        ("commas", fill("[", ",", "")),
        ("closed brackets", fill("", "]", "")),
        ("quotes", fill("[", "\"", "")),
        ("blanks", fill("", " ", "")),
        ("numbers", fill("[", "1,", "")),
        ("one number", fill("{\"n\":", "9", "}")),
        ("fields", fill("{\"b\":1", ",\"b\":1", "}")),
    ] {
        for piece in [4 << 10, 1 << 20] {
            let ratio = time_of(&own, &text, piece).as_secs_f64() / base.as_secs_f64();
            assert!(ratio < 50.0, "{name} in pieces of {piece} took {ratio:.1} times as long as plain rows");
        }
    }
}

#[test]
fn a_step_gives_a_small_batch_whatever_its_bytes_unpack_to() {
    let own = dataset();
    let bomb = "{}\n".repeat(8 << 20);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bomb.as_bytes()).unwrap();
    for packed in [gzip.finish().unwrap(), zstd::encode_all(bomb.as_bytes(), 1).unwrap()] {
        assert!(packed.len() < 64 << 10);
        let mut ingest = Ingest::new(Arc::clone(&own), origin(), Limits::default()).unwrap();
        let (mut rest, mut read) = (packed.as_slice(), 0);
        while !rest.is_empty() {
            let mut batch = Batch::default();
            let taken = ingest.step(rest, &mut batch).unwrap();
            assert!(batch.read <= (64 << 10) / 3 + 1, "{} records in one batch", batch.read);
            read += batch.read;
            rest = &rest[taken..];
        }
        let mut batch = Batch::default();
        finish(&mut ingest, &mut batch).unwrap();
        assert_eq!(read + batch.read, 8 << 20);
    }
}

#[test]
fn the_share_of_rejects_decides_only_above_its_limit() {
    for (read, rejected, limit, over) in [
        (0, 0, 0.0, false),
        (10, 0, 0.0, false),
        (10, 1, 0.0, true),
        (10, 1, 0.1, false),
        (10, 2, 0.1, true),
        (10, 10, 1.0, false),
    ] {
        assert_eq!(over_rejected_fraction(read, rejected, limit), over, "{rejected} of {read}");
    }
}
