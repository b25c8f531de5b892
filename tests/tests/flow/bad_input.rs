//! Bad input, one case each: a clear reason under the right rule, nothing lost, and the good records load.

use std::io::Write as _;

use penstock_tests::samples::{lines, transaction, with};
use penstock_tests::{EventFile, Route, failures};
use serde_json::{Value, json};

/// A file of good and bad records: what ends in quarantine (rule and column), and how many rows load.
async fn file(body: impl Into<Vec<u8>>, rules: &[(&str, &str)], rows: i64) {
    let route = Route::start().await.unwrap();
    route.read("queue/transactions/bad.json", body).await.unwrap();
    route.load_all().await.unwrap();
    let lines = route.quarantined().await.unwrap();
    let found: Vec<(String, String)> = lines
        .iter()
        .flat_map(|line| line["rules"].as_array().unwrap().clone())
        .map(|rule| (text(&rule["rule"]), text(&rule["column"])))
        .collect();
    let wanted: Vec<(String, String)> =
        rules.iter().map(|(rule, column)| ((*rule).into(), (*column).into())).collect();
    assert_eq!(found, wanted);
    for line in &lines {
        assert_eq!(text(&line["dataset"]), "transactions");
        assert!(text(&line["source"]).ends_with("/queue/transactions/bad.json"));
        assert!(!text(&line["rules"][0]["reason"]).is_empty());
    }
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), rows);
    route.check_quarantine().await.unwrap();
    route.check_ledger("transactions").await.unwrap();
    let values = ["tx-0000", "DE8937", "secret"];
    for log in route.reader.logs().iter().chain(&route.loader.logs()) {
        assert!(!values.iter().any(|value| log.contains(value)), "a value is in the log: {log}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// One bad record between two good ones.
async fn record(fields: Value, rule: &str, column: &str) {
    let records = [transaction(0, 5), with(transaction(1, 5), fields), transaction(2, 5)];
    file(lines(records), &[(rule, column)], 2).await;
}

/// One bad line, as bytes, between two good ones.
async fn line(bytes: &[u8], rule: &str, column: &str) {
    let good = |n| lines([transaction(n, 5)]).into_bytes();
    file([good(0), bytes.to_vec(), b"\n".to_vec(), good(2)].concat(), &[(rule, column)], 2).await;
}

#[tokio::test]
async fn what_is_not_json_is_a_reject() {
    line(b"this is a secret line, not JSON", "not_an_object", "").await;
    line(b"{\"transaction_id\": \"secret\", }", "invalid_json", "").await;
}

#[tokio::test]
async fn a_missing_required_column_is_a_reject() {
    let mut short = transaction(1, 5);
    short.as_object_mut().unwrap().remove("amount");
    file(lines([transaction(0, 5), short, transaction(2, 5)]), &[("required", "amount")], 2).await;
}

#[tokio::test]
async fn a_wrong_type_is_a_reject() {
    record(json!({"amount": true}), "wrong_type", "amount").await;
    record(json!({"account_id": 17}), "wrong_type", "account_id").await;
}

#[tokio::test]
async fn too_many_digits_are_a_reject() {
    record(json!({"amount": "1.005"}), "too_many_digits", "amount").await;
    record(json!({"amount": "12345678901234567.00"}), "too_many_digits", "amount").await;
}

#[tokio::test]
async fn an_impossible_date_is_a_reject() {
    record(json!({"booked_at": "2026-02-30T00:00:00Z"}), "invalid_timestamp", "booked_at").await;
}

#[tokio::test]
async fn a_text_over_its_columns_bytes_is_a_reject() {
    // 300 characters, 600 bytes: varchar counts bytes.
    record(json!({"note": "é".repeat(300)}), "too_long", "note").await;
}

#[tokio::test]
async fn nul_bytes_are_a_reject() {
    record(json!({"note": "secret\u{0}"}), "nul_character", "note").await;
    record(json!({"merchant": {"name": "secret\u{0}"}}), "nul_character", "merchant").await;
}

#[tokio::test]
async fn invalid_utf8_is_a_reject() {
    line(b"{\"transaction_id\": \"secret \xff\"}", "not_utf8", "").await;
}

#[tokio::test]
async fn a_duplicate_key_inside_an_object_is_a_reject() {
    line(b"{\"transaction_id\": \"secret\", \"transaction_id\": \"b\"}", "duplicate_key", "transaction_id")
        .await;
}

#[tokio::test]
async fn a_value_that_is_not_allowed_is_a_reject() {
    record(json!({"currency": "XXX"}), "valid_values", "currency").await;
    file(
        lines([with(transaction(1, 5), json!({"currency": "eu"}))]),
        &[("pattern", "currency"), ("valid_values", "currency")],
        0,
    )
    .await;
}

#[tokio::test]
async fn an_unknown_extra_column_is_left_out_and_counted() {
    let route = Route::start().await.unwrap();
    let extra = json!({"surprise": "secret", "another": 1});
    let records = [transaction(0, 5), with(transaction(1, 5), extra)];
    route.read("queue/transactions/a.json", lines(records)).await.unwrap();
    route.load_all().await.unwrap();
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 2);
    assert_eq!(route.receipts().await.unwrap()[0]["extra_fields"], json!(2));
    assert!(route.quarantined().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_empty_file_has_a_receipt_of_nothing() {
    file("", &[], 0).await;
}

#[tokio::test]
async fn quotes_backslashes_and_sql_in_values_are_only_values() {
    let hostile = json!({"note": r#"'; DROP TABLE tgt.transactions; -- \'"#, "account_id": r"\'; --"});
    file(lines([with(transaction(0, 5), hostile)]), &[], 1).await;
}

#[tokio::test]
async fn a_truncated_gzip_gives_the_rows_before_the_break_and_is_partial() {
    let route = Route::start().await.unwrap();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(lines((0..400).map(|n| transaction(n, 5))).as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    route.read("queue/transactions/cut.json", &whole[..whole.len() / 2]).await.unwrap();
    route.load_all().await.unwrap();
    let receipt = route.receipts().await.unwrap().remove(0);
    assert_eq!(receipt["status"], "partial");
    let (read, sent) = (receipt["read"].as_i64().unwrap(), receipt["sent"].as_i64().unwrap());
    assert!(sent > 100 && read - sent <= 1, "{receipt}");
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), sent);
    assert!(route.quarantined_rules().await.unwrap().contains(&"truncated".to_owned()));
    assert!(
        route
            .reader
            .json_logs()
            .iter()
            .any(|log| log["level"] == "ERROR" && log["message"] == "object was delivered in part")
    );
}

#[tokio::test]
async fn a_corrupt_object_goes_to_quarantine_and_is_acknowledged() {
    let route = Route::start().await.unwrap();
    route.read("queue/transactions/corrupt.json", &b"\x1f\x8b\xff\xff\xff\xff garbage"[..]).await.unwrap();
    assert_eq!(route.receipts().await.unwrap()[0]["status"], "failed");
    assert_eq!(route.quarantined_rules().await.unwrap(), ["corrupt_compression"]);
}

#[tokio::test]
async fn keys_with_spaces_plus_percent_and_utf8_are_read() {
    let route = Route::start().await.unwrap();
    for (n, key) in
        ["a b.json", "a+b.json", "100%.json", "é ☃ 𝄞.json", "it's \"quoted\\\".json"].iter().enumerate()
    {
        route.read(&format!("queue/transactions/{key}"), lines([transaction(n, 5)])).await.unwrap();
    }
    route.load_all().await.unwrap();
    assert_eq!(route.number("SELECT COUNT(DISTINCT _source) FROM tgt.transactions").await.unwrap(), 5);
}

#[tokio::test]
async fn folders_unknown_datasets_and_other_buckets_cost_nothing_else() {
    let route = Route::start().await.unwrap();
    let event = |key: &str, bucket: &str| {
        EventFile::load("sqs-s3-put.json").unwrap().in_bucket(bucket).with_key(key).json().clone()
    };
    for (key, bucket) in
        [("queue/other/x.json", route.landing.name.as_str()), ("queue/transactions/x.json", "somebody-elses")]
    {
        assert!(failures(&route.reader.invoke(&event(key, bucket)).await.unwrap()).is_empty());
    }
    let mut rules = route.quarantined_rules().await.unwrap();
    rules.sort();
    assert_eq!(rules, ["unknown_bucket", "unknown_dataset"]);
    // Neither was read: the second bucket does not even exist.
    assert!(route.receipts().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_object_that_was_replaced_or_removed_before_it_was_read_is_superseded() {
    let route = Route::start().await.unwrap();
    let old = route.put("queue/transactions/a.json", lines([transaction(1, 5)])).await.unwrap();
    let new = route.put("queue/transactions/a.json", lines([transaction(2, 5)])).await.unwrap();
    for event in [&old, &new] {
        assert!(failures(&route.reader.invoke(event).await.unwrap()).is_empty());
    }
    route.landing.delete("queue/transactions/a.json").await.unwrap();
    assert!(failures(&route.reader.invoke(&new).await.unwrap()).is_empty());
    route.load_all().await.unwrap();
    assert_eq!(route.lines("SELECT transaction_id FROM tgt.transactions").await.unwrap(), ["tx-00000002"]);
    assert!(route.quarantined().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_that_is_not_ours_goes_to_quarantine_and_does_not_block_its_group() {
    let route = Route::start().await.unwrap();
    let unknown =
        r#"{"penstock":1,"dataset":"nothing","contract_version":"1","source":"s3://b/k","rows":[]}"#;
    for (n, body) in ["secret, not JSON", "{}", unknown].iter().enumerate() {
        route.queue.send_in_group(body, "transactions-1", &format!("dedup-{n}")).await.unwrap();
    }
    route.read("queue/transactions/a.json", lines((0..200).map(|n| transaction(n, 200)))).await.unwrap();
    route.load_all().await.unwrap();
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 200);
    let mut rules = route.quarantined_rules().await.unwrap();
    rules.sort();
    assert_eq!(rules, ["unknown_dataset", "unknown_message", "unknown_message"]);
    assert!(route.quarantined().await.unwrap().iter().any(|line| line["raw"] == "secret, not JSON"));
}

#[tokio::test]
async fn a_message_of_an_older_contract_loads_with_null_for_what_it_lacks() {
    let route = Route::start().await.unwrap();
    route.read("queue/transactions/a.json", lines([transaction(1, 5), transaction(2, 5)])).await.unwrap();
    let batch = route.queue.receive(10).await.unwrap();
    let records = batch.event["Records"].as_array().unwrap().clone();
    route.queue.settle(batch, &json!({"batchItemFailures": []})).await.unwrap();
    for (n, record) in records.iter().enumerate() {
        let mut message: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
        message["contract_version"] = json!("0.9.0");
        for row in message["rows"].as_array_mut().unwrap() {
            let row = row.as_object_mut().unwrap();
            row.remove("note");
            row.insert("dropped_since".into(), json!("x"));
            if row["transaction_id"] == "tx-00000002" {
                // It became required since: the row cannot be loaded, and says so.
                row.remove("currency");
            }
        }
        route.queue.send_in_group(&message.to_string(), "transactions-1", &format!("old-{n}")).await.unwrap();
    }
    route.load_all().await.unwrap();
    let rows = route.lines("SELECT transaction_id, note FROM tgt.transactions").await.unwrap();
    assert_eq!(rows, ["tx-00000001|null"]);
    assert_eq!(route.quarantined_rules().await.unwrap(), ["required"]);
    route.check_ledger("transactions").await.unwrap();
}

#[tokio::test]
async fn a_row_that_no_message_can_hold_is_a_reject() {
    let merchant = json!({"merchant": {"logo": "x".repeat(70_000)}});
    record(merchant, "row_too_large", "").await;
}

#[tokio::test]
async fn too_many_rejects_make_an_object_partial_and_alarm() {
    let contract = std::fs::read_to_string(
        penstock_tests::workspace_root().join("infra/contracts/transactions.odcs.yaml"),
    )
    .unwrap();
    let strict = contract.replace(
        "      - property: penstock.orderBy\n",
        "      - property: penstock.maxRejectedFraction\n        value: 0.1\n      - property: penstock.orderBy\n",
    );
    let (_scratch, contracts) =
        penstock_tests::contracts_with(&[("transactions.odcs.yaml", &strict)]).unwrap();
    let route = Route::with_contracts(&contracts).await.unwrap();
    let records = (0..10).map(|n| if n < 2 { json!({"n": n}) } else { transaction(n, 5) });
    route.read("queue/transactions/a.json", lines(records)).await.unwrap();
    route.load_all().await.unwrap();
    let receipt = route.receipts().await.unwrap().remove(0);
    assert_eq!((&receipt["status"], &receipt["sent"]), (&json!("partial"), &json!(8)));
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 8);
    assert!(route.reader.json_logs().iter().any(|log| log["ObjectsPartial"] == 1));
}
