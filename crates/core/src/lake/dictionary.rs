//! The different values of a column chunk, numbered in the order that they came in. Knows no types: only bytes.

/// What Parquet's writers allow a dictionary, as it stands in its page.
const MAX_BYTES: usize = 1 << 20;
/// Slots that are looked at for one value: somebody could choose values that all want the same one.
const MAX_PROBES: usize = 64;
/// Bytes of the length before a value that has its own.
pub(super) const LENGTH_BYTES: usize = 4;

/// Values and their numbers.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    /// A power of two of them, at most half full.
    slots: Vec<Slot>,
    /// The dictionary's page: values as they stand in it.
    plain: Vec<u8>,
    /// Where each value ends in it.
    ends: Vec<u32>,
    /// Whether each value has its length before it.
    has_lengths: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    hash: u32,
    /// Number of the value, from 1; 0 where there is none.
    number: u32,
}

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Known(u32),
    New(u32),
    /// It would be too many.
    Full,
}

impl Dictionary {
    /// An empty one.
    pub fn new(has_lengths: bool) -> Self {
        Self { has_lengths, ..Self::default() }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Its page.
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// A value as it stands in a page, with the length of one that has its own.
    pub fn entry(&self, index: u32) -> &[u8] {
        let at = index as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.plain.get(start as usize..end as usize).unwrap_or_default()
    }

    /// Bytes that it holds.
    pub fn memory(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.plain.capacity()
            + self.ends.capacity() * size_of::<u32>()
    }

    /// Finds a value or adds it.
    #[inline]
    pub fn place(&mut self, value: &[u8]) -> Place {
        if self.ends.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = hash(value);
        let mask = self.slots.len().wrapping_sub(1);
        for probe in 0..MAX_PROBES {
            let at = (hash as usize).wrapping_add(probe) & mask;
            match self.slots.get(at) {
                Some(Slot { number: 0, .. }) => return self.add(at, hash, value),
                Some(slot) if slot.hash == hash && self.value(slot.number - 1) == value => {
                    return Place::Known(slot.number - 1);
                }
                Some(_) => {}
                None => break,
            }
        }
        Place::Full
    }

    fn value(&self, index: u32) -> &[u8] {
        let skipped = if self.has_lengths { LENGTH_BYTES } else { 0 };
        self.entry(index).get(skipped..).unwrap_or_default()
    }

    fn add(&mut self, at: usize, hash: u32, value: &[u8]) -> Place {
        if self.plain.len() + LENGTH_BYTES + value.len() > MAX_BYTES {
            return Place::Full;
        }
        let index = self.ends.len() as u32;
        if self.has_lengths {
            self.plain.extend_from_slice(&(value.len() as u32).to_le_bytes());
        }
        self.plain.extend_from_slice(value);
        self.ends.push(self.plain.len() as u32);
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Slot { hash, number: index + 1 };
        }
        Place::New(index)
    }

    fn grow(&mut self) {
        let len = (self.slots.len() * 4).max(64);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); len]);
        for slot in old.into_iter().filter(|slot| slot.number > 0) {
            let mut at = slot.hash as usize & (len - 1);
            while self.slots.get(at).is_some_and(|taken| taken.number > 0) {
                at = (at + 1) & (len - 1);
            }
            if let Some(free) = self.slots.get_mut(at) {
                *free = slot;
            }
        }
    }
}

/// A hash for this table alone: folded products of eight bytes each. Nothing that is written depends on it.
#[inline]
fn hash(value: &[u8]) -> u32 {
    const KEYS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xa076_1d64_78bd_642f];
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        product as u64 ^ (product >> 64) as u64
    };
    let mut sum = KEYS[0] ^ value.len() as u64;
    let (words, _) = value.as_chunks::<8>();
    for word in words {
        sum = fold(sum ^ u64::from_le_bytes(*word), KEYS[1]);
    }
    let last = match (value.last_chunk::<8>(), value.first_chunk::<4>(), value.last_chunk::<4>()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (None, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => value.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    let sum = fold(sum ^ last, KEYS[0]);
    sum as u32 ^ (sum >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbered_in_the_order_they_came_in() {
        for has_lengths in [false, true] {
            let mut own = Dictionary::new(has_lengths);
            let values: Vec<String> = (0..20_000).map(|i| format!("{i:09}")).collect();
            for (i, value) in values.iter().enumerate() {
                assert_eq!(own.place(value.as_bytes()), Place::New(i as u32));
            }
            for (i, value) in values.iter().enumerate().rev() {
                assert_eq!(own.place(value.as_bytes()), Place::Known(i as u32));
                assert!(own.entry(i as u32).ends_with(value.as_bytes()));
            }
            assert_eq!(own.plain().len(), 20_000 * if has_lengths { 13 } else { 9 });
        }
    }

    #[test]
    fn values_that_begin_or_end_alike_stay_apart() {
        let mut own = Dictionary::new(true);
        let values = ["", "\0", "\0\0", "a", "ab", "abcd", "abcdabcd", "abcdabcda", "abcdabcdabcdabcd"];
        for (i, value) in values.iter().enumerate() {
            assert_eq!(own.place(value.as_bytes()), Place::New(i as u32), "{value:?}");
        }
    }

    #[test]
    fn it_holds_no_more_than_a_page() {
        let mut own = Dictionary::new(true);
        let mut last = Place::New(0);
        let mut kept = 0;
        while last != Place::Full {
            last = own.place(format!("{kept:0100}").as_bytes());
            kept += 1;
        }
        assert!(own.plain().len() <= MAX_BYTES && own.plain().len() > MAX_BYTES - 200);
        assert_eq!(own.place(format!("{:0100}", 5).as_bytes()), Place::Known(5));
    }
}
