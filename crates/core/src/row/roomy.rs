//! Texts of an arena with what lies behind them: copying and comparing short ones in pieces of a fixed size, and cutting
//! what was too much, takes no call and no loop.

use super::scan::plain_len;

/// Copied at once.
const PIECE: usize = 32;
/// Compared at once.
pub(crate) const HEAD: usize = 16;
/// The lowest bytes, by their number.
const FIRST: [u128; HEAD + 1] = {
    let mut first = [0; HEAD + 1];
    let mut len = 1;
    while len <= HEAD {
        first[len] = first[len - 1] << 8 | 0xff;
        len += 1;
    }
    first
};

/// A stretch of a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Roomy<'a> {
    arena: &'a str,
    start: usize,
    len: usize,
}

impl<'a> From<&'a str> for Roomy<'a> {
    fn from(text: &'a str) -> Self {
        Self { arena: text, start: 0, len: text.len() }
    }
}

impl<'a> Roomy<'a> {
    /// From one character to another, both within the arena.
    #[inline]
    pub fn of(arena: &'a str, start: usize, end: usize) -> Self {
        Self { arena, start, len: end.saturating_sub(start) }
    }

    #[inline]
    pub fn as_str(self) -> &'a str {
        self.arena.get(self.start..self.start + self.len).unwrap_or_default()
    }

    #[inline]
    pub fn as_bytes(self) -> &'a [u8] {
        self.arena.as_bytes().get(self.start..self.start + self.len).unwrap_or_default()
    }

    #[inline]
    pub fn len(self) -> usize {
        self.len
    }

    /// So many bytes from one on, though they may go beyond the end.
    #[inline]
    fn piece<const N: usize>(self, from: usize) -> Option<&'a [u8; N]> {
        self.arena.as_bytes().get(self.start + from..)?.first_chunk()
    }

    /// Appends what stands behind the first bytes.
    #[inline]
    pub fn append_from(self, skipped: usize, out: &mut Vec<u8>) {
        let len = self.len.saturating_sub(skipped);
        match self.piece::<PIECE>(skipped) {
            Some(piece) if len <= PIECE => {
                let end = out.len() + len;
                out.extend_from_slice(piece);
                out.truncate(end);
            }
            _ => out.extend_from_slice(self.as_bytes().get(skipped..).unwrap_or_default()),
        }
    }

    /// Its first sixteen bytes, the first lowest; zeros behind its end.
    #[inline]
    pub fn head(self) -> u128 {
        self.sixteen(0)
    }

    /// The same of those from one on.
    #[inline]
    pub fn sixteen(self, from: usize) -> u128 {
        let bytes = match self.piece::<HEAD>(from) {
            Some(bytes) => u128::from_le_bytes(*bytes),
            None => self.last_bytes(from),
        };
        bytes & FIRST[self.len.saturating_sub(from).min(HEAD)]
    }

    /// Sixteen bytes where the arena has not so many.
    #[cold]
    fn last_bytes(self, from: usize) -> u128 {
        let own = self.as_bytes().get(from..).unwrap_or_default();
        own.iter().take(HEAD).rev().fold(0, |bytes, byte| bytes << 8 | u128::from(*byte))
    }

    /// Whether it stands in JSON as it is: no quote, backslash or control character, and none of the two characters that
    /// SQS refuses raw, which begin with 0xEF.
    #[inline]
    pub fn is_plain(self) -> bool {
        let marks = match self.len {
            // Blanks behind its end.
            ..=HEAD => marks(self.head() | u128::from_ne_bytes([b' '; HEAD]) & !FIRST[self.len.min(HEAD)]),
            len if len <= 2 * HEAD => marks(self.sixteen(0)) | marks(self.sixteen(len - HEAD)),
            _ => return self.is_plain_slowly(),
        };
        marks == 0 || self.is_plain_slowly()
    }

    fn is_plain_slowly(self) -> bool {
        plain_len(self.as_bytes()).is_none() && memchr::memchr(0xef, self.as_bytes()).is_none()
    }
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGH: u64 = ONES << 7;

/// Marks bytes that JSON escapes and those that are no ASCII. Exact where nothing is marked: a byte only borrows from
/// its neighbour if it is marked itself.
#[inline]
fn marks(bytes: u128) -> u64 {
    let marks = |word: u64| word | escaped(word);
    (marks(bytes as u64) | marks((bytes >> 64) as u64)) & HIGH
}

/// Marks bytes that JSON escapes, and some that are no ASCII.
#[inline]
fn escaped(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) | less_one(word, b'"') | less_one(word, b'\\')
}

/// How far bytes are from one, less one: only the byte itself borrows.
#[inline]
fn less_one(word: u64, byte: u8) -> u64 {
    (word ^ (ONES * u64::from(byte))).wrapping_sub(ONES)
}

/// Whether texts stand in JSON as they are, as `Roomy::is_plain` has it, looked at in one go; no if it is not plain that
/// they do.
#[inline]
pub(crate) fn are_plain(texts: &[u8]) -> bool {
    let Some(last) = texts.last_chunk::<HEAD>() else { return false };
    let (sixteens, _) = texts.as_chunks();
    let (mut special, mut all) = ([0; HEAD], [0; HEAD]);
    // The last ones are looked at twice. Sixteen lanes: what is the same for each the compiler does at once.
    for sixteen in std::iter::once(last).chain(sixteens) {
        for ((special, all), byte) in special.iter_mut().zip(&mut all).zip(sixteen) {
            *special |= u8::from(*byte < b' ') | u8::from(*byte == b'"') | u8::from(*byte == b'\\');
            *all |= byte;
        }
    }
    let is_ascii = u128::from_ne_bytes(all) & u128::from_ne_bytes([0x80; HEAD]) == 0;
    special == [0; HEAD] && (is_ascii || memchr::memchr(0xef, texts).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn room_changes_nothing(before in "\\PC{0,5}", text in "[a-zä\"\\\\\u{1}\u{ffff}]{0,40}|[ -~]{0,40}", behind in ".{0,60}", skipped in 0usize..40) {
            let arena = format!("{before}{text}{behind}");
            let roomy = Roomy::of(&arena, before.len(), before.len() + text.len());
            let bare = Roomy::from(text.as_str());
            prop_assert_eq!(roomy.as_str(), &text);
            prop_assert_eq!(roomy.head(), bare.head());
            let plain = !text.contains(|c: char| c < ' ' || matches!(c, '"' | '\\' | '\u{fffe}' | '\u{ffff}'));
            // What only begins like one of the two is looked at again.
            prop_assert!(roomy.is_plain() == bare.is_plain() && (plain || !bare.is_plain()));
            prop_assert!(!plain || bare.is_plain() || text.as_bytes().contains(&0xef));
            prop_assert!(!are_plain(text.as_bytes()) || bare.is_plain());
            let may_be_marked = text.contains(|c: char| !(' '..'\u{f000}').contains(&c) || matches!(c, '"' | '\\'));
            prop_assert!(are_plain(text.as_bytes()) || text.len() < HEAD || may_be_marked);
            let skipped = skipped.min(text.len());
            let (mut one, mut other) = (vec![7], vec![7]);
            roomy.append_from(skipped, &mut one);
            bare.append_from(skipped, &mut other);
            prop_assert_eq!(&one[1..], &text.as_bytes()[skipped..]);
            prop_assert_eq!(one, other);
        }
    }
}
