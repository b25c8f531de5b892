//! Names and texts that Hive, Trino and Glue all read alike, so that none needs an escape: the grammars do not agree on
//! what a backslash or a doubled quote means. Knows no table.

use std::fmt;

/// Most bytes of a comment on a column.
pub const COMMENT_BYTES: usize = 255;
/// Most bytes of a table's description.
pub const DESCRIPTION_BYTES: usize = 2_048;
/// Most bytes of a name in Glue.
const NAME_BYTES: usize = 255;

/// Name of a database, table or view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// 1 to 255 of a-z, 0-9 and _, as Athena has it.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        ((1..=NAME_BYTES).contains(&text.len()) && text.bytes().all(is_plain)).then(|| Self(text.to_owned()))
    }

    /// What a crawler calls the table of a folder.
    pub fn of_folder(prefix: &'static str, folder: &str) -> Option<Self> {
        let lower = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
        Self::parse(&prefix.chars().chain(folder.chars().map(lower)).collect::<String>())
    }

    /// The same with a fixed ending.
    pub fn ending(&self, end: &'static str) -> Option<Self> {
        Self::parse(&[self.0.as_str(), end].concat())
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Quoted as in DDL, which is Hive's.
    pub fn in_hive(&self) -> String {
        format!("`{}`", self.0)
    }

    /// Quoted as in queries, which are Trino's and Redshift's.
    pub fn in_sql(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A text for people on one line; `Display` quotes it. What one of the grammars gives a meaning is written as what looks
/// like it, and so is the semicolon, at which clients cut scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phrase(String);

impl Phrase {
    /// The text, or as much of it as fits; nothing of a text of blanks.
    pub fn new(text: &str, max_bytes: usize) -> Option<Self> {
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let line: String = words.collect::<Vec<_>>().join(" ").chars().map(harmless).collect();
        let cut = line.get(..line.floor_char_boundary(max_bytes)).unwrap_or_default().trim_end();
        (!cut.is_empty()).then(|| Self(cut.to_owned()))
    }

    /// The text without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn harmless(c: char) -> char {
    match c {
        '\'' => '’',
        '"' => '”',
        '`' => '‘',
        '\\' => '/',
        ';' => ',',
        c => c,
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_crawler_makes_of_the_folder() {
        let name = |folder| Name::of_folder("curated_", folder).map(|own| own.as_str().to_owned());
        assert_eq!(name("Sensor-readings.v2").as_deref(), Some("curated_sensor_readings_v2"));
        assert_eq!(Name::parse("a\"b"), None);
        assert_eq!(Name::parse(""), None);
        assert_eq!(Name::parse("a").and_then(|own| own.ending("_latest")).unwrap().in_hive(), "`a_latest`");
    }

    #[test]
    fn no_text_ends_its_quotes_or_its_line() {
        let text = Phrase::new("it's \"a\"\\'; DROP --\r\n\u{0}x `y`\t", COMMENT_BYTES).unwrap();
        assert_eq!(text.to_string(), "'it’s ”a”/’, DROP -- x ‘y‘'");
        assert_eq!(Phrase::new(" \n ", 10), None);
        let cut = Phrase::new(&"é ".repeat(300), COMMENT_BYTES).unwrap();
        assert!(cut.as_str().len() <= COMMENT_BYTES && cut.as_str().ends_with('é'));
    }
}
