//! Which work a Glue job or crawler was started for: a log of claims in the work bucket, one for each dataset and kind of
//! start. Glue has no idempotency token, so a start is claimed first; the claim of a job is also the manifest that its
//! run reads. Writes nothing itself.
//!
//! ```text
//! claims/<dataset>/<job | lake-job | crawler>/<9,999,999,999 - n, ten digits>.json     claim n = 1, 2, 3 …
//! ```
//!
//! Names count down, so that a listing begins with the newest claim. A claim is *open* until its run is started: held
//! (`claimed`, until its lease is over) or free (`released`: its start was refused). *Started* is for ever.
//!
//! Two rules make the log linear, whoever is killed when, and however messages are grouped:
//!
//! - claim n + 1 is written only by who has read claim n as started, and only if there is none yet (`If-None-Match: *`);
//! - an open claim is changed only by compare and swap (`If-Match`) and by who may take it: its holder, or anybody once
//!   it is free or its lease is over. Each writing has the name of its writer in it, so that no two are alike.
//!
//! So only the newest claim can be open; all before it are started and change no more; and work is added in one place,
//! by one write that fails if anything was added meanwhile. Work that is in no started claim and not in the newest one is
//! in none: it is added once. That is also why a refused start does not delete its claim: the number would be free again,
//! and a starter that listed the log before could write it without seeing what stands behind it. A released claim keeps
//! its work instead, and the next start takes it along: fewer runs, and nothing lost should the message never come back.
//!
//! A message is acknowledged only when all its work is in started claims. Who dies before leaves an open claim and the
//! message, which comes again:
//!
//! - **before the start**: the lease (the invocation's deadline and a margin for clocks and for requests on the way) runs
//!   out, the next one looks for a run that has the claim's manifest as argument, finds none, takes the claim and starts.
//! - **after the start, or its answer was lost**: the same, but the run is found, and the claim is closed with it. A start
//!   is sent once, without the SDK's retries: a second try could start a second run, or be refused because of the first.
//!   Only an answer that surely means that nothing was started releases a claim; after any other its lease runs out.
//! - **the answer of a write was lost**, and the SDK's own retry finds the condition broken: the log is read again, and a
//!   claim with our own name in it is ours. The name is that of one try of one invocation of one process: an invocation
//!   that Lambda repeats under its old request id does not take its predecessor's claim for its own.
//!
//! A claim that cannot be read is held by nobody known: its lease counts from its last change, and its work starts anew.
//!
//! What is the same work: one put of an object, by its URL, its ETag and what tells the put from others, which is S3's
//! sequencer, or the put's time where an event has none. All are the same however often the put is told. Content that
//! comes back under its key is another put and new work: the run of its first put cannot have seen it come back, and other
//! content may have been read meanwhile. A time tells puts apart although it may be of whole seconds: no run begins in the
//! second in which its object was put. Entries of claims from before puts were written down tell none, and no put is the
//! same: a run too many costs less than rows too few.
//!
//! How far back work is looked for: an object's event is older than every claim that holds it, and a claim was changed
//! last when S3 says so. Claims that are older than the oldest event (by more than a margin for clocks) hold none of it.

mod protocol;
mod step;

use serde::{Deserialize, Serialize};

use crate::contract::Contract;

pub use protocol::Claiming;
pub use step::{Answer, Ask, Lease, Listed, Step, Stored, Why};

/// Format of a claim.
const VERSION: u32 = 1;
/// What stands for number 0 in a name.
const LAST: u64 = 9_999_999_999;

/// What is started, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// The Glue job, for objects of the stage bucket: its rows go into the curated bucket.
    Job,
    /// The Glue job, for objects of the landing bucket that are too much for a function: its rows go into the lake.
    LakeJob,
    /// The crawler, for objects of the lake and curated buckets.
    Crawler,
}

impl Kind {
    /// Name of its log's folder.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::LakeJob => "lake-job",
            Self::Crawler => "crawler",
        }
    }
}

/// Folder of a log.
pub fn folder(dataset: &str, kind: Kind) -> String {
    format!("claims/{dataset}/{}/", kind.as_str())
}

/// Key of a claim of a log.
pub fn key(folder: &str, number: u64) -> String {
    format!("{folder}{:010}.json", LAST.saturating_sub(number))
}

/// Number of a claim by its key; `None` for what is no claim of the log.
pub fn number(folder: &str, key: &str) -> Option<u64> {
    let digits = key.strip_prefix(folder)?.strip_suffix(".json")?;
    let is_name = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number = LAST - digits.parse::<u64>().ok().filter(|_| is_name)?;
    (number > 0).then_some(number)
}

/// How far a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its holder may be starting it, or have started it.
    Claimed,
    /// Surely not started.
    Released,
    /// Started.
    Started,
}

/// An object that a run takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// `s3://bucket/key`.
    pub url: String,
    /// ETag without quotes: other content under the key is another object.
    pub etag: String,
    /// Size.
    pub bytes: u64,
    /// What tells this put of the content from others; empty in claims from before it was written down.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub put: String,
}

impl Entry {
    /// Whether both are the same put, given that both are under the same URL.
    fn is_same_put(&self, other: &Self) -> bool {
        self.etag == other.etag && self.put == other.put
    }
}

/// A time at which a schedule asked for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tick {
    /// Identity of the event.
    pub id: String,
    /// When it was, as the event has it.
    pub time: String,
}

/// What a run is started for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// An object.
    Object(Entry),
    /// A schedule's time has come.
    Tick(Tick),
}

/// A column, as a job needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimColumn {
    /// Name in warehouse and lake.
    pub name: String,
    /// Name in unstamped sources.
    pub source_name: String,
    /// Type as SQL spells it.
    #[serde(rename = "type")]
    pub ty: String,
    /// Whether NULL rejects the record.
    pub required: bool,
    /// 1-based place in the primary key.
    pub key: Option<u32>,
    /// 1-based place among the partition columns.
    pub partition: Option<u32>,
    /// Whether it is computed from others.
    pub derived: bool,
}

/// A claim: also the manifest of a job's run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Format.
    pub version: u32,
    /// Dataset.
    pub dataset: String,
    /// Version of the contract that the columns are from.
    pub contract_version: String,
    /// `s3://bucket` that the run writes to; a crawler knows its own.
    pub target: String,
    /// `s3://bucket` of the claims.
    pub work: String,
    /// Whether rows carry their stamps.
    pub stamps: bool,
    /// Whose writing this is: told from every other.
    pub holder: String,
    /// When it was claimed, in ms since 1970.
    pub claimed_ms: u64,
    /// Until when its holder may start it.
    pub until_ms: u64,
    /// How far it is.
    pub state: State,
    /// The run; none for a crawler, which names no runs.
    pub run_id: Option<String>,
    /// Columns in the contract's order.
    pub columns: Vec<ClaimColumn>,
    /// What reading unstamped rows takes beyond their types: a job that cannot do it refuses them.
    #[serde(default)]
    pub unstamped_needs: Vec<String>,
    /// Objects.
    pub entries: Vec<Entry>,
    /// Schedules' times.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<Tick>,
}

impl Claim {
    /// What the claims of a dataset have in common, without any work: for runs between these buckets.
    pub fn draft(contract: &Contract, target: &str, work: &str) -> Self {
        let place = |places: &[usize], at: usize| {
            let found = places.iter().position(|own| *own == at)?;
            u32::try_from(found + 1).ok()
        };
        let columns = contract.columns.iter().enumerate().map(|(at, column)| ClaimColumn {
            name: column.physical.as_str().to_owned(),
            source_name: column.name.clone(),
            ty: column.ty.to_string(),
            required: column.required,
            key: place(&contract.key, at),
            partition: place(&contract.partitions, at),
            derived: column.derived.is_some(),
        });
        Self {
            version: VERSION,
            dataset: contract.dataset.clone(),
            contract_version: contract.version.clone(),
            target: format!("s3://{target}"),
            work: format!("s3://{work}"),
            stamps: contract.lake.has_stamps,
            holder: String::new(),
            claimed_ms: 0,
            until_ms: 0,
            state: State::Claimed,
            run_id: None,
            columns: columns.collect(),
            unstamped_needs: contract.unstamped_needs(),
            entries: Vec::new(),
            ticks: Vec::new(),
        }
    }

    /// Reads a claim; `None` where it is none of this format.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(bytes).ok().filter(|own| own.version == VERSION)
    }

    /// As it is written.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// How much work is in it.
    pub fn size(&self) -> usize {
        self.entries.len() + self.ticks.len()
    }

    fn add(&mut self, piece: &Piece) {
        match piece {
            Piece::Object(entry) => self.entries.push(entry.clone()),
            Piece::Tick(tick) => self.ticks.push(tick.clone()),
        }
    }
}

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;
