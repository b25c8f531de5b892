//! What a message tells: objects, in any of S3's envelopes, or that a schedule's time has come. Knows no contract and no
//! claim.

use penstock_core::object::{ObjectEvents, events_in};
use serde::Deserialize;
use serde_json::Value;

/// Who sends schedules.
const SCHEDULE: &str = "penstock.schedule";

/// What a message tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Told {
    /// Objects were created.
    Objects(ObjectEvents),
    /// A schedule's time has come.
    Schedule(Schedule),
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
    /// When it was.
    pub time: String,
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
    if event.get("source").and_then(Value::as_str) == Some(SCHEDULE) {
        let schedule = Schedule::deserialize(event).map_err(|error| format!("is no schedule: {error}"))?;
        if schedule.id.is_empty() {
            return Err("is a schedule without an id".to_owned());
        }
        return Ok(Told::Schedule(schedule));
    }
    events_in(event).map(Told::Objects).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schedule_says_what_when_and_for_whom_and_nothing_less() {
        let whole = json!({"source": "penstock.schedule", "dataset": "t", "start": "crawler", "id": "i",
            "time": "2026-03-01T00:00:00Z"});
        let Ok(Told::Schedule(schedule)) = told_in(&whole) else { panic!() };
        assert_eq!((schedule.start, schedule.dataset.as_str()), (Start::Crawler, "t"));
        for (name, value) in [
            ("dataset", json!(null)),
            ("start", json!("trigger")),
            ("id", json!("")),
            ("id", json!(7)),
            ("time", json!(null)),
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
