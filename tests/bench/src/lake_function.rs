//! s3-to-lake against a cloud that answers at once: how much memory the function's process takes for one large file that
//! becomes Parquet. Knows nothing of the files that it makes.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use axum::body::Bytes;
use serde_json::Value;

use crate::cloud::{Cloud, File};
use crate::contestant::Entry;
use crate::orders::{CONTRACT, OrderForm, Orders};
use crate::s3_event::event;
use crate::table::{Line, Need};

const OURS: &str = "s3-to-lake";
const LANDING: &str = "bench-landing";
const LAKE: &str = "bench-lake";
const WORK: &str = "bench-work";
const KEY: &str = "lake/orders/large";
const MOST_MB: f64 = 256.0;
/// Large enough that each column's dictionary is left, or filled, as by a file of so many different orders.
const BLOCK_BYTES: usize = 64 << 20;

/// The peak of memory for a file of so many megabytes.
pub async fn memory(what: &str, form: OrderForm, megabytes: usize) -> anyhow::Result<Line> {
    let (cloud, folder) = (Cloud::serve().await?, tempfile::tempdir()?);
    let contracts = folder.path().join("contracts");
    std::fs::create_dir(&contracts)?;
    let contract = CONTRACT.replace("FORMAT", form.format()).replace("STAMPS", "true");
    std::fs::write(contracts.join("orders.odcs.yaml"), contract)?;
    let mut function = entry(&cloud, folder.path(), &contracts)?.start(folder.path()).await?;
    let (file, rows) = orders(form, (megabytes as u64) << 20);
    cloud.put(LANDING, KEY, file.clone());
    let started = Instant::now();
    let invoked = function.invoke(&event(LANDING, std::iter::once((KEY, file.bytes)))).await?;
    let seconds = started.elapsed().as_secs_f64();
    let answer: Value = serde_json::from_slice(&invoked.answer)?;
    let given_back = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
    ensure!(given_back == 0, "the message was given back");
    check(&cloud, rows)?;
    let peak = function.peak_memory_mb()?;
    Ok(Line {
        what: what.to_owned(),
        ours: format!("{peak:.1} MB"),
        against: format!("{rows} rows in {seconds:.1} s, {:.1} s CPU", invoked.cpu_ms / 1e3),
        figure: Ok(peak),
        need: Need::AtMost(MOST_MB),
    })
}

/// The receipt says that all rows were taken, and the lake has a file.
fn check(cloud: &Cloud, rows: u64) -> anyhow::Result<()> {
    let receipt = cloud.text(WORK, "receipts/orders/").context("no receipt")?;
    let receipt: Value = serde_json::from_str(&receipt)?;
    let (status, sent) = (&receipt["status"], &receipt["sent"]);
    ensure!(
        status == "complete" && sent.as_u64() == Some(rows),
        "the receipt says {status}, {sent} of {rows}"
    );
    ensure!(cloud.count(LAKE) > 0, "the lake has no file");
    Ok(())
}

/// Orders that come again and again, and how many.
fn orders(form: OrderForm, bytes: u64) -> (File, u64) {
    let (mut orders, mut head) = (Orders::new(form), String::new());
    orders.write_header(&mut head);
    let mut block = String::with_capacity(BLOCK_BYTES + 1024);
    while block.len() < BLOCK_BYTES {
        orders.write(&mut block);
    }
    let head_bytes = head.len() as u64;
    let file = File::repeated(head.into(), Bytes::from(block), bytes);
    let times = (file.bytes - head_bytes) / file.block_bytes();
    (file, times * orders.made())
}

fn entry(cloud: &Cloud, folder: &Path, contracts: &Path) -> anyhow::Result<Entry> {
    let beside: PathBuf = std::env::current_exe()?.parent().context("this program has a folder")?.into();
    let vars = [
        ("AWS_ENDPOINT_URL", cloud.endpoint.as_str()),
        ("LANDING_BUCKET", LANDING),
        ("STAGE_BUCKET", "bench-stage"),
        ("WORK_BUCKET", WORK),
        ("QUARANTINE_BUCKET", "bench-quarantine"),
        ("LAKE_BUCKET", LAKE),
        ("LAKE_QUEUE_URL", "https://sqs.eu-central-1.amazonaws.com/123456789012/lake"),
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
