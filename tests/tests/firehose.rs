//! The Firehose events of `events/`, and such as are near and over the limit of 6 MB, replayed through the bootstrap of
//! firehose-transform itself.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use penstock_tests::samples::transaction;
use penstock_tests::{Bootstrap, EventFile, workspace_root};
use serde_json::{Value, json};

const FUNCTION: &str = "firehose-transform";
const MAX_ANSWER_BYTES: usize = 6 * 1024 * 1024;
const OK: &str = "Ok";
const DROPPED: &str = "Dropped";
const FAILED: &str = "ProcessingFailed";

async fn bootstrap(dataset: Option<&str>) -> Bootstrap {
    let contracts = workspace_root().join("infra/contracts").display().to_string();
    let mut vars = vec![("CONTRACTS_DIR".to_owned(), contracts)];
    vars.extend(dataset.map(|name| ("DATASET".to_owned(), name.to_owned())));
    Bootstrap::start(FUNCTION, vars).await.unwrap()
}

fn records(answer: &Value) -> &[Value] {
    answer["records"].as_array().unwrap()
}

fn results(answer: &Value) -> Vec<&str> {
    records(answer).iter().map(|own| own["result"].as_str().unwrap()).collect()
}

fn rows(record: &Value) -> Vec<Value> {
    let text = String::from_utf8(STANDARD.decode(record["data"].as_str().unwrap()).unwrap()).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What each record of a file is answered with, and the rules that its rejects break.
fn outcome(name: &str) -> (Option<&'static str>, Vec<&'static str>, Value) {
    let transactions = Some("transactions");
    match name {
        "firehose-single.json" => (transactions, vec![OK], json!({})),
        "firehose-mixed.json" => (
            transactions,
            vec![OK, FAILED, FAILED, FAILED, FAILED, FAILED, FAILED, OK],
            json!({"invalid_json": 1, "not_an_object": 3, "too_long": 1, "unreadable": 1}),
        ),
        "firehose-string-metadata.json" => (transactions, vec![OK; 3], json!({})),
        "firehose-several-rows.json" => {
            (transactions, vec![OK, OK, OK, FAILED, FAILED], json!({"mixed_record": 2, "valid_values": 1}))
        }
        "firehose-kpl.json" => (transactions, vec![OK, FAILED, OK], json!({"not_an_object": 1})),
        "firehose-stamped.json" => (transactions, vec![OK, FAILED, OK], json!({"bad_stamp": 1})),
        "firehose-duplicate.json" => (transactions, vec![DROPPED, OK, OK, OK, DROPPED], json!({})),
        "firehose-unknown-dataset.json" => (None, vec![FAILED; 2], json!({"dataset_unknown": 2})),
        _ => panic!("{name} is replayed by no test"),
    }
}

fn files() -> BTreeSet<String> {
    let paths = EventFile::all().unwrap().into_iter();
    let names = paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.filter(|name| name.starts_with("firehose-")).collect()
}

#[tokio::test]
async fn every_file_is_answered_record_by_record_and_accounted_for() {
    for name in files() {
        let (dataset, expected, rules) = outcome(&name);
        let function = bootstrap(dataset).await;
        let event = EventFile::load(&name).unwrap();
        let answer = function.invoke(event.json()).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(results(&answer), expected, "{name}");
        for (record, own) in records(event.json()).iter().zip(records(&answer)) {
            assert_eq!(record["recordId"], own["recordId"], "{name}");
            match own["result"].as_str().unwrap() {
                OK => assert!(!rows(own).is_empty() && own["metadata"]["partitionKeys"]["dt"] != Value::Null),
                DROPPED => {}
                _ => assert_eq!(record["data"], own["data"], "{name}"),
            }
        }
        let told = function.wait_for_log(|line| line["message"] == "records are transformed").await.unwrap();
        assert_eq!(told["records_read"], expected.len(), "{name}");
        let by_rule: Value = serde_json::from_str(told["rejected_by_rule"].as_str().unwrap()).unwrap();
        assert_eq!(by_rule, rules, "{name}");
        let metrics = function.wait_for_log(|line| line["RecordsRead"] == expected.len()).await.unwrap();
        for (rule, count) in rules.as_object().unwrap() {
            assert_eq!(&metrics[&format!("Rejected.{rule}")], count, "{name}");
        }
    }
}

#[tokio::test]
async fn a_stamped_row_passes_with_its_stamps() {
    let function = bootstrap(Some("transactions")).await;
    let event = EventFile::load("firehose-stamped.json").unwrap();
    let answer = function.invoke(event.json()).await.unwrap();
    let before = STANDARD.decode(event.json()["records"][0]["data"].as_str().unwrap()).unwrap();
    let before: Value = serde_json::from_slice(&before).unwrap();
    assert_eq!(rows(&records(&answer)[0]), [before]);
}

#[tokio::test]
async fn an_event_of_somebody_else_fails_by_its_name() {
    let function = bootstrap(Some("transactions")).await;
    let error = function.invoke(EventFile::load("s3-put.json").unwrap().json()).await.unwrap_err();
    assert_eq!((error.error_type.as_str(), error.message.contains("Firehose")), ("EventError", true));
}

#[tokio::test]
async fn a_dataset_that_no_contract_is_of_fails_the_start() {
    let function = bootstrap(Some("nobodys")).await;
    let error = function.init_error().await.unwrap();
    assert!(error.message.contains("UnknownDataset") && error.message.contains("nobodys"), "{error}");
}

/// An event of that many transactions.
fn event(count: usize) -> Value {
    let record = |n: usize| {
        let row = serde_json::to_string(&transaction(n, 10)).unwrap();
        json!({"recordId": format!("{n:020}"), "approximateArrivalTimestamp": 1_768_465_800_000u64 + n as u64,
            "data": STANDARD.encode(row)})
    };
    json!({"deliveryStreamArn": "arn:aws:firehose:eu-central-1:1:deliverystream/transactions",
        "records": (0..count).map(record).collect::<Vec<_>>()})
}

#[tokio::test]
async fn an_event_near_the_limit_is_answered_whole_and_one_over_it_up_to_the_limit() {
    let function = bootstrap(Some("transactions")).await;
    let small = function.invoke(&event(100)).await.unwrap().to_string().len();
    let near = MAX_ANSWER_BYTES * 98 / small;
    let answer = function.invoke(&event(near)).await.unwrap();
    assert!(results(&answer).iter().all(|result| *result == OK));
    assert!(answer.to_string().len() > MAX_ANSWER_BYTES / 100 * 96);
    let over = near + near / 5;
    let answer = function.invoke(&event(over)).await.unwrap();
    assert!(answer.to_string().len() <= MAX_ANSWER_BYTES);
    let failed = results(&answer).iter().filter(|result| **result == FAILED).count();
    assert!(records(&answer).len() == over && failed > 0 && failed < near / 2);
    let told = function.wait_for_log(|line| line["Rejected.response_budget"] != Value::Null).await.unwrap();
    assert_eq!(told["Rejected.response_budget"], failed);
}
