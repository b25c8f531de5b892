//! What a message tells: objects, in any of S3's envelopes, or that a schedule's time has come. Knows no contract and no
//! claim.

use penstock_core::object::{ObjectEvents, ObjectRef, Put, events_in};
use penstock_core::row::ms_of_instant;
use serde::Deserialize;
use serde_json::Value;

/// Who sends schedules.
const SCHEDULE: &str = "penstock.schedule";

/// What a message tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// Objects were created.
    Objects(Vec<Created>),
    /// A schedule's time has come.
    Schedule(Schedule),
}

/// An object was created.
#[derive(Debug, PartialEq, Eq)]
pub struct Created {
    /// The object.
    pub object: ObjectRef,
    /// What tells this put of it from others, however often it is told; `None` where the event does not say it.
    pub put: Option<String>,
    /// When it was, in ms since 1970, where the event says it.
    pub at_ms: Option<u64>,
}

/// A schedule's time has come.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Schedule {
    /// For which dataset.
    pub dataset: String,
    /// What it starts.
    pub start: Start,
    /// Identity of the event: a redelivery has the same.
    pub id: String,
    /// When it was, as the event has it.
    pub time: String,
    /// The same in ms since 1970.
    #[serde(skip)]
    pub at_ms: u64,
}

/// What a schedule starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// The dataset's Glue job.
    Job,
    /// The dataset's crawler.
    Crawler,
}

/// Reads the text of a message; an error is why it tells of nothing.
pub fn told_in_text(text: &str) -> Result<Told, String> {
    let event: Value = serde_json::from_str(text).map_err(|_| "is not JSON".to_owned())?;
    told_in(&event)
}

/// Reads an event that is no SQS batch.
pub fn told_in(event: &Value) -> Result<Told, String> {
    match event.get("source").and_then(Value::as_str) {
        Some(SCHEDULE) => schedule_in(event).map(Told::Schedule),
        _ => created_in(event).map(Told::Objects),
    }
}

fn schedule_in(event: &Value) -> Result<Schedule, String> {
    let own = Schedule::deserialize(event).map_err(|error| format!("is no schedule: {error}"))?;
    if own.id.is_empty() {
        return Err("is a schedule without an id".to_owned());
    }
    // The log of claims is read back to it.
    match ms_of_instant(&own.time) {
        Some(at_ms) => Ok(Schedule { at_ms, ..own }),
        None => Err(format!("is a schedule whose time {:?} is no time of ISO 8601", own.time)),
    }
}

fn created_in(event: &Value) -> Result<Vec<Created>, String> {
    let ObjectEvents { created, puts, .. } = events_in(event).map_err(|error| error.to_string())?;
    let each = created.into_iter().zip(puts).map(|(object, Put { sequencer, at_ms })| {
        // What s3-to-lake hands over has no sequencer, and the time of the put.
        Created { object, put: sequencer.or_else(|| at_ms.map(put_at)), at_ms }
    });
    Ok(each.collect())
}

/// What tells a put from others by its time alone, in ms since 1970.
pub fn put_at(at_ms: u64) -> String {
    format!("at {at_ms}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(key: &str, sequencer: &str, time: &str) -> Value {
        let object = json!({"key": key, "size": 1, "eTag": "e", "sequencer": sequencer});
        json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": time,
            "s3": {"bucket": {"name": "b"}, "object": object}})
    }

    /// Key, put and time of each object.
    fn told(event: &Value) -> Vec<(String, Option<String>, Option<u64>)> {
        let Ok(Told::Objects(created)) = told_in(event) else { panic!("{event}") };
        created.into_iter().map(|own| (own.object.key, own.put, own.at_ms)).collect()
    }

    #[test]
    fn a_put_is_told_by_its_sequencer_in_every_envelope() {
        let bare = json!({"Records": [record("k", "0A", "2026-03-01T00:00:00.250Z")]});
        let in_sqs = json!({"Type": "Notification", "Message": bare.to_string()});
        let sns = json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": bare.to_string()}}]});
        for event in [&bare, &in_sqs, &sns] {
            let expected = ("k".to_owned(), Some("0A".to_owned()), Some(1_772_323_200_250));
            assert_eq!(told(event), [expected], "{event}");
        }
        let bus = json!({"source": "aws.s3", "detail-type": "Object Created", "time": "2026-03-01T00:00:00Z",
            "detail": {"bucket": {"name": "b"}, "object": {"key": "k", "size": 1, "etag": "e", "sequencer": "0A"}}});
        assert_eq!(told(&bus), [("k".to_owned(), Some("0A".to_owned()), Some(1_772_323_200_000))]);
    }

    #[test]
    fn each_object_of_an_event_has_its_own_put_and_time_and_the_time_stands_for_a_sequencer() {
        let removed = json!({"eventSource": "aws:s3", "eventName": "ObjectRemoved:Delete", "s3": {}});
        let mut event = json!({"Records": [
            record("a", "0A", "2026-03-01T00:00:01Z"),
            removed,
            record("folder/", "0B", "2026-03-01T00:00:00Z"),
            record("b", "", "2026-03-01T00:00:00Z"),
            record("c", "0C", ""),
            record("d", "", "yesterday"),
        ]});
        let own = |key: &str, put: Option<&str>, at_ms| (key.to_owned(), put.map(str::to_owned), at_ms);
        event["Records"][2]["s3"]["object"]["size"] = 0.into();
        let expected = [
            own("a", Some("0A"), Some(1_772_323_201_000)),
            own("b", Some("at 1772323200000"), Some(1_772_323_200_000)),
            own("c", Some("0C"), None),
            own("d", None, None),
        ];
        assert_eq!(told(&event), expected);
    }

    #[test]
    fn a_schedule_says_what_when_and_for_whom_and_nothing_less() {
        let whole = json!({"source": "penstock.schedule", "dataset": "t", "start": "crawler", "id": "i",
            "time": "2026-03-01T00:00:00Z"});
        let Ok(Told::Schedule(schedule)) = told_in(&whole) else { panic!() };
        assert_eq!((schedule.start, schedule.dataset.as_str()), (Start::Crawler, "t"));
        assert_eq!(schedule.at_ms, 1_772_323_200_000);
        for (name, value) in [
            ("dataset", json!(null)),
            ("start", json!("trigger")),
            ("id", json!("")),
            ("id", json!(7)),
            ("time", json!(null)),
            ("time", json!("")),
            ("time", json!("<time>")),
        ] {
            let mut broken = whole.clone();
            broken[name] = value;
            assert!(told_in(&broken).unwrap_err().contains("schedule"), "{broken}");
        }
    }

    #[test]
    fn what_is_neither_event_nor_schedule_is_told() {
        for text in ["", "x", "{}", r#"{"source":"aws.s3"}"#] {
            assert!(told_in_text(text).is_err(), "{text}");
        }
    }
}
