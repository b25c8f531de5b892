//! The function with its buckets, its queue and a Glue, and what can be asked of them afterwards.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::Duration;

use penstock_tests::{Bootstrap, Bucket, MiniStack, Queue, batch, failures, until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::glue::{CRAWLER, Glue, JOB};

/// The function.
pub const STARTER: &str = "glue-job-starter";
/// Longer than any claim is held, also one of a start that a busy machine was too slow for.
pub const WITHIN: Duration = Duration::from_secs(90);

/// A contract with these properties of its schema.
pub fn contract(name: &str, custom: &[(&str, &str)]) -> String {
    let custom: Vec<Value> = custom
        .iter()
        .map(|(name, value)| json!({"property": format!("penstock.{name}"), "value": value}))
        .collect();
    let properties = json!([{"name": "id", "logicalType": "integer", "primaryKey": true, "required": true}]);
    let location = format!("s3://${{LANDING_BUCKET}}/lake/{name}/*");
    json!({
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": name, "name": name, "version": "1.0.0", "status": "active",
        "servers": [{"server": "landing", "type": "s3", "location": location, "format": "json"}],
        "schema": [{"name": name, "physicalType": "table", "customProperties": custom, "properties": properties}],
    })
    .to_string()
}

pub struct Rig {
    pub landing: Bucket,
    pub stage: Bucket,
    pub lake: Bucket,
    pub work: Bucket,
    pub quarantine: Bucket,
    _queue: Queue,
    pub glue: Glue,
    pub starter: Bootstrap,
    vars: Vec<(String, String)>,
    _contracts: TempDir,
}

impl Rig {
    /// With a Glue of the test's own, and claims that are held for a minute.
    pub async fn start() -> Self {
        Self::with_lease("60").await
    }

    /// The same with claims that are held for a short time: their functions die. It is still ten seconds longer than a
    /// young claim is waited for, so that a busy machine sees one that is held.
    pub async fn for_dying() -> Self {
        Self::with_lease("15").await
    }

    /// The same with claims that are held for so many seconds.
    pub async fn with_lease(seconds: &str) -> Self {
        let glue = Glue::serve().await;
        let endpoint = glue.endpoint.clone();
        Self::with(glue, &[("AWS_ENDPOINT_URL_GLUE", &endpoint), ("CLAIM_LEASE_SECONDS", seconds)]).await
    }

    /// With these variables beside the usual ones.
    pub async fn with(glue: Glue, more: &[(&str, &str)]) -> Self {
        let cloud = MiniStack::shared().await.unwrap();
        let contracts = tempfile::tempdir().unwrap();
        let job = ("glueJob", "${GLUE_JOB_NAME}");
        for (name, custom) in [
            ("clients", &[job, ("crawler", "${CRAWLER_NAME}")][..]),
            ("orders", &[job]),
            ("plain", &[]),
            ("parquet", &[job, ("lakeFormat", "parquet")]),
            ("lost", &[("glueJob", "no-such-job"), ("crawler", "no-such-crawler")]),
        ] {
            let file = contracts.path().join(format!("{name}.odcs.yaml"));
            std::fs::write(file, contract(name, custom)).unwrap();
        }
        let bucket = async |name: &str| cloud.create_bucket(name).await.unwrap();
        let (landing, stage, lake) = (bucket("landing").await, bucket("stage").await, bucket("lake").await);
        let (curated, work) = (bucket("curated").await, bucket("work").await);
        let quarantine = bucket("quarantine").await;
        let queue = cloud.create_queue("glue").await.unwrap();
        let mut vars = cloud.function_vars();
        for (name, value) in [
            ("CONTRACTS_DIR", contracts.path().display().to_string()),
            ("LANDING_BUCKET", landing.name.clone()),
            ("STAGE_BUCKET", stage.name.clone()),
            ("LAKE_BUCKET", lake.name.clone()),
            ("CURATED_BUCKET", curated.name.clone()),
            ("WORK_BUCKET", work.name.clone()),
            ("QUARANTINE_BUCKET", quarantine.name.clone()),
            ("GLUE_QUEUE_URL", queue.url.clone()),
            ("GLUE_JOB_NAME", JOB.to_owned()),
            ("CRAWLER_NAME", CRAWLER.to_owned()),
        ] {
            vars.push((name.to_owned(), value));
        }
        vars.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let starter = process(&vars, 0).await;
        Self {
            landing,
            stage,
            lake,
            work,
            quarantine,
            _queue: queue,
            glue,
            starter,
            vars,
            _contracts: contracts,
        }
    }

    /// Another process of the function.
    pub async fn another(&self, number: usize) -> Bootstrap {
        process(&self.vars, number).await
    }

    /// The same with a new process of the function.
    pub async fn restarted(self, number: usize) -> Self {
        let starter = self.another(number).await;
        Self { starter, ..self }
    }

    /// Events of new objects of the stage bucket.
    pub async fn staged(&self, dataset: &str, objects: std::ops::Range<usize>) -> Vec<Value> {
        let mut events = Vec::new();
        for n in objects {
            let key = format!("{dataset}/dt=2026-03-01/{n}.gz");
            events.push(self.stage.put_for_event(&key, format!("{{\"id\":{n}}}")).await.unwrap());
        }
        events
    }

    /// Has the function take a batch; the numbers of the messages that it gives back.
    pub async fn take(&self, messages: &[Value]) -> Vec<usize> {
        take(&self.starter, messages).await
    }

    /// Has the function take a batch again and again, until it gives nothing back.
    pub async fn take_until_done(&self, messages: &[Value]) {
        let done = until("all messages to be done", WITHIN, async || {
            Ok(self.take(messages).await.is_empty().then_some(()))
        });
        done.await.unwrap();
    }

    /// How many runs each object of a claim has; every claim is closed.
    pub async fn runs_by_object(&self, log: &str) -> BTreeMap<String, usize> {
        let mut found = BTreeMap::new();
        for (key, claim) in self.claims(log).await {
            assert_eq!(claim["state"], "started", "{claim}");
            let manifest = format!("s3://{}/{key}", self.work.name);
            let runs = self.glue.runs().iter().filter(|run| run.manifest.as_ref() == Some(&manifest)).count();
            for entry in claim["entries"].as_array().unwrap() {
                *found.entry(entry["url"].as_str().unwrap().to_owned()).or_default() += runs;
            }
        }
        found
    }

    /// The claims of a log, newest first.
    pub async fn claims(&self, log: &str) -> Vec<(String, Value)> {
        let mut claims = Vec::new();
        for key in self.work.list(&format!("claims/{log}/")).await.unwrap() {
            let claim = serde_json::from_slice(&self.work.get(&key).await.unwrap()).unwrap();
            claims.push((key, claim));
        }
        claims
    }

    /// The rules for which something is in quarantine, sorted.
    pub async fn quarantined(&self) -> Vec<String> {
        let mut rules = Vec::new();
        for key in self.quarantine.list("").await.unwrap() {
            let (packed, mut text) = (self.quarantine.get(&key).await.unwrap(), String::new());
            flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            rules.extend(lines.map(|line| line["rules"][0]["rule"].as_str().unwrap().to_owned()));
        }
        rules.sort();
        rules
    }
}

/// One execution environment: Lambda gives each a log stream of its own.
async fn process(vars: &[(String, String)], number: usize) -> Bootstrap {
    let mut vars = vars.to_vec();
    vars.push(("AWS_LAMBDA_LOG_STREAM_NAME".to_owned(), format!("2026/01/01/[$LATEST]{number}")));
    Bootstrap::start(STARTER, vars).await.unwrap()
}

/// Has a process take a batch; the numbers of the messages that it gives back.
pub async fn take(starter: &Bootstrap, messages: &[Value]) -> Vec<usize> {
    let answer = starter.invoke(&batch(messages)).await.unwrap();
    failures(&answer).iter().map(|id| id.parse().unwrap()).collect()
}

/// A message of this text.
pub fn message(text: impl ToString) -> Value {
    json!({"Records": [{"messageId": "0", "receiptHandle": "r", "body": text.to_string(),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772323200000"}, "messageAttributes": {},
        "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:glue",
        "awsRegion": "us-east-1"}]})
}

/// A message of one event, as of another put at this time: S3's with a sequencer, and s3-to-lake's without.
pub fn as_put(message: &Value, sequencer: Option<&str>, time: &str) -> Value {
    let mut message = message.clone();
    let body = &mut message["Records"][0]["body"];
    let mut event: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    let own = &mut event["Records"][0];
    own["eventTime"] = time.into();
    own["s3"]["object"]["sequencer"] = json!(sequencer);
    *body = event.to_string().into();
    message
}

/// The messages' events in one message.
pub fn together(messages: &[Value]) -> Value {
    let body = |own: &Value| own["Records"][0]["body"].as_str().unwrap().to_owned();
    let events = messages.iter().map(|own| serde_json::from_str::<Value>(&body(own)).unwrap());
    let records: Vec<Value> = events.flat_map(|own| own["Records"].as_array().unwrap().clone()).collect();
    message(json!({"Records": records}))
}
