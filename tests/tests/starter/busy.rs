//! Jobs and crawlers that cannot be started now: nothing is lost, and the next run takes all.

use crate::glue::Conduct;
use crate::rig::Rig;

#[tokio::test]
async fn a_busy_job_gives_all_back_and_its_next_run_takes_all_files_together() {
    for code in ["ConcurrentRunsExceededException", "ResourceNumberLimitExceededException"] {
        let rig = Rig::start().await;
        rig.glue.behave(Conduct::Refuses(code));
        let first = rig.staged("clients", 0..3).await;
        assert_eq!(rig.take(&first).await, [0, 1, 2], "{code}");
        assert_eq!(rig.take(&first[1..]).await, [0, 1], "{code}");
        assert_eq!(rig.glue.calls("StartJobRun"), 2, "one request a try");
        rig.glue.behave(Conduct::Starts);
        // Its work is in the claim that was given up: it goes along with other messages than its own.
        let second = rig.staged("clients", 3..5).await;
        assert!(rig.take(&second).await.is_empty(), "{code}");
        assert!(rig.take(&first).await.is_empty(), "{code}");
        assert_eq!((rig.glue.runs().len(), rig.claims("clients/job").await.len()), (1, 1), "{code}");
        let found = rig.runs_by_object("clients/job").await;
        assert_eq!((found.len(), found.values().all(|runs| *runs == 1)), (5, true), "{found:?}");
        assert!(rig.quarantined().await.is_empty());
    }
}

#[tokio::test]
async fn a_running_crawler_loses_no_file() {
    let rig = Rig::start().await;
    let first = rig.lake.put_for_event("clients/day=1/a.parquet", "PAR1").await.unwrap();
    assert!(rig.take(&[first]).await.is_empty());
    rig.glue.behave(Conduct::Refuses("CrawlerRunningException"));
    let second = rig.lake.put_for_event("clients/day=1/b.parquet", "PAR1").await.unwrap();
    assert_eq!(rig.take(std::slice::from_ref(&second)).await, [0]);
    rig.glue.behave(Conduct::Starts);
    assert!(rig.take(&[second]).await.is_empty());
    assert_eq!(rig.glue.runs().len(), 2);
    let claims = rig.claims("clients/crawler").await;
    let urls = claims.iter().map(|(_, claim)| claim["entries"][0]["url"].as_str().unwrap());
    assert!(urls.eq(["b", "a"].map(|name| format!("s3://{}/clients/day=1/{name}.parquet", rig.lake.name))));
}

#[tokio::test]
async fn waiting_for_a_busy_job_is_a_warning_and_a_count_and_no_error() {
    let rig = Rig::start().await;
    rig.glue.behave(Conduct::Refuses("ConcurrentRunsExceededException"));
    rig.take(&rig.staged("clients", 0..1).await).await;
    let logged = rig.starter.wait_for_log(|line| line["kind"] == "Busy").await.unwrap();
    assert_eq!(logged["level"], "WARN", "{logged}");
    let metric = |line: &serde_json::Value| line["StartsWaiting"] == 1 && line["dataset"] == "clients";
    rig.starter.wait_for_log(metric).await.unwrap();
    assert!(rig.starter.json_logs().iter().all(|line| line["level"] != "ERROR"));
}
