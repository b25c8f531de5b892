//! Identity and order of objects, records and messages: stable hashes, so that a redelivery in any form is told.
//! Every hash is over length-prefixed texts (`3:abc`), so that SQL and Spark can compute it and no two differing
//! lists of texts meet. Vectors computed by an independent program: `tests/vectors/`.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Length of a hash in hex characters: 128 bits.
pub const HEX_LEN: usize = 32;

/// 128 bits in lower-case hex. Holding one proves the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HexId([u8; HEX_LEN]);

impl HexId {
    /// Stands where none is known yet.
    pub(crate) const NONE: Self = Self([b'0'; HEX_LEN]);

    /// Takes the first 128 bits of a digest.
    fn from_digest(digest: &[u8]) -> Self {
        let mut hex = [b'0'; HEX_LEN];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(digest) {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(hex)
    }

    /// Reads 32 lower-case hex characters.
    pub fn parse(text: &str) -> Option<Self> {
        let hex: [u8; HEX_LEN] = text.as_bytes().try_into().ok()?;
        hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(hex))
    }

    /// The 32 characters.
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl serde::Serialize for HexId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for HexId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("must be 32 lower-case hex characters"))
    }
}

impl std::fmt::Display for HexId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Appends a length-prefixed text.
pub(crate) fn push_netstr(text: &str, out: &mut String) {
    push_number(text.len(), out);
    out.push(':');
    out.push_str(text);
}

fn push_number(value: usize, out: &mut String) {
    match u8::try_from(value) {
        Ok(small @ 0..=9) => out.push(char::from(b'0' + small)),
        Ok(small @ 10..=99) => {
            out.push(char::from(b'0' + small / 10));
            out.push(char::from(b'0' + small % 10));
        }
        _ => {
            // Writing to a String cannot fail.
            let _infallible = write!(out, "{value}");
        }
    }
}

fn sha256(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

fn sha256_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> [u8; 32] {
    let mut joined = String::with_capacity(128);
    texts.into_iter().for_each(|text| push_netstr(text, &mut joined));
    sha256(&joined)
}

/// The same as `record_id_of_key`, of texts that are length-prefixed already.
pub(crate) fn record_id_of_netstrs(netstrs: &str) -> HexId {
    HexId::from_digest(&sha256(netstrs))
}

/// The first 128 bits of a text's SHA-256, as every tool computes it.
pub(crate) fn digest_id(text: &str) -> HexId {
    HexId::from_digest(&sha256(text))
}

/// `_record_id` of a row with a primary key: the key columns' canonical texts in key order.
pub fn record_id_of_key<'a>(key: impl IntoIterator<Item = &'a str>) -> HexId {
    HexId::from_digest(&sha256_of(key))
}

/// `_record_id` of a row without a primary key: where it stands, so that two equal lines stay two rows.
pub fn record_id_of_position(object_id: &HexId, position: u64) -> HexId {
    HexId::from_digest(&sha256_of([object_id.as_str(), &position.to_string()]))
}

/// What `_row_hash` is made of: BLAKE3 over
///
/// 1. for a contract with derived columns the first 8 bytes of BLAKE3 over the length-prefixed warehouse names, types
///    and expressions of those, in ascending order of names: their values follow from the others; `deletedWhen` stands
///    among them, as the last one and a boolean of the name `_deleted`, because the tombstones follow from it;
/// 2. the number of source columns that are not NULL;
/// 3. for each of them, in ascending order of warehouse names, the first 3 bytes of BLAKE3 over its warehouse name (8 where 3
///    do not tell all names of the contract apart), and the length of its
///    canonical text in bytes;
/// 4. these texts, one after another.
///
/// Numbers are LEB128. NULL columns are left out, so that adding a nullable column to a contract changes no hash.
#[derive(Debug, Default)]
pub(crate) struct RowHash {
    bytes: Vec<u8>,
}

/// What stands for a name, or for the derivations, in a row hash.
pub(crate) fn name_tag<const N: usize>(text: &str) -> [u8; N] {
    blake3::hash(text.as_bytes()).as_bytes().first_chunk().copied().unwrap_or([0; N])
}

impl RowHash {
    /// Begins with the tag of the derivations, and the number of columns that are not NULL.
    pub fn begin(&mut self, derivations: Option<[u8; 8]>, columns: usize) {
        self.bytes.clear();
        self.bytes.extend(derivations.into_iter().flatten());
        self.number(columns);
    }

    /// One column.
    pub fn column(&mut self, tag: &[u8], text_len: usize) {
        self.bytes.extend_from_slice(tag);
        self.number(text_len);
    }

    /// The text of one of them, in the same order.
    pub fn text(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// After all of them.
    pub fn finish(&self) -> HexId {
        HexId::from_digest(blake3::hash(&self.bytes).as_bytes())
    }

    fn number(&mut self, mut value: usize) {
        while value > 0x7f {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

/// Texts of columns, length-prefixed; NULL counts as a text of its own.
fn push_values<'a>(texts: impl IntoIterator<Item = Option<&'a str>>, out: &mut String) {
    for text in texts {
        match text {
            Some(text) => push_netstr(text, out),
            None => out.push_str("-:"),
        }
    }
}

/// Kinesis partition key of a row: hash of the canonical texts of the columns that it is made of; NULL counts as a text
/// of its own. Never the plain values: partition keys show in metrics and errors. `joined` is memory to use.
pub(crate) fn partition_key<'a>(
    texts: impl IntoIterator<Item = Option<&'a str>>,
    joined: &mut String,
) -> HexId {
    joined.clear();
    push_values(texts, joined);
    HexId::from_digest(&sha256(joined))
}

/// Ordered group of a row: hash of the canonical texts of its group columns; NULL counts as a text of its own.
pub fn group<'a>(texts: impl IntoIterator<Item = Option<&'a str>>, groups: u32) -> u32 {
    let mut joined = String::with_capacity(64);
    push_values(texts, &mut joined);
    let head = sha256(&joined).iter().take(8).fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
    u32::try_from(head % u64::from(groups.max(1))).unwrap_or(0)
}

/// What tells one content of an S3 key from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentTag {
    /// A checksum of the full object: algorithm (`CRC64NVME`, `SHA256`, …) and S3's base64 text.
    Checksum {
        /// S3's name of the algorithm, upper case.
        algorithm: &'static str,
        /// Base64 text as S3 gives it.
        value: String,
    },
    /// Where S3 has no full-object checksum.
    Etag {
        /// ETag without its quotes.
        etag: String,
        /// Size in bytes.
        size: u64,
    },
}

/// Algorithms whose checksums identify a content, the first that S3 returned counts.
const ALGORITHMS: &[&str] = &["CRC64NVME", "SHA256", "SHA1", "CRC32C", "CRC32"];

/// Chooses what tells a content from another out of what S3 says of an object: the checksums it returned by
/// algorithm (as in `ALGORITHMS`, empty values are none), their type (`FULL_OBJECT` or `COMPOSITE`), the ETag with or
/// without its quotes, and the size. A checksum of checksums depends on how the parts were cut, so it counts as none.
pub fn content_tag(
    checksums: &[(&str, &str)],
    checksum_type: Option<&str>,
    etag: &str,
    size: u64,
) -> ContentTag {
    let of_full_object = checksum_type == Some("FULL_OBJECT");
    let chosen = ALGORITHMS.iter().filter(|_| of_full_object).find_map(|algorithm| {
        let (_, value) = checksums.iter().find(|(own, value)| own == algorithm && !value.is_empty())?;
        Some(ContentTag::Checksum { algorithm, value: (*value).to_owned() })
    });
    chosen.unwrap_or_else(|| ContentTag::Etag { etag: etag.trim_matches('"').to_owned(), size })
}

/// Identity of one content of one S3 key. The same content put again under its key is the same object.
pub fn object_id(bucket: &str, key: &str, tag: &ContentTag) -> HexId {
    HexId::from_digest(&match tag {
        ContentTag::Checksum { algorithm, value } => sha256_of([bucket, key, algorithm, value]),
        ContentTag::Etag { etag, size } => sha256_of([bucket, key, "ETAG", etag, &size.to_string()]),
    })
}

/// Identity of a queue message by its place in the object. The source time is part of it: the same content put again
/// later is newer, and SQS must not drop it as a repeat of the first within its five minutes.
pub fn message_id(object_id: &HexId, source_ms: u64, first_position: u64, count: usize) -> HexId {
    let (time, first, count) = (format!("{source_ms:013}"), first_position.to_string(), count.to_string());
    HexId::from_digest(&sha256_of([object_id.as_str(), &time, &first, &count]))
}

/// MessageDeduplicationId. The body is part of it: another contract version, or another number of groups, may pack
/// other rows at the same place, and SQS would drop them as a repeat.
pub fn deduplication_id(message_id: &HexId, body: &str) -> HexId {
    HexId::from_digest(&sha256_of([message_id.as_str(), body]))
}

/// A hash of any texts, for names that must be the same on every delivery (loads, quarantine keys).
pub fn stable_id<'a>(texts: impl IntoIterator<Item = &'a str>) -> HexId {
    HexId::from_digest(&sha256_of(texts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_keep_lists_of_texts_apart() {
        assert_ne!(record_id_of_key(["a", "b"]), record_id_of_key(["ab", ""]));
        assert_ne!(record_id_of_key(["1:a"]), record_id_of_key(["1", "a"]));
    }

    #[test]
    fn a_hex_id_reads_back_and_takes_nothing_else() {
        let id = stable_id(["x"]);
        assert_eq!(HexId::parse(id.as_str()), Some(id));
        for bad in ["", "ABCDEF00ABCDEF00ABCDEF00ABCDEF00", &id.as_str()[1..]] {
            assert_eq!(HexId::parse(bad), None);
        }
    }
}
