//! The lake route of one deployed stage, from files in the landing bucket to files in the lake, and from objects to runs
//! of its Glue job and its crawlers, through what the templates wire alone; and what people look at when it goes wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use penstock_tests::deployed::{ACCOUNT, DeployedLake, Deployment, LAKER, STARTER};
use penstock_tests::{Bucket, EventFile, MiniStack, until, workspace_root};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::copy::shown_alarms;

const WITHIN: Duration = Duration::from_secs(90);
const READINGS: &str = "lake/sensor_readings/2026-01-15.csv";
const PICTURE: &str = "lake/product_images/2026/bench vise (front) + ü.png";
const STAGE_FILE: &str = "clickstream/dt=2026-01-15/2026-01-15-clickstream.json";

/// The stage that all of [`drop_files`] went through. For looking only.
async fn laked() -> &'static Deployment<'static> {
    static LAKED: OnceCell<Deployment<'static>> = OnceCell::const_new();
    let start = || async {
        let deployment = Deployment::plan(MiniStack::enforced().await?).await?;
        // A schedule of a time that no test sees.
        let clock =
            ["ScheduledDataset=clickstream", "ScheduledStart=crawler", "Schedule=cron(0 2 1 1 ? 2099)"];
        deployment.deploy(&clock.map(|own| ["--set", own]).concat())?;
        drop_files(&deployment).await?;
        anyhow::Ok(deployment)
    };
    LAKED.get_or_try_init(start).await.unwrap()
}

/// Readings of two days with bad ones among them, a picture, a file that cannot be read, one that nobody knows, and an
/// object of the stage bucket whose event comes three times.
async fn drop_files(deployment: &Deployment<'_>) -> anyhow::Result<()> {
    let route = deployment.lake_route().await?;
    let (body, event) = (sample("2026-01-15-clickstream.json"), EventFile::load("glue-sqs-stage-put.json")?);
    let size = body.len();
    let etag = route.stage.put(STAGE_FILE, body).await?;
    // The first comes by itself; S3's number of the put is in the claim.
    let run = until("the run of the stage file", WITHIN, async || Ok(route.runs()?.pop())).await?;
    let (_, manifest) = manifest_of(&route, &run).await?;
    let put = manifest["entries"][0]["put"].as_str().unwrap();
    let event = event.with_object(STAGE_FILE, size, &etag).json().to_string();
    let event = event.replace("penstock-stage", &route.stage.name).replace(SEQUENCER, put);
    let event: Value = serde_json::from_str(&event)?;
    for message in &event["Records"].as_array().unwrap()[1..] {
        let body = message["body"].as_str().unwrap();
        assert!(body.contains(put), "{body}");
        route.starts.send(body).await?;
    }
    // Before a file in the lake has a crawler start, which others would wait for.
    route.settle_starts().await?;
    route.drop_file(READINGS, sample("2026-01-15-sensor_readings.csv")).await?;
    route.drop_file(PICTURE, PIXELS).await?;
    route.drop_file("lake/sensor_readings/other.csv", "id,name\n1,Ann\n").await?;
    route.drop_file("lake/nobodys/file.csv", "a\n1\n").await?;
    route.settle().await
}

/// S3's number of the put in the event file.
const SEQUENCER: &str = "0066A5B1C2D3E4F601";

/// Key and text of a run's manifest.
async fn manifest_of(route: &DeployedLake<'_>, run: &Value) -> anyhow::Result<(String, Value)> {
    let url = run["Arguments"]["--penstock_manifest"].as_str().unwrap();
    let key = url.strip_prefix(&format!("s3://{}/", route.work.name)).unwrap();
    Ok((key.to_owned(), serde_json::from_slice(&route.work.get(key).await?)?))
}

/// Not of a picture, but of no other format either.
const PIXELS: &[u8] = b"\x89PNG\r\n\x1a\n\x00\xff";

fn sample(name: &str) -> Vec<u8> {
    std::fs::read(workspace_root().join("events/objects").join(name)).unwrap()
}

/// Every object below a prefix, with its ETag.
async fn content(bucket: &Bucket, prefix: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for key in bucket.list(prefix).await.unwrap() {
        let head = bucket.client.head_object().bucket(&bucket.name).key(&key).send().await.unwrap();
        found.insert(key, head.e_tag().unwrap_or_default().to_owned());
    }
    found
}

#[tokio::test]
async fn a_file_is_parquet_by_day_and_what_is_binary_is_copied_as_it_is() {
    let route = laked().await.lake_route().await.unwrap();
    let files = route.lake.list("sensor_readings/").await.unwrap();
    let days: Vec<_> = files.iter().filter_map(|key| key.split('/').nth(1)).collect();
    assert_eq!(days, ["measured_date=2026-01-14", "measured_date=2026-01-15"]);
    for key in &files {
        let bytes = route.lake.get(key).await.unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{key}");
    }
    let copied = route.lake.get(PICTURE.strip_prefix("lake/").unwrap()).await.unwrap();
    assert_eq!(copied, PIXELS);
    assert_eq!(route.lake.list("").await.unwrap().len(), files.len() + 1, "somebody else's file in the lake");
}

#[tokio::test]
async fn every_object_has_a_receipt_and_every_bad_record_a_line_in_quarantine() {
    let route = laked().await.lake_route().await.unwrap();
    let counts = |receipt: &Value| {
        let source = receipt["source"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
        (source, ["read", "rejected", "duplicate", "sent"].map(|name| receipt[name].as_u64().unwrap()))
    };
    let mut found: Vec<_> = route.receipts().await.unwrap().iter().map(counts).collect();
    found.retain(|(_, counts)| counts[0] > 0);
    assert_eq!(found, [("2026-01-15.csv".to_owned(), [6, 2, 0, 4])]);
    let mut rules = route.quarantined_rules().await.unwrap();
    rules.sort();
    rules.dedup();
    assert_eq!(rules, ["header_mismatch", "not_a_number", "pattern", "unknown_dataset"]);
    for dead in &route.dead {
        assert_eq!(dead.depth().await.unwrap(), 0);
    }
}

#[tokio::test]
async fn one_object_whose_event_comes_three_times_is_one_run_with_it_in_its_manifest() {
    let route = laked().await.lake_route().await.unwrap();
    let runs = route.runs().unwrap();
    let [run] = &runs[..] else { panic!("{runs:?}") };
    let (key, manifest) = manifest_of(&route, run).await.unwrap();
    assert!(key.starts_with("claims/clickstream/job/"), "{key}");
    assert_eq!(manifest["run_id"], run["Id"]);
    assert_eq!(manifest["target"], json!(format!("s3://{}", route.curated.name)));
    let entries = manifest["entries"].as_array().unwrap();
    let urls: Vec<_> = entries.iter().map(|entry| entry["url"].as_str().unwrap()).collect();
    assert_eq!(urls, [format!("s3://{}/{STAGE_FILE}", route.stage.name)]);
    assert_eq!(route.work.list("claims/clickstream/job/").await.unwrap(), [key]);
}

#[tokio::test]
async fn the_job_has_its_script_and_modules_where_it_looks_for_them() {
    let deployment = laked().await;
    let route = deployment.lake_route().await.unwrap();
    let get = ["glue", "get-job", "--job-name", &deployment.name("json-to-parquet")];
    let job = deployment.cloud.aws(&get).unwrap()["Job"].take();
    let modules = job["DefaultArguments"]["--extra-py-files"].as_str().unwrap().split(',');
    let mut found = BTreeMap::new();
    for url in modules.chain(job["Command"]["ScriptLocation"].as_str()) {
        let key = url.strip_prefix(&format!("s3://{}/", route.work.name)).unwrap();
        found.insert(key.rsplit('/').next().unwrap().to_owned(), route.work.get(key).await.unwrap());
    }
    let folder = workspace_root().join("infra/glue");
    let own = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let own: BTreeMap<_, _> = own
        .filter(|path| path.extension().is_some_and(|own| own == "py"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect();
    assert!(own.len() > 1 && found == own, "{:?} {:?}", found.keys(), own.keys());
    assert_eq!(job["Role"], json!(deployment.role("json-to-parquet")));
}

#[tokio::test]
async fn a_redelivered_event_changes_nothing_and_a_replaced_file_replaces_its_own_files_alone() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let route = deployment.lake_route().await.unwrap();
    let header = "sensor_id,measured_at,value,unit,installed_at,corrected_at\n";
    let file = |day: u32, n: u32| format!("{header}plant-{n},2026-01-{day}T08:00:00Z,1.5,bar,,\n");
    route.drop_file("lake/sensor_readings/a.csv", file(15, 1) + &file(16, 1)[header.len()..]).await.unwrap();
    route.drop_file("lake/sensor_readings/b.csv", file(15, 2)).await.unwrap();
    route.settle().await.unwrap();
    let before = content(&route.lake, "").await;
    assert_eq!(before.len(), 3, "{before:?}");
    for _ in 0..3 {
        let event = event(&route, "lake/sensor_readings/a.csv").await;
        route.events.send(&event).await.unwrap();
        route.settle().await.unwrap();
    }
    assert_eq!(content(&route.lake, "").await, before);
    until("the lake's crawler", WITHIN, async || Ok(route.has_crawled("lake")?.then_some(()))).await.unwrap();

    route.drop_file("lake/sensor_readings/a.csv", file(17, 3)).await.unwrap();
    route.settle().await.unwrap();
    let after = content(&route.lake, "").await;
    let days: Vec<_> = after.keys().map(|key| key.split('/').nth(1).unwrap()).collect();
    assert_eq!(days, ["measured_date=2026-01-15", "measured_date=2026-01-17"]);
    assert!(after.iter().any(|own| before.get(own.0) == Some(own.1)), "another source's file was touched");
}

/// What S3 tells of an object that is there.
async fn event(route: &DeployedLake<'_>, key: &str) -> String {
    let head = route.landing.client.head_object().bucket(&route.landing.name).key(key).send().await.unwrap();
    let file = EventFile::load("lake-sqs-put.json").unwrap().in_bucket(&route.landing.name).with_key(key);
    let size = usize::try_from(head.content_length().unwrap()).unwrap();
    let file = file.with_object(key, size, head.e_tag().unwrap().trim_matches('"'));
    file.json()["Records"][0]["body"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn files_of_the_curated_bucket_and_schedules_start_its_crawler() {
    let deployment = laked().await;
    let route = deployment.lake_route().await.unwrap();
    route.crawled("curated").await.unwrap();
    let before = route.work.list("claims/clickstream/crawler/").await.unwrap().len();
    route.curated.put("clickstream/event_date=2026-01-15/part-0.parquet", "PAR1").await.unwrap();
    until("the curated crawler", WITHIN, async || {
        let claims = route.work.list("claims/clickstream/crawler/").await?.len();
        Ok((claims > before && route.has_crawled("curated")?).then_some(()))
    })
    .await
    .unwrap();
    let rule = ["events", "list-targets-by-rule", "--rule", &deployment.name("schedule")];
    let target = deployment.cloud.aws(&rule).unwrap()["Targets"][0].take();
    assert_eq!(target["Arn"], json!(route.starts.arn));
    let made = target["InputTransformer"]["InputTemplate"].as_str().unwrap();
    let made: Value = serde_json::from_str(made).unwrap();
    let sample = EventFile::load("glue-schedule.json").unwrap().json().clone();
    let sample: Value = serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
    for name in ["source", "dataset", "start"] {
        assert_eq!(made[name], sample[name], "{name}");
    }
    assert_eq!((&made["id"], &made["time"]), (&json!("<id>"), &json!("<time>")));
}

#[tokio::test]
async fn the_catalog_the_crawlers_and_athenas_workgroup_are_as_the_readme_says() {
    let deployment = laked().await;
    for (purpose, prefix) in [("lake", Value::Null), ("curated", json!("curated_"))] {
        let get = ["glue", "get-crawler", "--name", &deployment.name(purpose)];
        let crawler = deployment.cloud.aws(&get).unwrap()["Crawler"].take();
        assert_eq!(crawler["DatabaseName"], json!(deployment.catalog()));
        assert_eq!(crawler["RecrawlPolicy"]["RecrawlBehavior"], "CRAWL_EVENT_MODE");
        let target = &crawler["Targets"]["S3Targets"][0];
        assert_eq!(target["Path"], json!(format!("s3://{}/", deployment.bucket(purpose))));
        let queue = deployment.queue_attributes(&format!("{purpose}-crawl")).unwrap();
        assert_eq!(target["EventQueueArn"], queue["QueueArn"]);
        assert_eq!(crawler["TablePrefix"].as_str().filter(|own| !own.is_empty()), prefix.as_str());
    }
    let get = ["athena", "get-work-group", "--work-group", &format!("penstock-{}", deployment.stage)];
    let group = deployment.cloud.aws(&get).unwrap()["WorkGroup"]["Configuration"].take();
    assert_eq!(group["EnforceWorkGroupConfiguration"], true);
    let results = &group["ResultConfiguration"];
    assert_eq!(results["OutputLocation"], json!(format!("s3://{}/athena/", deployment.bucket("work"))));
    assert_eq!(results["EncryptionConfiguration"]["EncryptionOption"], "SSE_S3");
    // MiniStack has a parameter's number as a text.
    let limit = group["BytesScannedCutoffPerQuery"].to_string();
    assert!(limit.trim_matches('"').parse::<u64>().unwrap() > 0, "{limit}");
}

#[tokio::test]
async fn the_dashboard_of_the_lake_route_shows_every_alarm_of_it() {
    let deployment = laked().await;
    let watched = [LAKER, STARTER, "glue-runs-", "lake-", "curated-", "stage-to-lake", "objects-to-glue"];
    let prefixes = watched.map(|own| deployment.name(own));
    let alarms = deployment.alarms().unwrap();
    let names = alarms.iter().map(|alarm| alarm["AlarmName"].as_str().unwrap());
    let own = names.filter(|name| prefixes.iter().any(|prefix| name.starts_with(prefix)));
    let mut own: Vec<_> =
        own.map(|name| json!(format!("arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{name}"))).collect();
    own.sort_by_key(Value::to_string);
    assert!(own.len() > 15, "{own:?}");
    assert_eq!(shown_alarms(deployment, "lake-route"), own);
}
