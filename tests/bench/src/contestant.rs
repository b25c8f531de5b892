//! A bootstrap that takes part: its process with Lambda's environment, and invocations of it with their CPU time.
//! Knows no events.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use axum::body::Bytes;
use tokio::process::{Child, Command};

use crate::process::{CpuTime, peak_memory_mb};
use crate::runtime_api::{Report, RuntimeApi};

const PATIENCE: Duration = Duration::from_secs(300);

/// How a contestant is started.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the table calls it.
    pub name: &'static str,
    /// Its binary.
    pub program: PathBuf,
    /// Arguments of the binary.
    pub arguments: Vec<OsString>,
    /// Lambda's name of its runtime.
    pub runtime: &'static str,
    /// Where it runs.
    pub folder: PathBuf,
    /// The contracts, for the one that reads them.
    pub contracts: PathBuf,
    /// Variables of its own.
    pub vars: Vec<(&'static str, OsString)>,
}

/// A started contestant. Dropping it kills the process.
#[derive(Debug)]
pub struct Contestant {
    entry: Entry,
    api: RuntimeApi,
    child: Child,
    log: PathBuf,
}

/// One invocation.
#[derive(Debug)]
pub struct Invoked {
    /// What was posted.
    pub answer: Bytes,
    /// CPU time of the process, from one wait for an event to the next.
    pub cpu_ms: f64,
}

impl Entry {
    /// Starts it; it waits for its first event when this returns.
    pub async fn start(&self, logs: &Path) -> anyhow::Result<Contestant> {
        let api = RuntimeApi::serve().await?;
        let mut started = self.spawn(api, logs)?;
        started.wait().await?;
        Ok(started)
    }

    /// Milliseconds from before its process exists until it answered `event`.
    pub async fn cold_start_ms(&self, event: &Bytes, logs: &Path) -> anyhow::Result<f64> {
        let api = RuntimeApi::serve().await?;
        api.events.send(event.clone())?;
        let begin = Instant::now();
        let mut started = self.spawn(api, logs)?;
        started.answer().await?;
        Ok(begin.elapsed().as_secs_f64() * 1e3)
    }

    fn spawn(&self, api: RuntimeApi, logs: &Path) -> anyhow::Result<Contestant> {
        let log = logs.join(format!("{}.log", self.name.replace(' ', "-")));
        let file = std::fs::File::create(&log).context("log file")?;
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.environment(&api.address))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} does not start", self.program.display()))?;
        Ok(Contestant { entry: self.clone(), api, child, log })
    }

    fn environment(&self, address: &str) -> Vec<(&'static str, OsString)> {
        let vars = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("LANG", "en_US.UTF-8"),
            ("TZ", ":UTC"),
            ("AWS_LAMBDA_RUNTIME_API", address),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("AWS_LAMBDA_LOG_LEVEL", "INFO"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]local"),
            ("AWS_EXECUTION_ENV", self.runtime),
            ("AWS_REGION", "eu-central-1"),
            ("AWS_DEFAULT_REGION", "eu-central-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("DATASET", "transactions"),
        ];
        let paths = [("CONTRACTS_DIR", &self.contracts), ("LAMBDA_TASK_ROOT", &self.folder)];
        let paths = paths.map(|(name, path)| (name, path.clone().into_os_string()));
        let own = self.vars.iter().cloned();
        vars.into_iter().map(|(name, text)| (name, text.into())).chain(paths).chain(own).collect()
    }
}

impl Contestant {
    /// What the table calls it.
    pub fn name(&self) -> &'static str {
        self.entry.name
    }

    /// How it was started.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Has it answer `event`.
    pub async fn invoke(&mut self, event: &Bytes) -> anyhow::Result<Invoked> {
        let pid = self.pid()?;
        let before = CpuTime::of(pid)?;
        self.api.events.send(event.clone())?;
        let answer = self.answer().await?;
        self.wait().await?;
        Ok(Invoked { answer, cpu_ms: CpuTime::of(pid)?.ms_since(&before)? })
    }

    /// The most memory that it held so far.
    pub fn peak_memory_mb(&self) -> anyhow::Result<f64> {
        peak_memory_mb(self.pid()?)
    }

    fn pid(&self) -> anyhow::Result<u32> {
        self.child.id().with_context(|| format!("{} has ended", self.entry.name))
    }

    async fn answer(&mut self) -> anyhow::Result<Bytes> {
        loop {
            match self.report().await? {
                Report::Answered(answer) => return Ok(answer),
                Report::Waits => {}
                Report::Failed(error) => bail!("{} failed: {error}", self.entry.name),
            }
        }
    }

    async fn wait(&mut self) -> anyhow::Result<()> {
        match self.report().await? {
            Report::Waits => Ok(()),
            Report::Answered(_) => bail!("{} answered twice", self.entry.name),
            Report::Failed(error) => bail!("{} failed: {error}", self.entry.name),
        }
    }

    async fn report(&mut self) -> anyhow::Result<Report> {
        let ended = tokio::select! {
            biased;
            report = self.api.reports.recv() => return report.context("the runtime API ended"),
            ended = self.child.wait() => format!("ended with {}", ended?),
            () = tokio::time::sleep(PATIENCE) => format!("did nothing for {PATIENCE:?}"),
        };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(10).collect();
        let last: Vec<_> = last.into_iter().rev().collect();
        Err(anyhow!("{} {ended}:\n{}", self.entry.name, last.join("\n")))
    }
}
