//! s3-to-kinesis against a cloud that answers at once: how much less CPU time it takes than Python for the same rows on
//! the stream, how many fewer Kinesis records aggregation makes, how much memory and CPU time one large file takes, and
//! that nothing is lost when the stream refuses, fails and loses answers.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use crate::cloud::{Cloud, Faults, File, Keep, Taken};
use crate::contestant::{Contestant, Entry};
use crate::contracts::on_stream;
use crate::s3_event::event;
use crate::sample::{Form, Transactions};
use crate::table::{Line, Need, median};

const OURS: &str = "s3-to-kinesis";
const LANDING: &str = "bench-landing";
const WORK: &str = "bench-work";
const MB: u64 = 1 << 20;
const TIMES_LESS: f64 = 10.0;
const TIMES_FEWER: f64 = 20.0;
const MOST_MEMORY_MB: f64 = 64.0;
const MOST_DRIFT: f64 = 0.25;
/// How often a large file and small ones are compared; the middle counts.
const TURNS: usize = 3;
/// Large enough that no key comes twice within what is looked at together.
const BLOCK_BYTES: usize = 32 << 20;
const FAULTS: Faults = Faults { refused: 30, failed: 5, lost: 3 };
/// The SDK gives up on a call that fails four times, and the queue brings the message again.
const MOST_DELIVERIES: usize = 20;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Rows that Python sends too.
    pub rows: usize,
    /// Rows that are sent to a stream with faults.
    pub faulty_rows: usize,
    /// Megabytes of the small file and of the large one.
    pub mb: [u64; 2],
    /// Rounds of what is measured more than once.
    pub rounds: usize,
}

/// The lines of the stream route.
pub async fn lines(python: &Path, size: Size) -> Vec<Line> {
    let what = format!("stream route, {} rows of NDJSON: CPU, times less than plain Python", size.rows);
    let line = beside_python(&what, python, size).await;
    let mut lines = vec![line.unwrap_or_else(|error| Line::failed(what, &error))];
    let what = "stream route, aggregated: times fewer Kinesis records than rows";
    lines.push(aggregated(what, size.rows).await.unwrap_or_else(|error| Line::failed(what, &error)));
    for (name, is_packed) in [("NDJSON", false), ("NDJSON in gzip", true)] {
        let what = format!("stream route, a file of {} MB of {name}", size.mb[1]);
        let measured = large(&what, is_packed, size).await;
        lines.extend(measured.unwrap_or_else(|error| vec![Line::failed(what, &error)]));
    }
    let what = format!(
        "stream route, {} rows, {} % refused, {} % of calls failing, {} % of answers lost: rows lost",
        size.faulty_rows, FAULTS.refused, FAULTS.failed, FAULTS.lost
    );
    lines.push(faulty(&what, size.faulty_rows).await.unwrap_or_else(|error| Line::failed(what, &error)));
    lines
}

/// A cloud and the function in it.
struct Stage {
    cloud: Cloud,
    function: Contestant,
    // The function's contracts and log lie in it.
    _folder: tempfile::TempDir,
}

/// What came of a file.
struct Sent {
    cpu_ms: f64,
    taken: Taken,
    given_back: usize,
}

impl Stage {
    /// The function has sent one row when this returns: its connections are open and its rules compiled.
    async fn start(aggregate: &str) -> anyhow::Result<Self> {
        let (cloud, folder) = (Cloud::serve().await?, tempfile::tempdir()?);
        let contracts = folder.path().join("contracts");
        std::fs::create_dir(&contracts)?;
        std::fs::write(contracts.join("transactions.odcs.yaml"), on_stream(aggregate))?;
        let function = entry(&cloud, folder.path(), &contracts)?.start(folder.path()).await?;
        let mut stage = Self { cloud, function, _folder: folder };
        stage.send("warm", File::of(rows(1)?), 1).await?;
        Ok(stage)
    }

    /// Has the function send a file of so many rows: the stream has them, and the receipt says so.
    async fn send(&mut self, name: &str, file: File, rows: u64) -> anyhow::Result<Sent> {
        let sent = self.deliver(name, file).await?;
        ensure!(sent.given_back == 0, "{} messages were given back", sent.given_back);
        ensure!(sent.taken.rows == rows, "the stream took {} of {rows} rows", sent.taken.rows);
        self.check_receipt(rows)?;
        Ok(sent)
    }

    /// The same; CPU time of a row, in µs.
    async fn row_us(&mut self, name: &str, file: File, rows: u64) -> anyhow::Result<f64> {
        Ok(self.send(name, file, rows).await?.cpu_ms * 1e3 / rows as f64)
    }

    async fn deliver(&mut self, name: &str, file: File) -> anyhow::Result<Sent> {
        let (key, bytes) = (format!("stream/transactions/{name}.json"), file.bytes);
        self.cloud.put(LANDING, &key, file);
        let invoked = self.function.invoke(&event(LANDING, std::iter::once((key.as_str(), bytes)))).await?;
        let answer: Value = serde_json::from_slice(&invoked.answer)?;
        let given_back = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
        ensure!(self.cloud.count("bench-quarantine") == 0, "records were rejected");
        Ok(Sent { cpu_ms: invoked.cpu_ms, taken: self.cloud.taken(), given_back })
    }

    /// The one receipt says that so many rows were sent; it is forgotten, and nothing else was left.
    fn check_receipt(&self, rows: u64) -> anyhow::Result<()> {
        let receipt = self.cloud.text(WORK, "receipts/transactions/").context("no receipt")?;
        let receipt: Value = serde_json::from_str(&receipt)?;
        let (status, sent) = (&receipt["status"], &receipt["sent"]);
        ensure!(
            status == "complete" && sent.as_u64() == Some(rows),
            "the receipt says {status}, {sent} sent"
        );
        self.cloud.empty(WORK, "receipts/");
        let left = self.cloud.count(WORK);
        ensure!(left == 0, "{left} objects were left in the work bucket");
        Ok(())
    }
}

fn entry(cloud: &Cloud, folder: &Path, contracts: &Path) -> anyhow::Result<Entry> {
    let beside: PathBuf = std::env::current_exe()?.parent().context("this program has a folder")?.into();
    let vars = [
        ("AWS_ENDPOINT_URL", cloud.endpoint.as_str()),
        ("LANDING_BUCKET", LANDING),
        ("WORK_BUCKET", WORK),
        ("QUARANTINE_BUCKET", "bench-quarantine"),
        ("STREAM_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/stream"),
        // One invocation reads it all: it is the memory and the CPU time of a whole file that are told.
        ("SPLIT_BYTES", "1099511627776"),
    ];
    Ok(Entry {
        name: OURS,
        program: beside.join(OURS),
        arguments: Vec::new(),
        runtime: "AWS_Lambda_provided.al2023",
        folder: folder.to_path_buf(),
        contracts: contracts.to_path_buf(),
        vars: vars.into_iter().map(|(name, value)| (name, OsString::from(value))).collect(),
    })
}

/// So many transactions, one a line.
fn rows(count: usize) -> anyhow::Result<Bytes> {
    let (mut transactions, mut out) = (Transactions::new(), Vec::new());
    for _ in 0..count {
        transactions.write(Form::Ndjson, &mut out)?;
    }
    Ok(out.into())
}

async fn beside_python(what: &str, python: &Path, size: Size) -> anyhow::Result<Line> {
    ensure!(python.exists(), "{} is missing: `make bench` makes it", python.display());
    let file = rows(size.rows)?;
    let mut stage = Stage::start("none").await?;
    stage.cloud.set_streams(Keep::Rows, Faults::default());
    let mut own_ms = Vec::new();
    let mut first = None;
    for round in 0..size.rounds {
        let sent = stage.send(&format!("rows-{round}"), File::of(file.clone()), size.rows as u64).await?;
        own_ms.push(sent.cpu_ms);
        first.get_or_insert(sent.taken);
    }
    let (python_ms, theirs) = python_sends(python, file.clone(), size.rows as u64).await?;
    let ours = first.context("no round")?;
    ensure!(ours.by_id == theirs.by_id, "Python and {OURS} put different rows on the stream");
    let own_ms = median(own_ms);
    Ok(Line {
        what: what.to_owned(),
        ours: format!("{own_ms:.0} ms, {} calls", ours.calls[0]),
        against: format!("Python {python_ms:.0} ms; {:.0} bytes a row", file.len() as f64 / size.rows as f64),
        figure: Ok(python_ms / own_ms),
        need: Need::AtLeast(TIMES_LESS),
    })
}

/// CPU time that Python takes for the file of the first round, and what the stream took from it.
async fn python_sends(python: &Path, file: Bytes, rows: u64) -> anyhow::Result<(f64, Taken)> {
    let cloud = Cloud::serve().await?;
    cloud.set_streams(Keep::Rows, Faults::default());
    let key = "stream/transactions/rows-0.json";
    cloud.put(LANDING, key, File::of(file));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/stream.py");
    let mut command = Command::new(python);
    command.arg(script).args([&cloud.endpoint, LANDING, key, "bench"]).env_clear();
    command.envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("AWS_DEFAULT_REGION", "eu-central-1")]);
    command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]).kill_on_drop(true);
    let done = command.output().await?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr).trim());
    let told: Value = serde_json::from_slice(&done.stdout).context("what Python says")?;
    let taken = cloud.taken();
    let (said, took) = (told["rows"].as_u64(), taken.rows);
    ensure!(said == Some(rows) && took == rows, "Python sent {said:?} of {rows} rows, {took} were taken");
    Ok((told["cpu_ms"].as_f64().context("CPU time")?, taken))
}

async fn aggregated(what: &str, count: usize) -> anyhow::Result<Line> {
    let mut stage = Stage::start("kpl").await?;
    stage.cloud.set_streams(Keep::Rows, Faults::default());
    let sent = stage.send("rows", File::of(rows(count)?), count as u64).await?;
    let (records, ids) = (sent.taken.records, sent.taken.by_id.len());
    ensure!(ids == count, "{ids} of {count} rows have an id of their own");
    Ok(Line {
        what: what.to_owned(),
        ours: format!("{records} records"),
        against: format!("{count} rows, {:.0} ms CPU", sent.cpu_ms),
        figure: Ok(count as f64 / records as f64),
        need: Need::AtLeast(TIMES_FEWER),
    })
}

/// The peak of memory, and how far the CPU time of a row is from that of a small file, in turns: the machine is not as
/// fast in one minute as in the next.
async fn large(what: &str, is_packed: bool, size: Size) -> anyhow::Result<Vec<Line>> {
    let packed = |bytes: Vec<u8>| if is_packed { gzip(&bytes) } else { Ok(Bytes::from(bytes)) };
    let (block, block_rows) = Transactions::file(Form::Ndjson, BLOCK_BYTES)?;
    let times = (size.mb[1] * MB).div_ceil(block.len() as u64);
    let (block, all) = (packed(block)?, times * block_rows);
    let (small, small_rows) = Transactions::file(Form::Ndjson, (size.mb[0] * MB) as usize)?;
    let small = packed(small)?;
    let (mut stage, mut small_stage) = (Stage::start("none").await?, Stage::start("none").await?);
    let (mut turns, mut seconds) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let (mut of_small, mut of_large) = (Vec::new(), 0.0);
        // Half of the small ones behind the large one.
        for round in 0..size.rounds {
            if round == size.rounds / 2 {
                let file = File::repeated(Bytes::new(), block.clone(), times * block.len() as u64);
                let started = std::time::Instant::now();
                of_large = stage.row_us(&format!("large-{turn}"), file, all).await?;
                seconds.push(started.elapsed().as_secs_f64());
            }
            let name = format!("small-{turn}-{round}");
            of_small.push(small_stage.row_us(&name, File::of(small.clone()), small_rows).await?);
        }
        let of_small = median(of_small);
        turns.push((of_large / of_small, of_large, of_small));
    }
    turns.sort_by(|(one, ..), (other, ..)| one.total_cmp(other));
    let (ratio, row_us, small_us) = turns.get(TURNS / 2).copied().context("no turn")?;
    let peak = stage.function.peak_memory_mb()?;
    let line = |told: &str, ours, against, figure, most| Line {
        what: format!("{what}: {told}"),
        ours,
        against,
        figure: Ok(figure),
        need: Need::AtMost(most),
    };
    let against = format!("{all} rows in {:.1} s, {:.1} s CPU", median(seconds), row_us * all as f64 / 1e6);
    let (beside, drift) = (format!("{small_us:.2} µs in one of {} MB", size.mb[0]), (ratio - 1.0).abs());
    Ok(vec![
        line("peak memory, MB", format!("{peak:.1} MB"), against, peak, MOST_MEMORY_MB),
        line("CPU a row, drift from a small one", format!("{row_us:.2} µs"), beside, drift, MOST_DRIFT),
    ])
}

fn gzip(bytes: &[u8]) -> anyhow::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.into())
}

/// Rows that the stream does not have in the end.
async fn faulty(what: &str, count: usize) -> anyhow::Result<Line> {
    let (mut stage, file) = (Stage::start("none").await?, rows(count)?);
    stage.cloud.set_streams(Keep::Rows, FAULTS);
    let mut found = Taken::default();
    let mut deliveries = 0;
    loop {
        let sent = stage.deliver("rows", File::of(file.clone())).await?;
        deliveries += 1;
        found.add(sent.taken);
        if sent.given_back == 0 {
            break;
        }
        ensure!(deliveries < MOST_DELIVERIES, "given back {deliveries} times");
    }
    stage.check_receipt(count as u64)?;
    ensure!(found.conflicts == 0, "{} ids came with two different rows", found.conflicts);
    ensure!(found.refused > 0 && found.calls[1] > 0 && found.doubled > 0, "nothing went wrong: {found:?}");
    let wanted = expected(&file)?;
    let surplus = found.by_id.keys().filter(|id| !wanted.contains(*id)).count();
    ensure!(surplus == 0, "{surplus} ids are of no row");
    let lost = wanted.iter().filter(|id| !found.by_id.contains_key(*id)).count();
    let (calls, refused, doubled) = (found.calls, found.refused, found.doubled);
    Ok(Line {
        what: what.to_owned(),
        ours: format!("{lost} lost, {doubled} came twice"),
        against: format!("{refused} refused, {} of {} calls, {deliveries} deliveries", calls[1], calls[0]),
        figure: Ok(lost as f64),
        need: Need::AtMost(0.0),
    })
}

/// The `_record_id` of each transaction: SHA-256 over its key, with the key's length before it.
fn expected(file: &[u8]) -> anyhow::Result<BTreeSet<String>> {
    let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let id = |line| {
        let row: Value = serde_json::from_slice(line)?;
        let key = row["transaction_id"].as_str().context("no key")?;
        let digest = Sha256::digest(format!("{}:{key}", key.len()));
        anyhow::Ok(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    };
    lines.map(id).collect()
}
