//! Identity, order and source of rows; stamped rows; rows that others of the batch make needless.

use serde_json::{Value, json};

use crate::common::{ARRIVAL_MS, SOURCE, answers, app, app_of, invoke, order, record, results};

const OK: &str = "Ok";
const DROPPED: &str = "Dropped";
const FAILED: &str = "ProcessingFailed";

fn stamped(dataset: &str, record: Value) -> Value {
    answers(&app_of(dataset), vec![record])[0].row()
}

#[test]
fn order_is_arrival_then_sequence_then_subsequence_and_index() {
    let mut one = record(1, format!("{}{}", order("a", "s"), order("b", "s")));
    one["kinesisRecordMetadata"]["subsequenceNumber"] = json!("3");
    let rows = answers(&app(), vec![one])[0].rows();
    let sequence = format!("{:0>56}", "4950001");
    assert_eq!(rows[0]["_order"], format!("{ARRIVAL_MS}/{sequence}/00000000030000000000"));
    assert_eq!(rows[1]["_order"], format!("{ARRIVAL_MS}/{sequence}/00000000030000000001"));
}

#[test]
fn without_a_sequence_number_the_record_id_stands_for_it() {
    let mut one = record(1, order("a", "s"));
    one["kinesisRecordMetadata"] = json!(null);
    let row = stamped("orders", one);
    // First half of SHA-256 of "id-1".
    let want = format!("{ARRIVAL_MS}/eb66c623572f8a2a5167ce017dee0541/00000000000000000000");
    assert_eq!(row["_order"], want);
}

#[test]
fn the_source_is_the_kinesis_stream_else_the_firehose_stream() {
    assert_eq!(stamped("orders", record(1, order("a", "s")))["_source"], SOURCE);
    let mut event = crate::common::event(vec![record(1, order("a", "s"))]);
    event.as_object_mut().unwrap().remove("sourceKinesisStreamArn");
    let answer = invoke(&app(), &event).unwrap();
    let data = base64_simd::STANDARD.decode_to_vec(answer["records"][0]["data"].as_str().unwrap()).unwrap();
    let row: Value = serde_json::from_slice(&data).unwrap();
    assert_eq!(row["_source"], crate::common::STREAM);
}

#[test]
fn equal_rows_without_a_key_stay_two_and_a_redelivered_one_is_dropped() {
    let click = r#"{"note": "n"}"#;
    let mut again = record(1, click);
    again["recordId"] = json!("other");
    let answers = answers(&app_of("clicks"), vec![record(1, click), record(2, click), again]);
    assert_ne!(answers[0].row()["_record_id"], answers[1].row()["_record_id"]);
    assert_eq!(answers[2].result, DROPPED);
}

#[test]
fn a_stamped_row_keeps_its_stamps() {
    let first = stamped("orders", record(1, order("a", "s")));
    let mut second = record(2, first.to_string());
    second["approximateArrivalTimestamp"] = json!(ARRIVAL_MS + 86_400_000);
    assert_eq!(stamped("orders", second), first);
}

#[test]
fn a_stamp_that_is_not_of_the_row_is_refused() {
    let mut row = stamped("orders", record(1, order("a", "s")));
    row["id"] = json!("b");
    assert_eq!(results(&app(), vec![record(1, row.to_string())]), [FAILED]);
    row["id"] = json!("a");
    row["_order"] = json!("a b");
    assert_eq!(results(&app(), vec![record(1, row.to_string())]), [FAILED]);
}

#[test]
fn a_keyless_stamped_row_keeps_an_identity_that_cannot_be_computed() {
    let first = stamped("clicks", record(1, r#"{"note": "n"}"#));
    assert_eq!(stamped("clicks", record(7, first.to_string())), first);
}

#[test]
fn a_word_that_looks_like_a_stamp_makes_no_stamped_row() {
    let row = stamped("clicks", record(1, r#"{"note": "\"_record_id\"", "more": {"_record_id": 1}}"#));
    assert_eq!(row["note"], "\"_record_id\"");
}

#[test]
fn of_equal_rows_the_later_one_counts() {
    let (a, b) = (order("a", "s"), order("a", "other"));
    let records = vec![record(1, &a), record(2, &b), record(3, &a)];
    assert_eq!(results(&app(), records), [DROPPED, OK, OK]);
    let records = vec![record(3, &a), record(2, &b), record(1, &a)];
    assert_eq!(results(&app(), records), [OK, OK, DROPPED]);
}

#[test]
fn a_record_of_several_rows_is_dropped_only_if_all_are() {
    let (a, b, c) = (order("a", "s"), order("b", "s"), order("c", "s"));
    let records = vec![record(1, format!("{a}{b}")), record(2, format!("{a}{c}")), record(3, &b)];
    assert_eq!(results(&app(), records), [DROPPED, OK, OK]);
    let records = vec![record(1, format!("{a}{b}")), record(2, format!("{a}{c}"))];
    assert_eq!(results(&app(), records), [OK, OK]);
    assert_eq!(results(&app(), vec![record(1, format!("{a}{a}"))]), [OK]);
}
