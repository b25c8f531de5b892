//! `_row_hash` of many rows at once: BLAKE3 of short texts waits for itself, sixteen beside each other do not. What
//! hashes them is left out of blake3's documentation; a test holds it to the documented function.

use std::ops::Range;

use blake3::IncrementCounter;
use blake3::platform::Platform;

use super::{FIRST_STATE, HexId};
use crate::row::Roomy;

/// BLAKE3's block, and how many of them it hashes in a row before it makes a tree.
const BLOCK: usize = 64;
const CHUNK_BLOCKS: usize = 16;
/// Most rows that any platform hashes beside each other.
const LANES: usize = 16;
/// Bytes of a hash.
const OUT: usize = 32;
/// BLAKE3's flags: a text of one chunk begins, ends, and is all there is.
const BEGINS: u8 = 1;
const ENDS: u8 = 1 << 1;
const IS_ALL: u8 = 1 << 3;

/// What the `_row_hash` of rows is made of: BLAKE3 over
///
/// 1. for a contract with derived columns the first 8 bytes of BLAKE3 over the length-prefixed warehouse names, types
///    and expressions of those, in ascending order of names: their values follow from the others; `deletedWhen` stands
///    among them, as the last one and a boolean of the name `_deleted`, because the tombstones follow from it;
/// 2. the number of source columns that are not NULL;
/// 3. for each of them, in ascending order of warehouse names, the first 3 bytes of BLAKE3 over its warehouse name (8
///    where 3 do not tell all names of the contract apart), and the length of its canonical text in bytes;
/// 4. these texts, one after another;
/// 5. zeros up to a multiple of 64 bytes: rows of as many blocks are hashed together.
///
/// Numbers are LEB128. NULL columns are left out, so that adding a nullable column to a contract changes no hash.
#[derive(Debug)]
pub(crate) struct RowHashes {
    bytes: Vec<u8>,
    /// Rows by their number of blocks, those of more than a chunk first: the row's index and its bytes.
    rows: [Vec<(usize, Range<usize>)>; CHUNK_BLOCKS + 1],
    told: usize,
    platform: Platform,
}

impl Default for RowHashes {
    fn default() -> Self {
        let rows = Default::default();
        Self { bytes: Vec::new(), rows, told: 0, platform: Platform::detect() }
    }
}

impl RowHashes {
    /// A row: the tag of the derivations, and of its columns that are not NULL tag and text, in the order that they
    /// count in. Gives the texts one after another.
    #[inline]
    pub fn row<'r>(
        &mut self,
        derivations: Option<[u8; 8]>,
        columns: impl Iterator<Item = (&'r [u8], Roomy<'r>)> + Clone,
    ) -> &[u8] {
        let start = self.bytes.len();
        self.bytes.extend(derivations.into_iter().flatten());
        let number_at = self.bytes.len();
        let mut number = 0;
        self.bytes.push(0);
        for (tag, text) in columns.clone() {
            self.column(tag, text.len());
            number += 1;
        }
        match self.bytes.get_mut(number_at) {
            Some(own) if number < 0x80 => *own = number as u8,
            _ => self.number_at(number_at, number),
        }
        let texts_at = self.bytes.len();
        columns.for_each(|(_, text)| text.append_from(0, &mut self.bytes));
        let texts = texts_at..self.bytes.len();
        self.end(start);
        self.bytes.get(texts).unwrap_or_default()
    }

    #[inline]
    fn column(&mut self, tag: &[u8], text_len: usize) {
        match (tag, text_len) {
            // Most are: four bytes at once.
            ([a, b, c], ..0x80) => {
                let four = u32::from_le_bytes([*a, *b, *c, text_len as u8]);
                self.bytes.extend_from_slice(&four.to_le_bytes());
            }
            _ => {
                self.bytes.extend_from_slice(tag);
                self.number(text_len);
            }
        }
    }

    fn end(&mut self, start: usize) {
        let blocks = (self.bytes.len() - start).div_ceil(BLOCK);
        let end = start + blocks * BLOCK;
        self.bytes.resize(end, 0);
        let alike = if blocks <= CHUNK_BLOCKS { blocks } else { 0 };
        if let Some(rows) = self.rows.get_mut(alike) {
            rows.push((self.told, start..end));
        }
        self.told += 1;
    }

    /// Gives the hash of every row, by its index in no order, and forgets them.
    pub fn finish(&mut self, mut take: impl FnMut(usize, HexId)) {
        macro_rules! alike {
            ($($blocks:literal)*) => { $(self.alike::<{ $blocks * BLOCK }>($blocks, &mut take);)* };
        }
        alike!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
        for (row, range) in self.rows.first().into_iter().flatten() {
            let bytes = self.bytes.get(range.clone()).unwrap_or_default();
            take(*row, HexId::from_digest(blake3::hash(bytes).as_bytes()));
        }
        self.rows.iter_mut().for_each(Vec::clear);
        self.bytes.clear();
        self.told = 0;
    }

    /// Rows of the same number of blocks.
    fn alike<const N: usize>(&self, blocks: usize, take: &mut impl FnMut(usize, HexId)) {
        let mut out = [0; LANES * OUT];
        for rows in self.rows.get(blocks).map(Vec::as_slice).unwrap_or_default().chunks(LANES) {
            let mut inputs = [&[0; N]; LANES];
            for (input, (_, range)) in inputs.iter_mut().zip(rows) {
                *input = self.bytes.get(range.clone()).and_then(<[u8]>::first_chunk).unwrap_or(&[0; N]);
            }
            let (inputs, no) = (inputs.get(..rows.len()).unwrap_or_default(), IncrementCounter::No);
            self.platform.hash_many(inputs, &FIRST_STATE, 0, no, 0, BEGINS, ENDS | IS_ALL, &mut out);
            for ((row, _), digest) in rows.iter().zip(out.chunks_exact(OUT)) {
                take(*row, HexId::from_digest(digest));
            }
        }
    }

    /// A number of more than seven bits in place of a byte.
    #[cold]
    fn number_at(&mut self, at: usize, value: usize) {
        let behind = self.bytes.split_off(at + 1);
        self.bytes.truncate(at);
        self.number(value);
        self.bytes.extend(behind);
    }

    fn number(&mut self, mut value: usize) {
        while value > 0x7f {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// How many columns a row has, and how long their texts are: any, and those whose rows end where blocks do, with four
    /// or five bytes before them.
    fn rows() -> impl Strategy<Value = Vec<(usize, usize)>> {
        let len =
            prop_oneof![0usize..1_400, (1usize..18, 0usize..8).prop_map(|(blocks, less)| 64 * blocks - less)];
        let many = prop_oneof![126usize..130, 250usize..300];
        let row = prop_oneof![9 => len.prop_map(|len| (1, len)), 1 => (many, 0usize..4), 1 => Just((0, 0))];
        proptest::collection::vec(row, 1..80)
    }

    fn push_number(mut number: usize, out: &mut Vec<u8>) {
        while number > 0x7f {
            out.push(number as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }

    proptest! {
        #[test]
        fn many_rows_have_the_hashes_of_each(rows in rows()) {
            let text = "abcdefg".repeat(200);
            let mut hashes = RowHashes::default();
            // A second round begins anew.
            for _ in 0..2 {
                for (columns, len) in &rows {
                    hashes.row(None, std::iter::repeat_n((b"tag".as_slice(), text[..*len].into()), *columns));
                }
                let mut found = vec![HexId::NONE; rows.len()];
                hashes.finish(|row, hash| found[row] = hash);
                for ((columns, len), hash) in rows.iter().zip(found) {
                    let mut plain = Vec::new();
                    push_number(*columns, &mut plain);
                    for _ in 0..*columns {
                        plain.extend(b"tag");
                        push_number(*len, &mut plain);
                    }
                    plain.extend(text[..*len].repeat(*columns).as_bytes());
                    plain.resize(plain.len().next_multiple_of(64), 0);
                    prop_assert_eq!(hash, HexId::from_digest(blake3::hash(&plain).as_bytes()));
                }
            }
        }
    }
}
