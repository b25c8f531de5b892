//! What the messages tell of: objects by events, and ranges of them by tasks, each object once however often it is
//! told of. Knows how an object is identified, not how it is read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::{StreamExt, stream};
use penstock_aws::fetch::{Identified, identify};
use penstock_aws::reading::Subjected;
use penstock_core::ident::{self, ContentTag, HexId};
use penstock_core::object::ObjectRef;
use penstock_core::range::RangeTask;
use penstock_core::receipt::Receipt;
use penstock_core::work::{Claimed, Counts, File, Prepared};

use crate::dataset::{Kind, Work};
use crate::error::Error;

/// Requests for objects' identities at once.
pub const MAX_REQUESTS: usize = 16;

/// What one message tells of.
#[derive(Debug, Clone)]
pub struct Told {
    /// The object.
    pub object: ObjectRef,
    /// What a task has to be done with it; nothing where it is an event.
    pub task: Option<RangeTask>,
}

/// An object with its identity.
#[derive(Debug, Clone)]
pub struct Known {
    pub object: ObjectRef,
    pub identity: Identified,
    /// Places in the list that was given, of its events.
    pub events: Vec<usize>,
    /// And of its tasks, by range.
    pub tasks: BTreeMap<u32, Vec<usize>>,
}

impl Known {
    /// As those who read it take it.
    pub fn subject(&self) -> Subjected<'_> {
        Subjected { object: &self.object, identity: &self.identity }
    }

    /// Ranges that tasks are there for.
    pub fn ranges(&self) -> Vec<u32> {
        self.tasks.keys().copied().collect()
    }

    /// All places that tell of it.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        self.events.iter().chain(self.tasks.values().flatten()).copied()
    }
}

impl Work<'_> {
    /// The objects that are still there.
    pub async fn identify(&mut self, told: &[Told]) -> HashMap<HexId, Known> {
        let mut by_content: HashMap<(&str, &str, Option<&str>), Vec<usize>> = HashMap::new();
        for (place, Told { object, .. }) in told.iter().enumerate() {
            let content = (object.bucket.as_str(), object.key.as_str(), object.etag.as_deref());
            by_content.entry(content).or_default().push(place);
        }
        let (s3, asked) = (self.preparer.0.s3, (self.kind, self.preparer.0.invocation.started_ms));
        let objects =
            by_content.into_values().filter_map(|places| Some((told.get(*places.first()?)?, places)));
        let found: Vec<_> = stream::iter(objects)
            .map(|(first, places)| async move { (first, identity(s3, &first.object, asked).await, places) })
            .buffer_unordered(MAX_REQUESTS)
            .collect()
            .await;
        let mut known: HashMap<HexId, Known> = HashMap::new();
        for (Told { object, .. }, identity, places) in found {
            let told: Vec<(usize, Option<&RangeTask>)> =
                places.iter().filter_map(|place| Some((*place, told.get(*place)?.task.as_ref()))).collect();
            let settled = match identity {
                Ok(Some(identity)) => {
                    let (etag, size) = (identity.etag.clone(), Some(identity.bytes));
                    let object = ObjectRef { etag, size, ..object.clone() };
                    let new = Known { object, identity, events: Vec::new(), tasks: BTreeMap::new() };
                    let own = known.entry(new.identity.object_id).or_insert(new);
                    self.assign(own, &told).await
                }
                Ok(None) => self.supersede(object, &told).await,
                Err(error) => Err(error),
            };
            if let (Err(error), Some((first, others))) = (settled, places.split_first()) {
                others.iter().for_each(|place| drop(self.settled.failed.insert(*place, error.of_another())));
                self.settled.failed.insert(*first, error);
            }
        }
        known
    }

    /// Who tells of an object. A task of another contract is as good as an event: what it speaks of is begun anew. One
    /// of an earlier put of the same content is done with: the later put has an event of its own.
    async fn assign(&self, own: &mut Known, told: &[(usize, Option<&RangeTask>)]) -> Result<(), Error> {
        for (place, task) in told {
            match task {
                Some(task) if task.modified_ms != own.identity.modified_ms => {
                    self.sink.store.delete_folder(&self.preparer.0.folder_of_task(task)).await?;
                }
                Some(task) if task.fingerprint == *self.preparer.0.fingerprint => {
                    own.tasks.entry(task.number).or_default().push(*place);
                }
                Some(task) => {
                    own.events.push(*place);
                    self.sink.store.delete_folder(&self.preparer.0.folder_of_task(task)).await?;
                }
                None => own.events.push(*place),
            }
        }
        Ok(())
    }

    /// The object was removed or replaced: nothing of it loads, and what tasks have read of it goes.
    async fn supersede(
        &mut self,
        object: &ObjectRef,
        told: &[(usize, Option<&RangeTask>)],
    ) -> Result<(), Error> {
        tracing::warn!(source = object.uri(), "object was removed or replaced before it was read");
        self.settled.add("ObjectsSuperseded", 1);
        let folders: BTreeSet<String> =
            told.iter().filter_map(|(_, task)| Some(self.preparer.0.folder_of_task((*task)?))).collect();
        for folder in folders {
            self.sink.store.delete_folder(&folder).await?;
        }
        Ok(())
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

/// An object that COPY reads where it lies.
pub fn trusted(own: &Known) -> Claimed {
    let url = own.object.uri();
    let files = vec![File { url: url.clone(), bytes: own.identity.bytes }];
    let Identified { object_id, modified_ms: source_ms, .. } = own.identity;
    Claimed { object_id, source: url, source_ms, folder: None, files, counts: None, in_pieces: false }
}

/// An object whose rows are in the work bucket.
pub fn in_flight(object_id: HexId, folder: String, prepared: Prepared) -> Claimed {
    let Prepared { receipt, parts: files, in_pieces } = prepared;
    let Receipt { source, source_ms, read, rejected, duplicate, .. } = receipt;
    let counts = Some(Counts { read, rejected, duplicate });
    Claimed { object_id, source, source_ms, folder: Some(folder), files, counts, in_pieces }
}
