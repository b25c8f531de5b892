//! Objects that are too much for one invocation.

use std::collections::BTreeSet;

use serde_json::json;

use crate::common::{Function, KEY, LANDING, event, lines};

/// Above four times the size that is read at once.
const COUNT: usize = 12_000;

fn ids(function: &Function) -> BTreeSet<String> {
    function.rows().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_large_object_is_read_by_tasks_in_any_order_and_its_receipt_counts_each_record_once() {
    let body = lines(COUNT);
    let function = Function::of(&body);
    assert!(function.deliver([event(LANDING, KEY, &body).to_string()]).await.is_empty());
    let tasks = function.take_tasks();
    assert!(tasks.len() > 4 && function.rows().is_empty(), "{}", tasks.len());
    // Each comes twice, the last first.
    for task in tasks.iter().rev().chain(&tasks[..2]) {
        assert!(function.deliver([task.clone()]).await.is_empty());
    }
    let rows = function.rows().len();
    assert_eq!((ids(&function).len(), rows), (COUNT, COUNT));
    let receipt = function.receipt();
    assert_eq!(
        (&receipt["read"], &receipt["sent"], &receipt["status"]),
        (&json!(COUNT), &json!(COUNT), &json!("complete"))
    );
    // One that comes after the end finds nothing to do.
    assert!(function.deliver([tasks[0].clone()]).await.is_empty());
    assert_eq!((function.rows().len(), function.take_tasks().len()), (COUNT, 0));
    assert_eq!(function.receipt(), receipt);
}

#[tokio::test]
async fn tasks_of_an_object_that_was_replaced_read_nothing() {
    let body = lines(COUNT);
    let function = Function::of(&body);
    function.deliver([event(LANDING, KEY, &body).to_string()]).await;
    let tasks = function.take_tasks();
    function.put(&lines(3));
    assert!(function.deliver(tasks).await.is_empty());
    assert!(function.rows().is_empty() && function.objects("work").is_empty());
    assert!(function.deliver([event(LANDING, KEY, &lines(3)).to_string()]).await.is_empty());
    assert_eq!(function.receipt()["sent"], 3);
}

#[tokio::test]
async fn an_event_that_comes_again_has_only_the_missing_ranges_read() {
    let body = lines(COUNT);
    let function = Function::of(&body);
    function.deliver([event(LANDING, KEY, &body).to_string()]).await;
    let tasks = function.take_tasks();
    function.deliver([tasks[1].clone()]).await;
    let sent = function.rows().len();
    function.deliver([event(LANDING, KEY, &body).to_string()]).await;
    let missing = function.take_tasks();
    assert_eq!((missing.len(), missing.contains(&tasks[1])), (tasks.len() - 1, false));
    assert!(function.deliver(missing).await.is_empty());
    assert!(sent > 0 && function.rows().len() == COUNT);
    assert_eq!(function.receipt()["sent"], COUNT);
}

#[tokio::test]
async fn a_range_that_the_stream_refuses_comes_again_and_the_object_stays_open() {
    let body = lines(COUNT);
    let function = Function::of(&body);
    function.deliver([event(LANDING, KEY, &body).to_string()]).await;
    let tasks = function.take_tasks();
    function.world.lock().unwrap().refuses = Some("KMSThrottlingException");
    assert_eq!(function.deliver([tasks[0].clone()]).await, ["m-0"]);
    function.world.lock().unwrap().refuses = None;
    assert!(function.deliver(tasks).await.is_empty());
    assert_eq!(ids(&function).len(), COUNT);
    assert_eq!(function.receipt()["read"], COUNT);
}
