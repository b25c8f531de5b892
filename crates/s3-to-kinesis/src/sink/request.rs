//! Records into requests of PutRecords, by count and bytes. Knows no contract and sends nothing.

use std::collections::VecDeque;

use aws_sdk_kinesis::error::BuildError;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::PutRecordsRequestEntry;
use bytes::Bytes;
use penstock_core::ident::{HEX_LEN, HexId};

use crate::aggregate::Bucket;

/// PutRecords: at most 500 records, and 5 MiB over their data and partition keys.
pub const MAX_RECORDS: usize = 500;
pub const MAX_REQUEST_BYTES: usize = 5 << 20;
/// Bytes at which a request goes, but for one record that has more: they lie in memory as data, as base64 and as body, for
/// each request in flight, and a shard takes 1 MiB a second anyway.
const TARGET_BYTES: usize = 1 << 20;
/// Digits of the highest hash key. Not counted by Kinesis as far as it says; the requests stay on the safe side.
const MAX_HASH_KEY_BYTES: usize = 39;

/// What a record is known by.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its partition key.
    pub key: HexId,
    /// Bucket whose hash decides about the shard instead of the partition key's.
    pub bucket: Option<Bucket>,
    /// Rows in it.
    pub rows: u32,
}

impl Label {
    /// What the record takes of a request.
    fn weight(&self, data_len: usize) -> usize {
        data_len + HEX_LEN + self.bucket.map_or(0, |_| MAX_HASH_KEY_BYTES)
    }
}

/// A record in the memory of its request, which is far below 4 GiB.
#[derive(Debug, Clone, Copy)]
pub struct Record {
    pub label: Label,
    start: u32,
    end: u32,
}

/// A request that is being filled.
#[derive(Debug, Default)]
pub struct Draft {
    data: Vec<u8>,
    records: Vec<Record>,
    weight: usize,
}

impl Draft {
    /// Whether a record may be added. The first one always may: its own limit is below a request's.
    pub fn has_room(&self, label: &Label, len: usize) -> bool {
        self.records.is_empty()
            || self.records.len() < MAX_RECORDS && self.weight + label.weight(len) <= TARGET_BYTES
    }

    /// Adds the record whose data is written.
    pub fn add(&mut self, label: Label, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.data.len();
        write(&mut self.data);
        let end = self.data.len();
        self.weight += label.weight(end - start);
        self.records.push(Record { label, start: start as u32, end: end as u32 });
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Bytes of all records.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// The request. `refusals` says how often its records were refused.
    pub fn close(self, refusals: u32) -> Request {
        Request { data: self.data.into(), records: self.records, refusals }
    }
}

/// Records that go in one call.
#[derive(Debug)]
pub struct Request {
    data: Bytes,
    pub records: Vec<Record>,
    /// How often its records were refused.
    pub refusals: u32,
}

impl Request {
    /// Data of one of its records.
    pub fn data(&self, record: &Record) -> &[u8] {
        self.data.get(record.start as usize..record.end as usize).unwrap_or_default()
    }

    /// The records as the SDK takes them, without a copy of their data.
    pub fn entries(&self) -> Result<Vec<PutRecordsRequestEntry>, BuildError> {
        let entry = |record: &Record| {
            let data = self.data.slice(record.start as usize..record.end as usize);
            let Label { key, bucket, .. } = record.label;
            PutRecordsRequestEntry::builder()
                .data(Blob::from_maybe_shared(data))
                .partition_key(key.as_str())
                .set_explicit_hash_key(bucket.map(|own| own.hash_key().to_string()))
                .build()
        };
        self.records.iter().map(entry).collect()
    }
}

/// Records on their way into requests, and the requests that are full.
#[derive(Debug, Default)]
pub struct Outbox {
    draft: Draft,
    full: VecDeque<Request>,
}

impl Outbox {
    /// Adds a record of so many bytes.
    pub fn add(&mut self, label: Label, len: usize, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.draft.has_room(&label, len) {
            self.close();
        }
        self.draft.add(label, write);
    }

    /// Makes the last request go although it is not full.
    pub fn close(&mut self) {
        if self.draft.records.is_empty() {
            return;
        }
        // Requests of one object are much alike.
        let next = Draft {
            data: Vec::with_capacity(self.draft.data.len()),
            records: Vec::with_capacity(self.draft.records.len()),
            weight: 0,
        };
        self.full.push_back(std::mem::replace(&mut self.draft, next).close(0));
    }

    /// The next full request.
    pub fn next(&mut self) -> Option<Request> {
        self.full.pop_front()
    }

    /// Whether no request is full.
    pub fn is_drained(&self) -> bool {
        self.full.is_empty()
    }
}
