//! Finite state entropy, as RFC 8878 (4.1) has it: what symbols cost a fraction of a bit, by how often they came. Knows
//! nothing of what they stand for.

use super::bits::{Bits, Room};

/// A symbol that never came and may come: it gets the least there is.
const RARE: i16 = -1;
/// Fewest bits of a table: a description tells how many more it has.
const MIN_LOG: u32 = 5;

/// Most bits of a table, and room for the symbols of every kind: powers of two, so that a mask keeps an index inside.
const MAX_LOG: u32 = 9;
const MAX_SYMBOLS: usize = 64;

/// Codes of one kind of symbol.
#[derive(Debug, Clone)]
pub(super) struct Table {
    log: u32,
    states: [u16; 1 << MAX_LOG],
    steps: [Step; MAX_SYMBOLS],
}

/// How a symbol changes the state.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Step {
    /// Added to the state: above the lowest sixteen bits stands how many bits go out.
    bits: u32,
    /// From the shortened state to the place of the next.
    place: i32,
}

/// How often each symbol comes, in parts of `1 << log`.
#[derive(Debug, Clone)]
pub(super) struct Shares {
    log: u32,
    of: Vec<i16>,
}

impl Shares {
    /// By counts. With `open`, symbols that did not come may come later; without, at least two must have come.
    pub fn of_counts(counts: &[u32], log: u32, open: bool) -> Self {
        let total: u64 = counts.iter().map(|count| u64::from(*count)).sum();
        let size = 1i64 << log;
        let absent = counts.iter().filter(|count| **count == 0).count() as i64;
        let room = if open { size - absent } else { size };
        let share = |count: u32| match (count, open) {
            (0, true) => RARE,
            (0, false) => 0,
            (count, _) => (u64::from(count) * room as u64 / total.max(1)).max(1) as i16,
        };
        let mut of: Vec<i16> = counts.iter().map(|count| share(*count)).collect();
        // What rounding left over, or took too much, is the most frequent one's.
        let mut left = size - of.iter().map(|share| i64::from(share.unsigned_abs())).sum::<i64>();
        while left != 0 {
            let Some(most) = of.iter_mut().max_by_key(|share| **share) else { break };
            let step = if left > 0 { left } else { left.max(-i64::from(*most / 2).max(1)) };
            *most += step as i16;
            left -= step;
        }
        Self { log, of }
    }

    /// Appends their description.
    pub fn describe(&self, out: &mut Vec<u8>) {
        let mut room = Room::default();
        let mut bits = room.bits(self.of.len() * 3 + 8);
        bits.add(u64::from(self.log - MIN_LOG), 4);
        let (mut remaining, mut threshold, mut width) =
            ((1i32 << self.log) + 1, 1i32 << self.log, self.log + 1);
        let mut symbol = 0;
        while remaining > 1 {
            let Some(share) = self.of.get(symbol).copied() else { break };
            symbol += 1;
            let most = 2 * threshold - 1 - remaining;
            remaining -= i32::from(share.unsigned_abs());
            let mut value = i32::from(share) + 1;
            if value >= threshold {
                value += most;
            }
            bits.add(value as u64, width - u32::from(value < most));
            bits.flush();
            if share == 0 {
                symbol = self.describe_absent(symbol, &mut bits);
            }
            while remaining < threshold {
                (width, threshold) = (width - 1, threshold >> 1);
            }
        }
        out.extend_from_slice(bits.end());
    }

    /// How many more are absent behind one that is, three at a time.
    fn describe_absent(&self, from: usize, bits: &mut Bits<'_>) -> usize {
        let more = self.of.iter().skip(from).take_while(|share| **share == 0).count();
        for _ in 0..more / 3 {
            bits.add(3, 2);
            bits.flush();
        }
        bits.add(more as u64 % 3, 2);
        bits.flush();
        from + more
    }
}

impl Table {
    /// The codes of symbols with these shares.
    pub fn new(Shares { log, of }: &Shares) -> Self {
        let size = 1usize << log;
        let mut begins = [0; MAX_SYMBOLS];
        let mut own = Self { log: *log, states: [0; 1 << MAX_LOG], steps: [Step::default(); MAX_SYMBOLS] };
        let mut sum = 0;
        for ((share, begin), step) in of.iter().zip(&mut begins).zip(&mut own.steps) {
            (*begin, *step) = (sum, Step::of(*share, sum as i32, *log));
            sum += usize::from(share.unsigned_abs());
        }
        for (state, symbol) in spread(of, size).into_iter().enumerate() {
            let begin = &mut begins[usize::from(symbol) % MAX_SYMBOLS];
            own.states[*begin % (1 << MAX_LOG)] = (size + state) as u16;
            *begin += 1;
        }
        own
    }

    /// The state that a symbol alone leads to: the last one's, since streams are read backwards.
    pub fn start(&self, symbol: u8) -> u32 {
        let step = self.step(symbol);
        let bits = step.bits.wrapping_add(1 << 15) >> 16;
        self.state((bits << 16).wrapping_sub(step.bits) >> bits, step)
    }

    /// Goes on from a state by the step of a symbol; gives the bits that tell it, and their number.
    #[inline]
    pub fn step_to(&self, state: &mut u32, step: Step) -> (u64, u32) {
        let width = state.wrapping_add(step.bits) >> 16;
        let short = *state >> (width & 31);
        let told = *state ^ (short << (width & 31));
        *state = self.state(short, step);
        (told.into(), width)
    }

    /// The state that reading begins with, as bits and their number.
    pub fn end(&self, state: u32) -> (u64, u32) {
        (u64::from(state & !(u32::MAX << self.log)), self.log)
    }

    #[inline]
    pub fn step(&self, symbol: u8) -> Step {
        self.steps[usize::from(symbol) % MAX_SYMBOLS]
    }

    #[inline]
    fn state(&self, short: u32, step: Step) -> u32 {
        u32::from(self.states[(short as i32 + step.place) as usize % (1 << MAX_LOG)])
    }
}

impl Step {
    fn of(share: i16, begin: i32, log: u32) -> Self {
        match share {
            0 => Self::default(),
            1 | RARE => Self { bits: (log << 16).wrapping_sub(1 << log), place: begin - 1 },
            share => {
                let most = log - (share as u32 - 1).ilog2();
                Self {
                    bits: (most << 16).wrapping_sub((share as u32) << most),
                    place: begin - i32::from(share),
                }
            }
        }
    }
}

/// Which symbol each state stands for: rare ones at the end, the others in equal steps.
fn spread(shares: &[i16], size: usize) -> Vec<u8> {
    let mut symbols = vec![0u8; size];
    let mut free = size;
    for (symbol, share) in (0u8..).zip(shares) {
        if *share == RARE {
            free -= 1;
            symbols[free] = symbol;
        }
    }
    let step = (size >> 1) + (size >> 3) + 3;
    let mut at = 0;
    for (symbol, share) in (0u8..).zip(shares) {
        for _ in 0..(*share).max(0) {
            symbols[at] = symbol;
            at = (at + step) & (size - 1);
            while at >= free {
                at = (at + step) & (size - 1);
            }
        }
    }
    symbols
}
