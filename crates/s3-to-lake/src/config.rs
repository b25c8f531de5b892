//! Settings of s3-to-lake, read once from the environment. An error names the variable.

use penstock_aws::StartError;
use penstock_aws::contracts::{Datasets, configured_contracts};
use penstock_aws::vars::{VarError, Vars};
use penstock_core::contract::ContractSet;

/// Name of the function in logs, metrics and quarantine keys.
pub const SERVICE: &str = "s3-to-lake";

/// Bytes of the largest object that is converted where nothing else is said: packed ones of that size take about as
/// long as an invocation may.
const CONVERT_BYTES: u64 = 8 << 30;

/// Settings of the function.
#[derive(Debug)]
pub struct Config {
    /// Bucket whose objects are found by the contracts' locations (`LANDING_BUCKET`).
    pub landing_bucket: String,
    /// Bucket of stamped rows, whose first folder is the dataset (`STAGE_BUCKET`).
    pub stage_bucket: String,
    /// Bucket of notes and receipts (`WORK_BUCKET`).
    pub work_bucket: String,
    /// Bucket of rejects (`QUARANTINE_BUCKET`).
    pub quarantine_bucket: String,
    /// The lake (`LAKE_BUCKET`).
    pub lake_bucket: String,
    /// The queue that triggers the function (`LAKE_QUEUE_URL`).
    pub queue_url: String,
    /// The queue of what starts Glue jobs (`GLUE_QUEUE_URL`); without it nothing is handed over.
    pub glue_queue_url: Option<String>,
    /// A larger object is not converted here (`CONVERT_BYTES`).
    pub convert_bytes: u64,
    /// The contracts of `CONTRACTS_DIR`.
    pub datasets: Datasets,
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
        Ok(Self {
            landing_bucket: vars.required("LANDING_BUCKET")?,
            stage_bucket: vars.required("STAGE_BUCKET")?,
            work_bucket: vars.required("WORK_BUCKET")?,
            quarantine_bucket: vars.required("QUARANTINE_BUCKET")?,
            lake_bucket: vars.required("LAKE_BUCKET")?,
            queue_url: vars.required("LAKE_QUEUE_URL")?,
            glue_queue_url: vars.optional("GLUE_QUEUE_URL"),
            convert_bytes: convert_bytes(&vars)?,
            datasets: Datasets::with_locations(set, env)?,
        })
    }
}

fn convert_bytes(vars: &Vars<'_>) -> Result<u64, VarError> {
    let Some(text) = vars.optional("CONVERT_BYTES") else { return Ok(CONVERT_BYTES) };
    let wrong = VarError::Invalid { name: "CONVERT_BYTES", expected: "a number of bytes" };
    text.parse().map_err(|_| wrong)
}
