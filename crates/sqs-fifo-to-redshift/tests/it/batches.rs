//! Whole batches: one transaction a dataset, and what one dataset's fault means for the others.

use serde_json::json;

use crate::common::{
    DATA, Function, NO_TABLE, Script, Submission, body, failed, finished, message, of_rows, row, singles,
};

/// Two datasets and several groups, mixed.
fn mixed() -> Vec<serde_json::Value> {
    vec![
        of_rows("m-0", "t-1", &["r-0", "r-1"]),
        message("m-1", "u-1", &body("u", &[row("r-2")])),
        of_rows("m-2", "t-2", &["r-3"]),
        of_rows("m-3", "t-1", &["r-4"]),
        message("m-4", "u-2", &body("u", &[row("r-5")])),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_transaction_a_dataset_in_the_order_of_the_queue() {
    let function = Script::smooth().start();
    assert!(function.invoke(&mixed()).await.is_empty());
    let submissions = function.submissions();
    let seen: Vec<(&str, Vec<&str>)> = submissions.iter().map(|one| (one.dataset(), one.rows())).collect();
    assert_eq!(seen, [("t", vec!["r-0", "r-1", "r-3", "r-4"]), ("u", vec!["r-2", "r-5"])]);
    for (one, lock) in submissions.iter().zip(["lock_t", "lock_u"]) {
        assert_eq!(one.sqls[0], format!("LOCK TABLE \"penstock\".\"{lock}\""));
        assert_eq!((one.database.as_str(), one.workgroup.as_str()), ("dev", "wg"));
        assert!(one.name.starts_with(&format!("penstock/{}/", one.dataset())), "{}", one.name);
        assert!((1..=64).contains(&one.token.len()) && one.sqls.len() <= 40);
        assert!(!one.sqls.iter().any(|sql| sql.contains("r-")), "values are bound, never written");
    }
    assert!(function.changes().is_empty() && function.quarantined().is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_datasets_fault_gives_back_only_its_messages() {
    let t_fails = |all: &[Submission]| match all.last().unwrap().dataset() {
        "t" => failed(NO_TABLE),
        _ => finished(),
    };
    let function = Script::of(t_fails).start();
    assert_eq!(function.invoke(&mixed()).await, ["m-0", "m-2", "m-3"]);
    assert_eq!(function.loaded(), [["r-2", "r-5"]]);
}

#[tokio::test(start_paused = true)]
async fn a_submission_that_is_refused_gives_back_only_its_datasets_messages() {
    for status in [400, 403, 429, 500, 503] {
        let function = Script::answering(move |all| match all.last().unwrap().dataset() {
            "u" => Err(status),
            _ => Ok(finished()),
        })
        .start();
        assert_eq!(function.invoke(&mixed()).await, ["m-1", "m-4"], "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dataset_whose_table_is_not_known_gives_back_only_its_messages() {
    let function = Script::smooth().database_of_u("${NO_SUCH_VARIABLE}").start();
    assert_eq!(function.invoke(&mixed()).await, ["m-1", "m-4"]);
    assert_eq!(function.loaded(), [["r-0", "r-1", "r-3", "r-4"]]);
}

#[tokio::test(start_paused = true)]
async fn the_database_is_dev_where_none_is_set() {
    for (value, database) in [("", "dev"), ("prod", "prod")] {
        let function = Script::smooth().var("DATABASE", value).start();
        assert!(function.invoke(&mixed()).await.is_empty());
        assert!(function.submissions().iter().all(|one| one.database == database));
    }
}

#[test]
fn a_missing_setting_is_named() {
    for missing in ["LOAD_QUEUE_URL", "QUARANTINE_BUCKET", "WORKGROUP_NAME"] {
        let error = Script::smooth().var(missing, "").try_config().unwrap_err().to_string();
        assert!(error.contains(missing), "{missing}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_records_are_nothing_to_do() {
    let function = Script::smooth().start();
    assert!(function.invoke(&[]).await.is_empty());
    assert!(function.submissions().is_empty() && function.changes().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_stands_twice_in_a_batch_is_answered_as_one() {
    let twice = [of_rows("m-0", "a", &["r-0"]), of_rows("m-0", "a", &["r-0"]), of_rows("m-1", "b", &["r-1"])];
    let function = Script::smooth().start();
    assert!(function.invoke(&twice).await.is_empty());
    assert_eq!(function.loaded().concat(), ["r-0", "r-0", "r-1"], "the load itself tells equal rows");
    let function = Script::of(|_| failed(NO_TABLE)).start();
    assert_eq!(function.invoke(&twice).await, ["m-0", "m-0", "m-1"]);
    // Halving ends too: the copies are two parts of the search, and leave one line under one key.
    let function = Script::of(|all| match all.last().unwrap().rows().contains(&"r-0") {
        true => failed(DATA),
        false => finished(),
    })
    .start();
    assert!(function.invoke(&twice).await.is_empty());
    let seen = function.seen.lock().unwrap();
    assert_eq!(seen.puts.iter().map(|(key, _)| key).collect::<std::collections::HashSet<_>>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn messages_without_attributes_or_ids_are_loaded_or_given_back_all_the_same() {
    let bare = |id: &str| json!({"body": body("t", &[row(id)])});
    let messages = [bare("r-0"), bare("r-1"), singles(&["a", "b"]).remove(1)];
    let function = Script::smooth().start();
    assert!(function.invoke(&messages).await.is_empty());
    assert_eq!(function.loaded().concat(), ["r-0", "r-1", "r-1"]);
    let function: Function = Script::of(|_| failed(NO_TABLE)).start();
    // An empty identifier makes Lambda give back the whole batch, which is what is wanted of an unnamed failure.
    assert_eq!(function.invoke(&messages).await, ["", "", "m-1"]);
    assert_eq!(function.changes(), [[("h-m-1".to_owned(), 30)]], "only receipt handles that there are");
}

#[tokio::test(start_paused = true)]
async fn a_message_without_a_group_holds_up_no_other() {
    let mut alone = of_rows("m-0", "a", &["r-0"]);
    alone["attributes"].as_object_mut().unwrap().remove("MessageGroupId");
    let messages = [alone, of_rows("m-1", "b", &["r-1"]), of_rows("m-2", "b", &["r-2"])];
    // The whole load has a culprit; then the half with m-0 fails for another reason.
    let function = Script::of(|all| match all.last().unwrap().rows()[..] {
        ["r-0", "r-1", "r-2"] => failed(DATA),
        ["r-0"] => failed(NO_TABLE),
        _ => finished(),
    })
    .start();
    assert_eq!(function.invoke(&messages).await, ["m-0"]);
    assert_eq!(function.loaded(), [["r-1", "r-2"]]);
}
