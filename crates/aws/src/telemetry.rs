//! Logs and metrics in the forms that CloudWatch reads: one JSON line an event, one embedded-metric line an
//! invocation and dataset. Names are those of Powertools. Holds no values of rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lambda_runtime::tracing::Span;
use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::Invocation;

/// Namespace of all metrics.
const NAMESPACE: &str = "Penstock";
/// CloudWatch takes at most 100 metrics a line.
const MAX_METRICS: usize = 100;

/// Starts JSON logging to stdout. `AWS_LAMBDA_LOG_LEVEL` (or `LOG_LEVEL`) sets the level of Penstock's own events;
/// libraries log warnings only, because an SDK's debug log holds requests.
pub fn init(env: &dyn Fn(&str) -> Option<String>) {
    let asked = env("AWS_LAMBDA_LOG_LEVEL").or_else(|| env("LOG_LEVEL")).unwrap_or_default();
    let level = match asked.to_ascii_lowercase().as_str() {
        "trace" => Level::TRACE,
        "debug" => Level::DEBUG,
        "warn" => Level::WARN,
        "error" => Level::ERROR,
        _ => Level::INFO,
    };
    let ours = [
        "penstock_aws",
        "penstock_core",
        "firehose_transform",
        "glue_job_starter",
        "s3_to_kinesis",
        "s3_to_lake",
        "s3_to_redshift_copy",
        "s3_to_sqs_fifo",
        "sqs_fifo_to_redshift",
    ];
    // Not an EnvFilter, which compiles patterns first: a cold start would wait for them.
    let filter = Targets::new().with_default(Level::WARN).with_targets(ours.map(|name| (name, level)));
    let mut json = json_subscriber::JsonLayer::stdout();
    json.with_timer("timestamp", tracing_subscriber::fmt::time::SystemTime);
    json.with_level("level");
    json.with_target("logger");
    json.with_flattened_event();
    json.with_top_level_flattened_span_list();
    // A second start (several functions in one test process) keeps the first.
    let started = tracing_subscriber::registry().with(filter).with(json).try_init();
    if started.is_err() {
        tracing::debug!("logging was started already");
    }
}

/// The span that every event of an invocation stands in.
pub fn span(service: &'static str, invocation: &Invocation, cold_start: bool) -> Span {
    tracing::info_span!(
        "invocation",
        service,
        function_request_id = invocation.request_id,
        xray_trace_id = invocation.trace_id.as_deref().unwrap_or_default(),
        cold_start,
    )
}

/// Counts of one invocation by dataset, written as CloudWatch embedded metrics.
#[derive(Debug)]
pub struct Metrics {
    service: &'static str,
    function_name: String,
    started_ms: u64,
    counts: BTreeMap<String, BTreeMap<Cow<'static, str>, u64>>,
}

impl Metrics {
    /// Metrics of one invocation.
    pub fn new(service: &'static str, invocation: &Invocation) -> Self {
        let (function_name, started_ms) = (invocation.function_name.clone(), invocation.started_ms);
        Self { service, function_name, started_ms, counts: BTreeMap::new() }
    }

    /// Adds to a count.
    pub fn add(&mut self, dataset: &str, name: impl Into<Cow<'static, str>>, count: u64) {
        *self.counts.entry(dataset.to_owned()).or_default().entry(name.into()).or_default() += count;
    }

    /// Keeps the highest value that is told. A name that ends in Seconds is of that unit.
    pub fn raise(&mut self, dataset: &str, name: impl Into<Cow<'static, str>>, value: u64) {
        let highest = self.counts.entry(dataset.to_owned()).or_default().entry(name.into()).or_default();
        *highest = value.max(*highest);
    }

    /// The counts as one JSON text, for the invocation's summary.
    pub fn totals_json(&self) -> String {
        serde_json::to_string(&self.counts).unwrap_or_default()
    }

    /// One line a dataset, or several where it has more metrics than one line may hold.
    pub fn lines(&self) -> Vec<Value> {
        let of_dataset = |(dataset, counts): (&String, &BTreeMap<Cow<'static, str>, u64>)| {
            let counts: Vec<(&str, u64)> = counts.iter().map(|(name, count)| (&**name, *count)).collect();
            counts.chunks(MAX_METRICS).map(|counts| self.line(dataset, counts)).collect::<Vec<_>>()
        };
        self.counts.iter().flat_map(of_dataset).collect()
    }

    fn line(&self, dataset: &str, counts: &[(&str, u64)]) -> Value {
        let unit = |name: &str| if name.ends_with("Seconds") { "Seconds" } else { "Count" };
        let metrics: Vec<Value> =
            counts.iter().map(|(name, _)| json!({"Name": name, "Unit": unit(name)})).collect();
        let mut line = json!({
            "_aws": {
                "Timestamp": self.started_ms,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    // The deployed name keeps stages apart; alarms watch all datasets of a function at once.
                    "Dimensions": [["function_name", "dataset"], ["function_name"]],
                    "Metrics": metrics,
                }],
            },
            "service": self.service,
            "function_name": self.function_name,
            "dataset": dataset,
        });
        for (name, count) in counts {
            line[*name] = json!(count);
        }
        line
    }

    /// Writes the lines to stdout, where Lambda's log agent takes them.
    pub fn emit(&self) {
        for line in self.lines() {
            println!("{line}");
        }
    }
}
