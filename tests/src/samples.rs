//! Sample transactions, the same on every run. Knows the fields of the transactions contract and nothing else.

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
