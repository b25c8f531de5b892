//! The latency that a contract promises (`slaProperties` of the standard). Whether it is kept is told where rows arrive.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::ContractError;

/// One entry of `slaProperties`; of the others than latency nothing is read.
#[derive(Debug, Deserialize)]
pub(super) struct SlaProperty {
    property: String,
    #[serde(default)]
    value: Value,
    unit: Option<String>,
}

const UNITS: &str = "s, min, h, d or w";

/// The shortest latency that is promised, of whatever element of the one dataset.
pub(super) fn latency(properties: &[SlaProperty]) -> Result<Option<Duration>, ContractError> {
    let mut shortest: Option<Duration> = None;
    for (at, own) in properties.iter().enumerate() {
        if !own.property.eq_ignore_ascii_case("latency") {
            continue;
        }
        let wrong = |reason: String| ContractError::at(&format!("slaProperties[{at}]"), reason);
        let unit = own.unit.as_deref().ok_or_else(|| wrong(format!("latency needs a unit: {UNITS}")))?;
        let seconds =
            seconds(unit).ok_or_else(|| wrong(format!("the unit of latency is {UNITS}, not {unit:?}")))?;
        let count = match &own.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let latency = count
            .filter(|count| *count > 0.0)
            .and_then(|count| Duration::try_from_secs_f64(count * seconds).ok())
            .ok_or_else(|| wrong(format!("latency must be a number above 0, not {}", own.value)))?;
        shortest = Some(shortest.map_or(latency, |other| other.min(latency)));
    }
    Ok(shortest)
}

fn seconds(unit: &str) -> Option<f64> {
    match unit.to_ascii_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => Some(1.0),
        "min" | "minute" | "minutes" => Some(60.0),
        "h" | "hr" | "hour" | "hours" => Some(3_600.0),
        "d" | "day" | "days" => Some(86_400.0),
        "w" | "wk" | "week" | "weeks" => Some(604_800.0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: Value) -> Result<Option<Duration>, ContractError> {
        latency(&serde_json::from_value::<Vec<SlaProperty>>(text).unwrap())
    }

    #[test]
    fn the_shortest_latency_counts_and_other_promises_are_left_alone() {
        let promises = serde_json::json!([
            {"property": "retention", "value": 3, "unit": "y"},
            {"property": "generalAvailability", "value": "2022-05-12T09:30:10-08:00"},
            {"property": "latency", "value": 4, "unit": "h", "element": "clients.seen"},
            {"property": "latency", "value": "90", "unit": "minutes"},
        ]);
        assert_eq!(read(promises).unwrap(), Some(Duration::from_secs(5_400)));
        assert_eq!(read(serde_json::json!([])).unwrap(), None);
    }

    #[test]
    fn a_latency_that_no_time_can_be_told_from_is_refused_with_its_place() {
        for (own, reason) in [
            (serde_json::json!({"property": "latency", "value": 4}), "needs a unit"),
            (serde_json::json!({"property": "latency", "value": 4, "unit": "m"}), "not \"m\""),
            (serde_json::json!({"property": "latency", "value": 0, "unit": "h"}), "above 0"),
            (serde_json::json!({"property": "latency", "value": true, "unit": "h"}), "above 0"),
            (serde_json::json!({"property": "latency", "value": 1e300, "unit": "d"}), "above 0"),
        ] {
            let error = read(serde_json::json!([{"property": "x"}, own])).unwrap_err();
            assert_eq!(error.path, "slaProperties[1]");
            assert!(error.reason.contains(reason), "{error}");
        }
    }
}
