//! Lists of values that a contract names, as canonical texts, so that 1 and 1.00 are the same amount.

use std::collections::HashSet;

use crate::contract::{Column, ContractError, PhysicalType};
use crate::row::canon::{self, Written};
use crate::row::fields::Scalar;

/// Up to so many values have slots of their own, or are compared one by one where one is too long: faster than a hash.
const MAX_LISTED: usize = 12;
/// Bytes of a text whose two ends are all of it.
const MAX_PACKED: usize = 16;

/// A short text, so that texts are compared as numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packed(u64, u64, usize);

/// Few texts, each in a slot of its own, so that one alone is looked at and no branch is guessed wrong.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Box<[Packed; 1 << SLOT_BITS]>,
    /// What finds the slots.
    factor: u64,
}

const SLOT_BITS: u32 = 6;
/// Factors that are tried: one in three does for as many texts as there are at most.
const FACTORS: u64 = 1000;

impl Slots {
    fn of(texts: &[Packed]) -> Option<Self> {
        // No text is so long.
        const FREE: Packed = Packed(0, 0, usize::MAX);
        (0..FACTORS).find_map(|i| {
            let factor = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(2 * i + 1);
            let mut own = Self { slots: Box::new([FREE; 1 << SLOT_BITS]), factor };
            for text in texts {
                let slot = own.slots.get_mut(text.slot(factor))?;
                if *slot != FREE && slot != text {
                    return None;
                }
                *slot = *text;
            }
            Some(own)
        })
    }

    #[inline]
    fn hold(&self, text: Packed) -> bool {
        self.slots.get(text.slot(self.factor)).is_some_and(|own| own.is(text))
    }
}

impl Packed {
    #[inline]
    fn slot(self, factor: u64) -> usize {
        let Self(start, end, len) = self;
        ((start ^ end.rotate_left(29) ^ len as u64).wrapping_mul(factor) >> (u64::BITS - SLOT_BITS)) as usize
    }

    /// Whether both are the same; all of them is compared at once.
    #[inline]
    fn is(self, other: Self) -> bool {
        (self.0 ^ other.0) | (self.1 ^ other.1) | (self.2 ^ other.2) as u64 == 0
    }
}

#[derive(Debug)]
pub(super) enum Values {
    /// At most `MAX_LISTED`, none of them longer than `MAX_PACKED`.
    Packed(Slots),
    Listed(Vec<Box<str>>),
    Hashed(HashSet<Box<str>>),
}

impl Values {
    /// Values that are allowed; one that the column cannot hold is refused.
    pub fn allowed(path: &str, column: &Column, values: &[String]) -> Result<Self, ContractError> {
        let kind = if is_text(column) { "text" } else { "value" };
        let canonical = |value: &String| {
            canonical(column, value)
                .map_err(|reason| ContractError::at(path, format!("allowed {kind} {value:?}: {reason}")))
        };
        values.iter().map(canonical).collect::<Result<_, _>>().map(Self::of)
    }

    /// Values that stand for missing ones; what the column cannot hold breaks its type already.
    pub fn missing(column: &Column, values: &[String]) -> Self {
        Self::of(values.iter().filter_map(|value| canonical(column, value).ok()).collect())
    }

    fn of(texts: Vec<Box<str>>) -> Self {
        let packed: Option<Vec<Packed>> = texts.iter().map(|text| pack(text)).collect();
        let packed = packed.filter(|packed| packed.len() <= MAX_LISTED).and_then(|packed| Slots::of(&packed));
        match (texts.len(), packed) {
            (_, Some(slots)) => Self::Packed(slots),
            (..=MAX_LISTED, None) => Self::Listed(texts),
            _ => Self::Hashed(texts.into_iter().collect()),
        }
    }

    pub fn hold(&self, text: &str) -> bool {
        match self {
            Self::Packed(slots) => pack(text).is_some_and(|own| slots.hold(own)),
            Self::Listed(texts) => texts.iter().any(|own| **own == *text),
            Self::Hashed(texts) => texts.contains(text),
        }
    }
}

/// A text of at most sixteen bytes as its two ends, which are all of it, and its length: another text is another one.
fn pack(text: &str) -> Option<Packed> {
    let bytes = text.as_bytes();
    let eight = |own: &[u8; 8]| u64::from_le_bytes(*own);
    let four = |own: &[u8; 4]| u64::from(u32::from_le_bytes(*own));
    let ends = match bytes {
        [] => (0, 0),
        [one] => (u64::from(*one), 0),
        [one, .., last] if bytes.len() < 4 => {
            (u64::from(*one) << 8 | u64::from(*last), u64::from(*bytes.get(1)?))
        }
        _ if bytes.len() < 8 => (four(bytes.first_chunk()?), four(bytes.last_chunk()?)),
        _ => (eight(bytes.first_chunk()?), eight(bytes.last_chunk()?)),
    };
    (bytes.len() <= MAX_PACKED).then_some(Packed(ends.0, ends.1, bytes.len()))
}

fn is_text(column: &Column) -> bool {
    matches!(column.ty, PhysicalType::Varchar(_) | PhysicalType::Char(_))
}

fn canonical(column: &Column, value: &str) -> Result<Box<str>, String> {
    let mut out = String::new();
    let written = canon::write(column, &Scalar::Text(value), canon::Spelling::Source, &mut out)
        .map_err(|violation| violation.reason)?;
    // An overflow of truncate or null would make it another text.
    let is_other = is_text(column) && out != value && out != value.trim_end_matches(' ');
    match is_other || written == Written::Null {
        true => Err("is longer than its column".into()),
        false => Ok(out.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packed_texts_are_equal_where_the_texts_are(a in "[ab]{0,17}", b in "[ab]{0,17}") {
            let (left, right) = (pack(&a), pack(&b));
            prop_assert_eq!(left.is_some(), a.len() <= MAX_PACKED);
            if left.is_some() && right.is_some() {
                prop_assert_eq!(left == right, a == b);
            }
        }
    }

    proptest! {
        #[test]
        fn a_list_holds_its_values_and_no_others(
            list in proptest::collection::vec("[a-cA-C0-9é]{0,17}", 0..16),
            others in proptest::collection::vec("[a-cA-C0-9é]{0,17}", 0..16),
        ) {
            let values = Values::of(list.iter().map(|own| own.as_str().into()).collect());
            for text in list.iter().chain(&others) {
                prop_assert_eq!(values.hold(text), list.contains(text));
            }
        }
    }

    #[test]
    fn every_short_text_is_told_from_every_other() {
        let letters = ["", "a", "b"];
        let mut texts = vec![String::new()];
        for _ in 0..4 {
            texts = texts.iter().flat_map(|text| letters.map(|letter| format!("{text}{letter}"))).collect();
        }
        for (a, b) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
            assert_eq!(pack(a) == pack(b), a == b, "{a} {b}");
        }
    }
}
