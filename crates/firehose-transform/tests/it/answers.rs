//! The answer as a whole: every record once whatever comes, and never over the limit of 6 MB.

use base64_simd::STANDARD;
use firehose_transform::MAX_ANSWER_BYTES;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::common::{answers, app, app_of, event, invoke, order, record};

/// Ids of the answer's records, with their results.
fn told(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let records = answer["records"].as_array().unwrap();
    records.iter().map(|own| (text(&own["recordId"]), text(&own["result"]))).collect()
}

fn failed(told: &[(String, String)]) -> usize {
    told.iter().filter(|(_, result)| result == "ProcessingFailed").count()
}

/// `count` orders whose notes are as long as `more` says for the first of them.
fn orders(count: usize, more: usize) -> Value {
    let note = |n: usize| "n".repeat(if n == 0 { more } else { 5 });
    let one = |n: usize| json!({"id": format!("{n:06}"), "shop": "s", "note": note(n)}).to_string();
    event((0..count).map(|n| record(n, one(n))).collect())
}

#[test]
fn an_answer_over_the_limit_fails_the_last_records_only() {
    let small = invoke(&app(), &orders(100, 5)).unwrap();
    let per_record = (small.to_string().len() - 14) / 100;
    let fits = MAX_ANSWER_BYTES / (per_record + 40);
    let near = invoke(&app(), &orders(fits, 5)).unwrap();
    assert_eq!(failed(&told(&near)), 0);
    assert!(near.to_string().len() > MAX_ANSWER_BYTES / 10 * 9);
    let count = fits + fits / 4;
    let over = told(&invoke(&app(), &orders(count, 5)).unwrap());
    assert_eq!(over.len(), count);
    let first = over.iter().position(|(_, result)| result == "ProcessingFailed").unwrap();
    assert!(failed(&over) > 0 && first > fits / 2);
}

#[test]
fn the_limit_is_kept_to_the_byte() {
    // Of every size between two records' worth of bytes, so that some answer ends at the limit itself.
    let mut largest = 0;
    for more in [1, 4, 7, 10, 13, 16, 19] {
        let event = orders(12_000, more);
        let answer =
            app().handle(event.to_string().as_bytes(), &penstock_aws::Invocation::lasting(None)).unwrap();
        assert!(answer.len() <= MAX_ANSWER_BYTES);
        largest = largest.max(answer.len());
    }
    assert!(largest > MAX_ANSWER_BYTES - 1_000, "{largest}");
}

fn datum() -> impl Strategy<Value = String> {
    let encoded = |bytes: Vec<u8>| STANDARD.encode_to_string(bytes);
    prop_oneof![
        any::<Vec<u8>>().prop_map(encoded),
        "[{}\\[\\]\",:a-z0-9\n ]{0,30}".prop_map(move |text| encoded(text.into_bytes())),
        ("[ab]", "[st]").prop_map(move |(id, shop)| encoded(order(&id, &shop).into_bytes())),
        any::<Vec<u8>>()
            .prop_map(move |bytes| encoded([&[0xf3, 0x89, 0x9a, 0xc2], bytes.as_slice()].concat())),
        "\\PC{0,20}",
    ]
}

fn loose() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(|n| json!(n)),
        "[0-9]{0,60}".prop_map(|text| json!(text)),
        Just(json!(null)),
        Just(json!([{}])),
        any::<f64>().prop_map(|n| json!(n)),
    ]
}

proptest! {
    #[test]
    fn every_record_id_is_answered_once_and_in_its_place(
        records in prop::collection::vec(("\\PC{0,3}", datum(), loose(), loose(), loose()), 0..12)
    ) {
        let records: Vec<_> = records
            .into_iter()
            .map(|(id, data, arrival, sequence, subsequence)| json!({
                "recordId": id, "data": data, "approximateArrivalTimestamp": arrival,
                "kinesisRecordMetadata": {"sequenceNumber": sequence, "subsequenceNumber": subsequence},
            }))
            .collect();
        let ids: Vec<_> = records.iter().map(|own| own["recordId"].as_str().unwrap().to_owned()).collect();
        let answer = invoke(&app(), &event(records.clone())).unwrap();
        let told = told(&answer);
        prop_assert_eq!(told.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), ids);
        for (record, own) in records.iter().zip(answer["records"].as_array().unwrap()) {
            if own["result"] == "ProcessingFailed" {
                prop_assert_eq!(&record["data"], &own["data"]);
            }
        }
    }
}

#[test]
fn a_record_of_rows_without_end_fails_alone_and_before_it_fills_the_memory() {
    let many = "{\"note\":\"n\"}\n".repeat(400_000);
    let app = app_of("clicks");
    let found = answers(&app, vec![record(1, many), record(2, r#"{"note": "n"}"#)]);
    let told: Vec<_> = found.iter().map(|own| own.result.as_str()).collect();
    assert_eq!(told, ["ProcessingFailed", "Ok"]);
}
