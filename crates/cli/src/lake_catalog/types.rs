//! A contract's types as Hive has them in tables, and Trino in views. Knows no values.

use std::fmt;

use penstock_core::contract::PhysicalType;

/// The type of a column in Athena's DDL and in Glue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HiveType {
    SmallInt,
    Int,
    BigInt,
    Decimal(u8, u8),
    Float,
    Double,
    Boolean,
    Text,
    Date,
    Timestamp,
    Binary,
}

impl HiveType {
    /// What the values are in files. Hive has no time of day: it reads Parquet's as its microseconds, as Trino does, and
    /// Spark writes nothing else. JSON is text everywhere.
    pub fn in_file(ty: PhysicalType) -> Self {
        match ty {
            PhysicalType::SmallInt => Self::SmallInt,
            PhysicalType::Integer => Self::Int,
            PhysicalType::BigInt | PhysicalType::Time => Self::BigInt,
            PhysicalType::Numeric { precision, scale } => Self::Decimal(precision, scale),
            PhysicalType::Real => Self::Float,
            PhysicalType::Double => Self::Double,
            PhysicalType::Boolean => Self::Boolean,
            PhysicalType::Varchar(_) | PhysicalType::Char(_) | PhysicalType::Super => Self::Text,
            PhysicalType::Date => Self::Date,
            PhysicalType::Timestamp | PhysicalType::TimestampTz => Self::Timestamp,
            PhysicalType::Varbyte(_) => Self::Binary,
        }
    }

    /// What the values are in the names of folders, where each is its canonical text. Those that Hive spells in another
    /// way stay texts: six digits of a second, a zone, a time of day.
    pub fn in_path(ty: PhysicalType) -> Self {
        match ty {
            PhysicalType::Time
            | PhysicalType::Timestamp
            | PhysicalType::TimestampTz
            | PhysicalType::Varbyte(_) => Self::Text,
            other => Self::in_file(other),
        }
    }

    /// What a person has to know of the values beyond the type.
    pub fn unit(ty: PhysicalType) -> Option<&'static str> {
        match ty {
            PhysicalType::Time => Some("microseconds since midnight"),
            PhysicalType::TimestampTz => Some("UTC"),
            PhysicalType::Super => Some("JSON"),
            _ => None,
        }
    }

    /// The same type in Trino.
    pub fn in_trino(self) -> String {
        match self {
            Self::Int => "integer".into(),
            Self::Float => "real".into(),
            Self::Text => "varchar".into(),
            Self::Binary => "varbinary".into(),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for HiveType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SmallInt => "smallint",
            Self::Int => "int",
            Self::BigInt => "bigint",
            Self::Decimal(precision, scale) => return write!(f, "decimal({precision},{scale})"),
            Self::Float => "float",
            Self::Double => "double",
            Self::Boolean => "boolean",
            Self::Text => "string",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Binary => "binary",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_the_names_of_hive_and_trino() {
        for (own, hive, trino, path) in [
            ("smallint", "smallint", "smallint", "smallint"),
            ("integer", "int", "integer", "int"),
            ("bigint", "bigint", "bigint", "bigint"),
            ("numeric(38,10)", "decimal(38,10)", "decimal(38,10)", "decimal(38,10)"),
            ("real", "float", "real", "float"),
            ("double precision", "double", "double", "double"),
            ("boolean", "boolean", "boolean", "boolean"),
            ("varchar(9)", "string", "varchar", "string"),
            ("char(2)", "string", "varchar", "string"),
            ("super", "string", "varchar", "string"),
            ("date", "date", "date", "date"),
            ("time", "bigint", "bigint", "string"),
            ("timestamp", "timestamp", "timestamp", "string"),
            ("timestamptz", "timestamp", "timestamp", "string"),
            ("varbyte(9)", "binary", "varbinary", "string"),
        ] {
            let ty: PhysicalType = own.parse().unwrap();
            let in_file = HiveType::in_file(ty);
            assert_eq!((in_file.to_string().as_str(), in_file.in_trino().as_str()), (hive, trino), "{own}");
            assert_eq!(HiveType::in_path(ty).to_string(), path, "{own}");
        }
    }
}
