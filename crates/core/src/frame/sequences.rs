//! Literals and matches of a zstd block as codes (RFC 8878, 3.1.1.3.2). Tables are made of one block's codes and have
//! room for all others, so that they also fit later blocks.

use super::bits::Bits;
use super::fse::{Shares, Table};

/// Shortest match that the format has.
const MIN_MATCH: u32 = 3;
/// Logs of the tables: the most that the format takes for offsets, and for lengths.
const OFFSET_LOG: u32 = 8;
const LENGTH_LOG: u32 = 9;
/// Number of codes for offsets (the window is far smaller than 16 MiB), match lengths and literal lengths.
const OFFSETS: usize = 24;
const MATCHES: usize = 53;
const LITERALS: usize = 36;
/// So many bits have room behind those of three states.
const BITS_UNFLUSHED: u32 = 56 - OFFSET_LOG - 2 * LENGTH_LOG;
/// Most bytes that one sequence takes: three states, two lengths and an offset within the window.
pub(super) const MAX_BYTES: usize = (8 + 9 + 9 + 16 + 16 + 20_usize).div_ceil(8);
/// Modes of the three tables: described here, or those of the block before.
const DESCRIBED: u8 = 0b1010_1000;
const AS_BEFORE: u8 = 0b1111_1100;

/// So many literals, then a match, as codes and what their bits are cut from.
#[derive(Debug, Clone, Copy)]
struct Coded {
    literals: u32,
    matched: u32,
    offset: u32,
    /// The offset's is the number of its bits.
    codes: [u8; 3],
}

/// Distances of the last matches, latest first.
#[derive(Debug, Clone, Copy)]
struct Recent([u32; 3]);

/// Tables of a block and of those after it.
#[derive(Debug)]
pub(super) struct Tables {
    literals: Table,
    matched: Table,
    offset: Table,
    description: Vec<u8>,
}

/// The sequences of a block on their way.
#[derive(Debug, Default)]
pub(super) struct Sequences {
    coded: Vec<Coded>,
    recent: Recent,
}

impl Default for Recent {
    fn default() -> Self {
        Self([1, 4, 8])
    }
}

impl Recent {
    /// How a distance is told.
    #[inline]
    fn offset(&mut self, literals: u32, distance: u32) -> u32 {
        let [first, second, third] = self.0;
        // Behind another match the three mean something else. No branches: nobody could foretell them.
        let is_first = (literals > 0) & (distance == first);
        let is_second = (literals > 0) & (distance == second);
        let third = if is_first | is_second { third } else { second };
        self.0 = [distance, if is_first { second } else { first }, third];
        let told = if is_second { 2 } else { distance + 3 };
        if is_first { 1 } else { told }
    }
}

impl Sequences {
    /// Adds so many literals and the match behind them.
    #[inline]
    pub fn push(&mut self, literals: u32, matched: u32, distance: u32) {
        let offset = self.recent.offset(literals, distance);
        let matched = matched.saturating_sub(MIN_MATCH);
        let codes = [literal_code(literals), match_code(matched), offset.ilog2() as u8];
        self.coded.push(Coded { literals, matched, offset, codes });
    }

    pub fn len(&self) -> usize {
        self.coded.len()
    }

    /// Appends the block's sequences and forgets them; without tables of an earlier block those that it leaves.
    pub fn encode(&mut self, tables: &mut Option<Tables>, out: &mut Vec<u8>) {
        push_count(self.coded.len(), out);
        if self.coded.is_empty() {
            return;
        }
        out.push(if tables.is_some() { AS_BEFORE } else { DESCRIBED });
        if tables.is_none() {
            let made = Tables::of(&self.coded);
            out.extend_from_slice(&made.description);
            *tables = Some(made);
        }
        if let Some(tables) = tables {
            tables.encode(&self.coded, out);
        }
        self.coded.clear();
    }

    /// The next block begins a frame.
    pub fn forget(&mut self) {
        self.recent = Recent::default();
    }
}

fn push_count(count: usize, out: &mut Vec<u8>) {
    match count {
        0..=0x7f => out.push(count as u8),
        0x80..0x7f00 => out.extend([(count >> 8) as u8 + 0x80, count as u8]),
        _ => {
            out.push(0xff);
            out.extend(((count - 0x7f00) as u16).to_le_bytes());
        }
    }
}

/// Bits behind a code for a number of literals: those that stand for one number each have none.
const LITERAL_BITS: [u8; LITERALS] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13,
    14, 15, 16,
];
/// The same of what a match is longer than the shortest.
const MATCH_BITS: [u8; MATCHES] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1,
    1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];

/// Codes of the numbers that they begin with.
const fn first_codes<const N: usize>(bits: &[u8]) -> [u8; N] {
    let mut codes = [0; N];
    let (mut code, mut at) = (0, 0);
    while at < N {
        let end = at + (1 << bits[code]);
        while at < end && at < N {
            codes[at] = code as u8;
            at += 1;
        }
        code += 1;
    }
    codes
}

#[inline]
fn literal_code(len: u32) -> u8 {
    const CODES: [u8; 64] = first_codes(&LITERAL_BITS);
    CODES.get(len as usize).copied().unwrap_or_else(|| len.ilog2() as u8 + 19)
}

#[inline]
fn match_code(len: u32) -> u8 {
    const CODES: [u8; 128] = first_codes(&MATCH_BITS);
    CODES.get(len as usize).copied().unwrap_or_else(|| len.ilog2() as u8 + 36)
}

impl Tables {
    fn of(coded: &[Coded]) -> Self {
        let mut counts = ([0; LITERALS], [0; OFFSETS], [0; MATCHES]);
        for own in coded {
            let [literals, matched, offset] = own.codes.map(usize::from);
            counts.0[literals] += 1;
            counts.1[offset] += 1;
            counts.2[matched] += 1;
        }
        let mut description = Vec::new();
        let mut table = |counts: &[u32], log| {
            let shares = Shares::of_counts(counts, log, true);
            shares.describe(&mut description);
            Table::new(&shares)
        };
        let literals = table(&counts.0, LENGTH_LOG);
        let offset = table(&counts.1, OFFSET_LOG);
        let matched = table(&counts.2, LENGTH_LOG);
        Self { literals, matched, offset, description }
    }

    fn encode(&self, coded: &[Coded], out: &mut Vec<u8>) {
        let Some((last, rest)) = coded.split_last() else { return };
        let mut bits = Bits::new(out, coded.len() * MAX_BYTES);
        let [literals, matched, offset] = last.codes;
        let mut literals = self.literals.start(literals);
        let mut matched = self.matched.start(matched);
        let mut offset = self.offset.start(offset);
        last.add_bits(&mut bits);
        for own in rest.iter().rev() {
            offset = self.offset.add(offset, own.codes[2], &mut bits);
            matched = self.matched.add(matched, own.codes[1], &mut bits);
            literals = self.literals.add(literals, own.codes[0], &mut bits);
            if own.widths().iter().sum::<u32>() > BITS_UNFLUSHED {
                bits.flush();
            }
            own.add_bits(&mut bits);
        }
        self.matched.end(matched, &mut bits);
        self.offset.end(offset, &mut bits);
        self.literals.end(literals, &mut bits);
        bits.close();
    }
}

impl Coded {
    /// How many bits the codes leave open.
    #[inline]
    fn widths(&self) -> [u32; 3] {
        let [literals, matched, offset] = self.codes;
        let literals = LITERAL_BITS.get(usize::from(literals)).copied().unwrap_or_default();
        let matched = MATCH_BITS.get(usize::from(matched)).copied().unwrap_or_default();
        [literals, matched, offset].map(u32::from)
    }

    #[inline]
    fn add_bits(&self, bits: &mut Bits<'_>) {
        for (value, width) in [self.literals, self.matched, self.offset].into_iter().zip(self.widths()) {
            bits.add_low(u64::from(value), width);
        }
        bits.flush();
    }
}
