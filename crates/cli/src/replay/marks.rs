//! What was replayed: notes in the work bucket, one object for each sending, none of which is ever changed. They name
//! records and hold nothing of them.

use std::collections::{BTreeMap, BTreeSet};

use penstock_core::ident;
use serde::{Deserialize, Serialize};

use crate::bucket::Bucket;
use crate::failure::Failure;
use crate::rejects::read::Lines;

/// First segment of the notes' keys; outside of what the work bucket's lifecycle deletes.
const FOLDER: &str = "replays";

/// The notes on the parts under one folder.
#[derive(Debug)]
pub struct Marks {
    work: Bucket,
    /// Keys of the notes by key of the part.
    keys: BTreeMap<String, Vec<String>>,
}

/// One note.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// Records of the part, as `id_of` names them.
    records: Vec<String>,
}

/// Name of a record within its part. A part may be written again with fewer lines, so it is no line's number; what has
/// no position is a row, which no two lines of a part have.
pub fn id_of(position: Option<u64>, raw: &[u8]) -> String {
    position.map_or_else(
        || ident::stable_id([String::from_utf8_lossy(raw).as_ref()]).to_string(),
        |position| position.to_string(),
    )
}

impl Marks {
    /// Finds the notes on parts under a folder of their bucket, such as `customers/`.
    pub async fn under(work: Bucket, folder: &str) -> Result<Self, Failure> {
        let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let bucket = work.clone();
        let mut pages = bucket.list(format!("{FOLDER}/{folder}"));
        while let Some(page) = pages.next().await.map_err(Failure::refused)? {
            for listed in page {
                let own = listed.key.strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
                if let Some((part, _)) = own.and_then(|rest| rest.rsplit_once('/')) {
                    keys.entry(part.to_owned()).or_default().push(listed.key);
                }
            }
        }
        Ok(Self { work, keys })
    }

    /// Records of a part that were replayed. A note that cannot be read is a fault: without it they would be again.
    pub async fn of(&self, part: &str) -> Result<BTreeSet<String>, String> {
        let mut records = BTreeSet::new();
        for key in self.keys.get(part).into_iter().flatten() {
            let body = self.work.get(key).await.map_err(|error| error.to_string())?;
            let line = Lines::new(body).next().await.ok().flatten().unwrap_or_default();
            let note: Note = serde_json::from_slice(&line)
                .map_err(|_| format!("{}: is no note of a replay", self.work.uri(key)))?;
            records.extend(note.records);
        }
        Ok(records)
    }

    /// Notes records of a part; the same ones under the same key.
    pub async fn add(&self, part: &str, records: Vec<String>) -> Result<(), String> {
        let id = ident::stable_id(records.iter().map(String::as_str));
        let body = serde_json::to_vec(&Note { records }).map_err(|error| error.to_string())?;
        let key = format!("{FOLDER}/{part}/{id}.json");
        self.work.put(&key, body).await.map_err(|error| error.to_string())
    }
}
