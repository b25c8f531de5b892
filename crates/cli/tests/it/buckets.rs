//! S3 and SQS as clients that answer from memory, and a run of a command with them.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_sdk_redshiftdata::config::BehaviorVersion;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::ErrorMetadata;
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::error::NoSuchKey;
use aws_sdk_s3::types::{CommonPrefix, Object};
use aws_sdk_sqs::operation::get_queue_attributes::GetQueueAttributesOutput;
use aws_sdk_sqs::types::QueueAttributeName;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use clap::Parser;
use penstock::{Cli, Clients, Connect};

use crate::common::Run;

/// Keys of a page: few, so that every listing has several.
const PAGE: usize = 2;

/// Objects of one bucket by key.
pub type Objects = BTreeMap<String, Vec<u8>>;

/// A bucket `b` with these objects, each written an hour ago; one named `old` in its key, ten days ago.
pub fn s3(objects: Objects) -> Client {
    let listed: Vec<String> = objects.keys().cloned().collect();
    let list = mock!(Client::list_objects_v2).then_compute_output(move |input| {
        assert_eq!(input.bucket(), Some("b"));
        if input.delimiter().is_some() {
            return folders(&listed);
        }
        let (prefix, after) = (input.prefix().unwrap(), input.continuation_token().unwrap_or_default());
        let mut keys = listed.iter().filter(|key| key.starts_with(prefix) && key.as_str() > after);
        let page: Vec<&String> = keys.by_ref().take(PAGE).collect();
        let next = keys.next().and(page.last()).map(|key| (*key).clone());
        let contents =
            page.into_iter().map(|key| Object::builder().key(key).last_modified(written(key)).build());
        ListObjectsV2Output::builder()
            .set_contents(Some(contents.collect()))
            .set_next_continuation_token(next)
            .build()
    });
    let get = mock!(Client::get_object).then_compute_response(move |input| {
        match objects.get(input.key().unwrap()).filter(|body| *body != GONE) {
            Some(body) => {
                MockResponse::Output(GetObjectOutput::builder().body(ByteStream::from(body.clone())).build())
            }
            None => {
                let meta = ErrorMetadata::builder().code("NoSuchKey").build();
                MockResponse::Error(GetObjectError::NoSuchKey(NoSuchKey::builder().meta(meta).build()))
            }
        }
    });
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&list, &get])
}

/// The first segments of keys.
fn folders(keys: &[String]) -> ListObjectsV2Output {
    let mut names: Vec<&str> =
        keys.iter().filter_map(|key| key.split_once('/')).map(|(name, _)| name).collect();
    names.dedup();
    let prefixes = names.into_iter().map(|name| CommonPrefix::builder().prefix(format!("{name}/")).build());
    ListObjectsV2Output::builder().set_common_prefixes(Some(prefixes.collect())).build()
}

/// Content of an object that is gone once it is asked for.
pub const GONE: &[u8] = b"gone";

fn written(key: &str) -> DateTime {
    let hours = if key.contains("old") { 240 } else { 1 };
    DateTime::from(SystemTime::now() - Duration::from_secs(hours * 3_600))
}

/// S3 that refuses everything.
pub fn denied() -> Client {
    let error = || ErrorMetadata::builder().code("AccessDenied").message("Access Denied").build();
    let list = mock!(Client::list_objects_v2)
        .then_error(move || aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Error::generic(error()));
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&list])
}

/// A queue with three messages that wait and one in flight.
pub fn sqs() -> aws_sdk_sqs::Client {
    let attributes = mock!(aws_sdk_sqs::Client::get_queue_attributes)
        .match_requests(|input| {
            input.queue_url() == Some("https://queue") && input.attribute_names().len() == 3
        })
        .then_output(|| {
            GetQueueAttributesOutput::builder()
                .attributes(QueueAttributeName::ApproximateNumberOfMessages, "3")
                .attributes(QueueAttributeName::ApproximateNumberOfMessagesNotVisible, "1")
                .build()
        });
    mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&attributes])
}

/// A Data API that nobody may ask.
pub fn no_warehouse() -> aws_sdk_redshiftdata::Client {
    let config = aws_sdk_redshiftdata::Config::builder().behavior_version(BehaviorVersion::latest()).build();
    aws_sdk_redshiftdata::Client::from_conf(config)
}

/// A stream that nobody may write to.
pub fn no_stream() -> aws_sdk_kinesis::Client {
    let config = aws_sdk_kinesis::Config::builder().behavior_version(BehaviorVersion::latest()).build();
    aws_sdk_kinesis::Client::from_conf(config)
}

/// A catalog that nobody may ask.
pub fn no_catalog() -> aws_sdk_glue::Client {
    let config = aws_sdk_glue::Config::builder().behavior_version(BehaviorVersion::latest()).build();
    aws_sdk_glue::Client::from_conf(config)
}

/// Runs a command over the contracts of a directory.
pub async fn run(
    directory: &Path,
    arguments: &[&str],
    env: &[(&str, &str)],
    clients: (Client, aws_sdk_redshiftdata::Client),
) -> Run {
    let command = ["penstock", arguments[0], directory.to_str().unwrap()];
    let cli = Cli::try_parse_from(command.iter().chain(&arguments[1..])).unwrap();
    let lookup = |name: &str| env.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
    let (s3, redshift) = clients;
    let (kinesis, glue) = (no_stream(), no_catalog());
    let connect = Connect::With(Box::new(Clients { s3, sqs: sqs(), kinesis, glue, redshift }));
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = penstock::run_with(cli, &lookup, connect, &mut out, &mut err).await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: exit as i32, out: text(out), err: text(err) }
}
