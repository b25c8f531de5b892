//! The operations of the Redshift Data API: request in, answer out. Knows no HTTP and runs no SQL itself.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

mod describe;
mod list;
mod results;
mod submit;

pub use submit::database_of;

use crate::run::Shared;

/// An exception of the API.
#[derive(Debug)]
pub struct Exception {
    /// Its type.
    pub name: String,
    /// Its text.
    pub message: String,
    /// The resource of a ResourceNotFoundException.
    pub resource: Option<String>,
}

impl Exception {
    /// An exception by its type.
    pub fn new(name: &str, message: impl Into<String>) -> Self {
        Self { name: name.to_owned(), message: message.into(), resource: None }
    }

    fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    fn not_found(id: &str, message: &str) -> Self {
        Self { resource: Some(id.to_owned()), ..Self::new("ResourceNotFoundException", message) }
    }
}

/// Who calls: the database user of a mapped access key, or nobody in particular.
pub type Caller = Option<String>;

/// Answers one call.
pub async fn call(
    shared: &Arc<Shared>,
    operation: &str,
    body: &[u8],
    caller: Caller,
) -> Result<Value, Exception> {
    match operation {
        "ExecuteStatement" => submit::execute(shared, parse(body)?, caller).await,
        "BatchExecuteStatement" => submit::batch(shared, parse(body)?, caller).await,
        "DescribeStatement" => describe::describe(shared, parse(body)?, caller.as_deref()).await,
        "GetStatementResult" => results::get(shared, parse(body)?, caller.as_deref()).await,
        "ListStatements" => list::list(shared, &parse(body)?, caller.as_deref()),
        "CancelStatement" => describe::cancel(shared, &parse(body)?, caller.as_deref()).await,
        other => Err(Exception::new(
            "UnknownOperationException",
            format!("the operation {other} is not supported by redshift-local"),
        )),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Exception> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Exception::validation(format!("the request: {error}")))
}

/// The time to wait that a request asks for: 1 to 30 seconds, or none.
fn wait(seconds: Option<i64>) -> Result<Option<std::time::Duration>, Exception> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=30) => Ok(Some(std::time::Duration::from_secs(seconds as u64))),
        Some(other) => {
            Err(Exception::validation(format!("WaitTimeSeconds {other} must be between 1 and 30")))
        }
    }
}

/// `id` or `id:n` as the record's id and the statement's index from 0.
fn split_id(id: &str) -> (&str, Option<usize>) {
    match id.split_once(':') {
        Some((id, number)) => (id, number.parse::<usize>().ok().map(|n| n.wrapping_sub(1))),
        None => (id, None),
    }
}
