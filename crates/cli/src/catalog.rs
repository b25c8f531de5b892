//! What is in a database already, read from Redshift's catalog views. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use penstock_aws::warehouse::{ExecuteError, Warehouse};
use penstock_core::contract::PhysicalType;
use penstock_core::sql::{Ident, Literal, SERVICE_SCHEMA};

use crate::failure::Failure;
use crate::statement::{Kind, Statement};

/// What `WarehouseColumn` is read from.
const COLUMNS: &str = "SELECT table_schema, table_name, column_name, data_type, character_maximum_length, \
     numeric_precision, numeric_scale, is_nullable, column_default FROM svv_columns";

/// How the names of ledgers begin.
const LEDGER_PREFIX: &str = "objects_";

/// Names of what is there, as `Statement::object` has them.
#[derive(Debug, Default)]
pub struct Catalog {
    schemas: BTreeSet<String>,
    /// `schema.table`, views included.
    tables: BTreeMap<String, Table>,
    /// Penstock's own.
    procedures: BTreeSet<String>,
    /// Lower case: two IAM roles never differ by case alone.
    users: BTreeSet<String>,
}

/// A table or view.
#[derive(Debug, Default)]
pub struct Table {
    /// `BASE TABLE` or `VIEW`.
    pub kind: String,
    /// In order; those that the caller may see.
    pub columns: Vec<WarehouseColumn>,
}

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

impl std::fmt::Display for WarehouseType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Known(ty) => ty.fmt(f),
            Self::VarbyteOfAnyLength => f.write_str("varbyte"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Catalog {
    /// Reads what is there, with the tables of the given schemas and of Penstock's own.
    pub async fn read(
        warehouse: &Warehouse,
        database: &str,
        schemas: &BTreeSet<Ident>,
    ) -> Result<Self, Failure> {
        let own = [SERVICE_SCHEMA].into_iter().chain(schemas.iter().map(Ident::as_str));
        let schemas: Vec<String> = own.filter_map(Literal::new).map(|literal| literal.to_string()).collect();
        let schemas = schemas.join(", ");
        let tables = format!(
            "SELECT table_schema, table_name, table_type FROM svv_tables WHERE table_schema IN ({schemas})"
        );
        let columns = format!(
            "{COLUMNS} WHERE table_schema IN ({schemas}) ORDER BY table_schema, table_name, ordinal_position"
        );
        let procedures = format!(
            "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
             WHERE n.nspname = '{SERVICE_SCHEMA}'"
        );
        let ask = |sql: String| async move {
            let rows = warehouse.execute(database, &sql).await;
            rows.map_err(|error| cannot_read(database, &sql, &error))
        };
        let mut catalog = Self::default();
        catalog.schemas.extend(first(ask("SELECT nspname FROM pg_namespace".into()).await?));
        for row in ask(tables).await? {
            catalog.add_table(&row);
        }
        for row in ask(columns).await? {
            catalog.add_column(&row);
        }
        let name = |procedure| format!("{SERVICE_SCHEMA}.{procedure}");
        catalog.procedures.extend(first(ask(procedures).await?).map(name));
        let users = first(ask("SELECT usename FROM pg_user".into()).await?);
        catalog.users.extend(users.map(|user| user.to_ascii_lowercase()));
        Ok(catalog)
    }

    fn add_table(&mut self, row: &[Option<String>]) {
        if let [Some(schema), Some(table), Some(kind)] = row {
            self.tables.entry(format!("{schema}.{table}")).or_default().kind.clone_from(kind);
        }
    }

    fn add_column(&mut self, row: &[Option<String>]) {
        let [Some(schema), Some(table), Some(name), Some(ty), length, precision, scale, nullable, default] =
            row
        else {
            return;
        };
        let ty = WarehouseType::of(ty, length.as_deref(), precision.as_deref(), scale.as_deref());
        let nullable = nullable.as_deref() != Some("NO");
        // No default may be told as NULL or as nothing.
        let has_default = default.as_deref().is_some_and(|own| !own.trim().is_empty());
        let column = WarehouseColumn { name: name.clone(), ty, nullable, has_default };
        self.tables.entry(format!("{schema}.{table}")).or_default().columns.push(column);
    }

    /// Whether what a statement makes is there.
    pub fn has(&self, statement: &Statement) -> bool {
        let object = &statement.object;
        match statement.kind {
            Kind::Schema => self.schemas.contains(object),
            Kind::Table | Kind::View => self.tables.contains_key(object),
            Kind::Procedure => self.procedures.contains(object),
            Kind::User => self.users.contains(&object.to_ascii_lowercase()),
            Kind::Grant => false,
        }
    }

    /// A table by `schema.table`.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.get(name)
    }

    /// The tables whose ledgers are there, by table name.
    pub fn ledgers(&self) -> impl Iterator<Item = Ident> {
        let tables = self.tables.iter().filter(|(_, table)| table.kind == "BASE TABLE");
        let own = tables.filter_map(|(name, _)| name.strip_prefix(SERVICE_SCHEMA)?.strip_prefix('.'));
        own.filter_map(|name| Ident::new(name.strip_prefix(LEDGER_PREFIX)?).ok())
    }
}

/// A column as it is by now, by schema, table and name.
pub async fn column(
    warehouse: &Warehouse,
    database: &str,
    names: [&str; 3],
) -> Result<Option<WarehouseColumn>, Failure> {
    let [Some(schema), Some(table), Some(column)] = names.map(Literal::new) else { return Ok(None) };
    let sql = format!(
        "{COLUMNS} WHERE table_schema = {schema} AND table_name = {table} AND column_name = {column}"
    );
    let rows = warehouse.execute(database, &sql).await;
    let mut catalog = Catalog::default();
    for row in rows.map_err(|error| cannot_read(database, &sql, &error))? {
        catalog.add_column(&row);
    }
    Ok(catalog.tables.into_values().flat_map(|table| table.columns).next())
}

/// The first column of rows.
fn first(rows: Vec<Vec<Option<String>>>) -> impl Iterator<Item = String> {
    rows.into_iter().filter_map(|row| row.into_iter().next().flatten())
}

/// A query of the catalog that was not answered.
pub fn cannot_read(database: &str, sql: &str, error: &ExecuteError) -> Failure {
    Failure::refused(match error {
        ExecuteError::Failed(text) => format!("database {database}: {text}\n  statement: {sql}"),
        ExecuteError::Api(error) => {
            format!("the warehouse cannot be asked: {}", error)
        }
    })
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
    fn only_tables_of_penstock_are_ledgers() {
        let mut catalog = Catalog::default();
        let row = |row: [&str; 3]| row.map(|text| Some(text.to_owned()));
        for own in [
            ["penstock", "objects_a", "BASE TABLE"],
            ["penstock", "objects_v", "VIEW"],
            ["penstock", "objects", "VIEW"],
            ["penstock", "lock_a", "BASE TABLE"],
            ["tgt", "objects_b", "BASE TABLE"],
        ] {
            catalog.add_table(&row(own));
        }
        assert_eq!(catalog.ledgers().map(|own| own.as_str().to_owned()).collect::<Vec<_>>(), ["a"]);
    }
}
