//! Texts of an arena with what lies behind them: copying and comparing short ones in pieces of a fixed size, and cutting
//! what was too much, takes no call and no loop.

use super::scan::{has_special, plain_len};

/// Copied at once.
const PIECE: usize = 32;
/// Compared at once.
pub(crate) const HEAD: usize = 16;
/// The bits that ASCII has not.
const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);

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

    /// Its first sixteen bytes, the first lowest; the same byte everywhere behind its end.
    #[inline]
    pub fn head(self, behind: u8) -> u128 {
        let bytes = match self.piece::<HEAD>(0) {
            Some(bytes) => *bytes,
            None => {
                let mut bytes = [0; HEAD];
                bytes.iter_mut().zip(self.as_bytes()).for_each(|(to, byte)| *to = *byte);
                bytes
            }
        };
        let head = u128::from_le_bytes(bytes);
        if self.len >= HEAD {
            return head;
        }
        let own = (1 << (8 * self.len)) - 1;
        head & own | u128::from_ne_bytes([behind; HEAD]) & !own
    }

    /// Whether it stands in JSON as it is: no quote, backslash or control character, and none of the two characters that
    /// SQS refuses raw, which begin with 0xEF.
    #[inline]
    pub fn is_plain(self) -> bool {
        let head = self.head(b' ');
        let (low, high) = (head as u64, (head >> 64) as u64);
        let is_ascii = (low | high) & HIGH == 0;
        (has_special(low) | has_special(high)) == 0
            && (self.len <= HEAD || plain_len(self.as_bytes().get(HEAD..).unwrap_or_default()).is_none())
            && (is_ascii && self.len <= HEAD || no_ef(self.as_bytes()))
    }
}

fn no_ef(bytes: &[u8]) -> bool {
    bytes.is_ascii() || memchr::memchr(0xef, bytes).is_none()
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
            prop_assert_eq!(roomy.head(7), bare.head(7));
            let plain = !text.contains(|c: char| c < ' ' || matches!(c, '"' | '\\' | '\u{fffe}' | '\u{ffff}'));
            // What only begins like one of the two is looked at again.
            prop_assert!(roomy.is_plain() == bare.is_plain() && (plain || !bare.is_plain()));
            prop_assert!(!plain || bare.is_plain() || text.as_bytes().contains(&0xef));
            let skipped = skipped.min(text.len());
            let (mut one, mut other) = (vec![7], vec![7]);
            roomy.append_from(skipped, &mut one);
            bare.append_from(skipped, &mut other);
            prop_assert_eq!(&one[1..], &text.as_bytes()[skipped..]);
            prop_assert_eq!(one, other);
        }
    }
}
