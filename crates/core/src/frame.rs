//! zstd frames of texts whose repeats are known: who writes rows knows where each name stood before, so little is
//! searched, and what repeats is not even written. The library searches everything, which takes half of the time of
//! writing rows, and has no safe way to be told. Every zstd decoder reads these frames (RFC 8878). Knows nothing
//! of rows but what their texts are; tests hold it to the library's decoder.
//!
//! A frame's codes are made of one block in sixty-four and used for the others: rows of one file are like each other.

mod bits;
mod fse;
mod huffman;
mod sequences;

use crate::row::Roomy;
use bits::Room;
use huffman::{Huffman, Pairs};
use sequences::{MAX_BYTES, Sequences, Tables, Told};

/// How far back a repeat may lie: what a reader has to keep in memory.
pub(crate) const WINDOW: usize = 1 << 20;
/// The same as a frame tells it: the logarithm above ten, before three bits.
const WINDOW_BYTE: u8 = (20 - 10) << 3;
/// What a block may have, plain and coded.
const MAX_BLOCK_BYTES: usize = 128 << 10;
/// When a block is full: however its bytes come out, they fit.
const BLOCK_BYTES: usize = 96 << 10;
const BLOCK_SEQUENCES: usize = 5_000;
const _: () = assert!(BLOCK_BYTES + BLOCK_SEQUENCES * (MAX_BYTES - MIN_REPEAT) < MAX_BLOCK_BYTES - 1024);
const _: () = assert!(BLOCK_BYTES + MAX_REPEAT <= MAX_BLOCK_BYTES);
/// Most bytes that a repeat may be told of at once.
pub(crate) const MAX_REPEAT: usize = 16 << 10;
/// Shorter ones cost more than they spare.
pub(crate) const MIN_REPEAT: usize = 4;
/// Blocks with the same codes.
const SAME_CODES: u32 = 64;
/// Fewer literals are not worth codes.
const MIN_CODED: usize = 64;
/// Bytes before the first block: what a frame begins with, its flags, window and length.
const HEADER_BYTES: usize = 10;
/// Kinds of blocks and of literals.
const LAST_BLOCK: u8 = 1;
const CODED_BLOCK: u8 = 2 << 1;
const LITERALS_WITH_TREE: u64 = 2;
const LITERALS_AS_BEFORE: u64 = 3;

/// A frame that is being written.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    out: Vec<u8>,
    /// Of the block: its bytes that are no repeats.
    literals: Vec<u8>,
    sequences: Sequences,
    /// The literals since the last sequence and the match behind them, which may still grow.
    open: Told,
    /// Plain bytes of all blocks, and of those before this one. No wider than they must be: numbers of one width that
    /// stand together are added to together, and then wait for each other's parts.
    len: u32,
    before: u32,
    codes: Codes,
    /// Where the last block begins.
    last_block: Option<usize>,
}

/// What blocks leave to those after them.
#[derive(Debug, Default)]
struct Codes {
    huffman: Option<Huffman>,
    pairs: Pairs,
    room: Room,
    tables: Option<Tables>,
    blocks: u32,
}

impl Frame {
    /// Plain bytes so far.
    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Plain bytes of the block.
    #[inline]
    fn block(&self) -> usize {
        (self.len - self.before) as usize
    }

    /// Adds bytes.
    #[inline]
    pub fn literal(&mut self, mut bytes: &[u8]) {
        while self.block() + bytes.len() > BLOCK_BYTES {
            let (fits, rest) = bytes.split_at(BLOCK_BYTES.saturating_sub(self.block()).min(bytes.len()));
            self.take(fits);
            self.close_block();
            bytes = rest;
        }
        self.take(bytes);
    }

    /// Adds a text but for its first bytes.
    #[inline]
    pub fn literal_text(&mut self, text: Roomy<'_>, skipped: usize) {
        let len = text.len() - skipped;
        if len == 0 || self.block() + len > BLOCK_BYTES {
            return self.literal(text.as_bytes().get(skipped..).unwrap_or_default());
        }
        self.close_match();
        text.append_from(skipped, &mut self.literals);
        self.open.add_literals(len);
        self.len += len as u32;
    }

    /// Adds few bytes of a known number.
    #[inline]
    pub fn literal_bytes<const N: usize>(&mut self, bytes: &[u8; N]) {
        const { assert!(N <= BLOCK_BYTES) };
        if self.block() + N > BLOCK_BYTES {
            return self.literal(bytes);
        }
        self.take(bytes);
    }

    #[inline]
    fn take(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.close_match();
        self.literals.extend_from_slice(bytes);
        self.open.add_literals(bytes.len());
        self.len += bytes.len() as u32;
    }

    /// Adds as many bytes as stand so far back. The caller knows that they do: they may be few where a repeat of the
    /// same distance ends here, else at least `MIN_REPEAT`.
    #[inline]
    pub fn again(&mut self, distance: usize, len: usize) {
        if !self.goes_on(distance) {
            self.close_match();
            if self.block() + len > BLOCK_BYTES || self.sequences.len() >= BLOCK_SEQUENCES {
                self.close_block();
            }
            self.open.set_distance(distance);
        }
        self.open.add_matched(len);
        self.len += len as u32;
    }

    /// Whether a repeat of this distance ends here.
    #[inline]
    pub fn goes_on(&self, distance: usize) -> bool {
        self.open.matched() > 0 && self.open.distance() as usize == distance && self.block() < BLOCK_BYTES
    }

    #[inline]
    fn close_match(&mut self) {
        if self.open.matched() > 0 {
            self.sequences.push(std::mem::take(&mut self.open));
        }
    }

    /// The frame so far, if there is anything in it: what comes next begins another one.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        self.close_block();
        let last = self.out.get_mut(self.last_block.take()?)?;
        *last |= LAST_BLOCK;
        let (magic, flags) = ([0x28, 0xb5, 0x2f, 0xfd], 2 << 6);
        let mut header = magic.to_vec();
        header.extend([flags, WINDOW_BYTE]);
        header.extend(self.len.to_le_bytes());
        let mut out = std::mem::take(&mut self.out);
        out.get_mut(..HEADER_BYTES)?.copy_from_slice(&header);
        (self.len, self.before, self.codes.blocks) = (0, 0, 0);
        self.sequences.forget();
        Some(out)
    }

    fn close_block(&mut self) {
        if self.block() == 0 {
            return;
        }
        self.close_match();
        if self.out.is_empty() {
            self.out.resize(HEADER_BYTES, 0);
        }
        let start = self.out.len();
        self.out.extend([0; 3]);
        self.codes.encode(&self.literals, &mut self.sequences, &mut self.out);
        let size = self.out.len() - start - 3;
        let header = ((size << 3) as u32 | u32::from(CODED_BLOCK)).to_le_bytes();
        self.out.iter_mut().skip(start).zip(header).take(3).for_each(|(slot, byte)| *slot = byte);
        self.last_block = Some(start);
        self.literals.clear();
        self.open = Told::default();
        self.before = self.len;
    }
}

impl Codes {
    fn encode(&mut self, literals: &[u8], sequences: &mut Sequences, out: &mut Vec<u8>) {
        if self.blocks.is_multiple_of(SAME_CODES) {
            (self.huffman, self.tables) = (None, None);
        }
        self.blocks += 1;
        let start = out.len();
        if !self.coded_literals(literals, out) {
            out.truncate(start);
            push_plain(literals, out);
        }
        sequences.encode(&mut self.tables, &mut self.room, out);
    }

    /// Whether they became smaller.
    fn coded_literals(&mut self, literals: &[u8], out: &mut Vec<u8>) -> bool {
        if literals.len() < MIN_CODED {
            return false;
        }
        let is_new = self.huffman.is_none();
        let made = self.huffman.take().or_else(|| Huffman::of(literals, &mut self.pairs));
        let Some(huffman) = made else { return false };
        // By how many bits the two sizes have.
        let (form, bits) = match literals.len() {
            ..1024 => (1, 10),
            1024..16_384 => (2, 14),
            _ => (3, 18),
        };
        let (start, len) = (out.len(), (4 + 2 * bits) / 8);
        out.resize(start + len, 0);
        if is_new {
            out.extend_from_slice(huffman.description());
        }
        huffman.encode(literals, &self.pairs, &mut self.room, out);
        let size = out.len() - start - len;
        let kind = if is_new { LITERALS_WITH_TREE } else { LITERALS_AS_BEFORE };
        let header = kind | form << 2 | (literals.len() as u64) << 4 | (size as u64) << (4 + bits);
        out.iter_mut().skip(start).zip(header.to_le_bytes()).take(len).for_each(|(slot, byte)| *slot = byte);
        let is_smaller = size < literals.len();
        // Else the next block has a tree of its own.
        if is_smaller {
            self.huffman = Some(huffman);
        }
        is_smaller
    }
}

fn push_plain(literals: &[u8], out: &mut Vec<u8>) {
    let len = literals.len() as u32;
    let (header, bytes) = match len {
        ..32 => (len << 3, 1),
        32..4096 => (1 << 2 | len << 4, 2),
        _ => (3 << 2 | len << 4, 3),
    };
    out.extend(header.to_le_bytes().into_iter().take(bytes));
    out.extend_from_slice(literals);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What a frame is made of, and what it must come out as.
    #[derive(Debug, Default)]
    struct Both {
        frame: Frame,
        plain: Vec<u8>,
    }

    impl Both {
        fn literal(&mut self, bytes: &[u8]) {
            self.frame.literal(bytes);
            self.plain.extend_from_slice(bytes);
        }

        /// What stands so far back once more, if something does.
        fn again(&mut self, distance: usize, len: usize) {
            let distance = distance.min(self.plain.len());
            if distance == 0 {
                return;
            }
            self.frame.again(distance, len);
            let start = self.plain.len() - distance;
            (0..len).for_each(|i| self.plain.push(self.plain[start + i]));
        }

        fn check(mut self) -> usize {
            assert_eq!(self.frame.len(), self.plain.len());
            let packed = self.frame.finish().unwrap();
            let plain = zstd::decode_all(packed.as_slice()).unwrap();
            assert_eq!(plain.len(), self.plain.len());
            assert!(plain == self.plain);
            packed.len()
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Literal(Vec<u8>),
        Again(usize, usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let text = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            "[a-f0-9]{0,40}".prop_map(String::into_bytes),
            ("[ -~]{1,8}", 1usize..40_000).prop_map(|(text, times)| text.repeat(times).into_bytes()),
        ];
        let step = prop_oneof![
            text.prop_map(Step::Literal),
            (1usize..70_000, MIN_REPEAT..2_000).prop_map(|(distance, len)| Step::Again(distance, len)),
            (1usize..600, MIN_REPEAT..60).prop_map(|(distance, len)| Step::Again(distance, len)),
            // Few distances: the one before, and the one before that, come again, with literals before them and without.
            (1usize..4, MIN_REPEAT..400).prop_map(|(distance, len)| Step::Again(distance * 50, len)),
        ];
        proptest::collection::vec(step, 1..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn the_librarys_decoder_reads_what_was_told(steps in steps()) {
            let mut both = Both::default();
            both.literal(b"x");
            for step in steps {
                match step {
                    Step::Literal(bytes) => both.literal(&bytes),
                    Step::Again(distance, len) => both.again(distance, len),
                }
            }
            both.check();
        }
    }

    #[test]
    fn bytes_that_do_not_compress_stay_as_they_are() {
        let mut both = Both::default();
        let mut state = 1u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(1 << 20)
        .collect();
        both.literal(&noise);
        assert!(both.check() < (1 << 20) + 1_000);
    }

    #[test]
    fn short_repeats_by_the_thousand_fit_their_blocks() {
        let mut both = Both::default();
        both.literal(&(0..=255).collect::<Vec<u8>>().repeat(4_000));
        for i in 0..100_000usize {
            both.again(900_000 - i * 7, MIN_REPEAT);
            both.literal(&[i as u8]);
        }
        both.check();
    }

    #[test]
    fn what_is_like_nothing_before_gets_codes_of_its_own() {
        let mut both = Both::default();
        let text = "some words and the number 42, ".repeat(20_000);
        let binary: Vec<u8> = (0..600_000_u32).map(|i| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        for _ in 0..3 {
            both.literal(text.as_bytes());
            both.literal(&binary);
        }
        // Less than a byte for each of the text's, a byte for each of the others.
        assert!(both.check() < 3 * (binary.len() + text.len() * 3 / 4));
    }

    #[test]
    fn a_frame_knows_no_distance_of_the_one_before() {
        let mut frame = Frame::default();
        for _ in 0..2 {
            for text in ["some text. ", "and more. "] {
                frame.literal(text.as_bytes());
                frame.again(5, 7);
            }
            let plain = zstd::decode_all(frame.finish().unwrap().as_slice()).unwrap();
            assert_eq!(std::str::from_utf8(&plain), Ok("some text. ext. exand more. ore. or"));
        }
    }

    #[test]
    fn a_frame_follows_another() {
        let mut frame = Frame::default();
        assert_eq!(frame.finish(), None);
        for text in ["first", "second"] {
            frame.literal(text.as_bytes());
            assert_eq!(zstd::decode_all(frame.finish().unwrap().as_slice()).unwrap(), text.as_bytes());
        }
        assert_eq!(frame.finish(), None);
    }
}
