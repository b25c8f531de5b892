//! The Lambda Runtime API on a loopback port, and a function's own binary running against it.
//!
//! It does what the service does to a bootstrap: hands out one invocation at a time with its deadline, takes
//! the answer or the error, ends the process at the deadline, and reports one that went away. It knows
//! nothing of what a function computes.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::ministack::REGION;
use crate::paths::{binary, workspace_root};
use crate::process::{Process, lock};
use crate::wait::until;

/// The deadline of an invocation that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
const MEMORY_MB: &str = "512";
/// Most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 6 * 1024 * 1024;

/// What Lambda reports of an invocation that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionError {
    /// The function's own type; `Sandbox.Timedout` at the deadline, `Runtime.ExitError` when the process
    /// went away.
    pub error_type: String,
    /// The message.
    pub message: String,
}

impl std::fmt::Display for FunctionError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.error_type, self.message)
    }
}

impl std::error::Error for FunctionError {}

impl FunctionError {
    fn new(error_type: &str, message: impl Into<String>) -> Self {
        Self { error_type: error_type.to_owned(), message: message.into() }
    }

    fn from_report(body: &[u8]) -> Self {
        let Ok(report) = serde_json::from_slice::<Value>(body) else {
            return Self::new("Runtime.InvalidError", String::from_utf8_lossy(body));
        };
        let text = |name: &str| report[name].as_str().unwrap_or_default();
        Self::new(text("errorType"), text("errorMessage"))
    }
}

type Outcome = Result<Value, FunctionError>;

struct Invocation {
    id: String,
    event: Vec<u8>,
    deadline_ms: u128,
    outcome: oneshot::Sender<Outcome>,
}

struct Api {
    function_arn: String,
    waiting: AsyncMutex<mpsc::UnboundedReceiver<Invocation>>,
    running: Mutex<Option<(String, oneshot::Sender<Outcome>)>>,
    init_error: Mutex<Option<FunctionError>>,
}

/// A function's binary that polls a Runtime API of its own. Dropping it kills the process.
///
/// The API is served on the tokio runtime that started it: a test that blocks its thread blocks the function.
pub struct Bootstrap {
    api: Arc<Api>,
    queue: mpsc::UnboundedSender<Invocation>,
    /// One execution environment takes one invocation at a time.
    turn: AsyncMutex<()>,
    server: JoinHandle<()>,
    process: Process,
    invocations: AtomicU64,
}

impl std::fmt::Debug for Bootstrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bootstrap").field("function", &self.api.function_arn).finish_non_exhaustive()
    }
}

impl Bootstrap {
    /// Starts the function `name` with Lambda's environment and `vars`, which win over it. Nothing of the
    /// test's own environment reaches the function.
    pub async fn start<K: Into<String>, V: Into<String>>(
        name: &str,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> anyhow::Result<Self> {
        Self::start_program(&binary(name)?, vars).await
    }

    /// Starts the function at `program`, whose file name is the function's name.
    pub async fn start_program<K: Into<String>, V: Into<String>>(
        program: &FilePath,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> anyhow::Result<Self> {
        let name = program.file_name().and_then(OsStr::to_str).context("a function has a name")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no free loopback port")?;
        let address = listener.local_addr()?.to_string();
        let (queue, waiting) = mpsc::unbounded_channel();
        let api = Arc::new(Api {
            function_arn: format!("arn:aws:lambda:{REGION}:000000000000:function:{name}"),
            waiting: AsyncMutex::new(waiting),
            running: Mutex::default(),
            init_error: Mutex::default(),
        });
        let app = router(Arc::clone(&api));
        let server = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                unreachable!("axum::serve ends with its task only: {error}");
            }
        });
        let mut environment = lambda_environment(name, address);
        environment.extend(vars.into_iter().map(|(name, value)| (name.into(), value.into())));
        let scratch = tempfile::tempdir().context("no scratch folder for the function")?;
        let process = Process::start(program, environment, scratch)?;
        let turn = AsyncMutex::new(());
        Ok(Self { api, queue, turn, server, process, invocations: AtomicU64::new(0) })
    }

    /// Invokes the function with a deadline a minute from now and waits for its answer.
    pub async fn invoke(&self, event: &Value) -> Result<Value, FunctionError> {
        self.invoke_until(event, SystemTime::now() + DEFAULT_TIMEOUT).await
    }

    /// Invokes the function with `deadline` and waits for its answer. At the deadline the process is killed,
    /// as Lambda does it; one that has passed already (cargo-lambda's context has one in 1970) kills nothing.
    pub async fn invoke_until(&self, event: &Value, deadline: SystemTime) -> Result<Value, FunctionError> {
        let _turn = self.turn.lock().await;
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let (outcome, answer) = oneshot::channel();
        let invocation = Invocation {
            id: format!("00000000-0000-4000-8000-{number:012}"),
            event: event.to_string().into_bytes(),
            deadline_ms: deadline.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis(),
            outcome,
        };
        if self.queue.send(invocation).is_err() {
            unreachable!("the receiver lives in self.api");
        }
        let left = deadline.duration_since(SystemTime::now()).unwrap_or(DEFAULT_TIMEOUT);
        tokio::select! {
            // An answer that came before the process went away counts.
            biased;
            Ok(outcome) = answer => outcome,
            () = self.process.ended() => Err(self.exit_error()),
            () = tokio::time::sleep(left) => {
                self.process.kill();
                let seconds = left.as_secs_f32();
                Err(FunctionError::new("Sandbox.Timedout", format!("task timed out after {seconds:.2} seconds")))
            }
        }
    }

    /// Kills the process with SIGKILL, in the middle of an invocation too; that one is a `Runtime.ExitError`.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// The lines that the function wrote to stdout and stderr so far.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.process.lines()
    }

    /// The log lines that are JSON objects.
    #[must_use]
    pub fn json_logs(&self) -> Vec<Value> {
        let lines = self.logs().into_iter();
        lines.filter_map(|line| serde_json::from_str(&line).ok()).filter(Value::is_object).collect()
    }

    /// Waits for the first JSON log line that `is_wanted`: a line may arrive a moment after the answer.
    pub async fn wait_for_log(&self, is_wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        let logged = until("a log line", Duration::from_secs(10), async || {
            Ok(self.json_logs().into_iter().find(|line| is_wanted(line)))
        });
        logged.await.with_context(|| format!("the function logged:\n{}", self.logs().join("\n")))
    }

    /// Waits for the process to end by itself, as a function with a wrong configuration does; what it reported
    /// to `init/error`, else a `Runtime.ExitError`.
    pub async fn init_error(&self) -> anyhow::Result<FunctionError> {
        let ended = tokio::time::timeout(DEFAULT_TIMEOUT, self.process.ended()).await;
        ended.with_context(|| format!("the function did not end:\n{}", self.logs().join("\n")))?;
        Ok(self.exit_error())
    }

    fn exit_error(&self) -> FunctionError {
        let reported = lock(&self.api.init_error).clone();
        let last_lines = || {
            let logs = self.logs();
            logs[logs.len().saturating_sub(10)..].join("\n")
        };
        reported.unwrap_or_else(|| FunctionError::new("Runtime.ExitError", last_lines()))
    }
}

impl Drop for Bootstrap {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lambda_environment(name: &str, address: String) -> Vec<(String, String)> {
    let root = workspace_root().display().to_string();
    let vars = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("AWS_LAMBDA_RUNTIME_API", &address),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MB),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]local"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        // Without these and an endpoint a function could find its way to a real account.
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("LAMBDA_TASK_ROOT", &root),
        ("_HANDLER", "bootstrap"),
    ];
    vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn router(api: Arc<Api>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .layer(DefaultBodyLimit::max(MAX_ANSWER_BYTES))
        .with_state(api)
}

/// Waits for an invocation as long as it takes. A poll that breaks off takes none with it.
async fn next(State(api): State<Arc<Api>>) -> Response {
    let Some(invocation) = api.waiting.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let Invocation { id, event, deadline_ms, outcome } = invocation;
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", id.clone()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", api.function_arn.clone()),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0".to_owned(),
        ),
    ];
    *lock(&api.running) = Some((id, outcome));
    (headers, event).into_response()
}

async fn response(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let answer = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
    let invalid = |error| FunctionError::new("Runtime.InvalidResponse", format!("no JSON: {error}"));
    finish(&api, &id, answer.map_err(invalid))
}

async fn error(State(api): State<Arc<Api>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    finish(&api, &id, Err(FunctionError::from_report(&body)))
}

async fn init_error(State(api): State<Arc<Api>>, body: Bytes) -> StatusCode {
    *lock(&api.init_error) = Some(FunctionError::from_report(&body));
    StatusCode::ACCEPTED
}

/// Only the invocation that runs can be answered, and once.
fn finish(api: &Api, id: &str, outcome: Outcome) -> StatusCode {
    let Some((_, waiting)) = lock(&api.running).take_if(|(running, _)| running == id) else {
        return StatusCode::BAD_REQUEST;
    };
    // Nobody waits any more for an invocation that a test gave up.
    match waiting.send(outcome) {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::GONE,
    }
}
