//! Whole invocations: several messages, several objects, bare events, and settings that are not there.

use penstock_aws::Invocation;
use penstock_aws::trigger::GivenBack as _;
use penstock_core::contract::ContractSet;
use s3_to_sqs_fifo::{Config, Error};
use serde_json::{Value, json};

use crate::common::{KEY, LANDING, Script, apart, batch, contract, failures, notification, object, s3_error};

/// Objects whose key says how S3 answers.
fn by_key() -> Script {
    Script::of("").get(|input| match input.key() {
        Some("queue/t/busy.json") => s3_error(503, "SlowDown"),
        Some("queue/t/gone.json") => s3_error(404, "NoSuchKey"),
        _ => object(&apart(2)),
    })
}

fn text(key: &str) -> String {
    notification(LANDING, key).to_string()
}

/// One notification of several objects.
fn together(keys: &[&str]) -> Value {
    let records: Vec<Value> =
        keys.iter().map(|key| notification(LANDING, key)["Records"][0].clone()).collect();
    json!({"Records": records})
}

#[tokio::test(start_paused = true)]
async fn only_the_failing_message_of_several_is_given_back() {
    let function = by_key().start();
    let bodies = ["queue/t/a.json", "queue/t/busy.json", "queue/t/gone.json", "queue/t/b.json"].map(text);
    let answer = function.invoke(batch(bodies)).await;
    assert_eq!(failures(&answer), ["m-1"]);
    assert_eq!(function.puts("work").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_several_objects_is_given_back_for_one_and_the_others_are_delivered() {
    let function = by_key().start();
    let keys = ["queue/t/busy.json", "queue/t/a.json", "queue/t/b.json"];
    let answer = function.invoke(batch([together(&keys).to_string()])).await;
    assert_eq!(failures(&answer), ["m-0"]);
    assert_eq!(function.puts("work").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bare_event_that_fails_fails_the_invocation() {
    let function = by_key().start();
    let event = together(&["queue/t/a.json", "queue/t/busy.json", "queue/t/b.json"]);
    let error = function.app.handle(event, Invocation::lasting(None)).await.unwrap_err();
    assert!(matches!(error, Error::Fetch(_)), "{error}");
    assert_eq!(error.kind(), "FetchError");
    assert!(error.to_string().contains("s3://landing/queue/t/busy.json"), "{error}");
    assert_eq!(function.puts("work").len(), 2, "the others are delivered");
}

#[tokio::test(start_paused = true)]
async fn a_bare_event_that_is_none_fails_the_invocation() {
    let function = by_key().start();
    let error = function.app.handle(json!({"a": 1}), Invocation::lasting(None)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), ("EventError", false));
}

#[tokio::test(start_paused = true)]
async fn a_bare_event_and_no_records_at_all_give_back_nothing() {
    let function = by_key().start();
    for event in [notification(LANDING, KEY), json!({"Records": []})] {
        assert!(failures(&function.invoke(event).await).is_empty());
    }
    assert_eq!(function.receipt()["sent"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_message_without_id_body_or_attributes_is_quarantined() {
    let function = by_key().start();
    let event = json!({"Records": [{"eventSource": "aws:sqs"}]});
    assert!(failures(&function.invoke(event).await).is_empty());
    assert_eq!(function.rules(), ["unknown_event"]);
}

#[tokio::test(start_paused = true)]
async fn a_dataset_without_a_queue_waits_for_a_better_deployment() {
    let mut script = Script::of(apart(1));
    script.contract =
        contract(1).replace("https://sqs.us-east-1", "https://${NO_SUCH_VARIABLE}.sqs.us-east-1");
    let function = script.start();
    let error = function.app.handle(notification(LANDING, KEY), Invocation::lasting(None)).await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), ("QueueError", false));
    assert!(error.to_string().contains("NO_SUCH_VARIABLE"), "{error}");
    assert!(function.sends().is_empty());
}

#[test]
fn a_missing_setting_is_named() {
    let set = ContractSet::parse([("t.odcs.yaml", contract(1).as_str())]).unwrap();
    for missing in ["LANDING_BUCKET", "WORK_BUCKET", "QUARANTINE_BUCKET"] {
        for empty in [None, Some(String::new())] {
            let env = |name: &str| if name == missing { empty.clone() } else { Some("b".to_owned()) };
            let error = Config::with_contracts(&set, &env).unwrap_err().to_string();
            assert!(error.contains(missing), "{missing}: {error}");
        }
    }
}
