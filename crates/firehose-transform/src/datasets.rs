//! The contracts by dataset and by Firehose stream. Parsing ten YAML files would cost more than everything else of a
//! cold start, so a file is parsed when it is known to be needed, and its rules are compiled at its first row.

use std::sync::{Arc, OnceLock};

use penstock_core::contract::Contract;
use penstock_core::row::{Checker, HandOver};

use crate::error::{StartError, WrongContract};
use crate::partition::PartitionKeys;

/// Part of the property that names a Firehose stream, as it stands in every file that has it.
const STREAM_PROPERTY: &str = "deliveryStream";
/// What follows a dataset's name in the usual name of its file.
const SUFFIX: &str = ".odcs.yaml";

/// Everything that one dataset's rows need.
#[derive(Debug)]
pub struct Dataset {
    pub name: String,
    pub checker: Checker,
    pub hand_over: HandOver,
    pub keys: PartitionKeys,
}

/// A contract file.
#[derive(Debug)]
struct File {
    name: String,
    text: String,
    contract: OnceLock<Arc<Contract>>,
    dataset: OnceLock<Arc<Dataset>>,
}

/// The contracts of the function.
#[derive(Debug)]
pub struct Datasets {
    files: Vec<File>,
    /// File of the dataset that the function is set to.
    fixed: Option<usize>,
    /// Firehose streams with the files that name them.
    streams: Vec<(String, usize)>,
    /// Why a file's stream is not among them.
    unresolved: Vec<String>,
}

impl Datasets {
    /// Takes the files (name, text). Parses the contract of `dataset`; without one those that name a Firehose stream,
    /// whose placeholders are filled in from `env`.
    pub fn start(
        files: Vec<(String, String)>,
        dataset: Option<&str>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        let file = |(name, text)| File { name, text, contract: OnceLock::new(), dataset: OnceLock::new() };
        let files = files.into_iter().map(file).collect();
        let mut own = Self { files, fixed: None, streams: Vec::new(), unresolved: Vec::new() };
        match dataset {
            None => own.find_streams(env)?,
            Some(name) => {
                let unknown = || StartError::UnknownDataset { dataset: name.to_owned() };
                own.fixed = Some(own.find(name)?.ok_or_else(unknown)?);
            }
        }
        Ok(own)
    }

    fn find_streams(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<(), WrongContract> {
        for (at, file) in
            self.files.iter().enumerate().filter(|(_, file)| file.text.contains(STREAM_PROPERTY))
        {
            let contract = file.contract()?;
            let stream = contract.stream.as_ref().and_then(|stream| stream.delivery_stream.as_ref());
            match stream.map(|template| template.resolve(env)) {
                Some(Ok(name)) => self.streams.push((name, at)),
                Some(Err(error)) => self.unresolved.push(format!("{}: {error}", file.name)),
                None => {}
            }
        }
        Ok(())
    }

    /// The dataset that all records are of, whatever they say.
    pub fn fixed(&self) -> Result<Option<Arc<Dataset>>, WrongContract> {
        self.fixed.map(|at| self.dataset(at)).transpose()
    }

    /// The dataset of the only contract that names a Firehose stream.
    pub fn of_stream(&self, stream: &str) -> Result<Option<Arc<Dataset>>, WrongContract> {
        let mut found = self.streams.iter().filter(|(own, _)| own == stream);
        match (found.next(), found.next()) {
            (Some((_, at)), None) => self.dataset(*at).map(Some),
            _ => Ok(None),
        }
    }

    /// Logs why a Firehose stream may tell no dataset. For when it was asked for one: that several datasets share a
    /// stream is nothing to warn of while each row says its own.
    pub fn tell_why_unknown(&self, stream: &str) {
        match self.streams.iter().filter(|(own, _)| own == stream).count() {
            0 => {
                for reason in &self.unresolved {
                    tracing::warn!(stream, reason, "a contract's stream is not known");
                }
            }
            1 => {}
            contracts => {
                tracing::warn!(stream, contracts, "several contracts name the stream, so each row has to");
            }
        }
    }

    /// A dataset by name.
    pub fn named(&self, name: &str) -> Result<Option<Arc<Dataset>>, WrongContract> {
        self.find(name)?.map(|at| self.dataset(at)).transpose()
    }

    /// The file of a dataset: the one called after it, else the first that has its name in it and is of it. A row may
    /// name anything: a wrong contract that only happens to hold the word fails nobody's event.
    fn find(&self, name: &str) -> Result<Option<usize>, WrongContract> {
        let is_called = |file: &File| file.name.strip_suffix(SUFFIX) == Some(name);
        let files = self.files.iter().enumerate().filter(|(_, file)| file.text.contains(name));
        let (called, others): (Vec<_>, Vec<_>) = files.partition(|(_, file)| is_called(file));
        // One without rows is none for a stream.
        for (at, file) in called {
            let contract = file.contract()?;
            if contract.dataset == name && !contract.is_binary() {
                return Ok(Some(at));
            }
        }
        let is_of = |file: &File| {
            file.contract().is_ok_and(|contract| contract.dataset == name && !contract.is_binary())
        };
        Ok(others.into_iter().find(|(_, file)| is_of(file)).map(|(at, _)| at))
    }

    fn dataset(&self, at: usize) -> Result<Arc<Dataset>, WrongContract> {
        // Every index here comes from the files' own enumeration.
        self.files[at].dataset()
    }
}

impl File {
    fn contract(&self) -> Result<Arc<Contract>, WrongContract> {
        if let Some(contract) = self.contract.get() {
            return Ok(Arc::clone(contract));
        }
        let parsed = Contract::parse(&self.text);
        let contract =
            parsed.map_err(|source| WrongContract { file: self.name.clone(), source }).map(Arc::new)?;
        Ok(Arc::clone(self.contract.get_or_init(|| contract)))
    }

    fn dataset(&self) -> Result<Arc<Dataset>, WrongContract> {
        if let Some(dataset) = self.dataset.get() {
            return Ok(Arc::clone(dataset));
        }
        let contract = self.contract()?;
        let dataset = Dataset {
            name: contract.dataset.clone(),
            hand_over: HandOver::new(&contract),
            keys: PartitionKeys::new(&contract),
            checker: Checker::compile(contract)
                .map_err(|source| WrongContract { file: self.name.clone(), source })?,
        };
        Ok(Arc::clone(self.dataset.get_or_init(|| Arc::new(dataset))))
    }
}
