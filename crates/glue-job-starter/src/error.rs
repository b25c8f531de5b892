//! Why work is not started now: all of it is returned to the trigger, which brings it again. What is wrong with an object
//! or a message itself goes into quarantine and is no error.

use std::sync::Arc;

use lambda_runtime::Diagnostic;
use penstock_aws::quarantine::QuarantineError;
use penstock_aws::store::StoreError;
use penstock_aws::trigger::{FAULT_AGAIN_S, GivenBack};

use crate::sink::{Cause, FindError, Refusal};

/// Longest time that a message waits for a busy job, in seconds.
const MAX_BUSY_S: u64 = 900;

/// Work could not be started now.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The claims were not read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is at fault is not safe.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The claims were not listed.
    #[error("listing {folder} of the work bucket: {message}")]
    List {
        /// The folder.
        folder: String,
        /// What the SDK says.
        message: String,
    },
    /// S3 did not tell of an object whose event says too little.
    #[error("looking at {uri}: {message}")]
    Head {
        /// The object.
        uri: String,
        /// What the SDK says.
        message: String,
    },
    /// The dataset's contract cannot be used as it is: a new deployment mends it.
    #[error("contract of dataset {dataset}: {reason}")]
    Contract {
        /// The dataset.
        dataset: String,
        /// What is wrong.
        reason: String,
    },
    /// Glue surely did not start it.
    #[error("dataset {dataset}: {refusal}")]
    Refused {
        /// The dataset.
        dataset: String,
        /// Why.
        refusal: Refusal,
    },
    /// Glue may have started it.
    #[error("dataset {dataset}: nobody knows whether {name} was started: {message}")]
    Unknown {
        /// The dataset.
        dataset: String,
        /// Job or crawler.
        name: String,
        /// What the SDK says.
        message: String,
        /// When it is looked for, in ms since 1970.
        until_ms: u64,
    },
    /// Glue did not say which runs there are.
    #[error("dataset {dataset}: {source}")]
    Find {
        /// The dataset.
        dataset: String,
        /// Why.
        #[source]
        source: FindError,
    },
    /// Another invocation is starting runs of the dataset.
    #[error("the newest claim of dataset {dataset} is held by another invocation")]
    Held {
        /// The dataset.
        dataset: String,
        /// Until then at the longest, in ms since 1970.
        until_ms: u64,
    },
    /// Others were quicker, again and again.
    #[error("claims of dataset {dataset} were written by others before")]
    Raced {
        /// The dataset.
        dataset: String,
    },
    /// The invocation ends before the work's turn comes, or before the log is read as far back as the work is old.
    #[error("no time is left for dataset {dataset}")]
    OutOfTime {
        /// The dataset.
        dataset: String,
    },
    /// A bare event cannot be used. (In a queue such a message is quarantined instead.)
    #[error("the event {0}")]
    Event(String),
}

impl Error {
    /// Whether trying again can help without a person.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(_)
            | Self::Quarantine(_)
            | Self::List { .. }
            | Self::Head { .. }
            | Self::Unknown { .. }
            | Self::Find { .. }
            | Self::Held { .. }
            | Self::Raced { .. }
            | Self::OutOfTime { .. } => true,
            Self::Refused { refusal, .. } => refusal.cause == Cause::Busy,
            Self::Contract { .. } | Self::Event(_) => false,
        }
    }

    /// Stable name: alarms match on it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Store(_) | Self::List { .. } => "StoreError",
            Self::Quarantine(_) => "QuarantineError",
            Self::Head { .. } => "HeadError",
            Self::Contract { .. } => "ContractError",
            Self::Refused { refusal, .. } => match refusal.cause {
                Cause::Busy => "Busy",
                Cause::Missing => "NotFound",
                Cause::Other => "Refused",
            },
            Self::Unknown { .. } => "Unknown",
            Self::Find { .. } => "FindError",
            Self::Held { .. } => "Held",
            Self::Raced { .. } => "Raced",
            Self::OutOfTime { .. } => "OutOfTime",
            Self::Event(_) => "EventError",
        }
    }

    /// Seconds after which a message comes again that was received so often, at that time in ms since 1970.
    pub fn again_s(&self, receives: u32, now_ms: u64) -> i32 {
        match self {
            Self::Refused { refusal, .. } if refusal.cause == Cause::Busy => {
                let doubled = 1_u64.checked_shl(receives.saturating_sub(1)).unwrap_or(MAX_BUSY_S);
                let waits = u64::from(FAULT_AGAIN_S.unsigned_abs()).saturating_mul(doubled);
                i32::try_from(waits.min(MAX_BUSY_S)).unwrap_or(FAULT_AGAIN_S)
            }
            Self::Unknown { until_ms, .. } | Self::Held { until_ms, .. } => {
                let left = until_ms.saturating_sub(now_ms) / 1_000 + 1;
                i32::try_from(left).unwrap_or(FAULT_AGAIN_S).min(FAULT_AGAIN_S)
            }
            _ => FAULT_AGAIN_S,
        }
    }
}

/// A message that is given back, for a reason that it may share with others.
#[derive(Debug, Clone)]
pub struct Back {
    /// The reason.
    pub error: Arc<Error>,
    /// Seconds after which it comes again.
    pub again_s: i32,
}

impl std::fmt::Display for Back {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl From<Back> for Diagnostic {
    fn from(back: Back) -> Self {
        Self { error_type: back.error.kind().into(), error_message: back.error.to_string() }
    }
}

impl GivenBack for Back {
    fn of_event(reason: String) -> Self {
        Self { error: Arc::new(Error::Event(reason)), again_s: FAULT_AGAIN_S }
    }

    fn kind(&self) -> &'static str {
        self.error.kind()
    }

    fn again_s(&self) -> i32 {
        self.again_s
    }
}
