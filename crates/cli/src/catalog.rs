//! What is in a database already, read from Redshift's catalog views. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use penstock_aws::warehouse::{COLUMNS, ExecuteError, Warehouse, WarehouseColumn};
use penstock_core::sql::{Ident, Literal, SERVICE_SCHEMA};

use crate::failure::Failure;
use crate::statement::{Kind, Statement};

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
        if let Some((schema, table, column)) = WarehouseColumn::of(row) {
            self.tables.entry(format!("{schema}.{table}")).or_default().columns.push(column);
        }
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
