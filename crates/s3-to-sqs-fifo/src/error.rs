//! What can go wrong around the records: all of it is returned to the trigger, which tries again. What is wrong
//! with a record or an object itself is a reject, not an error.

use lambda_runtime::Diagnostic;
use penstock_aws::fetch::FetchError;
use penstock_aws::quarantine::QuarantineError;
use penstock_aws::trigger::{FAULT_AGAIN_S, GivenBack};
use penstock_core::contract::ContractError;

use crate::sink::SendError;

/// An object could not be delivered now.
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
    /// The dataset's contract cannot be used as it is: a new deployment mends it.
    #[error("contract of {uri}: {source}")]
    Contract {
        /// The object.
        uri: String,
        /// What is wrong.
        #[source]
        source: ContractError,
    },
    /// The dataset's queue is not known.
    #[error("queue of {uri}: {reason}")]
    Queue {
        /// The object.
        uri: String,
        /// Why.
        reason: String,
    },
    /// The queue did not take messages.
    #[error("sending rows of {uri}: {source}")]
    Send {
        /// The object.
        uri: String,
        /// Why.
        #[source]
        source: SendError,
    },
    /// Rejects are not safe.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The receipt was not written.
    #[error("receipt of {uri}: {message}")]
    Receipt {
        /// The object.
        uri: String,
        /// What the SDK says.
        message: String,
    },
    /// The invocation ends before the object does.
    #[error("{uri} is too large for the time of one invocation")]
    OutOfTime {
        /// The object.
        uri: String,
    },
    /// A bare event is not one of S3's. (In a queue such a message is quarantined instead.)
    #[error("the event {0}")]
    Event(String),
}

impl Error {
    /// Whether trying again can help without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Fetch(_)
            | Self::Body { .. }
            | Self::Send { .. }
            | Self::Quarantine(_)
            | Self::Receipt { .. } => true,
            Self::Contract { .. } | Self::Queue { .. } | Self::OutOfTime { .. } | Self::Event(_) => false,
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
            Self::Contract { .. } => "ContractError",
            Self::Queue { .. } => "QueueError",
            Self::Send { .. } => "SendError",
            Self::Quarantine(_) => "QuarantineError",
            Self::Receipt { .. } => "ReceiptError",
            Self::OutOfTime { .. } => "OutOfTime",
            Self::Event(_) => "EventError",
        }
    }

    fn again_s(&self) -> i32 {
        FAULT_AGAIN_S
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.kind().into(), error_message: error.to_string() }
    }
}
