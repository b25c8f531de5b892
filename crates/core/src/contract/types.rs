//! The types a column may have: ODCS logical types and Redshift's physical types, and which go together.
//! Knows nothing of values; how a text becomes a value of a type is `row::canon`'s.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// Most bytes a `varchar` holds on Redshift.
pub const MAX_VARCHAR_BYTES: u32 = 65_535;
/// Most bytes a `char` holds on Redshift.
pub const MAX_CHAR_BYTES: u32 = 4_096;
/// Most digits of a `numeric` on Redshift.
pub const MAX_PRECISION: u8 = 38;
/// Most bytes of a `varbyte` on Redshift.
pub const MAX_VARBYTE_BYTES: u32 = 16_777_216;

/// The standard's logical type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are the standard's own")]
pub enum LogicalType {
    String,
    Date,
    Timestamp,
    Time,
    Number,
    Integer,
    Object,
    Array,
    Boolean,
}

impl LogicalType {
    /// The physical type of a column that names none; `None` where a guess could lose digits.
    pub fn default_physical(self) -> Option<PhysicalType> {
        Some(match self {
            Self::String => PhysicalType::Varchar(MAX_VARCHAR_BYTES),
            Self::Date => PhysicalType::Date,
            Self::Timestamp => PhysicalType::TimestampTz,
            Self::Time => PhysicalType::Time,
            Self::Number => return None,
            Self::Integer => PhysicalType::BigInt,
            Self::Object | Self::Array => PhysicalType::Super,
            Self::Boolean => PhysicalType::Boolean,
        })
    }

    /// Whether values of this logical type can be kept in `physical` without loss.
    pub fn fits(self, physical: PhysicalType) -> bool {
        use PhysicalType as P;
        match self {
            Self::String => matches!(physical, P::Varchar(_) | P::Char(_) | P::Varbyte(_)),
            Self::Date => physical == P::Date,
            Self::Timestamp => matches!(physical, P::Timestamp | P::TimestampTz),
            Self::Time => physical == P::Time,
            Self::Number => matches!(
                physical,
                P::Numeric { .. } | P::Real | P::Double | P::SmallInt | P::Integer | P::BigInt
            ),
            Self::Integer => {
                matches!(physical, P::SmallInt | P::Integer | P::BigInt | P::Numeric { scale: 0, .. })
            }
            Self::Object | Self::Array => physical == P::Super,
            Self::Boolean => physical == P::Boolean,
        }
    }
}

/// A Redshift column type, parsed. `Display` gives the one spelling that all SQL of this crate uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are Redshift's own")]
pub enum PhysicalType {
    SmallInt,
    Integer,
    BigInt,
    /// `numeric(precision, scale)`, at most 38 digits.
    Numeric {
        precision: u8,
        scale: u8,
    },
    Real,
    Double,
    Boolean,
    /// Length in BYTES of UTF-8, not characters.
    Varchar(u32),
    /// Length in bytes; single-byte characters only.
    Char(u32),
    Date,
    Time,
    Timestamp,
    TimestampTz,
    Super,
    /// Length in bytes.
    Varbyte(u32),
}

impl PhysicalType {
    /// Whether its values are numbers.
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::SmallInt | Self::Integer | Self::BigInt | Self::Numeric { .. } | Self::Real | Self::Double
        )
    }
}

impl fmt::Display for PhysicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SmallInt => f.write_str("smallint"),
            Self::Integer => f.write_str("integer"),
            Self::BigInt => f.write_str("bigint"),
            Self::Numeric { precision, scale } => write!(f, "numeric({precision},{scale})"),
            Self::Real => f.write_str("real"),
            Self::Double => f.write_str("double precision"),
            Self::Boolean => f.write_str("boolean"),
            Self::Varchar(n) => write!(f, "varchar({n})"),
            Self::Char(n) => write!(f, "char({n})"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::TimestampTz => f.write_str("timestamptz"),
            Self::Super => f.write_str("super"),
            Self::Varbyte(n) => write!(f, "varbyte({n})"),
        }
    }
}

/// A text that is not a Redshift column type we load.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct TypeError(String);

impl FromStr for PhysicalType {
    type Err = TypeError;

    fn from_str(text: &str) -> Result<Self, TypeError> {
        let (name, args) = split(text)?;
        let fixed = |ty: Self| match args.as_slice() {
            [] => Ok(ty),
            _ => Err(TypeError(format!("{name} takes no length"))),
        };
        match name.as_str() {
            "smallint" | "int2" => fixed(Self::SmallInt),
            "integer" | "int" | "int4" => fixed(Self::Integer),
            "bigint" | "int8" => fixed(Self::BigInt),
            "real" | "float4" => fixed(Self::Real),
            "double precision" | "float8" | "float" | "double" => fixed(Self::Double),
            "boolean" | "bool" => fixed(Self::Boolean),
            "date" => fixed(Self::Date),
            "time" | "time without time zone" => fixed(Self::Time),
            "timestamp" | "timestamp without time zone" => fixed(Self::Timestamp),
            "timestamptz" | "timestamp with time zone" => fixed(Self::TimestampTz),
            "super" => fixed(Self::Super),
            "numeric" | "decimal" => numeric(&args),
            "varchar" | "character varying" | "nvarchar" => {
                length(&name, &args, 256, MAX_VARCHAR_BYTES).map(Self::Varchar)
            }
            "text" => fixed(Self::Varchar(256)),
            "char" | "character" | "nchar" => length(&name, &args, 1, MAX_CHAR_BYTES).map(Self::Char),
            "bpchar" => fixed(Self::Char(256)),
            "varbyte" | "varbinary" | "binary varying" => {
                length(&name, &args, 64_000, MAX_VARBYTE_BYTES).map(Self::Varbyte)
            }
            _ => Err(TypeError(format!("{text:?} is not a Redshift type that Penstock loads"))),
        }
    }
}

/// `"Numeric (18, 2)"` becomes `("numeric", [18, 2])`; `max` stands for the type's maximum (`u32::MAX` here).
fn split(text: &str) -> Result<(String, Vec<u32>), TypeError> {
    let lower = text.trim().to_ascii_lowercase();
    let Some((name, rest)) = lower.split_once('(') else {
        return Ok((lower.split_whitespace().collect::<Vec<_>>().join(" "), Vec::new()));
    };
    let bad = || TypeError(format!("{text:?} is not a type: expected name(length)"));
    let inner = rest.strip_suffix(')').ok_or_else(bad)?;
    let args = inner
        .split(',')
        .map(|arg| match arg.trim() {
            "max" => Ok(u32::MAX),
            n => n.parse().map_err(|_| bad()),
        })
        .collect::<Result<Vec<u32>, _>>()?;
    Ok((name.split_whitespace().collect::<Vec<_>>().join(" "), args))
}

fn length(name: &str, args: &[u32], default: u32, max: u32) -> Result<u32, TypeError> {
    match args {
        [] => Ok(default),
        [u32::MAX] => Ok(max),
        [n] if (1..=max).contains(n) => Ok(*n),
        _ => Err(TypeError(format!("{name} takes one length from 1 to {max} bytes"))),
    }
}

fn numeric(args: &[u32]) -> Result<PhysicalType, TypeError> {
    let (precision, scale) = match args {
        [] => (18, 0),
        [p] => (*p, 0),
        [p, s] => (*p, *s),
        _ => return Err(TypeError("numeric takes a precision and a scale".into())),
    };
    match (u8::try_from(precision), u8::try_from(scale)) {
        // Redshift allows a scale of at most 37, and always below or equal to the precision.
        (Ok(p), Ok(s)) if (1..=MAX_PRECISION).contains(&p) && s <= p && s <= 37 => {
            Ok(PhysicalType::Numeric { precision: p, scale: s })
        }
        _ => Err(TypeError(format!("numeric({precision},{scale}): at most 38 digits, scale at most 37"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_spaces_and_case_give_one_spelling() {
        for (text, want) in [
            ("NUMERIC (18, 2)", "numeric(18,2)"),
            ("decimal", "numeric(18,0)"),
            ("Character  Varying(12)", "varchar(12)"),
            ("varchar(max)", "varchar(65535)"),
            ("varchar", "varchar(256)"),
            ("TIMESTAMP WITH TIME ZONE", "timestamptz"),
            ("float", "double precision"),
            ("int", "integer"),
        ] {
            assert_eq!(text.parse::<PhysicalType>().map(|t| t.to_string()), Ok(want.to_owned()), "{text}");
        }
    }

    #[test]
    fn wrong_lengths_are_refused() {
        for text in [
            "varchar(0)",
            "varchar(65536)",
            "numeric(39,0)",
            "numeric(4,5)",
            "numeric(38,38)",
            "date(3)",
            "json",
            "char(5000)",
            "varchar(1",
        ] {
            assert!(text.parse::<PhysicalType>().is_err(), "{text}");
        }
    }
}
