//! Tests of the CSV reader: which bytes make which records and fields, whatever the pieces they come in.

use super::*;
use crate::contract::CsvHeader;
use crate::row::fields::Scalar;
use proptest::prelude::*;

const SMALL: Limits = Limits {
    max_record_bytes: 16,
    max_ratio: 200,
    free_bytes: 1 << 20,
    max_block_bytes: 1 << 20,
    max_whole_bytes: 1 << 20,
};

fn options() -> CsvOptions {
    CsvOptions {
        delimiter: None,
        header: CsvHeader::Names,
        quote: Some(b'"'),
        null_texts: Vec::new(),
        multiline: true,
    }
}

/// Columns by name; `!` behind a name: required, `{`: keeps JSON.
fn columns(names: &[&str]) -> CsvColumns {
    CsvColumns {
        names: names.iter().map(|name| name.trim_end_matches(['!', '{']).to_owned()).collect(),
        slots: (0..names.len()).collect(),
        keeps_json: names.iter().map(|name| name.ends_with('{')).collect(),
        required: names.iter().map(|name| name.ends_with('!')).collect(),
        slot_count: names.len(),
    }
}

/// Position, line, and fields (`~` NULL, `{}` nested) or the fault.
type Seen = (u64, u64, Result<Vec<String>, String>);

fn read_in(
    options: &CsvOptions,
    columns: &CsvColumns,
    text: &[u8],
    step: usize,
    limits: Limits,
) -> Result<Vec<(Seen, Vec<u8>)>, Broken> {
    let mut reader = CsvReader::new(options, columns.clone(), limits);
    let (mut seen, mut fields) = (Vec::new(), Fields::default());
    let mut take = |reader: &mut CsvReader| -> Result<(), Broken> {
        while let Some(record) = reader.records().next(&mut fields)? {
            let frame = &record.frame;
            let told = match record.violation() {
                Some(violation) => Err(format!("{}: {}", violation.rule.as_str(), violation.reason)),
                None => {
                    let bytes = String::from_utf8_lossy(frame.bytes);
                    let text = |slot| match fields.scalar(slot, &bytes) {
                        Scalar::Null => "~".to_owned(),
                        Scalar::Text(text) => text.to_owned(),
                        Scalar::Nested(text) => format!("nested {text}"),
                        other => panic!("{other:?}"),
                    };
                    let mut all: Vec<String> = (0..columns.slot_count).map(text).collect();
                    all.extend(fields.extra_names(&bytes).map(|name| format!("+{name}")));
                    Ok(all)
                }
            };
            seen.push(((frame.position, frame.line, told), frame.bytes.to_vec()));
        }
        Ok(())
    };
    for piece in text.chunks(step.max(1)) {
        reader.push(piece);
        take(&mut reader)?;
    }
    reader.finish();
    take(&mut reader)?;
    Ok(seen)
}

/// Records must not depend on how the bytes arrive.
fn read(options: &CsvOptions, names: &[&str], text: &str) -> Vec<Seen> {
    let columns = columns(names);
    let whole = read_in(options, &columns, text.as_bytes(), text.len(), Limits::default()).unwrap();
    for step in [1, 2, 3, 5, 17] {
        let pieces = read_in(options, &columns, text.as_bytes(), step, Limits::default()).unwrap();
        assert_eq!(pieces, whole, "step {step} of {text:?}");
    }
    whole.into_iter().map(|(seen, _)| seen).collect()
}

fn good(position: u64, line: u64, fields: &[&str]) -> Seen {
    (position, line, Ok(fields.iter().map(|text| (*text).to_owned()).collect()))
}

fn bad(position: u64, line: u64, fault: &str) -> Seen {
    (position, line, Err(fault.to_owned()))
}

fn header_fault(names: &[&str], text: &str) -> String {
    let broken = read_in(&options(), &columns(names), text.as_bytes(), 3, SMALL).unwrap_err();
    assert_eq!(broken.rule, Rule::HeaderMismatch);
    broken.reason
}

#[test]
fn real_files_lines_are_read_as_they_are_meant() {
    let ab = ["a", "b"];
    for (text, expected) in [
        ("a,b\n1,2\n", vec![good(4, 2, &["1", "2"])]),
        ("\u{feff}a,b\r\n1,2\r\n\r\n\n3,4", vec![good(8, 2, &["1", "2"]), good(16, 5, &["3", "4"])]),
        ("b,a\n1,2\n", vec![good(4, 2, &["2", "1"])]),
        ("\"b\", a \n1,2\n", vec![good(8, 2, &["2", "1"])]),
        (
            "a,b\n\"x, \"\"y\"\"\r\nz\",\"\"\nq,\n",
            vec![good(4, 2, &["x, \"y\"\r\nz", ""]), good(21, 4, &["q", "~"])],
        ),
        ("a,b\n5\" pipe,x\"y\"\n", vec![good(4, 2, &["5\" pipe", "x\"y\""])]),
        ("a,b\n \"x\",\"y\"\n", vec![good(4, 2, &[" \"x\"", "y"])]),
        ("a,b\nx\ry,z\n", vec![good(4, 2, &["x\ry", "z"])]),
        ("a,b\n,\n", vec![good(4, 2, &["~", "~"])]),
        ("a,b\n1,\"2\"", vec![good(4, 2, &["1", "2"])]),
        ("a,b\n1,", vec![good(4, 2, &["1", "~"])]),
        ("a,b\n1,2\r", vec![good(4, 2, &["1", "2"])]),
        ("a,c,b,d\n1,2,3,4\n", vec![good(8, 2, &["1", "3", "+c", "+d"])]),
        ("a\n1\n", vec![good(2, 2, &["1", "~"])]),
        ("\"a\n\",b\n1,2\n", vec![good(7, 3, &["1", "2"])]),
        ("äöü,b\nx,ß\n", vec![good(9, 2, &["~", "ß", "+äöü"])]),
        ("", vec![]),
        ("\u{feff}", vec![]),
        ("a,b", vec![]),
        ("\n\r\na,b\n", vec![]),
    ] {
        assert_eq!(read(&options(), &ab, text), expected, "{text:?}");
    }
}

#[test]
fn one_bad_record_costs_no_other() {
    let count = |n: u64| format!("field_count: the record has {n} fields, expected are 2");
    let behind = "invalid_csv: text stands behind a closing quote";
    let unclosed = "invalid_csv: a quoted field is not closed";
    for (text, expected) in [
        ("a,b\n1\n1,2\n1,2,3\n", vec![bad(4, 2, &count(1)), good(6, 3, &["1", "2"]), bad(10, 4, &count(3))]),
        ("a,b\n\"x\" y,2\n1,2\n", vec![bad(4, 2, behind), good(12, 3, &["1", "2"])]),
        ("a,b\n\"x\"\r,2\n1,2\n", vec![bad(4, 2, behind), good(11, 3, &["1", "2"])]),
        ("a,b\n\"x,2\n1,2\n3,\"4\n", vec![bad(4, 2, behind), good(9, 3, &["1", "2"]), bad(13, 4, unclosed)]),
        (
            "a,b\n1,\"2\n3,4\n5,6",
            vec![bad(4, 2, unclosed), good(9, 3, &["3", "4"]), good(13, 4, &["5", "6"])],
        ),
        ("a,b\r\n1,\"2\r\n3,4", vec![bad(5, 2, unclosed), good(11, 3, &["3", "4"])]),
    ] {
        assert_eq!(read(&options(), &["a", "b"], text), expected, "{text:?}");
    }
    let lines = CsvOptions { multiline: false, ..options() };
    assert_eq!(
        read(&lines, &["a", "b"], "a,b\n1,\"2\n3,\"4\"\n"),
        [bad(4, 2, unclosed), good(9, 3, &["3", "4"])]
    );
}

#[test]
fn null_is_the_empty_unquoted_field_or_an_unquoted_null_text() {
    let own = CsvOptions { null_texts: vec!["NULL".into(), "\\N".into()], ..options() };
    let text = "a,b\nNULL,\"NULL\"\n\\N,null\n,\"\"\n";
    let expected = [good(4, 2, &["~", "NULL"]), good(16, 3, &["~", "null"]), good(24, 4, &["~", ""])];
    assert_eq!(read(&own, &["a", "b"], text), expected);
}

#[test]
fn delimiter_quote_and_header_are_the_contracts() {
    let own = CsvOptions { delimiter: Some(b'\t'), quote: Some(b'\''), header: CsvHeader::None, ..options() };
    assert_eq!(read(&own, &["a", "b"], "1,\"\t'it''s'\n"), [good(0, 1, &["1,\"", "it's"])]);
    let bare = CsvOptions { quote: None, header: CsvHeader::None, ..options() };
    assert_eq!(read(&bare, &["a", "b"], "\"1,2\"\n"), [good(0, 1, &["\"1", "2\""])]);
}

#[test]
fn a_column_that_keeps_json_gets_objects_and_arrays_as_such() {
    let text = "j,t\n\"{\"\"a\"\":[1]}\",{}\n[1],2\nx,2\n";
    let expected = [
        good(4, 2, &["nested {\"a\":[1]}", "{}"]),
        good(21, 3, &["nested [1]", "2"]),
        good(27, 4, &["x", "2"]),
    ];
    assert_eq!(read(&options(), &["j{", "t"], text), expected);
}

#[test]
fn a_header_that_does_not_fit_breaks_the_object_and_names_the_columns() {
    assert_eq!(header_fault(&["a!", "b!", "c"], "a\n1\n"), "the header lacks b");
    assert_eq!(header_fault(&["a", "b"], "a,b,a\n1\n"), "the header names twice a");
    assert_eq!(
        header_fault(&["a", "b"], "A;B\n1\n"),
        "the header names no column of the contract, such as a, b"
    );
    let unclosed = "the header cannot be read: a quoted field is not closed";
    assert_eq!(header_fault(&["a", "b"], "a,\"b\n1,2\n"), unclosed);
    assert!(header_fault(&["a", "b"], &"a,b".repeat(20)).contains("longer than the limit"));
    let many: Vec<String> = (0..30).map(|i| format!("c{i}!")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(header_fault(&many, "c0\n").ends_with("c9, c10 and 19 more"));
}

#[test]
fn a_record_over_the_limit_is_told_once_and_the_next_line_is_read() {
    let too_large = "record_too_large: the record is longer than the limit";
    let unclosed = "invalid_csv: a quoted field is not closed";
    let own = CsvOptions { header: CsvHeader::None, ..options() };
    let (x, quoted) = ("x".repeat(60), format!("\"{}", "y\n".repeat(20)));
    for (text, expected) in [
        (
            format!("1,2\n{x}\n3,4\n"),
            vec![good(0, 1, &["1", "2"]), bad(4, 2, too_large), good(65, 3, &["3", "4"])],
        ),
        (
            "1234567,12345678\r\n3,4\n".to_owned(),
            vec![good(0, 1, &["1234567", "12345678"]), good(18, 2, &["3", "4"])],
        ),
        ("1234567,123456789\n3,4".to_owned(), vec![bad(0, 1, too_large), good(18, 2, &["3", "4"])]),
        ("1234567,123456789".to_owned(), vec![bad(0, 1, too_large)]),
        (format!("\"{x}\n3,4\n"), vec![bad(0, 1, too_large), good(62, 2, &["3", "4"])]),
    ] {
        for step in [1, 5, 1000] {
            let seen = read_in(&own, &columns(&["a", "b"]), text.as_bytes(), step, SMALL).unwrap();
            let seen: Vec<Seen> = seen.into_iter().map(|(seen, _)| seen).collect();
            assert_eq!(seen, expected, "{text:?} in {step}");
        }
    }
    let seen = read_in(&own, &columns(&["a"]), quoted.as_bytes(), 7, SMALL).unwrap();
    assert_eq!(seen.first().map(|(seen, _)| seen), Some(&bad(0, 1, unclosed)));
    assert_eq!(seen.len(), 20, "its other lines are records");
}

/// Every line opens a quote that no later line closes, read from its own beginning; a scan each would be quadratic.
#[test]
fn lines_of_unclosed_quotes_cost_no_scan_each() {
    let own = CsvOptions { header: CsvHeader::None, ..options() };
    let text = "x\"y,\"z\n".repeat(600_000);
    let start = std::time::Instant::now();
    let seen = read_in(&own, &columns(&["a", "b"]), text.as_bytes(), 64 << 10, Limits::default()).unwrap();
    assert_eq!(seen.len(), 600_000);
    assert!(seen.iter().all(|((_, _, told), _)| told.is_err()));
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

fn encoded(records: &[Vec<Option<String>>], line_break: &str) -> String {
    let mut text = String::from("a,b,c") + line_break;
    for record in records {
        let fields: Vec<String> = record
            .iter()
            .map(|field| match field {
                None => String::new(),
                Some(plain) if !plain.is_empty() && !plain.contains([',', '"', '\n', '\r']) => plain.clone(),
                Some(text) => format!("\"{}\"", text.replace('"', "\"\"")),
            })
            .collect();
        text += &(fields.join(",") + line_break);
    }
    text
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(
        records in prop::collection::vec(prop::collection::vec(prop::option::of("[a-c,\"\r\n ä~]{0,12}"), 3), 0..12),
        line_break in prop::sample::select(vec!["\n", "\r\n"]),
        step in 1usize..40,
    ) {
        let text = encoded(&records, line_break);
        let seen = read_in(&options(), &columns(&["a", "b", "c"]), text.as_bytes(), step, Limits::default()).unwrap();
        let fields: Vec<Vec<String>> = seen.into_iter().map(|((_, _, told), _)| told.unwrap()).collect();
        let expected: Vec<Vec<String>> = records
            .iter()
            .map(|record| record.iter().map(|field| field.clone().unwrap_or("~".into())).collect())
            .collect();
        prop_assert_eq!(fields, expected);
    }

    #[test]
    fn any_bytes_in_any_pieces_give_the_same_records_and_lose_no_byte(
        text in "[xy,\"\"\r\n\n]{0,200}",
        step in 1usize..30,
        limit in 1usize..60,
        multiline: bool,
    ) {
        let own = CsvOptions { header: CsvHeader::None, multiline, ..options() };
        let limits = Limits { max_record_bytes: limit, ..SMALL };
        let columns = columns(&["a", "b"]);
        let whole = read_in(&own, &columns, text.as_bytes(), text.len(), limits).unwrap();
        prop_assert_eq!(&read_in(&own, &columns, text.as_bytes(), step, limits).unwrap(), &whole);
        let mut end = 0;
        let mut dropping = false;
        for ((position, line, told), bytes) in whole {
            let between = text.get(end..position as usize).unwrap();
            let rest = if dropping { between.split_once('\n').map_or("", |(_, rest)| rest) } else { between };
            prop_assert!(rest.chars().all(|c| "\r\n".contains(c)), "{text:?} lost {rest:?} at {position}");
            let breaks = text.as_bytes()[..position as usize].iter().filter(|b| **b == b'\n').count();
            prop_assert_eq!(line, breaks as u64 + 1);
            prop_assert!(bytes.len() <= limit);
            end = position as usize + bytes.len();
            dropping = told.is_err_and(|fault| fault.starts_with("record_too_large"));
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
        let own = CsvOptions { header: CsvHeader::None, ..options() };
        let whole = read_in(&own, &columns(&["a", "b{"]), &bytes, bytes.len(), SMALL);
        prop_assert_eq!(read_in(&own, &columns(&["a", "b{"]), &bytes, step, SMALL), whole);
        let named = read_in(&options(), &columns(&["a", "b{"]), &bytes, step, SMALL);
        prop_assert!(named.is_ok() || named.is_err_and(|broken| broken.rule == Rule::HeaderMismatch));
    }
}

#[test]
fn a_stray_quote_that_another_one_closes_far_away_costs_its_own_line_only() {
    let mut text = String::from("a,b\n1,x\n2,\"stray\n");
    text.extend((0..1_000).map(|i| format!("{i},y\n")));
    text.push_str("3,\"z\n4,w\n");
    let mut reader = CsvReader::new(&options(), columns(&["a", "b"]), Limits::default());
    reader.push(text.as_bytes());
    reader.finish();
    let (mut fields, mut good, mut bad) = (Fields::default(), 0, Vec::new());
    while let Some(framed) = reader.records().next(&mut fields).unwrap() {
        match framed.frame.fault {
            None => good += 1,
            Some(_) => bad.push((framed.frame.line, framed.frame.bytes.to_vec())),
        }
    }
    assert_eq!(good, 1_002);
    assert_eq!(bad, [(3, b"2,\"stray".to_vec()), (1_004, b"3,\"z".to_vec())]);
}

#[test]
fn the_last_record_of_an_object_that_breaks_off_is_none() {
    let mut reader = CsvReader::new(&options(), columns(&["a", "b"]), Limits::default());
    reader.push(b"a,b\n1,12345.00\n2,1234");
    reader.break_off();
    let mut fields = Fields::default();
    assert_eq!(reader.records().next(&mut fields).unwrap().unwrap().frame.fault, None);
    let cut = reader.records().next(&mut fields).unwrap().unwrap();
    assert_eq!(
        (cut.frame.fault.map(|(rule, _)| rule), cut.frame.bytes),
        (Some(Rule::Truncated), &b"2,1234"[..])
    );
    assert!(reader.records().next(&mut fields).unwrap().is_none());
}

#[test]
fn lines_that_end_with_cr_alone_are_told() {
    let mut reader = CsvReader::new(&options(), columns(&["a", "b"]), Limits::default());
    reader.push(b"a,b\r1,2\r3,4\r");
    reader.finish();
    let broken = reader.records().next(&mut Fields::default()).unwrap_err();
    assert_eq!((broken.rule, broken.reason.contains("CR alone")), (Rule::HeaderMismatch, true));
}
