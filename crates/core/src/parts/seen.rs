//! Repeats within long values, such as the names in JSON: found by the hash of a few bytes. Knows no columns.

use super::lines::common;
use crate::frame::{Frame, MAX_REPEAT, WINDOW};

/// Shorter values are not searched.
pub(super) const MIN_SEARCHED: usize = 24;
/// Fewest bytes of a repeat, which the hash is of.
const MIN_SAME: usize = 6;
const HASH_BITS: u32 = 12;
/// After 32 bytes without a repeat every second place is looked at, after as many more every third.
const PATIENCE: u32 = 32_u32.ilog2();
/// Kept bytes: as far back as a repeat may lie.
const MAX_KEPT: usize = WINDOW;

/// Values that were told.
#[derive(Debug)]
pub(super) struct Seen {
    text: Vec<u8>,
    places: Vec<Place>,
}

/// Where some bytes stand in the text and where their value ends there, and where they stand in the frame.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    at: u32,
    end: u32,
    told: u32,
}

impl Default for Seen {
    fn default() -> Self {
        Self { text: Vec::new(), places: vec![Place::default(); 1 << HASH_BITS] }
    }
}

impl Seen {
    /// Tells a value.
    pub fn tell(&mut self, frame: &mut Frame, value: &[u8]) {
        if self.text.len() > MAX_KEPT {
            self.forget();
        }
        let (start, end, here) = (self.text.len(), self.text.len() + value.len(), frame.len());
        self.text.extend_from_slice(value);
        let (mut at, mut told) = (0, 0);
        while let Some(eight) = value.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let place = Place { at: (start + at) as u32, end: end as u32, told: (here + at) as u32 };
            let last = std::mem::replace(&mut self.places[hash(u64::from_le_bytes(*eight))], place);
            let (distance, rest) =
                (here + at - last.told as usize, &value[at..value.len().min(at + MAX_REPEAT)]);
            let same = match self.text.get(last.at as usize..last.end as usize) {
                Some(before) if distance <= WINDOW => common(before, rest),
                _ => 0,
            };
            if same < MIN_SAME {
                at += 1 + ((at - told) >> PATIENCE);
                continue;
            }
            frame.literal(&value[told..at]);
            frame.again(distance, same);
            at += same;
            told = at;
        }
        frame.literal(&value[told..]);
    }

    /// A new frame begins.
    pub fn forget(&mut self) {
        self.text.clear();
        self.places.fill(Place::default());
    }
}

/// Of the first `MIN_SAME` bytes.
#[inline]
fn hash(eight: u64) -> usize {
    let few = eight << (64 - 8 * MIN_SAME);
    (few.wrapping_mul(0x9e37_79b1_85eb_ca87) >> (64 - HASH_BITS)) as usize
}
