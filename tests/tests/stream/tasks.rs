//! Objects that are too much for one invocation: in ranges, or from checkpoint to checkpoint. However often their tasks
//! come, the rows downstream are those of one reading, and the receipt is there when all of it is done.

use std::collections::BTreeSet;
use std::time::Duration;

use penstock_tests::{Bootstrap, Random, STREAMER, StreamRoute, batch, given_back, until};
use serde_json::{Value, json};

use crate::files::{Draft, clicks, gzip, put};
use crate::model::{self, Object};
use crate::rig::{NONE, check, check_accounts, route_split, rows, same};

/// As few as may be.
const SPLIT_BYTES: usize = 64 << 10;
const KEY: &str = "stream/clicks/big.json";

/// Puts a file and has its event taken; the object, its event and its tasks.
async fn split(route: &StreamRoute, key: &str, draft: &Draft) -> (Object, Value, Vec<Value>) {
    let (object, event) = put(route, "clicks", key, draft).await.unwrap();
    assert_eq!(route.send(std::slice::from_ref(&event)).await.unwrap(), NONE);
    let tasks = route.take_tasks().await.unwrap();
    (object, event, tasks)
}

/// What stands in the queue, until there is nothing.
async fn finish(route: &StreamRoute) {
    route.tasks.work_off(async |event| route.streamer.invoke(event).await).await.unwrap();
}

fn draft(seed: u64, count: usize) -> Draft {
    clicks(&mut Random::new(seed, 7), count)
}

#[tokio::test]
async fn a_receipt_is_there_when_all_ranges_are_done_and_counts_all_of_them() {
    let route = route_split(SPLIT_BYTES).await;
    let draft = draft(1, 2_000);
    let (object, event, tasks) = split(&route, KEY, &draft).await;
    assert_eq!(tasks.len(), draft.text.len().div_ceil(SPLIT_BYTES));
    for (at, task) in tasks.iter().enumerate() {
        assert!(route.receipts().await.unwrap().is_empty(), "{at} of {} tasks are done", tasks.len());
        assert_eq!(route.send(std::slice::from_ref(task)).await.unwrap(), NONE);
    }
    check_accounts(&route, std::slice::from_ref(&object)).await.unwrap();
    route.check_clean().await.unwrap();
    // Late ones find the object done.
    let taken = route.kinesis.count();
    assert_eq!(route.send(&tasks).await.unwrap(), NONE);
    assert_eq!(route.kinesis.count(), taken);
    assert!(route.take_tasks().await.unwrap().is_empty());
    route.load_new().await.unwrap();
    check(&route, std::slice::from_ref(&object)).await.unwrap();
    // The event has it read once more, and the rows are the same.
    assert_eq!(route.send(&[event]).await.unwrap(), NONE);
    finish(&route).await;
    route.load_new().await.unwrap();
    check(&route, std::slice::from_ref(&object)).await.unwrap();
    check_accounts(&route, &[object]).await.unwrap();
}

#[tokio::test]
async fn tasks_that_come_twice_and_in_any_order_add_no_row_downstream() {
    let route = route_split(SPLIT_BYTES).await;
    let (object, event, tasks) = split(&route, KEY, &draft(2, 2_000)).await;
    // All but one, backwards, each twice in one batch and once more in another.
    for group in tasks[1..].rchunks(2) {
        assert_eq!(route.send(&[group, group].concat()).await.unwrap(), NONE);
        assert_eq!(route.send(group).await.unwrap(), NONE);
        route.load_new().await.unwrap();
    }
    assert!(route.receipts().await.unwrap().is_empty(), "a range is missing");
    // The event again sends what is missing.
    assert_eq!(route.send(std::slice::from_ref(&event)).await.unwrap(), NONE);
    let missing = route.take_tasks().await.unwrap();
    assert!(missing.iter().any(|task| task["Records"][0]["body"] == tasks[0]["Records"][0]["body"]));
    assert_eq!(route.send(&[&missing[..], &tasks[1..]].concat()).await.unwrap(), NONE);
    route.load_new().await.unwrap();
    check(&route, std::slice::from_ref(&object)).await.unwrap();
    check_accounts(&route, &[object]).await.unwrap();
}

#[tokio::test]
async fn two_functions_with_the_same_tasks_add_no_row_downstream() {
    let route = route_split(SPLIT_BYTES).await;
    let (object, _, tasks) = split(&route, KEY, &draft(3, 3_000)).await;
    let other = Bootstrap::start(STREAMER, route.vars.clone()).await.unwrap();
    let (forwards, backwards) = (batch(&tasks), batch(&tasks.iter().rev().cloned().collect::<Vec<_>>()));
    let (left, right) = tokio::join!(route.streamer.invoke(&forwards), other.invoke(&backwards));
    let back: Vec<_> = [left, right].into_iter().flat_map(|own| given_back(&own.unwrap()).unwrap()).collect();
    if !back.is_empty() {
        assert_eq!(route.send(&tasks).await.unwrap(), NONE, "what a race gives back comes again");
    }
    route.load_new().await.unwrap();
    check(&route, std::slice::from_ref(&object)).await.unwrap();
    check_accounts(&route, &[object]).await.unwrap();
}

#[tokio::test]
async fn tasks_of_an_object_that_changed_send_nothing_and_the_new_one_arrives_whole() {
    let route = route_split(SPLIT_BYTES).await;
    let (before, event, old) = split(&route, KEY, &draft(4, 2_000)).await;
    assert_eq!(route.send(&old[..2]).await.unwrap(), NONE);
    let taken = route.kinesis.count();
    assert!(taken > 0 && taken < before.records.len());
    let (after, _, new) = split(&route, KEY, &draft(5, 1_500)).await;
    assert_eq!(route.send(&old[1..]).await.unwrap(), NONE);
    assert_eq!(route.kinesis.count(), taken, "nothing more of an object that is no more");
    assert_eq!(route.send(&new).await.unwrap(), NONE);
    assert_eq!(route.send(&[&old[..], &[event]].concat()).await.unwrap(), NONE);
    route.load_new().await.unwrap();
    let all = rows(&route, "clicks").await.unwrap();
    let of = |object: &Object| all.iter().filter(|row| row.contains(&object.id)).cloned().collect::<Vec<_>>();
    same("the new ones", of(&after), model::rows(std::slice::from_ref(&after), "clicks")).unwrap();
    // What was sent of the old one stays, each row once and as it was.
    let (old, wanted) = (of(&before), model::rows(std::slice::from_ref(&before), "clicks"));
    assert_eq!(old.len(), taken);
    assert!(old.iter().all(|row| wanted.contains(row)));
    assert_eq!(route.receipts().await.unwrap().iter().filter(|own| own["status"] == "complete").count(), 1);
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn the_same_content_put_again_between_its_ranges_gives_each_row_once() {
    let route = route_split(SPLIT_BYTES).await;
    let draft = draft(6, 2_000);
    let (before, event, old) = split(&route, KEY, &draft).await;
    assert_eq!(route.send(&old[..2]).await.unwrap(), NONE);
    // S3's times are whole seconds: again, until it is another one.
    let again = until("another time", Duration::from_secs(20), async || {
        let (object, _, new) = split(&route, KEY, &draft).await;
        Ok((object.modified_ms > before.modified_ms).then_some((object, new)))
    });
    let (after, new) = again.await.unwrap();
    assert_eq!(after.id, before.id);
    assert_eq!(route.send(&old).await.unwrap(), NONE);
    assert_eq!(route.send(&new).await.unwrap(), NONE);
    assert_eq!(route.send(&[&old[..], &[event]].concat()).await.unwrap(), NONE);
    finish(&route).await;
    route.load_new().await.unwrap();
    let ids = "SELECT _record_id FROM tgt.clicks";
    let wanted = model::rows(&[after], "clicks");
    let wanted: BTreeSet<&str> = wanted.iter().map(|row| row.rsplit('|').nth(4).unwrap()).collect();
    let wanted = wanted.into_iter().map(str::to_owned).collect();
    same("record ids", route.lines(ids).await.unwrap(), wanted).unwrap();
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn a_task_for_another_bucket_or_for_no_range_goes_to_quarantine() {
    let route = route_split(SPLIT_BYTES).await;
    let (object, _, tasks) = split(&route, KEY, &draft(7, 1_500)).await;
    let body = tasks[0]["Records"][0]["body"].as_str().unwrap();
    let foreign = body.replace(&route.landing.name, &route.quarantine.name);
    let none = body.replace("\"number\":0", "\"number\":77");
    assert!(foreign != body && none != body, "{body}");
    assert_eq!(route.send(&[route.message(&foreign), route.message(&none)]).await.unwrap(), NONE);
    let unknown = route.quarantined_rules().await.unwrap().into_iter().filter(|rule| rule == "unknown_event");
    assert_eq!(unknown.count(), 2);
    assert_eq!(route.send(&tasks).await.unwrap(), NONE);
    route.load_new().await.unwrap();
    check(&route, &[object]).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_cut_goes_on_from_checkpoints_and_each_row_goes_out() {
    // More and more, until it is more than an invocation has time for on this machine.
    for times in 0..6 {
        let route = route_split(SPLIT_BYTES).await;
        let count = 20_000 << times;
        let text: String = (0..count)
            .map(|n| {
                format!("{{\"page\":\"/{n}\",\"at\":\"2026-02-01T00:00:00Z\",\"visitor\":\"{}\"}}\n", n % 977)
            })
            .collect();
        let event =
            route.landing.put_for_event("stream/clicks/a.json.gz", gzip(&text).unwrap()).await.unwrap();
        assert_eq!(route.send(&[event]).await.unwrap(), NONE);
        let tasks = route.take_tasks().await.unwrap();
        assert_eq!(tasks.len(), 1, "it is not cut");
        route.tasks.send(tasks[0]["Records"][0]["body"].as_str().unwrap()).await.unwrap();
        // Without its reserve an invocation has half a second.
        let short = Duration::from_millis(10_500);
        let invocations = route
            .tasks
            .work_off(async |event| {
                route.streamer.invoke_until(event, std::time::SystemTime::now() + short).await
            })
            .await
            .unwrap();
        assert_eq!(route.send(&tasks).await.unwrap(), NONE, "and once more");
        let rows: BTreeSet<Vec<u8>> = route.kinesis.records_from(0).into_iter().map(|own| own.data).collect();
        assert_eq!(rows.len(), count, "a row that goes out twice is the same both times");
        let receipt = route.receipt_of("stream/clicks/a.json.gz").await.unwrap();
        assert_eq!((&receipt["status"], &receipt["sent"]), (&json!("complete"), &json!(count)));
        route.check_clean().await.unwrap();
        if invocations > 2 {
            return;
        }
    }
    panic!("this machine sends any number of rows in no time");
}
