//! Objects, messages, contracts and claims that are not as they should be.

use futures_util::future::join_all;
use penstock_tests::EventFile;
use serde_json::json;

use crate::rig::{Rig, message};

#[tokio::test]
async fn what_is_unknown_goes_into_quarantine_and_the_rest_goes_on() {
    let rig = Rig::start().await;
    let mut events = rig.staged("clients", 0..1).await;
    events.push(rig.landing.put_for_event("lake/nobody/a.json", "{}").await.unwrap());
    events.push(rig.quarantine.put_for_event("elsewhere", "{}").await.unwrap());
    events.push(message("no event"));
    events.push(message(json!({"detail-type": "Scheduled Event", "source": "aws.events"})));
    assert!(rig.take(&events).await.is_empty());
    rig.quarantine.delete("elsewhere").await.unwrap();
    let unknown = ["unknown_bucket", "unknown_dataset", "unknown_event", "unknown_event"];
    assert_eq!(rig.quarantined().await, unknown);
    assert_eq!(rig.glue.runs().len(), 1);
}

#[tokio::test]
async fn what_starts_nothing_is_acknowledged_and_leaves_no_claim() {
    let rig = Rig::start().await;
    let mut events = Vec::new();
    for key in ["plain/a.gz", "parquet/a.gz", "nobody/a.gz", "_failed/clients/a.gz", "_penstock/a"] {
        events.push(rig.stage.put_for_event(key, "{}").await.unwrap());
    }
    for key in [
        "orders/a.parquet",
        "nobody/a.parquet",
        "_penstock/x",
        "clients/_SUCCESS",
        "clients/_temporary/0/a.parquet",
    ] {
        events.push(rig.lake.put_for_event(key, "PAR1").await.unwrap());
    }
    for name in ["sqs-s3-removed.json", "sqs-s3-test-event.json"] {
        events.push(EventFile::load(name).unwrap().in_bucket(&rig.stage.name).json().clone());
    }
    assert!(rig.take(&events).await.is_empty());
    assert!(rig.glue.runs().is_empty() && rig.quarantined().await.is_empty());
    assert!(rig.work.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_or_crawler_that_does_not_exist_is_named_and_nothing_is_lost() {
    let rig = Rig::start().await;
    let mut events = rig.staged("lost", 0..2).await;
    events.push(rig.lake.put_for_event("lost/a.parquet", "PAR1").await.unwrap());
    events.extend(rig.staged("clients", 0..1).await);
    assert_eq!(rig.take(&events).await, [0, 1, 2]);
    for name in ["no-such-job", "no-such-crawler"] {
        let is_told = |line: &serde_json::Value| {
            let text = line["error"].as_str().unwrap_or_default();
            line["level"] == "ERROR"
                && line["kind"] == "NotFound"
                && text.contains(name)
                && text.contains("dataset lost")
        };
        rig.starter.wait_for_log(is_told).await.unwrap();
    }
    rig.starter.wait_for_log(|line| line["StartsFailed"] == 2 && line["dataset"] == "lost").await.unwrap();
    assert_eq!((rig.glue.runs().len(), &rig.claims("lost/job").await[0].1["state"]), (1, &"released".into()));
}

#[tokio::test]
async fn a_handed_over_object_whose_contract_names_no_job_any_more_waits_for_one() {
    let rig = Rig::start().await;
    let event = rig.landing.put_for_event("lake/plain/large.json", "{}").await.unwrap();
    assert_eq!(rig.take(&[event]).await, [0]);
    assert!(rig.quarantined().await.is_empty());
    rig.starter
        .wait_for_log(|line| line["kind"] == "ContractError" && line["level"] == "ERROR")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_claim_with_a_broken_body_is_replaced_when_a_lease_has_passed_and_its_work_starts_anew() {
    // At once: each waits for its lease, which is long enough that a busy machine sees the claim held.
    join_all(["", "{\"version\":", "\u{0}"].map(|body| async move {
        let rig = Rig::with_lease("12").await;
        let events = rig.staged("clients", 0..2).await;
        rig.work.put("claims/clients/job/9999999998.json", body).await.unwrap();
        assert_eq!(rig.take(&events).await, [0, 1], "held by nobody known");
        rig.take_until_done(&events).await;
        assert_eq!(rig.glue.runs().len(), 1);
        let found = rig.runs_by_object("clients/job").await;
        assert_eq!((found.len(), found.values().all(|runs| *runs == 1)), (2, true), "{found:?}");
    }))
    .await;
}

#[tokio::test]
async fn an_event_without_etag_or_size_has_s3_asked() {
    let rig = Rig::start().await;
    let etag = rig.stage.put("clients/a.gz", "seven b").await.unwrap();
    let event = |key: &str| {
        json!({"source": "aws.s3", "detail-type": "Object Created", "time": "2026-03-01T00:00:00Z",
            "detail": {"bucket": {"name": rig.stage.name}, "object": {"key": key}}})
    };
    assert!(rig.take(&[message(event("clients/a.gz")), message(event("clients/gone.gz"))]).await.is_empty());
    let claim = &rig.claims("clients/job").await[0].1;
    let url = format!("s3://{}/clients/a.gz", rig.stage.name);
    let put = format!("at {}", rig.stage.modified_ms("clients/a.gz").await.unwrap());
    assert_eq!(claim["entries"], json!([{"url": url, "etag": etag, "bytes": 7, "put": put}]));
}

#[tokio::test]
async fn an_empty_object_and_one_with_a_special_key_are_work_like_others() {
    let rig = Rig::start().await;
    let mut events = Vec::new();
    for key in ["clients/a b+c%d&e=é.gz", "clients/empty.gz"] {
        events.push(rig.stage.put_for_event(key, "").await.unwrap());
    }
    assert!(rig.take(&events).await.is_empty());
    let found = rig.runs_by_object("clients/job").await;
    assert!(found.contains_key(&format!("s3://{}/clients/a b+c%d&e=é.gz", rig.stage.name)), "{found:?}");
    assert_eq!(found.len(), 2);
}
