//! ListStatements: newest first, only what FINISHED unless asked otherwise.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Exception;
use crate::run::Shared;
use crate::store::Record;

const MAX_RESULTS: usize = 100;

/// ListStatements' request.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct List {
    next_token: Option<String>,
    max_results: Option<usize>,
    statement_name: Option<String>,
    status: Option<String>,
    database: Option<String>,
    cluster_identifier: Option<String>,
    workgroup_name: Option<String>,
}

/// ListStatements.
pub fn list(shared: &Shared, request: &List, caller: Option<&str>) -> Result<Value, Exception> {
    let limit = match request.max_results {
        None | Some(0) => MAX_RESULTS,
        Some(n) if n <= MAX_RESULTS => n,
        Some(n) => {
            return Err(Exception::validation(format!("MaxResults {n} must be at most {MAX_RESULTS}")));
        }
    };
    let status = request.status.as_deref().unwrap_or("FINISHED");
    if !["ALL", "SUBMITTED", "PICKED", "STARTED", "FINISHED", "ABORTED", "FAILED"].contains(&status) {
        return Err(Exception::validation(format!("the Status {status} is unknown")));
    }
    let before = match request.next_token.as_deref() {
        None => u64::MAX,
        Some(token) => token.parse().map_err(|_| Exception::validation("NextToken is none of this list"))?,
    };
    let mut found = shared.store.newest_first().into_iter().filter(|record| {
        record.serial < before
            && (caller.is_none() || record.user.as_deref() == caller)
            && matches(request, status, record)
    });
    let page: Vec<_> = found.by_ref().take(limit).collect();
    let mut answer = json!({ "Statements": page.iter().map(|record| entry(record)).collect::<Vec<_>>() });
    if let (Some(_), Some(last)) = (found.next(), page.last()) {
        answer["NextToken"] = json!(last.serial.to_string());
    }
    Ok(answer)
}

fn matches(request: &List, status: &str, record: &Record) -> bool {
    let is = |wanted: &Option<String>, is: Option<&String>| wanted.is_none() || wanted.as_ref() == is;
    let prefix = request.statement_name.as_deref().unwrap_or_default();
    (status == "ALL" || record.state.borrow().status.name() == status)
        && (prefix.is_empty() || record.name.as_deref().is_some_and(|name| name.starts_with(prefix)))
        && is(&request.database, Some(&record.target.database))
        && is(&request.cluster_identifier, record.target.cluster.as_ref())
        && is(&request.workgroup_name, record.target.workgroup.as_ref())
}

fn entry(record: &Record) -> Value {
    let state = record.state.borrow();
    let mut entry = json!({
        "Id": record.id,
        "Status": state.status.name(),
        "CreatedAt": record.created_at,
        "UpdatedAt": state.updated_at,
        "IsBatchStatement": record.is_batch,
        "ResultFormat": "JSON",
        "QueryStrings": record.sqls,
    });
    if let Some(name) = &record.name {
        entry["StatementName"] = json!(name);
    }
    if let (false, Some(sql)) = (record.is_batch, record.sqls.first()) {
        entry["QueryString"] = json!(sql);
    }
    if let Some(secret) = &record.target.secret {
        entry["SecretArn"] = json!(secret);
    }
    if let Some(parameters) = &record.parameters {
        entry["QueryParameters"] = parameters.clone();
    }
    entry
}
