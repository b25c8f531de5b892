//! GetStatementResult: the rows of one statement, page by page.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Exception, describe, split_id, wait};
use crate::run::Shared;
use crate::store::Status;

/// A page ends at whichever comes first.
const PAGE_ROWS: usize = 1_000;
const PAGE_BYTES: usize = 1024 * 1024;

/// GetStatementResult's request.
#[derive(Debug, Deserialize)]
pub struct Get {
    #[serde(rename = "Id")]
    id: String,
    #[serde(rename = "NextToken")]
    next_token: Option<String>,
    #[serde(rename = "WaitTimeSeconds")]
    wait_time_seconds: Option<i64>,
}

/// GetStatementResult.
pub async fn get(shared: &Shared, request: Get, caller: Option<&str>) -> Result<Value, Exception> {
    let wait = wait(request.wait_time_seconds)?;
    let record = describe::find(shared, &request.id, caller)?;
    if let Some(limit) = wait {
        record.wait(limit).await;
    }
    let none = || {
        let text = "Query does not have result. Please check query status with DescribeStatement.";
        Exception::not_found(&request.id, text)
    };
    // A batch has its results at its statements' ids.
    let index = match split_id(&request.id).1 {
        Some(index) if record.is_batch => index,
        None if !record.is_batch => 0,
        _ => return Err(none()),
    };
    let state = record.state.borrow().clone();
    let committed = state.status == Status::Finished || record.mode == "AUTO_COMMIT";
    let result =
        state.subs.get(index).and_then(|sub| sub.result.clone()).filter(|_| committed).ok_or_else(none)?;
    let offset = match request.next_token.as_deref() {
        None => 0,
        Some(token) => token
            .strip_prefix("row-")
            .and_then(|row| row.parse().ok())
            .ok_or_else(|| Exception::validation("NextToken is none of this statement"))?,
    };
    let (records, next) = result.page(offset, PAGE_ROWS, PAGE_BYTES);
    let mut answer = json!({
        "Records": records,
        "ColumnMetadata": result.metadata(),
        "TotalNumRows": result.len(),
    });
    if let Some(next) = next {
        answer["NextToken"] = json!(format!("row-{next}"));
    }
    Ok(answer)
}
