//! Settings of firehose-transform, read once from the environment. An error names the variable.

use penstock_aws::contracts::{contracts_directory, read_contract_files};
use penstock_aws::vars::Vars;

use crate::datasets::Datasets;
use crate::error::StartError;

/// Name of the function in logs and metrics.
pub const SERVICE: &str = "firehose-transform";

/// Settings of the function.
#[derive(Debug)]
pub struct Config {
    /// The contracts of `CONTRACTS_DIR`, and the one of `DATASET` if that is set.
    pub(crate) datasets: Datasets,
}

impl Config {
    /// Reads the settings and the contracts.
    pub fn from_vars(env: impl Fn(&str) -> Option<String>) -> Result<Self, StartError> {
        let files = read_contract_files(&contracts_directory(&Vars::new(&env)))?;
        Self::with_contracts(files, &env)
    }

    /// The same, with contract files (name, text) that were read already.
    pub fn with_contracts(
        files: Vec<(String, String)>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        let dataset = Vars::new(env).optional("DATASET");
        Ok(Self { datasets: Datasets::start(files, dataset.as_deref(), env)? })
    }
}
