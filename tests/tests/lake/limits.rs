//! Conversions that a function cannot do: handed to the dataset's Glue job where it has one, else failed with the reason.

use std::time::{Duration, SystemTime};

use penstock_tests::{LakeRoute, batch, given_back};
use serde_json::{Value, json};

use crate::rig::{JOB, STAGED, contract, contracts, rides, route};

/// Bytes of an answer that come at once on a slow line.
const FIRST_BYTES: usize = 100_000;

/// Answers come slowly: at most 64 KiB every two seconds. The SDK gives an answer up that stands still for five.
async fn bring_slowly(route: &LakeRoute) {
    let mut ticks = tokio::time::interval(Duration::from_secs(2));
    for most in (FIRST_BYTES..).step_by(64 << 10) {
        ticks.tick().await;
        route.gate.hold_answers_over(most);
        // What is held looks whether it may pass now.
        route.gate.hold_after(i64::MAX);
    }
}

/// The one object that was handed over, as its event tells of it.
async fn handed_over(route: &LakeRoute) -> Vec<(String, String)> {
    let bodies = route.glue_queue.drain().await.unwrap();
    let told = bodies.iter().map(|body| {
        let event: Value = serde_json::from_str(body).unwrap();
        let own = &event["Records"][0]["s3"];
        let text = |own: &Value| own.as_str().unwrap().to_owned();
        assert!(event["Records"][0]["eventTime"].as_str().unwrap().ends_with('Z'), "{event}");
        (text(&own["bucket"]["name"]), text(&own["object"]["key"]))
    });
    told.collect()
}

#[tokio::test]
async fn an_object_over_the_limit_is_handed_to_the_glue_job_or_fails() {
    let route = LakeRoute::with_settings(contracts(), &[("CONVERT_BYTES", "1000")]).await.unwrap();
    let message = route.convert("lake/heavy/a b.json", rides(0..20)).await.unwrap();
    let once = [(route.landing.name.clone(), "lake/heavy/a%20b.json".to_owned())];
    assert_eq!(handed_over(&route).await, once);
    // Whoever starts jobs tells it from the first one.
    assert_eq!(route.take(&[message]).await.unwrap(), [] as [usize; 0]);
    assert_eq!(handed_over(&route).await, once);
    route.convert("lake/heavy/small.json", rides(0..1)).await.unwrap();
    assert_eq!(handed_over(&route).await, []);
    assert_eq!(route.rows("heavy", &["id"]).await.unwrap(), ["0"]);
    route.convert("lake/rides/large.json", rides(0..20)).await.unwrap();
    let receipts = route.receipts().await.unwrap();
    let failed = receipts.iter().find(|own| own["dataset"] == "rides").unwrap();
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("a function converts at most 1000; there is no Glue job"), "{reason}");
    let lines = route.quarantined().await.unwrap();
    assert_eq!((lines.len(), &lines[0]["rules"][0]["rule"]), (1, &json!("no_progress")));
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn what_a_glue_job_surely_refuses_fails_with_what_it_takes() {
    let own_job = "{property: penstock.glueJob, value: '${GLUE_JOB_NAME}'}";
    let (contracts, id) = (contracts(), "\n      - {name: id, physicalType: bigint, required: true}\n");
    for (name, server, custom) in [
        ("plain", "format: json", own_job.to_owned()),
        ("quoted", "format: csv", own_job.to_owned()),
        ("staged", "format: json", format!("{STAGED}, {own_job}")),
        // Nobody knows what another job can do.
        ("others", "format: csv", JOB.to_owned()),
    ] {
        let text = contract(name, server, &custom, id);
        std::fs::write(contracts.path().join(format!("{name}.odcs.yaml")), text).unwrap();
    }
    let route = LakeRoute::with_settings(contracts, &[("CONVERT_BYTES", "1")]).await.unwrap();
    for (key, body) in
        [("plain/1.json", "{\"id\":1}\n"), ("quoted/1.csv", "id\n1\n"), ("others/1.csv", "id\n1\n")]
    {
        route.convert(&format!("lake/{key}"), body).await.unwrap();
    }
    let message = route.stage.put_for_event("staged/2026/1", "{\"id\":1}\n").await.unwrap();
    assert_eq!(route.take(&[message]).await.unwrap(), [] as [usize; 0]);
    let mut keys: Vec<_> = handed_over(&route).await.into_iter().map(|(_, key)| key).collect();
    keys.sort();
    assert_eq!(keys, ["lake/others/1.csv", "lake/plain/1.json"]);
    let receipts = route.receipts().await.unwrap();
    let reason = |dataset: &str| {
        let own = receipts.iter().find(|own| own["dataset"] == dataset).unwrap();
        own["reason"].as_str().unwrap().split_once("; ").unwrap().1.to_owned()
    };
    assert_eq!(receipts.len(), 2);
    assert_eq!(
        reason("quoted"),
        "the Glue job of the stage cannot do what it takes: another format than JSON Lines"
    );
    assert_eq!(reason("staged"), "Glue jobs take no stage objects of a dataset with penstock.lakeFormat");
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn a_replaced_object_that_is_handed_over_keeps_its_old_rows_until_the_job_takes_their_place() {
    let route = LakeRoute::with_settings(contracts(), &[("CONVERT_BYTES", "2000")]).await.unwrap();
    route.convert("lake/heavy/1.json", rides(0..3)).await.unwrap();
    route.convert("lake/heavy/1.json", rides(0..50)).await.unwrap();
    assert_eq!(handed_over(&route).await.len(), 1);
    assert_eq!(route.rows("heavy", &["id"]).await.unwrap(), ["0", "1", "2"]);
    let (_, note) = route.notes().await.unwrap().pop().unwrap();
    assert_eq!((&note["state"], note["files"].as_array().unwrap().len()), (&json!("handed-over"), 3));
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn an_object_that_takes_longer_than_an_invocation_is_handed_over_or_fails() {
    let route = route().await;
    let other = route.another().await.unwrap();
    let put = async |key: &str| batch(&[route.landing.put_for_event(key, rides(0..4_000)).await.unwrap()]);
    let (heavy, light) = (put("lake/heavy/slow.json").await, put("lake/rides/slow.json").await);
    route.gate.hold_answers_over(FIRST_BYTES);
    // The reserve is a fifth of it.
    let deadline = SystemTime::now() + Duration::from_secs(15);
    let both = async {
        tokio::join!(route.laker.invoke_until(&heavy, deadline), other.invoke_until(&light, deadline))
    };
    let (heavy, light) = tokio::select! {
        answers = both => answers,
        () = bring_slowly(&route) => unreachable!("it goes on until the answers are there"),
    };
    route.gate.open();
    for answer in [heavy, light] {
        assert_eq!(given_back(&answer.unwrap()).unwrap(), [] as [usize; 0]);
    }
    let once = [(route.landing.name.clone(), "lake/heavy/slow.json".to_owned())];
    assert_eq!(handed_over(&route).await, once);
    let receipts = route.receipts().await.unwrap();
    assert_eq!(receipts.len(), 1);
    let reason = receipts[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("its conversion takes longer than an invocation may; there is no Glue job"),
        "{reason}"
    );
    assert_eq!(route.lake.list("").await.unwrap(), [] as [&str; 0]);
    route.check_notes().await.unwrap();
}

#[tokio::test]
async fn an_object_whose_conversion_died_three_times_is_handed_over_or_fails() {
    let route = route().await;
    for (key, is_handed_over) in [("lake/heavy/deadly.json", true), ("lake/rides/deadly.json", false)] {
        let message = route.landing.put_for_event(key, rides(0..4_000)).await.unwrap();
        let event = batch(&[message]);
        for death in 1..=3 {
            let function = route.another().await.unwrap();
            route.gate.hold_answers_over(100_000);
            tokio::select! {
                biased;
                () = route.gate.held() => function.kill(),
                answer = function.invoke(&event) => panic!("death {death}: {answer:?}"),
            }
            route.gate.cut();
            route.end_leases().await.unwrap();
            assert_eq!(handed_over(&route).await, [], "death {death}");
        }
        let function = route.another().await.unwrap();
        let answer = function.invoke(&event).await.unwrap();
        assert_eq!(given_back(&answer).unwrap(), [] as [usize; 0]);
        assert_eq!(handed_over(&route).await.len(), usize::from(is_handed_over), "{key}");
    }
    let receipts = route.receipts().await.unwrap();
    let reason = receipts[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("the function died 3 times while it converted the object; there is no Glue job"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_object_of_more_folders_than_a_function_keeps_open_is_handed_over() {
    let route = route().await;
    let lines: String = (0..1_001).map(|n| format!("{{\"Id\":{n},\"zone\":\"z{n}\"}}\n")).collect();
    route.convert("lake/heavy/wide.json", lines.clone()).await.unwrap();
    assert_eq!(handed_over(&route).await.len(), 1);
    route.convert("lake/rides/wide.json", lines).await.unwrap();
    let receipts = route.receipts().await.unwrap();
    let reason = receipts[0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("has rows of more than 1000 partitions; there is no Glue job"), "{reason}");
    assert_eq!(route.lake.list("").await.unwrap(), [] as [&str; 0]);
}
