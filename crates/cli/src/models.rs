//! The models that contracts name in `penstock.afterLoad`: read, parsed, and held to the tables that the contracts and
//! the models themselves have. What is wrong is told with the contract that names the model. Runs nothing.

use std::collections::BTreeMap;
use std::path::Path;

use penstock_aws::models::{model_path, read_model};
use penstock_core::contract::Contract;
use penstock_core::sql::{Ident, Model, Relation};

use crate::contracts::ContractFile;

/// Reads the models that the contracts name; those that can be used are given, what is wrong is put to the files.
pub fn read(directory: &Path, files: &mut [ContractFile]) -> BTreeMap<String, Model> {
    let mut models = BTreeMap::new();
    for file in files.iter_mut() {
        let Some(contract) = file.contract.clone() else { continue };
        for name in &contract.table_options.after_load {
            match read_model(directory, name) {
                Ok(model) => drop(models.insert(name.clone(), model)),
                Err(error) => file.errors.push(told(name, &error.to_string())),
            }
        }
    }
    let contracts: Vec<_> = files.iter().filter_map(|file| file.contract.clone()).collect();
    let contracts: Vec<&Contract> = contracts.iter().map(AsRef::as_ref).collect();
    let faults: BTreeMap<&str, Vec<String>> = models
        .iter()
        .map(|(name, model)| (name.as_str(), faults(name, model, &models, &contracts)))
        .collect();
    for file in files.iter_mut() {
        let Some(contract) = file.contract.clone() else { continue };
        for name in &contract.table_options.after_load {
            let path = model_path(directory, name);
            let own = faults.get(name.as_str()).into_iter().flatten();
            file.errors.extend(own.map(|fault| told(name, &format!("{}: {fault}", path.display()))));
        }
    }
    models
}

fn told(name: &str, reason: &str) -> String {
    format!("penstock.afterLoad {name}: {reason}")
}

/// Tables that it reads and nobody has, and tables that it makes and somebody else has, each with its line.
fn faults(
    name: &str,
    model: &Model,
    models: &BTreeMap<String, Model>,
    contracts: &[&Contract],
) -> Vec<String> {
    let is_datasets = |relation: &Relation| contracts.iter().any(|own| is_of(relation, own));
    let makes = |model: &Model, relation: &Relation| model.defined().any(|own| own.relation == *relation);
    let mut faults = Vec::new();
    for own in &model.statements {
        for relation in &own.reads {
            if !is_datasets(relation) && !models.values().any(|model| makes(model, relation)) {
                faults.push(format!(
                    "line {}: {relation} is no table of these contracts and none that a model makes",
                    own.line
                ));
            }
        }
        if own.kind.defines() && is_datasets(&own.relation) {
            faults.push(format!("line {}: {} is a dataset's", own.line, own.relation));
        }
        let twin = models.iter().find(|(other, model)| *other != name && makes(model, &own.relation));
        if let Some((other, _)) = twin.filter(|_| own.kind.defines()) {
            faults.push(format!("line {}: {} is made by {other}, too", own.line, own.relation));
        }
    }
    faults
}

/// Whether a table or view is one of a dataset's. A schema that the environment decides may be any.
fn is_of(relation: &Relation, contract: &Contract) -> bool {
    let schema = contract.warehouse.schema.resolve(&|_| None);
    let is_schema = |own: &Ident| schema.as_ref().map_or(true, |schema| schema == own.as_str());
    relation.is_of(contract, is_schema)
}
