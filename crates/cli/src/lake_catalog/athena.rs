//! The SQL that a person runs in Athena: tables in Hive's grammar, views in Trino's. Only names, types and phrases that
//! need no escape stand in it. Runs nothing.

use penstock_core::sql::newest_first;

use super::input::{INPUT_FORMAT, OUTPUT_FORMAT, SERDE, parameters};
use super::table::{Field, LakeTable};
use super::words::{Name, Phrase};

/// The statements for a table and its view, in the order in which they run.
pub fn statements(database: &Name, table: &LakeTable<'_>) -> Vec<String> {
    let mut statements = vec![create_table(database, table)];
    if !table.partitions.is_empty() {
        statements.push(format!("MSCK REPAIR TABLE {}", in_hive(database, &table.name)));
    }
    if let Some(latest) = &table.latest {
        let view = format!("{}.{}", database.in_sql(), latest.in_sql());
        statements.push(format!("CREATE OR REPLACE VIEW {view} AS\n{}", newest(database, table)));
    }
    statements
}

/// Makes the database, where it is not there.
pub fn create_database(database: &Name) -> String {
    format!("CREATE DATABASE IF NOT EXISTS {}", database.in_hive())
}

fn in_hive(database: &Name, table: &Name) -> String {
    format!("{}.{}", database.in_hive(), table.in_hive())
}

fn create_table(database: &Name, table: &LakeTable<'_>) -> String {
    let name = in_hive(database, &table.name);
    let comment = table.description.as_ref().map_or(String::new(), |own| format!("COMMENT {own}\n"));
    let partitions = match table.partitions.as_slice() {
        [] => String::new(),
        own => format!("PARTITIONED BY (\n{}\n)\n", columns(own)),
    };
    let property = |(name, value): (String, String)| format!("  '{name}'='{value}'");
    let properties: Vec<String> = parameters(table).into_iter().map(property).collect();
    format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS {name} (\n{}\n)\n{comment}{partitions}ROW FORMAT SERDE '{SERDE}'\n\
         STORED AS INPUTFORMAT '{INPUT_FORMAT}'\nOUTPUTFORMAT '{OUTPUT_FORMAT}'\nLOCATION '{}'\n\
         TBLPROPERTIES (\n{}\n)",
        columns(&table.columns),
        table.location,
        properties.join(",\n")
    )
}

fn columns(fields: &[Field]) -> String {
    let column = |own: &Field| {
        let comment = |text: &Phrase| format!(" COMMENT {text}");
        format!("  `{}` {}{}", own.name, own.ty, own.comment.as_ref().map_or(String::new(), comment))
    };
    fields.iter().map(column).collect::<Vec<_>>().join(",\n")
}

/// The newest version of each key, ranked as the warehouse ranks them; a key whose newest one is a tombstone is gone.
pub fn newest(database: &Name, table: &LakeTable<'_>) -> String {
    let columns: Vec<String> = table.fields().map(|own| format!("r.\"{}\"", own.name)).collect();
    format!(
        "SELECT {columns}\nFROM (SELECT t.*, ROW_NUMBER() OVER (PARTITION BY \"_record_id\" ORDER BY {rank}) AS \"_rn\"\n  \
         FROM {database}.{table} t) r\nWHERE r.\"_rn\" = 1 AND NOT r.\"_deleted\"",
        columns = columns.join(", "),
        rank = newest_first(table.contract),
        database = database.in_sql(),
        table = table.name.in_sql(),
    )
}
