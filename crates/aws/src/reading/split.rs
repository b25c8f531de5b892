//! The setting of the size from which on an object is read in pieces. An error names the variable.

use std::ops::RangeInclusive;

use crate::vars::{VarError, Vars};

/// Less would be more tasks than reading, and more than any object has.
const SPLIT_RANGE: RangeInclusive<u64> = 64 << 10..=50 << 40;

/// Reads `SPLIT_BYTES`, with what it is where nothing is said.
pub fn split_bytes(vars: &Vars<'_>, default: u64) -> Result<u64, VarError> {
    let Some(text) = vars.optional("SPLIT_BYTES") else { return Ok(default) };
    let bytes = text.parse().ok().filter(|bytes| SPLIT_RANGE.contains(bytes));
    bytes.ok_or(VarError::Invalid { name: "SPLIT_BYTES", expected: "a number of bytes, at least 65536" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_bytes_are_a_number_that_makes_sense() {
        let of = |text: &str| {
            let text = text.to_owned();
            split_bytes(&Vars::new(&move |_| Some(text.clone())), 256 << 20)
        };
        assert_eq!(of("").ok(), Some(256 << 20));
        assert_eq!(of("65536").ok(), Some(65_536));
        for wrong in ["65535", "0", "-1", "256MB", "1e9", " 65536"] {
            let message = "environment variable SPLIT_BYTES must be a number of bytes, at least 65536";
            assert_eq!(of(wrong).unwrap_err().to_string(), message, "{wrong}");
        }
    }
}
