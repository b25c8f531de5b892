//! Identity and order of objects, records and messages: stable hashes, so that a redelivery in any form is told.
//! Every hash is over length-prefixed texts (`3:abc`), so that SQL and Spark can compute it and no two differing
//! lists of texts meet. Vectors computed by an independent program: `tests/vectors/`.

mod row_hash;

use std::fmt::Write as _;

pub(crate) use row_hash::RowHashes;
use sha2::{Digest, Sha256};

use crate::row::{HEAD, Roomy};

/// Length of a hash in hex characters: 128 bits.
pub const HEX_LEN: usize = 32;

/// 128 bits in lower-case hex. Holding one proves the shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HexId([u8; HEX_LEN]);

impl HexId {
    /// Stands where none is known yet.
    pub(crate) const NONE: Self = Self([b'0'; HEX_LEN]);

    /// From the first 128 bits of a digest.
    fn from_digest(digest: &[u8]) -> Self {
        let mut words = [0; 4];
        for (word, four) in words.iter_mut().zip(digest.chunks_exact(4)) {
            *word = four.first_chunk().map_or(0, |four| u32::from_le_bytes(*four));
        }
        Self::from_words(words)
    }

    /// The same of words whose lowest bytes come first.
    fn from_words(words: [u32; 4]) -> Self {
        let mut hex = [b'0'; HEX_LEN];
        for (eight, word) in hex.chunks_exact_mut(8).zip(words) {
            eight.copy_from_slice(&hex_digits(word).to_le_bytes());
        }
        Self(hex)
    }

    /// Reads 32 lower-case hex characters.
    pub fn parse(text: &str) -> Option<Self> {
        let hex: [u8; HEX_LEN] = text.as_bytes().try_into().ok()?;
        hex.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(hex))
    }

    /// The 32 characters, as bytes.
    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8; HEX_LEN] {
        &self.0
    }

    /// The 32 characters.
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever put in.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Four bytes, the lowest first, as eight hex characters, the first lowest.
fn hex_digits(four: u32) -> u64 {
    // Two bytes apart, then one, then half a byte: the higher half stands first.
    let pairs = (u64::from(four) | u64::from(four) << 16) & 0x0000_ffff_0000_ffff;
    let bytes = (pairs | pairs << 8) & 0x00ff_00ff_00ff_00ff;
    let digits = (bytes >> 4 & 0x000f_000f_000f_000f) | (bytes & 0x000f_000f_000f_000f) << 8;
    // Those from ten on are letters.
    let letters = (digits + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101;
    // As far as letters lie behind digits: 39, which is 32 and 8 less 1.
    digits + 0x3030_3030_3030_3030 + (letters << 5) + (letters << 3) - letters
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

/// What SHA-256 (FIPS 180-4, 5.3.3) and BLAKE3 begin with.
const FIRST_STATE: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

fn sha256(text: &str) -> [u8; 32] {
    short_sha256(text.as_bytes()).unwrap_or_else(|| Sha256::digest(text.as_bytes()).into())
}

/// The same of a text that fits one block, as most keys do: without the hasher's buffer, which takes as long as hashing.
fn short_sha256(text: &[u8]) -> Option<[u8; 32]> {
    // FIPS 180-4, 5.1.1: the text, a 1, zeros and its length in bits.
    let mut block = [0; 64];
    let (start, bits) = block.split_last_chunk_mut::<8>()?;
    *bits = (text.len() as u64 * 8).to_be_bytes();
    let (own, rest) = start.split_at_mut_checked(text.len())?;
    own.copy_from_slice(text);
    *rest.first_mut()? = 0x80;
    let mut digest = [0; 32];
    let words = digest.chunks_exact_mut(4).zip(compressed(block));
    words.for_each(|(out, word)| out.copy_from_slice(&word.to_be_bytes()));
    Some(digest)
}

/// SHA-256 of a text that is one block with its end.
fn compressed(block: [u8; 64]) -> [u32; 8] {
    let mut state = FIRST_STATE;
    sha2::block_api::compress256(&mut state, &[block]);
    state
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

/// The same of one text if it is short, as most keys are: its block is put together in words.
#[inline]
pub(crate) fn record_id_of_short(text: Roomy<'_>) -> Option<HexId> {
    let digit = |value: usize| u128::from(b'0' + value as u8);
    let block = match text.len() {
        len @ 0..=9 => block_of::<2>(digit(len) | u128::from(b':') << 8, text),
        len @ 10..=31 => block_of::<3>(digit(len / 10) | digit(len % 10) << 8 | u128::from(b':') << 16, text),
        _ => return None,
    };
    let [a, b, c, d, ..] = compressed(block);
    Some(HexId::from_words([a, b, c, d].map(u32::swap_bytes)))
}

/// A prefix of some bytes and a text of fewer than 32, as SHA-256 has them.
#[inline]
fn block_of<const PREFIX: usize>(prefix: u128, text: Roomy<'_>) -> [u8; 64] {
    // FIPS 180-4, 5.1.1.
    let end = |at: usize| if at < HEAD { 0x80 << (8 * at) } else { 0 };
    let first = text.head() | end(text.len());
    let second = text.sixteen(HEAD) | text.len().checked_sub(HEAD).map_or(0, end);
    let (up, down) = (8 * PREFIX, 128 - 8 * PREFIX);
    let bits = ((PREFIX + text.len()) as u64 * 8).swap_bytes();
    let words = [prefix | first << up, first >> down | second << up, second >> down, u128::from(bits) << 64];
    let mut block = [0; 64];
    block.chunks_exact_mut(HEAD).zip(words).for_each(|(out, word)| out.copy_from_slice(&word.to_le_bytes()));
    block
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

/// What stands for a name, or for the derivations, in a row hash.
pub(crate) fn name_tag<const N: usize>(text: &str) -> [u8; N] {
    blake3::hash(text.as_bytes()).as_bytes().first_chunk().copied().unwrap_or([0; N])
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
    fn short_texts_hash_as_long_ones() {
        for len in 0..200 {
            let text = "x".repeat(len);
            assert_eq!(sha256(&text), <[u8; 32]>::from(Sha256::digest(text.as_bytes())));
        }
    }

    #[test]
    fn a_short_key_has_the_identity_of_any() {
        let (arena, mut short) = ("0123456789abcdefghijklmnopqrstuvwxyzäöü", 0);
        let borders: Vec<_> = (0..=arena.len()).filter(|at| arena.is_char_boundary(*at)).collect();
        for (start, end) in borders.iter().flat_map(|start| borders.iter().map(move |end| (*start, *end))) {
            let Some(text) = arena.get(start..end) else { continue };
            let own = record_id_of_short(Roomy::of(arena, start, end));
            short += usize::from(own.is_some());
            assert!(own.is_none_or(|own| own == record_id_of_key([text])));
            assert_eq!(own.is_some(), text.len() < 32);
        }
        assert!(short > 600);
    }

    #[test]
    fn digests_are_told_in_hex() {
        let digest: Vec<u8> = (0..=255).collect();
        for digest in digest.windows(16) {
            let want: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(HexId::from_digest(digest).as_str(), want);
        }
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
