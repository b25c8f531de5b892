//! A function with a bucket in memory, a Glue that answers by script, and all requests on record.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_lambda_events::sqs::SqsBatchResponse;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use glue_job_starter::{App, Config};
use penstock_aws::Invocation;
use penstock_core::contract::ContractSet;
use serde_json::{Value, json};

pub const STAGE: &str = "stage";
pub const FIRST: &str = "claims/t/job/9999999998.json";

const CONTRACT: &str = "apiVersion: v3.1.0
kind: DataContract
id: t
name: t
version: 1.0.0
status: active
schema:
  - name: t
    physicalType: table
    customProperties:
      - {property: penstock.glueJob, value: '${JOB}'}
      - {property: penstock.crawler, value: lake}
    properties:
      - {name: id, logicalType: integer, primaryKey: true, required: true}
";

/// Everything that was asked for, and the work bucket.
#[derive(Default)]
pub struct Seen {
    pub objects: BTreeMap<String, String>,
    /// Keys that were written, or tried to be.
    pub puts: Vec<String>,
    /// Keys that were read.
    pub gets: Vec<String>,
    pub starts: usize,
    pub finds: usize,
    /// Seconds after which messages come again, each by its receipt handle.
    pub waits: BTreeMap<String, i32>,
}

/// Gets the number of the request, from 0: status and body.
type Answers = dyn Fn(usize) -> (u16, Value) + Send + Sync;
/// Gets the number of the request, from 0.
type Puts = dyn Fn(usize) -> Put + Send + Sync;

/// What becomes of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Done,
    /// It is done and its answer is lost; the SDK sends it again and finds its condition broken.
    LosesAnswer,
    Fails,
}

pub struct Script {
    pub start: Box<Answers>,
    pub find: Box<Answers>,
    pub put: Box<Puts>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            start: Box::new(|n| (200, json!({"JobRunId": format!("jr_{n}")}))),
            find: Box::new(|_| (200, json!({"JobRuns": []}))),
            put: Box::new(|_| Put::Done),
        }
    }
}

pub fn refusal(code: &str) -> (u16, Value) {
    (400, json!({"__type": code, "Message": "no"}))
}

impl Script {
    pub fn start(mut self, start: impl Fn(usize) -> (u16, Value) + Send + Sync + 'static) -> Self {
        self.start = Box::new(start);
        self
    }

    pub fn find(mut self, find: impl Fn(usize) -> (u16, Value) + Send + Sync + 'static) -> Self {
        self.find = Box::new(find);
        self
    }

    pub fn put(mut self, put: impl Fn(usize) -> Put + Send + Sync + 'static) -> Self {
        self.put = Box::new(put);
        self
    }

    pub fn function(self) -> Function {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let app = App::with_clients(
            config(&[]),
            s3(self.put, &seen),
            sqs(&seen),
            glue(self.start, self.find, &seen),
        );
        Function { app, seen }
    }
}

/// The usual settings, and these.
pub fn config(more: &[(&str, &str)]) -> Config {
    try_config(more).unwrap()
}

pub fn try_config(more: &[(&str, &str)]) -> Result<Config, glue_job_starter::StartError> {
    let set = ContractSet::parse([("t.odcs.yaml", CONTRACT)]).unwrap();
    let usual = [
        ("LANDING_BUCKET", "landing"),
        ("STAGE_BUCKET", STAGE),
        ("WORK_BUCKET", "work"),
        ("QUARANTINE_BUCKET", "quarantine"),
        ("LAKE_BUCKET", "lake"),
        ("CURATED_BUCKET", "curated"),
        ("GLUE_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/glue"),
        ("JOB", "job"),
    ];
    let env = |name: &str| {
        let found = more.iter().chain(&usual).find(|(own, _)| *own == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Config::with_contracts(&set, &env)
}

fn s3(put: Box<Puts>, seen: &Arc<Mutex<Seen>>) -> aws_sdk_s3::Client {
    let log = Arc::clone(seen);
    let puts = mock!(aws_sdk_s3::Client::put_object)
        .then_compute_response(move |input| MockResponse::Http(log.lock().unwrap().put(input, &put)));
    let log = Arc::clone(seen);
    let gets = mock!(aws_sdk_s3::Client::get_object).then_compute_response(move |input| {
        MockResponse::Http(log.lock().unwrap().get(input.key().unwrap()))
    });
    let log = Arc::clone(seen);
    let lists = mock!(aws_sdk_s3::Client::list_objects_v2).then_compute_response(move |input| {
        MockResponse::Http(log.lock().unwrap().list(input.prefix().unwrap()))
    });
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&puts, &gets, &lists], |config| config
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled()))
}

impl Seen {
    fn put(&mut self, input: &PutObjectInput, put: &Puts) -> HttpResponse {
        let key = input.key().unwrap().to_owned();
        self.puts.push(key.clone());
        let put = put(self.puts.len() - 1);
        let found = self.objects.get(&key).map(|own| etag(own));
        let fits = match (input.if_none_match(), input.if_match()) {
            (Some(_), _) => found.is_none(),
            (None, Some(etag)) => found.as_deref() == Some(etag),
            (None, None) => true,
        };
        let broken = || answer(412, "<Error><Code>PreconditionFailed</Code></Error>");
        if put == Put::Fails {
            return answer(500, "<Error><Code>InternalError</Code></Error>");
        }
        if !fits {
            return broken();
        }
        let body = String::from_utf8(input.body().bytes().unwrap().to_vec()).unwrap();
        let mut response = answer(200, "");
        response.headers_mut().insert("etag", etag(&body));
        self.objects.insert(key, body);
        if put == Put::LosesAnswer { broken() } else { response }
    }

    fn get(&mut self, key: &str) -> HttpResponse {
        self.gets.push(key.to_owned());
        let Some(body) = self.objects.get(key) else {
            return answer(404, "<Error><Code>NoSuchKey</Code></Error>");
        };
        let mut response = answer(200, body);
        response.headers_mut().insert("etag", etag(body));
        response
    }

    fn list(&self, prefix: &str) -> HttpResponse {
        let modified = "<LastModified>2026-03-01T00:00:00Z</LastModified>";
        let own = self.objects.keys().filter(|key| key.starts_with(prefix));
        let own: String = own.map(|key| format!("<Contents><Key>{key}</Key>{modified}</Contents>")).collect();
        answer(200, &format!("<ListBucketResult>{own}</ListBucketResult>"))
    }
}

fn etag(body: &str) -> String {
    format!(
        "\"{:08x}\"",
        body.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
    )
}

fn sqs(seen: &Arc<Mutex<Seen>>) -> aws_sdk_sqs::Client {
    let log = Arc::clone(seen);
    let change =
        mock!(aws_sdk_sqs::Client::change_message_visibility_batch).then_compute_response(move |input| {
            let mut seen = log.lock().unwrap();
            for entry in input.entries() {
                seen.waits.insert(entry.receipt_handle().to_owned(), entry.visibility_timeout().unwrap());
            }
            MockResponse::Http(answer(200, "{\"Successful\":[],\"Failed\":[]}"))
        });
    mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&change])
}

fn glue(start: Box<Answers>, find: Box<Answers>, seen: &Arc<Mutex<Seen>>) -> aws_sdk_glue::Client {
    let log = Arc::clone(seen);
    let starts = mock!(aws_sdk_glue::Client::start_job_run).then_compute_response(move |input| {
        assert_eq!(input.job_name(), Some("job"));
        assert!(
            input.arguments().unwrap()[glue_job_starter::MANIFEST].starts_with("s3://work/claims/t/job/")
        );
        let mut seen = log.lock().unwrap();
        seen.starts += 1;
        let (status, body) = start(seen.starts - 1);
        MockResponse::Http(answer(status, &body.to_string()))
    });
    let log = Arc::clone(seen);
    let finds = mock!(aws_sdk_glue::Client::get_job_runs).then_compute_response(move |_| {
        let mut seen = log.lock().unwrap();
        seen.finds += 1;
        let (status, body) = find(seen.finds - 1);
        MockResponse::Http(answer(status, &body.to_string()))
    });
    // The client's own retries: a start must not use them.
    mock_client!(aws_sdk_glue, RuleMode::MatchAny, [&starts, &finds], |config| config
        .retry_config(aws_sdk_glue::config::retry::RetryConfig::standard().with_max_attempts(4)))
}

fn answer(status: u16, body: &str) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

/// An SQS batch of one new stage object a message, each received so often.
pub fn batch(receives: &[u32]) -> Value {
    let record = |(n, receives): (usize, &u32)| {
        let body = json!({"Records": [{
            "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-03-01T00:00:00.000Z",
            "s3": {"bucket": {"name": STAGE}, "object": {"key": format!("t/{n}.gz"), "size": 9, "eTag": "e"}},
        }]});
        json!({
            "messageId": format!("m-{n}"), "receiptHandle": format!("h-{n}"), "body": body.to_string(),
            "attributes": {"ApproximateReceiveCount": receives.to_string()}, "messageAttributes": {},
            "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:glue",
        })
    };
    json!({"Records": receives.iter().enumerate().map(record).collect::<Vec<_>>()})
}

/// The function and what it asked for.
pub struct Function {
    pub app: App,
    pub seen: Arc<Mutex<Seen>>,
}

impl Function {
    /// Has it take a batch; the ids of the messages that it gives back.
    pub async fn take(&self, event: Value) -> Vec<String> {
        self.take_at(event, 1_800_000_000_000).await
    }

    /// The same at that time, in ms since 1970.
    pub async fn take_at(&self, event: Value, started_ms: u64) -> Vec<String> {
        let mut invocation = Invocation::lasting(Some(std::time::Duration::from_secs(60)));
        invocation.started_ms = started_ms;
        let answer: SqsBatchResponse = self.app.handle(event, invocation).await.unwrap();
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// A claim as it is in the bucket.
    pub fn claim(&self, key: &str) -> Value {
        serde_json::from_str(&self.seen.lock().unwrap().objects[key]).unwrap()
    }

    pub fn starts(&self) -> usize {
        self.seen.lock().unwrap().starts
    }

    pub fn finds(&self) -> usize {
        self.seen.lock().unwrap().finds
    }

    /// Of objects, done or not.
    pub fn writes(&self) -> usize {
        self.seen.lock().unwrap().puts.len()
    }

    pub fn waits(&self) -> Vec<i32> {
        self.seen.lock().unwrap().waits.values().copied().collect()
    }
}
