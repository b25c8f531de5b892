//! The HTTP side: AWS JSON 1.1 on `/`, the administration under `/_redshift-local`. Loopback only; knows no SQL.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, Exception};
use crate::faults::Fault;
use crate::run::Shared;

/// 40 statements of 100 KB and as much again in parameters, escaped.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// How long a call whose answer gets lost is let work.
const LOST_ANSWER_WAIT: Duration = Duration::from_secs(60);

/// What a request needs.
#[derive(Debug)]
pub struct App {
    /// The server's parts.
    pub shared: Arc<Shared>,
    /// Database users by access key.
    pub callers: Mutex<HashMap<String, String>>,
}

impl App {
    /// Maps an access key to a database user.
    pub fn map_caller(&self, access_key_id: String, user: String) {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner).insert(access_key_id, user);
    }

    fn caller(&self, headers: &HeaderMap) -> Option<String> {
        // AWS4-HMAC-SHA256 Credential=AKID/date/region/service/aws4_request, ...
        let authorization = headers.get("authorization")?.to_str().ok()?;
        let (_, credential) = authorization.split_once("Credential=")?;
        let (key, _) = credential.split_once('/')?;
        self.callers.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", post(operation))
        .route("/_redshift-local/health", get(|| async { "ok" }))
        .route("/_redshift-local/databases", post(create_database))
        .route("/_redshift-local/callers", post(map_caller))
        .route("/_redshift-local/faults", post(add_fault).get(list_faults).delete(clear_faults))
        .route("/_redshift-local/statements", get(statements))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(app)
}

async fn operation(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some(operation) = target.strip_prefix("RedshiftData.") else {
        let text = format!("X-Amz-Target {target:?} is no operation of RedshiftData");
        return exception(&Exception::new("UnknownOperationException", text));
    };
    let caller = app.caller(&headers);
    let database = database(&app, &body);
    if let Some((name, message)) = app.shared.faults.throttle(operation, &database) {
        return exception(&Exception::new(&name, message));
    }
    let loses_answer = app.shared.faults.loses_answer(operation, &database);
    let answer = api::call(&app.shared, operation, &body, caller).await;
    if loses_answer {
        if let Ok(answer) = &answer
            && let Some(record) = answer["Id"].as_str().and_then(|id| app.shared.store.get(id, None))
        {
            record.wait(LOST_ANSWER_WAIT).await;
        }
        return exception(&Exception::new(
            "InternalServerException",
            "the answer was lost, as a fault asked for",
        ));
    }
    match answer {
        Ok(answer) => ([("content-type", "application/x-amz-json-1.1")], answer.to_string()).into_response(),
        Err(error) => exception(&error),
    }
}

/// The database of a request: its own, or that of the statement it asks for.
fn database(app: &App, body: &[u8]) -> String {
    if app.shared.faults.list().is_empty() {
        return String::new();
    }
    if let Some(database) = api::database_of(body) {
        return database;
    }
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "Id")]
        id: String,
    }
    let record = serde_json::from_slice::<Named>(body).ok().and_then(|named| {
        let id = named.id.split(':').next()?.to_owned();
        app.shared.store.get(&id, None)
    });
    record.map(|record| record.target.database.clone()).unwrap_or_default()
}

fn exception(error: &Exception) -> Response {
    let status = match error.name.as_str() {
        "InternalServerException" | "ExecuteStatementException" | "BatchExecuteStatementException" => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
        _ => StatusCode::BAD_REQUEST,
    };
    let mut body = json!({ "__type": error.name, "message": error.message, "Message": error.message });
    if let Some(resource) = &error.resource {
        body["ResourceId"] = json!(resource);
    }
    let headers =
        [("content-type", "application/x-amz-json-1.1".to_owned()), ("x-amzn-errortype", error.name.clone())];
    (status, headers, body.to_string()).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewDatabase {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewCaller {
    access_key_id: String,
    user: String,
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("the request: {error}\n"))
}

async fn create_database(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let request: NewDatabase = match read(&body) {
        Ok(request) => request,
        Err(text) => return (StatusCode::BAD_REQUEST, text).into_response(),
    };
    match app.shared.postgres.create_database(&request.name).await {
        Ok(()) => StatusCode::CREATED.into_response(),
        Err(error) => (StatusCode::CONFLICT, format!("{}\n", chain(&error))).into_response(),
    }
}

/// An error with its causes.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

async fn map_caller(State(app): State<Arc<App>>, body: Bytes) -> Response {
    match read::<NewCaller>(&body) {
        Ok(request) => {
            app.map_caller(request.access_key_id, request.user);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(text) => (StatusCode::BAD_REQUEST, text).into_response(),
    }
}

async fn add_fault(State(app): State<Arc<App>>, body: Bytes) -> Response {
    match read::<Fault>(&body) {
        Ok(fault) => {
            app.shared.faults.add(fault);
            StatusCode::CREATED.into_response()
        }
        Err(text) => (StatusCode::BAD_REQUEST, text).into_response(),
    }
}

async fn list_faults(State(app): State<Arc<App>>) -> Response {
    axum::Json(app.shared.faults.list()).into_response()
}

async fn clear_faults(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let database = query.as_deref().and_then(|query| query.strip_prefix("database="));
    app.shared.faults.clear(database);
    StatusCode::NO_CONTENT.into_response()
}

async fn statements(State(app): State<Arc<App>>) -> Response {
    axum::Json(log(&app.shared)).into_response()
}

/// What was run, oldest first, without the values of parameters.
pub fn log(shared: &Shared) -> Vec<Value> {
    let mut log = Vec::new();
    for record in shared.store.newest_first().iter().rev() {
        let state = record.state.borrow();
        for (i, (sql, sub)) in record.sqls.iter().zip(&state.subs).enumerate() {
            log.push(json!({
                "id": if record.is_batch { format!("{}:{}", record.id, i + 1) } else { record.id.clone() },
                "database": record.target.database,
                "user": record.user,
                "name": record.name,
                "sql": sql,
                "status": sub.status.name(),
                "error": sub.error.as_ref().map(|error| error.report()),
                "rows": sub.rows,
                "duration_ms": sub.duration.as_secs_f64() * 1000.0,
            }));
        }
    }
    log
}
