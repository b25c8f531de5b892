//! Settings of sqs-fifo-to-redshift, read once from the environment. An error names the variable.

use std::collections::HashMap;

use penstock_aws::StartError;
use penstock_aws::contracts::{Datasets, configured_contracts};
use penstock_aws::vars::Vars;
use penstock_aws::warehouse::{TableHome, WarehouseTarget};
use penstock_core::contract::ContractSet;

/// Name of the function in logs, metrics and quarantine keys.
pub const SERVICE: &str = "sqs-fifo-to-redshift";

/// Settings of the function.
#[derive(Debug)]
pub struct Config {
    /// The queue that triggers the function (`LOAD_QUEUE_URL`): for handing messages over.
    pub queue_url: String,
    /// Bucket of rejects (`QUARANTINE_BUCKET`).
    pub quarantine_bucket: String,
    /// `WORKGROUP_NAME` or `CLUSTER_IDENTIFIER`, and `SECRET_ARN`.
    pub warehouse: WarehouseTarget,
    /// The contracts of `CONTRACTS_DIR`.
    pub datasets: Datasets,
    /// Database and schema by dataset; the text tells why they are not known.
    pub homes: HashMap<String, Result<TableHome, String>>,
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
            queue_url: vars.required("LOAD_QUEUE_URL")?,
            quarantine_bucket: vars.required("QUARANTINE_BUCKET")?,
            warehouse: WarehouseTarget::from_vars(&vars)?,
            datasets: Datasets::new(set),
            homes: set
                .iter()
                .map(|contract| {
                    (
                        contract.dataset.clone(),
                        TableHome::of(contract, env).map_err(|error| error.to_string()),
                    )
                })
                .collect(),
        })
    }
}
