//! Column types: what Redshift declares and which PostgreSQL type holds it.
//!
//! Lengths in bytes are kept by domains (`redshift_local.varchar_256` over `varchar(256)` with a check on
//! `octet_length`), one a length, made on first use. A domain works in temporary tables, casts, procedures and
//! `LIKE` alike, and its name is the declared type, so the catalog views need no second list of columns.

use sqlparser::ast::{
    BinaryLength, CharacterLength, DataType, ExactNumberInfo, Ident, ObjectName, ObjectNamePart, TimezoneInfo,
};

use super::error::SqlError;

/// Schema of everything that this crate adds to a database.
pub const SCHEMA: &str = "redshift_local";

/// The longest VARCHAR in bytes.
const MAX_VARCHAR: u64 = 65_535;
/// VARCHAR and TEXT without a length.
const DEFAULT_VARCHAR: u64 = 256;
const MAX_CHAR: u64 = 4_096;
const DEFAULT_VARBYTE: u64 = 64_000;
const MAX_VARBYTE: u64 = 16_777_216;

/// A type whose limit PostgreSQL does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// VARCHAR limited in bytes.
    Varchar(u64),
    /// CHAR of single-byte characters.
    Char(u64),
    /// VARBYTE limited in bytes.
    Varbyte(u64),
}

impl Domain {
    /// The name without its schema.
    pub fn name(self) -> String {
        match self {
            Self::Varchar(n) => format!("varchar_{n}"),
            Self::Char(n) => format!("char_{n}"),
            Self::Varbyte(n) => format!("varbyte_{n}"),
        }
    }

    /// The statement that makes it; the caller skips it where it exists.
    pub fn create(self) -> String {
        let name = self.name();
        match self {
            Self::Varchar(n) => format!(
                "CREATE DOMAIN {SCHEMA}.{name} AS varchar({n}) CONSTRAINT {name} CHECK (octet_length(VALUE) <= {n})"
            ),
            Self::Char(n) => format!(
                "CREATE DOMAIN {SCHEMA}.{name} AS char({n}) CONSTRAINT {name} \
                 CHECK (octet_length(VALUE) = {n})"
            ),
            Self::Varbyte(n) => format!(
                "CREATE DOMAIN {SCHEMA}.{name} AS bytea CONSTRAINT {name} CHECK (octet_length(VALUE) <= {n})"
            ),
        }
    }

    fn into_type(self) -> DataType {
        compat_type(&self.name())
    }
}

/// Where a type stands decides what it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A column or a variable: the limit is enforced.
    Stored,
    /// A procedure's argument: its length is no part of the procedure's name.
    Argument,
    /// A cast: a longer text is cut, as on both systems.
    Cast,
}

/// What a cast or a column is made of on PostgreSQL.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// The type to print.
    pub data_type: DataType,
    /// The domain that has to exist first.
    pub domain: Option<Domain>,
    /// The byte limit that a cast to a text type cuts at.
    pub cut: Option<u64>,
    /// SUPER needs a conversion by function.
    pub is_super: bool,
}

impl Mapped {
    fn plain(data_type: DataType) -> Self {
        Self { data_type, domain: None, cut: None, is_super: false }
    }

    fn stored(domain: Domain) -> Self {
        Self { data_type: domain.into_type(), domain: Some(domain), cut: None, is_super: false }
    }
}

/// Maps a Redshift type, or names what Redshift does not have.
pub fn map(data_type: &DataType, place: Place) -> Result<Mapped, SqlError> {
    let mapped = map_limited(data_type, place)?;
    Ok(match (place, mapped.domain) {
        (Place::Argument, Some(Domain::Char(_))) => Mapped::plain(plain_type("bpchar")),
        (Place::Argument, Some(Domain::Varbyte(_))) => Mapped::plain(DataType::Bytea),
        (Place::Argument, _) if mapped.cut.is_some() => Mapped::plain(DataType::Varchar(None)),
        _ => mapped,
    })
}

fn map_limited(data_type: &DataType, place: Place) -> Result<Mapped, SqlError> {
    use DataType as T;
    match data_type {
        T::Varchar(n) | T::CharacterVarying(n) | T::CharVarying(n) | T::Nvarchar(n) => varchar(*n, place),
        T::Text => varchar(None, place),
        T::Char(n) | T::Character(n) => character(*n),
        T::Numeric(p) | T::Decimal(p) | T::Dec(p) => numeric(p),
        T::Float(_) => Ok(Mapped::plain(T::DoublePrecision)),
        T::Varbinary(n) => match n {
            Some(BinaryLength::IntegerLength { length }) => varbyte(Some(*length)),
            Some(BinaryLength::Max) => varbyte(Some(MAX_VARBYTE)),
            None => varbyte(None),
        },
        T::SmallInt(None) | T::Int2(None) | T::Int(None) | T::Integer(None) | T::Int4(None) => {
            Ok(Mapped::plain(data_type.clone()))
        }
        T::BigInt(None) | T::Int8(None) | T::Real | T::Float4 | T::Float8 | T::DoublePrecision => {
            Ok(Mapped::plain(data_type.clone()))
        }
        T::Bool | T::Boolean | T::Date | T::Interval { .. } => Ok(Mapped::plain(data_type.clone())),
        T::Timestamp(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
            Ok(Mapped::plain(data_type.clone()))
        }
        T::Timestamp(None, _) | T::Time(None, _) => Ok(Mapped::plain(data_type.clone())),
        T::Custom(name, modifiers) => custom(name, modifiers, place),
        other => Err(SqlError::refused(format!("the type {other}"), "it has no such type")),
    }
}

fn varchar(length: Option<CharacterLength>, place: Place) -> Result<Mapped, SqlError> {
    let length = match length {
        None => DEFAULT_VARCHAR,
        Some(CharacterLength::Max) => MAX_VARCHAR,
        Some(CharacterLength::IntegerLength { length, .. }) => length,
    };
    if length == 0 || length > MAX_VARCHAR {
        return Err(SqlError::new(
            "22023",
            format!("length for type character varying cannot exceed {MAX_VARCHAR}"),
        ));
    }
    if place == Place::Stored {
        return Ok(Mapped::stored(Domain::Varchar(length)));
    }
    let limit = CharacterLength::IntegerLength { length, unit: None };
    Ok(Mapped { cut: Some(length), ..Mapped::plain(DataType::Varchar(Some(limit))) })
}

fn character(length: Option<CharacterLength>) -> Result<Mapped, SqlError> {
    let length = match length {
        None => 1,
        Some(CharacterLength::Max) => MAX_CHAR,
        Some(CharacterLength::IntegerLength { length, .. }) => length,
    };
    if length == 0 || length > MAX_CHAR {
        return Err(SqlError::new("22023", format!("length for type character cannot exceed {MAX_CHAR}")));
    }
    Ok(Mapped::stored(Domain::Char(length)))
}

fn varbyte(length: Option<u64>) -> Result<Mapped, SqlError> {
    let length = length.unwrap_or(DEFAULT_VARBYTE);
    if length == 0 || length > MAX_VARBYTE {
        return Err(SqlError::new("22023", format!("length for type varbyte cannot exceed {MAX_VARBYTE}")));
    }
    Ok(Mapped::stored(Domain::Varbyte(length)))
}

fn numeric(info: &ExactNumberInfo) -> Result<Mapped, SqlError> {
    let (precision, scale) = match info {
        // Redshift's default, where PostgreSQL would keep every digit.
        ExactNumberInfo::None => (18, 0),
        ExactNumberInfo::Precision(precision) => (*precision, 0),
        ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
    };
    if precision == 0 || precision > 38 {
        return Err(SqlError::new(
            "22023",
            format!("DECIMAL precision {precision} must be between 1 and 38"),
        ));
    }
    if scale < 0 || scale > precision as i64 || scale > 37 {
        return Err(SqlError::new(
            "22023",
            format!("DECIMAL scale {scale} must be between 0 and precision {precision}"),
        ));
    }
    Ok(Mapped::plain(DataType::Numeric(ExactNumberInfo::PrecisionAndScale(precision, scale))))
}

fn custom(name: &ObjectName, modifiers: &[String], place: Place) -> Result<Mapped, SqlError> {
    let text = name.to_string().to_ascii_lowercase();
    let length = match modifiers {
        [] => None,
        [one] => {
            Some(one.parse::<u64>().map_err(|_| SqlError::syntax(format!("the length {one} of {text}")))?)
        }
        _ => return Err(SqlError::syntax(format!("the type {text} has too many modifiers"))),
    };
    match text.as_str() {
        "super" => Ok(Mapped { is_super: true, ..Mapped::plain(compat_type("super")) }),
        "varbyte" => varbyte(length),
        "bpchar" => {
            character(Some(CharacterLength::IntegerLength { length: length.unwrap_or(256), unit: None }))
        }
        "nchar" => character(length.map(|length| CharacterLength::IntegerLength { length, unit: None })),
        "nvarchar" => {
            varchar(length.map(|length| CharacterLength::IntegerLength { length, unit: None }), place)
        }
        "timestamptz" | "timetz" if length.is_none() => Ok(Mapped::plain(plain_type(&text))),
        "oid" if place == Place::Cast => Ok(Mapped::plain(plain_type(&text))),
        "geometry" | "geography" | "hllsketch" => Err(SqlError::unsupported(format!("the type {text}"))),
        _ => Err(SqlError::refused(format!("the type {text}"), "it has no such type")),
    }
}

fn plain_type(name: &str) -> DataType {
    DataType::Custom(ObjectName(vec![ObjectNamePart::Identifier(Ident::new(name))]), Vec::new())
}

fn compat_type(name: &str) -> DataType {
    let parts = [SCHEMA, name].map(|part| ObjectNamePart::Identifier(Ident::new(part)));
    DataType::Custom(ObjectName(parts.into()), Vec::new())
}
