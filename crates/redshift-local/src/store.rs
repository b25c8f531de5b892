//! What was submitted and how it stands: statements by id, client tokens, and the memory that they may take.
//! Runs nothing and knows no HTTP.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tokio::sync::watch;

use crate::result_set::ResultSet;
use crate::sql::SqlError;

/// How long a client token answers the same id.
const TOKEN_LIFETIME: Duration = Duration::from_secs(8 * 3600);
/// Statements that may be under way, as on a cluster.
const MAX_ACTIVE: usize = 200;
/// Finished statements are forgotten, oldest first, beyond either of these.
const MAX_KEPT: usize = 10_000;
const MAX_KEPT_BYTES: usize = 256 * 1024 * 1024;

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Accepted.
    Submitted,
    /// Chosen to run.
    Picked,
    /// Running.
    Started,
    /// Done, and committed.
    Finished,
    /// It failed, and so did its transaction.
    Failed,
    /// Cancelled, or behind a statement that failed.
    Aborted,
}

impl Status {
    /// The API's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Submitted => "SUBMITTED",
            Self::Picked => "PICKED",
            Self::Started => "STARTED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Aborted => "ABORTED",
        }
    }

    /// Nothing comes after it.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Aborted)
    }
}

/// One statement of a request.
#[derive(Debug, Clone)]
pub struct Sub {
    /// Where it stands.
    pub status: Status,
    /// Why it failed.
    pub error: Option<SqlError>,
    /// Rows returned or written; -1 before that is known.
    pub rows: i64,
    /// Its rows.
    pub result: Option<Arc<ResultSet>>,
    /// What it took.
    pub duration: Duration,
    /// When it last changed, in seconds since 1970.
    pub updated_at: f64,
}

/// The changing part of a request.
#[derive(Debug, Clone)]
pub struct State {
    /// Of the whole.
    pub status: Status,
    /// The error of the statement that failed.
    pub error: Option<SqlError>,
    /// What it took.
    pub duration: Duration,
    /// When it last changed, in seconds since 1970.
    pub updated_at: f64,
    /// The process that ran it.
    pub pid: i64,
    /// Its statements.
    pub subs: Vec<Sub>,
}

/// Whom a request came from and where it goes; echoed in answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Target {
    /// Serverless.
    pub workgroup: Option<String>,
    /// Provisioned.
    pub cluster: Option<String>,
    /// The secret's ARN.
    pub secret: Option<String>,
    /// The database user that was asked for.
    pub db_user: Option<String>,
    /// The database.
    pub database: String,
}

/// A request that was accepted.
#[derive(Debug)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// A number that grows with time, used as query id.
    pub serial: u64,
    /// Its place.
    pub target: Target,
    /// The statements as they were sent.
    pub sqls: Vec<String>,
    /// The parameters as they were sent.
    pub parameters: Option<Value>,
    /// Its name.
    pub name: Option<String>,
    /// It came as a batch.
    pub is_batch: bool,
    /// `TRANSACTION` or `AUTO_COMMIT`.
    pub mode: &'static str,
    /// The database user of a mapped caller.
    pub user: Option<String>,
    /// In seconds since 1970.
    pub created_at: f64,
    /// Its progress.
    pub state: watch::Sender<State>,
    /// Set when it shall stop.
    pub cancelled: watch::Sender<bool>,
}

impl Record {
    /// Changes the state and its time.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(|state| {
            change(state);
            state.updated_at = now();
        });
    }

    /// Waits until nothing more will happen, or for the time given.
    pub async fn wait(&self, limit: Duration) {
        let mut state = self.state.subscribe();
        // Both a change and the limit end it; the sender lives in self.
        tokio::time::timeout(limit, state.wait_for(|state| state.status.is_final())).await.ok();
    }

    fn bytes(&self) -> usize {
        let results =
            self.state.borrow().subs.iter().flat_map(|s| &s.result).map(|r| r.bytes()).sum::<usize>();
        self.sqls.iter().map(String::len).sum::<usize>() + results + 1024
    }
}

/// Seconds since 1970.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[derive(Debug)]
struct Token {
    id: String,
    fingerprint: String,
    at: Instant,
}

#[derive(Debug, Default)]
struct Inner {
    records: HashMap<String, Arc<Record>>,
    order: BTreeMap<u64, Arc<Record>>,
    finished: VecDeque<(u64, usize)>,
    finished_bytes: usize,
    tokens: HashMap<String, Token>,
    serial: u64,
    active: usize,
}

/// All requests.
#[derive(Debug, Default)]
pub struct Store {
    inner: Mutex<Inner>,
}

/// What a submission met.
#[derive(Debug)]
pub enum Submission {
    /// It is to be run.
    New(Arc<Record>),
    /// Its token was there before, with the same statement.
    Repeated(Arc<Record>),
    /// Its token was there before, with another statement.
    TokenReused,
    /// As many as may run do run.
    TooManyActive,
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // The state is consistent between any two lines below.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts a request, unless its token is known or too many run.
    pub fn submit(&self, token: Option<(String, String)>, make: impl FnOnce(u64) -> Record) -> Submission {
        let mut inner = self.lock();
        inner.tokens.retain(|_, token| token.at.elapsed() < TOKEN_LIFETIME);
        if let Some((name, fingerprint)) = &token
            && let Some(known) = inner.tokens.get(name)
        {
            if known.fingerprint != *fingerprint {
                return Submission::TokenReused;
            }
            if let Some(record) = inner.records.get(&known.id) {
                return Submission::Repeated(record.clone());
            }
        }
        if inner.active >= MAX_ACTIVE {
            return Submission::TooManyActive;
        }
        inner.serial += 1;
        inner.active += 1;
        let record = Arc::new(make(inner.serial));
        if let Some((name, fingerprint)) = token {
            inner.tokens.insert(name, Token { id: record.id.clone(), fingerprint, at: Instant::now() });
        }
        inner.records.insert(record.id.clone(), record.clone());
        inner.order.insert(record.serial, record.clone());
        Submission::New(record)
    }

    /// A request has come to its end; old ones are forgotten.
    pub fn finish(&self, record: &Record) {
        let mut inner = self.lock();
        inner.active = inner.active.saturating_sub(1);
        let bytes = record.bytes();
        inner.finished.push_back((record.serial, bytes));
        inner.finished_bytes += bytes;
        while inner.finished.len() > MAX_KEPT || inner.finished_bytes > MAX_KEPT_BYTES {
            // The last one stays: its caller has not read it yet.
            if inner.finished.len() == 1 {
                break;
            }
            let Some((serial, bytes)) = inner.finished.pop_front() else { break };
            inner.finished_bytes -= bytes;
            if let Some(old) = inner.order.remove(&serial) {
                inner.records.remove(&old.id);
            }
        }
    }

    /// The request of that id, if the caller may see it. An unmapped caller sees all.
    pub fn get(&self, id: &str, user: Option<&str>) -> Option<Arc<Record>> {
        let record = self.lock().records.get(id)?.clone();
        (user.is_none() || record.user.as_deref() == user).then_some(record)
    }

    /// All requests, newest first.
    pub fn newest_first(&self) -> Vec<Arc<Record>> {
        self.lock().order.values().rev().cloned().collect()
    }
}
