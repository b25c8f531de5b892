//! One whole file through the functions' ingest, without sending anything: what of it would be rejected today. Memory
//! stays bounded: rejects leave while the file is still being read.

use std::sync::Arc;

use aws_sdk_s3::primitives::ByteStream;
use penstock_aws::fetch::{Fetch, fetch};
use penstock_core::decode::{Broken, Limits};
use penstock_core::ident;
use penstock_core::ingest::{Batch, Ingest, Progress, over_rejected_fraction};
use penstock_core::object::ObjectRef;
use penstock_core::row::{Checker, Origin};

use super::summary::Summary;
use crate::rejects::line::Line;

const GONE: &str = "removed or replaced while this looked at it";
const UNREADABLE: &str = "cannot be read";
const BROKEN: &str = "breaks off or cannot be read on";
const OVER: &str = "more records would be rejected than penstock.maxRejectedFraction allows";

/// A file to try.
#[derive(Debug)]
pub struct Trial<'a> {
    pub s3: &'a aws_sdk_s3::Client,
    pub checker: &'a Arc<Checker>,
    pub object: ObjectRef,
    /// Whether classified values may be shown.
    pub is_open: bool,
}

impl Trial<'_> {
    /// Reads it and tells the summary; an error is one of S3 or of the contract.
    pub async fn run(&self, summary: &mut Summary) -> Result<(), String> {
        let body = match fetch(self.s3, &self.object).await.map_err(|error| error.to_string())? {
            Fetch::Found(fetched) => fetched.body,
            Fetch::Superseded => {
                summary.note(GONE, 1);
                return Ok(());
            }
            Fetch::Unreadable(reason) => {
                summary.note(&format!("{UNREADABLE}: {reason}"), 1);
                return Ok(());
            }
        };
        let tally =
            self.read(body, summary).await.map_err(|reason| format!("{}: {reason}", self.object.uri()))?;
        self.conclude(&tally, summary);
        Ok(())
    }

    async fn read(&self, mut body: ByteStream, summary: &mut Summary) -> Result<Tally, String> {
        let uri = self.object.uri();
        // Stamps are made of it, and nobody sees them.
        let origin = Origin::new(uri.clone(), ident::stable_id([uri.as_str()]), 0);
        let ingest = Ingest::new(Arc::clone(self.checker), origin, Limits::default());
        let mut ingest = ingest.map_err(|error| error.to_string())?;
        let (mut batch, mut tally) = (Batch::default(), Tally::default());
        while let Some(piece) = body.try_next().await.map_err(|error| error.to_string())? {
            let mut rest: &[u8] = &piece;
            while !rest.is_empty() && tally.broken.is_none() {
                let step = ingest.step(rest, &mut batch);
                self.take(&mut batch, &mut tally, summary);
                match step {
                    Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                    Err(broken) => tally.broken = Some(broken),
                }
            }
        }
        while tally.broken.is_none() {
            let ended = ingest.finish(&mut batch);
            self.take(&mut batch, &mut tally, summary);
            match ended {
                Ok(Progress::More) => {}
                Ok(Progress::Done) => break,
                Err(broken) => tally.broken = Some(broken),
            }
        }
        Ok(tally)
    }

    fn take(&self, batch: &mut Batch, tally: &mut Tally, summary: &mut Summary) {
        let (contract, uri) = (self.checker.contract(), self.object.uri());
        tally.read += batch.read;
        tally.rejected += batch.rejects.len() as u64;
        for own in batch.rejects.drain(..) {
            let place = (own.position, own.line);
            let line = Line::of_record(&contract.dataset, &uri, place, &own.raw, own.violations);
            let shown = if self.is_open { line } else { line.masked(Some(contract)) };
            summary.reject(&contract.dataset, &shown);
        }
        batch.clear();
    }

    fn conclude(&self, tally: &Tally, summary: &mut Summary) {
        let max_fraction = self.checker.contract().table_options.max_rejected_fraction;
        if let Some(broken) = &tally.broken {
            summary.note(&format!("{BROKEN}: {broken}"), 1);
        } else if over_rejected_fraction(tally.read, tally.rejected, max_fraction) {
            summary.note(OVER, 1);
        }
    }
}

/// Counts of one file.
#[derive(Debug, Default)]
struct Tally {
    read: u64,
    rejected: u64,
    broken: Option<Broken>,
}
