//! The Glue of the cloud: every start begins a run at once, and nothing ran before. Knows no claim.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Call;

/// What the name of an operation has before it.
pub const TARGET: &str = "AWSGlue.";

/// Answers an operation.
pub fn answer(call: &Call, calls: usize) -> Response {
    let answer = match call.subject.as_str() {
        "StartJobRun" => json!({"JobRunId": format!("jr_{calls}")}),
        "GetJobRuns" => json!({"JobRuns": []}),
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    ([("content-type", "application/x-amz-json-1.1")], answer.to_string()).into_response()
}
