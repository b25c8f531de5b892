//! Single rows, several rows, aggregated records, and what is none of it.

use penstock_core::kpl::{UserRecord, encode};
use serde_json::json;

use crate::common::{answers, app, app_of, order, record, results};

const OK: &str = "Ok";
const FAILED: &str = "ProcessingFailed";

#[test]
fn a_row_goes_on_in_the_hand_over_format_with_its_partition_keys() {
    let answers = answers(&app(), vec![record(1, order("a", "Köln/1"))]);
    let row = answers[0].row();
    assert_eq!((&row["id"], &row["at"]), (&json!("a"), &json!("2026-01-03 00:30:00.000000+00")));
    assert_eq!((&row["shop"], &row["note"]), (&json!("Köln/1"), &json!(null)));
    assert_eq!((&row["_dataset"], &row["_contract_version"]), (&json!("orders"), &json!("1.2.3")));
    let keys = json!({"dataset": "orders", "dt": "2026-01-03", "shop": "Köln%2F1",
        "at": "2026-01-03 00%3A30%3A00.000000+00"});
    assert_eq!(answers[0].keys, keys);
}

#[test]
fn the_day_is_that_of_arrival_where_no_column_tells_one() {
    let of_orders = answers(&app(), vec![record(1, r#"{"id": "a"}"#)]);
    let nil = "__HIVE_DEFAULT_PARTITION__";
    let keys = json!({"dataset": "orders", "dt": "2026-01-02", "shop": nil, "at": nil});
    assert_eq!(of_orders[0].keys, keys);
    let of_clicks = answers(&app_of("clicks"), vec![record(1, r#"{"note": "n"}"#)]);
    assert_eq!(of_clicks[0].keys, json!({"dataset": "clicks", "dt": "2026-01-02"}));
}

#[test]
fn a_bad_record_costs_no_other_and_keeps_its_data() {
    let bad = ["Hello World", r#"{"id": null}"#, r#"{"id": "a""#, "", "[]", "\u{0}\u{1}"];
    let mut records = vec![record(0, order("a", "s"))];
    records.extend(bad.iter().enumerate().map(|(i, data)| record(i + 1, data)));
    records.push(record(9, order("b", "s")));
    let answers = answers(&app(), records.clone());
    let told: Vec<_> = answers.iter().map(|own| own.result.as_str()).collect();
    assert_eq!(told, [OK, FAILED, FAILED, FAILED, FAILED, FAILED, FAILED, OK]);
    for (record, answer) in records.iter().zip(&answers).skip(1).take(bad.len()) {
        assert_eq!(record["data"].as_str(), answer.data.as_deref());
    }
}

#[test]
fn data_that_is_no_base64_goes_back_as_it_came() {
    for data in ["!no base64\"", "a", "QQ=", "QR==", "Q Q=", "QQ==\n", "-_-_", "é", ""] {
        let mut record = record(1, "");
        record["data"] = json!(data);
        let answers = answers(&app(), vec![record]);
        assert_eq!((answers[0].result.as_str(), answers[0].data.as_deref()), (FAILED, Some(data)));
    }
}

#[test]
fn rows_of_one_record_stay_together_in_every_framing() {
    let (a, b) = (order("a", "s"), order("b", "s"));
    for data in [format!("{a}\n{b}\n"), format!("{a}{b}"), format!(" [{a},\n{b}]"), format!("{a}\r\n\r\n{b}")]
    {
        let answers = answers(&app(), vec![record(1, &data)]);
        let ids: Vec<_> = answers[0].rows().iter().map(|row| row["id"].clone()).collect();
        assert_eq!(ids, [json!("a"), json!("b")], "{data}");
        assert_eq!(answers[0].keys["shop"], "s");
    }
}

#[test]
fn a_record_whose_rows_do_not_go_together_fails_whole() {
    let good = order("a", "s");
    for (data, why) in [
        (format!("{good}\n{}", order("b", "other")), "another partition"),
        (format!("{good}\n{{\"id\": null}}"), "a bad row"),
        (format!("{good}\n{{\"id\""), "a row cut off"),
        (format!("[{good},"), "an array cut off"),
    ] {
        let answers = answers(&app(), vec![record(1, &data)]);
        assert_eq!(answers[0].result, FAILED, "{why}");
    }
}

fn user(data: &str) -> UserRecord<'_> {
    UserRecord { partition_key: "p", explicit_hash_key: None, data: data.as_bytes() }
}

#[test]
fn an_aggregated_record_is_taken_apart() {
    let (a, b, c) = (order("a", "s"), format!("{}\n", order("b", "s")), order("c", "s"));
    let bc = format!("{b}{c}");
    let data = encode([user(&a), user(&bc)]);
    let answers = answers(&app(), vec![record(1, data)]);
    let orders: Vec<_> =
        answers[0].rows().iter().map(|row| row["_order"].as_str().unwrap().to_owned()).collect();
    assert_eq!(orders.len(), 3);
    assert!(orders.is_sorted() && orders[0] != orders[1] && orders[1] != orders[2]);
}

#[test]
fn an_aggregated_record_that_is_not_whole_fails() {
    let mut other_digest = encode([user(&order("a", "s"))]);
    *other_digest.last_mut().unwrap() ^= 1;
    let nothing_in_it = encode([]);
    let a_bad_row = encode([user(&order("a", "s")), user("{}")]);
    for data in [other_digest, nothing_in_it, a_bad_row] {
        assert_eq!(results(&app(), vec![record(1, data)]), [FAILED]);
    }
}

#[test]
fn a_record_that_does_not_say_when_it_came_fails() {
    let mut record = record(1, order("a", "s"));
    record["approximateArrivalTimestamp"] = json!(null);
    assert_eq!(results(&app(), vec![record]), [FAILED]);
}

#[test]
fn a_record_id_that_stands_twice_is_answered_twice() {
    let records = vec![record(1, order("a", "s")), record(1, order("b", "s"))];
    let answers = answers(&app(), records);
    assert_eq!([&answers[0].id, &answers[1].id], ["id-1", "id-1"]);
    assert_eq!([&answers[0].row()["id"], &answers[1].row()["id"]], ["a", "b"]);
}
