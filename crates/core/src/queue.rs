//! Rows into queue messages and back. A message packs consecutive rows of one ordered group from one object,
//! because a FIFO event source hands over at most ten messages and a Redshift transaction costs about a second.
//! How rows are packed depends on the rows alone, never on how the bytes arrived, so a redelivery packs the same.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::contract::{Contract, QueueServer};
use crate::ident::{self, HexId};
use crate::reject::{Rule, Violation};
use crate::row::{HandOver, MAX_SOURCE_BYTES, Origin, Row, push_text};

/// Most bytes of a message body: 64 KB, so that ten fit one request and one load.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// Version of the message format; another one is not ours.
const FORMAT: u32 = 1;

/// A message, ready to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// MessageGroupId: dataset and group, because one queue carries every dataset.
    pub group_id: String,
    /// MessageDeduplicationId.
    pub deduplication_id: HexId,
    /// Body.
    pub body: String,
    /// Rows in it.
    pub rows: u64,
}

/// Packs the rows of one object.
#[derive(Debug)]
pub struct Packer<'a> {
    contract: &'a Contract,
    queue: &'a QueueServer,
    origin: &'a Origin,
    hand_over: HandOver,
    head: String,
    groups: BTreeMap<u32, Pending>,
    duplicates: u64,
}

/// Rows of one group that wait for their message to be full, in the order they came.
#[derive(Debug, Default)]
struct Pending {
    /// Position and JSON of each row, by number. One that an equal, later row made needless is taken out, so that
    /// equal rows without end take no memory.
    rows: BTreeMap<u64, (u64, String)>,
    next: u64,
    bytes: usize,
    by_identity: HashMap<(HexId, HexId), u64>,
}

const TAIL: &str = "]}";

impl<'a> Packer<'a> {
    /// A packer for one object of a dataset that has a queue.
    pub fn new(contract: &'a Contract, queue: &'a QueueServer, origin: &'a Origin) -> Self {
        let mut head = format!("{{\"penstock\":{FORMAT},\"dataset\":");
        push_text(&contract.dataset, &mut head);
        head.push_str(",\"contract_version\":");
        push_text(&contract.version, &mut head);
        head.push_str(",\"source\":");
        push_text(&origin.source, &mut head);
        head.push_str(",\"rows\":[");
        let hand_over = HandOver::new(contract);
        Self { contract, queue, origin, hand_over, head, groups: BTreeMap::new(), duplicates: 0 }
    }

    /// Adds a row; gives the message that had to go first, or refuses a row that no message can hold.
    pub fn push(&mut self, row: Row<'_>) -> Result<Option<Message>, Violation> {
        let mut json = String::with_capacity(640);
        self.hand_over.write(row, &mut json);
        let alone = self.head.len() + json.len() + TAIL.len();
        if alone > MAX_MESSAGE_BYTES {
            let reason =
                format!("takes {alone} bytes as a message, at most {MAX_MESSAGE_BYTES} are possible");
            return Err(Violation::record(Rule::RowTooLarge, reason));
        }
        let group = row.group(self.contract, self.queue.groups);
        let identity = (row.stamp().record_id, row.stamp().row_hash);
        let pending = self.groups.entry(group).or_default();
        // Of two equal rows the later one counts: the earlier can never be the winner.
        self.duplicates += pending.forget(&identity);
        let full = pending.rows.len() >= self.queue.rows_per_message as usize
            || (!pending.rows.is_empty()
                && self.head.len() + pending.bytes + json.len() + 1 + TAIL.len() > MAX_MESSAGE_BYTES);
        let flushed = full.then(|| std::mem::take(pending));
        pending.add(identity, row.position(), json);
        Ok(flushed.and_then(|rows| self.message(group, rows)))
    }

    /// The messages that are not full, group by group.
    pub fn finish(&mut self) -> Vec<Message> {
        let groups = std::mem::take(&mut self.groups);
        groups.into_iter().filter_map(|(group, rows)| self.message(group, rows)).collect()
    }

    /// Writes a row as it stands in a message.
    pub fn hand_over(&self) -> &HandOver {
        &self.hand_over
    }

    /// Rows left out because an equal, later row of the same object went with them.
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    fn message(&self, group: u32, pending: Pending) -> Option<Message> {
        let (first, _) = pending.rows.values().next()?;
        let (object_id, source_ms) = (&self.origin.object_id, self.origin.source_ms);
        let message_id = ident::message_id(object_id, source_ms, *first, pending.rows.len());
        let mut body = String::with_capacity(self.head.len() + pending.bytes + TAIL.len());
        body.push_str(&self.head);
        for (i, (_, json)) in pending.rows.values().enumerate() {
            if i > 0 {
                body.push(',');
            }
            body.push_str(json);
        }
        body.push_str(TAIL);
        Some(Message {
            group_id: format!("{}-{group}", self.contract.dataset),
            deduplication_id: ident::deduplication_id(&message_id, &body),
            rows: pending.rows.len() as u64,
            body,
        })
    }
}

impl Pending {
    fn add(&mut self, identity: (HexId, HexId), position: u64, json: String) {
        self.bytes += json.len() + 1;
        self.by_identity.insert(identity, self.next);
        self.rows.insert(self.next, (position, json));
        self.next += 1;
    }

    fn forget(&mut self, identity: &(HexId, HexId)) -> u64 {
        let number = self.by_identity.remove(identity);
        let Some((_, json)) = number.and_then(|number| self.rows.remove(&number)) else { return 0 };
        self.bytes -= json.len() + 1;
        1
    }
}

/// A message as it comes from the queue; rows are not checked yet.
#[derive(Debug, Deserialize)]
pub struct Envelope<'a> {
    penstock: u32,
    /// Dataset of all rows.
    pub dataset: String,
    /// Version of the contract that stamped them.
    pub contract_version: String,
    /// `s3://bucket/key` of the object they came from.
    pub source: String,
    /// Stamped rows, as JSON.
    #[serde(borrow)]
    pub rows: Vec<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// Reads a message body; what is not ours is told with the reason.
    pub fn parse(body: &'a str) -> Result<Self, Violation> {
        let unknown = |reason: String| Violation::record(Rule::UnknownMessage, reason);
        let envelope: Self = serde_json::from_str(body)
            .map_err(|error| unknown(format!("is no message of Penstock: {error}")))?;
        if envelope.penstock != FORMAT {
            return Err(unknown(format!(
                "has message format {}, this version reads {FORMAT}",
                envelope.penstock
            )));
        }
        if envelope.source.len() > MAX_SOURCE_BYTES || envelope.source.contains('\0') {
            return Err(unknown(format!("has a source that is no text of at most {MAX_SOURCE_BYTES} bytes")));
        }
        Ok(envelope)
    }
}

#[cfg(test)]
mod tests;
