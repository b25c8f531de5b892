//! Bits as zstd's streams have them: written from the lowest on, read backwards from a closing 1.

/// Appends bits to bytes.
pub(super) struct Bits<'a> {
    out: &'a mut Vec<u8>,
    at: usize,
    word: u64,
    used: u32,
}

impl<'a> Bits<'a> {
    /// For at most so many bytes.
    pub fn new(out: &'a mut Vec<u8>, most: usize) -> Self {
        let at = out.len();
        out.resize(at + most + 16, 0);
        Self { out, at, word: 0, used: 0 }
    }

    /// Adds the lowest bits of a value that has no higher ones; between two flushes at most 56.
    #[inline]
    pub fn add(&mut self, value: u64, bits: u32) {
        self.word |= value << self.used;
        self.used += bits;
    }

    /// The same of a value that may have higher ones.
    #[inline]
    pub fn add_low(&mut self, value: u64, bits: u32) {
        self.add(value & ((1 << bits) - 1), bits);
    }

    /// Makes room for 56 bits.
    #[inline]
    pub fn flush(&mut self) {
        if let Some(eight) = self.out.get_mut(self.at..self.at + 8) {
            eight.copy_from_slice(&self.word.to_le_bytes());
        }
        let whole = self.used / 8;
        self.at += whole as usize;
        self.word >>= whole * 8;
        self.used %= 8;
    }

    /// Closes a stream that is read backwards.
    pub fn close(mut self) {
        self.add(1, 1);
        self.end();
    }

    /// Fills the last byte up: of what is read forwards.
    pub fn end(mut self) {
        self.flush();
        self.out.truncate(self.at + usize::from(self.used > 0));
    }
}
