//! The keys that Firehose partitions a row by: dataset, day, and the contract's partition columns, written so that
//! they can stand in an S3 key of the form that Hive reads (`name=value/`).

use penstock_core::contract::{Contract, PhysicalType};
use penstock_core::row::Row;

/// What Hive reads as NULL.
const NULL: &str = "__HIVE_DEFAULT_PARTITION__";
/// Keys that every row has; a column of that name is not told a second time.
const DATASET: &str = "dataset";
const DAY: &str = "dt";
/// Length of `YYYY-MM-DD`, with which canonical dates and timestamps begin.
const DAY_LEN: usize = 10;

/// Writes the partition keys of one dataset's rows.
#[derive(Debug)]
pub struct PartitionKeys {
    /// `{"dataset":"name","dt":"`.
    head: String,
    /// The column that tells the day.
    day: Option<usize>,
    /// `,"name":"` of each column, with its index.
    columns: Vec<(String, usize)>,
}

impl PartitionKeys {
    /// Keys of the contract's rows.
    pub fn new(contract: &Contract) -> Self {
        let mut head = format!("{{\"{DATASET}\":\"");
        push_escaped(&contract.dataset, &mut head);
        head.push_str(&format!("\",\"{DAY}\":\""));
        let column = |at: &usize| contract.columns.get(*at).map(|column| (column, *at));
        let columns = || contract.partitions.iter().filter_map(column);
        let has_day =
            |ty| matches!(ty, PhysicalType::Date | PhysicalType::Timestamp | PhysicalType::TimestampTz);
        // Warehouse names are plain lower-case words: nothing to escape.
        let key = |name: &str| format!("\",\"{name}\":\"");
        Self {
            head,
            day: columns().find(|(column, _)| has_day(column.ty)).map(|(_, at)| at),
            columns: columns()
                .map(|(column, at)| (column.physical.as_str(), at))
                .filter(|(name, _)| ![DATASET, DAY].contains(name))
                .map(|(name, at)| (key(name), at))
                .collect(),
        }
    }

    /// Appends the keys as a JSON object; `arrival_day` is the day of a row whose columns tell none.
    pub fn write(&self, row: &Row<'_>, arrival_day: &str, out: &mut String) {
        out.push_str(&self.head);
        let day = self.day.and_then(|at| row.get(at)).and_then(|text| text.get(..DAY_LEN));
        out.push_str(day.unwrap_or(arrival_day));
        for (key, at) in &self.columns {
            out.push_str(key);
            match row.get(*at) {
                // Firehose refuses an empty key, and so does a path.
                None | Some("") => out.push_str(NULL),
                Some(text) => push_escaped(text, out),
            }
        }
        out.push_str("\"}");
    }
}

/// A value as Hive escapes it in a path, inside of a JSON text.
fn push_escaped(value: &str, out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut rest = value;
    while let Some(at) = rest.bytes().position(is_escaped) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        // Only ASCII is escaped, so the character is one byte.
        let (own, tail) = tail.split_at(1);
        for byte in own.bytes() {
            out.push('%');
            out.extend([byte >> 4, byte & 15].map(|digit| char::from(DIGITS[usize::from(digit)])));
        }
        rest = tail;
    }
    out.push_str(rest);
}

/// What Hive escapes in a path; JSON's own special characters are among it.
fn is_escaped(byte: u8) -> bool {
    byte < b' '
        || matches!(
            byte,
            b'"' | b'#'
                | b'%'
                | b'\''
                | b'*'
                | b'/'
                | b':'
                | b'='
                | b'?'
                | b'\\'
                | b'{'
                | b'['
                | b']'
                | b'^'
                | 0x7f
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::push_json;

    fn escaped(value: &str) -> String {
        let mut out = String::new();
        push_escaped(value, &mut out);
        out
    }

    #[test]
    fn a_value_is_escaped_as_hive_does_it() {
        assert_eq!(escaped("2026-01-02 00:30:00.000000+00"), "2026-01-02 00%3A30%3A00.000000+00");
        assert_eq!(escaped("a/b=\"c\"\\\n\u{7f}é%"), "a%2Fb%3D%22c%22%5C%0A%7Fé%25");
        assert_eq!(escaped("#'*:?{}[]^"), "%23%27%2A%3A%3F%7B}%5B%5D%5E");
    }

    #[test]
    fn an_escaped_value_needs_no_escape_in_json() {
        let all: String = (0..=255u8).map(char::from).collect();
        let mut json = String::new();
        push_json(&escaped(&all), &mut json);
        assert_eq!(json, format!("\"{}\"", escaped(&all)));
    }
}
