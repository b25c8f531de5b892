//! The Lambda Runtime API on a loopback port, for one process: hands out events, reports what comes back. It does
//! not look into events or answers.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// The longest that a Lambda function may run.
const MAX_TIMEOUT_MS: u128 = 900_000;

/// What a process did.
#[derive(Debug)]
pub enum Report {
    /// It asked for an event: all work of the one before is done.
    Waits,
    /// It answered an event.
    Answered(Bytes),
    /// It reported an error, of an event or of its start.
    Failed(String),
}

struct Api {
    events: Mutex<mpsc::UnboundedReceiver<Bytes>>,
    reports: mpsc::UnboundedSender<Report>,
}

/// The served API. Dropping it ends the service.
#[derive(Debug)]
pub struct RuntimeApi {
    /// Host and port.
    pub address: String,
    /// Events to hand out.
    pub events: mpsc::UnboundedSender<Bytes>,
    /// What came back, in order.
    pub reports: mpsc::UnboundedReceiver<Report>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// Serves on a free port.
    pub async fn serve() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free loopback port")?;
        let address = listener.local_addr()?.to_string();
        let (events, waiting) = mpsc::unbounded_channel();
        let (sender, reports) = mpsc::unbounded_channel();
        let app = router(Arc::new(Api { events: Mutex::new(waiting), reports: sender }));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the runtime API ended: {error}");
            }
        });
        Ok(Self { address, events, reports, server })
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Api {
    fn report(&self, report: Report) -> StatusCode {
        // Nobody listens any more when a contestant is torn down.
        if self.reports.send(report).is_ok() { StatusCode::ACCEPTED } else { StatusCode::GONE }
    }
}

fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(failure))
        .route("/2018-06-01/runtime/init/error", post(failure))
        .layer(DefaultBodyLimit::disable())
        .with_state(api)
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    api.report(Report::Waits);
    let Some(event) = api.events.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let deadline =
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() + MAX_TIMEOUT_MS;
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd".to_owned()),
        ("lambda-runtime-deadline-ms", deadline.to_string()),
        (
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:bench".to_owned(),
        ),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ];
    (headers, event).into_response()
}

async fn response(State(api): State<Arc<Api>>, answer: Bytes) -> StatusCode {
    api.report(Report::Answered(answer))
}

async fn failure(State(api): State<Arc<Api>>, body: Bytes) -> StatusCode {
    api.report(Report::Failed(String::from_utf8_lossy(&body).into_owned()))
}
