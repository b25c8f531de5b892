//! Buckets, queues and a stream in memory, as clients that a command may change, with faults where a test wants them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use aws_sdk_kinesis::operation::describe_stream_summary::{
    DescribeStreamSummaryInput, DescribeStreamSummaryOutput,
};
use aws_sdk_kinesis::operation::put_records::PutRecordsOutput;
use aws_sdk_kinesis::types::{
    EnhancedMetrics, PutRecordsResultEntry, StreamDescriptionSummary, StreamStatus,
};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::operation::put_object::PutObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime, SdkBody};
use aws_sdk_s3::types::{
    CommonPrefix, Event, FilterRule, FilterRuleName, NotificationConfigurationFilter, Object,
    QueueConfiguration, S3KeyFilter,
};
use aws_sdk_sqs::operation::get_queue_url::GetQueueUrlOutput;
use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::SendMessageBatchResultEntry;
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use clap::Parser;
use penstock::{Cli, Clients, Connect};
use penstock_core::ident::{self, ContentTag, HexId};

use crate::buckets::{no_catalog, no_warehouse};
use crate::common::Run;

/// When every object was written.
pub const WRITTEN_MS: u64 = 1_767_225_600_000;

/// What is there, and what was sent.
#[derive(Debug, Default)]
pub struct State {
    /// By bucket and key.
    pub objects: BTreeMap<(String, String), Vec<u8>>,
    /// Queue, deduplication id where there is one, and body.
    pub messages: Vec<(String, String, String)>,
    /// Stream, partition key and data.
    pub records: Vec<(String, String, String)>,
    /// PUTs of keys that begin so fail.
    pub refused_puts: Option<&'static str>,
    /// The largest record that the stream says it takes, in KiB.
    pub record_kib: Option<i32>,
    /// So many records of the next request are refused.
    pub refused_records: usize,
}

/// A cloud in memory.
#[derive(Debug, Default, Clone)]
pub struct Cloud(Arc<Mutex<State>>);

impl Cloud {
    /// All of it.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Puts an object and gives its identity.
    pub fn put(&self, bucket: &str, key: &str, body: impl Into<Vec<u8>>) -> HexId {
        let body = body.into();
        let id = object_id(bucket, key, &body);
        self.state().objects.insert((bucket.into(), key.into()), body);
        id
    }

    /// Keys of a bucket.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        self.state().objects.keys().filter(|(own, _)| own == bucket).map(|(_, key)| key.clone()).collect()
    }

    /// The lines of a bucket's packed files.
    pub fn rows(&self, bucket: &str) -> Vec<serde_json::Value> {
        let state = self.state();
        let files = state.objects.iter().filter(|((own, _), _)| own == bucket).map(|(_, body)| body.clone());
        let text: String = files.map(|body| unpacked(&body)).collect();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Runs a command over the contracts of a directory.
    pub async fn run(&self, directory: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Run {
        let command = ["penstock", arguments[0], directory.to_str().unwrap()];
        let cli = Cli::try_parse_from(command.iter().chain(&arguments[1..])).unwrap();
        let lookup =
            |name: &str| env.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        let connect = Connect::With(Box::new(Clients {
            s3: self.s3(),
            sqs: self.sqs(),
            kinesis: self.kinesis(),
            glue: no_catalog(),
            redshift: no_warehouse(),
        }));
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let exit = penstock::run_with(cli, &lookup, connect, &mut out, &mut err).await;
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run { code: exit as i32, out: text(out), err: text(err) }
    }

    fn s3(&self) -> aws_sdk_s3::Client {
        let [get, head] = self.reads();
        let (list, put) = (self.list(), self.puts());
        let wires = mock!(aws_sdk_s3::Client::get_bucket_notification_configuration).then_output(wired);
        mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&list, &get, &head, &put, &wires])
    }

    fn list(&self) -> Rule {
        let state = self.clone();
        mock!(aws_sdk_s3::Client::list_objects_v2).then_compute_output(move |input| {
            let keys = state.keys(input.bucket().unwrap());
            if input.delimiter().is_some() {
                let mut names: Vec<&str> = keys.iter().filter_map(|key| key.split('/').next()).collect();
                names.dedup();
                let folder = |name| CommonPrefix::builder().prefix(format!("{name}/")).build();
                let folders = names.into_iter().map(folder).collect();
                return ListObjectsV2Output::builder().set_common_prefixes(Some(folders)).build();
            }
            let keys = keys.into_iter().filter(|key| key.starts_with(input.prefix().unwrap()));
            let state = state.state();
            let listed = keys.map(|key| {
                let body = &state.objects[&(input.bucket().unwrap().to_owned(), key.clone())];
                let object = Object::builder().key(key).size(body.len() as i64).e_tag(etag(body));
                object.last_modified(DateTime::from_millis(WRITTEN_MS as i64)).build()
            });
            ListObjectsV2Output::builder().set_contents(Some(listed.collect())).build()
        })
    }

    fn reads(&self) -> [Rule; 2] {
        let state = self.clone();
        let get = mock!(aws_sdk_s3::Client::get_object).then_compute_response(move |input| {
            let place = (input.bucket().unwrap().to_owned(), input.key().unwrap().to_owned());
            match state.state().objects.get(&place) {
                Some(body) => MockResponse::Output(
                    GetObjectOutput::builder()
                        .e_tag(etag(body))
                        .content_length(body.len() as i64)
                        .body(ByteStream::from(body.clone()))
                        .build(),
                ),
                None => MockResponse::Http(error(404, "NoSuchKey")),
            }
        });
        let state = self.clone();
        let head = mock!(aws_sdk_s3::Client::head_object).then_compute_response(move |input| {
            let place = (input.bucket().unwrap().to_owned(), input.key().unwrap().to_owned());
            match state.state().objects.get(&place) {
                Some(body) => MockResponse::Output(
                    HeadObjectOutput::builder()
                        .e_tag(etag(body))
                        .content_length(body.len() as i64)
                        .last_modified(DateTime::from_millis(WRITTEN_MS as i64))
                        .build(),
                ),
                None => MockResponse::Http(error(404, "")),
            }
        });
        [get, head]
    }

    fn puts(&self) -> Rule {
        let state = self.clone();
        mock!(aws_sdk_s3::Client::put_object).then_compute_response(move |input| {
            let key = input.key().unwrap();
            let is_refused = state.state().refused_puts.is_some_and(|prefix| key.starts_with(prefix));
            if is_refused {
                return MockResponse::Http(error(403, "AccessDenied"));
            }
            state.put(input.bucket().unwrap(), key, input.body().bytes().unwrap());
            MockResponse::Output(PutObjectOutput::builder().build())
        })
    }

    fn sqs(&self) -> aws_sdk_sqs::Client {
        let state = self.clone();
        let send = mock!(aws_sdk_sqs::Client::send_message_batch).then_compute_output(move |input| {
            let entry = |own: &aws_sdk_sqs::types::SendMessageBatchRequestEntry| {
                let id = own.message_deduplication_id().unwrap_or_default().to_owned();
                (input.queue_url().unwrap().to_owned(), id, own.message_body().to_owned())
            };
            state.state().messages.extend(input.entries().iter().map(entry));
            let taken = input.entries().iter().map(|own| {
                let own = SendMessageBatchResultEntry::builder().id(own.id()).message_id("m");
                own.md5_of_message_body("").build().unwrap()
            });
            let answer = SendMessageBatchOutput::builder().set_successful(Some(taken.collect()));
            answer.set_failed(Some(Vec::new())).build().unwrap()
        });
        let url = mock!(aws_sdk_sqs::Client::get_queue_url).then_compute_output(|input| {
            let url = format!("https://{}", input.queue_name().unwrap());
            GetQueueUrlOutput::builder().queue_url(url).build()
        });
        mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&send, &url])
    }

    fn kinesis(&self) -> aws_sdk_kinesis::Client {
        let state = self.clone();
        let put = mock!(aws_sdk_kinesis::Client::put_records).then_compute_output(move |input| {
            let mut state = state.state();
            let refused = std::mem::take(&mut state.refused_records);
            let mut answers = Vec::new();
            for (at, own) in input.records().iter().enumerate() {
                if at < refused {
                    let code = "ProvisionedThroughputExceededException";
                    answers.push(PutRecordsResultEntry::builder().error_code(code).build());
                    continue;
                }
                let data = String::from_utf8(own.data().as_ref().to_vec()).unwrap();
                let stream = input.stream_name().unwrap().to_owned();
                state.records.push((stream, own.partition_key().unwrap().to_owned(), data));
                answers.push(PutRecordsResultEntry::builder().sequence_number("1").shard_id("s").build());
            }
            PutRecordsOutput::builder().set_records(Some(answers)).build().unwrap()
        });
        let state = self.clone();
        let told = mock!(aws_sdk_kinesis::Client::describe_stream_summary)
            .then_compute_output(move |input| summary(input, state.state().record_kib));
        mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&put, &told])
    }
}

/// A stream, which may say nothing of its limit.
fn summary(input: &DescribeStreamSummaryInput, record_kib: Option<i32>) -> DescribeStreamSummaryOutput {
    let name = input.stream_name().unwrap();
    let summary = StreamDescriptionSummary::builder()
        .stream_name(name)
        .stream_arn(name)
        .stream_status(StreamStatus::Active)
        .retention_period_hours(24)
        .stream_creation_timestamp(DateTime::from_secs(0))
        .enhanced_monitoring(EnhancedMetrics::builder().build())
        .open_shard_count(1)
        .set_max_record_size_in_kib(record_kib);
    DescribeStreamSummaryOutput::builder().stream_description_summary(summary.build().unwrap()).build()
}

/// S3 sends the events of `copy/` and of `lake/` to queues, and those of nothing else.
fn wired() -> GetBucketNotificationConfigurationOutput {
    let queue = |(prefix, name): (&str, &str)| {
        let rule = FilterRule::builder().name(FilterRuleName::Prefix).value(prefix).build();
        let filter = S3KeyFilter::builder().filter_rules(rule).build();
        let queue = QueueConfiguration::builder()
            .queue_arn(format!("arn:aws:sqs:eu-central-1:1:{name}"))
            .events(Event::S3ObjectCreated)
            .filter(NotificationConfigurationFilter::builder().key(filter).build());
        queue.build().unwrap()
    };
    let queues = [("copy/", "copies"), ("lake/", "lakes")].map(queue).to_vec();
    GetBucketNotificationConfigurationOutput::builder().set_queue_configurations(Some(queues)).build()
}

fn error(status: u16, code: &str) -> HttpResponse {
    let body = if code.is_empty() { String::new() } else { format!("<Error><Code>{code}</Code></Error>") };
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

fn etag(body: &[u8]) -> String {
    ident::stable_id([String::from_utf8_lossy(body).as_ref()]).to_string()
}

/// Identity of an object of this cloud.
pub fn object_id(bucket: &str, key: &str, body: &[u8]) -> HexId {
    ident::object_id(bucket, key, &ContentTag::Etag { etag: etag(body), size: body.len() as u64 })
}

fn unpacked(body: &[u8]) -> String {
    let mut inflate = penstock_core::decode::Inflate::new(
        penstock_core::contract::Compression::Auto,
        penstock_core::decode::Limits::default(),
    );
    let (mut text, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        let taken = inflate.step(rest, &mut |plain| text.extend_from_slice(plain)).unwrap();
        rest = &rest[taken..];
    }
    inflate.finish(&mut |plain| text.extend_from_slice(plain)).unwrap();
    String::from_utf8(text).unwrap()
}
