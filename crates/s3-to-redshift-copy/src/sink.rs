//! One load: its plan and manifests into the work bucket, its transaction into the warehouse, and after the commit
//! everything away again. A plan that an earlier invocation left is taken up, never made a second time.

use std::collections::HashSet;
use std::sync::Arc;

use penstock_aws::Invocation;
use penstock_aws::store::Store;
use penstock_aws::warehouse::{Fault, LoadEnd, LoadName, TableHome, Warehouse};
use penstock_core::ident::HexId;
use penstock_core::parts::packed;
use penstock_core::row::Checker;
use penstock_core::sql::{
    Accounting, CopyLoad, CopyRole, Packing, RowFiles, SqlBatch, load_errors, loaded_objects,
};
use penstock_core::work::{self, Claimed, File, Plan};

use crate::error::Error;
use crate::mismatch::mismatch;

/// How a load ended that was not cut short.
#[derive(Debug)]
pub enum Ended {
    /// Its objects are in the table; the counts of the ledger, where they could be read.
    Committed(Vec<i64>),
    /// Some of its objects had been loaded by another load: nothing of this one was.
    AlreadyLoaded,
    /// The warehouse refused a value; what it says may hold it.
    Refused(String),
}

/// What loads of one dataset need.
#[derive(Debug, Clone, Copy)]
pub struct Sink<'a> {
    pub store: &'a Store,
    pub warehouse: &'a Warehouse,
    pub role: &'a CopyRole,
    pub home: &'a TableHome,
    pub checker: &'a Arc<Checker>,
    pub fingerprint: &'a HexId,
    pub invocation: &'a Invocation,
    /// What runs after a load.
    pub after: Option<&'a Result<SqlBatch, String>>,
}

impl Sink<'_> {
    /// Loads of the dataset that were begun and name one of these objects. One that was planned under another contract
    /// is given up: its files hold rows of that contract.
    pub async fn open_plans(&self, is_ours: impl Fn(&HexId) -> bool) -> Result<Vec<Plan>, Error> {
        let mut plans = Vec::new();
        let folder = work::loads_folder(&self.checker.contract().dataset);
        let keys = self.store.list(&folder).await?;
        self.delete_orphans(&keys).await?;
        for key in keys.iter().filter(|key| key.ends_with("/plan.json")) {
            // It may be gone since it was listed: then its load is done.
            let Some(bytes) = self.store.get(key).await? else { continue };
            let Ok(plan) = serde_json::from_slice::<Plan>(&bytes) else {
                tracing::error!(key, "a plan cannot be read and is left alone");
                continue;
            };
            if !plan.objects.iter().any(|own| is_ours(&own.object_id)) {
                continue;
            }
            match plan.fingerprint == *self.fingerprint {
                true => plans.push(plan),
                false => self.clean_up(&plan).await?,
            }
        }
        Ok(plans)
    }

    /// Files of loads whose plan is gone. A plan is written first and deleted last, so its load is done: whoever had taken
    /// it up in that moment wrote them once more, and died.
    async fn delete_orphans(&self, keys: &[String]) -> Result<(), Error> {
        let planned: HashSet<&str> = keys.iter().filter_map(|key| key.strip_suffix("/plan.json")).collect();
        let folder = |key: &str| key.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let is_orphan = |key: &&String| folder(key).is_some_and(|folder| !planned.contains(folder.as_str()));
        let orphans: Vec<String> = keys.iter().filter(is_orphan).cloned().collect();
        Ok(self.store.delete(&orphans).await?)
    }

    /// Which of these objects are in the table already.
    pub async fn loaded(&self, objects: &[HexId]) -> Result<Vec<HexId>, Error> {
        let queries = loaded_objects(self.checker.contract(), &self.home.schema, objects)
            .map_err(|error| Error::Contract(error.to_string()))?;
        let mut found = Vec::new();
        for query in queries {
            let rows = self.warehouse.execute(&self.home.database, &query).await?;
            let ids = rows.into_iter().filter_map(|row| row.into_iter().next().flatten());
            found.extend(ids.filter_map(|id| HexId::parse(id.trim_end())));
        }
        Ok(found)
    }

    /// Plans a load, unless the same one is planned already: then its time counts.
    pub async fn plan(&self, objects: Vec<Claimed>, oldest_ms: u64) -> Result<Plan, Error> {
        let times = (self.invocation.started_ms, oldest_ms);
        let plan = Plan::new(&self.checker.contract().dataset, *self.fingerprint, times, objects);
        let text = serde_json::to_vec(&plan).unwrap_or_default();
        if self.store.put_new(&plan.key(), text).await? {
            return Ok(plan);
        }
        let there = self.store.get(&plan.key()).await?;
        // Another invocation may have finished it in between; the claim tells.
        Ok(there.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(plan))
    }

    /// Runs a plan until its transaction is FINISHED or has failed for good.
    pub async fn run(&self, plan: &Plan) -> Result<Ended, Error> {
        let batch = self.prepare(plan).await?;
        let (dataset, load_id) = (plan.dataset.as_str(), plan.load_id.as_str());
        let name = LoadName { dataset, load_id };
        match self.warehouse.load(name, &self.home.database, &batch, self.invocation).await? {
            LoadEnd::Finished { statement, counts } => {
                let (counts, objects) = (counts.unwrap_or_default(), plan.objects.len());
                tracing::info!(dataset, load_id, statement, objects, ?counts, "load is finished");
                // While the plan is there, an invocation that takes this one's place comes here again.
                self.run_models(plan).await;
                self.clean_up(plan).await?;
                Ok(Ended::Committed(counts))
            }
            LoadEnd::Running { statement } => Err(Error::Running(statement)),
            LoadEnd::Failed { fault: Fault::AlreadyLoaded, .. } => {
                tracing::info!(dataset, load_id, "objects of the load are loaded already");
                self.forget(plan).await?;
                Ok(Ended::AlreadyLoaded)
            }
            LoadEnd::Failed { fault: Fault::Data, message } => {
                let message = self.explained(plan, message).await;
                self.forget(plan).await?;
                Ok(Ended::Refused(message))
            }
            LoadEnd::Failed { fault, .. } => {
                if fault == Fault::OutOfBalance {
                    tracing::error!(dataset, load_id, "load is out of balance and was rolled back");
                }
                self.held_to_contract(fault).await?;
                Err(Error::Load(fault))
            }
        }
    }

    /// A person must mend a table that is not the contract's: the error names the columns.
    async fn held_to_contract(&self, fault: Fault) -> Result<(), Error> {
        if fault != Fault::Transient {
            return Ok(());
        }
        match mismatch(self.warehouse, self.home, self.checker.contract()).await {
            Ok(Some(told)) => {
                tracing::error!(
                    dataset = self.checker.contract().dataset,
                    told,
                    "table is not its contract's"
                );
                Err(Error::Table(told))
            }
            Ok(None) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the table could not be held to its contract");
                Ok(())
            }
        }
    }

    /// What COPY reads, and the transaction that has it read.
    async fn prepare(&self, plan: &Plan) -> Result<SqlBatch, Error> {
        let folder = plan.folder();
        let pack = |text: &str| packed(text).map_err(|error| Error::Together(format!("packing: {error}")));
        let objects =
            self.store.put(&format!("{folder}objects.json.zst"), pack(&plan.object_lines())?).await?;
        let objects = self.manifest(&folder, "objects", [&objects]).await?;
        let mut rows = Vec::new();
        for (packing, name) in [(Packing::Zstd, "zstd"), (Packing::Gzip, "gzip"), (Packing::Plain, "plain")] {
            // An empty manifest fails, and so does a file without a byte in it.
            let files: Vec<&File> = plan.files(packing).filter(|file| file.bytes > 0).collect();
            if !files.is_empty() {
                rows.push(RowFiles { manifest: self.manifest(&folder, name, files).await?, packing });
            }
        }
        let load = CopyLoad {
            contract: self.checker.contract(),
            schema: &self.home.schema,
            load_id: plan.load_id,
            loaded_ms: plan.loaded_ms,
            oldest_ms: look_back_from(plan),
            role: self.role,
            objects: &objects,
            rows: &rows,
            accounting: plan.accounting(),
        };
        Ok(load.batch()?)
    }

    async fn manifest<'f>(
        &self,
        folder: &str,
        name: &str,
        files: impl IntoIterator<Item = &'f File>,
    ) -> Result<String, Error> {
        let file =
            self.store.put(&format!("{folder}{name}.manifest"), work::manifest(files).into_bytes()).await?;
        Ok(file.url)
    }

    /// What the warehouse tells of a load's files, before its own text. Sometimes it has no line for them.
    async fn explained(&self, plan: &Plan, message: String) -> String {
        let mut told = Vec::new();
        for folder in folders(plan) {
            let Some(query) = load_errors(&folder) else { continue };
            match self.warehouse.execute(&self.home.database, &query).await {
                Ok(rows) => told.extend(rows.into_iter().map(|row| line(&row))),
                Err(error) => tracing::warn!(%error, "the warehouse's load errors could not be read"),
            }
        }
        told.retain(|line| {
            plan.objects.iter().flat_map(|own| &own.files).any(|file| line.starts_with(&file.url))
        });
        told.push(message);
        told.join("\n")
    }

    /// After a commit: the rows' files, then what COPY read, the plan last, so that a crash in between is taken up.
    pub async fn clean_up(&self, plan: &Plan) -> Result<(), Error> {
        let mut keys = Vec::new();
        for own in &plan.objects {
            let Some(folder) = &own.folder else { continue };
            if own.in_pieces {
                keys.extend(self.store.list(folder).await?);
                continue;
            }
            keys.extend((0..own.files.len()).map(|n| work::part_key(folder, 0, n)));
            keys.push(work::done_key(folder));
        }
        self.store.delete(&keys).await?;
        self.forget(plan).await
    }

    /// Leaves the objects' rows for another plan.
    pub async fn forget(&self, plan: &Plan) -> Result<(), Error> {
        let mut keys = self.store.list(&plan.folder()).await?;
        keys.retain(|key| *key != plan.key());
        self.store.delete(&keys).await?;
        Ok(self.store.delete(&[plan.key()]).await?)
    }
}

/// From when on the target is asked whether it has a load's rows, before `penstock.dedupDays`. Stamped rows are older than
/// the object that they lie in: their message, or a file's, may have waited in a queue for as long as SQS keeps one.
fn look_back_from(plan: &Plan) -> u64 {
    const MOST_WAIT_MS: u64 = 14 * 86_400_000;
    match plan.accounting() {
        Accounting::Objects => plan.oldest_ms,
        Accounting::Load => plan.oldest_ms.saturating_sub(MOST_WAIT_MS),
    }
}

/// Folders that a load's files lie in, up to the dataset.
fn folders(plan: &Plan) -> Vec<String> {
    let mut all: Vec<String> = plan
        .objects
        .iter()
        .flat_map(|own| &own.files)
        .filter_map(|file| {
            // s3://bucket/objects/<dataset>/… and s3://bucket/<dataset>/…
            let end = file.url.find(&format!("/{}/", plan.dataset))?;
            file.url.get(..end + plan.dataset.len() + 2).map(str::to_owned)
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

fn line(row: &[Option<String>]) -> String {
    let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
    format!("{}: line {}, column {}: {} {}", text(0), text(1), text(2), text(3), text(4))
}
