//! DescribeStatement and CancelStatement. Reads records; the only change is the wish to cancel.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Exception, split_id, wait};
use crate::run::Shared;
use crate::store::{Record, State, Sub};

/// How long a cancel may take to show.
const CANCEL_WAIT: Duration = Duration::from_secs(5);

/// DescribeStatement's request.
#[derive(Debug, Deserialize)]
pub struct Describe {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "WaitTimeSeconds")]
    wait_time_seconds: Option<i64>,
}

/// CancelStatement's request.
#[derive(Debug, Deserialize)]
pub struct Cancel {
    #[serde(rename = "Id")]
    id: String,
}

/// DescribeStatement.
pub async fn describe(shared: &Shared, request: Describe, caller: Option<&str>) -> Result<Value, Exception> {
    let wait = wait(request.wait_time_seconds)?;
    let record = find(shared, &request.id, caller)?;
    if let Some(limit) = wait {
        record.wait(limit).await;
    }
    let state = record.state.borrow().clone();
    let mut answer = match split_id(&request.id).1 {
        None => whole(&record, &state),
        Some(index) => part(&record, &state, index).ok_or_else(|| unknown(&request.id))?,
    };
    answer.insert("Id".into(), json!(request.id));
    answer.insert("CreatedAt".into(), json!(record.created_at));
    answer.insert("RedshiftPid".into(), json!(state.pid));
    answer.insert("ResultFormat".into(), json!("JSON"));
    echo(&record, &mut answer);
    if let Some(parameters) = &record.parameters {
        answer.insert("QueryParameters".into(), parameters.clone());
    }
    Ok(Value::Object(answer))
}

fn whole(record: &Record, state: &State) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("Status".into(), json!(state.status.name()));
    answer.insert("UpdatedAt".into(), json!(state.updated_at));
    answer.insert("Duration".into(), json!(state.duration.as_nanos() as i64));
    answer.insert("HasResultSet".into(), json!(state.subs.iter().any(|sub| sub.result.is_some())));
    if let Some(error) = &state.error {
        answer.insert("Error".into(), json!(error.report()));
    }
    if record.is_batch {
        let parts =
            state.subs.iter().enumerate().map(|(i, sub)| Value::Object(sub_statement(record, i, sub)));
        answer.insert("SubStatements".into(), Value::Array(parts.collect()));
        answer.insert("ExecutionMode".into(), json!(record.mode));
        answer.insert("ResultRows".into(), json!(-1));
        answer.insert("ResultSize".into(), json!(-1));
        answer.insert("RedshiftQueryId".into(), json!(0));
    } else if let Some(sub) = state.subs.first() {
        answer.extend(figures(record, 0, sub));
    }
    answer
}

fn part(record: &Record, state: &State, index: usize) -> Option<Map<String, Value>> {
    Some(sub_statement(record, index, state.subs.get(index)?))
}

fn sub_statement(record: &Record, index: usize, sub: &Sub) -> Map<String, Value> {
    let mut answer = figures(record, index, sub);
    answer.insert("Id".into(), json!(format!("{}:{}", record.id, index + 1)));
    answer.insert("Status".into(), json!(sub.status.name()));
    answer.insert("CreatedAt".into(), json!(record.created_at));
    answer.insert("UpdatedAt".into(), json!(sub.updated_at));
    answer.insert("Duration".into(), json!(sub.duration.as_nanos() as i64));
    answer.insert("HasResultSet".into(), json!(sub.result.is_some()));
    if let Some(error) = &sub.error {
        answer.insert("Error".into(), json!(error.report()));
    }
    answer
}

fn figures(record: &Record, index: usize, sub: &Sub) -> Map<String, Value> {
    let mut answer = Map::new();
    let size = sub.result.as_ref().map_or(0, |result| result.bytes() as i64);
    answer.insert("QueryString".into(), json!(record.sqls.get(index)));
    answer.insert("ResultRows".into(), json!(sub.rows));
    answer.insert("ResultSize".into(), json!(if sub.rows < 0 { -1 } else { size }));
    answer.insert("RedshiftQueryId".into(), json!(record.serial * 100 + index as u64));
    answer
}

/// Where the request went, as it named it.
pub fn echo(record: &Record, answer: &mut Map<String, Value>) {
    let target = &record.target;
    answer.insert("Database".into(), json!(target.database));
    let named = [
        ("WorkgroupName", &target.workgroup),
        ("ClusterIdentifier", &target.cluster),
        ("SecretArn", &target.secret),
        ("DbUser", if record.user.is_some() { &record.user } else { &target.db_user }),
    ];
    for (name, value) in named {
        if let Some(value) = value {
            answer.insert(name.into(), json!(value));
        }
    }
}

/// CancelStatement.
pub async fn cancel(shared: &Shared, request: &Cancel, caller: Option<&str>) -> Result<Value, Exception> {
    let record = find(shared, &request.id, caller)?;
    if record.state.borrow().status.is_final() {
        return Err(Exception::validation(
            "Could not cancel a query that is already in FINISHED, FAILED or ABORTED state",
        ));
    }
    record.cancelled.send_replace(true);
    record.wait(CANCEL_WAIT).await;
    Ok(json!({ "Status": true }))
}

/// The record of an id or of a statement's id.
pub fn find(shared: &Shared, id: &str, caller: Option<&str>) -> Result<Arc<Record>, Exception> {
    shared.store.get(split_id(id).0, caller).ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> Exception {
    Exception::not_found(id, "Query does not exist.")
}
