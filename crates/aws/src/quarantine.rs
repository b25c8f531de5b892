//! Writes rejects into the quarantine bucket: JSON lines under keys that a redelivery rewrites. The bucket is the
//! only place where raw values may go; nothing of them is logged here.

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use penstock_core::ident;
use penstock_core::object::ObjectRef;
use penstock_core::quarantine::Subject;
use penstock_core::reject::{Reject, Rule, Violation};

use crate::answered;

/// Raw bytes of one quarantine object, before compression; a subject with more gets several.
const PART_BYTES: usize = 8 << 20;

/// The quarantine bucket, as one function writes to it.
#[derive(Debug, Clone)]
pub struct Quarantine {
    s3: Client,
    bucket: String,
    function: &'static str,
}

/// The rejects are not safe: what they came from must not be acknowledged.
#[derive(Debug, thiserror::Error)]
#[error("writing s3://{bucket}/{key}: {message}")]
pub struct QuarantineError {
    bucket: String,
    key: String,
    message: String,
}

impl Quarantine {
    /// `function` names the writer in keys.
    pub fn new(s3: Client, bucket: String, function: &'static str) -> Self {
        Self { s3, bucket, function }
    }

    /// Opens the rejects of one subject.
    pub fn of(&self, subject: Subject) -> Writer<'_> {
        self.of_section(subject, 0)
    }

    /// Opens the rejects of one section of a large object: each section has keys of its own.
    pub fn of_section(&self, subject: Subject, section: u64) -> Writer<'_> {
        Writer { quarantine: self, subject, section, waiting: Vec::new(), bytes: 0, part: 0, written: 0 }
    }

    /// An object's own fault: nothing of it goes on.
    pub async fn put_whole(
        &self,
        object: &ObjectRef,
        dataset: &str,
        violation: Violation,
    ) -> Result<(), QuarantineError> {
        let (etag, size) = (object.etag.as_deref().unwrap_or_default(), object.size.unwrap_or(0));
        let rule = violation.rule;
        let subject = Subject {
            dataset: dataset.to_owned(),
            id: ident::stable_id([&object.bucket, &object.key, etag, &size.to_string()]),
            source: object.uri(),
            contract_version: None,
        };
        // What the warehouse says may hold a value.
        let reason = if rule == Rule::RefusedByWarehouse { "" } else { &violation.reason };
        tracing::error!(source = object.uri(), rule = rule.as_str(), reason, "object was quarantined");
        self.put(subject, vec![Reject::whole(violation)]).await?;
        Ok(())
    }

    /// Writes all rejects of a subject at once.
    pub async fn put(&self, subject: Subject, rejects: Vec<Reject>) -> Result<u64, QuarantineError> {
        let mut writer = self.of(subject);
        writer.add(rejects).await?;
        writer.finish().await
    }
}

/// Rejects of one subject on their way, in parts of bounded size. Where a part ends depends on the rejects alone.
#[derive(Debug)]
pub struct Writer<'a> {
    quarantine: &'a Quarantine,
    subject: Subject,
    section: u64,
    waiting: Vec<Reject>,
    bytes: usize,
    part: u32,
    written: u64,
}

impl Writer<'_> {
    /// Adds rejects; writes the parts that are full.
    pub async fn add(&mut self, rejects: Vec<Reject>) -> Result<(), QuarantineError> {
        for reject in rejects {
            self.bytes += reject.raw.len() + 256;
            self.waiting.push(reject);
            if self.bytes >= PART_BYTES {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Makes the rejects of this section safe and goes on with those of another one.
    pub async fn turn_to(&mut self, section: u64) -> Result<(), QuarantineError> {
        self.flush().await?;
        (self.section, self.part) = (section, 0);
        Ok(())
    }

    /// Writes what is left and gives the number of rejects that are safe.
    pub async fn finish(mut self) -> Result<u64, QuarantineError> {
        self.flush().await?;
        Ok(self.written)
    }

    async fn flush(&mut self) -> Result<(), QuarantineError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let key = self.subject.section_key(self.quarantine.function, self.section, self.part);
        let body = self.subject.lines(&self.waiting);
        let put = self.quarantine.s3.put_object().bucket(&self.quarantine.bucket).key(&key);
        put.content_type("application/x-ndjson")
            .content_encoding("gzip")
            .body(ByteStream::from(body))
            .send()
            .await
            .map_err(|error| QuarantineError {
                bucket: self.quarantine.bucket.clone(),
                key,
                message: answered(&error),
            })?;
        self.written += self.waiting.len() as u64;
        self.part += 1;
        self.bytes = 0;
        self.waiting.clear();
        Ok(())
    }
}
