//! Penstock's benchmarks: everything side by side in one run, as ratios that hold on any machine. Exits 1 when one
//! that is asked for is missed.

mod answers;
mod cloud;
mod contestant;
mod contracts;
mod converter;
mod copier;
mod envelope;
mod firehose;
mod ingest;
mod lake;
mod lake_function;
mod memory;
mod orders;
mod ours;
mod parts;
mod process;
mod runtime_api;
mod s3_event;
mod sample;
mod starter;
mod streamer;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use firehose::Rounds;
use memory::Streamed;
use table::{Line, render};

/// Penstock beside what a user would run otherwise.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Inner>,
    /// Only this part.
    #[arg(long)]
    only: Option<Part>,
    /// Fewer rounds and smaller files: for a look while tuning.
    #[arg(long)]
    quick: bool,
    /// The Python that has everything of requirements-bench.txt.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.venv/bench/bin/python"))]
    python: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Firehose,
    Ingest,
    Lake,
    Memory,
    Parts,
    Copy,
    Stream,
    Starter,
}

#[derive(Debug, Subcommand)]
enum Inner {
    /// Reads a file made on the fly and prints the peak of this process's memory.
    #[command(hide = true)]
    IngestMemory {
        streamed: Streamed,
        #[arg(long)]
        megabytes: usize,
    },
    /// Converts orders to Parquet and prints what this process took.
    #[command(hide = true)]
    LakeConvert(converter::Conversion),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let as_child = match &arguments.command {
        Some(Inner::IngestMemory { streamed, megabytes }) => Some(memory::child(*streamed, *megabytes)),
        Some(Inner::LakeConvert(conversion)) => Some(converter::child(conversion)),
        None => None,
    };
    if let Some(done) = as_child {
        let Err(error) = done else { return Ok(ExitCode::SUCCESS) };
        // Without the backtrace that an error of main has: the parent shows this text in its table.
        eprintln!("{error:#}");
        return Ok(ExitCode::FAILURE);
    }
    let lines = measure(&arguments).await?;
    println!("{}", render(&lines));
    let misses: Vec<_> = lines.iter().filter_map(Line::miss).collect();
    if misses.is_empty() {
        println!("\nEvery ratio that is asked for holds.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("\nMissed:");
    misses.iter().for_each(|miss| println!("  {miss}"));
    Ok(ExitCode::FAILURE)
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Vec<Line>> {
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    let (rounds, ingest_rounds, megabytes) = match arguments.quick {
        true => (Rounds { warm: 9, python_every: 4, cold: 5 }, 2, 128),
        false => (Rounds { warm: 31, python_every: 4, cold: 15 }, 5, 1024),
    };
    let mut lines = Vec::new();
    if wanted(Part::Firehose) {
        lines.extend(firehose::lines(&arguments.python, rounds).await?);
    }
    if wanted(Part::Ingest) {
        lines.extend(ingest::lines(ingest_rounds));
    }
    if wanted(Part::Parts) {
        lines.extend(parts::lines(&arguments.python, ingest_rounds));
    }
    if wanted(Part::Lake) {
        let size = match arguments.quick {
            true => lake::Size { file_mb: 32, large_mb: 128, rounds: 1 },
            false => lake::Size { file_mb: 128, large_mb: 1024, rounds: 5 },
        };
        lines.extend(lake::lines(&arguments.python, size).await);
    }
    if wanted(Part::Memory) {
        lines.extend(memory::lines(megabytes));
    }
    if wanted(Part::Copy) {
        let size = match arguments.quick {
            true => copier::Size { file_bytes: 100 << 10, large_mb: 256, rounds: 5 },
            false => copier::Size { file_bytes: 1 << 20, large_mb: 2048, rounds: 15 },
        };
        lines.extend(copier::lines(size).await);
    }
    if wanted(Part::Stream) {
        let size = match arguments.quick {
            true => streamer::Size { rows: 50_000, faulty_rows: 20_000, mb: [10, 128], rounds: 3 },
            false => streamer::Size { rows: 300_000, faulty_rows: 100_000, mb: [10, 1024], rounds: 5 },
        };
        lines.extend(streamer::lines(&arguments.python, size).await);
    }
    if wanted(Part::Starter) {
        lines.extend(starter::lines(if arguments.quick { 5 } else { 15 }).await);
    }
    Ok(lines)
}
