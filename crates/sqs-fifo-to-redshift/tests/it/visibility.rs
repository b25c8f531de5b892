//! Loads that outlast the invocation, and when messages come again.

use std::time::Duration;

use crate::common::{
    Course, DATA, NO_TABLE, Script, Step, body, failed, finished, message, row, running, singles,
};
use aws_sdk_redshiftdata::types::StatusString;

const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

fn handed(ids: &[&str], seconds: i32) -> Vec<(String, i32)> {
    ids.iter().map(|id| (format!("h-{id}"), seconds)).collect()
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_running_load_are_handed_over_and_no_others() {
    let mut messages = singles(&["a", "b"]);
    messages.push(message("m-2", "c", &body("u", &[row("r-2")])));
    // The dataset that comes first by name is done before the other one runs out of time.
    let function = Script::of(|all| match all.last().unwrap().dataset() {
        "t" => finished(),
        _ => running(),
    })
    .start();
    assert_eq!(function.invoke_for(&messages, MINUTE).await, ["m-2"]);
    assert_eq!(function.changes(), [handed(&["m-2"], 5)]);
    assert_eq!(function.loaded(), [["r-0", "r-1"]]);
}

#[tokio::test(start_paused = true)]
async fn a_load_that_ends_just_in_time_is_acknowledged() {
    let steps = vec![
        Step::Status(StatusString::Submitted, ""),
        Step::Status(StatusString::Started, ""),
        Step::Status(StatusString::Finished, ""),
    ];
    let function = Script::of(move |_| Course { steps: steps.clone() }).start();
    assert!(function.invoke_for(&singles(&["a"]), MINUTE).await.is_empty());
    assert!(function.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_fault_that_may_pass_has_its_messages_come_again_after_a_pause() {
    let function = Script::of(|_| failed(NO_TABLE)).start();
    assert_eq!(function.invoke(&singles(&["a", "b"])).await, ["m-0", "m-1"]);
    assert_eq!(function.changes(), [handed(&["m-0", "m-1"], 30)]);
}

#[tokio::test(start_paused = true)]
async fn later_messages_of_a_group_whose_load_runs_come_again_with_it() {
    let messages = singles(&["a", "b", "a", "c"]);
    let function = Script::of(|all| match all.len() {
        1 => failed(DATA),
        _ => running(),
    })
    .start();
    // m-2 waits for its group, and for m-3 no time is left.
    assert_eq!(function.invoke_for(&messages, MINUTE).await, ["m-0", "m-1", "m-2", "m-3"]);
    assert_eq!(function.changes(), [handed(&["m-0", "m-1", "m-2", "m-3"], 5)]);
    assert_eq!(function.submissions().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn more_than_ten_messages_are_handed_over_in_several_requests() {
    let groups: Vec<String> = (0..25).map(|n| format!("g-{n}")).collect();
    let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
    let function = Script::of(|_| running()).start();
    assert_eq!(function.invoke_for(&singles(&groups), MINUTE).await.len(), 25);
    assert_eq!(function.changes().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_hand_over_that_fails_changes_nothing_of_the_answer() {
    for status in [207, 400, 403, 500, 503] {
        let function = Script::of(|_| running()).change_status(status).start();
        assert_eq!(function.invoke_for(&singles(&["a", "b"]), MINUTE).await, ["m-0", "m-1"], "{status}");
        assert_eq!(function.changes().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_time_is_left_nothing_is_submitted() {
    let function = Script::smooth().start();
    let left = Some(Duration::from_secs(6));
    assert_eq!(function.invoke_for(&singles(&["a", "b"]), left).await, ["m-0", "m-1"]);
    assert!(function.submissions().is_empty());
    assert_eq!(function.changes(), [handed(&["m-0", "m-1"], 5)]);
}
