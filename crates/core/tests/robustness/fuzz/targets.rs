//! What is fuzzed: each target takes any bytes, panics where a promise does not hold, and tells what it saw as a number.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;
use std::sync::Arc;

use penstock_core::contract::Contract;
use penstock_core::decode::Limits;
use penstock_core::kpl::{self, UserRecord};
use penstock_core::object::events_in_text;
use penstock_core::queue::Envelope;
use penstock_core::row::{Checker, HandOver, Rows, Session};
use penstock_core::{mask, quarantine};

use crate::datasets::{self, contract_text};
use crate::files::{gzip, seeds, zstd};
use crate::rig::{Outcome, ingest, whole};
use crate::rows::hold_all;

pub struct Target {
    pub name: &'static str,
    seeds: fn() -> Vec<Vec<u8>>,
    pub run: fn(&[u8]) -> u64,
}

impl Target {
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        (self.seeds)()
    }
}

const JSON_SETS: [&str; 6] = ["json", "keyed", "lines", "array", "formatted", "any json"];
const CSV_SETS: [&str; 7] =
    ["csv", "csv strict", "csv formatted", "csv semicolons", "csv lines", "csv bare", "any tsv"];

pub const JSON: Target =
    Target { name: "json", seeds: || of(&JSON_SETS), run: |bytes| through(&JSON_SETS, bytes) };
pub const CSV: Target =
    Target { name: "csv", seeds: || of(&CSV_SETS), run: |bytes| through(&CSV_SETS, bytes) };
pub const PACKED: Target = Target { name: "packed", seeds: packed, run: |bytes| through(&["json"], bytes) };
#[cfg(feature = "avro")]
pub const AVRO: Target =
    Target { name: "avro", seeds: || of(&["avro"]), run: |bytes| through(&["avro"], bytes) };
#[cfg(feature = "parquet")]
pub const PARQUET: Target =
    Target { name: "parquet", seeds: || of(&["parquet"]), run: |bytes| through(&["parquet"], bytes) };
pub const CONTRACT: Target = Target { name: "contract", seeds: contracts, run: contract };
pub const TIME_FORMAT: Target = Target { name: "time_format", seeds: time_formats, run: time_format };
pub const KPL: Target = Target { name: "kpl", seeds: aggregated, run: aggregate };
pub const STAMPED: Target = Target { name: "stamped", seeds: stamped_rows, run: stamped };

fn told(what: impl Hash) -> u64 {
    let mut hash = DefaultHasher::new();
    what.hash(&mut hash);
    hash.finish()
}

fn of(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().flat_map(|name| seeds(name)).collect()
}

fn packed() -> Vec<Vec<u8>> {
    let plain = seeds("json").swap_remove(0);
    let (head, tail) = plain.split_at(100);
    vec![gzip(&plain), zstd(&plain), [gzip(head), gzip(tail)].concat(), [zstd(head), zstd(tail)].concat()]
}

/// The bytes as an object of each dataset.
fn through(names: &[&str], bytes: &[u8]) -> u64 {
    let limits =
        Limits { max_ratio: 50, free_bytes: 256 << 10, max_block_bytes: 64 << 10, ..Limits::default() };
    told(
        names
            .iter()
            .map(|name| {
                let own = datasets::named(name);
                let outcome = ingest(&own.checker, own.key, bytes, &[4096, 1, 61], limits);
                hold_all(&own.checker, &outcome);
                rejects_can_be_shown(&outcome, own.checker.contract());
                shape(&outcome)
            })
            .collect::<Vec<_>>(),
    )
}

fn rejects_can_be_shown(outcome: &Outcome, contract: &Contract) {
    let mut lines = Vec::new();
    let packed = quarantine::Subject::message("m", "s").lines(&outcome.batch.rejects);
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut lines).unwrap();
    let count = lines.split(|b| *b == b'\n').filter(|line| !line.is_empty()).inspect(|line| {
        serde_json::from_slice::<serde::de::IgnoredAny>(line).expect("quarantine holds JSON lines");
    });
    assert_eq!(count.count(), outcome.batch.rejects.len());
    for reject in outcome.batch.rejects.iter().take(3) {
        drop(mask::mask(contract, &String::from_utf8_lossy(&reject.raw)));
    }
}

/// What tells two outcomes apart: the rules, by column, and about how many rows there are.
fn shape(outcome: &Outcome) -> u64 {
    let mut rules: Vec<_> =
        outcome.told().into_iter().map(|(_, column, rule)| (column.map(str::to_owned), rule)).collect();
    rules.sort();
    rules.dedup();
    let reason = outcome.ended.as_ref().err().map(|broken| &broken.reason);
    told((
        rules,
        reason,
        outcome.rows.len().min(4),
        outcome.batch.extra_fields.min(2),
        outcome.batch.warnings.total().min(2),
    ))
}

fn contracts() -> Vec<Vec<u8>> {
    let mut all = vec![include_bytes!("../../../../../infra/contracts/transactions.odcs.yaml").to_vec()];
    for columns in [
        &[
            "name: a, physicalType: 'numeric(5,2)', logicalTypeOptions: {minimum: 1, maximum: 2.5, multipleOf: 0.5}",
        ][..],
        &[
            "name: a, physicalType: date, partitioned: true, partitionKeyPosition: 1, logicalTypeOptions: {format: MMM dd yyyy}",
        ],
        &[
            "name: a, physicalType: varchar(9), logicalTypeOptions: {pattern: '^(a|b)+$', minLength: 1, format: uuid}",
        ],
        &[
            "name: a, physicalType: integer, unique: true",
            "name: b, physicalType: char(2), transformLogic: 'a > 1 ? \"x\" : \"y\"'",
        ],
        &[
            "name: a, physicalType: super, quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [x]}}]",
        ],
    ] {
        let server = ", format: csv, customProperties: [{property: penstock.header, value: none}]";
        all.push(
            contract_text(server, "{property: penstock.extraColumns, value: reject}", columns).into_bytes(),
        );
    }
    all
}

/// A contract is refused with a reason, or it can be compiled or is refused with one, and takes records.
fn contract(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    // Patterns of many repetitions are refused by the regex crate's own limit, slowly.
    let refused =
        |error: String| told((1, error.chars().filter(|c| !c.is_ascii_digit()).take(60).collect::<String>()));
    let contract = match Contract::parse(text) {
        Ok(contract) => contract,
        Err(error) => return refused(error.to_string()),
    };
    let notes = contract.notes.lines().len();
    match Checker::compile(Arc::new(contract)) {
        Err(error) => refused(error.to_string()),
        Ok(checker) => {
            let checker = Arc::new(checker);
            let takes_text = checker
                .contract()
                .s3
                .as_ref()
                .is_some_and(|s3| !matches!(s3.format, Some(penstock_core::contract::Format::Binary)));
            let shapes = [r#"{"a":1}"#, r#"{"a":"x","b":"Jan 02 2026"}"#, "1,2\n"].map(|record| {
                if !takes_text || cfg!(not(all(feature = "avro", feature = "parquet"))) {
                    return 0;
                }
                let outcome = whole(&checker, record);
                hold_all(&checker, &outcome);
                shape(&outcome)
            });
            told((2, notes, shapes))
        }
    }
}

fn time_formats() -> Vec<Vec<u8>> {
    [
        "date\ndd/MM/yyyy\n31/12/2025",
        "date\nMMM dd yyyy\nJan 02 2026",
        "timestamp\nyyyy-MM-dd HH:mm:ss[.SSS]\n2026-01-02 03:04:05.678",
        "timestamptz\nEEE, d MMM yyyy HH:mm:ss Z\nFri, 2 Jan 2026 03:04:05 +0100",
        "time\nhh:mm a\n11:30 PM",
        "timestamptz\nepoch_millis\n1767322800123",
        "timestamp\nepoch_seconds\n1.7673228e9",
        "date\nD/uuuu\n366/2024",
        "timestamptz\nyyyy-MM-dd'T'HH:mm:ssXXX\n2026-01-02T03:04:05+02:00",
        "timestamp\nyyyyMMddHHmmssSSSSSS\n20260102030405000001",
        "timestamp\nd MMMM yy, H.mm\n2 january 26, 3.04",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}

/// A type, a pattern and a text, a line each.
fn time_format(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let mut lines = text.splitn(3, '\n');
    let (Some(ty), Some(pattern), Some(text)) = (lines.next(), lines.next(), lines.next()) else { return 1 };
    let (ty, pattern) = (serde_json::Value::from(ty), serde_json::Value::from(pattern));
    let column = format!("name: v, physicalType: {ty}, logicalTypeOptions: {{format: {pattern}}}");
    let contract = Contract::parse(&contract_text(", format: json", "", &[&column]));
    let Ok(checker) = contract.and_then(|own| Checker::compile(Arc::new(own))) else { return 2 };
    let checker = Arc::new(checker);
    told([serde_json::Value::from(text).to_string(), text.to_owned()].map(|value| {
        let outcome = whole(&checker, format!("{{\"v\":{value}}}"));
        hold_all(&checker, &outcome);
        let digits = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "9");
        (shape(&outcome), outcome.column(0).first().map(|own| own.map(digits)), pattern.to_string().len())
    }))
}

fn aggregated() -> Vec<Vec<u8>> {
    let record =
        |partition_key, explicit_hash_key, data| UserRecord { partition_key, explicit_hash_key, data };
    let all = [
        record("a", None, &b"{\"id\":1}"[..]),
        record("b", Some("17"), b"{\"id\":2}"),
        record("a", Some("17"), b""),
    ];
    let whole = kpl::encode(all);
    // Under fuzzing the digest never fits: the message alone is what is changed.
    vec![kpl::message(&whole).unwrap().to_vec(), kpl::message(&kpl::encode([])).unwrap().to_vec(), whole]
}

/// What can be read is the same when written and read again.
fn aggregate(bytes: &[u8]) -> u64 {
    let is_whole = kpl::message(bytes).is_some();
    match kpl::decode(bytes) {
        Err(error) => told((is_whole, error.to_string())),
        Ok(records) => {
            let again = kpl::encode(records.iter().copied());
            let message = kpl::message(&again).expect("its own digest fits");
            assert_eq!(kpl::decode(message).as_deref(), Ok(records.as_slice()));
            let with_keys = records.iter().filter(|own| own.explicit_hash_key.is_some()).count();
            told((records.len().min(40), with_keys.min(5), records.iter().map(|own| own.data.len()).max()))
        }
    }
}

fn stamped_rows() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for name in ["json", "keyed"] {
        let own = datasets::named(name);
        let outcome = ingest(&own.checker, own.key, &seeds(name)[0], &[usize::MAX], Limits::default());
        let hand_over = HandOver::new(own.checker.contract());
        for row in outcome.rows.iter() {
            let mut json = String::new();
            hand_over.write_whole(row, "s3://b/k", &mut json);
            all.push(json.into_bytes());
        }
    }
    let rows = all.iter().map(|row| String::from_utf8(row.clone()).unwrap()).collect::<Vec<_>>().join(",");
    all.push(
        format!(
            r#"{{"penstock":1,"dataset":"t","contract_version":"1","source":"s3://b/k","rows":[{rows}]}}"#
        )
        .into_bytes(),
    );
    all.push(include_bytes!("../../../../../events/s3-put.json").to_vec());
    all
}

/// Any bytes as a stamped row, a message and an event: an accepted row is the same when written and read again.
fn stamped(bytes: &[u8]) -> u64 {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let message = Envelope::parse(text).map(|_| ()).map_err(|own| own.rule);
    let events = events_in_text(text).is_ok();
    let rows = ["json", "keyed"].map(|name| {
        let checker = &datasets::named(name).checker;
        let mut outcome = Outcome { batch: Default::default(), rows: Rows::default(), ended: Ok(()) };
        let read = checker.check_stamped(&mut Session::default(), bytes, &mut outcome.rows);
        hold_stamped(checker, &outcome.rows);
        read.map(|own| own.extra_fields.min(2))
            .map_err(|broken| broken.into_iter().map(|own| (own.rule, own.column)).collect::<Vec<_>>())
    });
    told((message, events, rows))
}

fn hold_stamped(checker: &Checker, rows: &Rows) {
    let Some(row) = rows.get(0) else { return };
    let (mut json, mut again) = (String::new(), Rows::default());
    HandOver::new(checker.contract()).write_whole(row, row.source().unwrap_or("s"), &mut json);
    let read = checker.check_stamped(&mut Session::default(), json.as_bytes(), &mut again);
    read.unwrap_or_else(|broken| panic!("{broken:?}\n{json}"));
    let row_again = again.get(0).unwrap();
    assert_eq!(row.stamp(), row_again.stamp());
    for (i, column) in checker.contract().columns.iter().enumerate() {
        if column.ty != penstock_core::contract::PhysicalType::Super {
            assert_eq!(row.get(i), row_again.get(i), "{}", column.name);
        }
    }
}
