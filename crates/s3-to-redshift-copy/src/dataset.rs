//! The objects of one dataset in one invocation: which are loaded already, which an open load has, which are read in
//! flight, and then one load of the rest. A fault of one object costs no other one.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::{StreamExt, stream};
use penstock_aws::fetch::{Identified, identify};
use penstock_aws::quarantine::Quarantine;
use penstock_aws::warehouse::Fault;
use penstock_core::ident::{self, ContentTag, HexId};
use penstock_core::object::ObjectRef;
use penstock_core::receipt::Receipt;
use penstock_core::reject::{Rule, Violation};
use penstock_core::work::{self, Claimed, Counts, File, Plan};

use crate::error::Error;
use crate::prepare::{Outcome, Preparer, quarantine_whole};
use crate::sink::{Ended, Sink};

/// Requests for objects' identities at once.
const MAX_REQUESTS: usize = 16;
/// Objects read at once: one core has no more to do, and each needs memory.
const MAX_READING: usize = 4;
/// Loads in one invocation that find objects loaded by another one meanwhile.
const MAX_ROUNDS: u32 = 5;

/// How an object's rows come to COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Read here, record by record.
    InFlight,
    /// Stamped rows in the stage bucket, which COPY reads where they lie.
    Trusted,
}

/// What became of a dataset's objects.
#[derive(Debug, Default)]
pub struct Settled {
    /// By place in the list that was given; what is missing is done.
    pub failed: HashMap<usize, Error>,
    /// Counts for metrics and the log.
    pub counts: BTreeMap<&'static str, u64>,
}

impl Settled {
    fn add(&mut self, name: &'static str, count: u64) {
        *self.counts.entry(name).or_default() += count;
    }
}

/// An object with its identity.
#[derive(Debug, Clone)]
struct Known {
    object: ObjectRef,
    identity: Identified,
    /// Places in the list that was given: the same object may be told of many times.
    places: Vec<usize>,
}

/// Names of the counts in the load's last statement, in order.
const COUNTS: [&str; 6] =
    ["RowsRead", "RowsInserted", "RowsUpdated", "RowsUnchanged", "RowsDuplicate", "RowsRejected"];

/// One dataset's work in one invocation.
#[derive(Debug)]
pub struct Work<'a> {
    pub kind: Kind,
    pub preparer: Preparer<'a>,
    pub sink: Sink<'a>,
    pub quarantine: &'a Quarantine,
    pub settled: Settled,
}

impl Work<'_> {
    /// Loads the objects; an error is told for each object that must come again.
    pub async fn settle(mut self, objects: &[ObjectRef]) -> Settled {
        let known = self.identify(objects).await;
        let mut open: HashSet<HexId> = known.keys().copied().collect();
        if let Err(error) = self.load(&mut open, &known).await {
            tracing::warn!(error = %error, kind = error.kind(), objects = open.len(), "objects are not loaded yet");
            match error {
                Error::Running(_) | Error::OutOfTime => {}
                Error::Load(Fault::OutOfBalance) => self.settled.add("LoadsOutOfBalance", 1),
                _ => self.settled.add("LoadsNotDone", 1),
            }
            open.iter().filter_map(|id| known.get(id)).for_each(|own| self.fail(own, &error));
        }
        self.settled
    }

    /// Those that are still there, each once.
    async fn identify(&mut self, objects: &[ObjectRef]) -> HashMap<HexId, Known> {
        let (s3, asked) = (self.preparer.s3, (self.kind, self.preparer.invocation.started_ms));
        let found: Vec<_> = stream::iter(objects.iter().enumerate())
            .map(|(place, object)| async move { (place, object, identity(s3, object, asked).await) })
            .buffer_unordered(MAX_REQUESTS)
            .collect()
            .await;
        let mut known: HashMap<HexId, Known> = HashMap::new();
        for (place, object, identity) in found {
            match identity {
                Ok(Some(identity)) => {
                    let object = ObjectRef { etag: identity.etag.clone(), ..object.clone() };
                    let own = known.entry(identity.object_id);
                    own.or_insert_with(|| Known { object, identity, places: Vec::new() }).places.push(place);
                }
                Ok(None) => {
                    tracing::warn!(
                        source = object.uri(),
                        "object was removed or replaced before it was read"
                    );
                    self.settled.add("ObjectsSuperseded", 1);
                }
                Err(error) => {
                    self.settled.failed.insert(place, error);
                }
            }
        }
        known
    }

    async fn load(&mut self, open: &mut HashSet<HexId>, known: &HashMap<HexId, Known>) -> Result<(), Error> {
        for plan in self.sink.open_plans(|id| open.contains(id)).await? {
            self.settled.add("LoadsTakenUp", 1);
            self.run(plan, open, known).await?;
        }
        for _ in 0..MAX_ROUNDS {
            self.drop_loaded(open, known).await?;
            if open.is_empty() {
                return Ok(());
            }
            let claimed = self.claimed(open, known).await;
            if claimed.is_empty() {
                return Ok(());
            }
            let oldest_ms = claimed.iter().filter_map(|own| known.get(&own.object_id));
            let oldest_ms = oldest_ms.map(|own| own.identity.modified_ms).min().unwrap_or(0);
            let plan = self.sink.plan(claimed, oldest_ms).await?;
            self.run(plan, open, known).await?;
        }
        match open.is_empty() {
            true => Ok(()),
            false => Err(Error::Together("other loads took objects of this one again and again".to_owned())),
        }
    }

    /// Runs a plan, and what it has to be cut into where the warehouse refuses a value. What is settled is no longer
    /// open.
    async fn run(
        &mut self,
        plan: Plan,
        open: &mut HashSet<HexId>,
        known: &HashMap<HexId, Known>,
    ) -> Result<(), Error> {
        let mut waiting = vec![plan];
        while let Some(plan) = waiting.pop() {
            self.settled.add("Loads", 1);
            match self.sink.run(&plan).await {
                Ok(Ended::Committed(counts)) => {
                    for (name, count) in COUNTS.into_iter().zip(counts) {
                        self.settled.add(name, u64::try_from(count).unwrap_or(0));
                    }
                    self.settled.add("Objects", plan.objects.len() as u64);
                    for own in &plan.objects {
                        open.remove(&own.object_id);
                    }
                }
                Ok(Ended::AlreadyLoaded) => self.close_loaded(&plan, open).await?,
                Ok(Ended::Refused(text)) => {
                    for part in self.isolate(&plan, &text, open, known).await? {
                        waiting.push(self.sink.plan(part, plan.oldest_ms).await?);
                    }
                }
                // COPY fails where a file of its manifest is gone, and would on every delivery.
                Err(Error::Load(Fault::Transient)) => match self.without_vanished(&plan, open).await? {
                    Some(rest) if rest.is_empty() => {}
                    Some(rest) => waiting.push(self.sink.plan(rest, plan.oldest_ms).await?),
                    None => return Err(Error::Load(Fault::Transient)),
                },
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Another load had objects of this one: what is left of them goes.
    async fn close_loaded(&mut self, plan: &Plan, open: &mut HashSet<HexId>) -> Result<(), Error> {
        let ids: Vec<HexId> = plan.objects.iter().map(|own| own.object_id).collect();
        let loaded: HashSet<HexId> = self.sink.loaded(&ids).await?.into_iter().collect();
        for own in plan.objects.iter().filter(|own| loaded.contains(&own.object_id)) {
            self.settled.add("ObjectsLoadedBefore", 1);
            open.remove(&own.object_id);
            if let Some(folder) = &own.folder {
                self.delete_folder(folder).await?;
            }
        }
        Ok(())
    }

    /// The plan's objects whose files are all there; `None` if that is all of them. One that was removed from the stage
    /// bucket is superseded; one whose rows were removed from the work bucket is read again.
    async fn without_vanished(
        &mut self,
        plan: &Plan,
        open: &mut HashSet<HexId>,
    ) -> Result<Option<Vec<Claimed>>, Error> {
        let s3 = self.preparer.s3;
        let found: Vec<_> = stream::iter(plan.objects.iter().cloned())
            .map(|own| async move { is_there(s3, &own).await.map(|is_there| (own, is_there)) })
            .buffer_unordered(MAX_REQUESTS)
            .collect()
            .await;
        let found = found.into_iter().collect::<Result<Vec<_>, Error>>()?;
        if found.iter().all(|(_, is_there)| *is_there) {
            return Ok(None);
        }
        self.sink.forget(plan).await?;
        let (there, vanished): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, is_there)| *is_there);
        for (own, _) in vanished {
            tracing::warn!(source = own.source, "a file of the load has vanished");
            match &own.folder {
                Some(folder) => self.delete_folder(folder).await?,
                None => {
                    self.settled.add("ObjectsSuperseded", 1);
                    open.remove(&own.object_id);
                }
            }
        }
        Ok(Some(there.into_iter().map(|(own, _)| own).collect()))
    }

    /// The object at fault goes into quarantine and the others into another load; while it is not known which one it
    /// is, each half gets a load of its own.
    async fn isolate(
        &mut self,
        plan: &Plan,
        text: &str,
        open: &mut HashSet<HexId>,
        known: &HashMap<HexId, Known>,
    ) -> Result<Vec<Vec<Claimed>>, Error> {
        let named = plan.objects.iter().position(|own| own.files.iter().any(|file| text.contains(&file.url)));
        let culprit = match plan.objects.len() {
            1 => Some(0),
            _ => named,
        };
        let mut objects = plan.objects.clone();
        let Some(culprit) = culprit else {
            let later = objects.split_off(objects.len() / 2);
            return Ok(vec![later, objects]);
        };
        let own = objects.remove(culprit);
        let (bucket, key) =
            own.source.strip_prefix("s3://").and_then(|rest| rest.split_once('/')).unwrap_or_default();
        let there = known.get(&own.object_id).map(|known| known.object.clone());
        let object = there.unwrap_or_else(|| ObjectRef {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            size: None,
            etag: None,
        });
        // The text may hold the value, so it goes nowhere but into quarantine.
        let violation = Violation::record(Rule::RefusedByWarehouse, text.to_owned());
        quarantine_whole(self.quarantine, &object, &plan.dataset, violation).await?;
        self.settled.add("ObjectsFailed", 1);
        if let Some(folder) = &own.folder {
            self.delete_folder(folder).await?;
        }
        open.remove(&own.object_id);
        Ok(if objects.is_empty() { Vec::new() } else { vec![objects] })
    }

    /// Objects that the ledger has need nothing more, but that nothing of them is left behind.
    async fn drop_loaded(
        &mut self,
        open: &mut HashSet<HexId>,
        known: &HashMap<HexId, Known>,
    ) -> Result<(), Error> {
        let mut ids: Vec<HexId> = open.iter().copied().collect();
        ids.sort();
        for id in self.sink.loaded(&ids).await? {
            if open.remove(&id) {
                self.settled.add("ObjectsLoadedBefore", 1);
                if let (Kind::InFlight, Some(own)) = (self.kind, known.get(&id)) {
                    tracing::debug!(source = own.object.uri(), "object was loaded before");
                    let contract = self.sink.checker.contract();
                    self.delete_folder(&work::object_folder(contract, self.sink.fingerprint, &id)).await?;
                }
            }
        }
        Ok(())
    }

    async fn delete_folder(&self, folder: &str) -> Result<(), Error> {
        let keys = self.sink.store.list(folder).await?;
        self.sink.store.delete(&keys).await
    }

    /// The open objects as a plan takes them. One that fails for good or for now is no longer open.
    async fn claimed(&mut self, open: &mut HashSet<HexId>, known: &HashMap<HexId, Known>) -> Vec<Claimed> {
        let objects: Vec<&Known> = open.iter().filter_map(|id| known.get(id)).collect();
        if self.kind == Kind::Trusted {
            return objects.into_iter().map(trusted).collect();
        }
        let preparer = self.preparer;
        let outcomes: Vec<_> = stream::iter(objects)
            .map(|own| async move { (own, preparer.prepare(&own.object).await) })
            .buffer_unordered(MAX_READING)
            .collect()
            .await;
        let mut claimed = Vec::new();
        for (own, outcome) in outcomes {
            let id = own.identity.object_id;
            let settled = match outcome {
                Ok(Outcome::Ready(prepared)) => {
                    let folder = work::object_folder(preparer.checker.contract(), preparer.fingerprint, &id);
                    claimed.push(in_flight(id, folder, &prepared.receipt, prepared.parts));
                    continue;
                }
                Ok(Outcome::Superseded) => {
                    self.settled.add("ObjectsSuperseded", 1);
                    Ok(())
                }
                Ok(Outcome::Failed(receipt)) => self.close_failed(&id, receipt).await,
                Err(error) => Err(error),
            };
            open.remove(&id);
            if let Err(error) = settled {
                tracing::warn!(source = own.object.uri(), error = %error, kind = error.kind(), "object is not ready");
                self.fail(own, &error);
            }
        }
        claimed
    }

    /// Nothing of the object loads: its receipt says so, and its rows are deleted.
    async fn close_failed(&mut self, id: &HexId, receipt: Option<Box<Receipt>>) -> Result<(), Error> {
        self.settled.add("ObjectsFailed", 1);
        let contract = self.sink.checker.contract();
        if let Some(receipt) = receipt {
            let text = serde_json::to_vec(&receipt).unwrap_or_default();
            self.sink.store.put(&Receipt::key(&contract.dataset, id), text).await?;
        }
        self.delete_folder(&work::object_folder(contract, self.sink.fingerprint, id)).await
    }

    fn fail(&mut self, own: &Known, error: &Error) {
        for place in &own.places {
            self.settled.failed.insert(*place, error.of_another());
        }
    }
}

/// Identity of an object. One of the stage bucket is never written twice, so what its event says is enough.
async fn identity(
    s3: &aws_sdk_s3::Client,
    object: &ObjectRef,
    (kind, now_ms): (Kind, u64),
) -> Result<Option<Identified>, Error> {
    if kind == Kind::InFlight {
        return Ok(identify(s3, object).await?);
    }
    let told = match (&object.etag, object.size) {
        (Some(etag), Some(bytes)) => Some((etag.clone(), bytes, now_ms)),
        _ => identify(s3, object).await?.and_then(|own| Some((own.etag?, own.bytes, own.modified_ms))),
    };
    Ok(told.map(|(etag, bytes, modified_ms)| {
        let tag = ContentTag::Etag { etag: etag.clone(), size: bytes };
        let object_id = ident::object_id(&object.bucket, &object.key, &tag);
        Identified { object_id, bytes, modified_ms, etag: Some(etag) }
    }))
}

/// Whether all files of an object are there, each with its size.
async fn is_there(s3: &aws_sdk_s3::Client, own: &Claimed) -> Result<bool, Error> {
    for file in &own.files {
        let Some((bucket, key)) = split_url(&file.url) else { return Ok(false) };
        let object = ObjectRef { bucket: bucket.to_owned(), key: key.to_owned(), size: None, etag: None };
        if identify(s3, &object).await?.is_none_or(|found| found.bytes != file.bytes) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn split_url(url: &str) -> Option<(&str, &str)> {
    url.strip_prefix("s3://")?.split_once('/')
}

fn trusted(own: &Known) -> Claimed {
    let (source, Identified { object_id, bytes, modified_ms, .. }) = (own.object.uri(), &own.identity);
    let files = vec![File { url: source.clone(), bytes: *bytes }];
    Claimed { object_id: *object_id, source, source_ms: *modified_ms, folder: None, files, counts: None }
}

fn in_flight(object_id: HexId, folder: String, receipt: &Receipt, files: Vec<File>) -> Claimed {
    let counts = Counts { read: receipt.read, rejected: receipt.rejected, duplicate: receipt.duplicate };
    let (source, source_ms) = (receipt.source.clone(), receipt.source_ms);
    Claimed { object_id, source, source_ms, folder: Some(folder), files, counts: Some(counts) }
}
