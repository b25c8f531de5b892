//! DATEFORMAT and TIMEFORMAT: a pattern to its parts. Reads no values.

use super::{TimeFormat, TimePart};
use crate::sql::error::SqlError;

/// Longer words first: `HH24` is no `HH` with 24 behind it.
const WORDS: &[(&str, TimePart)] = &[
    ("YYYY", TimePart::Year),
    ("HH24", TimePart::Hour),
    ("MM", TimePart::Month),
    ("DD", TimePart::Day),
    ("HH", TimePart::Hour),
    ("MI", TimePart::Minute),
    ("SS", TimePart::Second),
    ("OF", TimePart::Offset),
];

/// The format that a text names.
pub fn read(text: &str) -> Result<TimeFormat, SqlError> {
    match text.to_ascii_lowercase().as_str() {
        "auto" => Ok(TimeFormat::Auto),
        "epochsecs" => Ok(TimeFormat::EpochSeconds),
        "epochmillisecs" => Ok(TimeFormat::EpochMilliseconds),
        _ => pattern(text),
    }
}

fn pattern(text: &str) -> Result<TimeFormat, SqlError> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let word = WORDS
            .iter()
            .find(|(word, _)| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
        let (part, bytes) = match word {
            Some((word, part)) => (*part, word.len()),
            None if c.is_ascii_alphabetic() && c != 'T' => {
                return Err(SqlError::unsupported(format!("the time format '{text}'")));
            }
            None => (TimePart::Literal(c), c.len_utf8()),
        };
        parts.push(part);
        rest = rest.get(bytes..).unwrap_or_default();
    }
    if !parts.contains(&TimePart::Year) {
        return Err(SqlError::unsupported(format!("the time format '{text}'")));
    }
    Ok(TimeFormat::Pattern(parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_cut_into_its_parts() {
        use TimePart::{Day, Hour, Literal, Minute, Month, Second, Year};
        let parts = [Day, Literal('.'), Month, Literal('.'), Year, Literal(' '), Hour, Literal(':'), Minute];
        let expected: Vec<_> = parts.into_iter().chain([Literal(':'), Second]).collect();
        assert_eq!(read("DD.MM.YYYY HH24:MI:SS"), Ok(TimeFormat::Pattern(expected)));
    }

    #[test]
    fn words_that_are_not_read_are_refused_by_name() {
        assert!(read("MON DD YYYY").unwrap_err().message.contains("MON DD YYYY"));
        assert!(read("nonsense").is_err());
    }
}
