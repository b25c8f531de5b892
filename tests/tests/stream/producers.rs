//! Producers that write to the stream themselves, beside the function: the transformation stamps what they send, and
//! refuses stamps that are not what they should be.

use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use penstock_tests::StreamRoute;
use penstock_tests::expected::identity;
use serde_json::{Value, json};

use crate::rig::route;

/// A row as our function stamps it.
fn stamped(id: &str, name: &str) -> Value {
    json!({"customer_id": id, "name": name, "balance": "1.00", "status": "open",
        "updated_at": "2026-01-01 00:00:00.000000+00", "_record_id": identity(&[id]), "_row_hash": identity(&[name]),
        "_order": format!("1767225600000/{}/{:020}", identity(&["a file"]), 0), "_deleted": "false",
        "_source": "s3://a-bucket/a.csv", "_dataset": "customers", "_contract_version": "1.0.0"})
}

fn with(mut row: Value, name: &str, value: Value) -> Value {
    row[name] = value;
    row
}

async fn customers(route: &StreamRoute) -> Vec<String> {
    route.lines("SELECT customer_id, name, _record_id FROM tgt.customers ORDER BY customer_id").await.unwrap()
}

#[tokio::test]
async fn a_forged_record_id_is_refused_kept_and_costs_no_other_record() {
    let route = route().await;
    let forged = [
        with(stamped("c-2", "Bob"), "_record_id", json!(identity(&["c-1"]))),
        with(stamped("c-3", "Cy"), "_record_id", json!("not even hex")),
        with(stamped("c-4", "Di"), "_order", json!("later than all")),
        with(stamped("c-5", "Eve"), "_dataset", json!("nobodys")),
    ];
    route.kinesis.produce("a", format!("{}\n", stamped("c-1", "Ann")));
    for row in &forged {
        route.kinesis.produce("b", format!("{row}\n"));
    }
    route.kinesis.produce("c", format!("{}\n", stamped("c-9", "Zoe")));
    route.load_new().await.unwrap();
    let row = |id: &str, name: &str| format!("{id}|{name}|{}", identity(&[id]));
    assert_eq!(customers(&route).await, [row("c-1", "Ann"), row("c-9", "Zoe")]);
    // What was refused is where it can be sent again from, as it came, and the loader leaves it alone.
    assert_eq!(failed(&route).await, forged);
    assert!(route.quarantined().await.unwrap().is_empty());
    route.check_ledger("customers").await.unwrap();
    route.check_clean().await.unwrap();
}

/// What lies under `_failed/`.
async fn failed(route: &StreamRoute) -> Vec<Value> {
    let mut rows = Vec::new();
    for key in route.stage.list("_failed/").await.unwrap() {
        let text = String::from_utf8(route.stage.get(&key).await.unwrap()).unwrap();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let raw = STANDARD.decode(line["rawData"].as_str().unwrap()).unwrap();
            rows.push(serde_json::from_slice(&raw).unwrap());
        }
    }
    rows
}

#[tokio::test]
async fn a_row_of_ours_that_comes_by_a_producer_too_is_one_row() {
    let route = route().await;
    let file = "updated_at,customer_id,name,status,balance\n2026-01-02T00:00:00Z,c-1,Ann,open,1\n";
    route.send_all(&[("stream/customers/a.csv", file.into())]).await.unwrap();
    let own = route.kinesis.records_from(0).remove(0);
    // The same bytes again, and an older version of the same customer.
    route.kinesis.produce(&own.partition_key, own.data.clone());
    route.kinesis.produce("x", format!("{}\n", stamped("c-1", "Anne")));
    route.load_new().await.unwrap();
    assert_eq!(customers(&route).await, [format!("c-1|Ann|{}", identity(&["c-1"]))]);
    let counts = "SELECT SUM(n_read), SUM(n_inserted), SUM(n_duplicate) FROM penstock.objects_customers";
    let staged = 2 + usize::from(staged_twice(&route, &own.data).await);
    assert_eq!(route.lines(counts).await.unwrap(), [format!("{staged}|1|{}", staged - 1)]);
}

/// Whether the transformation left an equal record in: within one batch it may drop it.
async fn staged_twice(route: &StreamRoute, row: &[u8]) -> bool {
    let mut found = 0;
    for key in route.stage.list("customers/").await.unwrap() {
        let mut text = Vec::new();
        let packed = route.stage.get(&key).await.unwrap();
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut text).unwrap();
        found += text.split_inclusive(|byte| *byte == b'\n').filter(|line| *line == row).count();
    }
    found == 2
}
