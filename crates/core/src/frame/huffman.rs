//! Literals of a zstd block in Huffman codes of at most eleven bits (RFC 8878, 4.2). A tree has a code for every byte, so
//! that it also fits later blocks.

use super::bits::{Bits, MOST_HIGHEST, Room};
use super::fse::{Shares, Table};

/// Most bits of a code.
const MOST: u32 = 11;
/// Log of the weights' table.
const WEIGHTS_LOG: u32 = 6;
/// Most bytes that the weights may take: above stands the plain form, which has no room for all bytes.
const MAX_WEIGHTS: usize = 127;
const BYTES: usize = 256;

/// Codes of all bytes.
#[derive(Debug)]
pub(super) struct Huffman {
    /// By byte: the code in the highest bits, in the lowest six its length.
    codes: [u64; BYTES],
    /// How the tree is told.
    description: Vec<u8>,
    /// The bytes that came.
    came: Vec<u8>,
}

/// Codes of two bytes at once. Their memory goes from tree to tree: it is large, and little of it is used.
#[derive(Debug)]
pub(super) struct Pairs {
    /// By pair, the first byte lowest: the code of both in the highest bits, in the lowest six its length.
    codes: Box<[u64; BYTES * BYTES]>,
    /// Every pair of these bytes has a code.
    bytes: Vec<u8>,
}

/// Bits of a length among those of a pair's code, and the length of a pair that has none: too much for any word.
const PAIR_LEN: u64 = 63;

impl Default for Pairs {
    fn default() -> Self {
        // Made on the heap: builds that do not optimise would have it on a thread's stack first.
        let codes = vec![PAIR_LEN; BYTES * BYTES].into_boxed_slice();
        let codes = codes.try_into().unwrap_or_else(|_| Box::new([PAIR_LEN; BYTES * BYTES]));
        Self { codes, bytes: Vec::new() }
    }
}

impl Pairs {
    /// Those of another tree.
    fn renew(&mut self, of: &Huffman) {
        let Self { codes, bytes } = self;
        for (a, b) in pairs(bytes) {
            codes[pair(a, b)] = PAIR_LEN;
        }
        bytes.clone_from(&of.came);
        for (a, b) in pairs(bytes) {
            let (first, second) = (of.codes[usize::from(a)], of.codes[usize::from(b)]);
            let (len, code) =
                (first & PAIR_LEN, first & !PAIR_LEN | (second & !PAIR_LEN) >> (first & PAIR_LEN));
            codes[pair(a, b)] = code | (len + (second & PAIR_LEN));
        }
    }
}

fn pairs(bytes: &[u8]) -> impl Iterator<Item = (u8, u8)> {
    bytes.iter().flat_map(move |a| bytes.iter().map(move |b| (*a, *b)))
}

#[inline]
fn pair(a: u8, b: u8) -> usize {
    usize::from(u16::from_le_bytes([a, b]))
}

impl Huffman {
    /// For bytes like these; `None` where there is nothing to be won.
    pub fn of(literals: &[u8], pairs: &mut Pairs) -> Option<Self> {
        let counts = counted(literals);
        let lengths = lengths(&counts);
        let longest = lengths.iter().copied().max().unwrap_or_default();
        let weights: Vec<u8> = lengths.iter().take(BYTES - 1).map(|len| (longest + 1 - len) as u8).collect();
        let description = described(&weights)?;
        let came = (0..=u8::MAX).zip(counts).filter(|(_, count)| *count > 1).map(|(byte, _)| byte).collect();
        let own = Self { codes: codes(&lengths), description, came };
        pairs.renew(&own);
        Some(own)
    }

    pub fn description(&self) -> &[u8] {
        &self.description
    }

    /// Appends four streams and before them the lengths of three; with the pairs of this tree.
    pub fn encode(&self, literals: &[u8], pairs: &Pairs, room: &mut Room, out: &mut Vec<u8>) {
        let head = out.len();
        out.extend([0; 6]);
        for (i, quarter) in literals.chunks(literals.len().div_ceil(4).max(1)).enumerate() {
            let stream = self.stream(quarter, pairs, room);
            out.extend_from_slice(stream);
            let len = (stream.len() as u16).to_le_bytes();
            if let Some(slot) = out.get_mut(head + 2 * i..head + 2 * i + 2).filter(|_| i < 3) {
                slot.copy_from_slice(&len);
            }
        }
    }

    fn stream<'r>(&self, literals: &[u8], pairs: &Pairs, room: &'r mut Room) -> &'r [u8] {
        let mut bits = room.bits(literals.len() * MOST as usize / 8);
        let mut sixes = literals.rchunks_exact(6);
        for six in sixes.by_ref() {
            let (Some(four), Some(two)) = (six.first_chunk(), six.last_chunk()) else { continue };
            let (four, two) = (u32::from_le_bytes(*four), u16::from_le_bytes(*two));
            let [first, second, third] =
                [four as u16, (four >> 16) as u16, two].map(|pair| pairs.codes[usize::from(pair)]);
            let first_two = (first & PAIR_LEN) + (second & PAIR_LEN);
            let len = (first_two + (third & PAIR_LEN)) as u32;
            if len > MOST_HIGHEST {
                bits = self.add(six, bits);
                continue;
            }
            // Codes are pushed down from above, so that nothing has to wait for the bits before them; their lengths, in
            // the lowest bits, fall off below.
            bits.add_highest(first | second >> (first & PAIR_LEN) | third >> (first_two & PAIR_LEN), len);
            bits.flush();
        }
        self.add(sixes.remainder(), bits).close()
    }

    /// Adds bytes, the last first.
    #[cold]
    fn add<'b>(&self, few: &[u8], mut bits: Bits<'b>) -> Bits<'b> {
        for byte in few.iter().rev() {
            let code = self.codes[usize::from(*byte)];
            let len = code as u32 & 63;
            bits.add(code >> (64 - len), len);
            bits.flush();
        }
        bits
    }
}

/// How often each byte comes, and once more.
fn counted(literals: &[u8]) -> [u32; BYTES] {
    // Two tables: equal neighbours need not wait for each other.
    let (mut even, mut odd) = ([1u32; BYTES], [0u32; BYTES]);
    let mut pairs = literals.chunks_exact(2);
    for pair in pairs.by_ref() {
        even[usize::from(pair[0])] += 1;
        odd[usize::from(pair[1])] += 1;
    }
    pairs.remainder().iter().for_each(|byte| even[usize::from(*byte)] += 1);
    even.iter_mut().zip(odd).for_each(|(all, more)| *all += more);
    even
}

/// Lengths of the codes, none above `MOST`, together exactly all there are.
fn lengths(counts: &[u32; BYTES]) -> [u32; BYTES] {
    let mut by_count: Vec<usize> = (0..BYTES).collect();
    by_count.sort_by_key(|symbol| counts[*symbol]);
    let depths = depths(&by_count.iter().map(|symbol| counts[*symbol]).collect::<Vec<_>>());
    let mut lens: Vec<u32> = depths.iter().map(|depth| (*depth).clamp(1, MOST)).collect();
    let mut taken: i32 = lens.iter().map(|len| 1 << (MOST - len)).sum();
    // Too much is taken: the rarest that can still become longer do.
    while taken > 1 << MOST {
        // The last of the greatest, seen from the most frequent.
        let can = lens.iter_mut().rev().filter(|len| **len < MOST);
        let Some(len) = can.max_by_key(|len| **len) else { break };
        *len += 1;
        taken -= 1 << (MOST - *len);
    }
    // Some is left: the most frequent that fit become shorter.
    for len in lens.iter_mut().rev() {
        while *len > 1 && taken + (1 << (MOST - *len)) <= 1 << MOST {
            taken += 1 << (MOST - *len);
            *len -= 1;
        }
    }
    let mut lengths = [0; BYTES];
    by_count.iter().zip(lens).for_each(|(symbol, len)| lengths[*symbol] = len);
    lengths
}

/// Depths in Huffman's tree of ascending counts: leaves and inner nodes are two queues.
fn depths(counts: &[u32]) -> Vec<u32> {
    let leaves = counts.len();
    let mut weights: Vec<u64> = counts.iter().map(|count| u64::from(*count)).collect();
    let mut parents = vec![0usize; 2 * leaves];
    let (mut leaf, mut inner) = (0, leaves);
    while weights.len() < 2 * leaves - 1 {
        let node = weights.len();
        let mut least = || {
            let take_leaf = leaf < leaves && (inner >= node || weights[leaf] <= weights[inner]);
            let taken = if take_leaf { &mut leaf } else { &mut inner };
            *taken += 1;
            parents[*taken - 1] = node;
            weights[*taken - 1]
        };
        let both = least() + least();
        weights.push(both);
    }
    let mut depths = vec![0; weights.len()];
    for node in (0..weights.len().saturating_sub(1)).rev() {
        depths[node] = depths[parents[node]] + 1;
    }
    depths.truncate(leaves);
    depths
}

/// Longest codes first, from nought on; bytes of the same length in order.
fn codes(lengths: &[u32; BYTES]) -> [u64; BYTES] {
    let mut codes = [0; BYTES];
    let mut next = 0u64;
    for len in (1..=MOST).rev() {
        for (code, _) in codes.iter_mut().zip(lengths).filter(|(_, own)| **own == len) {
            *code = next << (64 - len) | u64::from(len);
            next += 1;
        }
        next >>= 1;
    }
    codes
}

/// The weights of all bytes but the last, which follows from them.
fn described(weights: &[u8]) -> Option<Vec<u8>> {
    let mut counts = [0u32; MOST as usize + 1];
    weights.iter().for_each(|weight| counts[usize::from(*weight)] += 1);
    if counts.iter().filter(|count| **count > 0).count() < 2 {
        return None;
    }
    let shares = Shares::of_counts(&counts, WEIGHTS_LOG, false);
    let mut out = vec![0];
    shares.describe(&mut out);
    let table = Table::new(&shares);
    let mut room = Room::default();
    let mut bits = room.bits(weights.len());
    // Two states take turns.
    let mut states = [None; 2];
    for (i, weight) in weights.iter().enumerate().rev() {
        match &mut states[i % 2] {
            state @ None => *state = Some(table.start(*weight)),
            Some(state) => {
                let (told, width) = table.step_to(state, table.step(*weight));
                bits.add(told, width);
            }
        }
        bits.flush();
    }
    for state in states.into_iter().rev().flatten() {
        let (told, width) = table.end(state);
        bits.add(told, width);
    }
    out.extend_from_slice(bits.close());
    let len = out.len() - 1;
    *out.first_mut()? = u8::try_from(len).ok().filter(|_| len <= MAX_WEIGHTS)?;
    Some(out)
}
