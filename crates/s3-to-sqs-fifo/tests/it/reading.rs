//! What is asked of S3 and what becomes of each answer: identity, superseded, unreadable, given back.

use penstock_core::ident::{ContentTag, HexId, object_id};
use serde_json::json;

use crate::common::{
    ETAG, KEY, LANDING, Script, answer, batch, failures, lines, notification, object_with, s3_error,
};

/// One record, whose checksums are known.
const BODY: &str = "{\"id\":\"r-0001\",\"g\":\"a\",\"pad\":\"x\"}\n";
const CRC32: &str = "ctudug==";
const CRC64NVME: &str = "WvqeTVM2zSI=";

#[tokio::test(start_paused = true)]
async fn exactly_the_content_of_the_event_is_asked_for_with_its_checksum() {
    let function = Script::of(BODY).start();
    assert!(function.deliver().await);
    let seen = function.seen.lock().unwrap();
    let [get] = &seen.gets[..] else { panic!("{:?}", seen.gets) };
    assert_eq!((get.bucket(), get.key(), get.if_match()), (Some(LANDING), Some(KEY), Some(ETAG)));
    assert_eq!(get.checksum_mode().map(|mode| mode.as_str()), Some("ENABLED"));
}

#[tokio::test(start_paused = true)]
async fn an_event_without_an_etag_asks_for_what_is_there() {
    let function = Script::of(BODY).start();
    let mut event = notification(LANDING, KEY);
    event["Records"][0]["s3"]["object"].as_object_mut().unwrap().remove("eTag");
    function.invoke(batch([event.to_string()])).await;
    assert_eq!(function.seen.lock().unwrap().gets[0].if_match(), None);
    assert_eq!(function.receipt()["sent"], 1);
}

/// The object id in the receipt, and in its key, for an object with these headers.
async fn id_of(headers: &'static [(&'static str, &'static str)]) -> String {
    let function = Script::of(BODY).get(move |_| object_with(BODY, headers)).start();
    assert!(function.deliver().await, "{headers:?}");
    let id = function.receipt()["object_id"].as_str().unwrap().to_owned();
    assert_eq!(function.puts("work")[0].key, format!("receipts/t/{id}.json"));
    id
}

fn id(tag: &ContentTag) -> String {
    let id: HexId = object_id(LANDING, KEY, tag);
    id.to_string()
}

#[tokio::test(start_paused = true)]
async fn an_object_is_known_by_its_full_object_checksum_else_by_etag_and_size() {
    const FULL: (&str, &str) = ("x-amz-checksum-type", "FULL_OBJECT");
    let checksum = |algorithm, value: &str| id(&ContentTag::Checksum { algorithm, value: value.into() });
    let of_crc32 = id_of(&[FULL, ("x-amz-checksum-crc32", CRC32)]).await;
    assert_eq!(of_crc32, checksum("CRC32", CRC32));
    let of_crc64 = id_of(&[FULL, ("x-amz-checksum-crc64nvme", CRC64NVME)]).await;
    assert_eq!(of_crc64, checksum("CRC64NVME", CRC64NVME));
    let etag = id(&ContentTag::Etag { etag: ETAG.into(), size: BODY.len() as u64 });
    assert_eq!(id_of(&[]).await, etag);
    // A checksum of the parts' checksums tells how the object was uploaded, not what it is.
    let composite = id_of(&[("x-amz-checksum-type", "COMPOSITE"), ("x-amz-checksum-crc32", "ctudug==-2")]);
    assert_eq!(composite.await, etag);
}

#[tokio::test(start_paused = true)]
async fn what_vanished_or_was_replaced_is_acknowledged_and_leaves_nothing() {
    for (status, body) in [
        (404, "<Error><Code>NoSuchKey</Code></Error>"),
        (404, ""),
        (412, "<Error><Code>PreconditionFailed</Code></Error>"),
    ] {
        let function = Script::of("").get(move |_| answer(status, body)).start();
        assert!(function.deliver().await, "{status} {body}");
        let seen = function.seen.lock().unwrap();
        assert!(seen.puts.is_empty() && seen.sends.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_that_may_pass_gives_the_object_back() {
    for (status, code) in [
        (503, "SlowDown"),
        (500, "InternalError"),
        (403, "AccessDenied"),
        (403, "InvalidAccessKeyId"),
        (403, "RequestTimeTooSkewed"),
        (404, "NoSuchBucket"),
        (400, "ExpiredToken"),
        (301, "PermanentRedirect"),
    ] {
        let function = Script::of("").get(move |_| s3_error(status, code)).start();
        assert!(!function.deliver().await, "{code}");
        assert!(function.seen.lock().unwrap().puts.is_empty(), "{code}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_needs_a_person_is_quarantined_and_acknowledged() {
    for (status, code) in
        [(403, "InvalidObjectState"), (400, "KMS.DisabledException"), (400, "KMS.KMSInvalidStateException")]
    {
        let function = Script::of("").get(move |_| s3_error(status, code)).start();
        assert!(function.deliver().await, "{code}");
        let lines = function.quarantined();
        assert_eq!(function.rules(), ["unreadable"]);
        assert_eq!((&lines[0]["dataset"], &lines[0]["raw"]), (&json!("t"), &json!(null)));
        assert_eq!(lines[0]["source"], format!("s3://{LANDING}/{KEY}"));
        assert!(function.puts("work").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_gives_the_object_back_whatever_was_sent_before() {
    let names: Vec<(String, &str)> = (0..100).map(|n| (format!("r-{n}"), ["a", "b"][n % 2])).collect();
    let body = lines(names.iter().map(|(id, g)| (id.as_str(), *g)));
    let longer = (body.len() + 1).to_string();
    let function = Script::of("").get(move |_| object_with(&body, &[("content-length", &longer)])).start();
    assert!(!function.deliver().await);
    assert!(function.puts("work").is_empty());
    assert!(!function.sends().is_empty(), "rows leave while the object is still read");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_match_its_checksum_gives_the_object_back() {
    let function = Script::of("")
        .get(|_| {
            object_with(BODY, &[("x-amz-checksum-type", "FULL_OBJECT"), ("x-amz-checksum-crc32", "AAAAAA==")])
        })
        .start();
    assert!(!function.deliver().await);
    assert!(function.puts("work").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_or_key_that_no_contract_knows_is_quarantined_without_reading() {
    for (bucket, key, rule) in
        [("other", KEY, "unknown_bucket"), (LANDING, "queue/other/a.json", "unknown_dataset")]
    {
        let function = Script::of(BODY).start();
        let answer = function.invoke(batch([notification(bucket, key).to_string()])).await;
        assert!(failures(&answer).is_empty());
        assert_eq!(function.rules(), [rule]);
        assert!(function.seen.lock().unwrap().gets.is_empty());
    }
}
