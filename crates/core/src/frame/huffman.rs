//! Literals of a zstd block in Huffman codes of at most eleven bits (RFC 8878, 4.2). A tree has a code for every byte, so
//! that it also fits later blocks.

use super::bits::Bits;
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
    /// By byte: the code in the highest bits, in the lowest eight its length.
    codes: [u64; BYTES],
    /// How the tree is told.
    description: Vec<u8>,
}

impl Huffman {
    /// For bytes like these; `None` where there is nothing to be won.
    pub fn of(literals: &[u8]) -> Option<Self> {
        let lengths = lengths(&counted(literals));
        let longest = lengths.iter().copied().max().unwrap_or_default();
        let weights: Vec<u8> = lengths.iter().take(BYTES - 1).map(|len| (longest + 1 - len) as u8).collect();
        let description = described(&weights)?;
        Some(Self { codes: codes(&lengths), description })
    }

    pub fn description(&self) -> &[u8] {
        &self.description
    }

    /// Appends four streams and before them the lengths of three.
    pub fn encode(&self, literals: &[u8], out: &mut Vec<u8>) {
        let head = out.len();
        out.extend([0; 6]);
        for (i, quarter) in literals.chunks(literals.len().div_ceil(4).max(1)).enumerate() {
            let start = out.len();
            self.stream(quarter, out);
            let len = ((out.len() - start) as u16).to_le_bytes();
            if let Some(slot) = out.get_mut(head + 2 * i..head + 2 * i + 2).filter(|_| i < 3) {
                slot.copy_from_slice(&len);
            }
        }
    }

    fn stream(&self, literals: &[u8], out: &mut Vec<u8>) {
        let mut bits = Bits::new(out, literals.len() * MOST as usize / 8);
        let mut fives = literals.rchunks_exact(5);
        for five in fives.by_ref() {
            self.add(five, &mut bits);
            bits.flush();
        }
        self.add(fives.remainder(), &mut bits);
        bits.flush();
        bits.close();
    }
}

impl Huffman {
    /// Adds at most five bytes, the last first. Codes are pushed down from above, so that nothing has to wait for the
    /// bits before them; what is no code falls out below.
    #[inline]
    fn add(&self, few: &[u8], bits: &mut Bits<'_>) {
        let (mut word, mut len) = (0u64, 0);
        for byte in few.iter().rev() {
            let code = self.codes[usize::from(*byte)];
            word = word >> (code & 63) | code;
            len += code as u32 & 0xff;
        }
        bits.add(word >> 1 >> (63 - len), len);
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
        let Some(len) = lens.iter_mut().filter(|len| **len < MOST).max_by_key(|len| **len) else { break };
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
    let mut bits = Bits::new(&mut out, weights.len());
    // Two states take turns.
    let mut states = [None; 2];
    for (i, weight) in weights.iter().enumerate().rev() {
        let state = &mut states[i % 2];
        *state = Some(match *state {
            None => table.start(*weight),
            Some(own) => table.add(own, *weight, &mut bits),
        });
        bits.flush();
    }
    states.iter().rev().flatten().for_each(|state| table.end(*state, &mut bits));
    bits.close();
    let len = out.len() - 1;
    *out.first_mut()? = u8::try_from(len).ok().filter(|_| len <= MAX_WEIGHTS)?;
    Some(out)
}
