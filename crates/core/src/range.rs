//! Large objects whose lines stand for themselves, cut into ranges that are read apart: which bytes a range owns, and
//! the message that has one read. Makes no request and sends nothing.
//!
//! A range owns the lines that begin in it. Its reader starts a byte early, to see whether a line begins right at its
//! start, and reads on behind its end until its last line is complete. So every line has one owner wherever the cuts
//! fall, and positions are those of the whole object.

use memchr::memchr;
use serde::{Deserialize, Serialize};

use crate::ident::HexId;
use crate::object::ObjectRef;

/// Ranges of one object: each has an account of its own, and all of them are put together in one invocation.
const MAX_RANGES: u64 = 10_000;

/// An object's bytes, cut into ranges of one size; the last one may be shorter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges {
    bytes: u64,
    step: u64,
}

impl Ranges {
    /// Of about so many bytes each, or more where there would be too many.
    pub fn of(bytes: u64, range_bytes: u64) -> Self {
        Self { bytes, step: range_bytes.max(bytes.div_ceil(MAX_RANGES)).max(1) }
    }

    /// All bytes as one range.
    pub fn one(bytes: u64) -> Self {
        Self { bytes, step: bytes.max(1) }
    }

    /// How many there are.
    pub fn count(self) -> u32 {
        // A step of 0 can only stand in a file that was tampered with.
        u32::try_from(self.bytes.div_ceil(self.step.max(1))).unwrap_or(u32::MAX)
    }

    /// First byte of a range, and the byte behind its last one.
    pub fn bounds(self, number: u32) -> (u64, u64) {
        let start = u64::from(number).saturating_mul(self.step);
        (start.min(self.bytes), start.saturating_add(self.step).min(self.bytes))
    }
}

/// Cuts a range's lines out of the bytes that are read for it.
#[derive(Debug, Clone)]
pub struct LineCut {
    end: u64,
    /// Position of the next byte that comes.
    at: u64,
    begin: Option<u64>,
    done: bool,
}

impl LineCut {
    /// The lines that begin from `start` to before `end`.
    pub fn new((start, end): (u64, u64)) -> Self {
        let at = start.saturating_sub(1);
        Self { end, at, begin: (start == 0).then_some(0), done: end <= start }
    }

    /// Position of the next byte that it has to be given.
    pub fn fetch_from(&self) -> u64 {
        self.at
    }

    /// Position of the first line that the range owns, once it is known.
    pub fn begin(&self) -> Option<u64> {
        self.begin
    }

    /// Whether all of the range's lines are complete, or it owns none.
    pub fn is_done(&self) -> bool {
        self.done
    }

    /// Takes the object's next bytes; gives those of them that belong to the range.
    pub fn own<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let first = self.at;
        self.at += bytes.len() as u64;
        if self.done {
            return &[];
        }
        let own = match self.begin {
            Some(_) => bytes,
            None => {
                let Some(found) = memchr(b'\n', bytes) else { return &[] };
                let begin = first + found as u64 + 1;
                if begin >= self.end {
                    self.done = true;
                    return &[];
                }
                self.begin = Some(begin);
                bytes.get(found + 1..).unwrap_or_default()
            }
        };
        let from = self.at - own.len() as u64;
        // The range's last line ends with the first line break that is not before its last byte.
        let before = usize::try_from((self.end - 1).saturating_sub(from)).unwrap_or(usize::MAX);
        let Some(tail) = own.get(before..) else { return own };
        let Some(found) = memchr(b'\n', tail) else { return own };
        self.done = true;
        own.get(..before + found + 1).unwrap_or(own)
    }
}

/// What a function tells itself by its queue: read one range of one content of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeTask {
    /// Tells the message from events.
    penstock_task: Kind,
    bucket: String,
    key: String,
    /// The content: another one is another object.
    etag: String,
    /// Identity of the object.
    pub object_id: HexId,
    /// What the contract said when the object was cut.
    pub fingerprint: HexId,
    /// Size of the object.
    pub bytes: u64,
    /// LastModified of the object in ms since 1970.
    pub modified_ms: u64,
    /// Which range, from 0.
    pub number: u32,
    /// How many there are.
    pub count: u32,
    /// First byte.
    pub start: u64,
    /// Behind the last byte.
    pub end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    #[serde(rename = "read_range")]
    ReadRange,
}

/// The object of tasks.
#[derive(Debug, Clone, Copy)]
pub struct Pinned<'a> {
    /// Bucket and key.
    pub object: &'a ObjectRef,
    /// ETag of the content.
    pub etag: &'a str,
    /// Its identity.
    pub object_id: HexId,
    /// What the contract says.
    pub fingerprint: HexId,
    /// LastModified in ms since 1970.
    pub modified_ms: u64,
}

impl RangeTask {
    /// The task for one range.
    pub fn new(of: Pinned<'_>, ranges: Ranges, number: u32) -> Self {
        let (start, end) = ranges.bounds(number);
        Self {
            penstock_task: Kind::ReadRange,
            bucket: of.object.bucket.clone(),
            key: of.object.key.clone(),
            etag: of.etag.to_owned(),
            object_id: of.object_id,
            fingerprint: of.fingerprint,
            bytes: ranges.bytes,
            modified_ms: of.modified_ms,
            number,
            count: ranges.count(),
            start,
            end,
        }
    }

    /// The object, pinned to the content that was cut.
    pub fn object(&self) -> ObjectRef {
        ObjectRef {
            bucket: self.bucket.clone(),
            key: self.key.clone(),
            size: Some(self.bytes),
            etag: Some(self.etag.clone()),
        }
    }

    /// The message.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a message; `None` if it is no task.
    pub fn parse(text: &str) -> Option<Result<Self, String>> {
        /// What every task says of itself, and no event.
        #[derive(Deserialize)]
        struct Mark {
            #[serde(rename = "penstock_task")]
            _kind: serde_json::Value,
        }
        serde_json::from_str::<Mark>(text).ok()?;
        Some(Self::checked(text))
    }

    fn checked(text: &str) -> Result<Self, String> {
        let task: Self = serde_json::from_str(text).map_err(|error| format!("is no task: {error}"))?;
        let in_order = task.number < task.count && task.start < task.end && task.end <= task.bytes;
        if in_order { Ok(task) } else { Err("is a task for no range".to_owned()) }
    }
}

#[cfg(test)]
#[path = "range_tests.rs"]
mod tests;
