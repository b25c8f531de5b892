//! A value that the table does not take: its row alone is found and quarantined, every other row loads, and no group
//! loses its order on the way.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::{
    CONFLICT, Course, DATA, Function, NO_TABLE, Script, Submission, failed, finished, of_rows, singles,
};

/// Loads fail that hold one of the culprits.
fn refusing(culprits: &'static [&'static str]) -> impl Fn(&[Submission]) -> Course + Send + Sync + Copy {
    move |all| match all.last().unwrap().rows().iter().any(|id| culprits.contains(id)) {
        true => failed(DATA),
        false => finished(),
    }
}

/// Nothing is given back: culprits are in quarantine, all others are loaded, once and in the queue's order.
async fn assert_found(messages: &[Value], rows: &[&str], culprits: &'static [&'static str]) -> Function {
    let function = Script::of(refusing(culprits)).start();
    assert!(function.invoke(messages).await.is_empty());
    let good: Vec<&str> = rows.iter().copied().filter(|id| !culprits.contains(id)).collect();
    assert_eq!(function.loaded().concat(), good);
    let quarantined: BTreeSet<String> = function.quarantined_rows().into_iter().collect();
    assert_eq!(quarantined, culprits.iter().map(|id| (*id).to_owned()).collect());
    assert_eq!(function.quarantined().len(), culprits.len());
    function
}

const EIGHT: [&str; 8] = ["r-0", "r-1", "r-2", "r-3", "r-4", "r-5", "r-6", "r-7"];

#[tokio::test(start_paused = true)]
async fn the_culprit_alone_is_quarantined_and_all_others_load_in_order() {
    let messages = singles(&["a", "b", "a", "c", "b", "a", "a", "c"]);
    for culprits in [&["r-0"][..], &["r-3"], &["r-7"], &["r-2", "r-5"], &["r-4", "r-5", "r-6"], &EIGHT] {
        assert_found(&messages, &EIGHT, culprits).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_culprit_inside_a_message_costs_the_message_nothing_else() {
    let messages = [of_rows("m-0", "a", &EIGHT[..5]), of_rows("m-1", "a", &EIGHT[5..])];
    for culprits in [&["r-0"][..], &["r-2"], &["r-4", "r-5"], &EIGHT] {
        assert_found(&messages, &EIGHT, culprits).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_quarantined_row_says_what_the_warehouse_said_and_stands_under_one_key() {
    let messages = [of_rows("m-0", "a", &EIGHT)];
    let first = assert_found(&messages, &EIGHT, &["r-5"]).await;
    let line = first.quarantined().remove(0);
    assert_eq!(line["rules"][0]["rule"], "refused_by_warehouse");
    assert_eq!(line["rules"][0]["reason"], DATA);
    assert_eq!((&line["dataset"], &line["source"]), (&"t".into(), &"s3://landing/queue/t/a.json".into()));
    let second = assert_found(&messages, &EIGHT, &["r-5"]).await;
    assert_eq!(first.seen.lock().unwrap().puts, second.seen.lock().unwrap().puts);
    let two = assert_found(&messages, &EIGHT, &["r-5", "r-6"]).await;
    let keys: BTreeSet<String> = two.seen.lock().unwrap().puts.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys.len(), 2, "two culprits of a message do not overwrite each other");
}

#[tokio::test(start_paused = true)]
async fn a_redelivery_halves_along_the_same_loads_and_submits_nothing_new() {
    let messages = singles(&["a", "b", "a", "c"]);
    let function = Script::of(refusing(&["r-2"])).start();
    for _ in 0..2 {
        assert!(function.invoke(&messages).await.is_empty());
    }
    let names: BTreeSet<String> = function.submissions().into_iter().map(|one| one.name).collect();
    assert_eq!(names.len(), function.submissions().len());
}

#[tokio::test(start_paused = true)]
async fn a_culprit_whose_quarantine_fails_is_given_back_with_the_rest_of_its_group() {
    let messages = singles(&["a", "b", "a", "c"]);
    let function = Script::of(refusing(&["r-0"])).put_status(500).start();
    assert_eq!(function.invoke(&messages).await, ["m-0", "m-2"]);
    assert_eq!(function.loaded().concat(), ["r-1", "r-3"]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_in_one_half_gives_back_its_messages_and_the_later_ones_of_their_groups() {
    let messages = singles(&["a", "b", "c", "d", "a", "e", "f", "b"]);
    for fault in [NO_TABLE, "the statement was cancelled", CONFLICT, "ERROR: penstock out of balance 1"] {
        let function = Script::of(move |all| match all.last().unwrap().rows()[..] {
            ["r-0", "r-1", "r-2", "r-3"] => failed(fault),
            ["r-5", "r-6"] => finished(),
            _ => failed(DATA),
        })
        .start();
        assert_eq!(function.invoke(&messages).await, ["m-0", "m-1", "m-2", "m-3", "m-4", "m-7"], "{fault}");
        assert_eq!(function.loaded(), [["r-5", "r-6"]]);
        assert!(function.quarantined().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_fault_in_the_second_half_leaves_the_first_one_acknowledged() {
    let messages = singles(&["a", "b", "a", "b"]);
    let function = Script::of(|all| match all.last().unwrap().rows()[..] {
        ["r-0", "r-1"] => finished(),
        ["r-2", "r-3"] => failed(NO_TABLE),
        _ => failed(DATA),
    })
    .start();
    assert_eq!(function.invoke(&messages).await, ["m-2", "m-3"]);
    assert_eq!(function.loaded(), [["r-0", "r-1"]]);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_only_a_part_is_loaded_is_given_back() {
    let messages =
        [of_rows("m-0", "a", &EIGHT), of_rows("m-1", "a", &["r-8"]), of_rows("m-2", "b", &["r-9"])];
    let function = Script::of(|all| match all.last().unwrap().rows()[..] {
        ["r-4", "r-5", "r-6", "r-7"] => failed(NO_TABLE),
        ["r-0", "r-1", "r-2", "r-3"] | ["r-9"] => finished(),
        _ => failed(DATA),
    })
    .start();
    assert_eq!(function.invoke(&messages).await, ["m-0", "m-1"]);
    assert_eq!(function.loaded(), [vec!["r-0", "r-1", "r-2", "r-3"], vec!["r-9"]]);
}

#[tokio::test(start_paused = true)]
async fn more_rows_than_a_batch_takes_are_loaded_in_halves() {
    let pad = "x".repeat(60_000);
    let messages: Vec<Value> = (0..80)
        .map(|n| {
            let mut row = crate::common::row(&format!("r-{n:02}"));
            row["pad"] = pad.as_str().into();
            crate::common::message(&format!("m-{n}"), "a", &crate::common::body("t", &[row]))
        })
        .collect();
    let function = Script::smooth().start();
    assert!(function.invoke(&messages).await.is_empty());
    assert!(function.submissions().iter().all(|one| one.sqls.len() <= 40));
    assert_eq!(function.submissions().len(), 4);
    let rows: Vec<String> = (0..80).map(|n| format!("r-{n:02}")).collect();
    assert_eq!(function.loaded().concat(), rows);
}
