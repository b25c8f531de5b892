//! The answer is JSON, has every record once, and is never a byte over its limit nor a record short of it.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const KEYS: &str = "{\"dataset\":\"t\",\"dt\":\"2026-01-02\"}";

fn ok(rows: &str) -> Outcome<'_> {
    Outcome::Ok { rows, keys: KEYS }
}

fn answered(records: &[(&str, Outcome<'_>)], max_bytes: usize) -> (String, Vec<Answered>) {
    let mut answer = Answer::begin(records.iter().map(|(id, _)| *id), max_bytes, String::new());
    let told = records.iter().map(|(id, outcome)| answer.put(id, outcome)).collect();
    (answer.into_json(), told)
}

#[test]
fn each_outcome_has_the_form_that_firehose_reads() {
    let records = [
        ("a", ok("{}\n")),
        ("b", Outcome::Dropped),
        ("c\"", Outcome::Failed("AP8=")),
        ("d", Outcome::Failed("no\n")),
    ];
    let (json, _) = answered(&records, MAX_ANSWER_BYTES);
    let want = serde_json::json!({"records": [
        {"recordId": "a", "result": "Ok", "data": "e30K",
            "metadata": {"partitionKeys": {"dataset": "t", "dt": "2026-01-02"}}},
        {"recordId": "b", "result": "Dropped"},
        {"recordId": "c\"", "result": "ProcessingFailed", "data": "AP8="},
        {"recordId": "d", "result": "ProcessingFailed", "data": "no\n"},
    ]});
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), want);
}

#[test]
fn no_records_are_an_answer_too() {
    assert_eq!(answered(&[], MAX_ANSWER_BYTES).0, "{\"records\":[]}");
}

#[test]
fn an_answer_of_exactly_the_limit_is_whole_and_one_byte_less_fails_its_last_record() {
    let rows = ["{\"a\":1}\n".repeat(20), "{\"b\":2}\n".repeat(9)];
    let records = [("1", ok(&rows[0])), ("2", Outcome::Dropped), ("3", ok(&rows[1]))];
    let (whole, told) = answered(&records, MAX_ANSWER_BYTES);
    assert_eq!(told, [Answered::Whole; 3]);
    assert_eq!(answered(&records, whole.len()), (whole.clone(), told));
    let (less, told) = answered(&records, whole.len() - 1);
    assert_eq!(told, [Answered::Whole, Answered::Whole, Answered::Minimal]);
    assert!(less.ends_with("{\"recordId\":\"3\",\"result\":\"ProcessingFailed\"}]}"));
}

#[test]
fn a_large_record_costs_no_smaller_one_behind_it() {
    let large = "x".repeat(1000);
    let records = [("1", ok("{}\n")), ("2", ok(&large)), ("3", ok("{}\n"))];
    let (_, told) = answered(&records, 600);
    assert_eq!(told, [Answered::Whole, Answered::Minimal, Answered::Whole]);
}

#[test]
fn every_record_is_answered_even_where_the_ids_alone_are_over_the_limit() {
    let records = [("1", ok("{}\n")), ("2", Outcome::Failed("YQ=="))];
    let (json, told) = answered(&records, 10);
    assert_eq!(told, [Answered::Minimal; 2]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["records"].as_array().unwrap().len(), 2);
}

fn outcomes() -> impl Strategy<Value = Vec<(String, u8, String)>> {
    prop::collection::vec(("\\PC{0,4}|[\"\\\\\n]{1,2}", 0u8..3, "\\PC{0,30}"), 0..12)
}

fn outcome((_, kind, text): &(String, u8, String)) -> Outcome<'_> {
    match kind {
        0 => ok(text),
        1 => Outcome::Dropped,
        _ => Outcome::Failed(text),
    }
}

proptest! {
    #[test]
    fn any_answer_is_json_with_every_id_in_its_place(records in outcomes(), max_bytes in 0usize..1200) {
        let records: Vec<_> = records.iter().map(|own| (own.0.as_str(), outcome(own))).collect();
        let (json, told) = answered(&records, max_bytes);
        let value: Value = serde_json::from_str(&json).unwrap();
        let ids: Vec<_> = value["records"].as_array().unwrap().iter().map(|own| own["recordId"].as_str().unwrap()).collect();
        prop_assert_eq!(ids, records.iter().map(|(id, _)| *id).collect::<Vec<_>>());
        let least: usize = records.iter().map(|(id, _)| 1 + minimal_len(json_len(id))).sum();
        prop_assert!(json.len() <= max_bytes.max(HEAD.len() + least + TAIL.len()));
        // Whatever did not fit really did not: one more whole record would have broken the limit.
        let first = told.iter().position(|own| *own == Answered::Minimal);
        if let Some(first) = first {
            let spared: usize = records[first].1.len() - FAILED.len();
            let rest_at_least: usize = records[first..].iter().map(|(id, _)| 1 + minimal_len(json_len(id))).sum();
            let before = answered(&records[..first], MAX_ANSWER_BYTES).0.len();
            let comma = usize::from(first == 0);
            prop_assert!(before + rest_at_least + spared - comma > max_bytes);
        }
    }
}
