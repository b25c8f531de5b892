//! What can go wrong around the rows: all of it gives messages back to the queue. What is wrong with a row or a
//! message itself is a reject, not an error.

use lambda_runtime::Diagnostic;
use penstock_aws::quarantine::QuarantineError;
use penstock_aws::warehouse::{Fault, WarehouseError};
use penstock_core::sql::LoadError;

/// Messages could not be loaded now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The Data API did not answer.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The transaction failed, and not because of a value.
    #[error("the load failed: {}", .0.as_str())]
    Load(Fault),
    /// The load is submitted and not finished.
    #[error("statement {0} is still running")]
    Running(String),
    /// Rejects are not safe.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The dataset's contract cannot be used as it is: a new deployment mends it.
    #[error("contract: {0}")]
    Contract(String),
    /// The load's SQL cannot be made.
    #[error(transparent)]
    Sql(#[from] LoadError),
    /// The invocation ends before the load could begin.
    #[error("no time is left in this invocation")]
    OutOfTime,
}

impl Error {
    /// Whether trying again can help without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Warehouse(_) | Self::Running(_) | Self::Quarantine(_) | Self::OutOfTime => true,
            Self::Load(fault) => *fault != Fault::OutOfBalance,
            Self::Contract(_) | Self::Sql(_) => false,
        }
    }

    /// The same fault for another message of the same load: it decides when the message comes again.
    pub(crate) fn of_another(&self) -> Self {
        match self {
            Self::Running(statement) => Self::Running(statement.clone()),
            Self::OutOfTime => Self::OutOfTime,
            Self::Load(fault) => Self::Load(*fault),
            Self::Contract(reason) => Self::Contract(reason.clone()),
            Self::Warehouse(_) | Self::Quarantine(_) | Self::Sql(_) => Self::Load(Fault::Transient),
        }
    }

    /// Stable name: alarms match on it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Warehouse(_) => "WarehouseError",
            Self::Load(_) => "LoadError",
            Self::Running(_) => "StillRunning",
            Self::Quarantine(_) => "QuarantineError",
            Self::Contract(_) => "ContractError",
            Self::Sql(_) => "SqlError",
            Self::OutOfTime => "OutOfTime",
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.kind().into(), error_message: error.to_string() }
    }
}
