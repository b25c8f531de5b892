//! Settings of glue-job-starter, read once from the environment. An error names the variable.

use std::collections::HashMap;
use std::time::Duration;

use penstock_aws::StartError;
use penstock_aws::contracts::configured_contracts;
use penstock_aws::vars::{VarError, Vars};
use penstock_core::contract::{Contract, ContractSet, Glob, Template};

/// Name of the function in logs, metrics and quarantine keys.
pub const SERVICE: &str = "glue-job-starter";

/// What a dataset's contract names; the text tells why it is not known here.
pub type Named = Result<Option<String>, String>;

/// A dataset.
#[derive(Debug)]
pub struct Dataset {
    /// Its contract.
    pub contract: Contract,
    /// Its Glue job.
    pub job: Named,
    /// Its crawler.
    pub crawler: Named,
}

/// Settings of the function.
#[derive(Debug)]
pub struct Config {
    /// Bucket whose objects are handed over by s3-to-lake (`LANDING_BUCKET`).
    pub landing_bucket: String,
    /// Bucket whose objects the job converts (`STAGE_BUCKET`).
    pub stage_bucket: String,
    /// Bucket of claims (`WORK_BUCKET`).
    pub work_bucket: String,
    /// Bucket of what is at fault (`QUARANTINE_BUCKET`).
    pub quarantine_bucket: String,
    /// Bucket that is crawled, and that the job writes to for objects of the landing bucket (`LAKE_BUCKET`).
    pub lake_bucket: String,
    /// Bucket that is crawled, and that the job writes to for objects of the stage bucket (`CURATED_BUCKET`).
    pub curated_bucket: String,
    /// The queue that triggers the function (`GLUE_QUEUE_URL`).
    pub queue_url: String,
    /// How long a claim is held (`CLAIM_LEASE_SECONDS`); until its invocation is surely over where it is not set.
    pub lease: Option<Duration>,
    /// Datasets by name.
    pub datasets: HashMap<String, Dataset>,
    /// Where the landing bucket's objects belong.
    locations: Vec<(Glob, String)>,
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
        let named = |template: &Option<Template>| -> Named {
            template.as_ref().map(|own| own.resolve(env).map_err(|error| error.to_string())).transpose()
        };
        let dataset = |contract: &Contract| {
            let (job, crawler) = (named(&contract.lake.glue_job), named(&contract.lake.crawler));
            (contract.dataset.clone(), Dataset { contract: contract.clone(), job, crawler })
        };
        let locations = set.locations(env)?.into_iter().map(|(glob, own)| (glob, own.dataset.clone()));
        Ok(Self {
            landing_bucket: vars.required("LANDING_BUCKET")?,
            stage_bucket: vars.required("STAGE_BUCKET")?,
            work_bucket: vars.required("WORK_BUCKET")?,
            quarantine_bucket: vars.required("QUARANTINE_BUCKET")?,
            lake_bucket: vars.required("LAKE_BUCKET")?,
            curated_bucket: vars.required("CURATED_BUCKET")?,
            queue_url: vars.required("GLUE_QUEUE_URL")?,
            lease: lease(&vars)?,
            datasets: set.iter().map(dataset).collect(),
            locations: locations.collect(),
        })
    }

    /// The dataset whose location an object of the landing bucket matches.
    pub fn dataset_of(&self, bucket: &str, key: &str) -> Option<&str> {
        let found = self.locations.iter().find(|(glob, _)| glob.matches(bucket, key));
        found.map(|(_, dataset)| dataset.as_str())
    }
}

fn lease(vars: &Vars<'_>) -> Result<Option<Duration>, VarError> {
    let name = "CLAIM_LEASE_SECONDS";
    let invalid = VarError::Invalid { name, expected: "a whole number of seconds, at least 1" };
    match vars.optional(name).map(|text| text.parse::<u64>()) {
        None => Ok(None),
        Some(Ok(seconds)) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
        Some(_) => Err(invalid),
    }
}
