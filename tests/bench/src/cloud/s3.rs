//! The S3 of the cloud, as far as the functions ask for it: objects by path-style URLs, uploads in parts, lists of one
//! page, ranges. Keys are plain ASCII.

use std::collections::BTreeMap;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{Call, File};

const MODIFIED: &str = "Sun, 01 Mar 2026 00:00:00 GMT";
/// Texts are read again, rows are not: of those only the size is kept.
const MAX_KEPT_BYTES: usize = 1 << 20;

/// Answers a request.
pub fn answer(call: &Call, range: Option<&str>, body: Bytes, files: &mut BTreeMap<String, File>) -> Response {
    let found = files.get(&call.subject);
    match (call.method.as_str(), found) {
        ("GET", _) if call.query.contains("list-type=2") => list(call, files),
        ("POST", _) if call.query.starts_with("uploads") => {
            xml("<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
                .to_owned())
        }
        // Its parts are rows: that it is there is all that is kept.
        ("POST", _) if call.query.contains("uploadId=") => {
            files.insert(call.subject.clone(), File::of_size(0));
            xml("<CompleteMultipartUploadResult></CompleteMultipartUploadResult>".to_owned())
        }
        ("POST", _) => delete(call, files),
        ("PUT", _) if call.query.contains("partNumber=") => {
            ([("etag", etag(&call.query))], ()).into_response()
        }
        ("PUT", Some(_)) if call.only_new => StatusCode::PRECONDITION_FAILED.into_response(),
        ("PUT", _) => {
            let file = match body.len() <= MAX_KEPT_BYTES {
                true => File::of(body),
                false => File::of_size(body.len() as u64),
            };
            files.insert(call.subject.clone(), file);
            ([("etag", etag(&call.subject))], ()).into_response()
        }
        ("HEAD" | "GET", Some(file)) => object(call, file, range),
        ("HEAD", None) => StatusCode::NOT_FOUND.into_response(),
        _ => (StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>").into_response(),
    }
}

/// The same for the same key: nothing is ever replaced here.
pub fn etag(subject: &str) -> String {
    format!("\"{:032x}\"", subject.bytes().fold(7_u128, |sum, byte| sum.wrapping_mul(31) + u128::from(byte)))
}

fn object(call: &Call, file: &File, range: Option<&str>) -> Response {
    let ends = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (from, to) = match ends {
        Some((from, to)) => (
            from.parse().unwrap_or(0),
            to.parse::<u64>().map_or(file.bytes, |last| (last + 1).min(file.bytes)),
        ),
        None => (0, file.bytes),
    };
    let status = if ends.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let headers = [
        ("etag", etag(&call.subject)),
        ("last-modified", MODIFIED.to_owned()),
        ("content-length", (to - from).to_string()),
        ("content-range", format!("bytes {from}-{}/{}", to.saturating_sub(1), file.bytes)),
    ];
    let body = if call.method == "HEAD" { Body::empty() } else { Body::from_stream(file.read(from, to)) };
    (status, headers, body).into_response()
}

fn list(call: &Call, files: &BTreeMap<String, File>) -> Response {
    let pairs = form_urlencoded::parse(call.query.as_bytes());
    let prefix = pairs.into_iter().find(|(name, _)| name == "prefix").map(|(_, value)| value);
    let bucket = call.subject.trim_end_matches('/');
    let from = format!("{bucket}/{}", prefix.unwrap_or_default());
    let own = files.range(from.clone()..).take_while(|(key, _)| key.starts_with(&from));
    let contents: String = own
        .filter_map(|(key, file)| {
            let key = key.strip_prefix(bucket)?.strip_prefix('/')?;
            Some(format!("<Contents><Key>{key}</Key><Size>{}</Size></Contents>", file.bytes))
        })
        .collect();
    xml(format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"))
}

fn delete(call: &Call, files: &mut BTreeMap<String, File>) -> Response {
    let bucket = call.subject.trim_end_matches('/');
    for key in keys(&call.text) {
        files.remove(&format!("{bucket}/{key}"));
    }
    xml("<DeleteResult></DeleteResult>".to_owned())
}

/// The keys that a DeleteObjects names.
pub fn keys(text: &str) -> impl Iterator<Item = &str> {
    text.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>").map(|(key, _)| key))
}

fn xml(text: String) -> Response {
    ([("content-type", "application/xml")], text).into_response()
}
