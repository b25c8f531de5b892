//! A Glue in this process that keeps what it started, and goes wrong as a test tells it to: it refuses, loses answers, or
//! stops in the middle of a start so that its caller can be killed there. Knows no claims.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The one job and the one crawler.
pub const JOB: &str = "rows-to-parquet";
pub const CRAWLER: &str = "lake";

/// What a start does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// It is done.
    Starts,
    /// It is refused with this code.
    Refuses(&'static str),
    /// It is done, and the answer breaks off.
    LosesAnswer,
    /// It is never answered, and not done.
    StopsBefore,
    /// It is done, and never answered.
    StopsAfter,
}

/// What was started.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub name: String,
    pub id: String,
    /// The job's `--penstock_manifest`.
    pub manifest: Option<String>,
    began_s: f64,
}

struct Held {
    conduct: Conduct,
    runs: Vec<Run>,
    calls: Vec<String>,
    stopped: watch::Sender<bool>,
}

/// The served Glue. Dropping it ends the service.
pub struct Glue {
    pub endpoint: String,
    held: Arc<Mutex<Held>>,
    server: JoinHandle<()>,
}

impl Glue {
    pub async fn serve() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let held = Held {
            conduct: Conduct::Starts,
            runs: Vec::new(),
            calls: Vec::new(),
            stopped: watch::Sender::new(false),
        };
        let held = Arc::new(Mutex::new(held));
        let app = Router::new().fallback(answer).with_state(Arc::clone(&held));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { endpoint, held, server }
    }

    /// From now on starts go like this.
    pub fn behave(&self, conduct: Conduct) {
        let mut held = self.held.lock().unwrap();
        held.conduct = conduct;
        held.stopped.send_replace(false);
    }

    /// Waits until a start has stopped.
    pub async fn stopped(&self) {
        let mut stopped = self.held.lock().unwrap().stopped.subscribe();
        stopped.wait_for(|stopped| *stopped).await.unwrap();
    }

    pub fn runs(&self) -> Vec<Run> {
        self.held.lock().unwrap().runs.clone()
    }

    /// How often an operation was asked for.
    pub fn calls(&self, operation: &str) -> usize {
        self.held.lock().unwrap().calls.iter().filter(|own| *own == operation).count()
    }
}

impl Drop for Glue {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(held): State<Arc<Mutex<Held>>>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
    let operation = target.strip_prefix("AWSGlue.").unwrap_or_default().to_owned();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let never = {
        let mut held = held.lock().unwrap();
        held.calls.push(operation.clone());
        match operation.as_str() {
            "StartJobRun" | "StartCrawler" => match held.start(&asked) {
                Some(response) => return response,
                None => held.stopped.clone(),
            },
            "GetJobRuns" => return held.job_runs(),
            "GetCrawler" => return held.crawler(),
            _ => return refused("InvalidInputException"),
        }
    };
    never.send_replace(true);
    std::future::pending().await
}

impl Held {
    /// `None`: never.
    fn start(&mut self, asked: &Value) -> Option<Response> {
        let name = asked["JobName"].as_str().or(asked["Name"].as_str()).unwrap_or_default();
        if ![JOB, CRAWLER].contains(&name) {
            return Some(refused("EntityNotFoundException"));
        }
        match self.conduct {
            Conduct::Refuses(code) => return Some(refused(code)),
            Conduct::StopsBefore => return None,
            Conduct::Starts | Conduct::LosesAnswer | Conduct::StopsAfter => {}
        }
        let id = format!("jr_{}", self.runs.len());
        let began_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let manifest = asked["Arguments"]["--penstock_manifest"].as_str().map(str::to_owned);
        self.runs.push(Run { name: name.to_owned(), id: id.clone(), manifest, began_s });
        match self.conduct {
            Conduct::StopsAfter => None,
            Conduct::LosesAnswer => {
                let cut =
                    stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset)) });
                Some(([("content-length", "99")], Body::from_stream(cut)).into_response())
            }
            _ => Some(json_answer(&json!({"JobRunId": id}))),
        }
    }

    fn job_runs(&self) -> Response {
        let run = |own: &Run| {
            let arguments = json!({"--penstock_manifest": own.manifest, "--job-language": "python"});
            json!({"Id": own.id, "JobName": own.name, "StartedOn": own.began_s, "Arguments": arguments,
                "JobRunState": "RUNNING"})
        };
        let jobs = self.runs.iter().rev().filter(|own| own.name == JOB);
        json_answer(&json!({"JobRuns": jobs.map(run).collect::<Vec<_>>()}))
    }

    fn crawler(&self) -> Response {
        let last = self.runs.iter().rfind(|own| own.name == CRAWLER);
        let last = last.map(|own| json!({"Status": "SUCCEEDED", "StartTime": own.began_s}));
        json_answer(&json!({"Crawler": {"Name": CRAWLER, "State": "READY", "LastCrawl": last}}))
    }
}

fn json_answer(value: &Value) -> Response {
    ([("content-type", "application/x-amz-json-1.1")], value.to_string()).into_response()
}

fn refused(code: &str) -> Response {
    let told = json!({"__type": code, "Message": "refused by the test"});
    (StatusCode::BAD_REQUEST, [("content-type", "application/x-amz-json-1.1")], told.to_string())
        .into_response()
}
