//! All contracts of a deployment: finds the dataset of an object, and refuses sets in which that is ambiguous.

use super::location::{Glob, GlobError};
use super::template::TemplateError;
use super::{Contract, ContractError};
use crate::sql::LIVE_SUFFIX;

/// Contracts by dataset. Rules (patterns, CEL) are not compiled here: that waits for a dataset's first use.
#[derive(Debug, Default)]
pub struct ContractSet {
    contracts: Vec<(String, Contract)>,
}

/// Contracts that cannot stand together, or a location that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SetError {
    /// One contract is wrong.
    #[error("{file}: {source}")]
    Contract {
        /// The file.
        file: String,
        /// What is wrong in it.
        #[source]
        source: ContractError,
    },
    /// Two contracts of one dataset or table.
    #[error("{file}: {what} is also in {other}")]
    Twice {
        /// The file.
        file: String,
        /// The other file.
        other: String,
        /// The dataset or table.
        what: String,
    },
    /// A table that has the name of another dataset's view without tombstones.
    #[error("{file}: table {table} has the name of the view without tombstones of {other}")]
    View {
        /// The file that comes second.
        file: String,
        /// The other file, of the dataset that has the view or the table.
        other: String,
        /// The table.
        table: String,
    },
    /// Two locations that one key can match.
    #[error("{file}: location {location} can match the same key as {other}")]
    Overlap {
        /// The file.
        file: String,
        /// The other file.
        other: String,
        /// This file's location.
        location: String,
    },
    /// A placeholder without a value.
    #[error("{file}: {source}")]
    Template {
        /// The file.
        file: String,
        /// The placeholder.
        #[source]
        source: TemplateError,
    },
    /// A location that is no glob once its placeholders are filled in.
    #[error("{file}: {source}")]
    Location {
        /// The file.
        file: String,
        /// Why.
        #[source]
        source: GlobError,
    },
}

impl ContractSet {
    /// Parses the files (name, text) and checks that no dataset or table is there twice.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, SetError> {
        let mut set = Self::default();
        for (file, text) in files {
            let contract = Contract::parse(text)
                .map_err(|source| SetError::Contract { file: file.to_owned(), source })?;
            set.add(file, contract)?;
        }
        Ok(set)
    }

    /// For tools: all contracts that can stand together, and an error for every one that cannot.
    pub fn collect(contracts: impl IntoIterator<Item = (String, Contract)>) -> (Self, Vec<SetError>) {
        let mut set = Self::default();
        let added = contracts.into_iter().map(|(file, contract)| set.add(&file, contract));
        let errors = added.filter_map(Result::err).collect();
        (set, errors)
    }

    fn add(&mut self, file: &str, contract: Contract) -> Result<(), SetError> {
        let clash = self.contracts.iter().find_map(|(other, own)| {
            let (file, other) = (file.to_owned(), other.clone());
            let what = match own {
                own if own.dataset == contract.dataset => format!("dataset {}", own.dataset),
                own if own.table == contract.table => format!("table {}", own.table),
                own => {
                    let view = view_of(own, &contract).or_else(|| view_of(&contract, own))?;
                    return Some(SetError::View { file, other, table: view.to_owned() });
                }
            };
            Some(SetError::Twice { file, other, what })
        });
        match clash {
            Some(error) => Err(error),
            None => {
                self.contracts.push((file.to_owned(), contract));
                Ok(())
            }
        }
    }

    /// Refuses two locations that one key can match; placeholders count as the same text where they have one name.
    pub fn check_locations(&self) -> Result<(), SetError> {
        self.location_errors().into_iter().next().map_or(Ok(()), Err)
    }

    /// For tools: every location that is no glob, or that can match a key of an earlier one.
    pub fn location_errors(&self) -> Vec<SetError> {
        let mut seen: Vec<(&str, Glob)> = Vec::new();
        let mut errors = Vec::new();
        for (file, contract) in &self.contracts {
            let Some(s3) = &contract.s3 else { continue };
            let template = |source| SetError::Template { file: file.clone(), source };
            let location = |source| SetError::Location { file: file.clone(), source };
            let text = s3.location.placeholder_text().map_err(template);
            let glob = match text.and_then(|text| Glob::parse(&text).map_err(location)) {
                Ok(glob) => glob,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            if let Some((other, _)) = seen.iter().find(|(_, own)| own.overlaps(&glob)) {
                let (other, location) = ((*other).to_owned(), s3.location.to_string());
                errors.push(SetError::Overlap { file: file.clone(), other, location });
            }
            seen.push((file, glob));
        }
        errors
    }

    /// Resolves the locations with the given environment, for `of_object`.
    pub fn locations(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Vec<(Glob, &Contract)>, SetError> {
        let mut found = Vec::new();
        for (file, contract) in &self.contracts {
            let Some(s3) = &contract.s3 else { continue };
            let text = s3
                .location
                .resolve(env)
                .map_err(|source| SetError::Template { file: file.clone(), source })?;
            let glob =
                Glob::parse(&text).map_err(|source| SetError::Location { file: file.clone(), source })?;
            found.push((glob, contract));
        }
        Ok(found)
    }

    /// The contract of a dataset.
    pub fn dataset(&self, name: &str) -> Option<&Contract> {
        self.iter().find(|contract| contract.dataset == name)
    }

    /// All contracts, in the order of their files.
    pub fn iter(&self) -> impl Iterator<Item = &Contract> {
        self.contracts.iter().map(|(_, contract)| contract)
    }

    /// File names with their contracts.
    pub fn files(&self) -> impl Iterator<Item = (&str, &Contract)> {
        self.contracts.iter().map(|(file, contract)| (file.as_str(), contract))
    }
}

/// The table of `other` where it has the name of the view that a dataset gets.
fn view_of<'a>(own: &Contract, other: &'a Contract) -> Option<&'a str> {
    let has_view = own.table_options.deleted_when.is_some();
    let name = other.table.as_str();
    (has_view && name.strip_suffix(LIVE_SUFFIX) == Some(own.table.as_str())).then_some(name)
}
