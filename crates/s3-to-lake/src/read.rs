//! One object's bytes through the record engine: rows into Parquet files that nobody sees yet, rejects into quarantine,
//! counts. Memory stays bounded: all of them leave while the object is still being read. This is not
//! `penstock_aws::reading`, which cuts objects into tasks and rows into sections of their own: a source's files follow
//! from the whole of it, read in one go.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::ByteStream;
use penstock_aws::quarantine::Writer;
use penstock_core::decode::Broken;
use penstock_core::ingest::{Batch, Ingest, Progress};
use penstock_core::lake::{LakeError, Writers};
use penstock_core::reject::{Reject, Rule, Violation};
use penstock_core::row::Warnings;

use crate::budget::Budget;
use crate::error::Error;
use crate::sink::Uploads;

/// Bytes of an object that are taken at once. Where batches end decides where row groups do: they follow from the
/// object alone, and not from how its bytes came.
const BLOCK_BYTES: usize = 256 << 10;

/// Counts of one object.
#[derive(Debug, Default)]
pub struct Tally {
    pub read: u64,
    pub rejected: u64,
    pub rows: u64,
    pub extra_fields: u64,
    pub warnings: Warnings,
    /// Rejects without usable stamps.
    pub unstamped: u64,
    pub rules: BTreeMap<&'static str, u64>,
}

/// How reading ended before the object's end.
#[derive(Debug)]
pub enum Stop {
    /// Nothing after it can be read.
    Broken(Violation),
    /// It is too much for a function, however often that is tried.
    TooMuch(String),
    /// Time is up.
    OutOfTime,
    /// A fault that may pass, or that is not the object's.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// One object on its way.
pub struct Reading<'a> {
    pub uri: &'a str,
    pub ingest: Ingest,
    pub writers: Writers<'a>,
    pub uploads: Uploads,
    pub rejects: Writer<'a>,
    pub budget: &'a Budget<'a>,
    pub tally: Tally,
}

impl Reading<'_> {
    /// Reads the body to its end, as long as there is time.
    pub async fn in_time(&mut self, body: ByteStream) -> Result<(), Stop> {
        let time = self.budget.left();
        tokio::time::timeout(time, self.all(body)).await.unwrap_or(Err(Stop::OutOfTime))
    }

    /// Reads the body to its end, in steps of bounded memory. The files are complete then, and nobody sees them.
    async fn all(&mut self, mut body: ByteStream) -> Result<(), Stop> {
        let (mut batch, mut block) = (Batch::default(), Vec::with_capacity(BLOCK_BYTES));
        while let Some(piece) = body.next().await {
            let piece = piece
                .map_err(|error| Error::Body { uri: self.uri.to_owned(), message: error.to_string() })?;
            let mut rest: &[u8] = &piece;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(BLOCK_BYTES - block.len()));
                block.extend_from_slice(now);
                rest = later;
                if block.len() == BLOCK_BYTES {
                    self.block(&block, &mut batch).await?;
                    block.clear();
                }
            }
        }
        self.block(&block, &mut batch).await?;
        loop {
            let ended = self.ingest.finish(&mut batch);
            self.take(&mut batch).await?;
            match ended {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => break,
                Err(broken) => return Err(stop(&broken)),
            }
        }
        let last = self.writers.finish().map_err(|error| self.unwritten(error))?;
        Ok(self.uploads.finish(last).await?)
    }

    async fn block(&mut self, mut rest: &[u8], batch: &mut Batch) -> Result<(), Stop> {
        while !rest.is_empty() {
            let step = self.ingest.step(rest, batch);
            self.take(batch).await?;
            let taken = step.map_err(|broken| stop(&broken))?;
            rest = rest.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Hands on the rows and quarantines the rejects of a batch, which is empty then.
    async fn take(&mut self, batch: &mut Batch) -> Result<(), Stop> {
        if self.budget.is_over() {
            return Err(Stop::OutOfTime);
        }
        self.tally.read += batch.read;
        self.tally.extra_fields += batch.extra_fields;
        self.tally.warnings.append(&mut batch.warnings);
        self.tally.rows += batch.rows.len() as u64;
        self.reject(std::mem::take(&mut batch.rejects)).await?;
        let pushed = self.writers.push(&mut self.ingest, batch);
        pushed.map_err(|error| self.unwritten(error))?;
        batch.clear();
        Ok(self.uploads.send(self.writers.pieces()).await?)
    }

    async fn reject(&mut self, rejects: Vec<Reject>) -> Result<(), Stop> {
        let tally = &mut self.tally;
        tally.rejected += rejects.len() as u64;
        for reject in &rejects {
            let is_unstamped = reject.violations.iter().any(|own| own.rule == Rule::BadStamp);
            tally.unstamped += u64::from(is_unstamped);
            for violation in &reject.violations {
                *tally.rules.entry(violation.rule.as_str()).or_default() += 1;
            }
        }
        Ok(self.rejects.add(rejects).await?)
    }

    fn unwritten(&self, source: LakeError) -> Stop {
        match source {
            LakeError::TooManyPartitions { .. } => Stop::TooMuch(source.to_string()),
            LakeError::KeyTooLong { .. } => {
                Stop::Broken(Violation::record(Rule::TooLong, source.to_string()))
            }
            LakeError::NotCanonical { .. } | LakeError::Parquet(_) => {
                Stop::Failed(Error::Rows { uri: self.uri.to_owned(), source })
            }
        }
    }
}

fn stop(broken: &Broken) -> Stop {
    Stop::Broken(broken.violation())
}
