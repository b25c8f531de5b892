//! Quarantine and receipts: safe before anything is acknowledged, and the same on every delivery.

use serde_json::json;

use crate::common::{Script, Verdict, batch, lines};

/// Three good rows (two of them equal), one that lacks its key, one that is no JSON.
fn mixed() -> String {
    format!("{}{{\"g\":\"a\"}}\nnot JSON\n", lines([("a-0", "a"), ("b-0", "b"), ("a-0", "a")]))
}

#[tokio::test(start_paused = true)]
async fn every_record_is_accounted_for() {
    let function = Script::of(mixed()).rows_per_message(10).start();
    assert!(function.deliver().await);
    let receipt = function.receipt();
    let counts = ["read", "rejected", "duplicate", "sent"].map(|name| receipt[name].as_u64().unwrap());
    assert_eq!(counts, [5, 2, 1, 2]);
    assert_eq!(receipt["status"], "complete");
    assert_eq!(
        (&receipt["source_ms"], &receipt["contract_version"]),
        (&json!(1_767_323_045_000_u64), &json!("1.2.3"))
    );
    assert_eq!(function.rules(), ["required", "not_an_object"]);
}

#[tokio::test(start_paused = true)]
async fn the_receipt_is_written_last() {
    let function = Script::of(mixed()).start();
    assert!(function.deliver().await);
    let seen = function.seen.lock().unwrap();
    let buckets: Vec<&str> = seen.puts.iter().map(|put| put.bucket.as_str()).collect();
    assert_eq!(buckets, ["quarantine", "work"]);
}

#[tokio::test(start_paused = true)]
async fn a_second_delivery_writes_and_sends_the_same_bytes() {
    let first = Script::of(mixed()).rows_per_message(10).start();
    assert!(first.deliver().await);
    // The second one also has to send again, and gets all of it on another way through the queue.
    let second = Script::of(mixed())
        .rows_per_message(10)
        .verdict(|request, _| if request == 0 { Verdict::Unanswered } else { Verdict::Taken })
        .start();
    for _ in 0..2 {
        second.seen.lock().unwrap().puts.clear();
        assert!(second.deliver().await);
        assert_eq!(first.seen.lock().unwrap().puts, second.seen.lock().unwrap().puts);
    }
    for entry in second.sends().concat() {
        assert!(first.sends().concat().contains(&entry));
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_at_fault_leaves_the_same_lines_on_a_second_delivery() {
    let start = || Script::of(mixed()).verdict(|_, _| Verdict::SenderFault("InvalidMessageContents")).start();
    let (first, second) = (start(), start());
    assert!(first.deliver().await && second.deliver().await);
    assert_eq!(first.seen.lock().unwrap().puts, second.seen.lock().unwrap().puts);
    assert_eq!(first.receipt()["rejected"], 4);
    assert_eq!(first.rules().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn rejects_that_are_not_safe_give_the_object_back_without_a_receipt() {
    for status in [500, 503, 403, 404] {
        let function =
            Script::of(mixed()).put(move |put| if put.bucket == "quarantine" { status } else { 200 }).start();
        assert!(!function.deliver().await, "{status}");
        assert!(function.puts("work").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_not_written_gives_the_object_back() {
    for status in [500, 503, 403, 404] {
        let function =
            Script::of(mixed()).put(move |put| if put.bucket == "work" { status } else { 200 }).start();
        assert!(!function.deliver().await, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_no_event_is_acknowledged_only_when_it_is_in_quarantine() {
    for (status, given_back) in [(200, 0), (500, 1)] {
        let function = Script::of("").put(move |_| status).start();
        let answer = function.invoke(batch(["not an event".to_owned()])).await;
        assert_eq!(answer.batch_item_failures.len(), given_back, "{status}");
        assert_eq!(function.rules(), ["unknown_event"]);
        assert_eq!(function.quarantined()[0]["raw"], "not an event");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_at_fault_is_acknowledged_only_when_it_is_in_quarantine() {
    let archived = |_: &_| crate::common::s3_error(403, "InvalidObjectState");
    for (status, acknowledged) in [(200, true), (500, false)] {
        let function = Script::of("").get(archived).put(move |_| status).start();
        assert_eq!(function.deliver().await, acknowledged, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_only_warns_is_sent_and_counted() {
    let function = Script::of("{\"id\":\"a\",\"pad\":\"x!\"}\n{\"id\":\"b\",\"pad\":\"x\"}\n").start();
    assert!(function.deliver().await);
    let receipt = function.receipt();
    let counts = ["read", "rejected", "sent", "warnings"].map(|name| receipt[name].as_u64().unwrap());
    assert_eq!(counts, [2, 0, 2, 1]);
}
