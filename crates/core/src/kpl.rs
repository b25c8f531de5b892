//! Records of the Kinesis Producer Library: many user records in one stream record, as `F3 89 9A C2`, a protobuf
//! message and its MD5. Reads and writes that form; knows no rows, no contract and no stream.

mod aggregation;
mod wire;

use std::collections::HashMap;

use md5::{Digest, Md5};

pub use aggregation::Aggregation;
use wire::{Field, Fields, put_bytes, put_number};

const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
const DIGEST_BYTES: usize = 16;
/// Most user records taken from one record: a hostile one of 1 MiB could name half a million empty ones.
pub const MAX_USER_RECORDS: usize = 65_536;

/// Where Kinesis puts records of a partition key: its MD5 as a number, which lies in the range of one shard. An
/// explicit hash key is such a number too, in decimal.
pub fn hash_key(partition_key: &str) -> u128 {
    u128::from_be_bytes(Md5::digest(partition_key).into())
}

/// Field numbers of the outer message and of a record.
const KEYS: u64 = 1;
const HASH_KEYS: u64 = 2;
const RECORDS: u64 = 3;
const KEY_INDEX: u64 = 1;
const HASH_KEY_INDEX: u64 = 2;
const DATA: u64 = 3;

/// One user record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// Partition key that the producer gave it.
    pub partition_key: &'a str,
    /// Explicit hash key, where the producer gave one.
    pub explicit_hash_key: Option<&'a str>,
    /// Its bytes.
    pub data: &'a [u8],
}

/// Why the message of an aggregated record cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KplError {
    /// No protobuf, or one whose known fields have another type.
    #[error("the aggregated record is no message of the Kinesis Producer Library")]
    Malformed,
    /// A user record lacks its data, or names a key that is not in the table.
    #[error("a user record of the aggregated record is not whole")]
    Incomplete,
    /// Over the cap.
    #[error("the aggregated record holds more than {MAX_USER_RECORDS} user records")]
    TooMany,
}

/// The message of an aggregated record. `None` for anything else: a record that only begins like one, or whose
/// digest is another, is not aggregated.
pub fn message(record: &[u8]) -> Option<&[u8]> {
    let (message, digest) = record.strip_prefix(&MAGIC)?.split_last_chunk::<DIGEST_BYTES>()?;
    (Md5::digest(message).as_slice() == digest).then_some(message)
}

/// The user records of a message, in their order. Tags and unknown fields are left out.
pub fn decode(message: &[u8]) -> Result<Vec<UserRecord<'_>>, KplError> {
    let (mut keys, mut hash_keys, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for field in Fields::new(message) {
        match field.ok_or(KplError::Malformed)? {
            (KEYS, Field::Bytes(key)) => keys.push(text(key)?),
            (HASH_KEYS, Field::Bytes(key)) => hash_keys.push(text(key)?),
            (RECORDS, Field::Bytes(_)) if records.len() == MAX_USER_RECORDS => {
                return Err(KplError::TooMany);
            }
            (RECORDS, Field::Bytes(record)) => records.push(Indexed::read(record)?),
            (KEYS | HASH_KEYS | RECORDS, _) => return Err(KplError::Malformed),
            _ => {}
        }
    }
    // The tables may stand behind the records that name their entries.
    records.into_iter().map(|record| record.resolve(&keys, &hash_keys)).collect()
}

/// An aggregated record of user records; a key stands in its table once.
pub fn encode<'a>(records: impl IntoIterator<Item = UserRecord<'a>>) -> Vec<u8> {
    let (mut keys, mut hash_keys, mut bodies) = (Table::default(), Table::default(), Vec::new());
    let mut body = Vec::new();
    for record in records {
        body.clear();
        put_number(KEY_INDEX, keys.index(record.partition_key), &mut body);
        if let Some(key) = record.explicit_hash_key {
            put_number(HASH_KEY_INDEX, hash_keys.index(key), &mut body);
        }
        put_bytes(DATA, record.data, &mut body);
        put_bytes(RECORDS, &body, &mut bodies);
    }
    let mut message = Vec::with_capacity(bodies.len());
    keys.texts.iter().for_each(|key| put_bytes(KEYS, key.as_bytes(), &mut message));
    hash_keys.texts.iter().for_each(|key| put_bytes(HASH_KEYS, key.as_bytes(), &mut message));
    message.append(&mut bodies);
    let digest = Md5::digest(&message);
    [MAGIC.as_slice(), &message, digest.as_slice()].concat()
}

fn text(bytes: &[u8]) -> Result<&str, KplError> {
    std::str::from_utf8(bytes).map_err(|_| KplError::Malformed)
}

/// A user record that names its keys by their place in the tables.
#[derive(Default)]
struct Indexed<'a> {
    key: Option<u64>,
    hash_key: Option<u64>,
    data: Option<&'a [u8]>,
}

impl<'a> Indexed<'a> {
    fn read(record: &'a [u8]) -> Result<Self, KplError> {
        let mut own = Self::default();
        for field in Fields::new(record) {
            match field.ok_or(KplError::Malformed)? {
                (KEY_INDEX, Field::Number(index)) => own.key = Some(index),
                (HASH_KEY_INDEX, Field::Number(index)) => own.hash_key = Some(index),
                (DATA, Field::Bytes(data)) => own.data = Some(data),
                (KEY_INDEX | HASH_KEY_INDEX | DATA, _) => return Err(KplError::Malformed),
                _ => {}
            }
        }
        Ok(own)
    }

    fn resolve(self, keys: &[&'a str], hash_keys: &[&'a str]) -> Result<UserRecord<'a>, KplError> {
        let entry = |table: &[&'a str], index: u64| {
            let index = usize::try_from(index).map_err(|_| KplError::Incomplete)?;
            table.get(index).copied().ok_or(KplError::Incomplete)
        };
        Ok(UserRecord {
            partition_key: entry(keys, self.key.ok_or(KplError::Incomplete)?)?,
            explicit_hash_key: self.hash_key.map(|index| entry(hash_keys, index)).transpose()?,
            data: self.data.ok_or(KplError::Incomplete)?,
        })
    }
}

/// Texts in the order of their first use.
#[derive(Default)]
struct Table<'a> {
    texts: Vec<&'a str>,
    places: HashMap<&'a str, u64>,
}

impl<'a> Table<'a> {
    fn index(&mut self, text: &'a str) -> u64 {
        *self.places.entry(text).or_insert_with(|| {
            self.texts.push(text);
            self.texts.len() as u64 - 1
        })
    }
}

#[cfg(test)]
mod tests;
