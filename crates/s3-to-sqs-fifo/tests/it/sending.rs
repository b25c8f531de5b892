//! What is sent, in which requests, and what is sent again: entry by entry, in the order of each group.

use std::collections::{HashMap, HashSet};

use serde_json::json;

use crate::common::{Entry, Script, Verdict, apart, lines};

const BUSY: Verdict = Verdict::Refused("InternalError");

#[tokio::test(start_paused = true)]
async fn only_refused_entries_are_sent_again_with_their_deduplication_ids() {
    let function = Script::of(apart(5))
        .verdict(|request, ids| match (request, ids[0].as_str()) {
            (0, "r-1" | "r-3" | "r-4") | (1, "r-3") => BUSY,
            _ => Verdict::Taken,
        })
        .start();
    assert!(function.deliver().await);
    let sent = function.sent_ids();
    let by_name = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<HashSet<_>>();
    let sets: Vec<HashSet<String>> = sent.iter().map(|ids| ids.iter().cloned().collect()).collect();
    assert_eq!(
        sets,
        [by_name(&["r-0", "r-1", "r-2", "r-3", "r-4"]), by_name(&["r-1", "r-3", "r-4"]), by_name(&["r-3"])]
    );
    let requests = function.sends();
    for again in requests[1..].iter().flatten() {
        assert!(requests[0].contains(again), "the same group, deduplication id and body");
    }
    let distinct: HashSet<&str> = requests[0].iter().map(|entry| entry.deduplication_id.as_str()).collect();
    assert_eq!(distinct.len(), 5);
    assert_eq!(function.receipt()["sent"], 5);
    assert!(function.quarantined().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_entry_that_is_neither_taken_nor_refused_is_sent_again() {
    let function = Script::of(apart(3))
        .verdict(|request, ids| match (request, ids[0].as_str()) {
            (0, "r-1") => Verdict::Unanswered,
            _ => Verdict::Taken,
        })
        .start();
    assert!(function.deliver().await);
    assert_eq!(function.sent_ids()[1..], [["r-1"]]);
    assert_eq!(function.receipt()["sent"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_at_fault_is_quarantined_row_by_row_and_not_sent_again() {
    let body = lines([("a-0", "a"), ("b-0", "b"), ("a-1", "a"), ("a-2", "a"), ("b-1", "b")]);
    let function = Script::of(body)
        .rows_per_message(2)
        .verdict(|_, ids| match ids[0].as_str() {
            "a-0" => Verdict::SenderFault("InvalidMessageContents"),
            _ => Verdict::Taken,
        })
        .start();
    assert!(function.deliver().await);
    let attempts = function.sent_ids().concat();
    assert_eq!(attempts.iter().filter(|id| id.as_str() == "a-0").count(), 1);
    let lines = function.quarantined();
    let raw: Vec<serde_json::Value> =
        lines.iter().map(|line| serde_json::from_str(line["raw"].as_str().unwrap()).unwrap()).collect();
    assert_eq!((&raw[0]["id"], &raw[1]["id"], raw.len()), (&json!("a-0"), &json!("a-1"), 2));
    assert_eq!(lines[0]["rules"][0]["rule"], "refused_by_queue");
    assert_eq!(lines[0]["rules"][0]["reason"], "SQS says InvalidMessageContents");
    let receipt = function.receipt();
    assert_eq!((&receipt["rejected"], &receipt["sent"]), (&json!(2), &json!(3)));
}

#[tokio::test(start_paused = true)]
async fn a_later_message_of_a_group_waits_for_the_refused_one() {
    let function = Script::of(lines([("a-0", "a"), ("a-1", "a"), ("b-0", "b"), ("a-2", "a")]))
        .verdict(|request, ids| match (request, ids[0].as_str()) {
            (0 | 1, "a-0") => BUSY,
            _ => Verdict::Taken,
        })
        .start();
    assert!(function.deliver().await);
    let mut first = function.sent_ids().remove(0);
    first.sort();
    assert_eq!(first, ["a-0", "b-0"]);
    assert_eq!(function.sent_ids()[1..], [["a-0"], ["a-0"], ["a-1"], ["a-2"]]);
}

/// What must hold for any requests: the limits, one message of a group in a request, no message lost or doubled, and
/// the order of each group.
fn assert_sound(requests: &[Vec<Entry>], taken: &[Entry], file: &[(String, String)]) {
    for entries in requests {
        let groups: HashSet<&str> = entries.iter().map(|entry| entry.group.as_str()).collect();
        assert_eq!(groups.len(), entries.len(), "a group stands twice in a request");
        assert!((1..=10).contains(&entries.len()));
        assert!(entries.iter().map(|entry| entry.body.len() + 256).sum::<usize>() <= 1 << 20);
    }
    let mut by_group: HashMap<&str, Vec<String>> = HashMap::new();
    for entry in taken {
        by_group.entry(&entry.group).or_default().extend(entry.ids());
    }
    let mut expected: HashMap<&str, Vec<String>> = HashMap::new();
    for (id, group) in file {
        expected.entry(group).or_default().push(id.clone());
    }
    let mut got: Vec<Vec<String>> = by_group.into_values().collect();
    let mut expected: Vec<Vec<String>> = expected.into_values().collect();
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
}

/// The entries that the queue took, in its order.
fn taken(requests: &[Vec<Entry>], verdict: impl Fn(usize, &Entry) -> bool) -> Vec<Entry> {
    let all =
        requests.iter().enumerate().flat_map(|(n, entries)| entries.iter().map(move |entry| (n, entry)));
    all.filter(|(n, entry)| verdict(*n, entry)).map(|(_, entry)| entry.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_is_refused_no_row_is_lost_and_every_group_keeps_its_order() {
    for seed in 0..40_usize {
        let file: Vec<(String, String)> =
            (0..150).map(|n| (format!("r-{n:03}"), format!("g-{}", n * n * (seed + 1) % 13))).collect();
        // Three in eight are refused, by what the row and the request are called.
        let refused = move |request: usize, id: &str| {
            let salt = seed as u64 ^ 0x9e37_79b9;
            let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            let hash = id.bytes().chain(request.to_le_bytes()).fold(salt, mix);
            (hash >> 17) % 8 < 3
        };
        let function = Script::of(lines(file.iter().map(|(id, g)| (id.as_str(), g.as_str()))))
            .rows_per_message(1 + seed % 4)
            .verdict(move |request, ids| match refused(request, &ids[0]) {
                true if request % 2 == 0 => BUSY,
                true => Verdict::Unanswered,
                false => Verdict::Taken,
            })
            .start();
        if !function.deliver().await {
            // Seven refusals in a row are possible; then nothing is acknowledged and there is no receipt.
            assert!(function.puts("work").is_empty());
            continue;
        }
        let requests = function.sends();
        assert_sound(&requests, &taken(&requests, |n, entry| !refused(n, &entry.ids()[0])), &file);
        assert_eq!(function.receipt()["sent"], 150);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_holds_at_most_ten_entries_and_one_mebibyte_of_large_rows() {
    let file: Vec<(String, String)> =
        (0..90).map(|n| (format!("r-{n:02}"), format!("g-{}", n % 45))).collect();
    let large = "x".repeat(64_000);
    let body: String =
        file.iter().map(|(id, g)| format!("{}\n", json!({"id": id, "g": g, "pad": large}))).collect();
    let function = Script::of(body).rows_per_message(100).start();
    assert!(function.deliver().await);
    let requests = function.sends();
    assert_sound(&requests, &requests.concat(), &file);
    assert!(requests.iter().any(|entries| entries.len() == 10), "requests are filled");
    assert_eq!(function.receipt()["sent"], 90);
}

#[tokio::test(start_paused = true)]
async fn many_groups_fill_their_requests() {
    let function = Script::of(apart(200)).start();
    assert!(function.deliver().await);
    let sizes: Vec<usize> = function.sends().iter().map(Vec::len).collect();
    assert_eq!(sizes, [10; 20]);
}
