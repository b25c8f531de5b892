//! Loads of the COPY route without its function: objects with their rows in a bucket, and the transaction that has
//! them read. Knows no model.

use penstock_aws::Invocation;
use penstock_aws::warehouse::{LoadEnd, LoadName};
use penstock_core::ident::{self, ContentTag};
use penstock_core::parts::packed;
use penstock_core::row::{HandOver, Origin};
use penstock_core::sql::{CopyLoad, CopyRole, Packing, RowFiles};
use penstock_core::work::{Claimed, Counts, File, Plan, contract_fingerprint, manifest};
use penstock_tests::{Bucket, MiniStack};
use serde_json::Value;

use crate::rig::Rig;

/// One content of one key.
#[derive(Debug, Clone)]
pub struct Object {
    pub origin: Origin,
    /// Records that are rows.
    pub records: Vec<Value>,
}

impl Object {
    /// Another `content` is another object.
    pub fn new(key: &str, source_ms: u64, content: &str, records: Vec<Value>) -> Self {
        let tag = ContentTag::Etag { etag: content.to_owned(), size: 1 };
        let id = ident::object_id("landing", key, &tag);
        Self { origin: Origin::new(format!("s3://landing/{key}"), id, source_ms), records }
    }
}

/// A rig whose loads come from a bucket.
pub struct Copies {
    pub rig: Rig,
    work: Bucket,
}

impl Copies {
    pub async fn new(contract: &str) -> Self {
        let work = MiniStack::shared().await.unwrap().create_bucket("work").await.unwrap();
        Self { rig: Rig::new(contract).await, work }
    }

    /// The same database under another contract.
    pub async fn with_contract(self, contract: &str) -> Self {
        Self { rig: self.rig.with_contract(contract).await, work: self.work }
    }

    /// One load of whole objects, read in flight.
    pub async fn load(&self, objects: &[Object]) -> LoadEnd {
        let mut claimed = Vec::new();
        for object in objects {
            claimed.push(self.prepared(object).await);
        }
        let contract = self.rig.checker.contract();
        let times = (1_790_000_000_000, 1_790_000_000_000);
        let plan = Plan::new(&contract.dataset, contract_fingerprint(contract), times, claimed);
        let lines = packed(&plan.object_lines()).unwrap();
        let list = self.put(&format!("{}objects.json.zst", plan.folder()), lines).await;
        let objects = self.put(&format!("{}objects.manifest", plan.folder()), manifest([&list]).into()).await;
        let mut rows = Vec::new();
        if plan.files(Packing::Zstd).next().is_some() {
            let text = manifest(plan.files(Packing::Zstd));
            let file = self.put(&format!("{}zstd.manifest", plan.folder()), text.into()).await;
            rows.push(RowFiles { manifest: file.url, packing: Packing::Zstd });
        }
        let role = CopyRole::new("arn:aws:iam::000000000000:role/copy").unwrap();
        let load = CopyLoad {
            contract,
            schema: &self.rig.schema,
            load_id: plan.load_id,
            loaded_ms: plan.loaded_ms,
            oldest_ms: plan.oldest_ms,
            role: &role,
            objects: &objects.url,
            rows: &rows,
            accounting: plan.accounting(),
        };
        let name = LoadName { dataset: "x", load_id: plan.load_id.as_str() };
        let (batch, invocation) = (load.batch().unwrap(), Invocation::lasting(None));
        self.rig.warehouse.load(name, &self.rig.database, &batch, &invocation).await.unwrap()
    }

    /// Writes the object's rows as the function does.
    async fn prepared(&self, object: &Object) -> Claimed {
        let Object { origin, records } = object;
        let hand_over = HandOver::new(self.rig.checker.contract());
        let mut text = String::new();
        for (n, record) in records.iter().enumerate() {
            let row = self.rig.row_of(origin, n as u64 * 100, record);
            hand_over.write_whole(row.row(), &origin.source, &mut text);
            text.push('\n');
        }
        let mut files = Vec::new();
        if !records.is_empty() {
            let key = format!("objects/x/{}/part-000000.json.zst", origin.object_id);
            files.push(self.put(&key, packed(&text).unwrap()).await);
        }
        let read = records.len() as u64;
        Claimed {
            object_id: origin.object_id,
            source: origin.source.clone(),
            source_ms: origin.source_ms,
            folder: None,
            files,
            counts: Some(Counts { read, rejected: 0, duplicate: 0 }),
            in_pieces: false,
        }
    }

    async fn put(&self, key: &str, bytes: Vec<u8>) -> File {
        let size = bytes.len() as u64;
        self.work.put(key, bytes).await.unwrap();
        File { url: format!("s3://{}/{key}", self.work.name), bytes: size }
    }
}
