//! The Data API of a warehouse in which every statement has finished by the time that it is asked for. Runs no SQL.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Call;

/// A batch's id begins so, and has the number of its statements behind it.
const BATCH: &str = "batch";

/// Answers an operation.
pub fn answer(call: &Call, statements: &mut u64) -> Response {
    let Ok(asked) = serde_json::from_str::<Value>(&call.text) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *statements += 1;
    let id = asked["Id"].as_str().unwrap_or_default();
    let answer = match call.subject.as_str() {
        "ExecuteStatement" => json!({"Id": format!("query-{statements}"), "CreatedAt": now()}),
        "BatchExecuteStatement" => {
            let count = asked["Sqls"].as_array().map_or(0, Vec::len);
            json!({"Id": format!("{BATCH}-{statements}-{count}"), "CreatedAt": now()})
        }
        "DescribeStatement" => described(id),
        // Of a query for objects in the ledger: none is. Of a batch: the counts.
        "GetStatementResult" if id.starts_with(BATCH) => {
            json!({"Records": [vec![json!({"longValue": 0}); 6]], "ColumnMetadata": []})
        }
        "GetStatementResult" => json!({"Records": [], "ColumnMetadata": []}),
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    ([("content-type", "application/x-amz-json-1.1")], answer.to_string()).into_response()
}

fn described(id: &str) -> Value {
    let is_batch = id.starts_with(BATCH);
    let count: usize = id.rsplit('-').next().and_then(|n| n.parse().ok()).filter(|_| is_batch).unwrap_or(0);
    let part =
        |n: usize| json!({"Id": format!("{id}:{n}"), "Status": "FINISHED", "HasResultSet": n == count});
    let parts: Vec<Value> = (1..=count).map(part).collect();
    json!({"Id": id, "Status": "FINISHED", "HasResultSet": !is_batch, "CreatedAt": now(), "SubStatements": parts})
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
