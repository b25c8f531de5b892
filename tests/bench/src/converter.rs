//! Penstock's conversion of a file to Parquet, as a process of its own: the only place of the benchmarks that knows the
//! interface of the lake's writers.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::ensure;
use clap::Args;
use penstock_core::contract::Contract;
use penstock_core::decode;
use penstock_core::ident;
use penstock_core::ingest::{Batch, Ingest, Progress};
use penstock_core::lake::{Layout, Limits, Piece, Writers, source_id};
use penstock_core::row::{Checker, Origin};
use rustix::time::{ClockId, clock_gettime};

use crate::orders::{CONTRACT, OrderForm};

/// As a read of S3 hands it over.
const READ_BYTES: usize = 64 << 10;

/// One file into one.
#[derive(Debug, Args)]
pub struct Conversion {
    form: OrderForm,
    /// Where the file lies.
    #[arg(long)]
    input: PathBuf,
    /// Where the Parquet goes.
    #[arg(long)]
    output: PathBuf,
    #[arg(long)]
    stamps: bool,
}

/// What a contestant says of itself.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub struct Told {
    pub rows: u64,
    /// Of all threads, reading and writing included.
    pub cpu_ms: f64,
}

/// Converts, and prints what it took.
pub fn child(conversion: &Conversion) -> anyhow::Result<()> {
    let stamps = if conversion.stamps { "true" } else { "false" };
    let contract = CONTRACT.replace("FORMAT", conversion.form.format()).replace("STAMPS", stamps);
    let contract = Contract::parse(&contract)?;
    let layout = Layout::new(&contract);
    let begin = clock_gettime(ClockId::ProcessCPUTime);
    let mut ours = Ours::new(contract, &layout, &conversion.output)?;
    ours.read(&conversion.input)?;
    let rows = ours.finish()?;
    let end = clock_gettime(ClockId::ProcessCPUTime);
    let cpu_ms = (end.tv_sec - begin.tv_sec) as f64 * 1e3 + (end.tv_nsec - begin.tv_nsec) as f64 / 1e6;
    let told = Told { rows, cpu_ms };
    println!("{}", serde_json::to_string(&told)?);
    Ok(())
}

/// A file that is being converted.
struct Ours<'l> {
    ingest: Ingest,
    batch: Batch,
    writers: Writers<'l>,
    output: File,
    rows: u64,
}

impl<'l> Ours<'l> {
    fn new(contract: Contract, layout: &'l Layout, output: &Path) -> anyhow::Result<Self> {
        let origin =
            Origin::new("s3://bench-landing/lake/orders/a", ident::stable_id(["bench"]), 1_772_700_000_000);
        let checker = Arc::new(Checker::compile(Arc::new(contract))?);
        Ok(Self {
            ingest: Ingest::new(checker, origin, decode::Limits::default())?,
            batch: Batch::default(),
            writers: Writers::new(layout, source_id("bench-landing", "lake/orders/a"), Limits::default())?,
            output: File::create(output)?,
            rows: 0,
        })
    }

    fn read(&mut self, input: &Path) -> anyhow::Result<()> {
        let (mut file, mut piece) = (File::open(input)?, vec![0; READ_BYTES]);
        loop {
            let len = file.read(&mut piece)?;
            if len == 0 {
                return Ok(());
            }
            self.push(piece.get(..len).unwrap_or_default())?;
        }
    }

    fn push(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            let taken = self.ingest.step(bytes, &mut self.batch)?;
            self.take()?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<u64> {
        while self.ingest.finish(&mut self.batch)? == Progress::More {
            self.take()?;
        }
        self.take()?;
        let rest = self.writers.finish()?;
        self.keep(rest)?;
        Ok(self.rows)
    }

    fn take(&mut self) -> anyhow::Result<()> {
        let rejected = self.batch.rejects.first();
        ensure!(rejected.is_none(), "a good row was rejected: {rejected:?}");
        self.rows += self.batch.rows.len() as u64;
        self.writers.push(&mut self.ingest, &mut self.batch)?;
        self.batch.clear();
        let ready = self.writers.pieces();
        self.keep(ready)
    }

    fn keep(&mut self, pieces: Vec<Piece>) -> anyhow::Result<()> {
        for piece in pieces {
            self.output.write_all(&piece.bytes)?;
        }
        Ok(())
    }
}
