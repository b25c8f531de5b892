//! What can go wrong around an object: all of it is returned to the trigger, which tries again. What is wrong with a
//! record or an object itself is a reject, not an error.

use lambda_runtime::Diagnostic;
use penstock_aws::fetch::FetchError;
use penstock_aws::quarantine::QuarantineError;
use penstock_aws::store::StoreError;
use penstock_aws::tasks::SendTasksError;
use penstock_aws::trigger::{FAULT_AGAIN_S, GivenBack};
use penstock_core::contract::ContractError;

use crate::sink::WriteError;

/// Seconds after which an object comes again that had not the whole of an invocation.
const YOUNG_AGAIN_S: i32 = 1;

/// An object is not in the lake yet.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// S3 did not say what the object is, or did not give it.
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
    /// The lake did not take a file.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The note or the receipt was not read or written, or files of the lake not deleted.
    #[error(transparent)]
    Work(#[from] StoreError),
    /// Rejects are not safe.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The queue of the Glue jobs did not take the object.
    #[error("handing {uri} over: {source}")]
    HandOver {
        /// The object.
        uri: String,
        /// Why.
        #[source]
        source: SendTasksError,
    },
    /// Another invocation converts the source now.
    #[error("{uri} is being converted by another invocation for at most {seconds} s")]
    Held {
        /// The object.
        uri: String,
        /// Until its lease ends.
        seconds: u64,
    },
    /// Another invocation has taken the source over, or was quicker.
    #[error("the lease of {uri} was lost")]
    LeaseLost {
        /// The object.
        uri: String,
    },
    /// The object was replaced again and again while it was copied.
    #[error("{uri} does not stay the same for as long as a copy takes")]
    Restless {
        /// The object.
        uri: String,
    },
    /// The invocation ends before the object is done, and had not all of its time for it.
    #[error("no time is left in this invocation for {uri}")]
    OutOfTime {
        /// The object.
        uri: String,
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
    /// Rows that were checked could not be written as Parquet: a fault of the function.
    #[error("rows of {uri}: {source}")]
    Rows {
        /// The object.
        uri: String,
        /// Why.
        #[source]
        source: penstock_core::lake::LakeError,
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
            | Self::Write(_)
            | Self::Work(_)
            | Self::Quarantine(_)
            | Self::HandOver { .. }
            | Self::Held { .. }
            | Self::LeaseLost { .. }
            | Self::Restless { .. }
            | Self::OutOfTime { .. } => true,
            Self::Contract { .. } | Self::Rows { .. } | Self::Event(_) => false,
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
            Self::Write(_) => "LakeError",
            Self::Work(_) => "WorkError",
            Self::Quarantine(_) => "QuarantineError",
            Self::HandOver { .. } => "HandOverError",
            Self::Held { .. } => "ObjectHeld",
            Self::LeaseLost { .. } => "LeaseLost",
            Self::Restless { .. } => "ObjectRestless",
            Self::OutOfTime { .. } => "OutOfTime",
            Self::Contract { .. } => "ContractError",
            Self::Rows { .. } => "RowsError",
            Self::Event(_) => "EventError",
        }
    }

    /// A lease may be given back long before it ends, so it is asked for now and then. What only a person can help
    /// comes again, too, and else is a dead letter before SQS forgets it.
    fn again_s(&self) -> i32 {
        match self {
            Self::Held { seconds, .. } => {
                i32::try_from(*seconds).unwrap_or(FAULT_AGAIN_S).clamp(1, FAULT_AGAIN_S)
            }
            Self::OutOfTime { .. } => YOUNG_AGAIN_S,
            _ => FAULT_AGAIN_S,
        }
    }
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: error.kind().into(), error_message: error.to_string() }
    }
}
