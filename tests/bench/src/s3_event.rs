//! S3's events of objects of the cloud, as an SQS batch brings them. Knows no function.

use axum::body::Bytes;
use serde_json::{Value, json};

use crate::cloud::etag;

/// An SQS batch of S3's events of these objects (key, size), a message each.
pub fn event<'a>(bucket: &str, objects: impl Iterator<Item = (&'a str, u64)>) -> Bytes {
    let message = |(number, (key, size)): (usize, (&str, u64))| {
        let etag = etag(&format!("{bucket}/{key}"));
        let object = json!({"key": key, "size": size, "eTag": etag.trim_matches('"'), "sequencer": "0066A5B1C2D3E4F501"});
        let bucket = json!({"name": bucket, "arn": format!("arn:aws:s3:::{bucket}")});
        let body = json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-central-1",
            "eventTime": "2026-03-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
            "s3": {"s3SchemaVersion": "1.0", "configurationId": "penstock", "bucket": bucket, "object": object}}]});
        json!({"messageId": format!("00000000-0000-4000-8000-{number:012}"), "receiptHandle": format!("handle {number}"),
            "body": body.to_string(), "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772323200000"},
            "messageAttributes": {}, "eventSource": "aws:sqs", "awsRegion": "eu-central-1",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:copy"})
    };
    let records: Vec<Value> = objects.enumerate().map(message).collect();
    json!({ "Records": records }).to_string().into()
}
