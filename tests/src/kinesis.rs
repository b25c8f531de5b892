//! A Kinesis data stream in this process that keeps what it takes, and goes wrong as a test tells it to: it refuses
//! records, loses answers, is away, or stops in the middle of a call so that its caller can be killed there. It holds
//! callers to the service's limits and knows nothing of rows.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::process::lock;

/// Name of the one stream.
pub const STREAM: &str = "clicks-and-customers";

const MAX_RECORDS: usize = 500;
const MAX_REQUEST_BYTES: usize = 5 << 20;
const MAX_RECORD_BYTES: usize = 1 << 20;
const MAX_KEY_CHARS: usize = 256;

/// A record that the stream took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamRecord {
    /// Its number, 56 digits.
    pub sequence: String,
    /// When it came, in ms since 1970.
    pub arrival_ms: u64,
    /// As the producer gave it.
    pub partition_key: String,
    /// As the producer gave it, if it did.
    pub explicit_hash_key: Option<String>,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// How the stream behaves. By default it takes everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conduct {
    /// Whether there is no such stream.
    pub is_missing: bool,
    /// Of a hundred records, how many are refused for want of throughput.
    pub refused: u64,
    /// Of a hundred calls, how many take their records and lose the answer.
    pub lost: u64,
    /// How many more records are taken; the call that brings the next one is never answered, and none after it.
    pub stops_after: Option<u64>,
}

#[derive(Debug)]
struct Held {
    conduct: Conduct,
    records: Vec<StreamRecord>,
    calls: u64,
    drawn: u64,
    stopped: watch::Sender<bool>,
}

/// The served stream. Dropping it ends the service.
#[derive(Debug)]
pub struct KinesisStub {
    /// `http://127.0.0.1:<port>`.
    pub endpoint: String,
    held: Arc<Mutex<Held>>,
    server: JoinHandle<()>,
}

/// What becomes of a call.
enum Outcome {
    Answer(Response),
    Lost,
    Never,
}

impl KinesisStub {
    /// Serves on a free port.
    pub async fn serve() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free loopback port")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let held = Held {
            conduct: Conduct::default(),
            records: Vec::new(),
            calls: 0,
            drawn: 0,
            stopped: watch::Sender::new(false),
        };
        let held = Arc::new(Mutex::new(held));
        let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
        let app = app.with_state(Arc::clone(&held));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                unreachable!("axum::serve ends with its task only: {error}");
            }
        });
        Ok(Self { endpoint, held, server })
    }

    /// From now on it behaves like this.
    pub fn behave(&self, conduct: Conduct) {
        let mut held = lock(&self.held);
        held.conduct = conduct;
        held.stopped.send_replace(false);
    }

    /// Waits until it has stopped, as its conduct says.
    pub async fn stopped(&self) {
        let mut stopped = lock(&self.held).stopped.subscribe();
        // The sender lives in self.
        if stopped.wait_for(|stopped| *stopped).await.is_err() {
            unreachable!("the sender of a borrowed stream is alive");
        }
    }

    /// What it took, from the record with this number on.
    #[must_use]
    pub fn records_from(&self, first: usize) -> Vec<StreamRecord> {
        lock(&self.held).records.get(first..).unwrap_or_default().to_vec()
    }

    /// How many records it took.
    #[must_use]
    pub fn count(&self) -> usize {
        lock(&self.held).records.len()
    }

    /// How often it was asked to take records.
    #[must_use]
    pub fn calls(&self) -> u64 {
        lock(&self.held).calls
    }

    /// A record of a producer that writes to the stream directly.
    pub fn produce(&self, partition_key: &str, data: impl Into<Vec<u8>>) {
        lock(&self.held).take(partition_key.to_owned(), None, data.into());
    }
}

impl Drop for KinesisStub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Held {
    fn take(&mut self, partition_key: String, explicit_hash_key: Option<String>, data: Vec<u8>) -> String {
        let number = 5_000_000 + self.records.len();
        let sequence = format!("49672148110{number:045}");
        let arrival_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let arrival_ms = u64::try_from(arrival_ms).unwrap_or(0);
        let own = StreamRecord { sequence, arrival_ms, partition_key, explicit_hash_key, data };
        let sequence = own.sequence.clone();
        self.records.push(own);
        sequence
    }

    /// True so many times of a hundred, the same ones in every run.
    fn is_drawn(&mut self, percent: u64) -> bool {
        self.drawn += 1;
        let mixed = self.drawn.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        percent > 0
            && (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 33 < percent * (1 << 31) / 100
    }

    fn put(&mut self, body: &[u8]) -> anyhow::Result<Outcome> {
        self.calls += 1;
        let asked: Value = serde_json::from_slice(body).context("no JSON")?;
        if self.conduct.is_missing || !names_stream(&asked) {
            let told = "Stream under account 000000000000 not found.";
            return Ok(Outcome::Answer(refusal("ResourceNotFoundException", told)));
        }
        let entries = entries(&asked)?;
        let mut results = Vec::new();
        for (key, hash_key, data) in entries {
            if self.conduct.stops_after == Some(0) {
                self.stopped.send_replace(true);
                return Ok(Outcome::Never);
            }
            if self.is_drawn(self.conduct.refused) {
                results.push(json!({"ErrorCode": "ProvisionedThroughputExceededException",
                    "ErrorMessage": format!("Rate exceeded for shard shardId-000000000000 in stream {STREAM}")}));
                continue;
            }
            let number = self.take(key, hash_key, data);
            self.conduct.stops_after = self.conduct.stops_after.map(|left| left - 1);
            results.push(json!({"SequenceNumber": number, "ShardId": "shardId-000000000000"}));
        }
        if self.is_drawn(self.conduct.lost) {
            return Ok(Outcome::Lost);
        }
        let refused = results.iter().filter(|own| own["ErrorCode"].is_string()).count();
        Ok(Outcome::Answer(answered(&json!({"FailedRecordCount": refused, "Records": results}))))
    }

    fn describe(&self, body: &[u8]) -> Response {
        let is_own = serde_json::from_slice(body).is_ok_and(|asked| names_stream(&asked));
        if self.conduct.is_missing || !is_own {
            return refusal("ResourceNotFoundException", "Stream under account 000000000000 not found.");
        }
        answered(&json!({"StreamDescriptionSummary": {
            "StreamName": STREAM, "StreamARN": stream_arn(), "StreamStatus": "ACTIVE",
            "StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "RetentionPeriodHours": 24,
            "StreamCreationTimestamp": 1_772_323_200, "EnhancedMonitoring": [{"ShardLevelMetrics": []}],
            "EncryptionType": "NONE", "OpenShardCount": 1, "ConsumerCount": 0, "MaxRecordSizeInKiB": 1024}}))
    }
}

/// The stream's ARN.
#[must_use]
pub fn stream_arn() -> String {
    format!("arn:aws:kinesis:{}:000000000000:stream/{STREAM}", crate::REGION)
}

fn names_stream(asked: &Value) -> bool {
    asked["StreamName"] == STREAM || asked["StreamARN"] == Value::String(stream_arn())
}

type Entry = (String, Option<String>, Vec<u8>);

/// What PutRecords brings, if the service would take it.
fn entries(asked: &Value) -> anyhow::Result<Vec<Entry>> {
    let asked = asked["Records"].as_array().context("no records")?;
    ensure!((1..=MAX_RECORDS).contains(&asked.len()), "{} records", asked.len());
    let entry = |own: &Value| {
        let key = own["PartitionKey"].as_str().context("no partition key")?.to_owned();
        ensure!((1..=MAX_KEY_CHARS).contains(&key.chars().count()), "a partition key's length");
        let hash_key = own["ExplicitHashKey"].as_str().map(str::to_owned);
        ensure!(hash_key.iter().all(|text| text.parse::<u128>().is_ok()), "an explicit hash key");
        let data = STANDARD.decode(own["Data"].as_str().context("no data")?)?;
        ensure!(data.len() + key.len() <= MAX_RECORD_BYTES, "a record of {} bytes", data.len());
        Ok((key, hash_key, data))
    };
    let entries = asked.iter().map(entry).collect::<anyhow::Result<Vec<Entry>>>()?;
    let bytes: usize = entries.iter().map(|(key, _, data)| key.len() + data.len()).sum();
    ensure!(bytes <= MAX_REQUEST_BYTES, "a request of {bytes} bytes");
    Ok(entries)
}

async fn answer(State(held): State<Arc<Mutex<Held>>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let outcome = match target {
        "Kinesis_20131202.PutRecords" => lock(&held).put(&body),
        "Kinesis_20131202.DescribeStreamSummary" => Ok(Outcome::Answer(lock(&held).describe(&body))),
        _ => Ok(Outcome::Answer(refusal("UnknownOperationException", target))),
    };
    match outcome {
        Ok(Outcome::Answer(response)) => response,
        // The caller sees its connection break.
        Ok(Outcome::Lost) => {
            let cut = io::Error::from(io::ErrorKind::ConnectionReset);
            Body::from_stream(stream::iter([Err::<Bytes, _>(cut)])).into_response()
        }
        Ok(Outcome::Never) => std::future::pending().await,
        Err(error) => refusal("ValidationException", &format!("{error:#}")),
    }
}

fn answered(body: &Value) -> Response {
    ([("content-type", "application/x-amz-json-1.1")], body.to_string()).into_response()
}

fn refusal(error: &str, message: &str) -> Response {
    let body = json!({"__type": error, "message": message});
    (StatusCode::BAD_REQUEST, answered(&body)).into_response()
}
