//! An AWS of loopback and memory that answers at once: S3 with files made on the fly, a Redshift that has loaded
//! everything that it is told to load, a Glue whose runs begin at once, and Kinesis streams. It keeps what S3, Redshift and
//! Glue were asked, and an account of what the streams took. Knows no function and no contract.

mod files;
mod glue;
mod kinesis;
mod redshift;
mod s3;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use files::File;
pub use kinesis::{Faults, Keep, Streams, Taken};
pub use s3::etag;

/// A request as it came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Call {
    /// HTTP method; `POST` for all of Redshift's and Glue's.
    pub method: String,
    /// `bucket/key`, or the operation of Redshift or Glue.
    pub subject: String,
    /// Query of the URL.
    pub query: String,
    /// Whether it asked for no object to be there.
    pub only_new: bool,
    /// The body, where it is a text.
    pub text: String,
    /// Bytes of the body.
    pub bytes: usize,
}

/// What it holds.
#[derive(Debug, Default)]
struct Held {
    files: BTreeMap<String, File>,
    calls: Vec<Call>,
    statements: u64,
    streams: Streams,
}

/// The served cloud. Dropping it ends the service.
#[derive(Debug)]
pub struct Cloud {
    /// `http://127.0.0.1:<port>`.
    pub endpoint: String,
    held: Arc<Mutex<Held>>,
    server: JoinHandle<()>,
}

impl Cloud {
    /// Serves on a free port.
    pub async fn serve() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free loopback port")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let held = Arc::new(Mutex::new(Held::default()));
        let app = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
        let app = app.with_state(Arc::clone(&held));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the cloud ended: {error}");
            }
        });
        Ok(Self { endpoint, held, server })
    }

    /// Puts an object there.
    pub fn put(&self, bucket: &str, key: &str, file: File) {
        lock(&self.held).files.insert(format!("{bucket}/{key}"), file);
    }

    /// Objects of a bucket.
    pub fn count(&self, bucket: &str) -> usize {
        let prefix = format!("{bucket}/");
        lock(&self.held).files.keys().filter(|key| key.starts_with(&prefix)).count()
    }

    /// Has the streams keep that much, and go wrong that often.
    pub fn set_streams(&self, keep: Keep, faults: Faults) {
        let streams = &mut lock(&self.held).streams;
        (streams.keep, streams.faults) = (keep, faults);
    }

    /// What the streams took since this was called last.
    pub fn taken(&self) -> Taken {
        lock(&self.held).streams.take()
    }

    /// The text of an object; none where there is no such object, or one that is not held.
    pub fn text(&self, bucket: &str, prefix: &str) -> Option<String> {
        let held = lock(&self.held);
        let prefix = format!("{bucket}/{prefix}");
        let (_, file) = held.files.range(prefix.clone()..).find(|(key, _)| key.starts_with(&prefix))?;
        std::str::from_utf8(file.held()).ok().map(str::to_owned)
    }

    /// Deletes what has this prefix.
    pub fn empty(&self, bucket: &str, prefix: &str) {
        let prefix = format!("{bucket}/{prefix}");
        lock(&self.held).files.retain(|key, _| !key.starts_with(&prefix));
    }

    /// What was asked since this was called last.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut lock(&self.held).calls)
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(held): State<Arc<Mutex<Held>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, usize::MAX).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let target = header("x-amz-target");
    if let Some(operation) = target.and_then(|target| target.strip_prefix(kinesis::TARGET)) {
        // Its bodies are megabytes: they are not kept as calls.
        return lock(&held).streams.answer(operation, &body);
    }
    let own_target = |prefix| target.and_then(|target| target.strip_prefix(prefix));
    let glue = own_target(glue::TARGET);
    let target = own_target("RedshiftData.").or(glue);
    let call = Call {
        method: parts.method.to_string(),
        subject: target.unwrap_or(parts.uri.path().trim_start_matches('/')).to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        only_new: header("if-none-match").is_some(),
        text: text(&body),
        bytes: body.len(),
    };
    let range = header("range").map(str::to_owned);
    let mut held = lock(&held);
    held.calls.push(call.clone());
    match target {
        Some(_) if glue.is_some() => glue::answer(&call, held.calls.len()),
        Some(_) => redshift::answer(&call, &mut held.statements),
        None => s3::answer(&call, range.as_deref(), body, &mut held.files),
    }
}

fn text(body: &Bytes) -> String {
    std::str::from_utf8(body).map(str::to_owned).unwrap_or_default()
}
