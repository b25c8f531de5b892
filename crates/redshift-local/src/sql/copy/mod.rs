//! COPY: what is to be loaded, from where and how. sqlparser reads only a part of Redshift's options, so the tokens
//! are read here. Knows no S3 and no rows.

mod parse;
mod time_format;
pub mod words;

pub use parse::parse;

/// A COPY from S3.
#[derive(Debug, Clone, PartialEq)]
pub struct Copy {
    /// The target as PostgreSQL's `to_regclass` takes it.
    pub table: String,
    /// The target's name without its schema, as messages give it.
    pub table_name: String,
    /// The columns to fill; `None`: all of them.
    pub columns: Option<Vec<String>>,
    /// `s3://bucket/key` of the manifest, or the prefix.
    pub source: String,
    /// The source is a manifest.
    pub is_manifest: bool,
    /// What the objects hold.
    pub format: Format,
    /// How they are packed.
    pub compression: Compression,
    /// How texts become values.
    pub conversion: Conversion,
    /// Errors at which the load fails; 0 and 1 both mean the first one.
    pub max_errors: usize,
}

/// What an object holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// Objects that follow each other.
    Json {
        /// Keys match columns in any case.
        ignore_case: bool,
    },
    /// Fields between delimiters.
    Delimited(Delimited),
    /// Columns by position.
    Parquet,
}

/// How lines are cut into fields.
#[derive(Debug, Clone, PartialEq)]
pub struct Delimited {
    /// Between fields.
    pub delimiter: u8,
    /// Around a field; only CSV has one.
    pub quote: Option<u8>,
    /// Lines of each object to skip.
    pub header_lines: u64,
    /// Empty lines are no rows.
    pub skips_blank_lines: bool,
}

/// How an object is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// It is not.
    None,
    /// `GZIP`, any number of members.
    Gzip,
    /// `ZSTD`, any number of frames.
    Zstd,
}

/// How texts become values.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversion {
    /// The text that stands for NULL.
    pub null_as: Option<String>,
    /// Empty texts are NULL in character columns, too.
    pub empty_as_null: bool,
    /// Blank texts are NULL in character columns.
    pub blanks_as_null: bool,
    /// Texts that are too long are cut.
    pub truncates: bool,
    /// How dates are written.
    pub date_format: TimeFormat,
    /// How timestamps are written.
    pub time_format: TimeFormat,
}

/// How a date or a time is written.
#[derive(Debug, Clone, PartialEq)]
pub enum TimeFormat {
    /// `YYYY-MM-DD` and `YYYY-MM-DD HH:MI:SS`.
    Default,
    /// Recognised.
    Auto,
    /// Seconds since 1970.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMilliseconds,
    /// By a pattern.
    Pattern(Vec<TimePart>),
}

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimePart {
    /// Four digits.
    Year,
    /// Two digits.
    Month,
    /// Two digits.
    Day,
    /// Two digits.
    Hour,
    /// Two digits.
    Minute,
    /// Two digits, and a fraction where there is one.
    Second,
    /// `Z`, `+01`, `+0100` or `+01:00`.
    Offset,
    /// This character.
    Literal(char),
}

impl Default for Conversion {
    fn default() -> Self {
        Self {
            null_as: None,
            empty_as_null: false,
            blanks_as_null: false,
            truncates: false,
            date_format: TimeFormat::Default,
            time_format: TimeFormat::Default,
        }
    }
}
