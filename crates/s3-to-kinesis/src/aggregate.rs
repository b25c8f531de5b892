//! Rows packed into aggregated records of the Kinesis Producer Library: a record costs a stream the same up to 25 KB, and
//! a shard takes 1,000 a second. Rows share a record by the hash of their partition keys, so that a key keeps its shard.
//! Knows no request and no stream.

use penstock_core::ident::HexId;
use penstock_core::kpl::{self, Aggregation};

use crate::sink::request::Label;

/// Buckets that hashes fall into, by their first bits. A bucket lies within one shard of a stream of up to as many
/// shards that split the hashes evenly: the 128 MB a second that those take are more than one function sends, and a dozen
/// shards get within a tenth of the same. Each costs the memory of an open record, and a small file a record that is not
/// full.
pub const BUCKETS: u8 = 128;
/// Bytes of an aggregated record, as the library itself has it by default: 100 rows of 500 bytes, and no consumer (the
/// Firehose transform, a Lambda) has to hold much for one record.
const TARGET_BYTES: usize = 50 * 1024;

/// The part of all hashes that a key's hash lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket(u8);

impl Bucket {
    /// Where Kinesis puts the key.
    pub fn of(partition_key: &HexId) -> Self {
        Self((kpl::hash_key(partition_key.as_str()) >> SHIFT) as u8)
    }

    /// The hash that all records of the bucket go under: the middle, as far as can be from shards beside it.
    pub fn hash_key(self) -> u128 {
        u128::from(self.0) << SHIFT | 1 << (SHIFT - 1)
    }
}

/// Bits of a hash behind those that tell the bucket.
const SHIFT: u32 = u128::BITS - BUCKETS.trailing_zeros();

/// Aggregated records that are being filled, one a bucket.
#[derive(Debug)]
pub struct Buckets {
    /// Most bytes of a record without its partition key.
    max_bytes: usize,
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    bucket: Bucket,
    aggregation: Aggregation,
    /// Partition key of its first row, and of the record.
    first: Option<HexId>,
}

/// Bytes that a row takes as the only one of a record: more than a record may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverLimit(pub usize);

/// Bytes of the record that a row is the only one of.
pub fn bytes_alone(key: &HexId, data_len: usize) -> usize {
    let hash_key = Bucket::of(key).hash_key().to_string();
    Aggregation::new(&hash_key).bytes_with(key.as_str(), data_len)
}

impl Buckets {
    /// Empty ones, for records of so many bytes without their partition keys.
    pub fn new(max_bytes: usize) -> Self {
        let open = (0..BUCKETS).map(|number| {
            let bucket = Bucket(number);
            Open { bucket, aggregation: Aggregation::new(&bucket.hash_key().to_string()), first: None }
        });
        Self { max_bytes, open: open.collect() }
    }

    /// Adds a row; `closed` gets the records that are full, so that no bucket holds more than the target.
    pub fn push(
        &mut self,
        key: &HexId,
        data: &[u8],
        mut closed: impl FnMut(Label, &mut Aggregation),
    ) -> Result<(), OverLimit> {
        let Some(open) = self.open.get_mut(usize::from(Bucket::of(key).0)) else { return Ok(()) };
        let target = self.max_bytes.min(TARGET_BYTES);
        if open.aggregation.bytes_with(key.as_str(), data.len()) > target {
            open.close(&mut closed);
            let alone = open.aggregation.bytes_with(key.as_str(), data.len());
            if alone > self.max_bytes {
                return Err(OverLimit(alone));
            }
        }
        open.first.get_or_insert(*key);
        open.aggregation.push(key.as_str(), data);
        if open.aggregation.bytes() > target {
            open.close(closed);
        }
        Ok(())
    }

    /// Closes every record that has rows.
    pub fn close(&mut self, mut closed: impl FnMut(Label, &mut Aggregation)) {
        self.open.iter_mut().for_each(|open| open.close(&mut closed));
    }
}

impl Open {
    fn close(&mut self, closed: impl FnOnce(Label, &mut Aggregation)) {
        if let Some(key) = self.first.take() {
            let rows = self.aggregation.len() as u32;
            closed(Label { key, bucket: Some(self.bucket), rows }, &mut self.aggregation);
        }
    }
}

#[cfg(test)]
mod tests {
    use penstock_core::ident;
    use penstock_core::kpl::UserRecord;

    use super::*;

    fn keys(count: usize) -> Vec<HexId> {
        (0..count).map(|n| ident::stable_id([n.to_string().as_str()])).collect()
    }

    /// The records that rows of so many bytes become, with their labels.
    fn packed(keys: &[HexId], bytes: usize, max_bytes: usize) -> Vec<(Label, Vec<u8>)> {
        let mut packed = Vec::new();
        let mut take = |label: Label, aggregation: &mut Aggregation| {
            let mut record = Vec::new();
            aggregation.finish(&mut record);
            packed.push((label, record));
        };
        let mut buckets = Buckets::new(max_bytes);
        for key in keys {
            let data = key.as_str().repeat(bytes.div_ceil(32));
            buckets.push(key, &data.as_bytes()[..bytes], &mut take).unwrap();
        }
        buckets.close(&mut take);
        packed
    }

    fn rows(record: &[u8]) -> Vec<UserRecord<'_>> {
        kpl::decode(kpl::message(record).unwrap()).unwrap()
    }

    #[test]
    fn the_hash_of_a_bucket_lies_in_it_and_buckets_cover_all_hashes_in_order() {
        for number in 0..BUCKETS {
            let hash = Bucket(number).hash_key();
            assert_eq!((hash >> SHIFT) as u8, number);
            assert!(number == 0 || Bucket(number - 1).hash_key() < hash);
        }
        assert_eq!((u128::MAX >> SHIFT) as u8, BUCKETS - 1);
    }

    #[test]
    fn every_row_carries_the_explicit_hash_of_its_record_which_lies_in_the_bucket_of_its_key() {
        let keys = keys(20_000);
        let packed = packed(&keys, 300, 1 << 20);
        let mut seen = Vec::new();
        for (label, record) in &packed {
            let bucket = label.bucket.unwrap();
            let rows = rows(record);
            assert_eq!(rows.len() as u32, label.rows);
            assert_eq!(rows[0].partition_key, label.key.as_str());
            for row in rows {
                assert_eq!(row.explicit_hash_key, Some(bucket.hash_key().to_string().as_str()));
                let (first, last) = (u128::from(bucket.0) << SHIFT, (u128::from(bucket.0) + 1) << SHIFT);
                let hash = kpl::hash_key(row.partition_key);
                assert!(first <= hash && (bucket.0 == BUCKETS - 1 || hash < last));
                seen.push(HexId::parse(row.partition_key).unwrap());
            }
        }
        assert!(packed.len() * 20 <= keys.len(), "{} records", packed.len());
        let mut expected = keys;
        expected.sort();
        seen.sort();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_record_is_as_long_as_the_target_allows() {
        let keys = vec![ident::stable_id(["one"]); 1_000];
        let packed = packed(&keys, 500, 1 << 20);
        let (last, full) = packed.split_last().unwrap();
        for (_, record) in full {
            assert!((TARGET_BYTES - 600..=TARGET_BYTES).contains(&record.len()), "{}", record.len());
        }
        assert!(last.1.len() <= TARGET_BYTES);
    }

    #[test]
    fn a_row_over_the_target_has_a_record_of_its_own_and_one_over_the_limit_has_none() {
        let keys = keys(3);
        let packed = packed(&keys, 100_000, 101_000);
        assert!(packed.iter().all(|(label, record)| label.rows == 1 && record.len() <= 101_000));
        let mut buckets = Buckets::new(101_000);
        let mut closed = 0;
        let mut count = |_: Label, full: &mut Aggregation| {
            closed += 1;
            full.finish(&mut Vec::new());
        };
        buckets.push(&keys[0], &[b'x'; 100_000], &mut count).unwrap();
        assert_eq!(closed, 1, "it takes no memory until the end");
        let refused = buckets.push(&keys[0], &[b'x'; 101_000], |_, _| panic!("nothing to close"));
        assert_eq!(refused, Err(OverLimit(bytes_alone(&keys[0], 101_000))));
        assert!(bytes_alone(&keys[0], 101_000) > 101_000);
        buckets.close(|_, _| panic!("the row left no trace"));
    }

    #[test]
    fn a_limit_below_the_target_counts() {
        let packed = packed(&vec![ident::stable_id(["one"]); 50], 500, 2_000);
        assert!(
            packed.iter().all(|(label, record)| label.rows == 3 && record.len() <= 2_000 || label.rows < 3)
        );
    }
}
