//! Answers that are lost, late, or errors: what is sent again, and what never is.

use penstock_aws::Invocation;
use serde_json::json;

use crate::common::{FIRST, Put, Script, batch, refusal, try_config};

const LATER_MS: u64 = 1_800_000_200_000;

#[tokio::test(start_paused = true)]
async fn a_batch_is_a_claim_a_start_and_a_closing() {
    let function = Script::default().function();
    assert!(function.take(batch(&[1; 30])).await.is_empty());
    assert_eq!((function.starts(), function.writes()), (1, 2));
    let claim = function.claim(FIRST);
    assert_eq!((&claim["state"], &claim["run_id"]), (&"started".into(), &"jr_0".into()));
    assert_eq!(claim["until_ms"], 1_800_000_090_000_u64, "the deadline, and half a minute");
    assert_eq!(claim["entries"].as_array().unwrap().len(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_was_lost_is_our_own_when_the_sdk_sends_it_again() {
    let function = Script::default().put(|n| if n == 0 { Put::LosesAnswer } else { Put::Done }).function();
    assert!(function.take(batch(&[1])).await.is_empty());
    assert_eq!(function.starts(), 1);
    assert_eq!(function.claim(FIRST)["state"], "started");
}

#[tokio::test(start_paused = true)]
async fn a_closing_whose_answer_was_lost_starts_nothing_again() {
    let function = Script::default().put(|n| if n == 1 { Put::LosesAnswer } else { Put::Done }).function();
    assert!(function.take(batch(&[1])).await.is_empty());
    assert_eq!((function.starts(), &function.claim(FIRST)["state"]), (1, &"started".into()));
}

#[tokio::test(start_paused = true)]
async fn a_start_is_sent_once_and_its_run_is_looked_for_when_the_lease_is_over() {
    for (status, code) in
        [(500, "InternalServiceException"), (400, "OperationTimeoutException"), (503, "Unavailable")]
    {
        let manifest = format!("s3://work/{FIRST}");
        let run = json!({"Id": "jr_found", "StartedOn": 1_800_000_000.0, "Arguments": {"--penstock_manifest": manifest}});
        let function = Script::default()
            .start(move |_| (status, json!({"__type": code})))
            .find(move |_| (200, json!({"JobRuns": [run]})))
            .function();
        assert_eq!(function.take(batch(&[1])).await, ["m-0"], "{code}");
        assert_eq!((function.starts(), &function.claim(FIRST)["state"]), (1, &"claimed".into()), "{code}");
        assert_eq!(function.take_at(batch(&[2]), LATER_MS - 120_000).await, ["m-0"], "held");
        assert!(function.take_at(batch(&[3]), LATER_MS).await.is_empty(), "{code}");
        assert_eq!((function.starts(), &function.claim(FIRST)["run_id"]), (1, &"jr_found".into()), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn runs_are_looked_for_page_by_page_back_to_the_claim() {
    let page = |n: usize, started_s: u64, token: Option<&str>| {
        let run = json!({"Id": format!("jr_{n}"), "StartedOn": started_s, "Arguments": {"--penstock_manifest": "other"}});
        (200, json!({"JobRuns": [run], "NextToken": token}))
    };
    let find = move |n| match n {
        0 => page(0, 1_800_000_100, Some("a")),
        1 => page(1, 1_800_000_001, Some("b")),
        // Older than the claim: nobody asks for what is behind it.
        _ => page(n, 1_790_000_000, Some("c")),
    };
    let start = |n| if n == 0 { (500, json!({})) } else { (200, json!({"JobRunId": "jr_new"})) };
    let function = Script::default().start(start).find(find).function();
    assert_eq!(function.take(batch(&[1])).await, ["m-0"]);
    assert!(function.take_at(batch(&[2]), LATER_MS).await.is_empty());
    assert_eq!((function.finds(), function.starts()), (3, 2));
    assert_eq!(function.claim(FIRST)["run_id"], "jr_new");
}

#[tokio::test(start_paused = true)]
async fn a_work_bucket_that_fails_gives_back_what_is_not_started_and_nothing_starts_without_a_claim() {
    let function = Script::default().put(|_| Put::Fails).function();
    assert_eq!(function.take(batch(&[1, 1])).await, ["m-0", "m-1"]);
    assert_eq!(function.starts(), 0);
    // The claim is written and cannot be closed: the run is started, and the messages come again.
    let function = Script::default().put(|n| if n == 0 { Put::Done } else { Put::Fails }).function();
    assert_eq!(function.take(batch(&[1])).await, ["m-0"]);
    assert_eq!((function.starts(), &function.claim(FIRST)["state"]), (1, &"claimed".into()));
}

#[tokio::test(start_paused = true)]
async fn a_bare_event_that_cannot_be_started_fails_the_invocation() {
    let function = Script::default().start(|_| refusal("EntityNotFoundException")).function();
    let body = batch(&[1])["Records"][0]["body"].as_str().unwrap().to_owned();
    let event = serde_json::from_str(&body).unwrap();
    let error = function.app.handle(event, Invocation::lasting(None)).await.unwrap_err();
    assert_eq!(error.error.kind(), "NotFound");
    assert_eq!(error.to_string(), "dataset t: Glue job job was not started: EntityNotFoundException: no");
    let error = function.app.handle(json!({"a": 1}), Invocation::lasting(None)).await.unwrap_err();
    assert_eq!(error.error.kind(), "EventError");
}

#[test]
fn a_setting_that_is_missing_or_wrong_is_named() {
    for name in ["LAKE_BUCKET", "CURATED_BUCKET", "GLUE_QUEUE_URL"] {
        let error = try_config(&[(name, "")]).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    for wrong in ["0", "-1", "soon"] {
        let error = try_config(&[("CLAIM_LEASE_SECONDS", wrong)]).unwrap_err();
        assert!(error.to_string().contains("CLAIM_LEASE_SECONDS"), "{error}");
    }
}
