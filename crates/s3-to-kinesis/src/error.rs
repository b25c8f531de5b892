//! What can go wrong around the records: all of it is returned to the trigger, which tries again. What is wrong with a
//! record or an object itself is a reject, not an error.

use lambda_runtime::Diagnostic;
use penstock_aws::fetch::FetchError;
use penstock_aws::quarantine::QuarantineError;
use penstock_aws::reading::ReadError;
use penstock_aws::store::StoreError;
use penstock_aws::trigger::{FAULT_AGAIN_S, GivenBack};
use penstock_core::contract::ContractError;

use crate::sink::SendError;

/// Seconds after which an object is read on that ran out of time: it did what it could.
const READ_ON_AFTER_S: i32 = 1;

/// An object could not be put on its stream now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// S3 did not say what the object is.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The object was not read to its end, or the stream did not take its rows.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The receipt was not written, or what was kept of the object not deleted.
    #[error(transparent)]
    Work(#[from] StoreError),
    /// Rejects are not safe.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The dataset's contract cannot be used as it is: a new deployment mends it.
    #[error("contract of {uri}: {source}")]
    Contract {
        /// The object.
        uri: String,
        /// What is wrong.
        #[source]
        source: ContractError,
    },
    /// The dataset's stream is not known, or cannot be asked.
    #[error("stream of {uri}: {reason}")]
    Stream {
        /// The object.
        uri: String,
        /// Why.
        reason: String,
    },
    /// The dataset's stream did not say what it takes.
    #[error("stream of {uri}: {source}")]
    Limits {
        /// The object.
        uri: String,
        /// Why.
        #[source]
        source: SendError,
    },
    /// A bare event is not one of S3's. (In a queue such a message is quarantined instead.)
    #[error("the event {0}")]
    Event(String),
}

impl Error {
    /// Whether trying again can help without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Read(ReadError::Contract(_)) => false,
            Self::Read(ReadError::Outlet { may_pass, .. }) => *may_pass,
            Self::Limits { source, .. } => source.is_retryable(),
            Self::Fetch(_) | Self::Read(_) | Self::Work(_) | Self::Quarantine(_) => true,
            Self::Contract { .. } | Self::Stream { .. } | Self::Event(_) => false,
        }
    }
}

impl GivenBack for Error {
    fn of_event(reason: String) -> Self {
        Self::Event(reason)
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Fetch(_) | Self::Read(ReadError::Fetch(_)) => "FetchError",
            Self::Read(ReadError::Body { .. }) => "BodyError",
            Self::Read(ReadError::Outlet { .. }) => "SendError",
            Self::Read(ReadError::Tasks(_)) => "TasksError",
            Self::Read(ReadError::Closed) => "ObjectClosed",
            Self::Read(ReadError::OutOfTime) => "OutOfTime",
            Self::Work(_) | Self::Read(ReadError::Store(_)) => "WorkError",
            Self::Quarantine(_) | Self::Read(ReadError::Quarantine(_)) => "QuarantineError",
            Self::Contract { .. } | Self::Read(ReadError::Contract(_)) => "ContractError",
            Self::Stream { .. } | Self::Limits { .. } => "StreamError",
            Self::Event(_) => "EventError",
        }
    }

    /// One that only a person can help comes again, too: as soon as that is done it goes on, and else it is a dead
    /// letter before SQS forgets it.
    fn again_s(&self) -> i32 {
        match self {
            Self::Read(ReadError::OutOfTime | ReadError::Closed) => READ_ON_AFTER_S,
            _ => FAULT_AGAIN_S,
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.kind().into(), error_message: error.to_string() }
    }
}
