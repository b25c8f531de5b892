//! Objects that cannot be cut and take longer than an invocation: their tasks go on from checkpoint to checkpoint, and
//! one that gets nothing done ends its object.

use std::time::Duration;

use penstock_tests::{CopyRoute, batch};

use crate::ranges::{NONE, is_settled, route, route_split, split};
use crate::rig::{clients, gzip};

/// Clients in CSV, whose quoted fields may hold line breaks. `extra` stands in a column that no contract has: more to
/// read, and no more to load.
fn many_clients(count: usize, extra: &str) -> String {
    let row = |n: usize| {
        format!("{n},\"name\n{}\",2026-01-01T00:00:{:02}Z,{}.5,{extra}\n", n % 977, n % 60, n % 89)
    };
    format!("id,name,seen,balance,extra\n{}", (0..count).map(row).collect::<String>())
}

async fn is_whole(route: &CopyRoute, count: usize) {
    let summary =
        "SELECT COUNT(*), COUNT(DISTINCT id), MIN(id), MAX(id), COUNT(DISTINCT _order) FROM tgt.clients";
    assert_eq!(route.lines(summary).await.unwrap(), [format!("{count}|{count}|0|{}|{count}", count - 1)]);
    is_settled(route, "clients", 1).await;
}

/// Calls with more and more records, until they are more than an invocation has time for on this machine.
async fn until_too_many(mut is_too_many: impl AsyncFnMut(usize) -> bool) {
    for times in 0..6 {
        if is_too_many(100_000 << times).await {
            return;
        }
    }
    panic!("this machine reads any number of records in no time");
}

#[tokio::test]
async fn what_cannot_be_cut_is_read_from_checkpoint_to_checkpoint() {
    for name in ["a.csv.gz", "b.csv"] {
        until_too_many(async |count| {
            let route = route().await;
            let text = many_clients(count, &"0123456789".repeat(25));
            let body = if name.ends_with(".gz") { gzip(&text) } else { text.into_bytes() };
            let (_, tasks) = split(&route, &format!("copy/clients/{name}"), body).await;
            assert_eq!(tasks.len(), 1, "{name} is not cut");
            route.queue.send(tasks[0]["Records"][0]["body"].as_str().unwrap()).await.unwrap();
            // Without its reserve an invocation has half a second.
            let invocations =
                route.work_off(&route.copier, Some(Duration::from_millis(10_500))).await.unwrap();
            assert_eq!(route.take(&tasks).await.unwrap(), NONE, "and once more");
            assert_eq!(clients(&route).await.len(), count, "{name}");
            route.check_clean().await.unwrap();
            let ledger = "SELECT n_read, n_inserted + n_updated + n_unchanged FROM penstock.objects_clients";
            assert_eq!(route.lines(ledger).await.unwrap(), [format!("{count}|{count}")]);
            assert!(route.quarantined().await.unwrap().is_empty());
            invocations > 2
        })
        .await;
    }
}

#[tokio::test]
async fn a_small_object_that_runs_out_of_time_gets_a_task() {
    until_too_many(async |count| {
        let route = route_split(256 << 20).await;
        let body = gzip(&many_clients(count, ""));
        let event = route.landing.put_for_event("copy/clients/a.csv.gz", body).await.unwrap();
        let deadline = std::time::SystemTime::now() + Duration::from_millis(10_400);
        let answer = route.copier.invoke_until(&batch(std::slice::from_ref(&event)), deadline).await.unwrap();
        assert_eq!(penstock_tests::failures(&answer), Vec::<String>::new());
        let is_tasked = clients(&route).await.is_empty();
        route.work_off(&route.copier, None).await.unwrap();
        is_whole(&route, count).await;
        is_tasked
    })
    .await;
}

#[tokio::test]
async fn a_task_that_gets_nothing_done_fails_its_object() {
    let route = route_split(64 << 20).await;
    // Much more than what can be read in the time that there is without the reserve.
    let body = gzip(&many_clients(1_400_000, ""));
    let event = route.landing.put_for_event("copy/clients/slow.csv.gz", body).await.unwrap();
    let time = Duration::from_millis(10_800);
    let deadline = std::time::SystemTime::now() + time;
    let answer = route.copier.invoke_until(&batch(&[event]), deadline).await.unwrap();
    assert_eq!(penstock_tests::failures(&answer), Vec::<String>::new());
    route.work_off(&route.copier, Some(time)).await.unwrap();
    assert_eq!(route.quarantined_rules().await.unwrap(), ["no_progress"]);
    let receipts = route.receipts().await.unwrap();
    let reason = receipts[0]["reason"].as_str().unwrap();
    assert!(reason.contains("cannot be read in the time of an invocation"), "{reason}");
    assert!(clients(&route).await.is_empty());
    route.check_clean().await.unwrap();
}
