//! New content under an old key: its files take the place of its own old ones, and of no others.

use std::collections::BTreeSet;

use penstock_tests::LakeRoute;
use serde_json::{Value, json};

use crate::rig::{COLUMNS, LOOK, contract, contracts, expected, ride, rides, route, trips};

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

/// The note of a source, and where it is.
async fn note(route: &LakeRoute, key: &str) -> (String, Value) {
    let source = format!("s3://{}/{key}", route.landing.name);
    let mut notes = route.notes().await.unwrap().into_iter();
    notes.find(|(_, note)| note["source"] == source.as_str()).unwrap()
}

#[tokio::test]
async fn a_source_whose_note_cannot_be_read_loses_its_old_files_all_the_same() {
    const SOURCE: &str = "lake/rides/1.json";
    let route = route().await;
    route.convert("lake/rides/other.json", rides(100..106)).await.unwrap();
    route.convert(SOURCE, rides(0..30)).await.unwrap();
    for (spoiled, range) in [("", 30..33), ("{", 40..41)] {
        let (key, _) = note(&route, SOURCE).await;
        route.work.put(&key, spoiled).await.unwrap();
        route.convert(SOURCE, rides(range.clone())).await.unwrap();
        let mut rows = [expected(range), expected(100..106)].concat();
        rows.sort();
        assert_eq!(route.rows("rides", &LOOK).await.unwrap(), rows, "after {spoiled:?}");
        route.check_notes().await.unwrap();
    }
}

/// A second content of a source has some of its files in the place of the first one's, and never gets the others there.
async fn die_half_way(route: &LakeRoute, source: &str) {
    route.convert(source, rides(0..4)).await.unwrap();
    let (_, first) = note(route, source).await;
    let mut old = Vec::new();
    for file in first["files"].as_array().unwrap() {
        let key = file.as_str().unwrap().to_owned();
        let bytes = route.lake.get(&key).await.unwrap();
        old.push((key, bytes));
    }
    route.convert(source, rides(12..16).replace("2026-01-03", "2026-02-09")).await.unwrap();
    let (key, mut second) = note(route, source).await;
    let mut files: BTreeSet<String> = old.iter().map(|(key, _)| key.clone()).collect();
    for file in second["files"].as_array().unwrap() {
        let file = file.as_str().unwrap();
        if files.insert(file.to_owned()) {
            route.lake.delete(file).await.unwrap();
        }
    }
    assert_eq!((old.len(), files.len()), (4, 5));
    for (key, bytes) in old.into_iter().filter(|(key, _)| !key.contains("day=2026-01-01")) {
        route.lake.put(&key, bytes).await.unwrap();
    }
    (second["state"], second["committing"], second["files"]) = (json!("open"), json!(true), json!(files));
    route.work.put(&key, second.to_string()).await.unwrap();
    let ids = route.rows("rides", &["id"]).await.unwrap();
    assert_eq!(ids, ["1", "12", "15", "2"], "a mix of both");
}

#[tokio::test]
async fn a_content_that_fails_after_one_that_died_half_way_leaves_no_mix_of_contents() {
    const SOURCE: &str = "lake/rides/1.json";
    let route = route().await;
    die_half_way(&route, SOURCE).await;
    route.convert("lake/rides/other.json", rides(100..106)).await.unwrap();
    route.convert(SOURCE, ride(9) + "x\ny\nz\n").await.unwrap();
    assert_eq!(route.rows("rides", &LOOK).await.unwrap(), expected(100..106));
    let receipts = route.receipts().await.unwrap();
    let failed: Vec<_> = receipts.iter().filter(|own| own["status"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(
        failed[0]["reason"],
        "3 of 4 records rejected, over 0.5; 5 files of contents that were there in part are deleted"
    );
    let is_told = |line: &Value| line["level"] == "ERROR" && line["deleted"] == 5;
    route.laker.wait_for_log(is_told).await.unwrap();
    route.check_notes().await.unwrap();
    // The next one that fails finds nothing in part, and what is whole stays.
    route.convert(SOURCE, rides(0..2)).await.unwrap();
    route.convert(SOURCE, ride(9) + "x\ny\n").await.unwrap();
    let mut rows = [expected(0..2), expected(100..106)].concat();
    rows.sort();
    assert_eq!(route.rows("rides", &LOOK).await.unwrap(), rows);
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn a_content_that_comes_after_one_that_died_half_way_takes_the_place_of_both() {
    let route = route().await;
    die_half_way(&route, "lake/rides/1.json").await;
    route.convert("lake/rides/1.json", rides(50..52)).await.unwrap();
    assert_eq!(route.rows("rides", &LOOK).await.unwrap(), expected(50..52));
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
