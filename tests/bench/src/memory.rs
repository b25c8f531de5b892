//! The most memory that reading one large file takes: the file is made on the fly, in a process of its own.

use std::io::Write as _;
use std::process::Command;

use anyhow::{Context as _, ensure};
use clap::ValueEnum;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::ours::{Ours, Work};
use crate::process::peak_memory_mb;
use crate::sample::{Form, Transactions};
use crate::table::{Line, Need};

const MOST_MB: f64 = 64.0;
/// As a read of S3 hands it over.
const PIECE_BYTES: usize = 64 << 10;

/// What is streamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Streamed {
    /// NDJSON, not compressed.
    Ndjson,
    /// CSV, not compressed.
    Csv,
    /// NDJSON in gzip.
    Gzip,
}

/// One line a format, each measured in a child of this program.
pub fn lines(megabytes: usize) -> Vec<Line> {
    [("NDJSON", "ndjson"), ("CSV", "csv"), ("NDJSON in gzip", "gzip")]
        .into_iter()
        .map(|(name, argument)| {
            let what = format!("ingest {name}, {megabytes} MB streamed: peak memory, MB");
            measure(what.clone(), argument, megabytes).unwrap_or_else(|error| Line::failed(what, &error))
        })
        .collect()
}

fn measure(what: String, argument: &str, megabytes: usize) -> anyhow::Result<Line> {
    let child = Command::new(std::env::current_exe()?)
        .args(["ingest-memory", argument, "--megabytes", &megabytes.to_string()])
        .output()?;
    ensure!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr).trim());
    let said = String::from_utf8(child.stdout)?;
    let peak: f64 = said.trim().parse().with_context(|| format!("the child said {said:?}"))?;
    let (ours, need) = (format!("{peak:.1} MB"), Need::AtMost(MOST_MB));
    Ok(Line { what, ours, against: String::new(), figure: Ok(peak), need })
}

/// The child's part: reads that much, prints the peak of its own memory.
pub fn child(streamed: Streamed, megabytes: usize) -> anyhow::Result<()> {
    let form = if streamed == Streamed::Csv { Form::NestedCsv } else { Form::Ndjson };
    let (mut transactions, mut ours, mut left) =
        (Transactions::new(), Ours::start(form, Work::Packed)?, megabytes << 20);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut piece = Vec::with_capacity(PIECE_BYTES + 1024);
    piece.extend_from_slice(form.header().as_bytes());
    let mut rows = 0;
    while left > 0 {
        while piece.len() < PIECE_BYTES {
            transactions.write(form, &mut piece)?;
            rows += 1;
        }
        left = left.saturating_sub(piece.len());
        if streamed == Streamed::Gzip {
            encoder.write_all(&piece)?;
            ours.push(encoder.get_ref())?;
            encoder.get_mut().clear();
        } else {
            ours.push(&piece)?;
        }
        piece.clear();
    }
    if streamed == Streamed::Gzip {
        ours.push(&encoder.finish()?)?;
    }
    let accepted = ours.finish()?;
    ensure!(accepted == rows, "{accepted} of {rows} rows were accepted");
    println!("{:.2}", peak_memory_mb(std::process::id())?);
    Ok(())
}
