//! Faults that a test asks for: slow transactions, failing statements, lost answers, throttling. Decides whether
//! one applies; `run` and `http` act on it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pg_error::serialization_conflict;
use crate::sql::SqlError;

/// One fault. `times` is how often it strikes (missing: until it is removed); `database` limits it to one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Transactions take longer.
    Delay {
        /// Where they wait.
        when: DelayWhen,
        /// How long, in milliseconds.
        ms: u64,
        /// How often.
        #[serde(default)]
        times: Option<u64>,
        /// Where.
        #[serde(default)]
        database: Option<String>,
    },
    /// The n-th statement that matches fails; it does not run.
    Fail {
        /// A part of its text, compared as it is.
        #[serde(default)]
        contains: Option<String>,
        /// Its kind, such as `INSERT`, `CALL` or `CREATE TABLE`.
        #[serde(default)]
        kind: Option<String>,
        /// Matches to let pass before it strikes.
        #[serde(default)]
        skip: u64,
        /// The error's text after `ERROR: `; missing: by the SQLSTATE.
        #[serde(default)]
        error: Option<String>,
        /// `40001` gives 1023, `40P01` a deadlock.
        #[serde(default)]
        sqlstate: Option<String>,
        /// How often; missing: once.
        #[serde(default)]
        times: Option<u64>,
        /// Where.
        #[serde(default)]
        database: Option<String>,
    },
    /// The call does its work to the end, and the answer is a server error.
    LoseAnswer {
        /// The operation, such as `BatchExecuteStatement`.
        operation: String,
        /// How often; missing: once.
        #[serde(default)]
        times: Option<u64>,
        /// Where.
        #[serde(default)]
        database: Option<String>,
    },
    /// The call is answered with an exception and does nothing.
    Throttle {
        /// The operation.
        operation: String,
        /// The exception's type.
        exception: String,
        /// Its message.
        #[serde(default)]
        message: Option<String>,
        /// How often; missing: once.
        #[serde(default)]
        times: Option<u64>,
        /// Where.
        #[serde(default)]
        database: Option<String>,
    },
}

/// Where a transaction waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DelayWhen {
    /// After its LOCK is granted, or at its start where it has none.
    AfterLock,
    /// In each COPY, with its objects read and its rows not yet there.
    DuringCopy,
    /// With all its work done.
    BeforeCommit,
}

/// The faults that are set.
#[derive(Debug, Default)]
pub struct Faults {
    active: Mutex<Vec<Fault>>,
}

impl Faults {
    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets one more.
    pub fn add(&self, fault: Fault) {
        self.lock().push(fault);
    }

    /// Removes those of a database, or all.
    pub fn clear(&self, database: Option<&str>) {
        self.lock().retain(|fault| database.is_some() && fault.database() != database);
    }

    /// What is set.
    pub fn list(&self) -> Vec<Fault> {
        self.lock().clone()
    }

    /// How long a transaction waits here.
    pub fn delay(&self, at: DelayWhen, database: &str) -> Duration {
        let struck = self.strike(database, |fault| match fault {
            Fault::Delay { when, ms, .. } if *when == at => Some(*ms),
            _ => None,
        });
        Duration::from_millis(struck.unwrap_or_default())
    }

    /// The error that a statement gets instead of running.
    pub fn failure(&self, kind: &str, sql: &str, database: &str) -> Option<SqlError> {
        self.strike(database, |fault| {
            let Fault::Fail { contains, kind: wanted, skip, error, sqlstate, .. } = fault else {
                return None;
            };
            let matches = contains.as_ref().is_none_or(|part| sql.contains(part))
                && wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(kind));
            if !matches {
                return None;
            }
            if *skip > 0 {
                *skip -= 1;
                return None;
            }
            Some(error_of(error.as_deref(), sqlstate.as_deref()))
        })
    }

    /// Whether the answer of this call gets lost.
    pub fn loses_answer(&self, call: &str, database: &str) -> bool {
        self.strike(database, |fault| match fault {
            Fault::LoseAnswer { operation, .. } if operation == call => Some(()),
            _ => None,
        })
        .is_some()
    }

    /// The exception type and message that this call gets.
    pub fn throttle(&self, call: &str, database: &str) -> Option<(String, String)> {
        self.strike(database, |fault| match fault {
            Fault::Throttle { operation, exception, message, .. } if operation == call => Some((
                exception.clone(),
                message.clone().unwrap_or_else(|| "a fault that was asked for".into()),
            )),
            _ => None,
        })
    }

    /// The first fault that applies; used up, it is removed.
    fn strike<T>(&self, database: &str, mut applies: impl FnMut(&mut Fault) -> Option<T>) -> Option<T> {
        let mut active = self.lock();
        for i in 0..active.len() {
            let fault = &mut active[i];
            if fault.database().is_some_and(|only| only != database) {
                continue;
            }
            let Some(effect) = applies(fault) else { continue };
            if fault.use_up() {
                active.remove(i);
            }
            return Some(effect);
        }
        None
    }
}

fn error_of(error: Option<&str>, sqlstate: Option<&str>) -> SqlError {
    match (error, sqlstate) {
        (Some(text), state) => SqlError::new(state.unwrap_or("XX000"), text),
        (None, Some("40001")) => serialization_conflict(100_001, 1),
        (None, Some("40P01")) => SqlError::new("40P01", "deadlock detected"),
        (None, state) => SqlError::new(state.unwrap_or("XX000"), "a fault that was asked for"),
    }
}

impl Fault {
    fn database(&self) -> Option<&str> {
        match self {
            Self::Delay { database, .. }
            | Self::Fail { database, .. }
            | Self::LoseAnswer { database, .. }
            | Self::Throttle { database, .. } => database.as_deref(),
        }
    }

    /// Counts one use; true when none is left.
    fn use_up(&mut self) -> bool {
        let (times, unlimited) = match self {
            Self::Delay { times, .. } => (times, true),
            Self::Fail { times, .. } | Self::LoseAnswer { times, .. } | Self::Throttle { times, .. } => {
                (times, false)
            }
        };
        match times {
            None => !unlimited,
            Some(left) => {
                *left = left.saturating_sub(1);
                *left == 0
            }
        }
    }
}
