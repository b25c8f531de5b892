//! Each format into Parquet, read back to the last digit; what comes twice leaves the same files.

use std::sync::Arc;

use apache_avro::types::Record;
use apache_avro::{Schema, Writer};
use penstock_core::contract::Contract;
use penstock_core::decode::Limits;
use penstock_core::ident::stable_id;
use penstock_core::ingest::{Batch, Ingest, Progress};
use penstock_core::row::{Checker, HandOver, Origin};
use serde_json::{Value, json};

use crate::rig::{COLUMNS, LOOK, STAGED, contract, expected, gzip, rides, route, trips};

const TYPES: [&str; 13] = [
    "id REQUIRED INT64 Integer",
    "name OPTIONAL BYTE_ARRAY String",
    "fare OPTIONAL INT64 Decimal",
    "exact OPTIONAL FIXED_LEN_BYTE_ARRAY Decimal",
    "at OPTIONAL INT64 Timestamp",
    "local OPTIONAL INT64 Timestamp",
    "is_new OPTIONAL BOOLEAN",
    "tags OPTIONAL BYTE_ARRAY String",
    "_record_id REQUIRED BYTE_ARRAY String",
    "_row_hash REQUIRED BYTE_ARRAY String",
    "_order REQUIRED BYTE_ARRAY String",
    "_source REQUIRED BYTE_ARRAY String",
    "_deleted REQUIRED BOOLEAN",
];

/// Whether a column is as its line says; an integer of 64 bits may go without its logical type.
fn is_column(told: &str, expected: &str) -> bool {
    told.starts_with(expected) || expected.strip_suffix(" Integer").is_some_and(|plain| told == plain)
}

#[tokio::test]
async fn csv_and_json_packed_or_not_become_the_same_rows_in_their_folders() {
    let route = route().await;
    let zstd = zstd::encode_all(trips(40..60).as_bytes(), 3).unwrap();
    let all = [
        ("trips", "a b+ä=%/1.csv", trips(0..40).into_bytes()),
        ("trips", "2.csv.zst", zstd),
        ("rides", "1.json", rides(0..40).into_bytes()),
        ("rides", "2.json.gz", gzip(rides(40..60).as_bytes())),
    ];
    for (dataset, name, body) in all {
        route.convert(&format!("lake/{dataset}/{name}"), body).await.unwrap();
    }
    for dataset in ["trips", "rides"] {
        assert_eq!(route.rows(dataset, &LOOK).await.unwrap(), expected(0..60), "{dataset}");
        let files = route.files(dataset).await.unwrap();
        assert_eq!(files.len(), 12, "two files in each of six folders: {:?}", files.keys());
        for (key, file) in files {
            assert!(
                key.starts_with(&format!("{dataset}/day=2026-01-0")) && key.contains("/zone=Z "),
                "{key}"
            );
            let fits = file.columns.iter().zip(TYPES).all(|(told, expected)| is_column(told, expected));
            assert!(fits && file.columns.len() == TYPES.len(), "{:#?}", file.columns);
        }
    }
    let receipts = route.receipts().await.unwrap();
    assert_eq!(receipts.len(), 4);
    for receipt in receipts {
        assert_eq!(receipt["status"], "complete");
        assert_eq!(receipt["sent"], if receipt["source"].as_str().unwrap().contains("1.") { 40 } else { 20 });
    }
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn stamps_are_those_of_every_route_and_can_be_left_out() {
    let route = route().await;
    route.convert("lake/rides/1.json", rides(0..3)).await.unwrap();
    let stamps = route.rows("rides", &["_source", "_deleted", "id"]).await.unwrap();
    let source = format!("s3://{}/lake/rides/1.json", route.landing.name);
    assert_eq!(stamps, (0..3).map(|n| format!("{source}|false|{n}")).collect::<Vec<_>>());
    let ids = route.rows("rides", &["_record_id", "_order"]).await.unwrap();
    assert!(ids.iter().all(|own| own.len() == 32 + 1 + 13 + 1 + 32 + 1 + 20), "{ids:?}");
    route.convert("lake/bare/1.json", rides(0..3)).await.unwrap();
    assert_eq!(route.rows("bare", &LOOK).await.unwrap(), expected(0..3));
    assert!(route.files("bare").await.unwrap().values().all(|file| file.columns.len() == 8));
}

/// An Avro file of rides: every value as a text, as the contract's types take it.
fn avro(range: std::ops::Range<u64>) -> Vec<u8> {
    let fields: Vec<Value> = ["name", "fare", "exact", "at", "local", "tags", "day", "zone"]
        .iter()
        .map(|name| json!({"name": name, "type": "string"}))
        .chain([json!({"name": "Id", "type": "long"}), json!({"name": "is_new", "type": "boolean"})])
        .collect();
    let schema =
        Schema::parse_str(&json!({"type": "record", "name": "r", "fields": fields}).to_string()).unwrap();
    let mut writer = Writer::new(&schema, Vec::new());
    for line in rides(range).lines() {
        let ride: Value = serde_json::from_str(line).unwrap();
        let mut record = Record::new(&schema).unwrap();
        for (name, value) in ride.as_object().unwrap() {
            match value {
                Value::String(text) => record.put(name, text.as_str()),
                Value::Bool(flag) => record.put(name, *flag),
                Value::Number(number) if name == "Id" => record.put(name, number.as_i64().unwrap()),
                Value::Number(_) => record.put(name, format!("{:.2}", value.as_f64().unwrap())),
                other => record.put(name, other.to_string()),
            }
        }
        writer.append(record).unwrap();
    }
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn avro_becomes_the_same_rows() {
    let route = route().await;
    route.convert("lake/flights/1.avro", avro(0..30)).await.unwrap();
    assert_eq!(route.quarantined().await.unwrap(), [] as [Value; 0]);
    let look: Vec<&str> = LOOK.iter().filter(|name| **name != "tags").copied().collect();
    route.convert("lake/rides/1.json", rides(0..30)).await.unwrap();
    assert_eq!(route.rows("flights", &look).await.unwrap(), route.rows("rides", &look).await.unwrap());
    assert_eq!(route.receipts().await.unwrap()[0]["sent"], 30);
}

#[tokio::test]
async fn parquet_that_the_function_wrote_is_a_source_of_the_same_rows() {
    let route = route().await;
    let all_in_one =
        rides(0..30).replace("2026-01-02\",", "2026-01-01\",").replace("2026-01-03\",", "2026-01-01\",");
    let all_in_one = all_in_one.replace("\"Z 1/x\"", "\"Z 0/x\"");
    route.convert("lake/bare/1.json", all_in_one).await.unwrap();
    let (key, file) = route.files("bare").await.unwrap().pop_first().unwrap();
    assert_eq!(file.rows.len(), 30);
    let bytes = route.lake.get(&key).await.unwrap();
    route.convert("lake/journeys/1.parquet", bytes).await.unwrap();
    assert_eq!(route.quarantined().await.unwrap(), [] as [Value; 0]);
    // Columns of the folder are not in the file.
    let look: Vec<&str> = LOOK.iter().filter(|name| !["day", "zone"].contains(*name)).copied().collect();
    assert_eq!(route.rows("journeys", &look).await.unwrap(), route.rows("bare", &look).await.unwrap());
}

/// Rows as Firehose puts them into the stage bucket.
fn stamped(lines: &str) -> Vec<u8> {
    let contract = Contract::parse(&contract("staged", "format: json", STAGED, COLUMNS)).unwrap();
    let (checker, hand_over) =
        (Arc::new(Checker::compile(Arc::new(contract.clone())).unwrap()), HandOver::new(&contract));
    let origin = Origin::new("s3://landing/stream/1", stable_id(["o"]), 1_767_322_800_000);
    let mut ingest = Ingest::new(checker, origin, Limits::default()).unwrap();
    let mut batch = Batch::default();
    let mut rest = lines.as_bytes();
    while !rest.is_empty() {
        rest = &rest[ingest.step(rest, &mut batch).unwrap()..];
    }
    while ingest.finish(&mut batch).unwrap() == Progress::More {}
    let mut text = String::new();
    for row in ingest.stamp(&mut batch).iter() {
        hand_over.write_whole(row, "s3://landing/stream/1", &mut text);
        text.push('\n');
    }
    text.into_bytes()
}

#[tokio::test]
async fn staged_rows_keep_their_stamps_and_their_source() {
    let route = route().await;
    let body = gzip(&stamped(&rides(0..20)));
    let message = route.stage.put_for_event("staged/2026/01/x.gz", body).await.unwrap();
    assert_eq!(route.take(&[message]).await.unwrap(), [] as [usize; 0]);
    assert_eq!(route.rows("staged", &LOOK).await.unwrap(), expected(0..20));
    let sources = route.rows("staged", &["_source", "_order"]).await.unwrap();
    assert!(sources.iter().all(|own| own.starts_with("s3://landing/stream/1|1767322800000/")), "{sources:?}");
}

#[tokio::test]
async fn an_object_that_comes_again_leaves_the_same_files_with_the_same_bytes() {
    let route = route().await;
    let message = route.convert("lake/trips/1.csv", trips(0..50)).await.unwrap();
    let mut before = Vec::new();
    for key in route.lake.list("").await.unwrap() {
        before.push((key.clone(), route.lake.get(&key).await.unwrap()));
    }
    for _ in 0..2 {
        assert_eq!(route.take(&[message.clone(), message.clone()]).await.unwrap(), [] as [usize; 0]);
    }
    let mut after = Vec::new();
    for key in route.lake.list("").await.unwrap() {
        after.push((key.clone(), route.lake.get(&key).await.unwrap()));
    }
    assert!(before == after && before.len() == 6, "{} files, then {}", before.len(), after.len());
    assert_eq!(route.receipts().await.unwrap().len(), 1);
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn a_large_object_goes_in_pieces_and_comes_out_whole() {
    let route = route().await;
    // Texts that do not pack, in one folder: more than one part of an upload.
    let mut random = penstock_tests::Random::new(7, 0);
    let mut lines = String::new();
    for n in 0..600_000u64 {
        let name: String = (0..3).map(|_| format!("{:012x}", random.below(1 << 48))).collect();
        lines.push_str(&format!("{{\"Id\":{n},\"name\":\"{name}\"}}\n"));
    }
    route.convert("lake/bare/large.json.gz", gzip(lines.as_bytes())).await.unwrap();
    let keys = route.lake.list("bare/").await.unwrap();
    let ids = route.rows("bare", &["id"]).await.unwrap();
    assert_eq!((ids.len(), keys.len()), (600_000, 1));
    let head = route.lake.client.head_object().bucket(&route.lake.name).key(&keys[0]).send().await.unwrap();
    assert!(head.e_tag().unwrap().contains('-'), "in parts: {:?}, {:?}", head.e_tag(), head.content_length());
    assert_eq!(head.content_type(), Some("application/vnd.apache.parquet"));
    assert!(keys[0].starts_with("bare/day=__HIVE_DEFAULT_PARTITION__/zone=__HIVE_DEFAULT_PARTITION__/part-"));
}
