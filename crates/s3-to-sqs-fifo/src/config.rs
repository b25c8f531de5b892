//! Settings of s3-to-sqs-fifo, read once from the environment. An error names the variable.

use std::collections::HashMap;

use penstock_aws::StartError;
use penstock_aws::contracts::{Datasets, configured_contracts};
use penstock_aws::vars::{VarError, Vars};
use penstock_core::contract::ContractSet;

/// Name of the function in logs, metrics and quarantine keys.
pub const SERVICE: &str = "s3-to-sqs-fifo";

/// Settings of the function.
#[derive(Debug)]
pub struct Config {
    /// The one bucket whose objects are taken (`LANDING_BUCKET`).
    pub landing_bucket: String,
    /// Bucket of receipts (`WORK_BUCKET`).
    pub work_bucket: String,
    /// Bucket of rejects (`QUARANTINE_BUCKET`).
    pub quarantine_bucket: String,
    /// The contracts of `CONTRACTS_DIR`.
    pub datasets: Datasets,
    /// Queue URL by dataset; the text tells why there is none.
    pub queue_urls: HashMap<String, Result<String, String>>,
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
        let own = |name| -> Result<String, VarError> { vars.required(name) };
        let queue_urls = set
            .iter()
            .map(|contract| {
                let url = contract
                    .queue()
                    .map_err(|error| error.to_string())
                    .and_then(|queue| queue.url.resolve(env).map_err(|error| error.to_string()));
                (contract.dataset.clone(), url)
            })
            .collect();
        Ok(Self {
            landing_bucket: own("LANDING_BUCKET")?,
            work_bucket: own("WORK_BUCKET")?,
            quarantine_bucket: own("QUARANTINE_BUCKET")?,
            datasets: Datasets::with_locations(set, env)?,
            queue_urls,
        })
    }
}
