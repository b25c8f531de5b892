//! Literals and matches of a zstd block as codes (RFC 8878, 3.1.1.3.2). Tables are made of one block's codes and have
//! room for all others, so that they also fit later blocks.

use super::WINDOW;
use super::bits::{Bits, ROOM, lowest};
use super::fse::{Shares, Table};

/// Shortest match that the format has.
const MIN_MATCH: u32 = 3;
/// Logs of the tables: the most that the format takes for offsets, and for lengths.
const OFFSET_LOG: u32 = 8;
const LENGTH_LOG: u32 = 9;
/// Number of codes for offsets within the window, match lengths and literal lengths.
const OFFSETS: usize = (WINDOW + 3).ilog2() as usize + 1;
const MATCHES: usize = 53;
const LITERALS: usize = 36;
/// Most bytes that one sequence takes: three states, two lengths and an offset within the window.
pub(super) const MAX_BYTES: usize = (8 + 9 + 9 + 16 + 16 + 20_usize).div_ceil(8);
/// Modes of the three tables: described here, or those of the block before.
const DESCRIBED: u8 = 0b1010_1000;
const AS_BEFORE: u8 = 0b1111_1100;

/// So many literals, then a match so long and so far back, as codes and what these leave open.
#[derive(Debug, Clone, Copy)]
struct Coded {
    /// The bits behind the codes, the literals' lowest, the offset's highest.
    bits: u64,
    width: u8,
    literals: u8,
    matched: u8,
    offset: u8,
}

/// The same as numbers, together in one: literals lowest, distance highest. Nothing waits for its parts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told(u64);

/// Bits of a number of a block's bytes, and where those of a distance begin.
const LEN_BITS: u32 = 20;
const DISTANCE_AT: u32 = 2 * LEN_BITS;
const _: () = assert!(super::MAX_BLOCK_BYTES < 1 << LEN_BITS && WINDOW < 1 << (64 - DISTANCE_AT));

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
    told: Vec<Told>,
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
        // Behind another match the three mean something else. Masks instead of branches: nobody could foretell them.
        let mask = |is: bool| u32::from(is).wrapping_neg();
        let is_first = mask((literals > 0) & (distance == first));
        let is_second = mask((literals > 0) & (distance == second));
        let either = |mask: u32, one: u32, other: u32| other ^ ((one ^ other) & mask);
        self.0 = [distance, either(is_first, second, first), either(is_first | is_second, third, second)];
        either(is_first, 1, either(is_second, 2, distance + 3))
    }
}

impl Told {
    fn literals(self) -> u32 {
        self.0 as u32 & ((1 << LEN_BITS) - 1)
    }

    #[inline]
    pub fn matched(self) -> u32 {
        (self.0 >> LEN_BITS) as u32 & ((1 << LEN_BITS) - 1)
    }

    #[inline]
    pub fn distance(self) -> u32 {
        (self.0 >> DISTANCE_AT) as u32
    }

    #[inline]
    pub fn add_literals(&mut self, len: usize) {
        self.0 += len as u64;
    }

    /// More of the match.
    #[inline]
    pub fn add_matched(&mut self, len: usize) {
        self.0 += (len as u64) << LEN_BITS;
    }

    /// How far back the match lies, which was not told yet.
    #[inline]
    pub fn set_distance(&mut self, distance: usize) {
        self.0 |= (distance as u64) << DISTANCE_AT;
    }

    #[inline]
    fn coded(self, recent: &mut Recent) -> Coded {
        let literals = self.literals();
        let offset = recent.offset(literals, self.distance());
        let (literal_bits, literal) = Code::of_literals(literals);
        let (match_bits, matched) = Code::of_match(self.matched().saturating_sub(MIN_MATCH));
        // The number of an offset's bits is its code.
        let offset_width = offset.ilog2() as u8;
        let both = literal.width + matched.width;
        let offset_bits = u64::from(offset ^ (1 << offset_width));
        let bits = literal_bits | match_bits << literal.width | offset_bits << both;
        Coded {
            bits,
            width: both + offset_width,
            literals: literal.code,
            matched: matched.code,
            offset: offset_width,
        }
    }
}

impl Sequences {
    #[inline]
    pub fn push(&mut self, told: Told) {
        self.told.push(told);
    }

    pub fn len(&self) -> usize {
        self.told.len()
    }

    /// Appends the block's sequences and forgets them; without tables of an earlier block those that it leaves.
    pub fn encode(&mut self, tables: &mut Option<Tables>, out: &mut Vec<u8>) {
        push_count(self.told.len(), out);
        if self.told.is_empty() {
            return;
        }
        let mut recent = self.recent;
        self.coded.extend(self.told.drain(..).map(|told| told.coded(&mut recent)));
        self.recent = recent;
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

/// A code, the number of bits behind it and the first number that it stands for.
#[derive(Clone, Copy)]
struct Code {
    code: u8,
    width: u8,
    first: u16,
}

/// Codes of the first numbers.
const fn first_codes<const N: usize>(widths: &[u8]) -> [Code; N] {
    let mut codes = [Code { code: 0, width: 0, first: 0 }; N];
    let (mut code, mut at) = (0, 0);
    while at < N {
        let first = at;
        while at < first + (1 << widths[code]) && at < N {
            codes[at] = Code { code: code as u8, width: widths[code], first: first as u16 };
            at += 1;
        }
        code += 1;
    }
    codes
}

impl Code {
    /// From some number on there is a code a power of two.
    #[cold]
    fn of_power(number: u32, codes_before: u8) -> (u64, Self) {
        let width = number.ilog2() as u8;
        (lowest(number, width.into()), Self { code: width + codes_before, width, first: 0 })
    }

    #[inline]
    fn of_literals(len: u32) -> (u64, Self) {
        const CODES: [Code; 64] = first_codes(&LITERAL_BITS);
        match CODES.get(len as usize) {
            Some(code) => (u64::from(len - u32::from(code.first)), *code),
            None => Self::of_power(len, 19),
        }
    }

    #[inline]
    fn of_match(beyond: u32) -> (u64, Self) {
        const CODES: [Code; 128] = first_codes(&MATCH_BITS);
        match CODES.get(beyond as usize) {
            Some(code) => (u64::from(beyond - u32::from(code.first)), *code),
            None => Self::of_power(beyond, 36),
        }
    }
}

impl Tables {
    fn of(coded: &[Coded]) -> Self {
        let mut counts = ([0; LITERALS], [0; OFFSETS], [0; MATCHES]);
        for own in coded {
            counts.0[usize::from(own.literals)] += 1;
            counts.1[usize::from(own.offset)] += 1;
            counts.2[usize::from(own.matched)] += 1;
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
        let mut literals = self.literals.start(last.literals);
        let mut matched = self.matched.start(last.matched);
        let mut offset = self.offset.start(last.offset);
        bits.add(last.bits, u32::from(last.width));
        bits.flush();
        for own in rest.iter().rev() {
            let (first, first_width) = self.offset.step_to(&mut offset, own.offset);
            let (second, second_width) = self.matched.step_to(&mut matched, own.matched);
            let (third, third_width) = self.literals.step_to(&mut literals, own.literals);
            let two = first_width + second_width;
            let (told, width) = (first | second << first_width | third << two, two + third_width);
            if width + u32::from(own.width) > ROOM {
                bits.add(told, width);
                bits.flush();
                bits.add(own.bits, own.width.into());
            } else {
                bits.add(told | own.bits << width, width + u32::from(own.width));
            }
            bits.flush();
        }
        for (told, width) in [self.matched.end(matched), self.offset.end(offset), self.literals.end(literals)]
        {
            bits.add(told, width);
        }
        let end = bits.close();
        out.truncate(end);
    }
}
