//! The files of a dataset as their receipts tell: how many, what became of their records, and what does not add up.
//! Knows no warehouse.

use std::time::SystemTime;

use aws_sdk_s3::primitives::DateTime;
use futures_util::StreamExt;
use penstock_core::receipt::{Receipt, Status};

use crate::bucket::{Bucket, BucketError, Listed};

/// Receipts that are read at a time.
const CONCURRENCY: usize = 16;

/// The sums over a dataset's receipts.
#[derive(Debug, Default)]
pub struct Files {
    /// Receipts, one a file.
    pub files: u64,
    /// Files that broke off, or of which too much was rejected.
    pub partial: u64,
    /// Files of which nothing could be read.
    pub failed: u64,
    /// Records.
    pub read: u64,
    /// Records in quarantine.
    pub rejected: u64,
    /// Rows left out because an equal one was sent.
    pub duplicate: u64,
    /// Rows sent.
    pub sent: u64,
    /// Source and reason of each partial or failed file, in the order of sources.
    pub incomplete: Vec<Incomplete>,
    /// What is wrong: receipts that do not balance or cannot be understood.
    pub faults: Vec<String>,
}

/// A file that is not complete.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Incomplete {
    /// `s3://bucket/key`.
    pub source: String,
    /// `partial` or `failed`.
    pub status: &'static str,
    /// Why.
    pub reason: String,
}

impl Files {
    /// Reads the receipts of a dataset, only those written since a time if one is given.
    pub async fn read(
        bucket: &Bucket,
        dataset: &str,
        since: Option<SystemTime>,
    ) -> Result<Self, BucketError> {
        let since = since.map(DateTime::from);
        let is_due = |listed: &Listed| match (since, listed.modified) {
            (Some(since), Some(modified)) => modified >= since,
            _ => true,
        };
        let mut files = Self::default();
        let mut pages = bucket.list(format!("receipts/{dataset}/"));
        while let Some(page) = pages.next().await? {
            let reads = page.into_iter().filter(is_due).map(|listed| read(bucket, listed.key));
            let mut reads = futures_util::stream::iter(reads).buffered(CONCURRENCY);
            while let Some(receipt) = reads.next().await {
                match receipt {
                    Ok(Ok(receipt)) => files.add(receipt),
                    Ok(Err(fault)) => files.faults.push(fault),
                    Err(error) if error.is_gone() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        files.incomplete.sort();
        Ok(files)
    }

    fn add(&mut self, receipt: Receipt) {
        self.files += 1;
        for (sum, count) in [
            (&mut self.read, receipt.read),
            (&mut self.rejected, receipt.rejected),
            (&mut self.duplicate, receipt.duplicate),
            (&mut self.sent, receipt.sent),
        ] {
            *sum = sum.saturating_add(count);
        }
        if !receipt.is_balanced() {
            let Receipt { source, read, rejected, duplicate, sent, .. } = &receipt;
            self.faults.push(format!(
                "{source}: its receipt says read {read}, but rejected {rejected} + duplicate {duplicate} + sent {sent}"
            ));
        }
        let status = match receipt.status {
            Status::Complete => return,
            Status::Partial => "partial",
            Status::Failed => "failed",
        };
        self.partial += u64::from(receipt.status == Status::Partial);
        self.failed += u64::from(receipt.status == Status::Failed);
        let reason = receipt.reason.unwrap_or_else(|| "no reason is told".into());
        self.incomplete.push(Incomplete { source: receipt.source, status, reason });
    }
}

/// One receipt, or the fault that it is none.
async fn read(bucket: &Bucket, key: String) -> Result<Result<Receipt, String>, BucketError> {
    let body = bucket.get(&key).await?;
    let uri = bucket.uri(&key);
    let bytes = match body.collect().await {
        Ok(bytes) => bytes.into_bytes(),
        Err(error) => return Ok(Err(format!("{uri}: broke off while it was read: {error}"))),
    };
    Ok(serde_json::from_slice(&bytes).map_err(|error| format!("{uri}: is no receipt: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(status: Status, sent: u64) -> Receipt {
        Receipt {
            dataset: "t".into(),
            object_id: "0".into(),
            source: "s3://b/k".into(),
            bytes: 1,
            source_ms: 1,
            contract_version: "1.0.0".into(),
            status,
            reason: (status != Status::Complete).then(|| "broke off".into()),
            read: 6,
            rejected: 1,
            duplicate: 2,
            sent,
            extra_fields: 4,
            warnings: 0,
        }
    }

    #[test]
    fn receipts_are_summed_by_status() {
        let mut files = Files::default();
        for status in [Status::Complete, Status::Partial, Status::Failed] {
            files.add(receipt(status, 3));
        }
        assert_eq!((files.files, files.partial, files.failed), (3, 1, 1));
        assert_eq!((files.read, files.rejected, files.duplicate, files.sent), (18, 3, 6, 9));
        assert_eq!(files.incomplete.iter().map(|own| own.status).collect::<Vec<_>>(), ["partial", "failed"]);
        assert!(files.faults.is_empty());
    }

    #[test]
    fn a_receipt_that_does_not_add_up_is_told_by_its_source() {
        for sent in [2, 4, u64::MAX] {
            let mut files = Files::default();
            files.add(receipt(Status::Complete, sent));
            assert_eq!(files.faults.len(), 1);
            assert!(files.faults[0].starts_with("s3://b/k: its receipt says read 6, but"), "{files:?}");
        }
    }
}
