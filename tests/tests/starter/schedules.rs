//! Schedules: each of their times starts one run, alone or together with files.

use serde_json::{Value, json};

use crate::glue::{CRAWLER, JOB};
use crate::rig::{Rig, message};

fn schedule(dataset: &str, start: &str, id: &str) -> Value {
    json!({"source": "penstock.schedule", "dataset": dataset, "start": start, "id": id, "time": "2026-03-01T06:00:00Z"})
}

#[tokio::test]
async fn a_schedules_time_starts_one_run_however_often_it_is_told() {
    let rig = Rig::start().await;
    let twice = [schedule("orders", "job", "one"), schedule("orders", "job", "one")].map(message);
    assert!(rig.take(&twice).await.is_empty());
    // As EventBridge invokes a function itself.
    rig.starter.invoke(&schedule("orders", "job", "one")).await.unwrap();
    assert_eq!(rig.glue.runs().len(), 1);
    rig.starter.invoke(&schedule("orders", "job", "two")).await.unwrap();
    rig.starter.invoke(&schedule("clients", "crawler", "one")).await.unwrap();
    let names: Vec<String> = rig.glue.runs().into_iter().map(|run| run.name).collect();
    assert_eq!(names, [JOB, JOB, CRAWLER]);
    let claim = &rig.claims("orders/job").await[1].1;
    assert_eq!(claim["ticks"], json!([{"id": "one", "time": "2026-03-01T06:00:00Z"}]));
    assert_eq!(claim["entries"], json!([]));
}

#[tokio::test]
async fn files_and_a_schedule_of_one_batch_are_one_run() {
    let rig = Rig::start().await;
    let mut events = rig.staged("orders", 0..2).await;
    events.push(message(schedule("orders", "job", "one")));
    assert!(rig.take(&events).await.is_empty());
    assert_eq!((rig.glue.runs().len(), rig.claims("orders/job").await.len()), (1, 1));
}

#[tokio::test]
async fn a_schedule_that_says_too_little_or_names_what_no_contract_has_goes_into_quarantine() {
    let rig = Rig::start().await;
    let mut broken = schedule("orders", "job", "one");
    broken["start"] = "trigger".into();
    let mut timeless = schedule("orders", "job", "one");
    timeless["time"] = "<time>".into();
    let events = [
        broken.clone(),
        timeless,
        schedule("nobody", "job", "one"),
        schedule("plain", "job", "one"),
        schedule("orders", "crawler", "one"),
    ];
    let messages: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(n, event)| {
            let mut message = message(event);
            message["Records"][0]["messageId"] = n.to_string().into();
            message
        })
        .collect();
    assert!(rig.take(&messages).await.is_empty());
    assert_eq!(rig.quarantined().await, ["unknown_event"; 5]);
    assert!(rig.glue.runs().is_empty());
    let error = rig.starter.invoke(&broken).await.unwrap_err();
    assert_eq!(error.error_type, "EventError", "{error}");
}
