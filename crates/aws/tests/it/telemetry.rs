//! Metric lines: the shape that CloudWatch takes, its limit of metrics, and counts that add up.

use std::collections::BTreeMap;

use penstock_aws::Invocation;
use penstock_aws::telemetry::Metrics;
use serde_json::json;

fn invocation() -> Invocation {
    let mut invocation = Invocation::lasting(None);
    invocation.started_ms = 1_767_323_045_000;
    invocation
}

#[test]
fn a_line_is_an_embedded_metric_of_one_dataset() {
    let mut metrics = Metrics::new("reader", &invocation());
    metrics.add("t", "Rows", 2);
    metrics.add("u", "Rows", 1);
    metrics.add("t", "Rows", 3);
    metrics.add("t", "Objects", 0);
    assert_eq!(
        metrics.lines(),
        [
            json!({
                "_aws": {
                    "Timestamp": 1_767_323_045_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Penstock",
                        "Dimensions": [["function_name", "dataset"], ["function_name"]],
                        "Metrics": [{"Name": "Objects", "Unit": "Count"}, {"Name": "Rows", "Unit": "Count"}],
                    }],
                },
                "service": "reader", "function_name": "local", "dataset": "t", "Objects": 0, "Rows": 5,
            }),
            json!({
                "_aws": {
                    "Timestamp": 1_767_323_045_000_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "Penstock",
                        "Dimensions": [["function_name", "dataset"], ["function_name"]],
                        "Metrics": [{"Name": "Rows", "Unit": "Count"}],
                    }],
                },
                "service": "reader", "function_name": "local", "dataset": "u", "Rows": 1,
            }),
        ]
    );
    assert_eq!(metrics.totals_json(), r#"{"t":{"Objects":0,"Rows":5},"u":{"Rows":1}}"#);
}

#[test]
fn an_invocation_without_counts_has_no_lines() {
    let metrics = Metrics::new("reader", &invocation());
    assert!(metrics.lines().is_empty());
    assert_eq!(metrics.totals_json(), "{}");
}

#[test]
fn no_line_has_more_than_a_hundred_metrics_and_none_is_lost() {
    let mut metrics = Metrics::new("reader", &invocation());
    for n in 0..250_u64 {
        let name: &'static str = Box::leak(format!("Metric{n:03}").into_boxed_str());
        metrics.add("t", name, n);
    }
    let mut seen = BTreeMap::new();
    for line in metrics.lines() {
        let own = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
        assert!(own.len() <= 100);
        // The members are the metrics, `_aws`, the service and the two dimensions, and nothing else.
        assert_eq!(line.as_object().unwrap().len(), own.len() + 4);
        for metric in own {
            let name = metric["Name"].as_str().unwrap();
            seen.insert(name.to_owned(), line[name].as_u64().unwrap());
        }
    }
    assert_eq!(seen.len(), 250);
    assert!(seen.values().copied().eq(0..250));
}
