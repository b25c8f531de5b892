//! Whose objects are whose: what the function takes, leaves to others, and refuses.

use crate::common::{answer, function, take};

/// What is asked for of an object that is not there, with the first request's line.
async fn first_request(bucket: &str, key: &str) -> Option<String> {
    let (app, seen) = function(|line, _| match line.split(' ').next() {
        Some("HEAD") => answer(404, &[], ""),
        _ => answer(200, &[], ""),
    });
    take(&app, bucket, key, "e1").await.unwrap();
    let (heads, puts) = (seen.of("HEAD"), seen.of("PUT"));
    heads
        .first()
        .map(|line| format!("HEAD {line}"))
        .or_else(|| puts.first().map(|line| format!("PUT {line}")))
}

#[tokio::test]
async fn landing_objects_are_taken_by_their_location_and_staged_ones_only_where_the_contract_asks_for_it() {
    for key in ["lake/images/a.png", "lake/papers/a", "lake/rows/a.json", "lake/others/x/y.json"] {
        assert!(first_request("landing", key).await.unwrap().starts_with("HEAD landing/"), "{key}");
    }
    for key in ["papers/2026/a", "rows/2026/a.gz"] {
        assert!(first_request("stage", key).await.unwrap().starts_with("HEAD stage/"), "{key}");
    }
    for key in ["others/2026/a.gz", "images/a", "nobodys/a", "_failed/rows/a", "rows"] {
        assert_eq!(first_request("stage", key).await, None, "{key}");
    }
}

#[tokio::test]
async fn an_unknown_bucket_and_an_unknown_dataset_are_quarantined() {
    for (bucket, key) in
        [("lake", "rows/a.parquet"), ("elsewhere", "lake/rows/a"), ("landing", "lake/nobodys/a")]
    {
        let first = first_request(bucket, key).await.unwrap();
        assert!(first.starts_with("PUT quarantine/_unknown/"), "{bucket}/{key}: {first}");
    }
}
