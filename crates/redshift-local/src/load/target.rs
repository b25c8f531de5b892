//! The table that a COPY fills, as PostgreSQL's catalog has it: which of its columns take values, in which order.

use super::Failure;
use super::columns::{Column, Kind};
use crate::postgres::Session;
use crate::sql::{Copy, Format, SqlError, literal};

/// The columns to fill, in the order in which their values come.
pub async fn columns(session: &Session, copy: &Copy) -> Result<Vec<Column>, Failure> {
    let all = catalog(session, copy).await?;
    let chosen = match &copy.columns {
        Some(names) => names.iter().map(|name| named(&all, name, copy)).collect::<Result<Vec<_>, _>>()?,
        // The database numbers the rows by itself; positions would not fit.
        None if all.iter().any(|column| column.is_identity)
            && !matches!(copy.format, Format::Json { .. }) =>
        {
            let text = "COPY without a column list into a table with an IDENTITY column";
            return Err(SqlError::unsupported(text).into());
        }
        None => all.into_iter().filter(|column| !column.is_identity).collect(),
    };
    for column in &chosen {
        if column.is_identity {
            return Err(SqlError::unsupported("COPY into an IDENTITY column").into());
        }
        if matches!(column.kind, Kind::Varbyte(_)) && matches!(copy.format, Format::Json { .. }) {
            let text = format!("COPY of JSON into the VARBYTE column {}", column.name);
            return Err(SqlError::refused(text, "load hex text and convert it").into());
        }
    }
    Ok(chosen)
}

fn named(all: &[Column], name: &str, copy: &Copy) -> Result<Column, SqlError> {
    all.iter().find(|column| column.name == name).cloned().ok_or_else(|| {
        let text = format!("column \"{name}\" of relation \"{}\" does not exist", copy.table_name);
        SqlError::new("42703", text)
    })
}

async fn catalog(session: &Session, copy: &Copy) -> Result<Vec<Column>, Failure> {
    let sql = format!(
        "SELECT a.attname, t.typname, a.atttypmod, a.attnotnull, a.attidentity <> '' FROM pg_catalog.pg_attribute a \
         JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
         WHERE a.attrelid = pg_catalog.to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        literal(&copy.table)
    );
    let rows = session.texts(&sql).await?;
    if rows.is_empty() {
        return Err(SqlError::new(
            "42P01",
            format!("Cannot COPY into nonexistent table {}", copy.table_name),
        )
        .into());
    }
    rows.into_iter().map(|row| column(&row).map_err(Failure::Sql)).collect()
}

fn column(row: &[Option<String>]) -> Result<Column, SqlError> {
    let text = |i: usize| row.get(i).and_then(Option::as_deref).unwrap_or_default();
    let kind = Kind::of(text(1), text(2).parse().unwrap_or(-1));
    let unknown = || SqlError::unsupported(format!("COPY into a column of the type {}", text(1)));
    Ok(Column {
        name: text(0).to_owned(),
        kind: kind.ok_or_else(unknown)?,
        is_required: text(3) == "t",
        is_identity: text(4) == "t",
    })
}

/// The statement that PostgreSQL is given.
pub fn copy_from_stdin(copy: &Copy, columns: &[Column]) -> String {
    let names: Vec<_> =
        columns.iter().map(|column| format!("\"{}\"", column.name.replace('"', "\"\""))).collect();
    format!("COPY {} ({}) FROM STDIN", copy.table, names.join(", "))
}
