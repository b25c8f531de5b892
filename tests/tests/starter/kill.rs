//! Functions that die between any two calls, and starts whose answer is lost.

use penstock_tests::batch;

use crate::glue::Conduct;
use crate::rig::Rig;

/// The function dies in the middle of its start.
async fn die(rig: &Rig, conduct: Conduct, events: &[serde_json::Value]) {
    rig.glue.behave(conduct);
    let event = batch(events);
    let dies = async {
        rig.glue.stopped().await;
        rig.starter.kill();
    };
    let (answer, ()) = tokio::join!(rig.starter.invoke(&event), dies);
    assert!(answer.is_err(), "{answer:?}");
    rig.glue.behave(Conduct::Starts);
    let claims = rig.claims("clients/job").await;
    assert_eq!((claims.len(), &claims[0].1["state"]), (1, &"claimed".into()));
}

#[tokio::test]
async fn killed_between_claim_and_start_there_is_one_run_when_the_lease_is_over() {
    let rig = Rig::for_dying().await;
    let mut events = rig.staged("clients", 0..4).await;
    die(&rig, Conduct::StopsBefore, &events).await;
    let rig = rig.restarted(1).await;
    assert_eq!(rig.take(&events).await, [0, 1, 2, 3], "the claim is held");
    assert!(rig.glue.runs().is_empty());
    // In other company.
    events.extend(rig.staged("clients", 4..6).await);
    rig.take_until_done(&events).await;
    assert_eq!(rig.glue.runs().len(), 1);
    let found = rig.runs_by_object("clients/job").await;
    assert_eq!((found.len(), found.values().all(|runs| *runs == 1)), (6, true), "{found:?}");
}

#[tokio::test]
async fn killed_between_start_and_answer_the_run_is_found_and_no_other_is_started() {
    let rig = Rig::for_dying().await;
    let events = rig.staged("clients", 0..4).await;
    die(&rig, Conduct::StopsAfter, &events).await;
    let rig = rig.restarted(1).await;
    rig.take_until_done(&events[1..3]).await;
    assert_eq!(rig.glue.runs().len(), 1);
    let claim = &rig.claims("clients/job").await[0].1;
    assert_eq!((&claim["state"], &claim["run_id"]), (&"started".into(), &"jr_0".into()));
    assert!(rig.take(&events).await.is_empty());
    assert_eq!(rig.runs_by_object("clients/job").await.len(), 4);
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_sent_once_and_found_later() {
    let rig = Rig::for_dying().await;
    let events = rig.staged("clients", 0..2).await;
    rig.glue.behave(Conduct::LosesAnswer);
    assert_eq!(rig.take(&events).await, [0, 1]);
    assert_eq!(rig.glue.calls("StartJobRun"), 1, "a second request could start a second run");
    // The next answer says that too many run: because of ours.
    rig.glue.behave(Conduct::Refuses("ConcurrentRunsExceededException"));
    rig.take_until_done(&events).await;
    assert_eq!((rig.glue.runs().len(), rig.glue.calls("StartJobRun")), (1, 1));
}

#[tokio::test]
async fn a_crawl_that_began_behind_a_dead_functions_claim_is_not_started_again() {
    let rig = Rig::for_dying().await;
    let event = rig.lake.put_for_event("clients/a.parquet", "PAR1").await.unwrap();
    rig.glue.behave(Conduct::LosesAnswer);
    assert_eq!(rig.take(std::slice::from_ref(&event)).await, [0]);
    rig.glue.behave(Conduct::Starts);
    rig.take_until_done(&[event]).await;
    assert_eq!((rig.glue.runs().len(), rig.glue.calls("StartCrawler")), (1, 1));
    assert_eq!(rig.claims("clients/crawler").await[0].1["state"], "started");
}
