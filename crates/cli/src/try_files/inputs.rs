//! Which contract and which files: what was asked for is looked at before anything is read. Reads no record.

use std::fs::File;
use std::io::{Read, Stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use penstock_core::contract::{Compression, CsvHeader, CsvOptions, Delimiter, S3Server, Template};
use penstock_core::row::Checker;

use crate::args::TryArgs;
use crate::contracts::{ContractFile, Contracts};
use crate::failure::Failure;

/// What stands for standard input.
const STDIN: &str = "-";

/// A file as it was asked for.
#[derive(Debug)]
pub struct Input {
    /// As it was written; rows have it as their source.
    pub name: String,
    path: Option<PathBuf>,
}

/// A file that can be read.
#[derive(Debug)]
pub struct Opened {
    pub reader: Reader,
    /// When the file was last changed; 0 where that is not known.
    pub source_ms: u64,
    /// Where it is known.
    pub bytes: Option<u64>,
}

/// Where bytes come from.
#[derive(Debug)]
pub enum Reader {
    File(File),
    Stdin(Stdin),
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stdin(stdin) => stdin.read(buffer),
        }
    }
}

impl Input {
    /// The files of a call, all of which must be there.
    pub fn all(paths: &[PathBuf]) -> Result<Vec<Self>, Failure> {
        let stdins = paths.iter().filter(|path| path.as_os_str() == STDIN).count();
        if stdins > 1 {
            return Err(Failure::usage("- stands twice: standard input can be read only once"));
        }
        paths.iter().map(|path| Self::new(path)).collect()
    }

    fn new(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        if name == STDIN {
            return Ok(Self { name, path: None });
        }
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                Err(Failure::usage(format!("{name}: is a directory; name the files, such as {name}/*.json")))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Failure::usage(format!("{name}: no such file")))
            }
            // What else is wrong with one file is no reason not to read the others.
            _ => Ok(Self { name, path: Some(path.to_owned()) }),
        }
    }

    /// The file's place, none for standard input.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Opens the file.
    pub fn open(&self) -> std::io::Result<Opened> {
        let Some(path) = &self.path else {
            return Ok(Opened { reader: Reader::Stdin(std::io::stdin()), source_ms: 0, bytes: None });
        };
        let file = File::open(path)?;
        let found = file.metadata()?;
        let changed = found.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let source_ms = changed.and_then(|time| u64::try_from(time.as_millis()).ok()).unwrap_or(0);
        let bytes = found.is_file().then_some(found.len());
        Ok(Opened { reader: Reader::File(file), source_ms, bytes })
    }
}

/// The contract that was asked for, ready for use, and the path of its file.
pub fn checker(args: &TryArgs) -> Result<(Arc<Checker>, String), Failure> {
    let contracts = Contracts::read(std::slice::from_ref(&args.contract))?;
    let file = match &args.dataset {
        Some(dataset) => of_dataset(&contracts, dataset)?,
        None => only(&contracts)?,
    };
    let refused =
        || Failure::Refused(file.errors.iter().map(|error| format!("{}: {error}", file.path)).collect());
    let contract = file.contract.as_deref().filter(|_| file.errors.is_empty()).ok_or_else(refused)?;
    let mut contract = contract.clone();
    contract.s3.get_or_insert_with(any_files);
    let compiled = Checker::compile(Arc::new(contract));
    let checker = compiled.map_err(|error| Failure::refused(format!("{}: {error}", file.path)))?;
    Ok((Arc::new(checker), file.path.clone()))
}

fn of_dataset<'a>(contracts: &'a Contracts, dataset: &str) -> Result<&'a ContractFile, Failure> {
    let found = contracts.files.iter().find(|file| dataset_of(file) == Some(dataset));
    found.map_or_else(
        || {
            // A wrong file may be the one that was meant.
            contracts.usable()?;
            Err(Failure::usage(format!("no contract of dataset {dataset}; there is {}", datasets(contracts))))
        },
        Ok,
    )
}

fn only(contracts: &Contracts) -> Result<&ContractFile, Failure> {
    match contracts.files.as_slice() {
        [file] => Ok(file),
        _ => {
            let reason = format!("several contracts: choose one with --dataset: {}", datasets(contracts));
            Err(Failure::usage(reason))
        }
    }
}

fn datasets(contracts: &Contracts) -> String {
    contracts.files.iter().filter_map(dataset_of).collect::<Vec<_>>().join(", ")
}

fn dataset_of(file: &ContractFile) -> Option<&str> {
    file.contract.as_ref().map(|contract| contract.dataset.as_str())
}

/// What a dataset without files of its own is tried with: everything is found out, as where a contract says nothing.
fn any_files() -> S3Server {
    S3Server {
        location: Template::new(""),
        format: None,
        delimiter: Delimiter::Auto,
        csv: CsvOptions {
            delimiter: None,
            header: CsvHeader::Names,
            quote: Some(b'"'),
            null_texts: Vec::new(),
            multiline: true,
        },
        compression: Compression::Auto,
    }
}
