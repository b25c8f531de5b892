//! Objects that are too much for one invocation. One whose lines stand for themselves is cut into ranges, and tasks in
//! the function's own queue have them read apart; who finds the last one read puts their accounts together. Any other
//! gets one task, which comes back and goes on from a checkpoint until the object is read. A task that gets nothing
//! done in an invocation of its own fails its object, so that none comes back for ever.
//!
//! Tasks may come twice, late and in any order: what was read is found and not read again, and without `_split.json`
//! the object is closed.

use std::collections::BTreeSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use penstock_core::decode::Broken;
use penstock_core::ingest::{Batch, Checkpoint};
use penstock_core::range::{LineCut, Pinned, RangeTask, Ranges};
use penstock_core::receipt::Receipt;
use penstock_core::reject::{Reject, Rule, Violation};
use penstock_core::work::{self, Account, Progress, Split};

use super::sections::Sections;
use super::{Outcome, Outlet, RESERVE, Read, ReadError, ReadOn, Reader, Subjected};
use crate::tasks::send_tasks;

/// Bytes that are looked at to see whether an object can be cut.
const HEAD_BYTES: usize = 64 << 10;
/// Accounts read at once.
const MAX_REQUESTS: usize = 16;

impl<O: Outlet> Reader<'_, O> {
    /// An event's object into tasks. Those of `has_tasks` are there already.
    pub(super) async fn hand_to_tasks(
        &self,
        own: Subjected<'_>,
        folder: &str,
        is_begun: bool,
        has_tasks: &[u32],
    ) -> Result<Outcome, ReadError> {
        let split = match self.split(folder).await? {
            Some(split) => split,
            None => match self.cut(own, is_begun).await? {
                Ok(split) => self.write_split(folder, split).await?,
                Err(outcome) => return Ok(outcome),
            },
        };
        let read = self.ranges_read(folder, &split).await?;
        if split.lines.is_some() && is_all(&read, &split) {
            return self.put_together(own, folder, &split).await;
        }
        self.send_missing(own, &split, |number| read.contains(&number) || has_tasks.contains(&number))
            .await?;
        Ok(Outcome::Tasked { again: Vec::new() })
    }

    /// Reads the ranges of these tasks, or reads on where the object has but one.
    pub async fn read_tasks(&self, own: Subjected<'_>, numbers: &[u32]) -> Result<Outcome, ReadError> {
        self.has_time()?;
        let folder = self.folder(own);
        match self.split(&folder).await? {
            Some(Split { ranges, lines: Some(lines) }) => {
                self.read_ranges(own, &folder, (ranges, &lines), numbers).await
            }
            Some(Split { lines: None, .. }) => self.read_alone(own, &folder, numbers).await,
            None if self.has_receipt(own).await? => {
                // Another function may have read on meanwhile.
                self.store.delete_folder(&folder).await?;
                Ok(Outcome::Tasked { again: Vec::new() })
            }
            // What was begun has been removed. Tasks first: whoever finds the split relies on them.
            None => match self.cut(own, false).await? {
                Ok(split) => {
                    self.send_missing(own, &split, |_| false).await?;
                    self.write_split(&folder, split).await?;
                    Ok(Outcome::Tasked { again: Vec::new() })
                }
                Err(outcome) => Ok(outcome),
            },
        }
    }

    /// How the object is read by tasks; `None` where it is closed.
    pub(super) async fn split(&self, folder: &str) -> Result<Option<Split>, ReadError> {
        Ok(self.store.get_text(&work::split_key(folder)).await?)
    }

    /// Whether the object as it was put was read before, under a contract of this version.
    async fn has_receipt(&self, own: Subjected<'_>) -> Result<bool, ReadError> {
        let contract = self.checker.contract();
        let key = Receipt::key(&contract.dataset, &own.identity.object_id);
        let receipt: Option<Receipt> = self.store.get_text(&key).await?;
        Ok(receipt.is_some_and(|told| {
            told.contract_version == contract.version && told.source_ms == own.identity.modified_ms
        }))
    }

    /// How the object is read: its first bytes tell whether it can be cut.
    async fn cut(&self, own: Subjected<'_>, is_begun: bool) -> Result<Result<Split, Outcome>, ReadError> {
        let bytes = own.identity.bytes;
        let alone = Split { ranges: Ranges::one(bytes), lines: None };
        if is_begun {
            return Ok(Ok(alone));
        }
        let mut body = match self.body(own, 0).await? {
            Ok(body) => body,
            Err(outcome) => return Ok(Err(outcome)),
        };
        let mut head = Vec::new();
        while head.len() < HEAD_BYTES
            && let Some(piece) = body.next().await
        {
            let uri = || own.object.uri();
            let piece = piece.map_err(|error| ReadError::Body { uri: uri(), message: error.to_string() })?;
            head.extend_from_slice(&piece);
        }
        head.truncate(HEAD_BYTES);
        let lines = self.line_wise(own, &head)?;
        Ok(Ok(match lines {
            None => alone,
            Some(lines) => Split { ranges: Ranges::of(bytes, self.split_bytes), lines: Some(lines) },
        }))
    }

    fn line_wise(&self, own: Subjected<'_>, mut head: &[u8]) -> Result<Option<Checkpoint>, ReadError> {
        let mut ingest = self.ingest(&own.origin(), None)?;
        let mut batch = Batch::default();
        while !head.is_empty() {
            batch.clear();
            // What is wrong with it is told by who reads it.
            let Ok(taken) = ingest.step(head, &mut batch) else { return Ok(None) };
            head = head.get(taken..).unwrap_or_default();
        }
        Ok(ingest.line_wise())
    }

    /// Writes down how the object is read, unless that is decided: a setting may have changed since.
    async fn write_split(&self, folder: &str, split: Split) -> Result<Split, ReadError> {
        let text = serde_json::to_vec(&split).unwrap_or_default();
        if self.store.put_new(&work::split_key(folder), text).await? {
            return Ok(split);
        }
        Ok(self.split(folder).await?.unwrap_or(split))
    }

    async fn ranges_read(&self, folder: &str, split: &Split) -> Result<BTreeSet<u32>, ReadError> {
        if split.lines.is_none() {
            return Ok(BTreeSet::new());
        }
        let keys: BTreeSet<String> =
            self.store.list(&work::ranges_folder(folder)).await?.into_iter().collect();
        let is_read = |number: &u32| keys.contains(&work::range_key(folder, split.ranges, *number));
        Ok((0..split.ranges.count()).filter(is_read).collect())
    }

    async fn send_missing(
        &self,
        own: Subjected<'_>,
        split: &Split,
        is_there: impl Fn(u32) -> bool,
    ) -> Result<(), ReadError> {
        let (object, modified_ms) = (own.object, own.identity.modified_ms);
        let Some(etag) = object.etag.as_deref() else {
            return Err(ReadError::Body { uri: object.uri(), message: "S3 tells no ETag".to_owned() });
        };
        let (object_id, fingerprint) = (own.identity.object_id, *self.fingerprint);
        let of = Pinned { object, etag, object_id, fingerprint, modified_ms };
        let missing = (0..split.ranges.count()).filter(|number| !is_there(*number));
        let tasks: Vec<String> =
            missing.map(|number| RangeTask::new(of, split.ranges, number).text()).collect();
        send_tasks(self.sqs, self.queue_url, &tasks).await?;
        tracing::info!(source = object.uri(), tasks = tasks.len(), "object is read by tasks");
        Ok(())
    }

    async fn read_ranges(
        &self,
        own: Subjected<'_>,
        folder: &str,
        (ranges, lines): (Ranges, &Checkpoint),
        numbers: &[u32],
    ) -> Result<Outcome, ReadError> {
        let split = Split { ranges, lines: Some(lines.clone()) };
        let read = self.ranges_read(folder, &split).await?;
        let mut again = Vec::new();
        for number in numbers.iter().filter(|number| **number < ranges.count() && !read.contains(number)) {
            let is_young = self.invocation.is_young(RESERVE);
            let bounds = ranges.bounds(*number);
            match Box::pin(self.read_range(own, folder, (ranges, lines), *number)).await {
                Ok(None) => {}
                Ok(Some(outcome)) => return Ok(outcome),
                Err(ReadError::OutOfTime) if is_young => {
                    let mut all = Account::default();
                    self.accounts(folder, ranges)
                        .await?
                        .into_iter()
                        .flatten()
                        .for_each(|own| all.append(own));
                    return self.fail_slow(own, all, bounds).await;
                }
                Err(ReadError::OutOfTime) => again.push(*number),
                Err(error) => return Err(error),
            }
        }
        // Others have read theirs meanwhile.
        if is_all(&self.ranges_read(folder, &split).await?, &split) {
            return self.put_together(own, folder, &split).await;
        }
        match self.split(folder).await? {
            Some(_) => Ok(Outcome::Tasked { again }),
            None => Err(ReadError::Closed),
        }
    }

    /// Reads one range and writes its account; an outcome where the object is not there.
    async fn read_range(
        &self,
        own: Subjected<'_>,
        folder: &str,
        (ranges, lines): (Ranges, &Checkpoint),
        number: u32,
    ) -> Result<Option<Outcome>, ReadError> {
        let mut cut = LineCut::new(ranges.bounds(number));
        let mut body = match self.body(own, cut.fetch_from()).await? {
            Ok(body) => body,
            Err(outcome) => return Ok(Some(outcome)),
        };
        let origin = own.origin();
        let mut sections = Sections::of_range(*self, folder, &origin, number);
        let (mut ingest, mut broken) = (None, None);
        while !cut.is_done()
            && broken.is_none()
            && let Some(piece) = body.next().await
        {
            sections.has_time()?;
            let piece = piece.map_err(|error| sections.body_error(&error.to_string()))?;
            let bytes = cut.own(&piece);
            let Some(begin) = cut.begin() else { continue };
            let ingest = match &mut ingest {
                Some(ingest) => ingest,
                none if begin == 0 => none.insert(self.ingest(&origin, None)?),
                none => none.insert(self.ingest(&origin, Some(&lines.at_line(begin)))?),
            };
            broken = sections.feed(ingest, bytes).await?;
        }
        if let (Some(ingest), None) = (&mut ingest, &broken) {
            broken = sections.end(ingest).await?;
        }
        self.close_range(sections, broken, &work::range_key(folder, ranges, number)).await?;
        Ok(None)
    }

    /// Writes a range's account, when its rows and rejects are safe.
    async fn close_range(
        &self,
        mut sections: Sections<'_, O>,
        broken: Option<Broken>,
        key: &str,
    ) -> Result<(), ReadError> {
        let account = sections.close(broken.as_ref()).await?;
        sections.close_rejects(broken.as_ref().map(Broken::violation)).await?;
        self.store.put(key, serde_json::to_vec(&account).unwrap_or_default()).await?;
        tracing::info!(key, read = account.read, "range is read");
        Ok(())
    }

    /// The accounts of the ranges that are read.
    async fn accounts(&self, folder: &str, ranges: Ranges) -> Result<Vec<Option<Account>>, ReadError> {
        let account =
            |number| async move { self.store.get_text(&work::range_key(folder, ranges, number)).await };
        Ok(stream::iter(0..ranges.count()).map(account).buffered(MAX_REQUESTS).try_collect().await?)
    }

    /// The object's account from those of its ranges.
    async fn put_together(
        &self,
        own: Subjected<'_>,
        folder: &str,
        split: &Split,
    ) -> Result<Outcome, ReadError> {
        let mut all = Account::default();
        for account in self.accounts(folder, split.ranges).await? {
            all.append(account.ok_or(ReadError::Closed)?);
        }
        let over = self.over_limit(&all);
        // That a range breaks off stands in its own rejects already.
        let broken = all.broken.clone().map(|reason| Violation::record(Rule::Truncated, reason));
        if let (None, Some(over)) = (&broken, &over) {
            let mut rejects =
                self.quarantine.of_section(self.subject(&own.origin()), u64::from(split.ranges.count()));
            rejects.add(vec![Reject::whole(over.clone())]).await?;
            rejects.finish().await?;
        }
        Ok(Outcome::Read(Box::new(Read { account: all, broken, over_limit: over, in_pieces: true })))
    }

    /// Reads an object that cannot be cut, from where the last reading stopped.
    async fn read_alone(
        &self,
        own: Subjected<'_>,
        folder: &str,
        numbers: &[u32],
    ) -> Result<Outcome, ReadError> {
        let before = self.progress(folder).await?;
        let fresh = || Progress { section_bytes: self.split_bytes, ..Progress::default() };
        let is_young = self.invocation.is_young(RESERVE);
        match Box::pin(self.read_on(own, folder, Some(before.unwrap_or_else(fresh)))).await? {
            ReadOn::Ended(outcome) => Ok(outcome),
            ReadOn::OutOfTime { advanced: false, progress } if is_young => {
                let at = progress.checkpoint.as_ref().map_or(0, Checkpoint::position);
                self.fail_slow(own, progress.account, (at, at + progress.section_bytes)).await
            }
            ReadOn::OutOfTime { progress, .. } => {
                let at = progress.checkpoint.as_ref().map_or(0, Checkpoint::position);
                tracing::info!(source = own.object.uri(), position = at, "object is read on by its task");
                Ok(Outcome::Tasked { again: numbers.to_vec() })
            }
        }
    }

    /// An object whose task would come back for ever.
    async fn fail_slow(
        &self,
        own: Subjected<'_>,
        account: Account,
        (start, end): (u64, u64),
    ) -> Result<Outcome, ReadError> {
        let bytes = end - start;
        let reason =
            format!("the {bytes} bytes from byte {start} on cannot be read in the time of an invocation");
        let violation = Violation::record(Rule::NoProgress, reason);
        let dataset = &self.checker.contract().dataset;
        self.quarantine.put_whole(own.object, dataset, violation.clone()).await?;
        Ok(Outcome::Slow { account: Box::new(account), violation })
    }
}

fn is_all(read: &BTreeSet<u32>, split: &Split) -> bool {
    (0..split.ranges.count()).all(|number| read.contains(&number))
}
