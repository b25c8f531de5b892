//! Settings of s3-to-kinesis, read once from the environment. An error names the variable.

use std::collections::HashMap;

use penstock_aws::StartError;
use penstock_aws::contracts::{Datasets, configured_contracts};
use penstock_aws::reading::split_bytes;
use penstock_aws::vars::Vars;
use penstock_core::contract::ContractSet;

/// Name of the function in logs, metrics and quarantine keys.
pub const SERVICE: &str = "s3-to-kinesis";

/// Bytes of an object that are read at once where nothing else is said: a stream takes them in about a minute.
const SPLIT_BYTES: u64 = 64 << 20;

/// Settings of the function.
#[derive(Debug)]
pub struct Config {
    /// The one bucket whose objects are taken (`LANDING_BUCKET`).
    pub landing_bucket: String,
    /// Bucket of receipts, and of what is kept of large objects (`WORK_BUCKET`).
    pub work_bucket: String,
    /// Bucket of rejects (`QUARANTINE_BUCKET`).
    pub quarantine_bucket: String,
    /// The queue that triggers the function, and takes its tasks (`STREAM_QUEUE_URL`).
    pub queue_url: String,
    /// A larger object is read in pieces of about so many bytes (`SPLIT_BYTES`).
    pub split_bytes: u64,
    /// The contracts of `CONTRACTS_DIR`.
    pub datasets: Datasets,
    /// Name of the stream by dataset; the text tells why there is none.
    pub streams: HashMap<String, Result<String, String>>,
}

impl Config {
    /// Reads the settings and the contracts.
    pub fn from_vars(env: impl Fn(&str) -> Option<String>) -> Result<Self, StartError> {
        Self::with_contracts(&configured_contracts(&env)?, &env)
    }

    /// The same, with contracts that were read already.
    pub fn with_contracts(
        set: &ContractSet,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        let vars = Vars::new(env);
        let streams = set.iter().map(|contract| {
            let name = contract.stream.as_ref().and_then(|own| own.stream_name.as_ref());
            let name = name.ok_or_else(|| "the contract names no penstock.streamName".to_owned());
            let name = name.and_then(|name| name.resolve(env).map_err(|error| error.to_string()));
            (contract.dataset.clone(), name)
        });
        Ok(Self {
            landing_bucket: vars.required("LANDING_BUCKET")?,
            work_bucket: vars.required("WORK_BUCKET")?,
            quarantine_bucket: vars.required("QUARANTINE_BUCKET")?,
            queue_url: vars.required("STREAM_QUEUE_URL")?,
            split_bytes: split_bytes(&vars, SPLIT_BYTES)?,
            datasets: Datasets::with_locations(set, env)?,
            streams: streams.collect(),
        })
    }
}
