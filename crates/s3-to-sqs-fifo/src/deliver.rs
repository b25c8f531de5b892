//! One object, from S3 to the queue: fetch, ingest, pack, send, quarantine, receipt. Memory stays bounded: rows and
//! rejects leave while the object is still being read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use penstock_aws::fetch::{Fetch, Fetched, fetch};
use penstock_aws::{Invocation, answered};
use penstock_core::decode::{Broken, Limits};
use penstock_core::ingest::{Batch, Ingest, Progress, over_rejected_fraction};
use penstock_core::object::ObjectRef;
use penstock_core::quarantine::{Subject, UNKNOWN_DATASET};
use penstock_core::queue::{Envelope, Message, Packer};
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Reject, Rule, Violation};
use penstock_core::row::{Checker, Origin, Warnings};

use crate::App;
use crate::error::Error;
use crate::sink::Sink;

/// Kept back before the deadline, to finish what was begun and to answer.
const RESERVE: Duration = Duration::from_secs(5);

/// How the delivery of an object ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// Its rows are in the queue, its rejects in quarantine, its receipt is written.
    Done(Box<Receipt>),
    /// The object as a whole is in quarantine.
    Quarantined(Rule),
    /// It vanished or was replaced; the newer content has its own event.
    Superseded,
}

impl App {
    /// Delivers one object; an error means that its event must come again.
    pub(crate) async fn deliver(
        &self,
        object: &ObjectRef,
        invocation: &Invocation,
    ) -> Result<Delivered, Error> {
        if object.bucket != self.config.landing_bucket {
            let reason = format!("bucket {} is not the one this function is set up for", object.bucket);
            return self
                .quarantine_whole(object, UNKNOWN_DATASET, Violation::record(Rule::UnknownBucket, reason))
                .await;
        }
        let Some(checker) = self.config.datasets.of_object(&object.bucket, &object.key) else {
            let violation = Violation::record(Rule::UnknownDataset, "no contract's location matches the key");
            return self.quarantine_whole(object, UNKNOWN_DATASET, violation).await;
        };
        let checker = checker.map_err(|source| Error::Contract { uri: object.uri(), source })?;
        if invocation.is_over(RESERVE) {
            return Err(Error::OutOfTime { uri: object.uri() });
        }
        match fetch(&self.s3, object).await? {
            Fetch::Superseded => {
                let dataset = &checker.contract().dataset;
                tracing::warn!(
                    source = object.uri(),
                    dataset,
                    "object was removed or replaced before it was read"
                );
                Ok(Delivered::Superseded)
            }
            Fetch::Unreadable(reason) => {
                let violation = Violation::record(Rule::Unreadable, reason);
                self.quarantine_whole(object, &checker.contract().dataset, violation).await
            }
            Fetch::Found(fetched) => {
                Box::pin(self.deliver_found(object, checker, *fetched, invocation)).await
            }
        }
    }

    async fn quarantine_whole(
        &self,
        object: &ObjectRef,
        dataset: &str,
        violation: Violation,
    ) -> Result<Delivered, Error> {
        let rule = violation.rule;
        self.quarantine.put_whole(object, dataset, violation).await?;
        Ok(Delivered::Quarantined(rule))
    }

    async fn deliver_found(
        &self,
        object: &ObjectRef,
        checker: Arc<Checker>,
        fetched: Fetched,
        invocation: &Invocation,
    ) -> Result<Delivered, Error> {
        let uri = object.uri();
        let contract = checker.contract();
        let unusable = |source| Error::Contract { uri: object.uri(), source };
        let queue = contract.queue().map_err(unusable)?;
        let queue_url = self.queue_url(&contract.dataset, &uri)?;
        let origin = Origin::new(uri.clone(), fetched.object_id, fetched.modified_ms);
        let ingest =
            Ingest::new(Arc::clone(&checker), origin.clone(), Limits::default()).map_err(unusable)?;
        let subject = Subject {
            dataset: contract.dataset.clone(),
            id: origin.object_id,
            source: uri.clone(),
            contract_version: Some(contract.version.clone()),
        };
        let mut delivery = Delivery {
            uri: &uri,
            packer: Packer::new(contract, queue, &origin),
            sink: Sink::new(&self.sqs, queue_url),
            rejects: self.quarantine.of(subject),
            tally: Tally::default(),
        };
        let broken = delivery.read(ingest, fetched.body, invocation).await?;
        let receipt = delivery.finish(&checker, fetched.bytes, broken, &origin).await?;
        if !receipt.is_balanced() {
            tracing::error!(source = uri, receipt = ?receipt, "receipt is out of balance");
        }
        self.write_receipt(&receipt, &origin, &uri).await?;
        Ok(Delivered::Done(Box::new(receipt)))
    }

    fn queue_url(&self, dataset: &str, uri: &str) -> Result<&str, Error> {
        let fail = |reason: &str| Error::Queue { uri: uri.to_owned(), reason: reason.to_owned() };
        match self.config.queue_urls.get(dataset) {
            Some(Ok(url)) => Ok(url),
            Some(Err(reason)) => Err(fail(reason)),
            None => Err(fail("the dataset has none")),
        }
    }

    async fn write_receipt(&self, receipt: &Receipt, origin: &Origin, uri: &str) -> Result<(), Error> {
        let fail = |message: String| Error::Receipt { uri: uri.to_owned(), message };
        let body = serde_json::to_vec(receipt).map_err(|error| fail(error.to_string()))?;
        self.s3
            .put_object()
            .bucket(&self.config.work_bucket)
            .key(Receipt::key(&receipt.dataset, &origin.object_id))
            .content_type("application/json")
            .body(ByteStream::from(body))
            .send()
            .await
            .map(|_| ())
            .map_err(|error| fail(answered(&error)))
    }
}

/// Counts of one object.
#[derive(Debug, Default)]
struct Tally {
    read: u64,
    rejected: u64,
    extra_fields: u64,
    warnings: Warnings,
    rules: BTreeMap<&'static str, u64>,
}

/// One object on its way.
struct Delivery<'a> {
    uri: &'a str,
    packer: Packer<'a>,
    sink: Sink<'a>,
    rejects: penstock_aws::quarantine::Writer<'a>,
    tally: Tally,
}

impl Delivery<'_> {
    /// Reads the body to its end or to where it breaks off, in steps of bounded memory.
    async fn read(
        &mut self,
        mut ingest: Ingest,
        mut body: ByteStream,
        invocation: &Invocation,
    ) -> Result<Option<Broken>, Error> {
        let mut batch = Batch::default();
        while let Some(piece) = body.next().await {
            let piece = piece
                .map_err(|error| Error::Body { uri: self.uri.to_owned(), message: error.to_string() })?;
            let mut rest: &[u8] = &piece;
            while !rest.is_empty() {
                if invocation.is_over(RESERVE) {
                    return Err(Error::OutOfTime { uri: self.uri.to_owned() });
                }
                batch.clear();
                let step = ingest.step(rest, &mut batch);
                self.take(&mut ingest, &mut batch).await?;
                match step {
                    Ok(taken) => rest = rest.get(taken..).unwrap_or_default(),
                    Err(broken) => return Ok(Some(broken)),
                }
            }
        }
        loop {
            batch.clear();
            let ended = ingest.finish(&mut batch);
            self.take(&mut ingest, &mut batch).await?;
            match ended {
                Ok(Progress::More) if invocation.is_over(RESERVE) => {
                    return Err(Error::OutOfTime { uri: self.uri.to_owned() });
                }
                Ok(Progress::More) => {}
                Ok(Progress::Done) => return Ok(None),
                Err(broken) => return Ok(Some(broken)),
            }
        }
    }

    /// Sends the rows and quarantines the rejects of a batch.
    async fn take(&mut self, ingest: &mut Ingest, batch: &mut Batch) -> Result<(), Error> {
        self.tally.read += batch.read;
        self.tally.extra_fields += batch.extra_fields;
        self.tally.warnings.append(&mut batch.warnings);
        self.reject(std::mem::take(&mut batch.rejects)).await?;
        for row in ingest.stamp(batch).iter() {
            match self.packer.push(row) {
                Ok(message) => self.send(message).await?,
                Err(violation) => {
                    let mut raw = String::new();
                    self.packer.hand_over().write(row, &mut raw);
                    let position = Some(row.position());
                    self.reject(vec![Reject {
                        position,
                        line: None,
                        violations: vec![violation],
                        raw: raw.into_bytes(),
                    }])
                    .await?;
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, messages: impl IntoIterator<Item = Message>) -> Result<(), Error> {
        for message in messages {
            self.sink
                .push(message)
                .await
                .map_err(|source| Error::Send { uri: self.uri.to_owned(), source })?;
        }
        Ok(())
    }

    async fn reject(&mut self, rejects: Vec<Reject>) -> Result<(), Error> {
        self.tally.rejected += rejects.len() as u64;
        for violation in rejects.iter().flat_map(|reject| &reject.violations) {
            *self.tally.rules.entry(violation.rule.as_str()).or_default() += 1;
        }
        Ok(self.rejects.add(rejects).await?)
    }

    /// Sends what waits, makes the rejects safe, and gives the account of the object.
    async fn finish(
        mut self,
        checker: &Checker,
        bytes: u64,
        broken: Option<Broken>,
        origin: &Origin,
    ) -> Result<Receipt, Error> {
        let rest = self.packer.finish();
        self.send(rest).await?;
        self.sink.flush().await.map_err(|source| Error::Send { uri: self.uri.to_owned(), source })?;
        let refused = std::mem::take(&mut self.sink.refused);
        self.reject(refused_rows(&refused)).await?;
        let tally = std::mem::take(&mut self.tally);
        let (read, rejected, extra_fields) = (tally.read, tally.rejected, tally.extra_fields);
        let contract = checker.contract();
        let max_fraction = contract.table_options.max_rejected_fraction;
        let (status, reason) = status(broken.as_ref(), read, rejected, max_fraction);
        // The object's own fault is a line too, but no record: it is not counted among the rejected.
        self.rejects.add(broken.iter().map(|broken| Reject::whole(broken.violation())).collect()).await?;
        let (duplicate, sent) = (self.packer.duplicates(), self.sink.sent);
        self.rejects.finish().await?;
        log(self.uri, status, reason.as_deref(), &tally);
        Ok(Receipt {
            dataset: contract.dataset.clone(),
            object_id: origin.object_id.to_string(),
            source: origin.source.clone(),
            bytes,
            source_ms: origin.source_ms,
            contract_version: contract.version.clone(),
            status,
            reason,
            read,
            rejected,
            duplicate,
            sent,
            extra_fields,
            warnings: tally.warnings.total(),
        })
    }
}

/// How an object ended, and why it is not complete.
fn status(broken: Option<&Broken>, read: u64, rejected: u64, max_fraction: f64) -> (Status, Option<String>) {
    match broken {
        Some(broken) if read == 0 => (Status::Failed, Some(broken.to_string())),
        Some(broken) => (Status::Partial, Some(broken.to_string())),
        None if over_rejected_fraction(read, rejected, max_fraction) => {
            (Status::Partial, Some(format!("{rejected} of {read} records rejected, over {max_fraction}")))
        }
        None => (Status::Complete, None),
    }
}

/// Messages that the queue will never take, row by row.
fn refused_rows(refused: &[(Message, String)]) -> Vec<Reject> {
    let mut rejects = Vec::new();
    for (message, code) in refused {
        let violation = Violation::record(Rule::RefusedByQueue, format!("SQS says {code}"));
        let rows = Envelope::parse(&message.body).map(|envelope| envelope.rows).unwrap_or_default();
        rejects.extend(rows.iter().map(|row| Reject {
            position: None,
            line: None,
            violations: vec![violation.clone()],
            raw: row.get().as_bytes().to_vec(),
        }));
    }
    rejects
}

fn log(uri: &str, status: Status, reason: Option<&str>, tally: &Tally) {
    let Tally { rejected, extra_fields, warnings, .. } = tally;
    let rules = serde_json::to_string(&tally.rules).unwrap_or_default();
    if !warnings.is_empty() {
        tracing::warn!(source = uri, %warnings, "rows break rules that only warn, or lost a part of a text");
    }
    match status {
        Status::Complete if *rejected > 0 => {
            tracing::warn!(source = uri, rejected, rules, extra_fields, "records were rejected");
        }
        Status::Complete => tracing::debug!(source = uri, extra_fields, "object was delivered"),
        Status::Partial => {
            tracing::error!(source = uri, reason, rejected, rules, "object was delivered in part")
        }
        Status::Failed => tracing::error!(source = uri, reason, "object could not be read"),
    }
}
