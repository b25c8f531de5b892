//! Tests of files against the lines that they hold, written plainly, and against the library's compression of these.

use proptest::prelude::*;

use super::*;
use crate::fixtures::{checker, origin};
use crate::row::{Checker, Place, Rows, Session};

const COLUMNS: [&str; 6] = [
    "name: id, physicalType: 'varchar(4000)', primaryKey: true, required: true",
    "name: city, physicalType: 'varchar(4000)'",
    "name: n, physicalType: bigint",
    "name: at, physicalType: timestamp",
    "name: more, physicalType: super",
    "name: note, physicalType: 'varchar(4000)'",
];

fn rows(checker: &Checker, records: &[String]) -> Rows {
    let (mut rows, mut session) = (Rows::default(), Session::default());
    for (position, record) in (0..).zip(records) {
        let place = Place::Object { origin: &origin(), position };
        checker.check_json(&mut session, record.as_bytes(), &place, &mut rows).unwrap();
    }
    rows
}

/// The lines as they are written elsewhere, and the file of them, of each so many rows.
fn both(checker: &Checker, rows: &Rows, rows_a_file: usize) -> Vec<(String, Vec<u8>)> {
    let (contract, source) = (checker.contract(), "s3://b/k \"1\"");
    let hand_over = HandOver::new(contract);
    let tails = hand_over.staged_tails(source);
    let (mut parts, mut all) = (PartWriter::new(contract, source), Vec::new());
    let mut plain = String::new();
    for (i, row) in (1..).zip(rows.iter()) {
        hand_over.write_staged(row, &tails, &mut plain);
        assert_eq!(parts.push(row).unwrap(), None);
        if i % rows_a_file == 0 || i == rows.len() {
            all.push((std::mem::take(&mut plain), parts.cut().unwrap()));
        }
    }
    assert_eq!(parts.finish(), None);
    all
}

fn unpacked(file: &[u8]) -> String {
    String::from_utf8(zstd::decode_all(file).unwrap()).unwrap()
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop_oneof![Just("Köln"), Just("Berlin"), Just(""), Just("\u{ffff}\"\\\n")].prop_map(str::to_owned),
        2 => "order-0000[0-9]{1,12}",
        1 => "\\PC{0,60}",
        1 => ("[a-zé]{1,9}", 1usize..90).prop_map(|(text, times)| text.repeat(times)),
    ]
}

fn record() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just(None), (0i64..5).prop_map(Some), any::<i64>().prop_map(Some)];
    let day = proptest::option::of(1..29u32);
    let city = proptest::option::weighted(0.8, value());
    (value(), city, number, day, proptest::option::of(value()), proptest::option::weighted(0.2, value()))
        .prop_map(|(id, city, n, day, more, note)| {
            let at = day.map(|day| format!("2026-02-{day:02}T03:04:05"));
            let more = more.map(|text| serde_json::json!({"a": [1, {"b": text}]}));
            let id = format!("{id}.");
            serde_json::json!({"id": id, "city": city, "n": n, "at": at, "more": more, "note": note})
                .to_string()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_file_holds_the_lines_that_are_written_elsewhere(
        records in proptest::collection::vec(record(), 1..600),
        rows_a_file in 1usize..700,
    ) {
        let checker = checker("", &COLUMNS);
        for (plain, file) in both(&checker, &rows(&checker, &records), rows_a_file) {
            let read = unpacked(&file);
            prop_assert!(read == plain, "{read}\n{plain}");
        }
    }
}

/// What is not searched for is not all found: a fifth more bytes, for half the time.
#[test]
fn a_file_is_hardly_larger_than_the_librarys() {
    let checker = checker("", &COLUMNS);
    let mut state = 7u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let records: Vec<_> = (0..20_000)
        .map(|i| {
            let city = ["Köln", "Berlin", "Zürich", "Malmö", "Kraków", "London"][random(6) as usize];
            let more = serde_json::json!({"city": city, "mcc": 5_411 + random(400), "name": format!("Merchant {}", random(500))});
            let at = format!("2026-03-0{}T{:02}:{:02}:{:02}", 1 + random(5), random(24), random(60), random(60));
            let note = (random(4) == 0).then(|| format!("invoice {}", random(100_000)));
            let more = (random(2) == 0).then_some(more);
            serde_json::json!({"id": format!("tx-{i:08}"), "city": city, "n": random(900_000), "at": at, "more": more, "note": note})
                .to_string()
        })
        .collect();
    let files = both(&checker, &rows(&checker, &records), records.len());
    let [(plain, file)] = files.as_slice() else { panic!("{} files", files.len()) };
    // Seven megabytes: far beyond the window, and of many blocks.
    assert!(unpacked(file) == *plain);
    let library = packed(plain).unwrap();
    let ratio = file.len() as f64 / library.len() as f64;
    assert!(ratio < 1.25, "{} bytes, {ratio} of the library's", file.len());
}
