//! A function with faked clients: one object in S3, answers by script, and all requests on record.

use std::io::Read as _;
use std::sync::{Arc, Mutex};

use aws_lambda_events::sqs::SqsBatchResponse;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::primitives::SdkBody;
use aws_sdk_sqs::operation::send_message_batch::{
    SendMessageBatchError, SendMessageBatchInput, SendMessageBatchOutput,
};
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchResultEntry};
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use penstock_aws::Invocation;
use penstock_core::contract::ContractSet;
use s3_to_sqs_fifo::{App, Config};
use serde_json::{Value, json};

pub const LANDING: &str = "landing";
pub const KEY: &str = "queue/t/a.json";
pub const ETAG: &str = "0123456789abcdef0123456789abcdef";
const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/load.fifo";
/// LastModified of every object.
pub const MODIFIED: &str = "Fri, 02 Jan 2026 03:04:05 GMT";

/// A dataset whose rows are ordered by `g`, with so many rows a message.
pub fn contract(rows_per_message: usize) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.2.3\nstatus: active\n\
         servers:\n\
         - {{server: landing, type: s3, location: 's3://${{LANDING_BUCKET}}/queue/t/*.json', format: json}}\n\
         - {{server: queue, type: custom, customProperties: [\n\
             {{property: penstock.queueUrl, value: '{QUEUE_URL}'}},\n\
             {{property: penstock.groups, value: 100000}},\n\
             {{property: penstock.rowsPerMessage, value: {rows_per_message}}}]}}\n\
         schema:\n\
         - name: t\n\
         \u{20} customProperties: [{{property: penstock.groupBy, value: g}}]\n\
         \u{20} properties:\n\
         \u{20} - {{name: id, physicalType: varchar(64), required: true, primaryKey: true, primaryKeyPosition: 1}}\n\
         \u{20} - {{name: g, physicalType: varchar(64)}}\n\
         \u{20} - {{name: pad, physicalType: varchar(65535), quality: [{{metric: invalidValues, mustBe: 0, \
             severity: warning, arguments: {{pattern: '^[^!]*$'}}}}]}}\n"
    )
}

/// Records by (id, group), one a line.
pub fn lines<'a>(records: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    records.into_iter().map(|(id, g)| format!("{}\n", json!({"id": id, "g": g}))).collect()
}

/// `count` records r-0, r-1, …, each in a group of its own.
pub fn apart(count: usize) -> String {
    (0..count).map(|n| format!("{}\n", json!({"id": format!("r-{n}"), "g": format!("g-{n}")}))).collect()
}

/// One entry of a SendMessageBatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub group: String,
    pub deduplication_id: String,
    pub body: String,
}

impl Entry {
    /// Ids of the rows in it.
    pub fn ids(&self) -> Vec<String> {
        let body: Value = serde_json::from_str(&self.body).unwrap();
        let rows = body["rows"].as_array().unwrap().iter();
        rows.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
    }
}

/// One PutObject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub bucket: String,
    pub key: String,
    pub body: Vec<u8>,
}

/// All requests, in order.
#[derive(Debug, Default)]
pub struct Seen {
    pub gets: Vec<GetObjectInput>,
    pub puts: Vec<Put>,
    pub sends: Vec<Vec<Entry>>,
}

/// What SQS says of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Taken,
    Refused(&'static str),
    SenderFault(&'static str),
    /// In neither list of the answer.
    Unanswered,
}

type Get = dyn Fn(&GetObjectInput) -> HttpResponse + Send + Sync;
type PutStatus = dyn Fn(&Put) -> u16 + Send + Sync;
/// Verdicts on the entries, or status and body of a request that fails.
pub type Sent = Result<Vec<Verdict>, (u16, &'static str)>;
type SendEntries = dyn Fn(usize, &[Entry]) -> Sent + Send + Sync;

/// The answers of the fakes.
pub struct Script {
    pub contract: String,
    pub get: Box<Get>,
    pub put: Box<PutStatus>,
    /// Gets the number of the request, from 0.
    pub send: Box<SendEntries>,
}

impl Script {
    /// One object, one row a message, and everything goes well.
    pub fn of(body: impl Into<String>) -> Self {
        let body = body.into();
        Self {
            contract: contract(1),
            get: Box::new(move |_| object(&body)),
            put: Box::new(|_| 200),
            send: Box::new(|_, entries| Ok(vec![Verdict::Taken; entries.len()])),
        }
    }

    pub fn rows_per_message(mut self, rows: usize) -> Self {
        self.contract = contract(rows);
        self
    }

    pub fn get(mut self, get: impl Fn(&GetObjectInput) -> HttpResponse + Send + Sync + 'static) -> Self {
        self.get = Box::new(get);
        self
    }

    pub fn put(mut self, put: impl Fn(&Put) -> u16 + Send + Sync + 'static) -> Self {
        self.put = Box::new(put);
        self
    }

    /// The verdict on an entry, by the number of the request and the ids of the entry's rows.
    pub fn verdict(self, verdict: impl Fn(usize, &[String]) -> Verdict + Send + Sync + 'static) -> Self {
        self.send(move |n, entries| Ok(entries.iter().map(|entry| verdict(n, &entry.ids())).collect()))
    }

    pub fn send(mut self, send: impl Fn(usize, &[Entry]) -> Sent + Send + Sync + 'static) -> Self {
        self.send = Box::new(send);
        self
    }

    pub fn start(self) -> Function {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let set = ContractSet::parse([("t.odcs.yaml", self.contract.as_str())]).unwrap();
        let env = |name: &str| {
            let value = match name {
                "LANDING_BUCKET" => LANDING,
                "WORK_BUCKET" => "work",
                "QUARANTINE_BUCKET" => "quarantine",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let config = Config::with_contracts(&set, &env).unwrap();
        let s3 = s3_client(self.get, self.put, &seen);
        let app = App::with_clients(config, s3, sqs_client(self.send, &seen));
        Function { app, seen }
    }
}

fn s3_client(get: Box<Get>, put: Box<PutStatus>, seen: &Arc<Mutex<Seen>>) -> aws_sdk_s3::Client {
    let log = Arc::clone(seen);
    let gets = mock!(aws_sdk_s3::Client::get_object).then_compute_response(move |input| {
        log.lock().unwrap().gets.push(input.clone());
        MockResponse::Http(get(input))
    });
    let log = Arc::clone(seen);
    let puts = mock!(aws_sdk_s3::Client::put_object).then_compute_response(move |input: &PutObjectInput| {
        let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let body = input.body().bytes().unwrap().to_vec();
        let request = Put { bucket: own(input.bucket()), key: own(input.key()), body };
        let status = put(&request);
        log.lock().unwrap().puts.push(request);
        MockResponse::Http(answer(status, ""))
    });
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&gets, &puts], |config| config
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled()))
}

fn sqs_client(send: Box<SendEntries>, seen: &Arc<Mutex<Seen>>) -> aws_sdk_sqs::Client {
    let log = Arc::clone(seen);
    let sends = mock!(aws_sdk_sqs::Client::send_message_batch).then_compute_response(move |input| {
        let entries = entries(input);
        let number = log.lock().unwrap().sends.len();
        log.lock().unwrap().sends.push(entries.clone());
        match send(number, &entries) {
            Ok(verdicts) => MockResponse::<_, SendMessageBatchError>::Output(verdicts_of(input, &verdicts)),
            Err((status, body)) => MockResponse::Http(answer(status, body)),
        }
    });
    mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&sends], |config| config
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled()))
}

fn entries(input: &SendMessageBatchInput) -> Vec<Entry> {
    assert_eq!(input.queue_url(), Some(QUEUE_URL));
    let own = |text: Option<&str>| text.unwrap().to_owned();
    let entry = |entry: &aws_sdk_sqs::types::SendMessageBatchRequestEntry| Entry {
        group: own(entry.message_group_id()),
        deduplication_id: own(entry.message_deduplication_id()),
        body: entry.message_body().to_owned(),
    };
    input.entries().iter().map(entry).collect()
}

/// SQS tells the failed first and in reverse, to show that position is by id.
fn verdicts_of(input: &SendMessageBatchInput, verdicts: &[Verdict]) -> SendMessageBatchOutput {
    let mut output =
        SendMessageBatchOutput::builder().set_successful(Some(Vec::new())).set_failed(Some(Vec::new()));
    for (entry, verdict) in input.entries().iter().zip(verdicts).rev() {
        let failed = |code: &str, sender_fault| {
            let entry = BatchResultErrorEntry::builder().id(entry.id()).code(code).sender_fault(sender_fault);
            entry.build().unwrap()
        };
        output = match verdict {
            Verdict::Taken => {
                let taken = SendMessageBatchResultEntry::builder().id(entry.id()).message_id("m");
                output.successful(taken.md5_of_message_body("0").build().unwrap())
            }
            Verdict::Refused(code) => output.failed(failed(code, false)),
            Verdict::SenderFault(code) => output.failed(failed(code, true)),
            Verdict::Unanswered => output,
        };
    }
    output.build().unwrap()
}

/// A response with a body and no headers.
pub fn answer(status: u16, body: &str) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body))
}

/// S3's error of a code.
pub fn s3_error(status: u16, code: &str) -> HttpResponse {
    answer(status, &format!("<Error><Code>{code}</Code><Message>no</Message></Error>"))
}

/// An object as GetObject gives it.
pub fn object(body: &str) -> HttpResponse {
    object_with(body, &[])
}

/// The same with more headers, or others.
pub fn object_with(body: &str, headers: &[(&'static str, &str)]) -> HttpResponse {
    let mut response = answer(200, body);
    let length = body.len().to_string();
    let own =
        [("content-length", length.as_str()), ("etag", &format!("\"{ETAG}\"")), ("last-modified", MODIFIED)];
    for (name, value) in own.iter().chain(headers) {
        response.headers_mut().insert(*name, (*value).to_owned());
    }
    response
}

/// An S3 notification of one object.
pub fn notification(bucket: &str, key: &str) -> Value {
    json!({"Records": [{
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": {"key": key, "size": 99, "eTag": ETAG}},
    }]})
}

/// An SQS batch of message bodies, m-0, m-1, …
pub fn batch(bodies: impl IntoIterator<Item = String>) -> Value {
    let record = |(n, body): (usize, String)| {
        json!({
            "messageId": format!("m-{n}"), "receiptHandle": "h", "body": body, "attributes": {},
            "messageAttributes": {}, "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:objects",
        })
    };
    json!({"Records": bodies.into_iter().enumerate().map(record).collect::<Vec<_>>()})
}

/// The message ids that were given back.
pub fn failures(answer: &SqsBatchResponse) -> Vec<&str> {
    answer.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str()).collect()
}

/// The function and what it asked for.
pub struct Function {
    pub app: App,
    pub seen: Arc<Mutex<Seen>>,
}

impl Function {
    /// Delivers one message that names the object; true when it was acknowledged.
    pub async fn deliver(&self) -> bool {
        let answer = self.invoke(batch([notification(LANDING, KEY).to_string()])).await;
        match failures(&answer)[..] {
            [] => true,
            ["m-0"] => false,
            ref other => panic!("{other:?}"),
        }
    }

    pub async fn invoke(&self, event: Value) -> SqsBatchResponse {
        self.app.handle(event, Invocation::lasting(None)).await.unwrap()
    }

    pub fn sends(&self) -> Vec<Vec<Entry>> {
        self.seen.lock().unwrap().sends.clone()
    }

    /// Row ids of every request's entries.
    pub fn sent_ids(&self) -> Vec<Vec<String>> {
        self.sends().iter().map(|entries| entries.iter().flat_map(Entry::ids).collect()).collect()
    }

    pub fn puts(&self, bucket: &str) -> Vec<Put> {
        self.seen.lock().unwrap().puts.iter().filter(|put| put.bucket == bucket).cloned().collect()
    }

    /// The one receipt.
    pub fn receipt(&self) -> Value {
        let receipts = self.puts("work");
        assert_eq!(receipts.len(), 1);
        let receipt: Value = serde_json::from_slice(&receipts[0].body).unwrap();
        let count = |name: &str| receipt[name].as_u64().unwrap();
        assert_eq!(count("read"), count("rejected") + count("duplicate") + count("sent"), "{receipt}");
        receipt
    }

    /// All quarantined lines.
    pub fn quarantined(&self) -> Vec<Value> {
        let lines = |put: Put| {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&put.body[..]).read_to_string(&mut text).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        };
        self.puts("quarantine").into_iter().flat_map(lines).collect()
    }

    /// The rules of all quarantined lines.
    pub fn rules(&self) -> Vec<String> {
        let rule = |line: Value| line["rules"][0]["rule"].as_str().unwrap().to_owned();
        self.quarantined().into_iter().map(rule).collect()
    }
}

/// Moves the paused clock, from inside a fake.
pub fn advance(duration: std::time::Duration) {
    let mut advanced = std::pin::pin!(tokio::time::advance(duration));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    // The first poll moves the clock and then only yields.
    let _pending = std::future::Future::poll(advanced.as_mut(), &mut context);
}
