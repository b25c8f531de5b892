//! Files become rows: every JSON form, compressed or not, upserts by key, several objects, accounting.

use std::io::Write as _;

use penstock_tests::samples::{AUDIT, lines, transaction, with};
use penstock_tests::{Route, failures};
use serde_json::json;

const ROWS: &str = "SELECT transaction_id, account_id, amount, currency, booked_at, merchant.city, channel, status, note, \
     booked_date, amount_minor, is_refund FROM tgt.transactions ORDER BY transaction_id";

#[tokio::test]
async fn a_file_becomes_rows_with_derived_columns_a_receipt_and_a_ledger_line() {
    let route = Route::start().await.unwrap();
    route.read("queue/transactions/one.json", lines((0..3).map(|n| transaction(n, 2)))).await.unwrap();
    route.load_all().await.unwrap();
    let rows = route.lines(ROWS).await.unwrap();
    assert_eq!(
        rows,
        [
            "tx-00000000|DE89370400440532000000|0.00|EUR|2026-02-28 23:00:00+00|\"Köln\"|pos|refunded|null|2026-02-28|0|true",
            "tx-00000001|DE89370400440532000001|1.01|USD|2026-03-02 00:01:00.000001+00|\"Köln\"|web|booked|order 1|2026-03-02|101|false",
            "tx-00000002|DE89370400440532000000|2.02|GBP|2026-03-03 01:02:00.000002+00|\"Köln\"|web|booked|order 2|2026-03-03|202|false",
        ]
    );
    let receipts = route.receipts().await.unwrap();
    assert_eq!(receipts.len(), 1);
    assert_eq!(
        (&receipts[0]["read"], &receipts[0]["sent"], &receipts[0]["status"]),
        (&json!(3), &json!(3), &json!("complete"))
    );
    route.check_ledger("transactions").await.unwrap();
    let source = format!("s3://{}/queue/transactions/one.json", route.landing.name);
    assert_eq!(
        route.lines("SELECT DISTINCT _source, _deleted FROM tgt.transactions").await.unwrap(),
        [format!("{source}|false")]
    );
    assert!(route.quarantined().await.unwrap().is_empty());
}

#[tokio::test]
async fn every_json_form_and_compression_gives_the_same_rows() {
    let route = Route::start().await.unwrap();
    let records: Vec<_> = (0..4).map(|n| transaction(n, 2)).collect();
    let gzip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let pretty = serde_json::to_string_pretty(&records[0]).unwrap();
    let joined: String = records.iter().map(ToString::to_string).collect();
    let array = serde_json::to_string_pretty(&records).unwrap();
    let forms: Vec<(&str, Vec<u8>, usize)> = vec![
        ("pretty.json", pretty.into_bytes(), 1),
        ("joined.json", joined.clone().into_bytes(), 4),
        ("array.json", array.into_bytes(), 4),
        ("lines.json", gzip(&lines(records.clone())), 4),
        ("joined-zstd.json", zstd::encode_all(joined.as_bytes(), 3).unwrap(), 4),
    ];
    for (name, body, count) in forms {
        route.read(&format!("queue/transactions/{name}"), body).await.unwrap();
        route.load_all().await.unwrap();
        let receipt = route
            .receipts()
            .await
            .unwrap()
            .into_iter()
            .find(|r| r["source"].as_str().unwrap().ends_with(name))
            .unwrap();
        assert_eq!(receipt["sent"], json!(count), "{name}");
    }
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 4);
    route.check_ledger("transactions").await.unwrap();
}

#[tokio::test]
async fn the_winner_of_a_key_is_the_highest_order_by_whatever_comes_last() {
    let route = Route::start().await.unwrap();
    let version = |day: u32, status: &str| {
        with(transaction(1, 1), json!({"booked_at": format!("2026-04-{day:02}T00:00:00Z"), "status": status}))
    };
    route
        .read(
            "queue/transactions/a.json",
            lines([version(2, "booked"), version(2, "booked"), version(1, "pending")]),
        )
        .await
        .unwrap();
    route.load_all().await.unwrap();
    route.read("queue/transactions/b.json", lines([version(1, "cancelled")])).await.unwrap();
    route.load_all().await.unwrap();
    let status = "SELECT status FROM tgt.transactions";
    assert_eq!(route.lines(status).await.unwrap(), ["booked"]);
    route.read("queue/transactions/c.json", lines([version(3, "refunded")])).await.unwrap();
    route.load_all().await.unwrap();
    assert_eq!(route.lines(status).await.unwrap(), ["refunded"]);
    let ledger = "SELECT n_read, n_inserted, n_updated, n_unchanged, n_duplicate FROM penstock.objects_transactions ORDER BY loaded_at, n_read DESC";
    // Two equal rows of one file: one is counted as duplicate in the receipt already.
    assert_eq!(route.lines(ledger).await.unwrap(), ["2|1|0|0|1", "1|0|0|0|1", "1|0|1|0|0"]);
    assert_eq!(
        route.receipts().await.unwrap().iter().map(|r| r["duplicate"].as_u64().unwrap()).sum::<u64>(),
        1
    );
    route.check_ledger("transactions").await.unwrap();
}

#[tokio::test]
async fn hostile_texts_arrive_as_they_are() {
    let route = Route::start().await.unwrap();
    let notes = [
        "'; DROP TABLE tgt.transactions; --",
        r"back\slash \' quote",
        "\"double\"",
        ":p0 ::int $1 ?",
        "",
        "naïve ☃ 𝄞 \u{fffe}",
        "tab\tnew\nline\r",
    ];
    let records = notes
        .iter()
        .enumerate()
        .map(|(n, note)| with(transaction(n, 3), json!({"note": note, "merchant": {"k'": note}})));
    route.read("queue/transactions/it's a \\ 100% + \"key\" é.json", lines(records)).await.unwrap();
    route.load_all().await.unwrap();
    let rows = route.sql("SELECT note FROM tgt.transactions ORDER BY transaction_id").await.unwrap();
    let found: Vec<_> = rows.iter().map(|row| row[0].clone().unwrap_or_default()).collect();
    assert_eq!(found, notes);
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions WHERE note IS NULL").await.unwrap(), 0);
    let source = route.lines("SELECT DISTINCT _source FROM tgt.transactions").await.unwrap();
    assert_eq!(
        source,
        [format!("s3://{}/queue/transactions/it's a \\ 100% + \"key\" é.json", route.landing.name)]
    );
}

#[tokio::test]
async fn a_dataset_without_a_key_keeps_equal_lines_apart_and_a_redelivered_file_adds_none() {
    let (_scratch, contracts) = penstock_tests::contracts_with(&[("audit.odcs.yaml", AUDIT)]).unwrap();
    let route = Route::with_contracts(&contracts).await.unwrap();
    let body = "{\"who\":\"a\",\"n\":1}\n{\"who\":\"a\",\"n\":1}\n{\"who\":\"b\",\"n\":2}\n";
    let event = route.put("queue/audit/2026/x.json", body).await.unwrap();
    for n in 0..2 {
        assert!(failures(&route.reader.invoke(&event).await.unwrap()).is_empty());
        // The queue would drop the second delivery's messages: they come again past its memory.
        let messages = crate::redelivery::messages(&route).await;
        assert_eq!(messages.is_empty(), n == 1);
        for again in 0..2 {
            let answer = route
                .loader
                .invoke(&json!({"Records": messages.iter().rev().collect::<Vec<_>>()}))
                .await
                .unwrap();
            assert!(failures(&answer).is_empty(), "{n} {again}");
        }
    }
    assert_eq!(
        route.lines("SELECT who, n FROM tgt.audit ORDER BY _order").await.unwrap(),
        ["a|1", "a|1", "b|2"]
    );
    route.check_ledger("audit").await.unwrap();
    // New content under the old key is a new object: its rows come on top.
    route.read("queue/audit/2026/x.json", "{\"who\":\"c\"}").await.unwrap();
    route.load_all().await.unwrap();
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.audit").await.unwrap(), 4);
}
