//! firehose-transform beside what a user would deploy otherwise: the same event, in turns, each a process of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, ensure};
use axum::body::Bytes;

use crate::answers::{Answers, ensure_echoed};
use crate::contestant::{Contestant, Entry};
use crate::table::{Line, Need, median};
use crate::{contracts, envelope};

const OURS: &str = "firehose-transform";
const ECHO: &str = "echo";
const OBVIOUS: &str = "obvious Rust";
const PYTHON: &str = "plain Python";
const POWERTOOLS: &str = "Powertools";
/// As many as keep every answer under Lambda's 6 MB: they come in 4 MB.
const RECORDS: usize = 5_650;

/// How often is measured.
#[derive(Debug, Clone, Copy)]
pub struct Rounds {
    /// Of everybody.
    pub warm: usize,
    /// The Pythons take part in every such round.
    pub python_every: usize,
    /// Cold starts; of the Pythons a third.
    pub cold: usize,
}

/// Medians of a contestant.
#[derive(Debug)]
struct Figures {
    cpu_ms: f64,
    memory_mb: f64,
    cold_ms: f64,
}

/// What was measured of each, in ms.
type Times = BTreeMap<&'static str, Vec<f64>>;
type Measured = BTreeMap<&'static str, Figures>;

/// The lines, and who could not take part or gave another answer.
pub async fn lines(python: &Path, rounds: Rounds) -> anyhow::Result<Vec<Line>> {
    let folder = tempfile::tempdir().context("scratch folder")?;
    contracts::write_ten(folder.path())?;
    let mut faults = Vec::new();
    let mut measured = Measured::new();
    let (event, small) = (Bytes::from(envelope::event(RECORDS)?), Bytes::from(envelope::event(1)?));
    eprintln!("firehose: {RECORDS} records in {:.2} MB", event.len() as f64 / 1e6);
    let mut contestants = Vec::new();
    for entry in entries(python, folder.path())? {
        let entered = enter(&entry, &event, folder.path()).await;
        match entered {
            Ok(entered) => contestants.push(entered),
            Err(error) => faults.push(Line::failed(format!("firehose: {}", entry.name), &error)),
        }
    }
    let same = same_answer(&contestants);
    let mut contestants: Vec<_> = contestants.into_iter().map(|(contestant, _)| contestant).collect();
    let mut cpu = warm_rounds(&mut contestants, &event, rounds).await?;
    let mut cold = cold_starts(&contestants, &small, folder.path(), rounds.cold).await?;
    for contestant in contestants {
        let name = contestant.name();
        let of = |all: &mut Times| median(all.remove(name).unwrap_or_default());
        let (cpu_ms, cold_ms) = (of(&mut cpu), of(&mut cold));
        measured.insert(name, Figures { cpu_ms, cold_ms, memory_mb: contestant.peak_memory_mb()? });
    }
    let mut lines = table(&measured);
    lines.push(same);
    lines.extend(faults);
    Ok(lines)
}

fn is_python(name: &str) -> bool {
    name == PYTHON || name == POWERTOOLS
}

/// Starts a contestant and warms it up; its answer, unless it is the echo.
async fn enter(entry: &Entry, event: &Bytes, logs: &Path) -> anyhow::Result<(Contestant, Option<Answers>)> {
    let mut contestant = entry.start(logs).await?;
    let answer = contestant.invoke(event).await?.answer;
    contestant.invoke(event).await?;
    if entry.name == ECHO {
        ensure_echoed(event, &answer)?;
        return Ok((contestant, None));
    }
    eprintln!("firehose: {} answers {:.2} MB", entry.name, answer.len() as f64 / 1e6);
    let answers = Answers::read(&answer, RECORDS).with_context(|| format!("{}'s answer", entry.name))?;
    Ok((contestant, Some(answers)))
}

/// Whether all gave the answer that the first of them gave.
fn same_answer(contestants: &[(Contestant, Option<Answers>)]) -> Line {
    let what = "firehose: records answered alike by all";
    let mut answers = contestants.iter().filter_map(|(own, answers)| Some((own.name(), answers.as_ref()?)));
    let Some((first, base)) = answers.next() else {
        return Line::failed(what, &anyhow!("nobody answered"));
    };
    let mut peers = vec![first];
    for (name, answers) in answers {
        if let Err(error) = base.same_as(answers) {
            return Line::failed(what, &error.context(format!("{first} and {name} differ")));
        }
        peers.push(name);
    }
    peers.retain(|name| *name != OURS);
    let (against, figure) = (peers.join(", "), Ok(RECORDS as f64));
    Line { what: what.to_owned(), ours: String::new(), against, figure, need: Need::AtLeast(RECORDS as f64) }
}

/// CPU times of invocations in turns.
async fn warm_rounds(contestants: &mut [Contestant], event: &Bytes, rounds: Rounds) -> anyhow::Result<Times> {
    let mut cpu = Times::new();
    for round in 0..rounds.warm {
        for contestant in &mut *contestants {
            if round % rounds.python_every == 0 || !is_python(contestant.name()) {
                cpu.entry(contestant.name()).or_default().push(contestant.invoke(event).await?.cpu_ms);
            }
        }
    }
    Ok(cpu)
}

async fn cold_starts(
    contestants: &[Contestant],
    event: &Bytes,
    logs: &Path,
    rounds: usize,
) -> anyhow::Result<Times> {
    let mut cold = Times::new();
    for round in 0..rounds {
        for entry in contestants.iter().map(Contestant::entry) {
            if round % 3 == 0 || !is_python(entry.name) {
                cold.entry(entry.name).or_default().push(entry.cold_start_ms(event, logs).await?);
            }
        }
    }
    Ok(cold)
}

/// All who take part. The binaries stand beside this program's own.
fn entries(python: &Path, contracts: &Path) -> anyhow::Result<Vec<Entry>> {
    let beside = std::env::current_exe()?.parent().context("this program has a folder")?.to_path_buf();
    let handlers = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/python"));
    ensure!(python.exists(), "{} is missing: `make bench` makes it", python.display());
    let binary = |name, file: &str| Entry {
        name,
        program: beside.join(file),
        arguments: Vec::new(),
        runtime: "AWS_Lambda_provided.al2023",
        folder: contracts.to_path_buf(),
        contracts: contracts.to_path_buf(),
        vars: Vec::new(),
    };
    let handler = |name, handler: &str| Entry {
        program: python.to_path_buf(),
        arguments: ["-m", "awslambdaric", handler].map(Into::into).into(),
        // The newer ones poll in a thread for each event, whose CPU time would be lost with it.
        runtime: "AWS_Lambda_python3.11",
        folder: handlers.clone(),
        ..binary(name, "")
    };
    Ok(vec![
        binary(OBVIOUS, "bench-obvious"),
        binary(OURS, "firehose-transform"),
        binary(ECHO, "bench-echo"),
        handler(PYTHON, "plain.handler"),
        handler(POWERTOOLS, "with_powertools.handler"),
    ])
}

fn table(measured: &Measured) -> Vec<Line> {
    let cpu = |what: &str, peer, need| compare(measured, what, "ms", |of| of.cpu_ms, peer, need);
    let cold = |peer, need| compare(measured, "cold start", "ms", |of| of.cold_ms, peer, need);
    vec![
        cpu("CPU an event", ECHO, Need::AtMost(2.2)),
        cpu("CPU an event", OBVIOUS, Need::AtLeast(2.3)),
        cpu("CPU an event", PYTHON, Need::AtLeast(9.0)),
        cpu("CPU an event", POWERTOOLS, Need::Told),
        peak_memory(measured),
        cold(ECHO, Need::AtMost(2.5)),
        cold(PYTHON, Need::Told),
    ]
}

/// How many times the echo's a figure is; of the others, how many times less than theirs.
fn compare(
    measured: &Measured,
    what: &str,
    unit: &str,
    figure: impl Fn(&Figures) -> f64,
    peer: &'static str,
    need: Need,
) -> Line {
    let (ours, theirs) = (measured.get(OURS).map(&figure), measured.get(peer).map(&figure));
    let show =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2} {unit}"));
    let ratio =
        ours.zip(theirs).map(|(ours, theirs)| if peer == ECHO { ours / theirs } else { theirs / ours });
    Line {
        what: match peer == ECHO {
            true => format!("firehose: {what}, times {peer}'s"),
            false => format!("firehose: {what}, times less than {peer}"),
        },
        ours: show(ours),
        against: format!("{peer} {}", show(theirs)),
        figure: ratio.ok_or_else(|| "not measured".to_owned()),
        need,
    }
}

fn peak_memory(measured: &Measured) -> Line {
    let peers = measured.iter().filter(|(name, _)| **name != OURS);
    let peers: Vec<_> = peers.map(|(name, of)| format!("{name} {:.0}", of.memory_mb)).collect();
    let ours = measured.get(OURS).map(|of| of.memory_mb);
    Line {
        what: "firehose: peak memory, MB".to_owned(),
        ours: ours.map_or_else(|| "-".to_owned(), |mb| format!("{mb:.1} MB")),
        against: peers.join(", "),
        figure: ours.ok_or_else(|| "not measured".to_owned()),
        need: Need::AtMost(32.0),
    }
}
