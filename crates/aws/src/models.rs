//! Files of models, which contracts name in `penstock.afterLoad`: `<name>.sql` in one directory. Runs nothing, and holds
//! a model to no contract.

use std::path::{Path, PathBuf};

use penstock_core::sql::{Model, ModelError};

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 20;

/// A model that cannot be read or used.
#[derive(Debug, thiserror::Error)]
pub enum ReadModelError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file that is far larger than any model.
    #[error("{path}: is larger than {MAX_BYTES} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Its statements are none that may run.
    #[error("{path}: {source}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        #[source]
        source: ModelError,
    },
}

/// The file of a model.
pub fn model_path(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.sql"))
}

/// Reads a model.
pub fn read_model(directory: &Path, name: &str) -> Result<Model, ReadModelError> {
    let path = model_path(directory, name);
    let io = |source| ReadModelError::Io { path: path.clone(), source };
    if std::fs::metadata(&path).map_err(io)?.len() > MAX_BYTES {
        return Err(ReadModelError::TooLarge { path });
    }
    let text = std::fs::read_to_string(&path).map_err(io)?;
    Model::parse(&text).map_err(|source| ReadModelError::Wrong { path, source })
}
