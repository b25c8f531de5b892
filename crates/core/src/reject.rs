//! Why a record is no row: rules broken, with column and reason. A reject is data, not an error.
//! Reasons never hold a value: they may be logged, the raw record may not.

use serde::Serialize;

/// A rule that a record or object can break. `as_str` is the name in quarantine, logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each name says its rule")]
pub enum Rule {
    // the record as a whole
    NotUtf8,
    InvalidJson,
    NotAnObject,
    DuplicateKey,
    RecordTooLarge,
    RowTooLarge,
    ExtraColumn,
    BadStamp,
    FieldCount,
    MixedRecord,
    // one value
    Required,
    WrongType,
    NotANumber,
    TooManyDigits,
    OutOfRange,
    InvalidDate,
    InvalidTime,
    InvalidTimestamp,
    NulCharacter,
    NotAscii,
    TooLong,
    TooShort,
    Pattern,
    ValidValues,
    Minimum,
    Maximum,
    MultipleOf,
    Format,
    TooFewItems,
    TooManyItems,
    Derivation,
    DeletedWhen,
    OverflowTruncated,
    OverflowNull,
    NullValues,
    MissingValues,
    Unique,
    Quality,
    // an object or message as a whole
    UnknownDataset,
    UnknownBucket,
    UnknownEvent,
    UnknownMessage,
    Unreadable,
    NoProgress,
    TooManyRejects,
    CorruptCompression,
    Truncated,
    DecompressionLimit,
    NotAnArray,
    InvalidCsv,
    HeaderMismatch,
    ResponseBudget,
    UnknownFormat,
    InvalidParquet,
    InvalidAvro,
    TooLargeForFormat,
    // what only the warehouse or the queue could tell
    RefusedByWarehouse,
    RefusedByQueue,
}

impl Rule {
    /// The rule's name in quarantine, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotUtf8 => "not_utf8",
            Self::InvalidJson => "invalid_json",
            Self::NotAnObject => "not_an_object",
            Self::DuplicateKey => "duplicate_key",
            Self::RecordTooLarge => "record_too_large",
            Self::RowTooLarge => "row_too_large",
            Self::ExtraColumn => "extra_column",
            Self::BadStamp => "bad_stamp",
            Self::FieldCount => "field_count",
            Self::MixedRecord => "mixed_record",
            Self::Required => "required",
            Self::WrongType => "wrong_type",
            Self::NotANumber => "not_a_number",
            Self::TooManyDigits => "too_many_digits",
            Self::OutOfRange => "out_of_range",
            Self::InvalidDate => "invalid_date",
            Self::InvalidTime => "invalid_time",
            Self::InvalidTimestamp => "invalid_timestamp",
            Self::NulCharacter => "nul_character",
            Self::NotAscii => "not_ascii",
            Self::TooLong => "too_long",
            Self::TooShort => "too_short",
            Self::Pattern => "pattern",
            Self::ValidValues => "valid_values",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::MultipleOf => "multiple_of",
            Self::Format => "format",
            Self::TooFewItems => "too_few_items",
            Self::TooManyItems => "too_many_items",
            Self::Derivation => "derivation",
            Self::DeletedWhen => "deleted_when",
            Self::OverflowTruncated => "overflow_truncated",
            Self::OverflowNull => "overflow_null",
            Self::NullValues => "null_values",
            Self::MissingValues => "missing_values",
            Self::Unique => "unique",
            Self::Quality => "quality",
            Self::UnknownDataset => "unknown_dataset",
            Self::UnknownBucket => "unknown_bucket",
            Self::UnknownEvent => "unknown_event",
            Self::UnknownMessage => "unknown_message",
            Self::Unreadable => "unreadable",
            Self::NoProgress => "no_progress",
            Self::TooManyRejects => "too_many_rejects",
            Self::CorruptCompression => "corrupt_compression",
            Self::Truncated => "truncated",
            Self::DecompressionLimit => "decompression_limit",
            Self::NotAnArray => "not_an_array",
            Self::InvalidCsv => "invalid_csv",
            Self::HeaderMismatch => "header_mismatch",
            Self::ResponseBudget => "response_budget",
            Self::UnknownFormat => "unknown_format",
            Self::InvalidParquet => "invalid_parquet",
            Self::InvalidAvro => "invalid_avro",
            Self::TooLargeForFormat => "too_large_for_format",
            Self::RefusedByWarehouse => "refused_by_warehouse",
            Self::RefusedByQueue => "refused_by_queue",
        }
    }
}

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The column it is about, by source name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What was expected and what was found, without the value.
    pub reason: String,
}

impl Violation {
    /// A rule broken by the record as a whole.
    pub fn record(rule: Rule, reason: impl Into<String>) -> Self {
        Self { rule, column: None, reason: reason.into() }
    }

    /// A rule broken by one column's value.
    pub fn column(rule: Rule, column: &str, reason: impl Into<String>) -> Self {
        Self { rule, column: Some(column.to_owned()), reason: reason.into() }
    }
}

/// A record that did not become a row, or (without raw bytes) an object or message that could not be read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Byte offset of the record's first byte in the decompressed stream; `None` for a whole object.
    pub position: Option<u64>,
    /// 1-based line, where the object was read from its beginning.
    pub line: Option<u64>,
    /// At least one broken rule.
    pub violations: Vec<Violation>,
    /// The record as it came.
    pub raw: Vec<u8>,
}

impl Reject {
    /// A whole object or message that is at fault.
    pub fn whole(violation: Violation) -> Self {
        Self { position: None, line: None, violations: vec![violation], raw: Vec::new() }
    }
}
