//! Runs SQL on Redshift through the Data API: submits, waits, tells a finished transaction from a failed one and
//! why it failed. Submitted is not done: only FINISHED is. Knows no contract and no queue.

mod column;
mod fault;
mod home;
mod result_set;
mod target;

use std::time::Duration;

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::primitives::DateTime;
use aws_sdk_redshiftdata::types::{Field, SqlParameter, StatusString};
use penstock_core::ident;
use penstock_core::sql::SqlBatch;

use crate::{Invocation, answered};
pub use column::{COLUMNS, WarehouseColumn, WarehouseType};
pub use fault::{Fault, classify};
pub use home::{DEFAULT_DATABASE, HomeError, TableHome};
pub use result_set::{ResultColumn, ResultSet};
pub use target::{Compute, WarehouseTarget};

/// Longest that one call waits for a statement (the API takes 1 to 30 seconds).
const MAX_WAIT: Duration = Duration::from_secs(30);
/// Kept back before the deadline, to hand over and answer.
const RESERVE: Duration = Duration::from_secs(5);
/// New submissions of one load in one invocation; the chain itself goes on with the next delivery.
const MAX_NEW_ATTEMPTS: u32 = 5;
/// Statements of the chain that are looked at in one invocation.
const MAX_CHAIN: u32 = 1_000;
/// First pause after a conflict; it doubles.
const BACKOFF: Duration = Duration::from_millis(200);

/// A workgroup or cluster, and how it is reached.
#[derive(Debug, Clone)]
pub struct Warehouse {
    client: Client,
    target: WarehouseTarget,
}

/// How a load ended in this invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoadEnd {
    /// Committed. The counts are the last statement's first row, where it could be read.
    Finished {
        /// Statement id.
        statement: String,
        /// First row of the last statement.
        counts: Option<Vec<i64>>,
    },
    /// Still running when the invocation had to end: the next delivery finds it by its token.
    Running {
        /// Statement id.
        statement: String,
    },
    /// Rolled back, by a fault that running it again as it is will not mend (or not now).
    Failed {
        /// What kind of fault.
        fault: Fault,
        /// The warehouse's text: it may hold values, so it belongs into quarantine only.
        message: String,
    },
}

/// The Data API could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct WarehouseError {
    operation: &'static str,
    message: String,
}

impl WarehouseError {
    fn new<E: std::error::Error + ProvideErrorMetadata + 'static, R: std::fmt::Debug + 'static>(
        operation: &'static str,
        error: &SdkError<E, R>,
    ) -> Self {
        Self { operation, message: answered(error) }
    }
}

/// Name and identity of a load, the same on every delivery.
#[derive(Debug, Clone, Copy)]
pub struct LoadName<'a> {
    /// Dataset, for the statement's name.
    pub dataset: &'a str,
    /// Identity of the load.
    pub load_id: &'a str,
}

impl Warehouse {
    /// Wraps a client.
    pub fn new(client: Client, target: WarehouseTarget) -> Self {
        Self { client, target }
    }

    /// Runs a load's transaction until it is FINISHED, has failed for good, or the invocation must end.
    ///
    /// The ClientToken is made of the load, its SQL and the attempt, so a redelivery finds what an earlier invocation
    /// submitted instead of running it again. A token whose statement failed answers that failure, hence the attempt.
    /// The token is a convenience: rows are idempotent and the lock is the guard.
    pub async fn load(
        &self,
        name: LoadName<'_>,
        database: &str,
        batch: &SqlBatch,
        invocation: &Invocation,
    ) -> Result<LoadEnd, WarehouseError> {
        let sql = sql_hash(batch);
        let mut new_attempts = 0;
        for attempt in 0..MAX_CHAIN {
            if attempt > 0 && invocation.is_over(RESERVE) {
                let message = "no time is left for another attempt".to_owned();
                return Ok(LoadEnd::Failed { fault: Fault::Transient, message });
            }
            let token = ident::stable_id([name.load_id, &sql, &attempt.to_string()]).to_string();
            let statement = self.submit(name, database, batch, &token, invocation).await?;
            let Some(end) = self.wait(&statement, invocation).await? else {
                return Ok(LoadEnd::Running { statement });
            };
            let message = match end.status() {
                Some(StatusString::Finished) => {
                    let counts = self.counts(&end).await;
                    return Ok(LoadEnd::Finished { statement, counts });
                }
                Some(StatusString::Aborted) => "the statement was cancelled".to_owned(),
                _ => failure_text(&end),
            };
            let fault = classify(&message);
            let kind = fault.as_str();
            tracing::warn!(
                statement,
                load_id = name.load_id,
                dataset = name.dataset,
                attempt,
                fault = kind,
                "transaction failed"
            );
            let is_new = !before(end.created_at(), invocation.started_ms);
            new_attempts += u32::from(is_new);
            // A failure of an earlier invocation is only passed over: its cause may have been mended since.
            let again = fault == Fault::Conflict || !is_new && fault != Fault::Data;
            if !again || new_attempts >= MAX_NEW_ATTEMPTS {
                return Ok(LoadEnd::Failed { fault, message });
            }
            if is_new && !pause(new_attempts, invocation).await {
                return Ok(LoadEnd::Failed { fault, message });
            }
        }
        let message = format!("{MAX_CHAIN} attempts of load {} have failed", name.load_id);
        Ok(LoadEnd::Failed { fault: Fault::Transient, message })
    }

    async fn submit(
        &self,
        name: LoadName<'_>,
        database: &str,
        batch: &SqlBatch,
        token: &str,
        invocation: &Invocation,
    ) -> Result<String, WarehouseError> {
        let parameters: Vec<SqlParameter> = batch
            .parameters
            .iter()
            .filter_map(|(name, value)| SqlParameter::builder().name(name).value(value).build().ok())
            .collect();
        let mut request = self
            .client
            .batch_execute_statement()
            .set_workgroup_name(self.target.workgroup())
            .set_cluster_identifier(self.target.cluster())
            .set_secret_arn(self.target.secret_arn.clone())
            .database(database)
            .statement_name(format!("penstock/{}/{}", name.dataset, name.load_id))
            .client_token(token)
            .set_sqls(Some(batch.statements.clone()))
            .set_parameters((!parameters.is_empty()).then_some(parameters));
        if let Some(seconds) = wait_seconds(invocation) {
            request = request.wait_time_seconds(seconds);
        }
        let answer =
            request.send().await.map_err(|error| WarehouseError::new("BatchExecuteStatement", &error))?;
        answer
            .id
            .ok_or(WarehouseError { operation: "BatchExecuteStatement", message: "answered no id".into() })
    }

    /// Waits for the end of a statement; `None` when the invocation has to end first.
    async fn wait(
        &self,
        statement: &str,
        invocation: &Invocation,
    ) -> Result<Option<DescribeStatementOutput>, WarehouseError> {
        loop {
            let mut request = self.client.describe_statement().id(statement);
            let seconds = wait_seconds(invocation);
            if let Some(seconds) = seconds {
                request = request.wait_time_seconds(seconds);
            }
            let state =
                request.send().await.map_err(|error| WarehouseError::new("DescribeStatement", &error))?;
            match state.status() {
                Some(StatusString::Finished | StatusString::Failed | StatusString::Aborted) => {
                    return Ok(Some(state));
                }
                _ if seconds.is_none() => return Ok(None),
                _ => {}
            }
        }
    }

    /// The counts that a load's last statement selects. A load is not undone because they cannot be read.
    async fn counts(&self, end: &DescribeStatementOutput) -> Option<Vec<i64>> {
        let last = end.sub_statements().last()?;
        let rows = self.first_rows(last.id()).await;
        match rows {
            Ok(rows) => rows.into_iter().next().map(|row| {
                row.iter().map(|field| field.as_long_value().copied().unwrap_or_default()).collect()
            }),
            Err(error) => {
                tracing::warn!(%error, "the counts of a finished load could not be read");
                None
            }
        }
    }

    async fn first_rows(&self, statement: &str) -> Result<Vec<Vec<Field>>, WarehouseError> {
        let answer = self
            .client
            .get_statement_result()
            .id(statement)
            .send()
            .await
            .map_err(|error| WarehouseError::new("GetStatementResult", &error))?;
        Ok(answer.records)
    }

    /// Runs one statement on its own and gives its rows as texts, for tools. NULL is `None`.
    pub async fn execute(&self, database: &str, sql: &str) -> Result<Vec<Vec<Option<String>>>, ExecuteError> {
        Ok(self.query(database, sql).await?.map(|result| result.rows).unwrap_or_default())
    }

    /// The same with the columns; `None` for a statement that has no result.
    pub async fn query(&self, database: &str, sql: &str) -> Result<Option<ResultSet>, ExecuteError> {
        let answer = self
            .client
            .execute_statement()
            .set_workgroup_name(self.target.workgroup())
            .set_cluster_identifier(self.target.cluster())
            .set_secret_arn(self.target.secret_arn.clone())
            .database(database)
            .sql(sql)
            .wait_time_seconds(MAX_WAIT.as_secs() as i32)
            .send()
            .await
            .map_err(|error| WarehouseError::new("ExecuteStatement", &error))?;
        let no_id = || WarehouseError { operation: "ExecuteStatement", message: "answered no id".into() };
        let id = answer.id.ok_or_else(no_id)?;
        let forever = Invocation::lasting(None);
        match self.wait(&id, &forever).await? {
            Some(end) if end.status() == Some(&StatusString::Finished) => match end.has_result_set() {
                Some(true) => Ok(Some(self.result_set(&id).await?)),
                _ => Ok(None),
            },
            end => {
                Err(ExecuteError::Failed(end.map_or_else(|| "did not end".into(), |end| failure_text(&end))))
            }
        }
    }

    async fn result_set(&self, statement: &str) -> Result<ResultSet, WarehouseError> {
        let mut result = ResultSet::default();
        let mut next = None;
        loop {
            let answer = self
                .client
                .get_statement_result()
                .id(statement)
                .set_next_token(next)
                .send()
                .await
                .map_err(|error| WarehouseError::new("GetStatementResult", &error))?;
            result.add(&answer);
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(result);
            }
        }
    }
}

/// A single statement that did not run.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The warehouse refused it.
    #[error("{0}")]
    Failed(String),
    /// The Data API could not be asked.
    #[error(transparent)]
    Api(#[from] WarehouseError),
}

fn failure_text(end: &DescribeStatementOutput) -> String {
    let of_part = end.sub_statements().iter().find_map(|part| part.error());
    // The part's own text: that of the whole may have words before it.
    of_part.or(end.error()).unwrap_or("failed without a text").to_owned()
}

/// Whether a statement is of an earlier invocation; clocks may differ by a little, and in doubt it is a new one.
fn before(created: Option<&DateTime>, started_ms: u64) -> bool {
    const CLOCKS_DIFFER_MS: u64 = 3_000;
    let created = created.and_then(|time| time.to_millis().ok()).and_then(|ms| u64::try_from(ms).ok());
    created.is_some_and(|ms| ms + CLOCKS_DIFFER_MS < started_ms)
}

/// Seconds that a call may wait, `None` when the invocation has to end.
fn wait_seconds(invocation: &Invocation) -> Option<i32> {
    let left = invocation.left(RESERVE).unwrap_or(MAX_WAIT).min(MAX_WAIT);
    i32::try_from(left.as_secs()).ok().filter(|seconds| *seconds >= 1)
}

/// Waits before a new attempt; false when the invocation has no time for one.
async fn pause(attempts: u32, invocation: &Invocation) -> bool {
    let pause = BACKOFF * 2u32.saturating_pow(attempts.min(6));
    if invocation.left(RESERVE).is_some_and(|left| left <= pause) {
        return false;
    }
    tokio::time::sleep(pause).await;
    true
}

fn sql_hash(batch: &SqlBatch) -> String {
    let values = batch.parameters.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    ident::stable_id(batch.statements.iter().map(String::as_str).chain(values)).to_string()
}
