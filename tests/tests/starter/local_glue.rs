//! With the local cloud's own Glue, whose runs end at once.

use aws_sdk_glue::types::{CrawlerState, CrawlerTargets, JobCommand, S3Target};
use penstock_tests::{MiniStack, until};

use crate::glue::Glue;
use crate::rig::{Rig, WITHIN};

/// The stub serves nobody here.
async fn rig(job: &str, crawler: &str) -> (Rig, aws_sdk_glue::Client) {
    let cloud = MiniStack::shared().await.unwrap();
    let client = aws_sdk_glue::Client::new(&cloud.sdk_config().await);
    let vars = [("GLUE_JOB_NAME", job), ("CRAWLER_NAME", crawler), ("CLAIM_LEASE_SECONDS", "60")];
    (Rig::with(Glue::serve().await, &vars).await, client)
}

#[tokio::test]
async fn a_job_is_started_once_although_its_event_came_three_times() {
    let (rig, glue) = rig("three-times", "none").await;
    let command = JobCommand::builder().name("glueetl").script_location("s3://scripts/a.py").build();
    glue.create_job().name("three-times").role("glue").command(command).send().await.unwrap();
    let events = rig.staged("clients", 0..2).await;
    for _ in 0..3 {
        assert!(rig.take(&events).await.is_empty());
    }
    let runs = glue.get_job_runs().job_name("three-times").send().await.unwrap();
    let [run] = runs.job_runs() else { panic!("{runs:?}") };
    let (key, claim) = &rig.claims("clients/job").await[0];
    let manifest = format!("s3://{}/{key}", rig.work.name);
    assert_eq!(run.arguments().unwrap()["--penstock_manifest"], manifest);
    assert_eq!(run.id(), claim["run_id"].as_str());
    // Nobody wrote down that it was started, and its lease is over: the run is found by its manifest.
    let mut open = claim.clone();
    (open["state"], open["run_id"]) = ("claimed".into(), serde_json::Value::Null);
    open["until_ms"] = open["claimed_ms"].clone();
    rig.work.put(key, open.to_string()).await.unwrap();
    rig.take_until_done(&events).await;
    assert_eq!(glue.get_job_runs().job_name("three-times").send().await.unwrap().job_runs().len(), 1);
    assert_eq!(&rig.claims("clients/job").await[0].1["run_id"], &claim["run_id"]);
}

#[tokio::test]
async fn a_crawler_that_runs_is_waited_for() {
    let (rig, glue) = rig("none", "waits").await;
    let target = S3Target::builder().path(format!("s3://{}/", rig.lake.name)).build();
    let targets = CrawlerTargets::builder().s3_targets(target).build();
    glue.create_crawler().name("waits").role("glue").targets(targets).send().await.unwrap();
    // A crawl takes a few seconds: on a busy machine the next file may come after it, and starts one more.
    let mut files = 0;
    let waits = until("a file that comes during a crawl", WITHIN, async || {
        files += 1;
        let event = rig.lake.put_for_event(&format!("clients/{files}.parquet"), "PAR1").await?;
        Ok((rig.take(std::slice::from_ref(&event)).await == [0]).then_some(event))
    });
    let waits = waits.await.unwrap();
    until("the crawl to end", WITHIN, async || {
        let crawler = glue.get_crawler().name("waits").send().await?;
        let state = crawler.crawler().and_then(|own| own.state()).cloned();
        Ok((state == Some(CrawlerState::Ready)).then_some(()))
    })
    .await
    .unwrap();
    assert!(rig.take(&[waits]).await.is_empty());
    let claims = rig.claims("clients/crawler").await;
    assert!(
        claims.len() == files && claims.iter().all(|(_, claim)| claim["state"] == "started"),
        "{claims:?}"
    );
}
