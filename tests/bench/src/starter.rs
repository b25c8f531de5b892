//! glue-job-starter against a cloud that answers at once: how many runs a batch of a thousand files becomes, by how many
//! writes, and how much CPU time it takes beyond its AWS calls.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use axum::body::Bytes;
use serde_json::Value;

use crate::cloud::{Call, Cloud};
use crate::contestant::{Contestant, Entry};
use crate::contracts::with_job;
use crate::s3_event::event;
use crate::table::{Line, Need, median};

const OURS: &str = "glue-job-starter";
const STAGE: &str = "bench-stage";
const WORK: &str = "bench-work";
const CLAIMS: &str = "claims/";
const FILES: usize = 1_000;
const MOST_RUNS: f64 = 1.0;
const MOST_WRITES: f64 = 4.0;
const MOST_CPU_MS: f64 = 50.0;

/// The lines of the function.
pub async fn lines(rounds: usize) -> Vec<Line> {
    let what = format!("glue-job-starter, {FILES} files in a batch");
    measured(&what, rounds).await.unwrap_or_else(|error| vec![Line::failed(what, &error)])
}

/// A cloud and the function in it.
struct Stage {
    cloud: Cloud,
    function: Contestant,
    folder: tempfile::TempDir,
}

impl Stage {
    async fn start() -> anyhow::Result<Self> {
        let (cloud, folder) = (Cloud::serve().await?, tempfile::tempdir()?);
        let contracts = folder.path().join("contracts");
        std::fs::create_dir(&contracts)?;
        std::fs::write(contracts.join("transactions.odcs.yaml"), with_job())?;
        let function = entry(OURS, &cloud, folder.path(), &contracts)?.start(folder.path()).await?;
        Ok(Self { cloud, function, folder })
    }

    /// Has the function take a batch of files that it has not seen; the claim has them all, and its run is started.
    async fn take(&mut self, event: &Bytes) -> anyhow::Result<(f64, Vec<Call>)> {
        self.cloud.empty(WORK, CLAIMS);
        self.cloud.take_calls();
        let invoked = self.function.invoke(event).await?;
        let calls = self.cloud.take_calls();
        let answer: Value = serde_json::from_slice(&invoked.answer)?;
        let given_back = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
        ensure!(given_back == 0, "{given_back} messages were given back");
        ensure!(self.cloud.count(WORK) == 1, "{} claims", self.cloud.count(WORK));
        let claim = self.cloud.text(WORK, CLAIMS).context("no claim")?;
        let claim: Value = serde_json::from_str(&claim)?;
        let entries = claim["entries"].as_array().map_or(0, Vec::len);
        ensure!(entries == FILES && claim["state"] == "started", "{entries} entries, {}", claim["state"]);
        Ok((invoked.cpu_ms, calls))
    }
}

/// A program with the function's variables.
fn entry(file: &'static str, cloud: &Cloud, folder: &Path, contracts: &Path) -> anyhow::Result<Entry> {
    let beside: PathBuf = std::env::current_exe()?.parent().context("this program has a folder")?.into();
    let vars = [
        ("AWS_ENDPOINT_URL", cloud.endpoint.as_str()),
        ("LANDING_BUCKET", "bench-landing"),
        ("STAGE_BUCKET", STAGE),
        ("LAKE_BUCKET", "bench-lake"),
        ("CURATED_BUCKET", "bench-curated"),
        ("WORK_BUCKET", WORK),
        ("QUARANTINE_BUCKET", "bench-quarantine"),
        ("GLUE_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/glue"),
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

/// What the function's process uses, beside one that makes the same calls with the SDK alone.
async fn measured(what: &str, rounds: usize) -> anyhow::Result<Vec<Line>> {
    let mut stage = Stage::start().await?;
    let keys: Vec<String> = (0..FILES).map(|n| format!("transactions/dt=2026-03-01/{n:04}.gz")).collect();
    let event = event(STAGE, keys.iter().map(|key| (key.as_str(), 1 << 20)));
    // The first one opens the connections.
    let (_, calls) = stage.take(&event).await?;
    std::fs::write(stage.folder.path().join("calls.json"), serde_json::to_vec(&calls)?)?;
    let beside = entry("bench-calls", &stage.cloud, stage.folder.path(), stage.folder.path())?;
    let mut alone = beside.start(stage.folder.path()).await?;
    let nothing = Bytes::from_static(b"{}");
    stage.cloud.empty(WORK, CLAIMS);
    alone.invoke(&nothing).await?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (cpu_ms, made) = stage.take(&event).await?;
        ensure!(made.len() == calls.len(), "{} calls, and {} the first time", made.len(), calls.len());
        with.push(cpu_ms);
        stage.cloud.empty(WORK, CLAIMS);
        without.push(alone.invoke(&nothing).await?.cpu_ms);
    }
    let (with, without) = (median(with), median(without));
    let runs = calls.iter().filter(|call| call.subject == "StartJobRun").count();
    let writes = runs + calls.iter().filter(|call| call.method == "PUT").count();
    let line = |told: &str, ours: String, against, figure, most| Line {
        what: format!("{what}: {told}"),
        ours,
        against,
        figure: Ok(figure),
        need: Need::AtMost(most),
    };
    let alone = format!("{} calls alone {without:.1} ms", calls.len());
    Ok(vec![
        line("Glue runs", runs.to_string(), String::new(), runs as f64, MOST_RUNS),
        line("AWS writes", writes.to_string(), String::new(), writes as f64, MOST_WRITES),
        line("CPU, ms", format!("{with:.1} ms"), alone, with, MOST_CPU_MS),
    ])
}
