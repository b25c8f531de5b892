//! Bits as zstd's streams have them: written from the lowest on, read backwards from a closing 1.

/// Bits that have room between two flushes.
pub(super) const ROOM: u32 = 56;

/// Appends bits to bytes.
pub(super) struct Bits<'a> {
    out: &'a mut [u8],
    at: usize,
    word: u64,
    used: u32,
}

impl<'a> Bits<'a> {
    /// For at most so many bytes. Whoever ends it is told how many `out` then has, and cuts it.
    pub fn new(out: &'a mut Vec<u8>, most: usize) -> Self {
        let at = out.len();
        out.resize(at + most + 16, 0);
        Self { out, at, word: 0, used: 0 }
    }

    /// Adds the lowest bits of a value that has no higher ones; between two flushes at most `ROOM`.
    #[inline]
    pub fn add(&mut self, value: u64, bits: u32) {
        self.word |= value << (self.used & 63);
        self.used += bits;
    }

    /// Makes room for `ROOM` bits.
    #[inline]
    pub fn flush(&mut self) {
        debug_assert!(self.at + 8 <= self.out.len() && self.used < 64);
        if let Some(eight) = self.out.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut) {
            *eight = self.word.to_le_bytes();
        }
        let whole = self.used & !7;
        self.at += whole as usize / 8;
        self.word >>= whole & 63;
        self.used &= 7;
    }

    /// Closes a stream that is read backwards.
    pub fn close(mut self) -> usize {
        self.add(1, 1);
        self.end()
    }

    /// Fills the last byte up: of what is read forwards.
    pub fn end(mut self) -> usize {
        self.flush();
        self.at + usize::from(self.used > 0)
    }
}

/// The lowest bits of a value.
#[inline]
pub(super) fn lowest(value: u32, bits: u32) -> u64 {
    u64::from(value & !(u32::MAX << (bits & 31)))
}
