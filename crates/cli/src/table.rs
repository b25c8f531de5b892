//! Tables of plain text, the same on a terminal and in a file: columns as wide as their widest cell, numbers at the
//! right. No line is wrapped or cut. Knows nothing of what is in the cells.

use std::fmt;

use unicode_width::UnicodeWidthStr;

use crate::printable::printable;

/// Blanks between columns.
const GAP: &str = "  ";

/// Where a column's cells stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Texts.
    Left,
    /// Numbers.
    Right,
}

/// A table; `Display` prints it, each line with its end.
#[derive(Debug, Clone)]
pub struct Table {
    alignment: Vec<Align>,
    lines: Vec<Vec<String>>,
}

impl Table {
    /// A table of these columns.
    pub fn new<'a>(heads: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let (names, alignment): (Vec<_>, Vec<_>) = heads.into_iter().unzip();
        let mut table = Self { alignment, lines: Vec::new() };
        table.push(names);
        table
    }

    /// Adds a row, a cell for each column.
    pub fn push(&mut self, cells: impl IntoIterator<Item = impl AsRef<str>>) {
        let cells = cells.into_iter().map(|cell| printable(cell.as_ref()).into_owned());
        self.lines.push(cells.take(self.alignment.len()).collect());
    }

    fn width(&self, column: usize) -> usize {
        self.lines.iter().filter_map(|cells| cells.get(column)).map(|cell| cell.width()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.alignment.len()).map(|column| self.width(column)).collect();
        let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
        let (heads, rows) = self.lines.split_at(self.lines.len().min(1));
        for cells in heads.iter().chain([&rule]).chain(rows) {
            let mut line = String::new();
            for ((cell, align), width) in cells.iter().zip(&self.alignment).zip(&widths) {
                let blanks = " ".repeat(width - cell.width());
                match align {
                    Align::Left => line.extend([cell.as_str(), &blanks, GAP]),
                    Align::Right => line.extend([blanks.as_str(), cell, GAP]),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 2]]) -> String {
        let mut table = Table::new([("name", Align::Left), ("n", Align::Right)]);
        rows.iter().for_each(|row| table.push(row));
        table.to_string()
    }

    #[test]
    fn numbers_stand_at_the_right_whatever_script_the_texts_are_in() {
        let expected = "name     n\n------  --\n猫       1\ne\u{301}       22\nlonger   3\n";
        assert_eq!(table(&[["猫", "1"], ["e\u{301}", "22"], ["longer", "3"]]), expected);
    }

    #[test]
    fn a_long_cell_breaks_no_row() {
        let long = "x".repeat(500);
        let text = table(&[[&long, "1"], ["a\nb\u{1b}[31m", "2"]]);
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains("a\\nb\\u001b[31m") && !text.contains('\u{1b}'), "{text}");
    }
}
