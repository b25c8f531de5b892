//! Literals and matches of a zstd block as codes (RFC 8878, 3.1.1.3.2). Tables are made of one block's codes and have
//! room for all others, so that they also fit later blocks.

use super::WINDOW;
use super::bits::{Bits, ROOM, Room};
use super::fse::{Shares, Step, Table};

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

/// So many literals, then a match so long and so far back, together in one number: literals lowest, distance highest.
/// Nothing waits for its parts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Told(u64);

/// Bits of a number of a block's bytes, and where those of a distance begin.
const LEN_BITS: u32 = 20;
const DISTANCE_AT: u32 = 2 * LEN_BITS;
const _: () = assert!(super::MAX_BLOCK_BYTES < 1 << LEN_BITS && WINDOW < 1 << (64 - DISTANCE_AT));

/// What a decoder takes for the last distance when a frame begins.
const FIRST_DISTANCE: usize = 1;
/// Offsets that stand for one of the last three distances. Only the last one is looked for: nothing else is to be kept,
/// and the others are rarely told.
const RECENT: u32 = 3;

/// Tables of a block and of those after it.
#[derive(Debug)]
pub(super) struct Tables {
    literals: Lengths<NEAR_LITERALS>,
    matched: Lengths<NEAR_MATCHES>,
    offset: Table,
    description: Vec<u8>,
}

/// Codes of lengths, and of short ones what they come to.
#[derive(Debug)]
struct Lengths<const NEAR: usize> {
    table: Table,
    /// By length; a match has at least `MIN_MATCH`.
    near: [Length; NEAR],
    code: fn(u32) -> Code,
}

/// How a length is told: its code's step, and by how much more than the code's first length in how many bits.
#[derive(Debug, Clone, Copy)]
struct Length {
    step: Step,
    first: u32,
    width: u32,
}

const NEAR_LITERALS: usize = 64;
const NEAR_MATCHES: usize = 256;

/// The sequences of a block on their way, behind the last one before it.
#[derive(Debug)]
pub(super) struct Sequences(Vec<Told>);

impl Default for Sequences {
    fn default() -> Self {
        Self(vec![Told::FIRST])
    }
}

impl Told {
    /// Stands before the first one of a frame.
    const FIRST: Self = Self((FIRST_DISTANCE as u64) << DISTANCE_AT);

    #[inline]
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

    /// How the distance is told behind another sequence.
    #[inline]
    fn offset(self, before: Self) -> u32 {
        // Behind another match, without literals, the recent ones mean something else. A mask instead of a branch:
        // nobody could foretell it.
        let is_same = (self.literals() > 0) & (self.distance() == before.distance());
        let offset = self.distance() + RECENT;
        offset ^ ((offset ^ 1) & u32::from(is_same).wrapping_neg())
    }
}

impl Sequences {
    #[inline]
    pub fn push(&mut self, told: Told) {
        self.0.push(told);
    }

    pub fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// Appends the block's sequences and forgets them; without tables of an earlier block those that it leaves.
    pub fn encode(&mut self, tables: &mut Option<Tables>, room: &mut Room, out: &mut Vec<u8>) {
        push_count(self.len(), out);
        let [.., before, last] = *self.0 else { return };
        out.push(if tables.is_some() { AS_BEFORE } else { DESCRIBED });
        if tables.is_none() {
            let made = Tables::of(&self.0);
            out.extend_from_slice(&made.description);
            *tables = Some(made);
        }
        if let Some(tables) = tables {
            let mut bits = room.bits(self.0.len() * MAX_BYTES);
            let states = tables.start(last, last.offset(before), &mut bits);
            let before_last = self.0.split_last().map_or(&[][..], |(_, rest)| rest);
            out.extend_from_slice(tables.go_on(before_last, states, bits));
        }
        self.0.clear();
        self.0.push(last);
    }

    /// The next block begins a frame.
    pub fn forget(&mut self) {
        *self = Self::default();
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

/// A code, the number of bits behind it and the first length that it stands for.
#[derive(Debug, Clone, Copy)]
struct Code {
    code: u8,
    width: u8,
    first: u32,
}

/// Codes of the first numbers.
const fn first_codes<const N: usize>(widths: &[u8]) -> [Code; N] {
    let mut codes = [Code { code: 0, width: 0, first: 0 }; N];
    let (mut code, mut at) = (0, 0);
    while at < N {
        let first = at;
        while at < first + (1 << widths[code]) && at < N {
            codes[at] = Code { code: code as u8, width: widths[code], first: first as u32 };
            at += 1;
        }
        code += 1;
    }
    codes
}

impl Code {
    /// From some number on there is a code a power of two.
    fn of_power(number: u32, codes_before: u8) -> Self {
        let width = number.ilog2() as u8;
        Self { code: width + codes_before, width, first: 1 << width }
    }

    fn of_literals(len: u32) -> Self {
        const CODES: [Code; 64] = first_codes(&LITERAL_BITS);
        CODES.get(len as usize).copied().unwrap_or_else(|| Self::of_power(len, 19))
    }

    fn of_match(len: u32) -> Self {
        const CODES: [Code; 128] = first_codes(&MATCH_BITS);
        let beyond = len.saturating_sub(MIN_MATCH);
        let own = CODES.get(beyond as usize).copied().unwrap_or_else(|| Self::of_power(beyond, 36));
        Self { first: own.first + len - beyond, ..own }
    }
}

impl<const NEAR: usize> Lengths<NEAR> {
    fn new(table: Table, code: fn(u32) -> Code) -> Self {
        let near = std::array::from_fn(|len| Length::of(code(len as u32), &table));
        Self { table, near, code }
    }

    #[inline]
    fn of(&self, len: u32) -> Length {
        self.near.get(len as usize).copied().unwrap_or_else(|| self.far(len))
    }

    #[cold]
    fn far(&self, len: u32) -> Length {
        Length::of((self.code)(len), &self.table)
    }

    /// The state that a length alone leads to; what is to be told behind it, and in how many bits.
    fn start(&self, len: u32) -> (u32, u64, u32) {
        let own = (self.code)(len);
        (self.table.start(own.code), u64::from(len - own.first), own.width.into())
    }
}

impl Length {
    fn of(code: Code, table: &Table) -> Self {
        Self { step: table.step(code.code), first: code.first, width: code.width.into() }
    }
}

/// Of literals' number, match's length and offset.
type States = [u32; 3];

impl Tables {
    fn of(told: &[Told]) -> Self {
        let mut counts = ([0; LITERALS], [0; OFFSETS], [0; MATCHES]);
        for (before, own) in told.iter().zip(told.iter().skip(1)) {
            counts.0[usize::from(Code::of_literals(own.literals()).code)] += 1;
            counts.1[own.offset(*before).ilog2() as usize] += 1;
            counts.2[usize::from(Code::of_match(own.matched()).code)] += 1;
        }
        let mut description = Vec::new();
        let mut table = |counts: &[u32], log| {
            let shares = Shares::of_counts(counts, log, true);
            shares.describe(&mut description);
            Table::new(&shares)
        };
        let literals = Lengths::new(table(&counts.0, LENGTH_LOG), Code::of_literals);
        let offset = table(&counts.1, OFFSET_LOG);
        let matched = Lengths::new(table(&counts.2, LENGTH_LOG), Code::of_match);
        Self { literals, matched, offset, description }
    }

    /// The last sequence: streams are read backwards.
    fn start(&self, last: Told, offset: u32, bits: &mut Bits<'_>) -> States {
        let (literals, literal_bits, literal_width) = self.literals.start(last.literals());
        let (matched, match_bits, match_width) = self.matched.start(last.matched());
        let (code, offset_bits) = coded_offset(offset);
        bits.add(literal_bits, literal_width);
        bits.add(match_bits, match_width);
        bits.flush();
        bits.add(offset_bits, code);
        bits.flush();
        [literals, matched, self.offset.start(code as u8)]
    }

    /// Those before it, and the states in the end. The first one only stands before them.
    #[inline(never)]
    fn go_on<'b>(&self, told: &[Told], states: States, mut bits: Bits<'b>) -> &'b [u8] {
        let [mut literals, mut matched, mut offset] = states;
        for (own, before) in told.iter().rev().zip(told.iter().rev().skip(1)) {
            let (literal, matching) = (self.literals.of(own.literals()), self.matched.of(own.matched()));
            let (code, offset_bits) = coded_offset(own.offset(*before));
            let (first, first_width) = self.offset.step_to(&mut offset, self.offset.step(code as u8));
            let (second, second_width) = self.matched.table.step_to(&mut matched, matching.step);
            let (third, third_width) = self.literals.table.step_to(&mut literals, literal.step);
            let two = first_width + second_width;
            let (codes, width) = (first | second << first_width | third << two, two + third_width);
            let both = literal.width + matching.width;
            let lengths = u64::from(own.literals() - literal.first)
                | u64::from(own.matched() - matching.first) << literal.width;
            let (behind, behind_width) = (lengths | offset_bits << both, both + code);
            if width + behind_width > ROOM {
                bits.add(codes, width);
                bits.flush();
                bits.add(behind, behind_width);
            } else {
                bits.add(codes | behind << width, width + behind_width);
            }
            bits.flush();
        }
        for (state, width) in
            [self.matched.table.end(matched), self.offset.end(offset), self.literals.table.end(literals)]
        {
            bits.add(state, width);
        }
        bits.close()
    }
}

/// An offset's code, which is the number of the bits behind it, and these.
#[inline]
fn coded_offset(offset: u32) -> (u32, u64) {
    let code = offset.ilog2();
    (code, u64::from(offset ^ (1 << code)))
}
