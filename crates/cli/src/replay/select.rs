//! What was asked for: datasets, keys, a span of time, the files of a load. Decides, and changes nothing.

use std::collections::BTreeSet;
use std::time::SystemTime;

use aws_sdk_s3::primitives::DateTime;
use penstock_aws::warehouse::{ExecuteError, TableHome};
use penstock_core::contract::Contract;
use penstock_core::ident::HexId;
use penstock_core::sql::{Ident, SERVICE_SCHEMA};

use super::Checkers;
use crate::Env;
use crate::args::ReplayArgs;
use crate::clients::{Clients, warehouse_target};
use crate::failure::Failure;

/// What to replay.
#[derive(Debug, Default)]
pub struct Selection {
    datasets: Vec<String>,
    prefix: Option<String>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    /// Files of the load, where one was asked for.
    sources: Option<BTreeSet<String>>,
}

impl Selection {
    /// What the arguments ask for; the warehouse tells the files of a load.
    pub async fn of(
        args: &ReplayArgs,
        checkers: &Checkers,
        clients: &Clients,
        env: Env<'_>,
    ) -> Result<Self, Failure> {
        let now = SystemTime::now();
        let own = checkers.get(args.datasets.first().map_or("", String::as_str));
        let sources = match (&args.load, own) {
            (Some(load), Some(checker)) => Some(files_of_load(load, checker.contract(), clients, env).await?),
            (Some(_), None) => {
                return Err(Failure::usage("the load's dataset has no contract here"));
            }
            (None, _) => None,
        };
        Ok(Self {
            datasets: args.datasets.clone(),
            prefix: args.prefix.clone(),
            since: args.since.map(|own| own.time(now)),
            until: args.until.map(|own| own.time(now)),
            sources,
        })
    }

    /// Datasets that were named; none means all.
    pub fn datasets(&self) -> &[String] {
        &self.datasets
    }

    /// Whether a dataset is one of them.
    pub fn takes_dataset(&self, dataset: &str) -> bool {
        self.datasets.is_empty() || self.datasets.iter().any(|own| own == dataset)
    }

    /// Whether something was written in the span.
    pub fn takes_time(&self, modified: Option<DateTime>) -> bool {
        let Some(time) = modified.and_then(|own| SystemTime::try_from(own).ok()) else { return true };
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }

    /// Whether a file, `s3://bucket/key`, is one of those that were asked for.
    pub fn takes_source(&self, source: &str) -> bool {
        let is_under = self.prefix.as_ref().is_none_or(|prefix| source.starts_with(prefix.as_str()));
        is_under && self.sources.as_ref().is_none_or(|sources| sources.contains(source))
    }

    /// Where files that were asked for can be: their own URIs, or the beginning of them; none if they can be anywhere.
    pub fn places(&self) -> Vec<String> {
        match (&self.sources, &self.prefix) {
            (Some(sources), _) => sources.iter().filter(|own| self.takes_source(own)).cloned().collect(),
            (None, prefix) => prefix.iter().cloned().collect(),
        }
    }
}

/// Files that a load claimed, and those that its rows name.
async fn files_of_load(
    load: &HexId,
    contract: &Contract,
    clients: &Clients,
    env: Env<'_>,
) -> Result<BTreeSet<String>, Failure> {
    let warehouse = clients.warehouse(warehouse_target(env)?);
    let database = TableHome::database(contract, env).map_err(Failure::usage)?;
    let schema = TableHome::schema(contract, env).map_err(Failure::usage)?;
    let ledger = Ident::prefixed("objects_", &contract.table).map_err(Failure::refused)?;
    // A load id is hex: nothing to escape.
    let sql = format!(
        "SELECT \"source\" FROM \"{SERVICE_SCHEMA}\".{ledger} WHERE \"load_id\" = '{load}' \
         UNION SELECT \"_source\" FROM {schema}.{} WHERE \"_load_id\" = '{load}'",
        contract.table
    );
    let rows = warehouse.execute(&database, &sql).await.map_err(|error| match error {
        ExecuteError::Failed(text) => Failure::refused(format!("the load cannot be looked up: {text}")),
        ExecuteError::Api(error) => Failure::refused(format!("the warehouse cannot be asked: {error}")),
    })?;
    let sources: BTreeSet<String> =
        rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
    if sources.is_empty() {
        let reason = format!("dataset {} has no load {load}", contract.dataset);
        return Err(Failure::refused(reason));
    }
    Ok(sources)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_span_has_its_beginning_and_not_its_end() {
        let own = Selection { since: Some(at(10)), until: Some(at(20)), ..Selection::default() };
        let takes = |seconds| own.takes_time(Some(DateTime::from_secs(seconds)));
        assert_eq!([9, 10, 19, 20].map(takes), [false, true, true, false]);
        assert!(own.takes_time(None));
    }

    #[test]
    fn files_of_a_load_are_meant_by_their_whole_key() {
        let sources = ["s3://b/k", "s3://b/x/k"].map(str::to_owned);
        let own = Selection { sources: Some(BTreeSet::from(sources)), ..Selection::default() };
        assert!(own.takes_source("s3://b/k") && !own.takes_source("s3://b/k2"));
        let own = Selection { prefix: Some("s3://b/x/".into()), ..own };
        assert!(!own.takes_source("s3://b/k") && own.takes_source("s3://b/x/k"));
        assert_eq!(own.places(), ["s3://b/x/k"]);
    }
}
