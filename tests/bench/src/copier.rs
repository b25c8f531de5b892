//! s3-to-redshift-copy against a cloud that answers at once: how many COPYs a batch of files becomes, how much CPU time a
//! load of objects that are not read takes beyond its AWS calls, and how much memory one large file takes.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use axum::body::Bytes;
use serde_json::Value;

use crate::cloud::{Call, Cloud, File};
use crate::contestant::{Contestant, Entry};
use crate::contracts::of_form;
use crate::s3_event::event;
use crate::sample::{Form, Transactions};
use crate::table::{Line, Need, median};

const LANDING: &str = "bench-landing";
const STAGE: &str = "bench-stage";
const MB: u64 = 1 << 20;
const MOST_COPIES: f64 = 4.0;
const MOST_CPU_MS: f64 = 50.0;
const MOST_MEMORY_MB: f64 = 128.0;
/// Large enough that no key comes twice within what is looked at together.
const BLOCK_BYTES: usize = 32 << 20;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Bytes of each file of a batch.
    pub file_bytes: u64,
    /// Megabytes of the one large file.
    pub large_mb: u64,
    /// Rounds of the load whose CPU time is told.
    pub rounds: usize,
}

/// The lines of the copy route.
pub async fn lines(size: Size) -> Vec<Line> {
    let mut lines = Vec::new();
    for files in [1, 10, 100, 1_000] {
        let what = format!("copy route, {files} files of {:.1} MB in a batch: COPYs", mb(size.file_bytes));
        lines.push(
            copies(&what, files, size.file_bytes).await.unwrap_or_else(|error| Line::failed(what, &error)),
        );
    }
    let what = "copy route, 1,000 objects that COPY reads: own CPU, ms";
    lines.push(cpu(what, size.rounds).await.unwrap_or_else(|error| Line::failed(what, &error)));
    for form in [Form::FlatCsv, Form::Ndjson] {
        let what = format!("copy route, a file of {} MB of {}: peak memory, MB", size.large_mb, name(form));
        let line = memory(&what, form, size.large_mb * MB).await;
        lines.push(line.unwrap_or_else(|error| Line::failed(what, &error)));
    }
    lines
}

fn name(form: Form) -> &'static str {
    if form == Form::Ndjson { "NDJSON" } else { "CSV" }
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / MB as f64
}

/// A cloud and the function in it.
struct Stage {
    cloud: Cloud,
    function: Contestant,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn start(form: Form) -> anyhow::Result<Self> {
        let (cloud, folder) = (Cloud::serve().await?, tempfile::tempdir()?);
        let contracts = folder.path().join("contracts");
        std::fs::create_dir(&contracts)?;
        std::fs::write(contracts.join("transactions.odcs.yaml"), of_form(form, true))?;
        let function = entry("s3-to-redshift-copy", &cloud, folder.path(), &contracts)?;
        let function = function.start(folder.path()).await?;
        Ok(Self { cloud, function, folder })
    }

    /// Has the function take a batch; nothing may be given back, rejected or left behind.
    async fn take(&mut self, event: &Bytes) -> anyhow::Result<(f64, Vec<Call>)> {
        self.cloud.take_calls();
        let invoked = self.function.invoke(event).await?;
        let answer: Value = serde_json::from_slice(&invoked.answer)?;
        let given_back = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
        ensure!(given_back == 0, "{given_back} messages were given back");
        ensure!(self.cloud.count("bench-quarantine") == 0, "records were rejected");
        let left = self.cloud.count("bench-work");
        ensure!(left == 0, "{left} objects were left in the work bucket");
        Ok((invoked.cpu_ms, self.cloud.take_calls()))
    }
}

/// A program with the function's variables.
fn entry(file: &'static str, cloud: &Cloud, folder: &Path, contracts: &Path) -> anyhow::Result<Entry> {
    let beside: PathBuf = std::env::current_exe()?.parent().context("this program has a folder")?.into();
    let vars = [
        ("AWS_ENDPOINT_URL", cloud.endpoint.as_str()),
        ("LANDING_BUCKET", LANDING),
        ("STAGE_BUCKET", STAGE),
        ("WORK_BUCKET", "bench-work"),
        ("QUARANTINE_BUCKET", "bench-quarantine"),
        ("COPY_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/copy"),
        ("COPY_ROLE_ARN", "arn:aws:iam::123456789012:role/copy"),
        ("WORKGROUP_NAME", "bench"),
        ("DATABASE", "bench"),
        // One invocation reads it all: it is the memory of a whole file that is told.
        ("SPLIT_BYTES", "1099511627776"),
    ];
    let mut vars: Vec<_> = vars.into_iter().map(|(name, value)| (name, value.into())).collect();
    vars.push(("CALLS", folder.join("calls.json").into_os_string()));
    Ok(Entry {
        name: file,
        program: beside.join(file),
        arguments: Vec::new(),
        runtime: "AWS_Lambda_provided.al2023",
        folder: folder.to_path_buf(),
        contracts: contracts.to_path_buf(),
        vars,
    })
}

async fn copies(what: &str, files: usize, bytes: u64) -> anyhow::Result<Line> {
    let mut stage = Stage::start(Form::FlatCsv).await?;
    let (file, _) = Transactions::file(Form::FlatCsv, bytes as usize)?;
    let file = File::of(file.into());
    let keys: Vec<String> = (0..files).map(|n| format!("queue/transactions/{n:04}.csv")).collect();
    keys.iter().for_each(|key| stage.cloud.put(LANDING, key, file.clone()));
    let event = event(LANDING, keys.iter().map(|key| (key.as_str(), file.bytes)));
    let started = std::time::Instant::now();
    let (cpu_ms, calls) = stage.take(&event).await?;
    let seconds = started.elapsed().as_secs_f64();
    let batches = calls.iter().filter(|call| call.subject == "BatchExecuteStatement");
    let statements: Vec<Value> = batches.filter_map(|call| serde_json::from_str(&call.text).ok()).collect();
    let statements = statements.iter().flat_map(|batch| batch["Sqls"].as_array().into_iter().flatten());
    let copies = statements.filter(|sql| sql.as_str().is_some_and(|sql| sql.starts_with("COPY "))).count();
    ensure!(copies > 0, "nothing was copied");
    let ours = format!("{seconds:.2} s, {:.2} s CPU", cpu_ms / 1e3);
    Ok(Line {
        what: what.to_owned(),
        ours,
        against: format!("{} AWS calls", calls.len()),
        figure: Ok(copies as f64),
        need: Need::AtMost(MOST_COPIES),
    })
}

/// What the function's process uses, without what a process uses that makes the same calls with the SDK alone.
async fn cpu(what: &str, rounds: usize) -> anyhow::Result<Line> {
    let mut stage = Stage::start(Form::Ndjson).await?;
    let keys: Vec<String> = (0..1_000).map(|n| format!("transactions/dt=2026-03-01/{n:04}.gz")).collect();
    let event = event(STAGE, keys.iter().map(|key| (key.as_str(), MB)));
    // The first one opens the connections and compiles the contract's rules.
    let (_, calls) = stage.take(&event).await?;
    std::fs::write(stage.folder.path().join("calls.json"), serde_json::to_vec(&calls)?)?;
    let beside = entry("bench-calls", &stage.cloud, stage.folder.path(), stage.folder.path())?;
    let mut alone = beside.start(stage.folder.path()).await?;
    let nothing = Bytes::from_static(b"{}");
    alone.invoke(&nothing).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (cpu_ms, made) = stage.take(&event).await?;
        ensure!(made.len() == calls.len(), "{} calls, and {} the first time", made.len(), calls.len());
        with.push(cpu_ms);
        without.push(alone.invoke(&nothing).await?.cpu_ms);
    }
    let (with, without) = (median(with), median(without));
    Ok(Line {
        what: what.to_owned(),
        ours: format!("{with:.1} ms"),
        against: format!("{} calls alone {without:.1} ms", calls.len()),
        figure: Ok((with - without).max(0.0)),
        need: Need::AtMost(MOST_CPU_MS),
    })
}

async fn memory(what: &str, form: Form, bytes: u64) -> anyhow::Result<Line> {
    let mut stage = Stage::start(form).await?;
    let (block, _) = Transactions::file(form, BLOCK_BYTES)?;
    let head = Bytes::from_static(form.header().as_bytes());
    let block = Bytes::from(block).slice(head.len()..);
    let key =
        if form == Form::Ndjson { "queue/transactions/large.json" } else { "queue/transactions/large.csv" };
    let file = File::repeated(head, block, bytes);
    stage.cloud.put(LANDING, key, file.clone());
    let event = event(LANDING, std::iter::once((key, file.bytes)));
    let started = std::time::Instant::now();
    let (cpu_ms, _) = stage.take(&event).await?;
    let (seconds, peak) = (started.elapsed().as_secs_f64(), stage.function.peak_memory_mb()?);
    Ok(Line {
        what: what.to_owned(),
        ours: format!("{peak:.1} MB"),
        against: format!("in {seconds:.1} s, {:.1} s CPU", cpu_ms / 1e3),
        figure: Ok(peak),
        need: Need::AtMost(MOST_MEMORY_MB),
    })
}
