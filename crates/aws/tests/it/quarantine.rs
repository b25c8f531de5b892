//! Parts of quarantine: bounded in size, under keys and with bytes that do not depend on how rejects arrived.

use std::sync::{Arc, Mutex};

use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use penstock_aws::quarantine::Quarantine;
use penstock_core::ident;
use penstock_core::quarantine::Subject;
use penstock_core::reject::{Reject, Rule, Violation};

type Puts = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A quarantine whose n-th write (from 0) fails.
fn quarantine(failing: Option<usize>) -> (Quarantine, Puts) {
    let puts = Puts::default();
    let log = Arc::clone(&puts);
    let put = mock!(aws_sdk_s3::Client::put_object).then_compute_response(move |input| {
        let mut puts = log.lock().unwrap();
        let status = if failing == Some(puts.len()) { 500 } else { 200 };
        assert_eq!(input.bucket(), Some("q"));
        assert_eq!(
            (input.content_type(), input.content_encoding()),
            (Some("application/x-ndjson"), Some("gzip"))
        );
        puts.push((input.key().unwrap().to_owned(), input.body().bytes().unwrap().to_vec()));
        MockResponse::Http(crate::warehouse::answer(status))
    });
    let client = mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&put], |config| config
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled()));
    (Quarantine::new(client, "q".into(), "reader"), puts)
}

fn subject() -> Subject {
    Subject {
        dataset: "t".into(),
        id: ident::stable_id(["object"]),
        source: "s3://b/k".into(),
        contract_version: Some("1.0.0".into()),
    }
}

/// Rejects of a megabyte each.
fn rejects(count: u64) -> Vec<Reject> {
    let reject = |n| Reject {
        position: Some(n),
        line: Some(n + 1),
        violations: vec![Violation::record(Rule::InvalidJson, "is cut")],
        raw: vec![b'x'; 1 << 20],
    };
    (0..count).map(reject).collect()
}

#[tokio::test(start_paused = true)]
async fn many_rejects_make_several_parts_that_do_not_depend_on_how_they_came() {
    let (at_once, first) = quarantine(None);
    assert_eq!(at_once.put(subject(), rejects(20)).await.unwrap(), 20);
    let (one_by_one, second) = quarantine(None);
    let mut writer = one_by_one.of(subject());
    for reject in rejects(20) {
        writer.add(vec![reject]).await.unwrap();
    }
    assert_eq!(writer.finish().await.unwrap(), 20);
    let first = first.lock().unwrap();
    assert_eq!(*first, *second.lock().unwrap());
    let id = ident::stable_id(["object"]);
    let keys: Vec<String> = first.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(keys, [0, 1, 2].map(|part| format!("t/{id}/reader-{part:06}.jsonl.gz")));
}

#[tokio::test(start_paused = true)]
async fn no_rejects_write_nothing() {
    let (quarantine, puts) = quarantine(None);
    assert_eq!(quarantine.put(subject(), Vec::new()).await.unwrap(), 0);
    assert!(puts.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_part_that_is_not_written_is_an_error_that_names_it() {
    for failing in [0, 2] {
        let (quarantine, _puts) = quarantine(Some(failing));
        let error = quarantine.put(subject(), rejects(20)).await.unwrap_err().to_string();
        assert!(error.contains(&format!("s3://q/t/{}", ident::stable_id(["object"]))), "{error}");
        assert!(error.contains(&format!("reader-{failing:06}")) && !error.contains("xxxx"), "{error}");
    }
}

#[tokio::test]
async fn each_section_has_keys_of_its_own_and_the_first_those_of_a_whole_object() {
    let (quarantine, puts) = quarantine(None);
    let mut writer = quarantine.of_section(subject(), 0);
    writer.add(rejects(1)).await.unwrap();
    writer.turn_to(3).await.unwrap();
    writer.turn_to(4).await.unwrap();
    writer.add(rejects(9)).await.unwrap();
    assert_eq!(writer.finish().await.unwrap(), 10);
    quarantine.put(subject(), rejects(1)).await.unwrap();
    let puts = puts.lock().unwrap();
    let names: Vec<&str> = puts.iter().filter_map(|(key, _)| key.rsplit('/').next()).collect();
    let (first, fourth) = ("reader-000000.jsonl.gz", "reader-s000004-000000.jsonl.gz");
    assert_eq!(names, [first, fourth, "reader-s000004-000001.jsonl.gz", first]);
    assert_eq!(puts[0], puts[3]);
}
