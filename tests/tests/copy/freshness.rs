//! Rows that come later than their contract promises are told, and so are those that do not come at all.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use penstock_tests::{CopyRoute, until};
use serde_json::{Value, json};

use crate::rig::{CLIENTS, fault};

const HOUR: Duration = Duration::from_secs(3_600);

/// A route whose contract promises rows within an hour.
async fn route() -> CopyRoute {
    let scratch = tempfile::tempdir().unwrap();
    let promise = "slaProperties: [{property: latency, value: 60, unit: min}]\n";
    std::fs::write(scratch.path().join("clients.odcs.yaml"), format!("{CLIENTS}{promise}")).unwrap();
    CopyRoute::with_contracts(scratch).await.unwrap()
}

/// An event of an object, sent so long ago.
async fn event(route: &CopyRoute, id: u32, ago: Duration) -> Value {
    let key = format!("copy/clients/{id}.csv");
    let mut event = route.landing.put_for_event(&key, format!("id,name\n{id},Ann\n")).await.unwrap();
    let sent = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() - ago;
    event["Records"][0]["attributes"]["SentTimestamp"] = json!(sent.as_millis().to_string());
    event
}

/// The first so many `FreshnessSeconds`, each with its `LoadsLate`.
async fn told(route: &CopyRoute, count: usize) -> Vec<(u64, Option<u64>)> {
    let told = until("metrics", Duration::from_secs(10), async || {
        let own = route.copier.json_logs().into_iter().filter(|line| line["dataset"] == "clients");
        let told =
            own.filter_map(|line| Some((line["FreshnessSeconds"].as_u64()?, line["LoadsLate"].as_u64())));
        let told: Vec<_> = told.collect();
        Ok((told.len() >= count).then_some(told))
    });
    told.await.unwrap()
}

#[tokio::test]
async fn rows_that_are_later_than_their_contract_promises_are_told_once() {
    let route = route().await;
    let fresh = event(&route, 1, Duration::from_secs(5)).await;
    let late = event(&route, 2, 2 * HOUR).await;
    for batch in [vec![fresh.clone()], vec![fresh, late.clone()], vec![late]] {
        assert!(route.take(&batch).await.unwrap().is_empty());
    }
    // What is loaded already is as fresh as it was: the third delivery tells nothing.
    assert!(route.take(&[event(&route, 3, Duration::ZERO).await]).await.unwrap().is_empty());
    let told = told(&route, 3).await;
    assert!(matches!(told.as_slice(), [(5..60, None), (7_200..7_260, Some(1)), (0..60, None)]), "{told:?}");
}

#[tokio::test]
async fn rows_that_do_not_come_at_all_are_told_too() {
    let route = route().await;
    fault(&route, json!({"fault": "fail", "kind": "COPY", "error": "out of memory", "times": 1}));
    let late = event(&route, 1, 2 * HOUR).await;
    assert_eq!(route.take(&[late]).await.unwrap(), [0]);
    let told = told(&route, 1).await;
    assert!(matches!(told.as_slice(), [(7_200..7_260, Some(1))]), "{told:?}");
}
