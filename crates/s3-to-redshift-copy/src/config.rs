//! Settings of s3-to-redshift-copy, read once from the environment. An error names the variable.

use std::collections::HashMap;
use std::path::PathBuf;

use penstock_aws::StartError;
use penstock_aws::contracts::{Datasets, configured_contracts};
use penstock_aws::reading::split_bytes;
use penstock_aws::vars::{VarError, Vars};
use penstock_aws::warehouse::{TableHome, WarehouseTarget};
use penstock_core::contract::ContractSet;
use penstock_core::sql::CopyRole;

use crate::after::{self, AfterLoads};

/// Name of the function in logs, metrics and quarantine keys.
pub const SERVICE: &str = "s3-to-redshift-copy";

/// Bytes of an object that are read at once where nothing else is said.
const SPLIT_BYTES: u64 = 256 << 20;
/// Settings of the function.
#[derive(Debug)]
pub struct Config {
    /// Bucket whose objects are read in flight (`LANDING_BUCKET`).
    pub landing_bucket: String,
    /// Bucket whose objects COPY reads as they are (`STAGE_BUCKET`): only Firehose and our transform write there.
    pub stage_bucket: String,
    /// Bucket of parts, plans and receipts (`WORK_BUCKET`).
    pub work_bucket: String,
    /// Bucket of rejects (`QUARANTINE_BUCKET`).
    pub quarantine_bucket: String,
    /// The queue that triggers the function (`COPY_QUEUE_URL`): for handing messages over.
    pub queue_url: String,
    /// A larger object is read in pieces of about so many bytes (`SPLIT_BYTES`).
    pub split_bytes: u64,
    /// Who COPY is (`COPY_ROLE_ARN`; `default` is the warehouse's own role).
    pub copy_role: CopyRole,
    /// `WORKGROUP_NAME` or `CLUSTER_IDENTIFIER`, and `SECRET_ARN`.
    pub warehouse: WarehouseTarget,
    /// The contracts of `CONTRACTS_DIR`.
    pub datasets: Datasets,
    /// Database and schema by dataset; the text tells why they are not known.
    pub homes: HashMap<String, Result<TableHome, String>>,
    /// What runs after loads, from the models of `MODELS_DIR`.
    pub after: AfterLoads,
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
        let role = vars.required("COPY_ROLE_ARN")?;
        let wrong_role =
            VarError::Invalid { name: "COPY_ROLE_ARN", expected: "the ARN of a role, or default" };
        let homes: HashMap<_, _> = set
            .iter()
            .map(|own| (own.dataset.clone(), TableHome::of(own, env).map_err(|e| e.to_string())))
            .collect();
        let models = PathBuf::from(vars.optional("MODELS_DIR").unwrap_or_else(|| "models".into()));
        Ok(Self {
            landing_bucket: vars.required("LANDING_BUCKET")?,
            stage_bucket: vars.required("STAGE_BUCKET")?,
            work_bucket: vars.required("WORK_BUCKET")?,
            quarantine_bucket: vars.required("QUARANTINE_BUCKET")?,
            queue_url: vars.required("COPY_QUEUE_URL")?,
            split_bytes: split_bytes(&vars, SPLIT_BYTES)?,
            copy_role: CopyRole::new(&role).ok_or(wrong_role)?,
            warehouse: WarehouseTarget::from_vars(&vars)?,
            datasets: Datasets::with_locations(set, env)?,
            after: after::read(&models, set, &homes),
            homes,
        })
    }
}
