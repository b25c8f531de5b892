//! Bits as zstd's streams have them: written from the lowest on, read backwards from a closing 1.

/// Bits that have room between two flushes.
pub(super) const ROOM: u32 = 56;
/// Most of the highest bits of a value whose lowest six are something else.
pub(super) const MOST_HIGHEST: u32 = 64 - 6 - 7;
/// A flush writes so many bytes, whatever they are worth.
const WORD: usize = 8;

/// Memory for streams of bits, used again and again.
#[derive(Debug, Default)]
pub(super) struct Room(Vec<u8>);

impl Room {
    /// For a stream of at most so many bytes.
    pub fn bits(&mut self, most: usize) -> Bits<'_> {
        // What an earlier one left there is written over.
        self.0.resize(self.0.len().max(most + 2 * WORD), 0);
        Bits { out: &mut self.0, at: 0, word: 0, used: 0 }
    }
}

/// Appends bits to bytes.
pub(super) struct Bits<'a> {
    out: &'a mut [u8],
    at: u32,
    word: u64,
    used: u32,
}

impl<'a> Bits<'a> {
    /// Adds the lowest bits of a value that has no higher ones; between two flushes at most `ROOM`.
    #[inline]
    pub fn add(&mut self, value: u64, bits: u32) {
        self.word |= value << (self.used & 63);
        self.used += bits;
    }

    /// Adds the highest bits of a value that has no lower ones but the lowest six; at most `MOST_HIGHEST`, behind a flush.
    #[inline]
    pub fn add_highest(&mut self, value: u64, bits: u32) {
        debug_assert!(bits > 0 && bits <= MOST_HIGHEST && self.used < 8);
        self.used += bits;
        self.word |= value >> ((64 - self.used) & 63);
    }

    /// Makes room for `ROOM` bits.
    #[inline]
    pub fn flush(&mut self) {
        let at = self.at as usize;
        debug_assert!(at + WORD <= self.out.len() && self.used < 64);
        if let Some(word) = self.out.get_mut(at..at + WORD) {
            word.copy_from_slice(&self.word.to_le_bytes());
        }
        self.at += self.used / 8;
        self.word >>= self.used & 56;
        self.used &= 7;
    }

    /// Closes a stream that is read backwards.
    pub fn close(mut self) -> &'a [u8] {
        self.add(1, 1);
        self.end()
    }

    /// Fills the last byte up: of what is read forwards.
    pub fn end(mut self) -> &'a [u8] {
        self.flush();
        self.out.get(..self.at as usize + usize::from(self.used > 0)).unwrap_or_default()
    }
}
