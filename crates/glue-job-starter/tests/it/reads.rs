//! How much of the log is read: back to the oldest work, and no longer than a start can still follow.

use std::time::Duration;

use penstock_aws::Invocation;
use serde_json::{Value, json};

use crate::common::{Function, STAGE, Script, batch};

/// When all claims of the bucket were changed last.
const CHANGED_MS: u64 = 1_772_323_200_000;
const DAY_MS: u64 = 86_400_000;

async fn with_three_claims() -> Function {
    let function = Script::default().function();
    for messages in 1..=3 {
        assert!(function.take(batch(&vec![1; messages])).await.is_empty());
    }
    assert_eq!(function.starts(), 3);
    function.seen.lock().unwrap().gets.clear();
    function
}

/// A batch of one new object whose event tells no time.
fn untimed(sent_ms: Option<u64>) -> Value {
    let object = json!({"key": "t/new.gz", "size": 9, "etag": "e", "sequencer": "0A"});
    let body = json!({"source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": STAGE}, "object": object}});
    let mut event = batch(&[1]);
    let record = &mut event["Records"][0];
    record["body"] = body.to_string().into();
    if let Some(sent_ms) = sent_ms {
        record["attributes"]["SentTimestamp"] = sent_ms.to_string().into();
    }
    event
}

#[tokio::test(start_paused = true)]
async fn work_without_a_time_is_looked_for_since_its_message_was_sent_or_for_a_day() {
    for (sent_ms, reads) in [(Some(CHANGED_MS), 3), (Some(CHANGED_MS + DAY_MS), 1), (None, 1)] {
        let function = with_three_claims().await;
        assert!(function.take(untimed(sent_ms)).await.is_empty());
        assert_eq!(function.seen.lock().unwrap().gets.len(), reads, "{sent_ms:?}");
        assert_eq!(function.starts(), 4, "{sent_ms:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_is_read_no_longer_than_a_start_can_still_follow() {
    let function = Script::default().start(|_| (500, json!({}))).function();
    let begun_ms = 1_800_000_000_000;
    assert_eq!(function.take_at(batch(&[1]), begun_ms).await, ["m-0"]);
    let body = batch(&[1])["Records"][0]["body"].as_str().unwrap().to_owned();
    let event: Value = serde_json::from_str(&body).unwrap();
    // The claim is young: it is waited for, and read again each time.
    let mut invocation = Invocation::lasting(Some(Duration::from_millis(20_500)));
    invocation.started_ms = begun_ms;
    let error = function.app.handle(event.clone(), invocation).await.unwrap_err();
    assert_eq!(error.error.kind(), "OutOfTime");
    let mut invocation = Invocation::lasting(Some(Duration::from_secs(60)));
    invocation.started_ms = begun_ms;
    let error = function.app.handle(event, invocation).await.unwrap_err();
    assert_eq!(error.error.kind(), "Held");
}
