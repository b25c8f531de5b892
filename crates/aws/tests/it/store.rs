//! Compare and swap in the work bucket: which condition is asked for, and what becomes of each answer.

use std::sync::{Arc, Mutex};

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use penstock_aws::store::{Condition, Store, StoreError, Written};

/// `If-None-Match` and `If-Match` of every write.
type Conditions = Arc<Mutex<Vec<(Option<String>, Option<String>)>>>;

fn answer(status: u16, body: &str) -> HttpResponse {
    let mut answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_owned()));
    answer.headers_mut().insert("etag", "\"e2\"");
    answer
}

/// A store whose every request is answered so.
fn store(status: u16, body: &'static str) -> (Store, Conditions) {
    let seen = Conditions::default();
    let log = Arc::clone(&seen);
    let put = mock!(aws_sdk_s3::Client::put_object).then_compute_response(move |input| {
        let own = |text: Option<&str>| text.map(str::to_owned);
        log.lock().unwrap().push((own(input.if_none_match()), own(input.if_match())));
        MockResponse::Http(answer(status, body))
    });
    let get = mock!(aws_sdk_s3::Client::get_object)
        .then_compute_response(move |_| MockResponse::Http(answer(status, body)));
    let client = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&put, &get], |config| config
        .retry_config(RetryConfig::disabled()));
    (Store::new(client, "work".into()), seen)
}

async fn swap(status: u16, body: &'static str) -> Result<Written, StoreError> {
    store(status, body).0.put_if("k", b"{}".to_vec(), Condition::Unchanged("\"e1\"")).await
}

#[tokio::test]
async fn a_write_asks_for_its_condition_and_tells_the_new_etag() {
    let (store, seen) = store(200, "");
    let absent = store.put_if("k", b"{}".to_vec(), Condition::Absent).await.unwrap();
    let unchanged = store.put_if("k", b"{}".to_vec(), Condition::Unchanged("\"e1\"")).await.unwrap();
    assert_eq!((absent, unchanged), (Written::Done("\"e2\"".into()), Written::Done("\"e2\"".into())));
    assert_eq!(*seen.lock().unwrap(), [(Some("*".to_owned()), None), (None, Some("\"e1\"".to_owned()))]);
}

#[tokio::test]
async fn whoever_was_not_first_has_lost_and_another_fault_is_none() {
    for (status, code) in [
        (412, "<Error><Code>PreconditionFailed</Code></Error>"),
        (409, "<Error><Code>ConditionalRequestConflict</Code></Error>"),
        (404, "<Error><Code>NoSuchKey</Code></Error>"),
    ] {
        assert_eq!(swap(status, code).await.unwrap(), Written::Lost, "{code}");
    }
    for (status, code) in [
        (404, "<Error><Code>NoSuchBucket</Code></Error>"),
        (403, "<Error><Code>AccessDenied</Code></Error>"),
        (503, "<Error><Code>SlowDown</Code></Error>"),
    ] {
        let error = swap(status, code).await.unwrap_err().to_string();
        assert!(error.starts_with("writing of s3://work/k: "), "{error}");
    }
}

#[tokio::test]
async fn what_is_read_comes_with_the_etag_that_changes_it() {
    let there = store(200, "{}").0.get_with_etag("k").await.unwrap();
    assert_eq!(there, Some((b"{}".to_vec(), "\"e2\"".to_owned())));
    let gone = store(404, "<Error><Code>NoSuchKey</Code></Error>").0.get_with_etag("k").await.unwrap();
    assert_eq!(gone, None);
}
