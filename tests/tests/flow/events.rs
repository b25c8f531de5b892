//! Every file of `events/` replayed against the reader: objects that exist are delivered once, everything else is
//! skipped, superseded or quarantined, and nothing is given back.

use std::collections::BTreeSet;

use penstock_tests::samples::{lines, transaction};
use penstock_tests::{EventFile, Route, failures};

/// Files whose events name objects that S3 does not have, or no object at all.
const NOTHING: [&str; 8] = [
    "s3-folder.json",
    "s3-removed.json",
    "s3-test-event.json",
    "sqs-s3-removed.json",
    "sqs-s3-test-event.json",
    "eventbridge-object-deleted.json",
    "sqs-eventbridge-object-deleted.json",
    "s3-empty-object.json",
];

#[tokio::test]
async fn every_event_file_ends_in_rows_or_in_its_reason() {
    let route = Route::start().await.unwrap();
    let mut expected_rows = BTreeSet::new();
    for (i, path) in EventFile::all().unwrap().into_iter().enumerate() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut event = EventFile::load(&name).unwrap();
        if name != "s3-foreign-bucket.json" {
            event = event.in_bucket(&route.landing.name);
        }
        let keys: BTreeSet<String> = event.keys().into_iter().collect();
        let puts = keys.iter().filter(|key| {
            !NOTHING.contains(&name.as_str()) && !key.contains("never-written") && !key.ends_with('/')
        });
        for (j, key) in puts.enumerate() {
            let n = i * 100 + j;
            let body = lines([transaction(n, 10)]);
            let etag = route.landing.put(key, body.clone()).await.unwrap();
            event = event.with_object(key, body.len(), &etag);
            if name != "s3-foreign-bucket.json" {
                expected_rows.insert(format!("tx-{n:08}"));
            }
        }
        if name == "s3-empty-object.json" {
            for key in &keys {
                let etag = route.landing.put(key, "").await.unwrap();
                event = event.with_object(key, 0, &etag);
            }
        }
        let answer =
            route.reader.invoke(event.json()).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(failures(&answer), Vec::<String>::new(), "{name}");
        route.load_all().await.unwrap();
        // The next file may use the same keys: its objects must not be taken for these.
        for key in &keys {
            route.landing.delete(key).await.unwrap();
        }
    }
    let rows = route.lines("SELECT transaction_id FROM tgt.transactions ORDER BY 1").await.unwrap();
    assert_eq!(rows, expected_rows.into_iter().collect::<Vec<_>>());
    let mut rules = route.quarantined_rules().await.unwrap();
    rules.sort();
    rules.dedup();
    assert_eq!(rules, ["unknown_bucket", "unknown_event"]);
    route.receipts().await.unwrap();
    route.check_ledger("transactions").await.unwrap();
}
