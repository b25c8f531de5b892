//! What can go wrong around the records: it fails the invocation, which Firehose tries again before it keeps the whole
//! batch as failed. What is wrong with a record itself is an answer, not an error.

use lambda_runtime::Diagnostic;
use penstock_aws::contracts::LoadContractsError;
use penstock_core::contract::ContractError;

use crate::event::NotFirehose;

/// The function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The contracts cannot be read.
    #[error(transparent)]
    Contracts(#[from] LoadContractsError),
    /// A contract is wrong.
    #[error(transparent)]
    Contract(#[from] WrongContract),
    /// No contract is of the dataset that the function is set to.
    #[error("environment variable DATASET is {dataset:?}, of which there is no contract")]
    UnknownDataset {
        /// The variable's value.
        dataset: String,
    },
}

/// A contract file that cannot be used: a new deployment mends it.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {source}")]
pub struct WrongContract {
    /// The file.
    pub file: String,
    /// What is wrong in it.
    #[source]
    pub source: ContractError,
}

/// The invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else than Firehose sent the event.
    #[error("the event {0}")]
    Event(#[from] NotFirehose),
    /// The contract of a record's dataset cannot be used as it is.
    #[error(transparent)]
    Contract(#[from] WrongContract),
}

impl Error {
    /// Whether trying again can help without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Event(_) | Self::Contract(_) => false,
        }
    }

    /// Stable name: alarms match on it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "EventError",
            Self::Contract(_) => "ContractError",
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.kind().into(), error_message: error.to_string() }
    }
}
