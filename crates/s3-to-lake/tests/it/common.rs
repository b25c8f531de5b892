//! A function with a faked S3: answers by script, and all requests on record as one line each.

use std::sync::{Arc, Mutex};

use aws_lambda_events::sqs::SqsBatchResponse;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use penstock_aws::Invocation;
use penstock_core::contract::ContractSet;
use s3_to_lake::{App, Config, Error};
use serde_json::{Value, json};

pub const MODIFIED: &str = "Fri, 02 Jan 2026 03:04:05 GMT";

/// Objects that are not looked into, and one dataset of each other kind.
pub const CONTRACTS: [(&str, &str, &str); 4] = [
    ("images", "format: binary", ""),
    ("papers", "format: csv", "{property: penstock.lakeFormat, value: as-is}"),
    ("rows", "format: json", "{property: penstock.lakeFormat, value: parquet}"),
    ("others", "format: json", ""),
];

fn contract((name, format, custom): (&str, &str, &str)) -> String {
    let columns = match name {
        "images" => "",
        _ => "\n    properties:\n      - {name: id, physicalType: bigint}",
    };
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {name}\nversion: 1.2.3\nstatus: active\nservers:\n  \
         - {{server: s, type: s3, location: 's3://${{LANDING_BUCKET}}/lake/{name}/**', {format}}}\nschema:\n  \
         - name: {name}\n    customProperties: [{custom}]{columns}\n"
    )
}

/// The variables of the function.
pub fn env(name: &str) -> Option<String> {
    let value = match name {
        "LANDING_BUCKET" => "landing",
        "STAGE_BUCKET" => "stage",
        "WORK_BUCKET" => "work",
        "QUARANTINE_BUCKET" => "quarantine",
        "LAKE_BUCKET" => "lake",
        "LAKE_QUEUE_URL" => "https://sqs.us-east-1.amazonaws.com/123456789012/lake",
        _ => return None,
    };
    Some(value.to_owned())
}

pub fn contracts() -> ContractSet {
    let texts = CONTRACTS.map(|own| (own.0, contract(own)));
    ContractSet::parse(texts.iter().map(|(name, text)| (*name, text.as_str()))).unwrap()
}

/// An answer with these headers and this body.
pub fn answer(status: u16, headers: &[(&'static str, String)], body: &str) -> HttpResponse {
    let mut answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_owned()));
    for (name, value) in headers {
        answer.headers_mut().insert(*name, value.clone());
    }
    answer
}

/// What HEAD says of an object.
pub fn there(bytes: u64, etag: &str, more: &[(&'static str, &str)]) -> HttpResponse {
    let mut headers = vec![
        ("content-length", bytes.to_string()),
        ("etag", format!("\"{etag}\"")),
        ("last-modified", MODIFIED.to_owned()),
    ];
    headers.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    answer(200, &headers, "")
}

/// A refusal of S3.
pub fn refusal(status: u16, code: &str) -> HttpResponse {
    answer(status, &[], &format!("<Error><Code>{code}</Code><Message>m</Message></Error>"))
}

type Answers = dyn Fn(&str, usize) -> HttpResponse + Send + Sync;

/// All requests, in order.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    /// Notes a request, and gives the number (from 0) that it has among those that begin with the same word.
    fn note(&self, line: &str) -> usize {
        let mut lines = self.0.lock().unwrap();
        let verb = line.split(' ').next();
        let number = lines.iter().filter(|own| own.split(' ').next() == verb).count();
        lines.push(line.to_owned());
        number
    }

    /// Requests whose line begins so.
    pub fn of(&self, verb: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let own = lines.iter().filter_map(|line| line.strip_prefix(verb)?.strip_prefix(' '));
        own.map(str::to_owned).collect()
    }
}

macro_rules! rule {
    ($seen:expr, $answers:expr, $operation:ident, $line:expr) => {{
        let (seen, answers) = ($seen.clone(), Arc::clone($answers));
        mock!(aws_sdk_s3::Client::$operation).then_compute_response(move |input| {
            let line: String = $line(input);
            let number = seen.note(&line);
            MockResponse::Http(answers(&line, number))
        })
    }};
}

fn text(own: Option<&str>) -> &str {
    own.unwrap_or("-")
}

fn reads(seen: &Seen, answers: &Arc<Answers>) -> Vec<Rule> {
    use aws_sdk_s3::operation::get_object::GetObjectInput;
    use aws_sdk_s3::operation::get_object_tagging::GetObjectTaggingInput;
    use aws_sdk_s3::operation::head_object::HeadObjectInput;
    vec![
        rule!(seen, answers, head_object, |own: &HeadObjectInput| {
            format!("HEAD {}/{} {}", text(own.bucket()), text(own.key()), text(own.if_match()))
        }),
        rule!(seen, answers, get_object, |own: &GetObjectInput| {
            format!("GET {}/{}", text(own.bucket()), text(own.key()))
        }),
        rule!(seen, answers, get_object_tagging, |own: &GetObjectTaggingInput| {
            format!("TAGS {}/{}", text(own.bucket()), text(own.key()))
        }),
    ]
}

fn writes(seen: &Seen, answers: &Arc<Answers>) -> Vec<Rule> {
    use aws_sdk_s3::operation::copy_object::CopyObjectInput;
    use aws_sdk_s3::operation::put_object::PutObjectInput;
    vec![
        rule!(seen, answers, put_object, |own: &PutObjectInput| {
            format!("PUT {}/{}", text(own.bucket()), text(own.key()))
        }),
        rule!(seen, answers, copy_object, |own: &CopyObjectInput| {
            let (from, to) = (text(own.copy_source()), text(own.key()));
            let has_own = own.metadata_directive().is_some() || own.tagging_directive().is_some();
            assert!(!has_own, "metadata and tags come along where nothing else is said");
            format!("COPY {from} {}/{to} {}", text(own.bucket()), text(own.copy_source_if_match()))
        }),
    ]
}

/// Parts: their bytes, or ranges of another object.
fn parts(seen: &Seen, answers: &Arc<Answers>) -> Vec<Rule> {
    use aws_sdk_s3::operation::upload_part::UploadPartInput;
    use aws_sdk_s3::operation::upload_part_copy::UploadPartCopyInput;
    vec![
        rule!(seen, answers, upload_part, |own: &UploadPartInput| {
            format!("UPLOAD {} {}", own.part_number().unwrap_or_default(), text(own.upload_id()))
        }),
        rule!(seen, answers, upload_part_copy, |own: &UploadPartCopyInput| {
            let number = own.part_number().unwrap_or_default();
            let (from, if_match) = (text(own.copy_source()), text(own.copy_source_if_match()));
            format!("PART {number} {} {from} {if_match}", text(own.copy_source_range()))
        }),
    ]
}

fn uploads(seen: &Seen, answers: &Arc<Answers>) -> Vec<Rule> {
    use aws_sdk_s3::operation::abort_multipart_upload::AbortMultipartUploadInput;
    use aws_sdk_s3::operation::complete_multipart_upload::CompleteMultipartUploadInput;
    use aws_sdk_s3::operation::create_multipart_upload::CreateMultipartUploadInput;
    vec![
        rule!(seen, answers, create_multipart_upload, |own: &CreateMultipartUploadInput| {
            let mut metadata: Vec<String> =
                own.metadata().into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
            metadata.sort();
            let told = [
                own.content_type(),
                own.content_encoding(),
                own.content_disposition(),
                own.content_language(),
                own.cache_control(),
                own.tagging(),
            ];
            format!(
                "BEGIN {}/{} {} {metadata:?}",
                text(own.bucket()),
                text(own.key()),
                told.map(text).join("|")
            )
        }),
        rule!(seen, answers, complete_multipart_upload, |own: &CompleteMultipartUploadInput| {
            let parts = own.multipart_upload().map(|own| own.parts().to_vec()).unwrap_or_default();
            let parts: Vec<String> = parts
                .iter()
                .map(|own| format!("{}:{}", own.part_number().unwrap_or_default(), text(own.e_tag())))
                .collect();
            format!("COMPLETE {} {}", text(own.upload_id()), parts.join(","))
        }),
        rule!(seen, answers, abort_multipart_upload, |own: &AbortMultipartUploadInput| {
            format!("ABORT {}", text(own.upload_id()))
        }),
    ]
}

/// An S3 that answers so: it is given each request's line, and the line's number among its kind.
pub fn s3(
    answers: impl Fn(&str, usize) -> HttpResponse + Send + Sync + 'static,
) -> (aws_sdk_s3::Client, Seen) {
    let (seen, answers): (Seen, Arc<Answers>) = (Seen::default(), Arc::new(answers));
    let rules =
        [reads(&seen, &answers), writes(&seen, &answers), parts(&seen, &answers), uploads(&seen, &answers)]
            .concat();
    let client = mock_client!(aws_sdk_s3, RuleMode::MatchAny, rules.iter(), |config| config
        .retry_config(RetryConfig::disabled()));
    (client, seen)
}

/// The function with such an S3.
pub fn function(answers: impl Fn(&str, usize) -> HttpResponse + Send + Sync + 'static) -> (App, Seen) {
    let (s3, seen) = s3(answers);
    let sqs = mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [] as [&Rule; 0]);
    let config = Config::with_contracts(&contracts(), &env).unwrap();
    (App::with_clients(config, s3, sqs), seen)
}

/// Has the function take a bare event of one object.
pub async fn take(app: &App, bucket: &str, key: &str, etag: &str) -> Result<SqsBatchResponse, Error> {
    let invocation = Invocation::lasting(Some(std::time::Duration::from_secs(600)));
    app.handle(event(bucket, key, etag), invocation).await
}

/// As EventBridge tells of an object: its key stands there verbatim.
pub fn event(bucket: &str, key: &str, etag: &str) -> Value {
    json!({"source": "aws.s3", "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key, "size": 7, "etag": etag}}})
}
