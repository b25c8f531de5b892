//! CREATE and ALTER of tables: types to PostgreSQL's, keys declared but not enforced, names as Redshift takes them.
//! Sees only what `clauses` has left; knows no expressions beyond a DEFAULT.

use std::collections::BTreeSet;

use sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, ColumnOption, ColumnOptionDef,
    CreateTable, CreateTableLikeKind, CreateView, Expr, IndexColumn, TableConstraint,
};

use super::error::SqlError;
use super::reserved;
use super::scope::fold;
use super::types::{self, Domain, Place};

/// Makes a table definition PostgreSQL's.
pub fn create_table(table: &mut CreateTable, domains: &mut BTreeSet<Domain>) -> Result<(), SqlError> {
    if table.or_replace {
        return Err(SqlError::refused("CREATE OR REPLACE TABLE", ""));
    }
    if table.external {
        return Err(SqlError::unsupported("CREATE EXTERNAL TABLE"));
    }
    if table.unlogged
        || table.inherits.is_some()
        || table.partition_by.is_some()
        || table.partition_of.is_some()
    {
        return Err(SqlError::refused("UNLOGGED, INHERITS and PARTITION in CREATE TABLE", ""));
    }
    if table.on_commit.is_some() {
        return Err(SqlError::refused("ON COMMIT", "a temporary table lives as long as its session"));
    }
    reserved::check_object(&table.name)?;
    let is_temporary_name =
        table.name.0.last().is_some_and(|part| part.to_string().trim_matches('"').starts_with('#'));
    table.temporary |= is_temporary_name;
    if let Some(CreateTableLikeKind::Plain(_)) = &table.like {
        return Err(SqlError::refused("CREATE TABLE ... LIKE without parentheses", ""));
    }
    let keys = keys(&std::mem::take(&mut table.constraints))?;
    for column in &mut table.columns {
        let declared_key = keys.contains(&fold(&column.name));
        column_def(column, declared_key, domains)?;
    }
    Ok(())
}

/// Checks the table constraints, which are information only, and gives the primary key's columns.
fn keys(constraints: &[TableConstraint]) -> Result<BTreeSet<String>, SqlError> {
    let mut keys = BTreeSet::new();
    for constraint in constraints {
        match constraint {
            TableConstraint::PrimaryKey(key) => keys.extend(key.columns.iter().filter_map(column_name)),
            TableConstraint::Unique(_) | TableConstraint::ForeignKey(_) => {}
            TableConstraint::Check(_) => return Err(SqlError::refused("CHECK constraints", "")),
            other => return Err(SqlError::refused(format!("the constraint {other}"), "")),
        }
    }
    Ok(keys)
}

fn column_name(column: &IndexColumn) -> Option<String> {
    match &column.column.expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        _ => None,
    }
}

fn column_def(column: &mut ColumnDef, is_key: bool, domains: &mut BTreeSet<Domain>) -> Result<(), SqlError> {
    reserved::check_name(&column.name, "column")?;
    let mapped = types::map(&column.data_type, Place::Stored)?;
    column.data_type = mapped.data_type;
    domains.extend(mapped.domain);
    let mut options = Vec::with_capacity(column.options.len());
    let mut not_null = is_key;
    for ColumnOptionDef { name, option } in std::mem::take(&mut column.options) {
        match option {
            ColumnOption::NotNull => not_null = true,
            ColumnOption::PrimaryKey(_) => not_null = true,
            ColumnOption::Unique(_) | ColumnOption::ForeignKey(_) => {}
            ColumnOption::Null | ColumnOption::Default(_) => options.push(ColumnOptionDef { name, option }),
            ColumnOption::Generated { sequence_options: Some(_), generation_expr: None, .. } => {
                options.push(ColumnOptionDef { name, option });
            }
            ColumnOption::Check(_) => return Err(SqlError::refused("CHECK constraints", "")),
            other => return Err(SqlError::refused(format!("the column option {other}"), "")),
        }
    }
    if not_null {
        options.push(ColumnOptionDef { name: None, option: ColumnOption::NotNull });
    }
    column.options = options;
    Ok(())
}

/// Makes ALTER TABLE PostgreSQL's. `None`: it only moves data on Redshift, and there is nothing to run.
pub fn alter_table(
    alter: &mut AlterTable,
    in_transaction: bool,
    domains: &mut BTreeSet<Domain>,
) -> Result<Option<bool>, SqlError> {
    if alter.if_exists || alter.only {
        return Err(SqlError::refused("ALTER TABLE with IF EXISTS or ONLY", ""));
    }
    let [operation] = alter.operations.as_mut_slice() else {
        return Err(SqlError::refused("ALTER TABLE with several actions", "one a statement"));
    };
    match operation {
        AlterTableOperation::AddColumn { column_def: column, if_not_exists, .. } => {
            if *if_not_exists {
                return Err(SqlError::refused("ADD COLUMN IF NOT EXISTS", "read svv_columns first"));
            }
            if column.options.iter().any(|o| matches!(o.option, ColumnOption::NotNull))
                && !column.options.iter().any(|o| matches!(o.option, ColumnOption::Default(_)))
            {
                return Err(SqlError::refused("ADD COLUMN NOT NULL without DEFAULT", ""));
            }
            column_def(column, false, domains)?;
            Ok(Some(false))
        }
        AlterTableOperation::AlterColumn { column_name: _, op } => alter_column(op, in_transaction, domains),
        AlterTableOperation::DropColumn { column_names, .. } if column_names.len() > 1 => {
            Err(SqlError::refused("DROP COLUMN of several columns", "one a statement"))
        }
        AlterTableOperation::DropColumn { .. }
        | AlterTableOperation::RenameTable { .. }
        | AlterTableOperation::RenameColumn { .. } => Ok(Some(false)),
        AlterTableOperation::AddConstraint { constraint, .. } => {
            keys(std::slice::from_ref(constraint))?;
            Ok(None)
        }
        AlterTableOperation::DropConstraint { .. } | AlterTableOperation::AlterSortKey { .. } => Ok(None),
        other => Err(SqlError::refused(format!("ALTER TABLE ... {other}"), "")),
    }
}

/// `Some(true)`: not inside a transaction block.
fn alter_column(
    operation: &mut AlterColumnOperation,
    in_transaction: bool,
    domains: &mut BTreeSet<Domain>,
) -> Result<Option<bool>, SqlError> {
    match operation {
        AlterColumnOperation::SetDataType { data_type, using, .. } => {
            if using.is_some() {
                return Err(SqlError::refused("ALTER COLUMN TYPE ... USING", ""));
            }
            if in_transaction {
                return Err(SqlError::new(
                    "25001",
                    "ALTER TABLE ALTER COLUMN TYPE cannot run inside a transaction block: Redshift refuses it in a batch",
                ));
            }
            let mapped = types::map(data_type, Place::Stored)?;
            if !matches!(mapped.domain, Some(Domain::Varchar(_))) {
                return Err(SqlError::refused("ALTER COLUMN TYPE to anything but VARCHAR", ""));
            }
            *data_type = mapped.data_type;
            domains.extend(mapped.domain);
            Ok(Some(true))
        }
        other => Err(SqlError::refused(format!("ALTER COLUMN {other}"), "")),
    }
}

/// Makes CREATE VIEW PostgreSQL's.
pub fn create_view(view: &mut CreateView) -> Result<(), SqlError> {
    if view.materialized {
        return Err(SqlError::unsupported("CREATE MATERIALIZED VIEW"));
    }
    if view.temporary || view.if_not_exists {
        return Err(SqlError::refused(
            "CREATE VIEW with TEMP or IF NOT EXISTS",
            "use CREATE OR REPLACE VIEW",
        ));
    }
    reserved::check_object(&view.name)?;
    // A view that is bound late reads the same once it exists.
    view.with_no_schema_binding = false;
    Ok(())
}
