//! Penstock's ingest behind one function: the only place of the benchmarks that knows its interface.

use std::hint::black_box;
use std::sync::Arc;

use penstock_core::contract::{Contract, ContractSet};
use penstock_core::decode::Limits;
use penstock_core::ident;
use penstock_core::ingest::{Batch, Ingest, Progress};
use penstock_core::parts::PartWriter;
use penstock_core::row::{Checker, Origin};

use crate::contracts;
use crate::sample::Form;

/// What is made of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Rows of the columns that the source has, checked.
    Checked,
    /// The same with the derived columns.
    Derived,
    /// The same with identity, row hash and order.
    Stamped,
    /// The same as files that COPY reads: JSON lines in zstd.
    PackedDerived,
    /// Such files of the columns that the source has, with stamps.
    Packed,
}

/// An object that is being read; its rows are dropped as soon as they are made.
pub struct Ours {
    ingest: Ingest,
    batch: Batch,
    accepted: u64,
    work: Work,
    parts: PartWriter,
}

/// Reads all bytes in memory; how many rows were accepted.
pub fn ours(bytes: &[u8], form: Form, work: Work) -> anyhow::Result<u64> {
    let mut ours = Ours::start(form, work)?;
    ours.push(bytes)?;
    ours.finish()
}

impl Ours {
    /// Starts on an object.
    pub fn start(form: Form, work: Work) -> anyhow::Result<Self> {
        let text = contracts::of_form(form, !matches!(work, Work::Checked | Work::Packed));
        let set = ContractSet::parse([("transactions.odcs.yaml", text.as_str())])?;
        let contract: Contract = set.iter().next().cloned().ok_or_else(|| anyhow::anyhow!("no contract"))?;
        let source = "s3://bench-landing/queue/transactions/a";
        let parts = PartWriter::new(&contract, source);
        let checker = Arc::new(Checker::compile(Arc::new(contract))?);
        let origin = Origin::new(source, ident::stable_id(["bench"]), 1_772_700_000_000);
        let ingest = Ingest::new(checker, origin, Limits::default())?;
        Ok(Self { ingest, batch: Batch::default(), accepted: 0, work, parts })
    }

    /// The object's next bytes.
    pub fn push(&mut self, mut bytes: &[u8]) -> anyhow::Result<()> {
        while !bytes.is_empty() {
            let taken = self.ingest.step(bytes, &mut self.batch)?;
            self.take()?;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// The end of the object; how many rows were accepted.
    pub fn finish(mut self) -> anyhow::Result<u64> {
        loop {
            let progress = self.ingest.finish(&mut self.batch)?;
            self.take()?;
            if progress == Progress::Done {
                black_box(self.parts.finish());
                return Ok(self.accepted);
            }
        }
    }

    fn take(&mut self) -> anyhow::Result<()> {
        reject(&self.batch)?;
        self.accepted += match self.work {
            Work::Checked | Work::Derived => self.batch.rows.len(),
            Work::Stamped => black_box(self.ingest.stamp(&mut self.batch)).len(),
            Work::Packed | Work::PackedDerived => {
                let rows = self.ingest.stamp(&mut self.batch);
                for row in rows.iter() {
                    // A file that is full is dropped: who writes it to S3 is not measured.
                    black_box(self.parts.push(row).map_err(|broken| anyhow::anyhow!("{broken:?}"))?);
                }
                rows.len()
            }
        } as u64;
        self.batch.clear();
        Ok(())
    }
}

/// Every row of the benchmarks is good: a reject says that something else was measured.
fn reject(batch: &Batch) -> anyhow::Result<()> {
    match batch.rejects.first() {
        None => Ok(()),
        Some(reject) => anyhow::bail!("a good row was rejected: {:?}", reject.violations),
    }
}
