//! Bad input at every edge: what is refused, with which words, and that the rest goes on.

use serde_json::{Value, json};

use crate::rig::{LOOK, expected, gzip, ride, rides, route};

/// The only receipt of a source.
fn receipt<'r>(receipts: &'r [Value], key: &str) -> &'r Value {
    let own: Vec<&Value> =
        receipts.iter().filter(|own| own["source"].as_str().unwrap().ends_with(key)).collect();
    assert_eq!(own.len(), 1, "{key}: {receipts:?}");
    own[0]
}

#[tokio::test]
async fn rejects_go_to_quarantine_and_the_good_rows_into_the_lake() {
    let route = route().await;
    let body = rides(0..3) + "{\"Id\":\"x\"}\nno json\n{\"name\":\"without id\"}\n" + &rides(3..6);
    let message = route.convert("lake/rides/1.json", body).await.unwrap();
    assert_eq!(route.take(&[message]).await.unwrap(), [] as [usize; 0]);
    assert_eq!(route.rows("rides", &LOOK).await.unwrap(), expected(0..6));
    let lines = route.quarantined().await.unwrap();
    assert_eq!(lines.len(), 3, "once, though it came twice");
    let rules: Vec<&str> = lines.iter().map(|line| line["rules"][0]["rule"].as_str().unwrap()).collect();
    assert_eq!(rules, ["not_a_number", "not_an_object", "required"]);
    let receipts = route.receipts().await.unwrap();
    let own = receipt(&receipts, "1.json");
    assert_eq!((&own["read"], &own["rejected"], &own["sent"]), (&json!(9), &json!(3), &json!(6)));
}

#[tokio::test]
async fn an_object_with_too_many_rejects_fails_as_a_whole_and_the_old_output_stays() {
    let route = route().await;
    route.convert("lake/rides/1.json", rides(0..4)).await.unwrap();
    route.convert("lake/rides/1.json", ride(9) + "x\ny\nz\n").await.unwrap();
    assert_eq!(route.rows("rides", &LOOK).await.unwrap(), expected(0..4));
    let receipts = route.receipts().await.unwrap();
    let failed: Vec<&Value> = receipts.iter().filter(|own| own["status"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["reason"], "3 of 4 records rejected, over 0.5");
    let lines = route.quarantined().await.unwrap();
    assert_eq!((lines.len(), &lines[3]["rules"][0]["rule"]), (4, &json!("too_many_rejects")));
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn a_file_that_breaks_off_fails_as_a_whole() {
    let route = route().await;
    let mut cut = gzip(rides(0..2_000).as_bytes());
    cut.truncate(cut.len() - 100);
    route.convert("lake/rides/cut.json.gz", cut).await.unwrap();
    assert_eq!(route.lake.list("").await.unwrap(), [] as [&str; 0]);
    let receipts = route.receipts().await.unwrap();
    let own = receipt(&receipts, "cut.json.gz");
    assert_eq!(own["status"], "failed", "{own}");
    assert!(own["read"].as_u64().unwrap() > 0, "{own}");
    let rules: Vec<Value> =
        route.quarantined().await.unwrap().iter().map(|line| line["rules"][0]["rule"].clone()).collect();
    assert_eq!(rules.last(), Some(&json!("truncated")), "after the record that is cut: {rules:?}");
    let uploads = route.lake.client.list_multipart_uploads().bucket(&route.lake.name).send().await.unwrap();
    assert_eq!(uploads.uploads().len(), 0, "nothing is left of it");
}

#[tokio::test]
async fn an_empty_object_is_complete_without_rows_and_without_a_file() {
    let route = route().await;
    for key in ["lake/rides/0.json", "lake/trips/0.csv", "lake/flights/0.avro", "lake/journeys/0.parquet"] {
        route.convert(key, "").await.unwrap();
    }
    assert_eq!(route.lake.list("").await.unwrap(), [] as [&str; 0]);
    for key in ["rides/0.json", "trips/0.csv"] {
        let receipts = route.receipts().await.unwrap();
        let own = receipt(&receipts, key);
        assert_eq!((&own["status"], &own["read"]), (&json!("complete"), &json!(0)), "{own}");
    }
    // A file without its header or footer is none of its format.
    for key in ["flights/0.avro", "journeys/0.parquet"] {
        let receipts = route.receipts().await.unwrap();
        let own = receipt(&receipts, key);
        assert_eq!((&own["status"], &own["read"]), (&json!("failed"), &json!(0)), "{own}");
    }
}

#[tokio::test]
async fn staged_records_without_stamps_are_refused_with_the_reason() {
    let route = route().await;
    let message = route.stage.put_for_event("staged/2026/x.gz", gzip(rides(0..3).as_bytes())).await.unwrap();
    assert_eq!(route.take(&[message]).await.unwrap(), [] as [usize; 0]);
    let receipts = route.receipts().await.unwrap();
    let own = receipt(&receipts, "x.gz");
    assert_eq!(own["status"], "failed");
    assert_eq!(own["reason"], "no record has the stamps of a row that a function has checked");
    assert_eq!(route.quarantined().await.unwrap().len(), 4);
    assert_eq!(route.lake.list("").await.unwrap(), [] as [&str; 0]);
}

#[tokio::test]
async fn unknown_buckets_datasets_and_messages_are_quarantined_and_the_rest_of_the_batch_goes_on() {
    let route = route().await;
    let mut messages = vec![
        route.landing.put_for_event("lake/nobodys/1.json", rides(0..1)).await.unwrap(),
        route.work.put_for_event("lake/rides/1.json", rides(0..1)).await.unwrap(),
        route.landing.put_for_event("lake/rides/1.json", rides(0..1)).await.unwrap(),
    ];
    let mut no_event = messages[0].clone();
    no_event["Records"][0]["body"] = json!("hello");
    messages.push(no_event);
    assert_eq!(route.take(&messages).await.unwrap(), [] as [usize; 0]);
    let mut rules: Vec<String> = route
        .quarantined()
        .await
        .unwrap()
        .iter()
        .map(|line| line["rules"][0]["rule"].as_str().unwrap().to_owned())
        .collect();
    rules.sort();
    assert_eq!(rules, ["unknown_bucket", "unknown_dataset", "unknown_event"]);
    assert_eq!(route.rows("rides", &LOOK).await.unwrap(), expected(0..1));
}
