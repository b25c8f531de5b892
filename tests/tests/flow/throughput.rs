//! One large file through the whole route while every transaction costs a second: the rows a second that the route
//! reaches, which packing rows into messages and messages into loads is for.

use std::time::Instant;

use penstock_tests::Route;
use penstock_tests::samples::{lines, transaction};
use serde_json::json;

const ROWS: usize = 20_000;
const ACCOUNTS: usize = 5_000;
/// What the route has to reach with a second in every transaction.
const MIN_ROWS_A_SECOND: f64 = 500.0;

#[tokio::test]
async fn a_file_of_20_000_rows_is_loaded_at_500_rows_a_second_with_a_second_in_every_transaction() {
    let route = Route::start().await.unwrap();
    let file = lines((0..ROWS).map(|n| transaction(n, ACCOUNTS)));
    let fault = json!({"fault": "delay", "when": "after-lock", "ms": 1_000, "database": route.database});
    route.redshift.add_fault(serde_json::from_value(fault).unwrap());
    let start = Instant::now();
    route.read("queue/transactions/large.json", file).await.unwrap();
    let read = start.elapsed();
    let loads = route.load_all().await.unwrap();
    let whole = start.elapsed();
    let rate = ROWS as f64 / whole.as_secs_f64();
    println!(
        "{ROWS} rows in {:.1} s ({:.1} s reading, {loads} loads): {rate:.0} rows/s",
        whole.as_secs_f64(),
        read.as_secs_f64()
    );
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), ROWS as i64);
    let cents: u64 = (0..ROWS as u64).map(|n| n % 9_000 * 100 + n % 100).sum();
    assert_eq!(
        route.number("SELECT CAST(SUM(amount_minor) AS bigint) FROM tgt.transactions").await.unwrap(),
        cents as i64
    );
    route.check_ledger("transactions").await.unwrap();
    // A second in every transaction is the unit that the time is counted in, so this holds on any machine that
    // does a load's own work in less.
    assert!(rate >= MIN_ROWS_A_SECOND, "{rate:.0} rows/s");
}
