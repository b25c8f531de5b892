//! Messages and rows at fault before any SQL: quarantined, acknowledged, and never in the way of their group.

use serde_json::{Value, json};

use crate::common::{NO_TABLE, Script, body, failed, message, of_rows, row};

/// A row whose record id is not that of its key.
fn forged(id: &str) -> Value {
    let mut row = row(id);
    row["_record_id"] = json!("0".repeat(32));
    row
}

fn not_ours() -> [String; 6] {
    let mut future: Value = serde_json::from_str(&body("t", &[])).unwrap();
    future["penstock"] = json!(2);
    [
        String::new(),
        "not JSON".into(),
        "{}".into(),
        "[]".into(),
        future.to_string(),
        body("nobody", &[row("r-7")]),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_read_is_quarantined_and_the_later_ones_of_its_group_load() {
    for bad in not_ours() {
        let messages =
            [message("m-0", "a", &bad), of_rows("m-1", "a", &["r-1"]), of_rows("m-2", "b", &["r-2"])];
        let function = Script::smooth().start();
        assert!(function.invoke(&messages).await.is_empty(), "{bad}");
        assert_eq!(function.loaded(), [["r-1", "r-2"]]);
        let lines = function.quarantined();
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["dataset"], "_unknown");
        assert_eq!(lines[0]["raw"].as_str().unwrap_or_default(), bad);
        let rule = lines[0]["rules"][0]["rule"].as_str().unwrap();
        assert_eq!(rule, if bad.contains("nobody") { "unknown_dataset" } else { "unknown_message" });
    }
}

#[tokio::test(start_paused = true)]
async fn where_quarantine_fails_the_message_and_the_later_ones_of_its_group_are_not_loaded() {
    let messages = [
        of_rows("m-0", "a", &["r-0"]),
        message("m-1", "a", "not JSON"),
        of_rows("m-2", "a", &["r-2"]),
        of_rows("m-3", "b", &["r-3"]),
    ];
    let function = Script::smooth().put_status(500).start();
    assert_eq!(function.invoke(&messages).await, ["m-1", "m-2"]);
    assert_eq!(function.loaded(), [["r-0", "r-3"]]);
    let handed: Vec<(String, i32)> = function.changes().concat();
    assert_eq!(handed, [("h-m-1".to_owned(), 30), ("h-m-2".to_owned(), 30)]);
}

#[tokio::test(start_paused = true)]
async fn where_rejects_are_not_safe_their_message_is_not_loaded() {
    let messages =
        [message("m-0", "a", &body("t", &[row("r-0"), forged("r-1")])), of_rows("m-1", "b", &["r-2"])];
    let function = Script::smooth().put_status(503).start();
    assert_eq!(function.invoke(&messages).await, ["m-0"]);
    assert_eq!(function.loaded(), [["r-2"]]);
}

#[tokio::test(start_paused = true)]
async fn a_row_at_fault_is_quarantined_and_the_others_of_its_message_load() {
    let mut narrow = row("r-1");
    narrow["pad"] = json!(17);
    let rows = [row("r-0"), narrow, json!({"id": "r-2"}), forged("r-3"), json!("r-4"), row("r-5")];
    let messages = [message("m-0", "a", &body("t", &rows))];
    let function = Script::smooth().start();
    assert!(function.invoke(&messages).await.is_empty());
    assert_eq!(function.loaded(), [["r-0", "r-5"]]);
    assert_eq!(function.quarantined().len(), 4);
    assert!(function.submissions()[0].sqls[2].contains(", 6, 4, 0)"), "read and rejected are in the account");
}

#[tokio::test(start_paused = true)]
async fn a_message_of_rejects_alone_has_its_line_in_the_ledger() {
    let messages = [message("m-0", "a", &body("t", &[forged("r-0"), forged("r-1")]))];
    let function = Script::smooth().start();
    assert!(function.invoke(&messages).await.is_empty());
    let submissions = function.submissions();
    assert_eq!(submissions.len(), 1);
    assert!(submissions[0].sqls[2].contains(", 2, 2, 0)"), "{}", submissions[0].sqls[2]);
    assert!(!submissions[0].sqls.iter().any(|sql| sql.starts_with("INSERT INTO \"p_stage\"")));
    // It is safe in quarantine, but not in the account: it comes again.
    let function = Script::of(|_| failed(NO_TABLE)).start();
    assert_eq!(function.invoke(&messages).await, ["m-0"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_no_rows_at_all_is_acknowledged() {
    let function = Script::smooth().start();
    assert!(function.invoke(&[message("m-0", "a", &body("t", &[]))]).await.is_empty());
    assert!(function.submissions().is_empty() && function.quarantined().is_empty());
}

#[tokio::test(start_paused = true)]
async fn rejects_stand_under_the_same_key_with_the_same_bytes_on_a_second_delivery() {
    let messages = [message("m-0", "a", &body("t", &[forged("r-0")])), message("m-1", "a", "not JSON")];
    let function = Script::smooth().start();
    for _ in 0..2 {
        assert!(function.invoke(&messages).await.is_empty());
    }
    let seen = function.seen.lock().unwrap();
    assert_eq!(seen.puts.len(), 4);
    assert_eq!(seen.puts[..2], seen.puts[2..]);
}
