//! Which queue S3 sends the events of a bucket's keys to: read from the bucket, so that a replayed file takes the very
//! way that it took when it came. And such an event's text. Sends nothing.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{Event, FilterRuleName, QueueConfiguration};
use penstock_aws::answered;
use penstock_core::object::ObjectRef;
use serde_json::json;

use crate::bucket::Listed;
use crate::clients::Clients;

/// The notifications of one bucket.
#[derive(Debug)]
pub struct Wiring {
    bucket: String,
    wires: Vec<Wire>,
    /// URLs by ARN, as far as they were asked for.
    urls: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Wire {
    prefix: String,
    suffix: String,
    arn: String,
}

impl Wire {
    fn of(own: &QueueConfiguration) -> Option<Self> {
        let is_created = |event: &Event| event.as_str().starts_with("s3:ObjectCreated:");
        let rules =
            own.filter().and_then(|filter| filter.key()).map(|key| key.filter_rules()).unwrap_or_default();
        let value = |name: FilterRuleName| {
            let is_named = |own: &FilterRuleName| own.as_str().eq_ignore_ascii_case(name.as_str());
            let rule = rules.iter().find(|rule| rule.name().is_some_and(is_named));
            rule.and_then(|rule| rule.value()).unwrap_or_default().to_owned()
        };
        own.events().iter().any(is_created).then(|| Self {
            prefix: value(FilterRuleName::Prefix),
            suffix: value(FilterRuleName::Suffix),
            arn: own.queue_arn().to_owned(),
        })
    }
}

impl Wiring {
    /// Asks a bucket.
    pub async fn of(clients: &Clients, bucket: &str) -> Result<Self, String> {
        let request = clients.s3.get_bucket_notification_configuration().bucket(bucket);
        let answer = request.send().await;
        let answer =
            answer.map_err(|error| format!("notifications of s3://{bucket}: {}", answered(&error)))?;
        let wires = answer.queue_configurations().iter().filter_map(Wire::of).collect();
        Ok(Self { bucket: bucket.to_owned(), wires, urls: BTreeMap::new() })
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// `s3://bucket/key`.
    pub fn uri(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// An object of a listing, pinned to its content.
    pub fn object(&self, listed: &Listed) -> ObjectRef {
        let Listed { key, bytes, etag, .. } = listed;
        ObjectRef { bucket: self.bucket.clone(), key: key.clone(), size: Some(*bytes), etag: etag.clone() }
    }

    /// URL of the queue that gets a key's events; none if no queue does.
    pub async fn url(&mut self, clients: &Clients, key: &str) -> Result<Option<String>, String> {
        let is_of = |own: &&Wire| key.starts_with(&own.prefix) && key.ends_with(&own.suffix);
        let Some(Wire { arn, .. }) = self.wires.iter().find(is_of) else { return Ok(None) };
        if let Some(url) = self.urls.get(arn) {
            return Ok(Some(url.clone()));
        }
        let mut parts = arn.rsplit(':');
        let (name, account) = (parts.next(), parts.next());
        let request = clients.sqs.get_queue_url().set_queue_name(name.map(str::to_owned));
        let answer = request.set_queue_owner_aws_account_id(account.map(str::to_owned)).send().await;
        let answer = answer.map_err(|error| format!("queue {arn}: {}", answered(&error)))?;
        let url = answer.queue_url().unwrap_or_default().to_owned();
        self.urls.insert(arn.clone(), url.clone());
        Ok(Some(url))
    }

    /// The event of an object, as S3 writes it.
    pub fn event(&self, object: &Listed) -> String {
        let mut own = json!({"key": form_encoded(&object.key), "size": object.bytes});
        if let (Some(etag), Some(own)) = (&object.etag, own.as_object_mut()) {
            own.insert("eTag".to_owned(), etag.clone().into());
        }
        json!({"Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": self.bucket}, "object": own},
        }]})
        .to_string()
    }
}

/// Keys are form-encoded in notifications.
fn form_encoded(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'/' | b'-' | b'_' | b'.' | b'*' => out.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use penstock_core::object::events_in_text;

    use super::*;

    #[test]
    fn an_event_reads_back_as_its_object() {
        let wiring = Wiring { bucket: "b".into(), wires: Vec::new(), urls: BTreeMap::new() };
        for key in ["copy/a.csv", "copy/ü +%&=*~'\".csv", "copy/a b/\u{1f600}.json.gz"] {
            let listed = Listed { key: key.into(), modified: None, bytes: 7, etag: Some("e".into()) };
            let events = events_in_text(&wiring.event(&listed)).unwrap();
            let [own] = events.created.as_slice() else { panic!("{events:?}") };
            assert_eq!((own.bucket.as_str(), own.key.as_str()), ("b", key));
            assert_eq!((own.size, own.etag.as_deref()), (Some(7), Some("e")));
        }
    }
}
