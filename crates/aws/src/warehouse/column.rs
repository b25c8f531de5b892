//! Columns as the warehouse's catalog tells them. Knows no contract, and asks nothing itself.

use penstock_core::contract::PhysicalType;

/// What a [`WarehouseColumn`] is read from; a condition follows.
pub const COLUMNS: &str = "SELECT table_schema, table_name, column_name, data_type, character_maximum_length, \
     numeric_precision, numeric_scale, is_nullable, column_default FROM svv_columns";

/// A column as it is in the warehouse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WarehouseColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub ty: WarehouseType,
    /// Takes NULL.
    pub nullable: bool,
    /// Has a value when none is given.
    pub has_default: bool,
}

/// A column's type as the catalog tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarehouseType {
    /// One that contracts can name.
    Known(PhysicalType),
    /// Bytes whose length the catalog leaves out.
    VarbyteOfAnyLength,
    /// One that no contract can name, or a text without a length.
    Other(String),
}

impl WarehouseColumn {
    /// Schema, table and column of a row of [`COLUMNS`].
    pub fn of(row: &[Option<String>]) -> Option<(&str, &str, Self)> {
        let [Some(schema), Some(table), Some(name), Some(ty), length, precision, scale, nullable, default] =
            row
        else {
            return None;
        };
        let ty = WarehouseType::of(ty, length.as_deref(), precision.as_deref(), scale.as_deref());
        let nullable = nullable.as_deref() != Some("NO");
        // No default may be told as NULL or as nothing.
        let has_default = default.as_deref().is_some_and(|own| !own.trim().is_empty());
        Some((schema, table, Self { name: name.clone(), ty, nullable, has_default }))
    }
}

impl WarehouseType {
    fn of(name: &str, length: Option<&str>, precision: Option<&str>, scale: Option<&str>) -> Self {
        let has_length = ["character", "character varying", "binary varying", "varbyte"].contains(&name);
        let text = match (length, precision) {
            (Some(length), _) if has_length => format!("{name}({length})"),
            (None, _) if name == "binary varying" || name == "varbyte" => return Self::VarbyteOfAnyLength,
            (None, _) if has_length => return Self::Other(name.to_owned()),
            (_, Some(precision)) if name == "numeric" => {
                format!("numeric({precision},{})", scale.unwrap_or("0"))
            }
            _ => name.to_owned(),
        };
        text.parse().map_or(Self::Other(text), Self::Known)
    }

    /// Whether it is what a contract names.
    pub fn is(&self, ty: PhysicalType) -> bool {
        match self {
            Self::Known(own) => *own == ty,
            Self::VarbyteOfAnyLength => matches!(ty, PhysicalType::Varbyte(_)),
            Self::Other(_) => false,
        }
    }
}

impl WarehouseType {
    /// Whether values of a contract's type can be written: a longer text takes them, too.
    pub fn takes(&self, ty: PhysicalType) -> bool {
        match (self, ty) {
            (Self::Known(PhysicalType::Varchar(have)), PhysicalType::Varchar(want)) => *have >= want,
            _ => self.is(ty),
        }
    }
}

impl std::fmt::Display for WarehouseType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(ty) => ty.fmt(f),
            Self::VarbyteOfAnyLength => f.write_str("varbyte"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_catalog_are_those_of_contracts() {
        let of =
            |name, length, precision, scale| WarehouseType::of(name, length, precision, scale).to_string();
        assert_eq!(of("character varying", Some("64"), None, None), "varchar(64)");
        assert_eq!(of("character", Some("3"), None, None), "char(3)");
        assert_eq!(of("numeric", None, Some("18"), Some("2")), "numeric(18,2)");
        assert_eq!(of("bigint", None, Some("64"), Some("0")), "bigint");
        assert_eq!(of("timestamp with time zone", None, None, None), "timestamptz");
        assert_eq!(of("binary varying", Some("16"), None, None), "varbyte(16)");
        assert_eq!(of("geometry", None, None, None), "geometry");
        assert!(WarehouseType::of("binary varying", None, None, None).is(PhysicalType::Varbyte(9)));
        assert!(!WarehouseType::of("character varying", None, None, None).is(PhysicalType::Varchar(256)));
    }

    #[test]
    fn a_text_takes_shorter_ones_and_no_other_type_does() {
        let text = WarehouseType::Known(PhysicalType::Varchar(64));
        assert!(text.takes(PhysicalType::Varchar(64)) && text.takes(PhysicalType::Varchar(9)));
        assert!(!text.takes(PhysicalType::Varchar(65)) && !text.takes(PhysicalType::Char(9)));
        assert!(!WarehouseType::Known(PhysicalType::BigInt).takes(PhysicalType::Integer));
    }
}
