//! What functions keep in the work bucket between invocations: an object's rows as files with their account, how far a
//! large one is read, a load's plan, and the manifests that COPY reads. Every name and every byte follows from the objects and the contract
//! alone, so that a redelivery finds what was done and two at once write the same. Writes nothing itself.
//!
//! A large object is read in sections of about `SPLIT_BYTES`: apart, as ranges, or one after another with a checkpoint
//! between. Each section has parts of its own, so that who reads it again writes the same bytes to the same keys.
//!
//! ```text
//! objects/<dataset>/<object>/<put>/part-000000-000000.json.zst  rows of one object by section, in the hand-over format
//! objects/<dataset>/<object>/<put>/_split.json           how it is cut into ranges: while it is there, they are read
//! objects/<dataset>/<object>/<put>/ranges/…              account of one range
//! objects/<dataset>/<object>/<put>/_progress.json        account of the sections so far, and where to go on
//! objects/<dataset>/<object>/<put>/_done.json            its account, written last: then the parts are complete
//! stream-objects/…                                       the same of objects whose rows go onto a stream: no parts
//! loads/<dataset>/<load>/plan.json                       written before the load is submitted, deleted last
//! loads/<dataset>/<load>/objects.json.zst                what the load claims
//! loads/<dataset>/<load>/*.manifest                      what COPY reads
//! ```

use serde::{Deserialize, Serialize};

use crate::contract::Contract;
use crate::ident::{self, HexId};
use crate::ingest::Checkpoint;
use crate::range::Ranges;
use crate::receipt::Receipt;
use crate::sql::{Accounting, Packing};

/// Where it is kept how far objects are read whose rows COPY loads, and their rows.
pub const COPIED: &str = "objects/";
/// Where it is kept how far objects are read whose rows go onto a stream: no function of the one route may touch what
/// the other keeps.
pub const STREAMED: &str = "stream-objects/";

/// Folder of one object's rows in the work bucket, whenever it was put. Another contract gives other rows, so it is another folder.
pub fn object_root(route: &str, contract: &Contract, fingerprint: &HexId, object_id: &HexId) -> String {
    let id = ident::stable_id(["object", object_id.as_str(), fingerprint.as_str()]);
    format!("{route}{}/{id}/", contract.dataset)
}

/// Folder of what was read of an object as it was put at that time, in ms since 1970: the same content may be put
/// again while it is read in pieces, and all of its rows carry one time.
pub fn object_folder(
    route: &str,
    contract: &Contract,
    fingerprint: &HexId,
    object_id: &HexId,
    modified_ms: u64,
) -> String {
    format!("{}{modified_ms:013}/", object_root(route, contract, fingerprint, object_id))
}

/// Key of the n-th file of rows of an object's section.
pub fn part_key(folder: &str, section: u64, n: usize) -> String {
    format!("{folder}part-{section:06}-{n:06}.json.zst")
}

/// Key of how an object is cut into ranges.
pub fn split_key(folder: &str) -> String {
    format!("{folder}_split.json")
}

/// Folder of the accounts of an object's ranges.
pub fn ranges_folder(folder: &str) -> String {
    format!("{folder}ranges/")
}

/// Key of the account of one range. Its bounds are in it: an object may have been cut otherwise before.
pub fn range_key(folder: &str, ranges: Ranges, number: u32) -> String {
    let (start, end) = ranges.bounds(number);
    format!("{}{number:06}-{start}-{end}.json", ranges_folder(folder))
}

/// Key of how far an object is read.
pub fn progress_key(folder: &str) -> String {
    format!("{folder}_progress.json")
}

/// Key of an object's account.
pub fn done_key(folder: &str) -> String {
    format!("{folder}_done.json")
}

/// Folder of all open loads of a dataset.
pub fn loads_folder(dataset: &str) -> String {
    format!("loads/{dataset}/")
}

/// Stands for everything that a contract says: rows that were made under another one are not mixed with these.
pub fn contract_fingerprint(contract: &Contract) -> HexId {
    ident::stable_id(["contract", &format!("{contract:?}")])
}

/// An object whose rows are in the work bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// Its account: `sent` are the rows in the files.
    pub receipt: Receipt,
    /// The files, in order.
    pub parts: Vec<File>,
    /// Whether it was read in pieces: then more than the parts may lie in its folder.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_pieces: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What was read of an object: some of it, or all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Records.
    pub read: u64,
    /// Of them in quarantine.
    pub rejected: u64,
    /// Of them in the parts.
    pub rows: u64,
    /// Fields that the contract does not name.
    pub extra_fields: u64,
    /// Findings that reject no record.
    pub warnings: u64,
    /// The files of the rows, in order.
    pub parts: Vec<File>,
    /// Why nothing more can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

impl Account {
    /// Adds what was read behind this.
    pub fn append(&mut self, next: Self) {
        self.read += next.read;
        self.rejected += next.rejected;
        self.rows += next.rows;
        self.extra_fields += next.extra_fields;
        self.warnings += next.warnings;
        self.parts.extend(next.parts);
        self.broken = self.broken.take().or(next.broken);
    }
}

/// How far an object is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// What was read so far.
    pub account: Account,
    /// Where to go on; nowhere when no section is complete yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Checkpoint>,
    /// Bytes of a section: it is kept to, whatever the setting is by then.
    pub section_bytes: u64,
}

/// How a large object is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// The ranges; one, where it is read from its beginning.
    pub ranges: Ranges,
    /// How its lines are read, where each stands for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<Checkpoint>,
}

/// A file that COPY reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// `s3://bucket/key`.
    pub url: String,
    /// Its size in bytes: a file of another size is another file.
    pub bytes: u64,
}

/// An object of a load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Its identity.
    pub object_id: HexId,
    /// `s3://bucket/key`.
    pub source: String,
    /// When it was written, in ms since 1970: as in the `_order` of its rows.
    #[serde(default)]
    pub source_ms: u64,
    /// Folder of its rows in the work bucket; none for an object that COPY reads where it lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// The files of its rows.
    pub files: Vec<File>,
    /// Records read, rejected and left out, where they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// Whether more than its files may lie in its folder.
    #[serde(default, skip_serializing_if = "is_false")]
    pub in_pieces: bool,
}

/// Records of one object before its load.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// All.
    pub read: u64,
    /// In quarantine.
    pub rejected: u64,
    /// Left out because an equal, later one of the object is there.
    pub duplicate: u64,
}

/// A load, as it is written down before it is submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Dataset.
    pub dataset: String,
    /// Identity: of its objects and the contract.
    pub load_id: HexId,
    /// What a planner made of the contract: another version must not run this plan's SQL.
    pub fingerprint: HexId,
    /// Time of the load in ms since 1970, whoever submits it and whenever.
    pub loaded_ms: u64,
    /// When the oldest object was written, in ms since 1970.
    pub oldest_ms: u64,
    /// What is taken, in order of identity.
    pub objects: Vec<Claimed>,
}

impl Plan {
    /// A load of these objects, which must all be of one kind: read in flight, or lying ready for COPY.
    pub fn new(
        dataset: &str,
        fingerprint: HexId,
        (loaded_ms, oldest_ms): (u64, u64),
        mut objects: Vec<Claimed>,
    ) -> Self {
        objects.sort_by_key(|own| own.object_id);
        objects.dedup_by(|a, b| a.object_id == b.object_id);
        let ids = objects.iter().map(|own| own.object_id.as_str());
        let load_id = ident::stable_id(["copy", dataset, fingerprint.as_str()].into_iter().chain(ids));
        Self { dataset: dataset.to_owned(), load_id, fingerprint, loaded_ms, oldest_ms, objects }
    }

    /// Its folder in the work bucket.
    pub fn folder(&self) -> String {
        format!("{}{}/", loads_folder(&self.dataset), self.load_id)
    }

    /// Key of the plan itself in a load's folder.
    pub fn key(&self) -> String {
        format!("{}plan.json", self.folder())
    }

    /// For what the ledger gets counts.
    pub fn accounting(&self) -> Accounting {
        match self.objects.iter().all(|own| own.counts.is_some()) {
            true => Accounting::Objects,
            false => Accounting::Load,
        }
    }

    /// Files of rows by how they are packed.
    pub fn files(&self, packing: Packing) -> impl Iterator<Item = &File> {
        let all = self.objects.iter().flat_map(|own| &own.files);
        all.filter(move |file| packing_of(&file.url) == packing)
    }

    /// What the load claims, as JSON lines for COPY: an object each, and the load itself where it has the counts.
    pub fn object_lines(&self) -> String {
        let mut out = String::new();
        for own in &self.objects {
            let counts = own.counts.map(|counts| [counts.read, counts.rejected, counts.duplicate]);
            let order = format!("{:013}/{}", own.source_ms, own.object_id);
            self.line((own.object_id.as_str(), &own.source), Some(order), counts, &mut out);
        }
        if self.accounting() == Accounting::Load {
            let source = format!("{} objects", self.objects.len());
            self.line((self.load_id.as_str(), &source), None, None, &mut out);
        }
        out
    }

    /// Numbers are texts: COPY would pass JSON numbers through a float.
    fn line(
        &self,
        (object_id, source): (&str, &str),
        order: Option<String>,
        counts: Option<[u64; 3]>,
        out: &mut String,
    ) {
        let [read, rejected, duplicate] = match counts {
            Some(counts) => counts.map(|count| Some(count.to_string())),
            None => [None, None, None],
        };
        let line = serde_json::json!({
            "load_id": self.load_id.as_str(), "object_id": object_id, "source": source,
            "n_read": read, "n_rejected": rejected, "n_dup": duplicate, "object_order": order,
        });
        out.push_str(&line.to_string());
        out.push('\n');
    }
}

/// How a file is packed, by the end of its name: the work bucket's are ours, the stage bucket's are Firehose's.
pub fn packing_of(url: &str) -> Packing {
    match url.rsplit_once('.').map(|(_, end)| end) {
        Some("zst") => Packing::Zstd,
        Some("gz") => Packing::Gzip,
        _ => Packing::Plain,
    }
}

/// A manifest: exactly these files, and none may be missing or of another size.
pub fn manifest<'a>(files: impl IntoIterator<Item = &'a File>) -> String {
    let entry = |file: &File| serde_json::json!({"url": file.url, "mandatory": true, "meta": {"content_length": file.bytes}});
    let entries: Vec<_> = files.into_iter().map(entry).collect();
    serde_json::json!({ "entries": entries }).to_string()
}

#[cfg(test)]
#[path = "work_tests.rs"]
mod tests;
