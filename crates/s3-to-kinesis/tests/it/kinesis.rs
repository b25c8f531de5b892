//! A Kinesis stream below the SDK: takes requests over faked HTTP, answers by script, and keeps what it accepted.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kinesis::config::http::{HttpRequest, HttpResponse};
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_kinesis::{Client, Config};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::result::ConnectorError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3_to_kinesis::sink::Stream;
use serde_json::{Value, json};

pub const NAME: &str = "penstock-test";

/// One record of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub data: Vec<u8>,
    pub partition_key: String,
    pub explicit_hash_key: Option<String>,
}

impl Entry {
    fn read(entry: &Value) -> Self {
        Self {
            data: STANDARD.decode(entry["Data"].as_str().unwrap()).unwrap(),
            partition_key: entry["PartitionKey"].as_str().unwrap().to_owned(),
            explicit_hash_key: entry["ExplicitHashKey"].as_str().map(str::to_owned),
        }
    }

    /// Data and partition key, as Kinesis counts them.
    pub fn bytes(&self) -> usize {
        self.data.len() + self.partition_key.len()
    }

    /// The row in it, where it is one.
    pub fn row(&self) -> Value {
        serde_json::from_slice(&self.data).unwrap()
    }

    pub fn id(&self) -> String {
        self.row()["id"].as_str().unwrap().to_owned()
    }
}

/// What becomes of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Accepted,
    Refused(&'static str),
    /// Neither a code nor a sequence number.
    Unsaid,
}

pub const THROTTLED: Verdict = Verdict::Refused("ProvisionedThroughputExceededException");

/// How a PutRecords is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A verdict for each record; those that are left out are not answered and not accepted.
    Verdicts(Vec<Verdict>),
    /// A failure, with Kinesis' name for it.
    Fails(u16, &'static str),
    /// All records are accepted, and the answer never arrives.
    Lost,
    /// Success, and no JSON.
    Garbled,
}

impl Reply {
    /// Everything is accepted.
    pub fn all(entries: &[Entry]) -> Self {
        Self::each(entries, |_, _| Verdict::Accepted)
    }

    pub fn each(entries: &[Entry], verdict: impl Fn(usize, &Entry) -> Verdict) -> Self {
        Self::Verdicts(entries.iter().enumerate().map(|(at, entry)| verdict(at, entry)).collect())
    }
}

/// Gets the number of the request, from 0, and its records; gives the answer and how long it takes.
type Script = dyn Fn(usize, &[Entry]) -> (Duration, Reply) + Send + Sync;

/// What reached the stream.
#[derive(Debug, Default)]
pub struct Seen {
    /// All requests, in order.
    pub requests: Vec<Vec<Entry>>,
    /// All records that were accepted, in order.
    pub accepted: Vec<Entry>,
    pub in_flight: usize,
    pub most_in_flight: usize,
    /// How many requests were in flight with each, when it came.
    pub depths: Vec<usize>,
}

/// The stream.
#[derive(Clone)]
pub struct Kinesis {
    script: Arc<Script>,
    seen: Arc<Mutex<Seen>>,
    /// Status and body of DescribeStreamSummary.
    summary: (u16, Value),
}

impl fmt::Debug for Kinesis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kinesis")
    }
}

impl Kinesis {
    /// Answers at once.
    pub fn new(script: impl Fn(usize, &[Entry]) -> Reply + Send + Sync + 'static) -> Self {
        Self::slow(move |number, entries| (Duration::ZERO, script(number, entries)))
    }

    /// Answers after a time.
    pub fn slow(script: impl Fn(usize, &[Entry]) -> (Duration, Reply) + Send + Sync + 'static) -> Self {
        Self { script: Arc::new(script), seen: Arc::default(), summary: summary(None) }
    }

    /// Takes everything.
    pub fn willing() -> Self {
        Self::new(|_, entries| Reply::all(entries))
    }

    pub fn record_limit_kib(mut self, kib: i32) -> Self {
        self.summary = summary(Some(kib));
        self
    }

    pub fn summary_fails(mut self, status: u16, name: &str) -> Self {
        self.summary = (status, json!({"__type": name, "message": "no"}));
        self
    }

    /// The stream, as a function opens it.
    pub async fn open(&self) -> Stream {
        Stream::open(self.client(), NAME).await.unwrap()
    }

    fn client(&self) -> Client {
        let connector = SharedHttpConnector::new(self.clone());
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::for_tests())
            // As `penstock_aws::sdk_config` has it.
            .retry_config(RetryConfig::standard().with_max_attempts(4))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        Client::from_conf(config)
    }

    pub fn seen<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.seen.lock().unwrap())
    }

    /// Sizes of all requests.
    pub fn request_sizes(&self) -> Vec<usize> {
        self.seen(|seen| seen.requests.iter().map(Vec::len).collect())
    }

    /// Ids of all accepted rows, sorted.
    pub fn accepted_ids(&self) -> Vec<String> {
        let mut ids: Vec<_> = self.seen(|seen| seen.accepted.iter().map(Entry::id).collect());
        ids.sort();
        ids
    }

    fn begin(&self, body: &Value) -> (Vec<Entry>, Duration, Reply) {
        assert_eq!(body["StreamName"], NAME);
        let entries: Vec<Entry> = body["Records"].as_array().unwrap().iter().map(Entry::read).collect();
        let mut seen = self.seen.lock().unwrap();
        let (wait, reply) = (self.script)(seen.requests.len(), &entries);
        seen.requests.push(entries.clone());
        seen.in_flight += 1;
        let depth = seen.in_flight;
        seen.depths.push(depth);
        seen.most_in_flight = seen.most_in_flight.max(seen.in_flight);
        (entries, wait, reply)
    }

    fn end(&self, entries: Vec<Entry>, reply: Reply) -> Result<HttpResponse, ConnectorError> {
        let mut seen = self.seen.lock().unwrap();
        seen.in_flight -= 1;
        match reply {
            Reply::Fails(status, name) => Ok(response(status, &json!({"__type": name, "message": "no"}))),
            Reply::Garbled => Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from("<html>"))),
            Reply::Lost => {
                seen.accepted.extend(entries);
                Err(ConnectorError::io("connection reset".into()))
            }
            Reply::Verdicts(verdicts) => {
                let failed = verdicts.iter().filter(|own| **own != Verdict::Accepted).count();
                let records: Vec<Value> = verdicts.iter().map(said).collect();
                let accepted = entries.into_iter().zip(verdicts).filter(|(_, own)| *own == Verdict::Accepted);
                seen.accepted.extend(accepted.map(|(entry, _)| entry));
                Ok(response(200, &json!({"FailedRecordCount": failed, "Records": records})))
            }
        }
    }
}

impl HttpConnector for Kinesis {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap().to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        if target.ends_with(".DescribeStreamSummary") {
            return HttpConnectorFuture::ready(Ok(response(self.summary.0, &self.summary.1)));
        }
        assert!(target.ends_with(".PutRecords"), "{target}");
        let own = self.clone();
        HttpConnectorFuture::new(async move {
            let (entries, wait, reply) = own.begin(&body);
            tokio::time::sleep(wait).await;
            own.end(entries, reply)
        })
    }
}

fn said(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Accepted => json!({"SequenceNumber": "4954", "ShardId": "shardId-000000000000"}),
        Verdict::Refused(code) => json!({"ErrorCode": code, "ErrorMessage": "no"}),
        Verdict::Unsaid => json!({}),
    }
}

fn summary(kib: Option<i32>) -> (u16, Value) {
    let mut own = json!({
        "StreamName": NAME, "StreamARN": "arn:aws:kinesis:eu-central-1:123456789012:stream/penstock-test",
        "StreamStatus": "ACTIVE", "RetentionPeriodHours": 24, "StreamCreationTimestamp": 1.7e9,
        "EnhancedMonitoring": [], "OpenShardCount": 1,
    });
    if let Some(kib) = kib {
        own["MaxRecordSizeInKiB"] = kib.into();
    }
    (200, json!({"StreamDescriptionSummary": own}))
}

fn response(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()))
}
