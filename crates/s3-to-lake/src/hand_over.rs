//! Handing an object to the dataset's Glue job: its event, to the queue of what starts jobs. Whoever gets it twice starts
//! one job, so it may be sent twice.

use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use penstock_aws::fetch::Identified;
use penstock_aws::tasks::send_tasks;
use penstock_core::object::ObjectRef;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::App;
use crate::error::Error;

/// What stands in a key as it is where the key is part of a header or an event.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A key as events and copy sources spell it.
pub fn encoded(key: &str) -> String {
    utf8_percent_encode(key, KEPT).to_string()
}

impl App {
    /// Sends the object's event on; `Ok` only when the queue has it.
    pub async fn hand_over(
        &self,
        queue_url: &str,
        object: &ObjectRef,
        identity: &Identified,
    ) -> Result<(), Error> {
        let body = event(object, identity);
        let sent = send_tasks(&self.sqs, queue_url, &[body]).await;
        sent.map_err(|source| Error::HandOver { uri: object.uri(), source })
    }
}

/// The event as S3 would send it.
fn event(object: &ObjectRef, identity: &Identified) -> String {
    let time = DateTime::from_millis(i64::try_from(identity.modified_ms).unwrap_or(0));
    let time = time.fmt(DateTimeFormat::DateTime).unwrap_or_default();
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "eventTime": time,
        "s3": {
            "bucket": {"name": object.bucket},
            "object": {"key": encoded(&object.key), "size": identity.bytes, "eTag": identity.etag},
        },
    }]})
    .to_string()
}

#[cfg(test)]
mod tests {
    use penstock_core::ident;
    use penstock_core::object::events_in_text;

    use super::*;

    #[test]
    fn the_event_tells_the_object_as_s3_does() {
        let object = ObjectRef {
            bucket: "landing".into(),
            key: "lake/a b+ä%/=&?#.csv".into(),
            size: Some(7),
            etag: Some("e1".into()),
        };
        let (object_id, etag) = (ident::stable_id(["o"]), object.etag.clone());
        let identity = Identified { object_id, bytes: 7, modified_ms: 1_767_322_800_250, etag };
        let text = event(&object, &identity);
        assert_eq!(events_in_text(&text).unwrap().created, [object]);
        assert!(text.contains("\"eventTime\":\"2026-01-02T03:00:00.25Z\""), "{text}");
    }
}
