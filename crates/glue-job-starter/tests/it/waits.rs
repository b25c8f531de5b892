//! How long messages wait that are given back.

use crate::common::{FIRST, Script, batch, refusal};

#[tokio::test(start_paused = true)]
async fn messages_of_a_busy_job_wait_twice_as_long_each_time_up_to_a_quarter_of_an_hour() {
    let codes =
        ["ConcurrentRunsExceededException", "ResourceNumberLimitExceededException", "ThrottlingException"];
    for code in codes {
        let function = Script::default().start(move |_| refusal(code)).function();
        let given_back = function.take(batch(&[1, 2, 3, 4, 5, 99])).await;
        assert_eq!(given_back.len(), 6, "{code}");
        assert_eq!(function.waits(), [60, 120, 240, 480, 900, 900], "{code}");
        assert_eq!((function.starts(), &function.claim(FIRST)["state"]), (1, &"released".into()), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_job_that_does_not_exist_come_again_after_a_minute() {
    for code in ["EntityNotFoundException", "InvalidInputException", "AccessDeniedException"] {
        let function = Script::default().start(move |_| refusal(code)).function();
        assert_eq!(function.take(batch(&[7])).await, ["m-0"], "{code}");
        assert_eq!((function.waits(), function.starts()), (vec![60], 1), "{code}");
        assert_eq!(function.claim(FIRST)["state"], "released", "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_held_claim_come_again_when_its_lease_is_over_or_after_a_minute() {
    let function = Script::default().start(|_| (500, serde_json::json!({}))).function();
    let begun_ms = 1_800_000_000_000;
    assert_eq!(function.take_at(batch(&[1]), begun_ms).await, ["m-0"]);
    assert_eq!(function.waits(), [60]);
    for (now_ms, wait) in [(begun_ms + 1_000, 60), (begun_ms + 85_500, 5), (begun_ms + 90_000, 1)] {
        assert_eq!(function.take_at(batch(&[1]), now_ms).await, ["m-0"]);
        assert_eq!(function.waits(), [wait]);
    }
}
