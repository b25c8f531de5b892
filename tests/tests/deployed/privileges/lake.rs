//! The roles of the lake route's two functions, statement by statement.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use penstock_tests::deployed::{DeployedLake, Deployment, LAKER, Mapping, STARTER};
use penstock_tests::samples::AUDIT;
use penstock_tests::{MiniStack, Queue, contracts_with, failures, until};
use serde_json::{Value, json};

use super::{goes_by_itself, has_one_policy, without_each_statement};

const WITHIN: Duration = Duration::from_secs(60);

const GROUPS: &str = "{property: penstock.groupBy, value: who}";

/// Stamped rows that lie in the lake as they are, beside the warehouse.
fn archive() -> String {
    let lake = format!("{GROUPS}, {{property: penstock.lakeFormat, value: as-is}}");
    AUDIT.replace("audit", "archive").replace(GROUPS, &lake)
}

/// Files that a Glue job converts where they are too large for a function.
fn bulk() -> String {
    let job = "{property: penstock.glueJob, value: '${GLUE_JOB_NAME}'}";
    let lake = format!("{GROUPS}, {{property: penstock.lakeFormat, value: parquet}}, {job}");
    AUDIT.replace("queue/audit/", "lake/bulk/").replace("audit", "bulk").replace(GROUPS, &lake)
}

#[tokio::test]
async fn the_writer_of_the_lake_is_refused_what_each_statement_of_its_role_allows() {
    let deployment = Deployment::plan(MiniStack::enforced().await.unwrap()).await.unwrap();
    let (archive, bulk) = (archive(), bulk());
    let (_scratch, contracts) =
        contracts_with(&[("archive.odcs.yaml", &archive), ("bulk.odcs.yaml", &bulk)]).unwrap();
    let key = ["--set", "LandingKeyArn=arn:aws:kms:us-east-1:000000000000:key/landing"];
    deployment.deploy(&[&key[..], &["--contracts", &contracts.display().to_string()]].concat()).unwrap();
    has_one_policy(&deployment, LAKER);
    let route = deployment.lake_route().await.unwrap();
    deployment.set_mapping(LAKER, Mapping::Off).unwrap();
    without_each_statement(&deployment, LAKER, async |label| {
        let mut refused = BTreeSet::new();
        for (key, body) in [
            (format!("lake/sensor_readings/{label}.csv"), readings()),
            (format!("lake/product_images/{label}.png"), "\u{89}PNG".to_owned()),
        ] {
            route.drop_file(&key, body).await.unwrap();
            refused.extend(take(&deployment, LAKER, &route.events, Value::clone).await);
        }
        route.stage.put(&format!("archive/{label}.json"), stamped()).await.unwrap();
        refused.extend(take(&deployment, LAKER, &route.events, Value::clone).await);
        refused.extend(go_another_way(&deployment, &route, label).await);
        if refused.is_empty() {
            goes_by_itself(&deployment, LAKER, async || {
                let before = route.receipts().await?.len();
                deployment.set_mapping(LAKER, Mapping::On)?;
                route.drop_file(&format!("lake/sensor_readings/{label}-by-itself.csv"), readings()).await?;
                route.settle().await?;
                assert_eq!(route.receipts().await?.len(), before + 1);
                deployment.set_mapping(LAKER, Mapping::Off)
            })
            .await;
        }
        refused.into_iter().collect()
    })
    .await;
}

/// The way of a source that takes the statement which `label` ends with, where no usual one does.
async fn go_another_way(deployment: &Deployment<'_>, route: &DeployedLake<'_>, label: &str) -> Vec<String> {
    match label.rsplit('-').next() {
        Some("HandOver") => find_it_held(deployment, route, label).await,
        Some("FindOwnFiles") => find_its_note_broken(deployment, route, label).await,
        Some("HandToGlue") => hand_over(deployment, route, label).await,
        _ => Vec::new(),
    }
}

/// Another invocation has a source just then, and the function gives its message back.
async fn find_it_held(deployment: &Deployment<'_>, route: &DeployedLake<'_>, label: &str) -> Vec<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let until_ms = u64::try_from(now).unwrap() + 600_000;
    find_its_note(deployment, route, label, |told| {
        let mut told: Value = serde_json::from_slice(&told).unwrap();
        told["holder"] = json!("somebody else");
        told["until_ms"] = json!(until_ms);
        told.to_string()
    })
    .await
}

/// A source's note was spoiled, and the function looks into the lake for what is there of it.
async fn find_its_note_broken(
    deployment: &Deployment<'_>,
    route: &DeployedLake<'_>,
    label: &str,
) -> Vec<String> {
    find_its_note(deployment, route, label, |_| "{".to_owned()).await
}

/// A source comes a second time, and finds its note as `made` makes it.
async fn find_its_note(
    deployment: &Deployment<'_>,
    route: &DeployedLake<'_>,
    label: &str,
    made: impl Fn(Vec<u8>) -> String,
) -> Vec<String> {
    const NOTES: &str = "lake/sensor_readings/";
    let before = route.work.list(NOTES).await.unwrap();
    let key = format!("lake/sensor_readings/{label}-again.csv");
    route.drop_file(&key, readings()).await.unwrap();
    let mut refused = take(deployment, LAKER, &route.events, Value::clone).await;
    let notes = route.work.list(NOTES).await.unwrap();
    let note = notes.iter().find(|key| !before.contains(key)).unwrap();
    let told = route.work.get(note).await.unwrap();
    route.work.put(note, made(told)).await.unwrap();
    route.drop_file(&key, readings()).await.unwrap();
    refused.extend(take(deployment, LAKER, &route.events, Value::clone).await);
    refused
}

/// An object is too large for the function.
async fn hand_over(deployment: &Deployment<'_>, route: &DeployedLake<'_>, label: &str) -> Vec<String> {
    let name = deployment.name(LAKER);
    let get = ["lambda", "get-function-configuration", "--function-name", &name, "--query", "Environment"];
    let whole = deployment.cloud.aws(&get).unwrap();
    let mut less = whole.clone();
    less["Variables"]["CONVERT_BYTES"] = json!("1");
    let set = |environment: &Value| {
        let text = environment.to_string();
        let update =
            ["lambda", "update-function-configuration", "--function-name", &name, "--environment", &text];
        deployment.cloud.aws(&update).unwrap();
    };
    route.drop_file(&format!("lake/bulk/2026/{label}.json"), "{\"who\":\"a\",\"n\":1}\n").await.unwrap();
    set(&less);
    let refused = take(deployment, LAKER, &route.events, Value::clone).await;
    set(&whole);
    refused
}

/// A good reading and a bad one.
fn readings() -> String {
    "sensor_id,measured_at,value,unit,installed_at,corrected_at\n\
     plant-1,2026-01-15T08:00:00Z,1.5,bar,,\nplant-1,2026-01-15T09:00:00Z,warm,bar,,\n"
        .to_owned()
}

/// A row of the archive as our transform writes it.
fn stamped() -> String {
    let stamped = json!({
        "who": "a", "n": 1, "_record_id": "3".repeat(32), "_row_hash": "3".repeat(32), "_order": "3",
        "_deleted": "false", "_source": "arn:aws:kinesis:us-east-1:1:stream/s", "_dataset": "archive",
        "_contract_version": "1.0.0",
    });
    format!("{stamped}\n")
}

#[tokio::test]
async fn the_starter_is_refused_what_each_statement_of_its_role_allows() {
    let deployment = Deployment::plan(MiniStack::enforced().await.unwrap()).await.unwrap();
    deployment.deploy(&["--set", "LandingKeyArn=arn:aws:kms:us-east-1:000000000000:key/landing"]).unwrap();
    has_one_policy(&deployment, STARTER);
    let route = deployment.lake_route().await.unwrap();
    deployment.set_mapping(STARTER, Mapping::Off).unwrap();
    without_each_statement(&deployment, STARTER, async |label| {
        let mut refused = BTreeSet::new();
        route.stage.put(&format!("clickstream/{label}.json"), "{}\n").await.unwrap();
        refused.extend(take(&deployment, STARTER, &route.starts, without_etag).await);
        route.starts.send("not of Penstock").await.unwrap();
        refused.extend(take(&deployment, STARTER, &route.starts, Value::clone).await);
        route.crawled("curated").await.unwrap();
        // The second finds the crawler busy.
        for n in 0..2 {
            let key = format!("clickstream/event_date=2026-01-15/{label}-{n}.parquet");
            route.curated.put(&key, "PAR1").await.unwrap();
            refused.extend(take(&deployment, STARTER, &route.starts, Value::clone).await);
        }
        if refused.is_empty() {
            goes_by_itself(&deployment, STARTER, async || {
                let before = route.runs()?.len();
                deployment.set_mapping(STARTER, Mapping::On)?;
                route.stage.put(&format!("clickstream/{label}-by-itself.json"), "{}\n").await?;
                until("a run", WITHIN, async || Ok((route.runs()?.len() > before).then_some(()))).await?;
                route.settle_starts().await?;
                deployment.set_mapping(STARTER, Mapping::Off)
            })
            .await;
        }
        refused.into_iter().collect()
    })
    .await;
}

/// An event that does not say which content it is about, so that the function has to ask S3.
fn without_etag(told: &Value) -> Value {
    let mut told = told.clone();
    if let Some(object) = told["detail"]["object"].as_object_mut() {
        object.retain(|name, _| name == "key");
    }
    told
}

/// The function takes one message of its queue, or what `made` makes of its event; what its role was refused. The message
/// is gone then, whatever came of it.
async fn take(
    deployment: &Deployment<'_>,
    function: &str,
    queue: &Queue,
    made: impl Fn(&Value) -> Value,
) -> Vec<String> {
    until("a message", WITHIN, async || Ok((queue.depth().await? > 0).then_some(()))).await.unwrap();
    let batch = queue.receive(10).await.unwrap();
    let mut event = batch.event.clone();
    for record in event["Records"].as_array_mut().unwrap() {
        if let Ok(body) = serde_json::from_str::<Value>(record["body"].as_str().unwrap()) {
            record["body"] = json!(made(&body).to_string());
        }
    }
    let invoked = deployment.invoke(function, &event).await.unwrap();
    queue.settle(batch, &Value::Null).await.unwrap();
    let refused = invoked.refusals();
    match (refused.is_empty(), failures(&invoked.answer).is_empty()) {
        // HEAD is answered without a text.
        (true, false) => {
            let kinds = invoked.logs.iter().filter_map(|line| line["kind"].as_str());
            // Who finds a source that another invocation has, or a crawler that runs, is refused nothing.
            let kinds = kinds.filter(|kind| !["ObjectHeld", "Busy"].contains(kind));
            let mut kinds: Vec<_> = kinds.map(|kind| format!("{kind}: HEAD")).collect();
            kinds.dedup();
            kinds
        }
        (false, true) => panic!("refused, and nothing given back: {invoked:?}"),
        _ => refused,
    }
}
