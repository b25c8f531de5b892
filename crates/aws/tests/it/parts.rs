//! Parts of an object: asked for by offset and content, and what becomes of each answer.

use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use penstock_aws::fetch::{FetchPart, fetch_from};
use penstock_core::object::ObjectRef;

fn object() -> ObjectRef {
    ObjectRef { bucket: "b".into(), key: "k".into(), size: None, etag: Some("e".into()) }
}

/// S3 that answers so to a request for these bytes of this content.
fn s3(range: Option<&'static str>, status: u16) -> aws_sdk_s3::Client {
    let get = mock!(aws_sdk_s3::Client::get_object)
        .match_requests(move |input| input.range() == range && input.if_match() == Some("e"))
        .then_compute_response(move |_| MockResponse::Http(crate::warehouse::answer(status)));
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&get], |config| config
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled()))
}

#[tokio::test]
async fn a_part_is_asked_for_by_its_offset_and_the_whole_without_one() {
    for (offset, range) in [(0, None), (5, Some("bytes=5-"))] {
        let part = fetch_from(&s3(range, 200), &object(), offset).await.unwrap();
        assert!(matches!(part, FetchPart::Found(_)), "{part:?}");
    }
}

#[tokio::test]
async fn other_content_is_superseded_and_a_fault_may_pass() {
    let part = fetch_from(&s3(Some("bytes=5-"), 412), &object(), 5).await.unwrap();
    assert!(matches!(part, FetchPart::Superseded), "{part:?}");
    let error = fetch_from(&s3(Some("bytes=5-"), 500), &object(), 5).await.unwrap_err();
    assert!(error.to_string().starts_with("reading s3://b/k: "), "{error}");
}
