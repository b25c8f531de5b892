//! After a committed load: the models that the contract names (`penstock.afterLoad`), in a transaction of their own
//! under the locks of every dataset that they read. They may run twice. Whatever comes of them, the load stays and its
//! messages are acknowledged; a failure is an ERROR in the log and a metric that is alarmed on.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use penstock_aws::models::read_model;
use penstock_aws::telemetry::Metrics;
use penstock_aws::warehouse::{LoadEnd, LoadName, TableHome};
use penstock_core::contract::{Contract, ContractSet};
use penstock_core::ident;
use penstock_core::sql::{Ident, Relation, SqlBatch, after_load};
use penstock_core::work::Plan;

use crate::config::SERVICE;
use crate::sink::Sink;

/// The transaction after each load, by dataset; only of those that have one. The text tells why it cannot be made:
/// then loads go on without it.
pub type AfterLoads = HashMap<String, Result<SqlBatch, String>>;

/// Database and schema by dataset; the text tells why they are not known.
type Homes = HashMap<String, Result<TableHome, String>>;

/// Reads the models of all contracts.
pub fn read(directory: &Path, set: &ContractSet, homes: &Homes) -> AfterLoads {
    let naming = set.iter().filter(|own| !own.table_options.after_load.is_empty());
    naming.map(|own| (own.dataset.clone(), transaction(directory, own, set, homes))).collect()
}

fn transaction(
    directory: &Path,
    contract: &Contract,
    set: &ContractSet,
    homes: &Homes,
) -> Result<SqlBatch, String> {
    let names = &contract.table_options.after_load;
    let models = names.iter().map(|name| read_model(directory, name)).collect::<Result<Vec<_>, _>>();
    let models = models.map_err(|error| error.to_string())?;
    let read: BTreeSet<&Relation> =
        models.iter().flat_map(|model| model.filling()).flat_map(|own| &own.reads).collect();
    let is_read = |own: &&Contract| {
        let Some(Ok(home)) = homes.get(&own.dataset) else { return false };
        read.iter().any(|relation| relation.is_of(own, |schema| *schema == home.schema))
    };
    let mut tables: BTreeSet<Ident> = set.iter().filter(is_read).map(|own| own.table.clone()).collect();
    tables.insert(contract.table.clone());
    after_load(&tables, &models).map_err(|error| error.to_string())
}

impl Sink<'_> {
    /// Runs the models of a load that is committed, or finds them run by an earlier invocation.
    pub async fn run_models(&self, plan: &Plan) {
        let ran = match self.after {
            None => return,
            Some(Ok(batch)) => self.run_after(plan, batch).await,
            Some(Err(reason)) => Err(reason.clone()),
        };
        let dataset = plan.dataset.as_str();
        let metric = match ran {
            Ok(true) => "ModelsRun",
            // Nobody looks at them again, so it is told as a failure is.
            Ok(false) => "ModelsFailed",
            Err(reason) => {
                tracing::error!(dataset, load_id = plan.load_id.as_str(), reason, "models were not run");
                "ModelsFailed"
            }
        };
        let mut metrics = Metrics::new(SERVICE, self.invocation);
        metrics.add(dataset, metric, 1);
        metrics.emit();
    }

    /// Whether they have finished, in as much time as this invocation has.
    async fn run_after(&self, plan: &Plan, batch: &SqlBatch) -> Result<bool, String> {
        let load_id = ident::stable_id(["after", plan.load_id.as_str()]);
        let (dataset, load_id) = (plan.dataset.as_str(), load_id.as_str());
        let name = LoadName { dataset, load_id };
        match self.warehouse.load(name, &self.home.database, batch, self.invocation).await {
            Ok(LoadEnd::Finished { statement, .. }) => {
                tracing::info!(dataset, statement, "models are run");
                Ok(true)
            }
            Ok(LoadEnd::Running { statement }) => {
                tracing::error!(
                    dataset,
                    statement,
                    "models still run when the invocation ends: look at their end"
                );
                Ok(false)
            }
            // The warehouse's text may hold a value; the statement's id is in the line before this one.
            Ok(LoadEnd::Failed { fault, .. }) => Err(format!("their transaction failed: {}", fault.as_str())),
            Err(error) => Err(error.to_string()),
        }
    }
}
