//! What can go wrong around the objects: all of it gives messages back to the queue. What is wrong with a record or an
//! object itself is a reject, not an error.

use lambda_runtime::Diagnostic;
use penstock_aws::fetch::FetchError;
use penstock_aws::quarantine::QuarantineError;
use penstock_aws::reading::ReadError;
use penstock_aws::store::StoreError;
use penstock_aws::tasks::SendTasksError;
use penstock_aws::trigger::{FAULT_AGAIN_S, GivenBack};
use penstock_aws::warehouse::{ExecuteError, Fault, WarehouseError};
use penstock_core::sql::CopyError;

/// Seconds after which a load that was still running is looked at again.
const RUNNING_AGAIN_S: i32 = 20;

/// Objects could not be loaded now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// S3 did not answer with the object.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The object's bytes stopped coming.
    #[error("reading {uri}: {message}")]
    Body {
        /// The object.
        uri: String,
        /// What the SDK says.
        message: String,
    },
    /// The work bucket was not read or written.
    #[error(transparent)]
    Work(#[from] StoreError),
    /// The Data API did not answer.
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
    /// The ledger could not be asked.
    #[error("asking the ledger: {0}")]
    Ledger(#[from] ExecuteError),
    /// The transaction failed, and not because of an object.
    #[error("the load failed: {}", .0.as_str())]
    Load(Fault),
    /// The transaction failed, and the table is not the contract's.
    #[error("{0}")]
    Table(String),
    /// The load is submitted and not finished.
    #[error("statement {0} is still running")]
    Running(String),
    /// Rejects are not safe.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The function's own queue did not take tasks.
    #[error(transparent)]
    Tasks(#[from] SendTasksError),
    /// Another invocation settled the object while this one read of it: what is true now shows when its message comes
    /// again.
    #[error("the object was closed while it was read")]
    Closed,
    /// The dataset's contract cannot be used as it is: a new deployment mends it.
    #[error("contract: {0}")]
    Contract(String),
    /// The load's SQL cannot be made.
    #[error(transparent)]
    Sql(#[from] CopyError),
    /// The invocation ends before the object is done.
    #[error("no time is left in this invocation")]
    OutOfTime,
    /// A bare event is not one of S3's. (In a queue such a message is quarantined instead.)
    #[error("the event {0}")]
    Event(String),
    /// What failed for all objects of a load together, as it is told for each of them.
    #[error("{0}")]
    Together(String),
}

impl Error {
    /// Whether trying again can help without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Fetch(_)
            | Self::Body { .. }
            | Self::Work(_)
            | Self::Warehouse(_)
            | Self::Ledger(_)
            | Self::Table(_)
            | Self::Running(_)
            | Self::Quarantine(_)
            | Self::Tasks(_)
            | Self::Closed
            | Self::OutOfTime
            | Self::Together(_) => true,
            Self::Load(fault) => *fault != Fault::OutOfBalance,
            Self::Contract(_) | Self::Sql(_) | Self::Event(_) => false,
        }
    }

    /// The same fault for another object of the same load: it decides when its message comes again.
    pub(crate) fn of_another(&self) -> Self {
        match self {
            Self::Running(statement) => Self::Running(statement.clone()),
            Self::OutOfTime => Self::OutOfTime,
            Self::Closed => Self::Closed,
            Self::Load(fault) => Self::Load(*fault),
            Self::Table(told) => Self::Table(told.clone()),
            Self::Contract(reason) => Self::Contract(reason.clone()),
            other => Self::Together(other.to_string()),
        }
    }
}

impl GivenBack for Error {
    fn of_event(reason: String) -> Self {
        Self::Event(reason)
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "FetchError",
            Self::Body { .. } => "BodyError",
            Self::Work(_) => "WorkError",
            Self::Warehouse(_) => "WarehouseError",
            Self::Ledger(_) => "LedgerError",
            Self::Load(_) => "LoadError",
            Self::Table(_) => "TableMismatch",
            Self::Running(_) => "StillRunning",
            Self::Quarantine(_) => "QuarantineError",
            Self::Tasks(_) => "TasksError",
            Self::Closed => "ObjectClosed",
            Self::Contract(_) => "ContractError",
            Self::Sql(_) => "SqlError",
            Self::OutOfTime => "OutOfTime",
            Self::Event(_) => "EventError",
            Self::Together(_) => "LoadNotDone",
        }
    }

    /// Messages of a running load come again soon: it is waited for by no function. One that only a person can help
    /// comes again, too: as soon as that is done it goes on, and else it is a dead letter before SQS forgets it.
    fn again_s(&self) -> i32 {
        match self {
            Self::Running(_) | Self::OutOfTime => RUNNING_AGAIN_S,
            _ => FAULT_AGAIN_S,
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Fetch(error) => Self::Fetch(error),
            ReadError::Body { uri, message } | ReadError::Outlet { uri, message, .. } => {
                Self::Body { uri, message }
            }
            ReadError::Store(error) => Self::Work(error),
            ReadError::Quarantine(error) => Self::Quarantine(error),
            ReadError::Tasks(error) => Self::Tasks(error),
            ReadError::Closed => Self::Closed,
            ReadError::Contract(reason) => Self::Contract(reason),
            ReadError::OutOfTime => Self::OutOfTime,
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.kind().into(), error_message: error.to_string() }
    }
}
