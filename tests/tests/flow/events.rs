//! Every file of `events/` replayed against the function that it is for. The reader: objects that exist are delivered
//! once, everything else is skipped, superseded or quarantined, and nothing is given back. The loader: see each file.

use std::collections::BTreeSet;

use penstock_tests::samples::{lines, transaction};
use penstock_tests::{EventFile, Route, failures};

/// Files with messages for the loader begin like this.
const LOADER_FILES: &str = "sqs-fifo-";
/// Files of firehose-transform begin like this; `firehose.rs` replays them.
const TRANSFORM_FILES: &str = "firehose-";
/// Files of the other routes begin like this; `local_cloud.rs` replays them.
const OTHER_FILES: [&str; 4] = ["copy-", "stream-", "lake-", "glue-"];
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

fn files(of_loader: bool) -> Vec<String> {
    let paths = EventFile::all().unwrap().into_iter();
    let names = paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let is_of_others = |name: &String| {
        name.starts_with(TRANSFORM_FILES) || OTHER_FILES.iter().any(|prefix| name.starts_with(prefix))
    };
    let names = names.filter(|name| !is_of_others(name));
    names.filter(|name| name.starts_with(LOADER_FILES) == of_loader).collect()
}

#[tokio::test]
async fn every_file_of_the_reader_ends_in_rows_or_in_its_reason() {
    let route = Route::start().await.unwrap();
    let mut expected_rows = BTreeSet::new();
    for (i, name) in files(false).into_iter().enumerate() {
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

/// What a file of the loader gives back, loads and quarantines.
struct Outcome {
    given_back: &'static [&'static str],
    rows: &'static [&'static str],
    rules: &'static [&'static str],
}

fn outcome(name: &str) -> Outcome {
    let (given_back, rows, rules): (&[_], &[_], &[_]) = match name {
        "sqs-fifo-rows.json" => (&[], &["tx-1002", "tx-1004", "tx-1010"], &[]),
        "sqs-fifo-redelivered.json" => (&[], &["tx-1002"], &[]),
        "sqs-fifo-newer-contract.json" => (&["0011", "0012"], &["tx-1010"], &[]),
        "sqs-fifo-bad-row.json" => (&[], &["tx-1010"], &["too_long"]),
        "sqs-fifo-foreign-body.json" => (&[], &["tx-1004"], &["unknown_dataset", "unknown_message"]),
        _ => panic!("{name} is replayed by no test"),
    };
    Outcome { given_back, rows, rules }
}

#[tokio::test]
async fn every_file_of_the_loader_ends_in_rows_in_its_reason_or_given_back() {
    for name in files(true) {
        let route = Route::start().await.unwrap();
        let answer = route.loader.invoke(EventFile::load(&name).unwrap().json()).await.unwrap();
        let expected = outcome(&name);
        let given_back = failures(&answer);
        let tails: Vec<&str> = given_back.iter().map(|id| &id[id.len() - 4..]).collect();
        assert_eq!(tails, expected.given_back, "{name}");
        let rows = route.lines("SELECT transaction_id FROM tgt.transactions ORDER BY 1").await.unwrap();
        assert_eq!(rows, expected.rows, "{name}");
        let mut rules = route.quarantined_rules().await.unwrap();
        rules.sort();
        assert_eq!(rules, expected.rules, "{name}");
        route.check_ledger("transactions").await.unwrap();
    }
}
