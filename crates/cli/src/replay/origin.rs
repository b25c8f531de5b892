//! What a record's stamps are made of besides its text: the object that it came from, when that was written, and the
//! header of its file. Asks the landing bucket and the receipts; reads no record.

use std::sync::Arc;

use aws_sdk_s3::primitives::DateTime;
use penstock_aws::fetch::{Fetch, Fetched, fetch, identify};
use penstock_core::contract::OnReplace;
use penstock_core::decode::Limits;
use penstock_core::ident::{self, HexId};
use penstock_core::ingest::{Batch, Checkpoint, Ingest, Progress};
use penstock_core::object::ObjectRef;
use penstock_core::receipt::Receipt;
use penstock_core::row::{Checker, Origin};

use super::Replay;
use crate::failure::Failure;

/// An object by what a quarantined line says of it.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// `s3://bucket/key`, or something else.
    pub source: &'a str,
    /// Its identity.
    pub object_id: &'a str,
    /// When its rejects were written.
    pub quarantined: Option<DateTime>,
}

/// What is known of it.
#[derive(Debug)]
pub struct Known {
    pub origin: Origin,
    /// Where its first record begins, if the header was asked for and is there.
    pub begin: Option<Checkpoint>,
    /// Whether its time is that of its quarantine.
    pub is_guessed: bool,
}

impl Known {
    /// For rows that carry their stamps, of a file that nobody need look at.
    pub fn of_rows(source: &str) -> Self {
        let origin = Origin::new(source, ident::stable_id([source]), 0);
        Self { origin, begin: None, is_guessed: false }
    }
}

/// Why single records of an object cannot go back.
pub type Reason = &'static str;

const NO_OBJECT: Reason = "the line names no object of S3";
const REPLACED: Reason =
    "the file was replaced or removed since, and the contract says penstock.onReplace: replace";
const NO_TIME: Reason = "the file is gone, nothing tells when it was written, and without penstock.orderBy only that decides which version of a key is the newer one";
const NO_HEADER: Reason =
    "the columns are named in the first line of the file, which was replaced or removed since";

impl Replay<'_> {
    /// The origin of an object's records, or why they have none.
    pub async fn origin(
        &self,
        named: Named<'_>,
        checker: &Arc<Checker>,
        needs_header: bool,
    ) -> Result<Result<Known, Reason>, Failure> {
        let (Some(object), Some(id)) = (object_of(named.source), HexId::parse(named.object_id)) else {
            return Ok(Err(NO_OBJECT));
        };
        let found = identify(&self.clients.s3, &object).await.map_err(Failure::refused)?;
        let there = found.filter(|found| found.object_id == id);
        let contract = checker.contract();
        let replaces = contract.table_options.on_replace == OnReplace::Replace;
        if there.is_none() && replaces {
            return Ok(Err(REPLACED));
        }
        let is_there = there.as_ref().map(|found| (found.modified_ms, found.etag.clone()));
        let told = match &is_there {
            Some((modified_ms, _)) => Some(*modified_ms),
            None => self.receipt_ms(&contract.dataset, &id).await?,
        };
        let quarantined = named.quarantined.and_then(|own| u64::try_from(own.to_millis().ok()?).ok());
        let only_time_decides = !contract.key.is_empty() && contract.order_by.is_none();
        let Some(source_ms) = told.or(quarantined.filter(|_| !only_time_decides)) else {
            return Ok(Err(NO_TIME));
        };
        let origin = Origin::new(named.source, id, source_ms);
        let begin = match (needs_header, is_there) {
            (false, _) => None,
            (true, None) => return Ok(Err(NO_HEADER)),
            (true, Some((_, etag))) => {
                match self.begin(ObjectRef { etag, ..object }, checker, &origin).await? {
                    Some(begin) => Some(begin),
                    None => return Ok(Err(NO_HEADER)),
                }
            }
        };
        Ok(Ok(Known { origin, begin, is_guessed: told.is_none() }))
    }

    /// The time that the object's receipt says.
    async fn receipt_ms(&self, dataset: &str, id: &HexId) -> Result<Option<u64>, Failure> {
        let work = self.bucket("WORK_BUCKET")?;
        let body = match work.get(&Receipt::key(dataset, id)).await {
            Ok(body) => body,
            Err(error) if error.is_gone() => return Ok(None),
            Err(error) => return Err(Failure::refused(error)),
        };
        let bytes = body.collect().await.map_err(Failure::refused)?.into_bytes();
        // One that cannot be read tells nothing.
        Ok(serde_json::from_slice::<Receipt>(&bytes).ok().map(|receipt| receipt.source_ms))
    }

    /// Reads the object as far as its first record.
    async fn begin(
        &self,
        object: ObjectRef,
        checker: &Arc<Checker>,
        origin: &Origin,
    ) -> Result<Option<Checkpoint>, Failure> {
        let Fetch::Found(fetched) = fetch(&self.clients.s3, &object).await.map_err(Failure::refused)? else {
            return Ok(None);
        };
        let ingest = Ingest::new(Arc::clone(checker), origin.clone(), Limits::default());
        let mut ingest = ingest.map_err(Failure::refused)?;
        ingest.stop_at(1);
        until_first_record(&mut ingest, *fetched).await
    }
}

async fn until_first_record(ingest: &mut Ingest, fetched: Fetched) -> Result<Option<Checkpoint>, Failure> {
    let (mut body, mut batch) = (fetched.body, Batch::default());
    while let Some(piece) = body.try_next().await.map_err(Failure::refused)? {
        let mut rest: &[u8] = &piece;
        while !rest.is_empty() {
            if let Some(at) = ingest.stopped() {
                return Ok(Some(at));
            }
            let Ok(taken) = ingest.step(rest, &mut batch) else { return Ok(None) };
            rest = rest.get(taken..).unwrap_or_default();
            batch.clear();
        }
    }
    // Small packed files come out only at their end.
    while ingest.stopped().is_none() && matches!(ingest.finish(&mut batch), Ok(Progress::More)) {}
    Ok(ingest.stopped())
}

/// The object of a URI.
pub fn object_of(uri: &str) -> Option<ObjectRef> {
    let (bucket, key) = uri.strip_prefix("s3://")?.split_once('/')?;
    Some(ObjectRef { bucket: bucket.to_owned(), key: key.to_owned(), size: None, etag: None })
}
