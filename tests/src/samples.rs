//! Sample transactions, the same on every run, and a contract for a second dataset. Knows the fields of the
//! transactions contract and nothing else.

use serde_json::{Value, json};

/// The n-th transaction of a file, on one of `accounts` accounts.
pub fn transaction(n: usize, accounts: usize) -> Value {
    let currencies = ["EUR", "USD", "GBP", "CHF"];
    json!({
        "transaction_id": format!("tx-{n:08}"),
        "account_id": format!("DE89370400440532{:06}", n % accounts),
        "amount": format!("{}.{:02}", n % 9_000, n % 100),
        "currency": currencies[n % currencies.len()],
        "booked_at": format!("2026-03-{:02}T{:02}:{:02}:{:02}.{:06}+01:00", 1 + n % 28, n % 24, n % 60, (n / 7) % 60, n % 1_000_000),
        "merchant": {"name": format!("Merchant {}", n % 500), "mcc": 5_411 + n % 50, "city": "Köln"},
        "channel": if n.is_multiple_of(3) { "pos" } else { "web" },
        "status": if n.is_multiple_of(17) { "refunded" } else { "booked" },
        "note": if n.is_multiple_of(5) { json!(null) } else { json!(format!("order {n}")) },
    })
}

/// One JSON document a line.
pub fn lines(records: impl IntoIterator<Item = Value>) -> String {
    records.into_iter().map(|record| format!("{record}\n")).collect()
}

/// A record with fields replaced; `null` stays a null.
pub fn with(mut record: Value, fields: Value) -> Value {
    if let (Some(record), Some(fields)) = (record.as_object_mut(), fields.as_object()) {
        record.extend(fields.clone());
    }
    record
}

/// Three files of transactions in which keys come again: booked, every third one newer and refunded, every second
/// one older and pending. Which version has to win is told by [`rival_winner`].
pub fn rivals(keys: usize, accounts: usize) -> [String; 3] {
    let at = |n: usize, day: usize, status: &str| {
        let fields = json!({"booked_at": format!("2026-05-{day:02}T12:00:00Z"), "status": status});
        with(transaction(n, accounts), fields)
    };
    [
        lines((0..keys).map(|n| at(n, 10, "booked"))),
        lines((0..keys).rev().filter(|n| n % 3 == 2).map(|n| at(n, 12, "refunded"))),
        lines((0..keys).step_by(2).map(|n| at(n, 5, "pending"))),
    ]
}

/// Status of the n-th key of [`rivals`] when all three files are loaded.
pub fn rival_winner(n: usize) -> &'static str {
    if n % 3 == 2 { "refunded" } else { "booked" }
}

/// A dataset without a key, called `audit`, from `queue/audit/`.
pub const AUDIT: &str = r"apiVersion: v3.1.0
kind: DataContract
id: audit
version: 1.0.0
status: active
servers:
  - {server: landing, type: s3, location: 's3://${LANDING_BUCKET}/queue/audit/**/*.json', format: json}
  - server: queue
    type: custom
    customProperties: [{property: penstock.queueUrl, value: '${LOAD_QUEUE_URL}'}]
schema:
  - name: audit
    customProperties: [{property: penstock.groupBy, value: who}]
    properties:
      - {name: who, logicalType: string, physicalType: varchar(16), required: true}
      - {name: n, logicalType: integer}
";
