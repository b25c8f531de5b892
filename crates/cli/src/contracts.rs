//! Contract files from paths: reads, parses and compiles every one, and collects all that is wrong instead of
//! stopping at the first. Needs no environment and no network.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use penstock_aws::contracts::{LoadContractsError, contract_paths, is_contract_path, read_contract};
use penstock_core::contract::{Contract, ContractError, ContractSet, SetError};
use penstock_core::row::Checker;
use penstock_core::sql::Model;
use serde_json::Value;

use crate::failure::Failure;
use crate::{lint, models};

/// One contract file and what was found in it.
#[derive(Debug)]
pub struct ContractFile {
    /// The path as a person would write it.
    pub path: String,
    /// The contract, where it could be parsed.
    pub contract: Option<Arc<Contract>>,
    /// What is wrong: path in the document and reason, or reason alone.
    pub errors: Vec<String>,
    /// What has no effect or is rarely meant.
    pub notes: Vec<String>,
}

/// All contract files of the given paths, checked.
#[derive(Debug)]
pub struct Contracts {
    /// In the order of the paths, each directory in the order of its names.
    pub files: Vec<ContractFile>,
    /// Files in the directories that look like contracts and are not read.
    pub ignored: Vec<String>,
    /// The models that they name, by name; those that can be used.
    pub models: BTreeMap<String, Model>,
}

impl Contracts {
    /// Reads and checks the contracts; only paths that lead to none are a failure.
    pub fn read(paths: &[PathBuf]) -> Result<Self, Failure> {
        let (mut found, mut ignored) = (Vec::new(), Vec::new());
        for path in paths {
            if path.is_dir() {
                found.extend(contract_paths(path).map_err(|error| no_contracts(path, &error))?);
                ignored.extend(misnamed(path));
            } else if path.is_file() {
                found.push(path.clone());
            } else {
                return Err(Failure::usage(format!("{}: no such file or directory", path.display())));
            }
        }
        let mut seen = BTreeSet::new();
        found.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
        let mut files: Vec<ContractFile> = found.iter().map(|path| ContractFile::read(path)).collect();
        hold_together(&mut files);
        Ok(Self { files, ignored, models: BTreeMap::new() })
    }

    /// The same, with the models that the contracts name.
    pub fn with_models(paths: &[PathBuf], models: &Path) -> Result<Self, Failure> {
        let mut own = Self::read(paths)?;
        own.models = models::read(models, &mut own.files);
        Ok(own)
    }

    /// Files with their contracts, or all that is wrong with any of them.
    pub fn usable(&self) -> Result<Vec<(&str, &Contract)>, Failure> {
        let wrong = |file: &ContractFile| {
            file.errors.iter().map(|error| format!("{}: {error}", file.path)).collect::<Vec<_>>()
        };
        let errors: Vec<String> = self.files.iter().flat_map(wrong).collect();
        if !errors.is_empty() {
            return Err(Failure::Refused(errors));
        }
        Ok(self
            .files
            .iter()
            .filter_map(|file| Some((file.path.as_str(), file.contract.as_deref()?)))
            .collect())
    }
}

impl ContractFile {
    fn read(path: &Path) -> Self {
        let mut file =
            Self { path: path.display().to_string(), contract: None, errors: Vec::new(), notes: Vec::new() };
        if !is_contract_path(path) {
            file.notes.push("functions read only files that are called *.odcs.yaml".into());
        }
        let text = match read_contract(path) {
            Ok(text) => text,
            Err(error) => {
                file.errors.push(without_path(&error));
                return file;
            }
        };
        match Contract::parse(&text) {
            Ok(contract) => file.look_into(Arc::new(contract), &text),
            Err(error) => file.errors.push(with_column(&error, &text)),
        }
        // A typo may be why it cannot be parsed.
        if let Ok(document) = serde_saphyr::from_str::<Value>(&text) {
            file.errors.extend(lint::misspelt(&document).iter().map(|told| named(told, told, &text)));
        }
        file
    }

    fn look_into(&mut self, contract: Arc<Contract>, text: &str) {
        let compiled = Checker::compile(Arc::clone(&contract));
        if let Err(error) = compiled.and_then(|checker| checker.check_expressions()) {
            self.errors.push(with_column(&error, text));
        }
        let found = lint::look(&contract);
        self.errors.extend(found.errors.iter().map(ToString::to_string));
        self.notes.extend(contract.notes.lines().iter().map(|note| named(note, note, text)));
        self.notes.extend(found.notes);
        self.contract = Some(contract);
    }
}

/// Adds what is wrong between files: datasets or tables that are there twice, locations that overlap.
fn hold_together(files: &mut [ContractFile]) {
    let contracts =
        files.iter().filter_map(|file| Some((file.path.clone(), file.contract.as_deref()?.clone())));
    let (set, mut errors) = ContractSet::collect(contracts);
    errors.extend(set.location_errors());
    for error in errors {
        let (file, text) = (file_of(&error), error.to_string());
        let reason = text.strip_prefix(file).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&text);
        if let Some(own) = files.iter_mut().find(|own| own.path == file) {
            own.errors.push(reason.to_owned());
        }
    }
}

fn file_of(error: &SetError) -> &str {
    match error {
        SetError::Contract { file, .. }
        | SetError::Twice { file, .. }
        | SetError::View { file, .. }
        | SetError::Overlap { file, .. }
        | SetError::Template { file, .. }
        | SetError::Location { file, .. } => file,
    }
}

fn no_contracts(path: &Path, error: &LoadContractsError) -> Failure {
    let reason = error.to_string();
    Failure::usage(format!(
        "{}: {}",
        path.display(),
        reason.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&reason)
    ))
}

fn without_path(error: &LoadContractsError) -> String {
    match error {
        LoadContractsError::Io { source, .. } => format!("cannot be read: {source}"),
        other => other.to_string(),
    }
}

/// YAML files beside the contracts whose names keep them from being read: probably not meant.
fn misnamed(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<String> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension().is_some_and(|own| own == "yaml" || own == "yml") && !is_contract_path(path)
        })
        .map(|path| path.display().to_string())
        .collect();
    found.sort();
    found
}

fn with_column(error: &ContractError, text: &str) -> String {
    named(&error.to_string(), &error.path, text)
}

/// Adds a column's name to a text about `schema[0].properties[7]`, which nobody wants to count.
fn named(told: &str, path: &str, text: &str) -> String {
    match column_at(path, text) {
        Some(name) if !told.contains(&format!("{name:?}")) => format!("{told} (column {name})"),
        _ => told.to_owned(),
    }
}

fn column_at(path: &str, text: &str) -> Option<String> {
    let (schema, rest) = path.split_once("schema[")?.1.split_once("].properties[")?;
    let (property, _) = rest.split_once(']')?;
    let document: Value = serde_saphyr::from_str(text).ok()?;
    let property = document
        .get("schema")?
        .get(schema.parse::<usize>().ok()?)?
        .get("properties")?
        .get(property.parse::<usize>().ok()?)?;
    property.get("name")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_to_a_column_is_told_with_its_name() {
        let text = "schema:\n  - properties:\n      - name: a\n      - name: b\n";
        let error = ContractError {
            path: "schema[0].properties[1].logicalTypeOptions".into(),
            reason: "is wrong".into(),
        };
        assert_eq!(
            with_column(&error, text),
            "schema[0].properties[1].logicalTypeOptions: is wrong (column b)"
        );
        let other = ContractError { path: "servers[0]".into(), reason: "is wrong".into() };
        assert_eq!(with_column(&other, text), "servers[0]: is wrong");
        let far = ContractError { path: "schema[0].properties[9]".into(), reason: "is wrong".into() };
        assert_eq!(with_column(&far, text), "schema[0].properties[9]: is wrong");
    }
}
