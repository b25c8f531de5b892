//! What becomes of whole messages and small objects.

use penstock_aws::trigger::GivenBack as _;
use serde_json::json;

use crate::common::{Function, KEY, LANDING, STREAM, contract, event, lines};

#[tokio::test]
async fn rows_of_an_object_are_on_the_stream_with_all_their_stamps_and_its_receipt_says_so() {
    let body = format!("{}{}", lines(2), "{\"id\":\"c-2\",\"n\":\"many\"}\n");
    let function = Function::of(&body);
    assert!(function.deliver([event(LANDING, KEY, &body).to_string()]).await.is_empty());
    let rows = function.rows();
    assert_eq!(rows.iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), ["c-0", "c-1"]);
    let source = format!("s3://{LANDING}/{KEY}");
    for row in &rows {
        assert_eq!(
            (&row["_source"], &row["_dataset"], &row["_contract_version"]),
            (&json!(source), &json!("t"), &json!("1.2.3"))
        );
        assert!(
            ["_record_id", "_row_hash", "_order", "_deleted"].iter().all(|name| row.get(*name).is_some()),
            "{row}"
        );
    }
    let receipt = function.receipt();
    let counts = ["read", "rejected", "sent", "duplicate"].map(|name| receipt[name].as_u64().unwrap());
    assert_eq!((counts, &receipt["status"]), ([3, 1, 2, 0], &json!("complete")));
    assert_eq!(function.rules(), ["not_a_number"]);
}

#[tokio::test]
async fn partition_keys_are_the_rows_record_ids_and_tell_no_value() {
    let body = lines(3);
    let function = Function::of(&body);
    function.deliver([event(LANDING, KEY, &body).to_string()]).await;
    let ids: Vec<String> =
        function.rows().iter().map(|row| row["_record_id"].as_str().unwrap().to_owned()).collect();
    let world = function.world.lock().unwrap();
    let keys: Vec<String> = world.records.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, ids);
}

#[tokio::test]
async fn a_redelivered_message_sends_the_same_records_again() {
    let body = lines(5);
    let function = Function::of(&body);
    for _ in 0..2 {
        assert!(function.deliver([event(LANDING, KEY, &body).to_string()]).await.is_empty());
    }
    let rows = function.rows();
    assert_eq!(rows[..5], rows[5..]);
    assert_eq!(function.receipt()["sent"], 5);
}

#[tokio::test]
async fn over_the_limit_of_rejects_what_was_sent_stays_and_the_object_is_partial() {
    let body = format!("{}{}", lines(1), "{\"id\":1.5,\"n\":\"x\"}\n".repeat(2));
    let function = Function::of(&body);
    assert!(function.deliver([event(LANDING, KEY, &body).to_string()]).await.is_empty());
    let receipt = function.receipt();
    assert_eq!((&receipt["status"], &receipt["sent"]), (&json!("partial"), &json!(1)));
    assert!(receipt["reason"].as_str().unwrap().contains("2 of 3"), "{receipt}");
}

#[tokio::test]
async fn a_stream_that_refuses_gives_the_message_back_and_no_receipt_is_written() {
    let body = lines(3);
    let function = Function::of(&body);
    function.world.lock().unwrap().refuses = Some("ResourceNotFoundException");
    assert_eq!(function.deliver([event(LANDING, KEY, &body).to_string()]).await, ["m-0"]);
    assert!(function.objects("work").is_empty());
    assert_eq!(function.world.lock().unwrap().waits, [60], "it does not come again soon");
    function.world.lock().unwrap().refuses = None;
    assert!(function.deliver([event(LANDING, KEY, &body).to_string()]).await.is_empty());
    assert_eq!(function.rows().len(), 3);
}

#[tokio::test]
async fn an_object_that_was_replaced_or_removed_since_its_event_is_not_read() {
    let body = lines(3);
    let function = Function::of(&lines(4));
    let gone = event(LANDING, "stream/t/gone.json", &body).to_string();
    assert!(function.deliver([event(LANDING, KEY, &body).to_string(), gone]).await.is_empty());
    assert!(function.rows().is_empty() && function.objects("work").is_empty());
}

#[tokio::test]
async fn what_is_not_ours_goes_into_quarantine_and_costs_no_other_message() {
    let body = lines(1);
    let function = Function::of(&body);
    let bodies = [
        "no json".to_owned(),
        event("other", KEY, &body).to_string(),
        event(LANDING, "stream/unknown/a.json", &body).to_string(),
        json!({"penstock_task": "read_range", "bucket": LANDING}).to_string(),
        event(LANDING, KEY, &body).to_string(),
    ];
    assert!(function.deliver(bodies).await.is_empty());
    assert_eq!(function.rows().len(), 1);
    assert_eq!(function.rules(), ["unknown_bucket", "unknown_dataset", "unknown_event", "unknown_event"]);
}

#[tokio::test]
async fn a_dataset_without_a_stream_gives_its_messages_back() {
    for kinesis in ["", "{property: penstock.streamName, value: '${NOWHERE}'}"] {
        let body = lines(1);
        let function = Function::with(&contract(kinesis), &body);
        assert_eq!(function.deliver([event(LANDING, KEY, &body).to_string()]).await, ["m-0"], "{kinesis}");
        let waits = function.world.lock().unwrap().waits.clone();
        assert_eq!(waits, [60], "it goes on once it is mended, and is a dead letter in time");
        let error = function.invoke(event(LANDING, KEY, &body)).await.unwrap_err();
        assert_eq!((error.kind(), error.is_retryable()), ("StreamError", false), "{error}");
    }
    let function = Function::with(&contract(STREAM), &lines(1));
    assert!(function.invoke(event(LANDING, KEY, &lines(1))).await.is_ok());
}
