//! New attempts after a conflict, and the tokens by which a redelivery finds what was submitted before.

use std::collections::HashSet;

use crate::common::{CONFLICT, Course, Script, Step, Submission, failed, finished, of_rows, singles};
use aws_sdk_redshiftdata::types::StatusString;

/// What of a submission must be the same in every attempt.
fn work(one: &Submission) -> (&str, &[String], &[(String, String)]) {
    (&one.name, &one.sqls, &one.parameters)
}

#[tokio::test(start_paused = true)]
async fn a_conflict_is_tried_again_with_another_token_and_the_same_statements() {
    for text in [CONFLICT, "1023", "ERROR: deadlock detected", "ERROR: could not serialize access"] {
        let function = Script::of(move |all| if all.len() < 3 { failed(text) } else { finished() }).start();
        assert!(function.invoke(&singles(&["a", "b"])).await.is_empty(), "{text}");
        let submissions = function.submissions();
        assert_eq!(submissions.len(), 3);
        let tokens: HashSet<&str> = submissions.iter().map(|one| one.token.as_str()).collect();
        assert_eq!(tokens.len(), 3);
        assert!(submissions.iter().all(|one| work(one) == work(&submissions[0])));
    }
}

#[tokio::test(start_paused = true)]
async fn after_five_attempts_the_messages_are_given_back() {
    let function = Script::of(|_| failed(CONFLICT)).start();
    assert_eq!(function.invoke(&singles(&["a", "b"])).await, ["m-0", "m-1"]);
    assert_eq!(function.submissions().len(), 5);
    assert!(function.loaded().is_empty() && function.quarantined().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_close_to_the_deadline_is_left_to_the_next_delivery() {
    let function = Script::of(|_| failed(CONFLICT)).start();
    let left = std::time::Duration::from_millis(6_500);
    assert_eq!(function.invoke_for(&singles(&["a"]), Some(left)).await, ["m-0"]);
    assert!(function.submissions().len() < 5, "{}", function.submissions().len());
}

#[tokio::test(start_paused = true)]
async fn the_first_token_is_the_same_on_every_delivery_of_the_same_messages() {
    let messages = singles(&["a", "b", "a"]);
    let mut tokens = HashSet::new();
    for _ in 0..3 {
        let function = Script::smooth().start();
        function.invoke(&messages).await;
        tokens.insert(function.submissions().remove(0).token);
    }
    assert_eq!(tokens.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_finds_the_statement_and_submits_nothing_new() {
    let function = Script::smooth().start();
    for _ in 0..3 {
        assert!(function.invoke(&singles(&["a", "b"])).await.is_empty());
    }
    assert_eq!(function.submissions().len(), 1);
    // What ran when the first invocation had to end is found at its end by the second.
    let steps = [(StatusString::Started, 3), (StatusString::Finished, 1)];
    let steps = steps.into_iter().flat_map(|(status, times)| vec![Step::Status(status, ""); times]).collect();
    let course = Course { steps };
    let function = Script::of(move |_| course.clone()).start();
    let left = Some(std::time::Duration::from_secs(40));
    assert_eq!(function.invoke_for(&singles(&["a"]), left).await, ["m-0"]);
    assert!(function.invoke_for(&singles(&["a"]), left).await.is_empty());
    assert_eq!(function.submissions().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_sql_has_another_token() {
    let first = Script::smooth().start();
    first.invoke(&singles(&["a"])).await;
    // A deployment in between: the ledger's line names another version of the contract.
    let deployed = Script::smooth().version("1.1.0").start();
    deployed.invoke(&singles(&["a"])).await;
    // Other values in what calls itself the same message.
    let other = Script::smooth().start();
    other.invoke(&[of_rows("m-0", "a", &["r-9"])]).await;
    let all = [&first, &deployed, &other].map(|function| function.submissions().remove(0));
    assert!(all.iter().all(|one| one.name == all[0].name), "it is the same load");
    let tokens: HashSet<&str> = all.iter().map(|one| one.token.as_str()).collect();
    assert_eq!(tokens.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn another_grouping_is_another_load() {
    let messages = singles(&["a", "b", "c"]);
    let function = Script::smooth().start();
    for batch in [&messages[..], &messages[..2], &messages[1..]] {
        assert!(function.invoke(batch).await.is_empty());
    }
    let submissions = function.submissions();
    let names: HashSet<&str> = submissions.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names.len(), 3);
}
