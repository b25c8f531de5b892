//! Identifiers and literals that are safe to stand in SQL text. Holding an `Ident` proves it was checked.

use std::fmt;

/// A lower-case, non-reserved Redshift name; `Display` quotes it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ident(String);

/// A name that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdentError {
    /// Redshift folds names to lower case and takes 127 bytes.
    #[error("{0:?} must be 1 to 127 of a-z, 0-9 and _, and not start with a digit")]
    Shape(String),
    /// A word of Redshift's grammar.
    #[error("{0:?} is a reserved word of Redshift")]
    Reserved(String),
    /// A name that Redshift or Penstock uses itself.
    #[error("{0:?} is a column that Redshift or Penstock adds itself")]
    System(String),
    /// A schema that a dataset with a history cannot have.
    #[error("{0:?} is the schema of histories: with penstock.keepHistory the dataset's own must be another")]
    History(String),
}

impl Ident {
    /// Checks a name of a schema, table or column.
    pub fn new(name: &str) -> Result<Self, IdentError> {
        let shaped = (1..=127).contains(&name.len())
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !shaped {
            return Err(IdentError::Shape(name.to_owned()));
        }
        if RESERVED.binary_search(&name).is_ok() {
            return Err(IdentError::Reserved(name.to_owned()));
        }
        if SYSTEM_COLUMNS.contains(&name) {
            return Err(IdentError::System(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }

    /// One of our own names: a fixed prefix before a checked name, still within 127 bytes.
    pub fn prefixed(prefix: &'static str, name: &Self) -> Result<Self, IdentError> {
        Self::new(&[prefix, &name.0].concat())
    }

    /// The same with a fixed suffix.
    pub fn suffixed(name: &Self, suffix: &'static str) -> Result<Self, IdentError> {
        Self::new(&[name.0.as_str(), suffix].concat())
    }

    /// The bare name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// A text literal: quotes and backslashes doubled, NUL refused by construction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal(String);

impl Literal {
    /// Escapes a text; `None` if it holds NUL, which no Redshift text can.
    pub fn new(text: &str) -> Option<Self> {
        (!text.contains('\0')).then(|| Self(text.replace('\\', "\\\\").replace('\'', "''")))
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0)
    }
}

/// Columns that Redshift keeps for itself, and the stamps that every target gets.
const SYSTEM_COLUMNS: &[&str] = &[
    "oid",
    "tableoid",
    "xmin",
    "cmin",
    "xmax",
    "cmax",
    "ctid",
    "deletexid",
    "insertxid",
    "_record_id",
    "_row_hash",
    "_order",
    "_deleted",
    "_load_id",
    "_source",
    "_loaded_at",
    "_dataset",
    "_contract_version",
    "_outcome",
    "_rn",
];

/// Redshift's reserved words, sorted (Database Developer Guide, "Reserved words").
const RESERVED: &[&str] = &[
    "aes128",
    "aes256",
    "all",
    "allowoverwrite",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "authorization",
    "az64",
    "backup",
    "between",
    "binary",
    "blanksasnull",
    "both",
    "bytedict",
    "bzip2",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "connect",
    "constraint",
    "create",
    "credentials",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "current_user_id",
    "default",
    "deferrable",
    "deflate",
    "defrag",
    "delta",
    "delta32k",
    "desc",
    "disable",
    "distinct",
    "do",
    "else",
    "emptyasnull",
    "enable",
    "encode",
    "encrypt",
    "encryption",
    "end",
    "except",
    "explicit",
    "false",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "globaldict256",
    "globaldict64k",
    "grant",
    "group",
    "gzip",
    "having",
    "identity",
    "ignore",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "interval",
    "into",
    "is",
    "isnull",
    "join",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "lun",
    "luns",
    "lzo",
    "lzop",
    "minus",
    "mostly16",
    "mostly32",
    "mostly8",
    "natural",
    "new",
    "not",
    "notnull",
    "null",
    "nulls",
    "off",
    "offline",
    "offset",
    "oid",
    "old",
    "on",
    "only",
    "open",
    "or",
    "order",
    "outer",
    "overlaps",
    "parallel",
    "partition",
    "percent",
    "permissions",
    "pivot",
    "placing",
    "primary",
    "raw",
    "readratio",
    "recover",
    "references",
    "rejectlog",
    "resort",
    "respect",
    "restore",
    "right",
    "select",
    "session_user",
    "similar",
    "snapshot",
    "some",
    "sysdate",
    "system",
    "table",
    "tag",
    "tdes",
    "text255",
    "text32k",
    "then",
    "timestamp",
    "to",
    "top",
    "trailing",
    "true",
    "truncatecolumns",
    "union",
    "unique",
    "unnest",
    "unpivot",
    "user",
    "using",
    "verbose",
    "wallet",
    "when",
    "where",
    "with",
    "without",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserved_words_are_sorted_so_that_each_is_found() {
        assert!(RESERVED.is_sorted());
        assert_eq!(Ident::new("table"), Err(IdentError::Reserved("table".into())));
    }

    #[test]
    fn only_plain_lower_case_names_pass() {
        for bad in ["", "Upper", "a b", "1a", "a\"b", "a;b", "naïve", "_record_id", "xmin", &"a".repeat(128)]
        {
            assert!(Ident::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Ident::new("booked_at").unwrap().to_string(), "\"booked_at\"");
    }

    #[test]
    fn quotes_and_backslashes_are_doubled() {
        assert_eq!(Literal::new(r"a'; DROP \").unwrap().to_string(), r"'a''; DROP \\'");
        assert_eq!(Literal::new("a\0b"), None);
    }
}
