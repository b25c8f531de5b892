//! An aggregated record that grows by one user record after another, all under one explicit hash key. Its memory is
//! used again for the next one.

use md5::{Digest, Md5};

use super::wire::{bytes_len, number_len, put_bytes, put_head, put_number};
use super::{DATA, DIGEST_BYTES, HASH_KEY_INDEX, HASH_KEYS, KEY_INDEX, KEYS, MAGIC, RECORDS};

/// User records on their way into one stream record.
#[derive(Debug)]
pub struct Aggregation {
    /// The table of explicit hash keys, which has one entry.
    hash_keys: Vec<u8>,
    /// The table of partition keys. A key stands in it once for all user records that follow each other.
    keys: Vec<u8>,
    key_count: u64,
    last_key_len: usize,
    records: Vec<u8>,
    count: usize,
}

impl Aggregation {
    /// An empty one; the stream record has to go under the same explicit hash key, or consumers drop what is in it.
    pub fn new(explicit_hash_key: &str) -> Self {
        let mut hash_keys = Vec::new();
        put_bytes(HASH_KEYS, explicit_hash_key.as_bytes(), &mut hash_keys);
        let (keys, records) = (Vec::new(), Vec::new());
        Self { hash_keys, keys, key_count: 0, last_key_len: 0, records, count: 0 }
    }

    /// How many user records are in it.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many bytes the stream record has.
    pub fn bytes(&self) -> usize {
        MAGIC.len() + self.keys.len() + self.hash_keys.len() + self.records.len() + DIGEST_BYTES
    }

    /// How many bytes the stream record has with one more user record.
    pub fn bytes_with(&self, partition_key: &str, data_len: usize) -> usize {
        let (index, key_len) = match self.is_last(partition_key) {
            true => (self.key_count.saturating_sub(1), 0),
            false => (self.key_count, bytes_len(KEYS, partition_key.len())),
        };
        self.bytes() + key_len + bytes_len(RECORDS, body_len(index, data_len))
    }

    /// Adds a user record.
    pub fn push(&mut self, partition_key: &str, data: &[u8]) {
        if !self.is_last(partition_key) {
            put_bytes(KEYS, partition_key.as_bytes(), &mut self.keys);
            self.key_count += 1;
            self.last_key_len = partition_key.len();
        }
        let index = self.key_count.saturating_sub(1);
        put_head(RECORDS, body_len(index, data.len()), &mut self.records);
        put_number(KEY_INDEX, index, &mut self.records);
        put_number(HASH_KEY_INDEX, 0, &mut self.records);
        put_bytes(DATA, data, &mut self.records);
        self.count += 1;
    }

    /// Appends the stream record and is empty then.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        let mut digest = Md5::new();
        for part in [&self.keys, &self.hash_keys, &self.records] {
            digest.update(part);
            out.extend_from_slice(part);
        }
        out.extend_from_slice(&digest.finalize());
        self.keys.clear();
        self.records.clear();
        (self.key_count, self.last_key_len, self.count) = (0, 0, 0);
    }

    /// Whether the table's last key is this one.
    fn is_last(&self, key: &str) -> bool {
        self.key_count > 0 && self.last_key_len == key.len() && self.keys.ends_with(key.as_bytes())
    }
}

/// Length of a user record's own message.
fn body_len(key_index: u64, data_len: usize) -> usize {
    number_len(KEY_INDEX, key_index) + number_len(HASH_KEY_INDEX, 0) + bytes_len(DATA, data_len)
}
