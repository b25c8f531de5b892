//! New content under an old key: its files take the place of its own old ones, and of no others.

use std::collections::BTreeSet;

use penstock_tests::LakeRoute;

use crate::rig::{COLUMNS, LOOK, contract, contracts, expected, rides, route, trips};

async fn keys(route: &LakeRoute, dataset: &str) -> BTreeSet<String> {
    route.lake.list(&format!("{dataset}/")).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn a_replaced_source_loses_exactly_its_own_old_files() {
    let route = route().await;
    route.convert("lake/rides/other.json", rides(100..106)).await.unwrap();
    let others = keys(&route, "rides").await;
    route.convert("lake/rides/1.json", rides(0..60)).await.unwrap();
    let before = keys(&route, "rides").await;
    assert_eq!((others.len(), before.len()), (6, 12));
    // Only days 2 and 3, and a day that was not there.
    let mut body: String = rides(0..60)
        .lines()
        .filter(|line| !line.contains("2026-01-01"))
        .fold(String::new(), |all, line| all + line + "\n");
    body = body.replace("2026-01-03\"", "2026-02-09\"");
    route.convert("lake/rides/1.json", body).await.unwrap();
    let after = keys(&route, "rides").await;
    assert!(after.is_superset(&others), "{after:?}");
    let own: BTreeSet<&String> = after.difference(&others).collect();
    let days: BTreeSet<&str> = own.iter().filter_map(|key| key.split('/').nth(1)).collect();
    assert_eq!(days, BTreeSet::from(["day=2026-01-02", "day=2026-02-09"]));
    assert_eq!(own.len(), 4);
    let ids = route.rows("rides", &["id"]).await.unwrap();
    assert_eq!(ids.len(), 40 + 6);
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn an_event_of_a_content_that_is_gone_changes_nothing() {
    let route = route().await;
    let old = route.landing.put_for_event("lake/trips/1.csv", trips(0..30)).await.unwrap();
    let new = route.landing.put_for_event("lake/trips/1.csv", trips(30..40)).await.unwrap();
    assert_eq!(route.take(&[new, old]).await.unwrap(), [] as [usize; 0]);
    assert_eq!(route.rows("trips", &LOOK).await.unwrap(), expected(30..40));
    route.landing.delete("lake/trips/1.csv").await.unwrap();
    let gone = route.landing.put_for_event("lake/trips/2.csv", trips(0..1)).await.unwrap();
    route.landing.delete("lake/trips/2.csv").await.unwrap();
    assert_eq!(route.take(&[gone]).await.unwrap(), [] as [usize; 0]);
    assert_eq!(route.receipts().await.unwrap().len(), 1);
    assert_eq!(route.rows("trips", &LOOK).await.unwrap(), expected(30..40));
}

#[tokio::test]
async fn a_source_that_is_replaced_by_nothing_leaves_no_file() {
    let route = route().await;
    route.convert("lake/rides/1.json", rides(0..10)).await.unwrap();
    route.convert("lake/rides/1.json", "").await.unwrap();
    assert_eq!(keys(&route, "rides").await.len(), 0);
    let receipts = route.receipts().await.unwrap();
    let empty = receipts.iter().find(|own| own["bytes"] == 0).unwrap();
    assert_eq!(
        (&empty["status"], &empty["read"], &empty["sent"]),
        (&"complete".into(), &0.into(), &0.into())
    );
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn files_before_and_after_a_new_nullable_column_are_both_readable() {
    let route = LakeRoute::with_settings(contracts(), &[]).await.unwrap();
    route.convert("lake/bare/1.json", rides(0..6)).await.unwrap();
    let columns =
        format!("{COLUMNS}      - {{name: tip, logicalType: number, physicalType: 'numeric(9,1)'}}\n");
    let custom = "{property: penstock.lakeStamps, value: false}";
    route.replace_contract("bare", &contract("bare", "format: json", custom, &columns)).unwrap();
    let newer = route.another().await.unwrap();
    let body = rides(6..12).replace(",\"zone\"", ",\"tip\":0.5,\"zone\"");
    let message = route.landing.put_for_event("lake/bare/2.json", body).await.unwrap();
    newer.invoke(&message).await.unwrap();
    let look = [&LOOK[..], &["tip"]].concat();
    let mut rows: Vec<String> = expected(0..6).into_iter().map(|row| row + "|-").collect();
    rows.extend(expected(6..12).into_iter().map(|row| row + "|0.5"));
    rows.sort();
    assert_eq!(route.rows("bare", &look).await.unwrap(), rows);
}
