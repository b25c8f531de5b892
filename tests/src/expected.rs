//! Identities, orders and hashes as `tests/vectors` states them, in plain code: what tests hold Penstock's own to. Knows
//! nothing of Penstock's crates.

use anyhow::Context as _;
use aws_sdk_s3::types::{ChecksumMode, ChecksumType};
use sha2::{Digest as _, Sha256};

use crate::Bucket;

/// The first 32 hex digits of SHA-256 over texts, each with its length before it.
#[must_use]
pub fn identity(texts: &[&str]) -> String {
    hex(Sha256::digest(netstr(texts).as_bytes()).iter().copied())
}

fn netstr(texts: &[&str]) -> String {
    texts.iter().map(|text| format!("{}:{text}", text.len())).collect()
}

/// `_order` of the record at `position`.
#[must_use]
pub fn order(modified_ms: u64, object_id: &str, position: u64) -> String {
    format!("{modified_ms:013}/{object_id}/{position:020}")
}

/// `_row_hash` of a row without derived columns: canonical texts by the warehouse's names. `deleted_when` is the contract's
/// expression, if it has one.
#[must_use]
pub fn row_hash(columns: &[(&str, Option<String>)], deleted_when: Option<&str>) -> String {
    let mut known: Vec<_> =
        columns.iter().filter_map(|(name, text)| Some((*name, text.as_deref()?))).collect();
    known.sort_unstable();
    let mut bytes = Vec::new();
    if let Some(expression) = deleted_when {
        let derived = netstr(&["_deleted", "boolean", expression]);
        bytes.extend(blake3::hash(derived.as_bytes()).as_bytes().iter().take(8));
    }
    leb128(known.len(), &mut bytes);
    for (name, text) in &known {
        bytes.extend(blake3::hash(name.as_bytes()).as_bytes().iter().take(3));
        leb128(text.len(), &mut bytes);
    }
    known.iter().for_each(|(_, text)| bytes.extend_from_slice(text.as_bytes()));
    // Whole blocks of BLAKE3.
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    hex(blake3::hash(&bytes).as_bytes().iter().copied())
}

/// Identity and time of an object, from what S3 tells of it.
pub async fn told(bucket: &Bucket, key: &str) -> anyhow::Result<(String, u64)> {
    let head = bucket.client.head_object().bucket(&bucket.name).key(key);
    let head = head.checksum_mode(ChecksumMode::Enabled).send().await?;
    let modified_ms = head.last_modified().context("no time")?.to_millis()?.try_into()?;
    let is_whole = head.checksum_type() == Some(&ChecksumType::FullObject);
    let checksums = [
        ("CRC64NVME", head.checksum_crc64_nvme()),
        ("SHA256", head.checksum_sha256()),
        ("SHA1", head.checksum_sha1()),
        ("CRC32C", head.checksum_crc32_c()),
        ("CRC32", head.checksum_crc32()),
    ];
    let checksum = checksums.into_iter().find_map(|(name, value)| Some((name, value?))).filter(|_| is_whole);
    let (etag, size) = (head.e_tag().unwrap_or_default(), head.content_length().context("no size")?);
    let id = match checksum {
        Some((name, value)) => identity(&[&bucket.name, key, name, value]),
        None => identity_by_etag(bucket, key, etag, size),
    };
    Ok((id, modified_ms))
}

/// Identity of an object of which only the event is asked.
#[must_use]
pub fn identity_by_etag(bucket: &Bucket, key: &str, etag: &str, size: i64) -> String {
    identity(&[&bucket.name, key, "ETAG", etag.trim_matches('"'), &size.to_string()])
}

fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes.take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn leb128(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::workspace_root;

    /// The vectors are computed by Python from the rules.
    #[test]
    fn what_is_expected_is_what_the_vectors_say() {
        let path = workspace_root().join("tests/vectors/identity.json");
        let vectors: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let of = |name: &str| vectors[name].as_array().unwrap().clone();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        for own in of("keys") {
            let texts: Vec<_> = own["canonical"].as_array().unwrap().iter().map(text).collect();
            let texts: Vec<_> = texts.iter().map(String::as_str).collect();
            assert_eq!(identity(&texts), text(&own["record_id"]), "{own}");
        }
        for own in of("orders") {
            let (ms, position) = (own["source_ms"].as_u64().unwrap(), own["position"].as_u64().unwrap());
            assert_eq!(order(ms, &text(&own["object_id"]), position), text(&own["order"]), "{own}");
        }
        let plain = of("row_hashes").into_iter().filter(|own| own["derived"].is_null());
        let mut compared = 0;
        for own in plain {
            let columns = own["columns"].as_object().unwrap();
            let columns: Vec<_> = columns
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str().map(str::to_owned)))
                .collect();
            assert_eq!(row_hash(&columns, None), text(&own["row_hash"]), "{own}");
            compared += 1;
        }
        assert!(compared > 5, "{compared}");
    }
}
