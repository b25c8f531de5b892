//! Lists of values that a contract names, as canonical texts, so that 1 and 1.00 are the same amount.

use std::collections::HashSet;

use crate::contract::{Column, ContractError, PhysicalType};
use crate::row::canon::{self, Written};
use crate::row::fields::Scalar;

/// Up to so many values are compared one by one: faster than a hash.
const MAX_LISTED: usize = 12;
/// Bytes that fit a number with their count.
const MAX_PACKED: usize = size_of::<u128>() - 1;

#[derive(Debug)]
pub(super) enum Values {
    /// None of them is longer than `MAX_PACKED`.
    Packed(Vec<u128>),
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
        let packed: Option<Vec<u128>> = texts.iter().map(|text| pack(text)).collect();
        match (texts.len(), packed) {
            (..=MAX_LISTED, Some(packed)) => Self::Packed(packed),
            (..=MAX_LISTED, None) => Self::Listed(texts),
            _ => Self::Hashed(texts.into_iter().collect()),
        }
    }

    pub fn hold(&self, text: &str) -> bool {
        match self {
            Self::Packed(numbers) => {
                // All of them are looked at: they are few, and no branch is guessed wrong.
                let equal = |own| numbers.iter().fold(false, |found, number| found | (*number == own));
                pack(text).is_some_and(equal)
            }
            Self::Listed(texts) => texts.iter().any(|own| **own == *text),
            Self::Hashed(texts) => texts.contains(text),
        }
    }
}

/// A short text and its length as one number; another text is another number.
fn pack(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    let count = (bytes.len() <= MAX_PACKED).then_some(bytes.len() as u128)?;
    Some(bytes.iter().fold(count, |number, byte| number << 8 | u128::from(*byte)))
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
