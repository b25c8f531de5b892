//! Plans that are run: what the end of each means for its objects. A fault of one object costs no other one of its
//! load.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, stream};
use penstock_aws::fetch::identify;
use penstock_aws::warehouse::Fault;
use penstock_core::ident::HexId;
use penstock_core::object::ObjectRef;
use penstock_core::receipt::{Receipt, Status};
use penstock_core::reject::{Rule, Violation};
use penstock_core::work::{Claimed, Counts, Plan};

use crate::dataset::Work;
use crate::error::Error;
use crate::known::{Known, MAX_REQUESTS};
use crate::sink::Ended;

/// Names of the counts in the load's last statement, in order.
const COUNTS: [&str; 6] =
    ["RowsRead", "RowsInserted", "RowsUpdated", "RowsUnchanged", "RowsDuplicate", "RowsRejected"];

impl Work<'_> {
    /// Runs a plan, and what it has to be cut into where the warehouse refuses a value. What is settled is no longer
    /// open.
    pub async fn run(
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
                        let places = known.get(&own.object_id).into_iter().flat_map(Known::places);
                        self.settled.waits.commit(plan.oldest_ms, places);
                    }
                }
                Ok(Ended::AlreadyLoaded) => self.close_loaded(&plan, open).await?,
                Ok(Ended::Refused(text)) => {
                    for part in self.isolate(&plan, &text, open, known).await? {
                        waiting.push(self.sink.plan(part, plan.oldest_ms).await?);
                    }
                }
                // COPY fails where a file of its manifest is gone, and would on every delivery.
                Err(error @ (Error::Load(Fault::Transient) | Error::Table(..))) => {
                    match self.without_vanished(&plan, open).await? {
                        Some(rest) if rest.is_empty() => {}
                        Some(rest) => waiting.push(self.sink.plan(rest, plan.oldest_ms).await?),
                        None => return Err(error),
                    }
                }
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
                self.sink.store.delete_folder(folder).await?;
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
        let s3 = self.preparer.0.s3;
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
                Some(folder) => self.sink.store.delete_folder(folder).await?,
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
        self.quarantine.put_whole(&object, &plan.dataset, violation).await?;
        self.settled.add("ObjectsFailed", 1);
        if let Some(folder) = &own.folder {
            self.write_receipt(&own.object_id, &self.refused(&own, known)).await?;
            self.sink.store.delete_folder(folder).await?;
        }
        open.remove(&own.object_id);
        Ok(if objects.is_empty() { Vec::new() } else { vec![objects] })
    }
}

impl Work<'_> {
    /// The account of an object that the warehouse refuses.
    fn refused(&self, own: &Claimed, known: &HashMap<HexId, Known>) -> Receipt {
        let contract = self.sink.checker.contract();
        let identity = known.get(&own.object_id).map(|known| &known.identity);
        let Counts { read, rejected, duplicate } = own.counts.unwrap_or_default();
        Receipt {
            dataset: contract.dataset.clone(),
            object_id: own.object_id.to_string(),
            source: own.source.clone(),
            bytes: identity.map_or(0, |own| own.bytes),
            source_ms: identity.map_or(0, |own| own.modified_ms),
            contract_version: contract.version.clone(),
            status: Status::Failed,
            reason: Some("the warehouse refuses a value of it".to_owned()),
            read,
            rejected,
            duplicate,
            sent: read.saturating_sub(rejected).saturating_sub(duplicate),
            extra_fields: 0,
            warnings: 0,
        }
    }
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
