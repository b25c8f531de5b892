//! A queue that does not take messages now: the object comes again, and none of it counts as done.

use std::time::Duration;

use penstock_aws::Invocation;
use s3_to_sqs_fifo::Error;
use tokio::time::Instant;

use crate::common::{KEY, LANDING, Script, Verdict, advance, apart, batch, failures, lines, notification};

#[tokio::test(start_paused = true)]
async fn a_message_that_is_refused_for_ever_gives_the_object_back_without_a_receipt() {
    let function = Script::of(apart(3))
        .verdict(|_, ids| match ids[0].as_str() {
            "r-1" => Verdict::Refused("ServiceUnavailable"),
            _ => Verdict::Taken,
        })
        .start();
    let start = Instant::now();
    assert!(!function.deliver().await);
    assert_eq!(function.sends().len(), 7, "once, and six times more");
    assert_eq!(function.sent_ids()[1..], [["r-1"]; 6]);
    assert!(function.puts("work").is_empty());
    let waited = start.elapsed();
    assert!(waited > Duration::from_secs(6) && waited < Duration::from_secs(7), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_group_is_sent_after_its_message_was_refused_for_ever() {
    let function = Script::of(lines([("a-0", "a"), ("a-1", "a")]))
        .verdict(|_, _| Verdict::Refused("ServiceUnavailable"))
        .start();
    assert!(!function.deliver().await);
    assert!(function.sent_ids().concat().iter().all(|id| id == "a-0"));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_gives_the_object_back() {
    for (status, body) in [
        (500, r#"{"__type":"com.amazonaws.sqs#InternalError"}"#),
        (400, r#"{"__type":"com.amazonaws.sqs#RequestThrottled"}"#),
        (403, r#"{"__type":"com.amazon.coral.service#AccessDeniedException"}"#),
        (400, r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist"}"#),
        (200, "not JSON"),
    ] {
        let function = Script::of(apart(2)).send(move |_, _| Err((status, body))).start();
        assert!(!function.deliver().await, "{status} {body}");
        assert_eq!(function.sends().len(), 1, "the SDK owns the retries of a request");
        assert!(function.puts("work").is_empty() && function.puts("quarantine").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_throttled_entry_is_sent_again_although_the_queue_blames_the_sender() {
    let codes = [
        "RequestThrottled",
        "ThrottlingException",
        "KmsThrottled",
        "KmsDisabled",
        "AccessDenied",
        "OverLimit",
    ];
    for code in codes {
        let function = Script::of(apart(2))
            .verdict(move |request, ids| match (request, ids[0].as_str()) {
                (0, "r-0") => Verdict::SenderFault(code),
                _ => Verdict::Taken,
            })
            .start();
        assert!(function.deliver().await);
        assert_eq!(function.sent_ids()[1..], [["r-0"]], "{code}");
        assert_eq!(function.receipt()["sent"], 2);
        assert!(function.quarantined().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_over_gives_back_without_reading() {
    let function = Script::of(apart(2)).start();
    let event = batch([notification(LANDING, KEY).to_string()]);
    let answer = function.app.handle(event, Invocation::lasting(Some(Duration::from_secs(5)))).await.unwrap();
    assert_eq!(failures(&answer), ["m-0"]);
    let seen = function.seen.lock().unwrap();
    assert!(seen.gets.is_empty() && seen.puts.is_empty() && seen.sends.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_comes_while_rows_are_sent_gives_back_without_a_receipt() {
    let names: Vec<(String, &str)> = (0..3_000).map(|n| (format!("r-{n}"), ["a", "b"][n % 2])).collect();
    let function = Script::of(lines(names.iter().map(|(id, g)| (id.as_str(), *g))))
        .send(|_, entries| {
            advance(Duration::from_secs(20));
            Ok(vec![Verdict::Taken; entries.len()])
        })
        .start();
    let invocation = Invocation::lasting(Some(Duration::from_secs(60)));
    let error = function.app.handle(notification(LANDING, KEY), invocation).await.unwrap_err();
    assert!(matches!(error, Error::OutOfTime { .. }), "{error}");
    assert!(function.puts("work").is_empty());
}
