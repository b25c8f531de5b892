//! Rows of one file that stand more than once: equal ones, and versions of one key. Remembers 16 bytes a row, and no
//! more rows than a bound. Knows no columns.

use penstock_core::ident::HexId;
use penstock_core::row::Stamp;

/// Rows that are remembered: 80 MB.
const MAX_ROWS: usize = 5_000_000;

/// Rows seen so far.
#[derive(Debug)]
pub struct Seen {
    /// Identity above, content below: sorted, the versions of a key stand together.
    rows: Vec<u128>,
    max_rows: usize,
    beyond: u64,
}

/// What stands more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repeats {
    /// Rows that are equal to another one in key and values; a load drops them.
    pub duplicates: u64,
    /// Keys that stand with differing values; the latest version of each wins.
    pub keys_with_versions: u64,
    /// Rows that were not looked at, since there are too many.
    pub beyond: u64,
}

impl Default for Seen {
    fn default() -> Self {
        Self { rows: Vec::new(), max_rows: MAX_ROWS, beyond: 0 }
    }
}

impl Seen {
    /// Adds a row.
    pub fn add(&mut self, stamp: &Stamp<'_>) {
        if self.rows.len() < self.max_rows {
            self.rows.push(u128::from(half(&stamp.record_id)) << 64 | u128::from(half(&stamp.row_hash)));
        } else {
            self.beyond += 1;
        }
    }

    /// Counts what stands more than once.
    pub fn count(mut self) -> Repeats {
        self.rows.sort_unstable();
        let all = self.rows.len();
        self.rows.dedup();
        let keys = self.rows.chunk_by(|a, b| a >> 64 == b >> 64);
        Repeats {
            duplicates: (all - self.rows.len()) as u64,
            keys_with_versions: keys.filter(|versions| versions.len() > 1).count() as u64,
            beyond: self.beyond,
        }
    }
}

/// 64 bits of a hash: two of five million rows meet by chance once in a million files.
fn half(id: &HexId) -> u64 {
    id.as_str().get(..16).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use penstock_core::ident::stable_id;

    use super::*;

    fn count(rows: &[(&str, &str)], max_rows: usize) -> Repeats {
        let mut seen = Seen { max_rows, ..Seen::default() };
        for (key, value) in rows {
            let (record_id, row_hash) = (stable_id([*key]), stable_id([*value]));
            seen.add(&Stamp { record_id, row_hash, order: "", deleted: false });
        }
        seen.count()
    }

    #[test]
    fn equal_rows_and_versions_of_a_key_are_told_apart() {
        let rows = [("a", "1"), ("b", "1"), ("a", "2"), ("a", "1"), ("a", "3"), ("c", "1"), ("c", "1")];
        let expected = Repeats { duplicates: 2, keys_with_versions: 1, beyond: 0 };
        assert_eq!(count(&rows, 100), expected);
        assert_eq!(count(&[], 100), Repeats::default());
    }

    #[test]
    fn rows_over_the_bound_are_counted_as_not_looked_at() {
        let expected = Repeats { duplicates: 1, keys_with_versions: 0, beyond: 3 };
        assert_eq!(count(&[("a", "1"); 5], 2), expected);
    }
}
