//! Which S3 objects an event speaks of, from every envelope that S3 events come in: bare notification, SNS,
//! EventBridge, and each of them as the text of an SQS body. Makes no call and decides nothing about the objects.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::row::time::ms_of_instant;

/// One version of one S3 key, as an event names it. The key is decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectRef {
    /// Bucket name.
    pub bucket: String,
    /// Decoded key.
    pub key: String,
    /// Size in bytes, where the event has it.
    pub size: Option<u64>,
    /// ETag without quotes, where the event has it.
    pub etag: Option<String>,
}

impl ObjectRef {
    /// `s3://bucket/key`.
    pub fn uri(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// Which writing of an object an event speaks of, as far as it says it. A redelivery says the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Put {
    /// S3's own number of it, the same in all envelopes.
    pub sequencer: Option<String>,
    /// When it was, in ms since 1970.
    pub at_ms: Option<u64>,
}

/// What an event speaks of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectEvents {
    /// Objects that were created, in the event's order.
    pub created: Vec<ObjectRef>,
    /// The put of each of them, in the same order.
    pub puts: Vec<Put>,
    /// Records that are nothing to load: folder markers, removals, S3's test event.
    pub skipped: usize,
}

/// An event that is not one of S3's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventError {
    path: String,
    reason: &'static str,
}

impl fmt::Display for EventError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

impl std::error::Error for EventError {}

fn fail(path: &str, reason: &'static str) -> EventError {
    EventError { path: path.to_owned(), reason }
}

/// Envelopes may hold each other: SQS body → SNS message → S3 event. Deeper than this is not ours.
const MAX_ENVELOPES: usize = 4;

/// Reads an SQS body or SNS message.
pub fn events_in_text(text: &str) -> Result<ObjectEvents, EventError> {
    let event: Value = serde_json::from_str(text).map_err(|_| fail("", "is not JSON"))?;
    events_in(&event)
}

/// Reads an event as Lambda gets it, unless it is an SQS batch (whose bodies `events_in_text` takes).
pub fn events_in(event: &Value) -> Result<ObjectEvents, EventError> {
    let mut found = ObjectEvents::default();
    walk(event, MAX_ENVELOPES, &mut found)?;
    Ok(found)
}

fn walk(event: &Value, envelopes: usize, found: &mut ObjectEvents) -> Result<(), EventError> {
    if envelopes == 0 {
        return Err(fail("", "has too many envelopes"));
    }
    if event.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        found.skipped += 1;
        return Ok(());
    }
    if event.get("detail-type").is_some() {
        return event_bridge(event, found);
    }
    // SNS as it stands in an SQS body.
    if let (Some("Notification"), Some(message)) = (text_at(event, "Type"), text_at(event, "Message")) {
        return walk_text(message, envelopes, found);
    }
    let Some(records) = event.get("Records").and_then(Value::as_array) else {
        return Err(fail("", "is no S3 event: neither Records nor detail-type"));
    };
    for (i, record) in records.iter().enumerate() {
        let sns = record.pointer("/Sns/Message").and_then(Value::as_str);
        match sns {
            Some(message) => walk_text(message, envelopes, found)?,
            None => notification(record, &format!("Records[{i}]"), found)?,
        }
    }
    Ok(())
}

fn walk_text(text: &str, envelopes: usize, found: &mut ObjectEvents) -> Result<(), EventError> {
    let inner: Value = serde_json::from_str(text).map_err(|_| fail("Message", "is not JSON"))?;
    walk(&inner, envelopes - 1, found)
}

fn text_at<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn notification(record: &Value, path: &str, found: &mut ObjectEvents) -> Result<(), EventError> {
    if text_at(record, "eventSource") != Some("aws:s3") {
        return Err(fail(path, "is not from aws:s3"));
    }
    let name = text_at(record, "eventName").ok_or_else(|| fail(path, "has no eventName"))?;
    // S3 writes both ObjectCreated:Put and s3:ObjectCreated:Put.
    if !name.trim_start_matches("s3:").starts_with("ObjectCreated:") {
        found.skipped += 1;
        return Ok(());
    }
    let bucket = record.pointer("/s3/bucket/name").and_then(Value::as_str);
    let object = record.pointer("/s3/object").ok_or_else(|| fail(path, "has no s3.object"))?;
    let key = text_at(object, "key").ok_or_else(|| fail(path, "has no s3.object.key"))?;
    // Keys are form-encoded in notifications: '+' is a space.
    let spaced = key.replace('+', " ");
    let key = percent_decode_str(&spaced)
        .decode_utf8()
        .map_err(|_| fail(path, "s3.object.key is not UTF-8"))?
        .into_owned();
    let told = Told { etag: text_at(object, "eTag"), time: text_at(record, "eventTime") };
    add(bucket, key, object, told, path, found)
}

fn event_bridge(event: &Value, found: &mut ObjectEvents) -> Result<(), EventError> {
    if text_at(event, "source") != Some("aws.s3") {
        return Err(fail("source", "is not aws.s3"));
    }
    if text_at(event, "detail-type") != Some("Object Created") {
        found.skipped += 1;
        return Ok(());
    }
    let bucket = event.pointer("/detail/bucket/name").and_then(Value::as_str);
    let object = event.pointer("/detail/object").ok_or_else(|| fail("detail", "has no object"))?;
    // Keys are verbatim in EventBridge events.
    let key = text_at(object, "key").ok_or_else(|| fail("detail.object", "has no key"))?.to_owned();
    let told = Told { etag: text_at(object, "etag"), time: text_at(event, "time") };
    add(bucket, key, object, told, "detail", found)
}

/// What the envelopes name otherwise.
struct Told<'a> {
    etag: Option<&'a str>,
    time: Option<&'a str>,
}

fn add(
    bucket: Option<&str>,
    key: String,
    object: &Value,
    told: Told<'_>,
    path: &str,
    found: &mut ObjectEvents,
) -> Result<(), EventError> {
    let bucket = bucket.filter(|name| !name.is_empty()).ok_or_else(|| fail(path, "names no bucket"))?;
    if key.is_empty() {
        return Err(fail(path, "names no key"));
    }
    let size = object.get("size").and_then(Value::as_u64);
    // What the console shows as a folder is an empty object whose key ends in a slash.
    if key.ends_with('/') && size.unwrap_or(0) == 0 {
        found.skipped += 1;
        return Ok(());
    }
    let etag = told.etag.map(|etag| etag.trim_matches('"').to_owned()).filter(|etag| !etag.is_empty());
    let sequencer = text_at(object, "sequencer").filter(|own| !own.is_empty()).map(str::to_owned);
    found.puts.push(Put { sequencer, at_ms: told.time.and_then(ms_of_instant) });
    found.created.push(ObjectRef { bucket: bucket.to_owned(), key, size, etag });
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn put(key: &str, size: u64) -> Value {
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
               "s3": {"bucket": {"name": "b"}, "object": {"key": key, "size": size, "eTag": "\"e\""}}})
    }

    fn keys(event: &Value) -> Vec<String> {
        events_in(event).unwrap().created.into_iter().map(|object| object.key).collect()
    }

    #[test]
    fn keys_are_form_decoded_in_notifications_and_verbatim_in_eventbridge() {
        let event = json!({"Records": [put("a+b%2Bc%25/%C3%A9%26%3D.json", 1)]});
        assert_eq!(keys(&event), ["a b+c%/é&=.json"]);
        let event = json!({"source": "aws.s3", "detail-type": "Object Created",
            "detail": {"bucket": {"name": "b"}, "object": {"key": "a+b%20c", "size": 3, "etag": "e"}}});
        assert_eq!(keys(&event), ["a+b%20c"]);
    }

    #[test]
    fn every_envelope_gives_the_same_object() {
        let bare = json!({"Records": [put("k", 1)]});
        let in_sqs = json!({"Type": "Notification", "Message": bare.to_string()});
        let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": bare.to_string()}}]});
        for event in [&bare, &in_sqs, &sns] {
            assert_eq!(keys(event), ["k"]);
        }
        assert_eq!(events_in_text(&in_sqs.to_string()).unwrap().created[0].etag.as_deref(), Some("e"));
    }

    #[test]
    fn folders_removals_and_test_events_are_skipped() {
        let removed = json!({"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete", "s3": {}});
        let event = json!({"Records": [put("folder/", 0), removed, put("k", 0)]});
        let found = events_in(&event).unwrap();
        assert_eq!((found.created.len(), found.skipped), (1, 2));
        let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"});
        assert_eq!(events_in(&test).unwrap(), ObjectEvents { skipped: 1, ..ObjectEvents::default() });
    }

    #[test]
    fn a_put_is_what_the_record_of_its_object_says() {
        let record = |key: &str, sequencer: &str, time: &str| {
            let mut record = put(key, 1);
            record["eventTime"] = time.into();
            record["s3"]["object"]["sequencer"] = sequencer.into();
            record
        };
        let own = |sequencer: Option<&str>, at_ms| Put { sequencer: sequencer.map(str::to_owned), at_ms };
        let mut event = json!({"Records": [
            record("a", "0A", "2026-03-01T00:00:01.250Z"),
            record("folder/", "0B", "2026-03-01T00:00:00Z"),
            record("b", "", "2026-03-01T01:00:00+01:00"),
            record("c", "0C", "yesterday"),
            put("d", 1),
        ]});
        event["Records"][1]["s3"]["object"]["size"] = 0.into();
        let expected = [
            own(Some("0A"), Some(1_772_323_201_250)),
            own(None, Some(1_772_323_200_000)),
            own(Some("0C"), None),
            own(None, None),
        ];
        assert_eq!(events_in(&event).unwrap().puts, expected);
        let event = json!({"source": "aws.s3", "detail-type": "Object Created", "time": "2026-03-01T00:00:00Z",
            "detail": {"bucket": {"name": "b"}, "object": {"key": "k", "sequencer": "0A"}}});
        assert_eq!(events_in(&event).unwrap().puts, [own(Some("0A"), Some(1_772_323_200_000))]);
    }

    #[test]
    fn what_is_not_ours_is_an_error() {
        for event in [
            json!({}),
            json!([]),
            json!("x"),
            json!({"Records": [{"eventSource": "aws:sqs"}]}),
            json!({"Records": [put("%ff", 1)]}),
            json!({"detail-type": "x", "source": "aws.ec2"}),
        ] {
            assert!(events_in(&event).is_err(), "{event}");
        }
        let mut nested = json!({"Records": []}).to_string();
        for _ in 0..10 {
            nested = json!({"Type": "Notification", "Message": nested}).to_string();
        }
        assert!(events_in_text(&nested).is_err());
    }
}
