//! Contracts from a directory: `*.odcs.yaml`, in the order of their names. Functions only parse them at start; rules
//! are compiled when a dataset is first used, so that ten contracts cost a cold start next to nothing.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use penstock_core::contract::{Contract, ContractError, ContractSet, Glob, SetError};
use penstock_core::row::Checker;

use crate::vars::Vars;

/// Suffix of contract files.
const SUFFIX: &str = ".odcs.yaml";
/// Largest contract file read.
const MAX_CONTRACT_BYTES: u64 = 4 << 20;

/// Contracts that cannot be read or used.
#[derive(Debug, thiserror::Error)]
pub enum LoadContractsError {
    /// The directory or a file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// What cannot be read.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The directory has no contract: a deployment without them would refuse every object.
    #[error("{path}: holds no file *{SUFFIX}")]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// A file that is far larger than any contract.
    #[error("{path}: is larger than {MAX_CONTRACT_BYTES} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A contract is wrong, or two cannot stand together.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// Reads all contracts of a directory.
pub fn load_contracts(directory: &Path) -> Result<ContractSet, LoadContractsError> {
    let files = read_contract_files(directory)?;
    Ok(ContractSet::parse(files.iter().map(|(name, text)| (name.as_str(), text.as_str())))?)
}

/// Where a function's contracts are: `CONTRACTS_DIR`, else beside its bootstrap.
pub fn contracts_directory(vars: &Vars<'_>) -> PathBuf {
    vars.optional("CONTRACTS_DIR").unwrap_or_else(|| "contracts".into()).into()
}

/// Reads a function's contracts.
pub fn configured_contracts(env: &dyn Fn(&str) -> Option<String>) -> Result<ContractSet, LoadContractsError> {
    load_contracts(&contracts_directory(&Vars::new(env)))
}

/// Names and texts of a directory's contract files.
pub fn read_contract_files(directory: &Path) -> Result<Vec<(String, String)>, LoadContractsError> {
    contract_paths(directory)?.into_iter().map(named_text).collect()
}

/// The contract files of a directory, in the order of their names; at least one.
pub fn contract_paths(directory: &Path) -> Result<Vec<PathBuf>, LoadContractsError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| LoadContractsError::Io { path, source }
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(io(directory))? {
        let path = entry.map_err(io(directory))?.path();
        if is_contract_path(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(LoadContractsError::Empty { path: directory.to_owned() });
    }
    Ok(paths)
}

/// Whether a file's name is one under which functions find a contract.
pub fn is_contract_path(path: &Path) -> bool {
    path.to_string_lossy().ends_with(SUFFIX)
}

fn named_text(path: PathBuf) -> Result<(String, String), LoadContractsError> {
    let text = read_contract(&path)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok((name, text))
}

/// The text of one contract file.
pub fn read_contract(path: &Path) -> Result<String, LoadContractsError> {
    let read = || {
        let large = std::fs::metadata(path)?.len() > MAX_CONTRACT_BYTES;
        if large { Ok(None) } else { std::fs::read_to_string(path).map(Some) }
    };
    match read() {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(LoadContractsError::TooLarge { path: path.to_owned() }),
        Err(source) => Err(LoadContractsError::Io { path: path.to_owned(), source }),
    }
}

/// The contracts of a function, with rules compiled on first use and kept while the process lives.
#[derive(Debug)]
pub struct Datasets {
    contracts: Vec<Arc<Contract>>,
    locations: Vec<(Glob, usize)>,
    checkers: Mutex<HashMap<usize, Arc<Checker>>>,
}

impl Datasets {
    /// Contracts without their locations, for a function that is told the dataset.
    pub fn new(set: &ContractSet) -> Self {
        Self {
            contracts: set.iter().cloned().map(Arc::new).collect(),
            locations: Vec::new(),
            checkers: Mutex::default(),
        }
    }

    /// Contracts that are found by an object's key; their locations' placeholders are filled in from `env`.
    pub fn with_locations(set: &ContractSet, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, SetError> {
        let mut datasets = Self::new(set);
        for (glob, contract) in set.locations(env)? {
            let at = datasets.contracts.iter().position(|own| own.dataset == contract.dataset);
            datasets.locations.extend(at.map(|at| (glob, at)));
        }
        Ok(datasets)
    }

    /// The dataset of an object; the first of the contracts' files wins where `penstock check` would have refused.
    pub fn of_object(&self, bucket: &str, key: &str) -> Option<Result<Arc<Checker>, ContractError>> {
        self.located(bucket, key).map(|(_, checker)| checker)
    }

    /// The location that an object is of, with its dataset's rules.
    pub fn located(&self, bucket: &str, key: &str) -> Option<(&Glob, Result<Arc<Checker>, ContractError>)> {
        let (glob, at) = self.locations.iter().find(|(glob, _)| glob.matches(bucket, key))?;
        Some((glob, self.checker(*at)))
    }

    /// A dataset by name.
    pub fn named(&self, dataset: &str) -> Option<Result<Arc<Checker>, ContractError>> {
        let at = self.contracts.iter().position(|own| own.dataset == dataset)?;
        Some(self.checker(at))
    }

    fn checker(&self, at: usize) -> Result<Arc<Checker>, ContractError> {
        let mut checkers = self.checkers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(checker) = checkers.get(&at) {
            return Ok(Arc::clone(checker));
        }
        let checker = Arc::new(Checker::compile(Arc::clone(&self.contracts[at]))?);
        checkers.insert(at, Arc::clone(&checker));
        Ok(checker)
    }
}
