//! The event files in `events/`, aimed at the objects of a test.
//!
//! The files are complete events: their placeholders are values that a real event could carry. Events inside
//! events (SQS bodies, SNS messages are JSON in a string) are rewritten like the outer ones.

use std::borrow::Cow;
use std::path::PathBuf;

use anyhow::Context;
use serde_json::{Map, Value};

use crate::paths::workspace_root;

/// The bucket that every file names.
const BUCKET: &str = "penstock-landing";

/// An event file, loaded and to be adapted.
#[derive(Debug, Clone, PartialEq)]
pub struct EventFile {
    event: Value,
}

impl EventFile {
    /// The files of `events/`, sorted.
    pub fn all() -> anyhow::Result<Vec<PathBuf>> {
        let dir = workspace_root().join("events");
        let entries = std::fs::read_dir(&dir).with_context(|| format!("reading {}", dir.display()))?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
        let is_json = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        let mut paths: Vec<_> = paths.into_iter().filter(is_json).collect();
        paths.sort();
        Ok(paths)
    }

    /// Loads `events/<name>`.
    pub fn load(name: &str) -> anyhow::Result<Self> {
        let path = workspace_root().join("events").join(name);
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let event = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", path.display()))?;
        Ok(Self { event })
    }

    /// Names another bucket, ARNs included.
    #[must_use]
    pub fn in_bucket(mut self, bucket: &str) -> Self {
        for_each_text(&mut self.event, &mut |text| {
            if text.contains(BUCKET) {
                *text = text.replace(BUCKET, bucket);
            }
        });
        self
    }

    /// Gives every record another key; `key` is decoded, and form-encoded where the envelope asks for it.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        for_each_object(&mut self.event, &mut |object| object.set_key(key));
        self
    }

    /// Gives the records of `key` (decoded) this size and ETag, as the put answered it.
    #[must_use]
    pub fn with_object(mut self, key: &str, size: usize, etag: &str) -> Self {
        for_each_object(&mut self.event, &mut |object| {
            if object.key() == key {
                object.fields.insert("size".to_owned(), size.into());
                object.fields.insert(object.envelope.etag_name().to_owned(), etag.into());
            }
        });
        self
    }

    /// The keys that it names, decoded, in order, repeated where it repeats them.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let mut keys = Vec::new();
        for_each_object(&mut self.event.clone(), &mut |object| keys.push(object.key()));
        keys
    }

    /// The event as a function gets it.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.event
    }
}

#[derive(Clone, Copy)]
enum Envelope {
    Notification,
    EventBridge,
}

impl Envelope {
    fn etag_name(self) -> &'static str {
        match self {
            Self::Notification => "eTag",
            Self::EventBridge => "etag",
        }
    }
}

/// The `object` of one S3 record.
struct S3Object<'a> {
    envelope: Envelope,
    fields: &'a mut Map<String, Value>,
}

impl S3Object<'_> {
    fn key(&self) -> String {
        let key = self.fields.get("key").and_then(Value::as_str).unwrap_or_default();
        match self.envelope {
            Envelope::EventBridge => key.to_owned(),
            Envelope::Notification => {
                // A key may hold '=' and '&' only encoded, so the whole of it parses as one name.
                let name = form_urlencoded::parse(key.as_bytes()).next().map(|(name, _)| name);
                name.unwrap_or(Cow::Borrowed(key)).into_owned()
            }
        }
    }

    fn set_key(&mut self, key: &str) {
        let key = match self.envelope {
            Envelope::EventBridge => key.to_owned(),
            // S3 leaves the slashes of a notification's key as they are.
            Envelope::Notification => {
                form_urlencoded::byte_serialize(key.as_bytes()).map(|part| part.replace("%2F", "/")).collect()
            }
        };
        self.fields.insert("key".to_owned(), key.into());
    }
}

/// Visits every string, and inside those that hold JSON every string of it.
fn for_each_text(value: &mut Value, visit: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => match embedded(text) {
            Some(mut inner) => {
                for_each_text(&mut inner, visit);
                *text = inner.to_string();
            }
            None => visit(text),
        },
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_text(item, visit)),
        Value::Object(fields) => fields.values_mut().for_each(|field| for_each_text(field, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Visits every S3 object that the event names, in order.
fn for_each_object(value: &mut Value, visit: &mut impl FnMut(&mut S3Object<'_>)) {
    match value {
        Value::String(text) => {
            if let Some(mut inner) = embedded(text) {
                for_each_object(&mut inner, visit);
                *text = inner.to_string();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| for_each_object(item, visit)),
        Value::Object(fields) => {
            let is_notification = fields.contains_key("s3SchemaVersion");
            let envelope = if is_notification { Envelope::Notification } else { Envelope::EventBridge };
            if fields.contains_key("bucket")
                && let Some(Value::Object(fields)) = fields.get_mut("object")
            {
                visit(&mut S3Object { envelope, fields });
                return;
            }
            fields.values_mut().for_each(|field| for_each_object(field, visit));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn embedded(text: &str) -> Option<Value> {
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn notification(key: &str) -> Value {
        let bucket = json!({ "name": BUCKET, "arn": format!("arn:aws:s3:::{BUCKET}") });
        let object = json!({ "key": key, "size": 1, "eTag": "e" });
        json!({ "Records": [{ "s3": { "s3SchemaVersion": "1.0", "bucket": bucket, "object": object } }] })
    }

    #[test]
    fn an_event_in_an_sns_message_in_an_sqs_body_is_rewritten_too() {
        let message = json!({ "Type": "Notification", "Message": notification("a+b").to_string() });
        let event = json!({ "Records": [{ "body": message.to_string() }] });
        let event = EventFile { event }.in_bucket("mine").with_object("a b", 7, "f");
        let body: Value = serde_json::from_str(event.json()["Records"][0]["body"].as_str().unwrap()).unwrap();
        let inner: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
        let s3 = &inner["Records"][0]["s3"];
        assert_eq!(s3["bucket"], json!({ "name": "mine", "arn": "arn:aws:s3:::mine" }));
        assert_eq!(s3["object"], json!({ "key": "a+b", "size": 7, "eTag": "f" }));
    }

    #[test]
    fn a_key_is_form_encoded_in_a_notification_and_verbatim_on_the_event_bus() {
        let key = "queue/a b+c%=&ü.json";
        let bus = json!({ "detail": { "bucket": { "name": BUCKET }, "object": { "key": "k" } } });
        let bus = EventFile { event: bus }.with_key(key);
        assert_eq!(bus.json()["detail"]["object"]["key"], key);
        let s3 = EventFile { event: notification("k") }.with_key(key);
        assert_eq!(s3.json()["Records"][0]["s3"]["object"]["key"], "queue/a+b%2Bc%25%3D%26%C3%BC.json");
        assert_eq!([bus.keys(), s3.keys()], [[key], [key]]);
    }

    #[test]
    fn another_objects_size_stays() {
        let event = EventFile { event: notification("k") };
        assert_eq!(event.clone().with_object("other", 7, "f"), event);
    }
}
