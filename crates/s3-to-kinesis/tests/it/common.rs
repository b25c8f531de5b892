//! A function with faked clients: buckets in memory, a stream that takes or refuses, a queue on record.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex};

use aws_lambda_events::sqs::SqsBatchResponse;
use aws_sdk_kinesis::operation::put_records::{PutRecordsError, PutRecordsInput, PutRecordsOutput};
use aws_sdk_kinesis::types::PutRecordsResultEntry;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::operation::delete_objects::DeleteObjectsInput;
use aws_sdk_s3::operation::get_object::GetObjectInput;
use aws_sdk_s3::operation::head_object::HeadObjectInput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Input;
use aws_sdk_s3::operation::put_object::PutObjectInput;
use aws_sdk_s3::primitives::SdkBody;
use aws_sdk_sqs::operation::send_message_batch::{
    SendMessageBatchError, SendMessageBatchInput, SendMessageBatchOutput,
};
use aws_sdk_sqs::types::SendMessageBatchResultEntry;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use penstock_aws::Invocation;
use penstock_core::contract::ContractSet;
use s3_to_kinesis::{App, Config, Error};
use serde_json::{Value, json};

pub const LANDING: &str = "landing";
pub const KEY: &str = "stream/t/a.json";
/// LastModified of every object.
const MODIFIED: &str = "Fri, 02 Jan 2026 03:04:05 GMT";

/// A dataset with a key, with this server.
pub fn contract(kinesis: &str) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.2.3\nstatus: active\n\
         servers:\n\
         - {{server: landing, type: s3, location: 's3://${{LANDING_BUCKET}}/stream/t/*.json', format: json, delimiter: new_line}}\n\
         - {{server: stream, type: kinesis, customProperties: [{kinesis}]}}\n\
         schema:\n\
         - name: t\n\
         \u{20} customProperties: [{{property: penstock.maxRejectedFraction, value: 0.5}}]\n\
         \u{20} properties:\n\
         \u{20} - {{name: id, physicalType: varchar(64), required: true, primaryKey: true, primaryKeyPosition: 1}}\n\
         \u{20} - {{name: n, physicalType: integer}}\n"
    )
}

pub const STREAM: &str = "{property: penstock.streamName, value: '${STREAM_NAME}'}";

type Objects = BTreeMap<(String, String), Vec<u8>>;

/// What the fakes hold.
#[derive(Debug, Default)]
pub struct World {
    pub objects: Objects,
    /// Data of the records that the stream took, with their partition keys.
    pub records: Vec<(String, String)>,
    /// Bodies of the messages that the function sent to itself.
    pub tasks: Vec<String>,
    /// Whether the stream refuses every call, with this code.
    pub refuses: Option<&'static str>,
}

/// The function and what it works on.
pub struct Function {
    pub app: App,
    pub world: Arc<Mutex<World>>,
}

fn own(text: Option<&str>) -> String {
    text.unwrap_or_default().to_owned()
}

fn etag(body: &[u8]) -> String {
    let sum =
        body.iter().fold(body.len() as u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    format!("{sum:032x}")
}

fn answer(status: u16, body: impl Into<SdkBody>) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), body.into())
}

fn object(
    objects: &Objects,
    place: (String, String),
    if_match: Option<&str>,
    range: Option<&str>,
) -> HttpResponse {
    let Some(body) = objects.get(&place) else {
        return answer(404, "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>");
    };
    let tag = etag(body);
    if if_match.is_some_and(|wanted| wanted.trim_matches('"') != tag) {
        return answer(412, "<Error><Code>PreconditionFailed</Code><Message>no</Message></Error>");
    }
    let from: usize =
        range.map_or(0, |range| range.trim_start_matches("bytes=").trim_end_matches('-').parse().unwrap());
    let mut response = answer(200, body[from..].to_vec());
    let length = (body.len() - from).to_string();
    for (name, value) in
        [("content-length", length), ("etag", format!("\"{tag}\"")), ("last-modified", MODIFIED.into())]
    {
        response.headers_mut().insert(name, value);
    }
    response
}

fn listing(objects: &Objects, input: &ListObjectsV2Input) -> String {
    let (bucket, prefix) = (own(input.bucket()), own(input.prefix()));
    let keys = objects.keys().filter(|(own, key)| *own == bucket && key.starts_with(&prefix));
    let entries: String = keys.map(|(_, key)| format!("<Contents><Key>{key}</Key></Contents>")).collect();
    format!("<ListBucketResult><IsTruncated>false</IsTruncated>{entries}</ListBucketResult>")
}

fn s3_client(world: &Arc<Mutex<World>>) -> aws_sdk_s3::Client {
    use aws_sdk_s3::Client;
    let of = || Arc::clone(world);
    let all = of();
    let gets = mock!(Client::get_object).then_compute_response(move |input: &GetObjectInput| {
        let place = (own(input.bucket()), own(input.key()));
        MockResponse::Http(object(&all.lock().unwrap().objects, place, input.if_match(), input.range()))
    });
    let all = of();
    let heads = mock!(Client::head_object).then_compute_response(move |input: &HeadObjectInput| {
        let place = (own(input.bucket()), own(input.key()));
        MockResponse::Http(object(&all.lock().unwrap().objects, place, input.if_match(), None))
    });
    let all = of();
    let puts = mock!(Client::put_object).then_compute_response(move |input: &PutObjectInput| {
        let place = (own(input.bucket()), own(input.key()));
        let objects = &mut all.lock().unwrap().objects;
        if input.if_none_match().is_some() && objects.contains_key(&place) {
            return MockResponse::Http(answer(412, "<Error><Code>PreconditionFailed</Code></Error>"));
        }
        objects.insert(place, input.body().bytes().unwrap().to_vec());
        MockResponse::Http(answer(200, ""))
    });
    let all = of();
    let lists = mock!(Client::list_objects_v2).then_compute_response(move |input: &ListObjectsV2Input| {
        MockResponse::Http(answer(200, listing(&all.lock().unwrap().objects, input)))
    });
    let all = of();
    let deletes = mock!(Client::delete_objects).then_compute_response(move |input: &DeleteObjectsInput| {
        for key in input.delete().unwrap().objects() {
            all.lock().unwrap().objects.remove(&(own(input.bucket()), key.key().to_owned()));
        }
        MockResponse::Http(answer(200, "<DeleteResult></DeleteResult>"))
    });
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&gets, &heads, &puts, &lists, &deletes], |config| config
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled()))
}

fn sqs_client(world: &Arc<Mutex<World>>) -> aws_sdk_sqs::Client {
    let all = Arc::clone(world);
    let sends = mock!(aws_sdk_sqs::Client::send_message_batch).then_compute_response(
        move |input: &SendMessageBatchInput| {
            let bodies = input.entries().iter().map(|entry| entry.message_body().to_owned());
            all.lock().unwrap().tasks.extend(bodies);
            let taken = |id: &str| {
                SendMessageBatchResultEntry::builder().id(id).message_id("m").md5_of_message_body("0")
            };
            let taken = input.entries().iter().map(|entry| taken(entry.id()).build().unwrap()).collect();
            let output =
                SendMessageBatchOutput::builder().set_successful(Some(taken)).set_failed(Some(Vec::new()));
            MockResponse::<_, SendMessageBatchError>::Output(output.build().unwrap())
        },
    );
    mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&sends])
}

fn kinesis_client(world: &Arc<Mutex<World>>) -> aws_sdk_kinesis::Client {
    let all = Arc::clone(world);
    let puts =
        mock!(aws_sdk_kinesis::Client::put_records).then_compute_response(move |input: &PutRecordsInput| {
            assert_eq!(input.stream_name(), Some("customers-stream"));
            let world = &mut all.lock().unwrap();
            if let Some(code) = world.refuses {
                let body = json!({"__type": code, "message": "no"}).to_string();
                return MockResponse::Http(answer(400, body));
            }
            let text = |record: &aws_sdk_kinesis::types::PutRecordsRequestEntry| {
                let data = String::from_utf8(record.data().as_ref().to_vec()).unwrap();
                (own(record.partition_key()), data)
            };
            world.records.extend(input.records().iter().map(text));
            let taken = PutRecordsResultEntry::builder().sequence_number("1").shard_id("s").build();
            let output = PutRecordsOutput::builder().set_records(Some(vec![taken; input.records().len()]));
            MockResponse::<_, PutRecordsError>::Output(output.failed_record_count(0).build().unwrap())
        });
    let limits = mock!(aws_sdk_kinesis::Client::describe_stream_summary)
        .then_http_response(|| answer(400, r#"{"__type":"AccessDeniedException","message":"no"}"#));
    mock_client!(aws_sdk_kinesis, RuleMode::MatchAny, [&puts, &limits], |config| config
        .retry_config(aws_sdk_kinesis::config::retry::RetryConfig::disabled()))
}

impl Function {
    /// With one object in the landing bucket.
    pub fn of(body: &str) -> Self {
        Self::with(&contract(STREAM), body)
    }

    pub fn with(contract: &str, body: &str) -> Self {
        let set = ContractSet::parse([("t.odcs.yaml", contract)]).unwrap();
        let env = |name: &str| {
            let value = match name {
                "LANDING_BUCKET" => LANDING,
                "WORK_BUCKET" => "work",
                "QUARANTINE_BUCKET" => "quarantine",
                "STREAM_QUEUE_URL" => "https://sqs.us-east-1.amazonaws.com/123456789012/objects",
                "STREAM_NAME" => "customers-stream",
                "SPLIT_BYTES" => "65536",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let config = Config::with_contracts(&set, &env).unwrap();
        let world = Arc::new(Mutex::new(World::default()));
        let app = App::with_clients(config, s3_client(&world), sqs_client(&world), kinesis_client(&world));
        let function = Self { app, world };
        function.put(body);
        function
    }

    /// Puts the object, over the one that is there.
    pub fn put(&self, body: &str) {
        let place = (LANDING.to_owned(), KEY.to_owned());
        self.world.lock().unwrap().objects.insert(place, body.as_bytes().to_vec());
    }

    /// Delivers messages in one batch; the ids of those that were given back.
    pub async fn deliver(&self, bodies: impl IntoIterator<Item = String>) -> Vec<String> {
        let answer = self.invoke(batch(bodies)).await.unwrap();
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    pub async fn invoke(&self, event: Value) -> Result<SqsBatchResponse, Error> {
        self.app.handle(event, Invocation::lasting(None)).await
    }

    /// What the function has sent to itself since the last time.
    pub fn take_tasks(&self) -> Vec<String> {
        std::mem::take(&mut self.world.lock().unwrap().tasks)
    }

    /// The rows that the stream has, in its order.
    pub fn rows(&self) -> Vec<Value> {
        let world = self.world.lock().unwrap();
        let lines = world.records.iter().flat_map(|(_, data)| data.lines());
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Keys of a bucket, with their bodies.
    pub fn objects(&self, bucket: &str) -> Vec<(String, Vec<u8>)> {
        let world = self.world.lock().unwrap();
        let own = world.objects.iter().filter(|((own, _), _)| own == bucket);
        own.map(|((_, key), body)| (key.clone(), body.clone())).collect()
    }

    /// The one receipt, beside which nothing may be kept.
    pub fn receipt(&self) -> Value {
        let [(key, body)] = &self.objects("work")[..] else { panic!("{:?}", self.objects("work")) };
        assert!(key.starts_with("receipts/t/"), "{key}");
        serde_json::from_slice(body).unwrap()
    }

    /// Rules of all quarantined lines, sorted.
    pub fn rules(&self) -> Vec<String> {
        let mut rules = Vec::new();
        for (_, body) in self.objects("quarantine") {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            rules.extend(lines.map(|line| line["rules"][0]["rule"].as_str().unwrap().to_owned()));
        }
        rules.sort();
        rules
    }
}

/// S3's event of an object, as it is now or as it was with another content.
pub fn event(bucket: &str, key: &str, content: &str) -> Value {
    let object = json!({"key": key, "size": content.len(), "eTag": etag(content.as_bytes())});
    json!({"Records": [{
        "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket}, "object": object},
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

/// So many records, one a line.
pub fn lines(count: usize) -> String {
    (0..count).map(|n| format!("{}\n", json!({"id": format!("c-{n}"), "n": n}))).collect()
}
