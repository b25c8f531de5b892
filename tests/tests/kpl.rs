//! Aggregated records against an independent implementation, PyPI's aws_kinesis_agg: each reads what the other writes, and
//! both take a damaged record for a plain one.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use penstock_core::kpl::{Aggregation, UserRecord, decode, encode, message};
use penstock_tests::{tool, workspace_root};
use serde_json::{Value, json};

/// A user record: partition key, explicit hash key, data.
type Own = (String, Option<String>, Vec<u8>);

/// What the other implementation makes of records and of user records.
fn theirs(records: &[Vec<u8>], user_records: &[Own]) -> (Vec<Option<Vec<Own>>>, Vec<Vec<u8>>) {
    let script = workspace_root().join("tests/python/kpl_records.py");
    let mut python = Command::new(tool("python").unwrap())
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let user_records = user_records.iter().map(|(key, hash, data)| json!([key, hash, STANDARD.encode(data)]));
    let request = json!({
        "records": records.iter().map(|own| STANDARD.encode(own)).collect::<Vec<_>>(),
        "user_records": user_records.collect::<Vec<_>>(),
    });
    python.stdin.take().unwrap().write_all(request.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let deaggregated = answer["deaggregated"].as_array().unwrap().iter();
    let deaggregated = deaggregated.map(|own| own.as_array().map(|all| all.iter().map(read).collect()));
    let aggregated = answer["aggregated"].as_array().unwrap().iter().map(bytes);
    (deaggregated.collect(), aggregated.collect())
}

fn read(own: &Value) -> Own {
    (own[0].as_str().unwrap().to_owned(), own[1].as_str().map(str::to_owned), bytes(&own[2]))
}

fn bytes(base64: &Value) -> Vec<u8> {
    STANDARD.decode(base64.as_str().unwrap()).unwrap()
}

fn ours(record: &[u8]) -> Option<Vec<Own>> {
    let owned = |own: UserRecord<'_>| {
        (own.partition_key.to_owned(), own.explicit_hash_key.map(str::to_owned), own.data.to_vec())
    };
    message(record).map(|message| decode(message).unwrap().into_iter().map(owned).collect())
}

fn borrowed((partition_key, hash, data): &Own) -> UserRecord<'_> {
    UserRecord { partition_key, explicit_hash_key: hash.as_deref(), data }
}

const HASH: &str = "170141183460469231731687303715884105728";

/// Rows of every length that another number of bytes counts, under keys that come again, also in other letters.
fn samples(hash: Option<&str>) -> Vec<Own> {
    let lengths = (0..300).map(|n| n * n % 40_000).chain([0, 1, 127, 128, 16_383, 16_384]);
    let keys = ["a", "b", "schlüssel-ж", "0123456789abcdef0123456789abcdef"];
    let sample = |(n, len): (usize, usize)| {
        let key = if n % 3 == 0 { format!("key-{n}") } else { keys[n / 2 % 4].to_owned() };
        let data = (0..len).map(|at| (at * 31 + n) as u8).collect();
        (key, hash.map(str::to_owned), data)
    };
    lengths.enumerate().map(sample).collect()
}

fn aggregation(records: &[Own]) -> Vec<u8> {
    let mut aggregation = Aggregation::new(HASH);
    records.iter().for_each(|(key, _, data)| aggregation.push(key, data));
    let mut out = Vec::new();
    aggregation.finish(&mut out);
    out
}

#[test]
fn what_penstock_aggregates_the_other_reads() {
    let with_hash = samples(Some(HASH));
    let without = samples(None);
    let many: Vec<Own> = (0..2_000).map(|n| (format!("k{n}"), Some(HASH.into()), vec![b'x'; 20])).collect();
    let records = [
        aggregation(&with_hash),
        aggregation(&with_hash[..1]),
        aggregation(&many),
        encode(with_hash.iter().map(borrowed)),
        encode(without.iter().map(borrowed)),
    ];
    let (read, _) = theirs(&records, &[]);
    assert_eq!(read[0].as_ref(), Some(&with_hash));
    assert_eq!(read[1].as_deref(), Some(&with_hash[..1]));
    assert_eq!(read[2].as_ref(), Some(&many));
    assert_eq!(read[3].as_ref(), Some(&with_hash));
    assert_eq!(read[4].as_ref(), Some(&without));
}

#[test]
fn what_the_other_aggregates_penstock_reads() {
    for hash in [Some(HASH), None] {
        let samples = samples(hash);
        let (_, records) = theirs(&[], &samples);
        assert!(records.len() > 1, "the samples fill more than one record");
        let read: Vec<Own> = records.iter().flat_map(|own| ours(own).unwrap()).collect();
        assert_eq!(read, samples);
    }
}

#[test]
fn a_record_whose_digest_is_wrong_is_a_plain_one_to_both() {
    let whole = aggregation(&samples(Some(HASH))[..5]);
    let (_, mut of_theirs) = theirs(&[], &samples(None)[..5]);
    for whole in [whole, of_theirs.remove(0)] {
        let mut damaged = Vec::new();
        // In the digest, in the message, in the magic number; cut; and with something behind it.
        for at in [whole.len() - 1, whole.len() - 16, whole.len() / 2, 4, 0, 3] {
            let mut own = whole.clone();
            own[at] ^= 1;
            damaged.push(own);
        }
        damaged.push(whole[..whole.len() - 1].to_vec());
        damaged.push(whole[..20].to_vec());
        damaged.push([whole.as_slice(), b"\n"].concat());
        let (read, _) = theirs(&damaged, &[]);
        assert_eq!(read, vec![None; damaged.len()]);
        assert!(damaged.iter().all(|own| ours(own).is_none()));
        assert_eq!(theirs(std::slice::from_ref(&whole), &[]).0[0], ours(&whole));
    }
}
