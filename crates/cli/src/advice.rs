//! The SQL that a person would have to run where a migration refuses to. Built here, run nowhere.

use penstock_aws::warehouse::WarehouseType;
use penstock_core::contract::PhysicalType;
use penstock_core::sql::TargetColumn;

use crate::catalog::Table;
use crate::statement::Target;

/// A name that others chose, as SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Statements, each on a line of its own below what is said about them.
pub fn block(statements: &[String]) -> String {
    statements.iter().map(|sql| format!("\n    {sql};")).collect()
}

/// A type cannot be changed in place, nor NOT NULL be dropped: a second column takes over, or a second table where the
/// column cannot leave its table.
pub fn rebuild(target: &Target<'_>, column: &TargetColumn<'_>, table: &Table, value: &str) -> String {
    if column.not_null || is_pinned(target, column.name) {
        return copy(target, column, table, value);
    }
    let (table, TargetColumn { name, ty, .. }) = (target.sql_name(), column);
    let statements = [
        format!("ALTER TABLE {table} ADD COLUMN \"p_new\" {ty}"),
        format!("UPDATE {table} SET \"p_new\" = {value}"),
        format!("ALTER TABLE {table} DROP COLUMN \"{name}\""),
        format!("ALTER TABLE {table} RENAME COLUMN \"p_new\" TO \"{name}\""),
    ];
    format!("to rebuild it, one statement after the other, while no load runs:{}", block(&statements))
}

/// Columns that a table is distributed or sorted by cannot be dropped.
fn is_pinned(target: &Target<'_>, name: &str) -> bool {
    let options = &target.contract.table_options;
    let pinned = options.distkey.iter().chain(&options.sortkey);
    pinned.filter_map(|i| target.contract.columns.get(*i)).any(|own| own.physical.as_str() == name)
}

fn copy(target: &Target<'_>, column: &TargetColumn<'_>, table: &Table, value: &str) -> String {
    let wanted = penstock_core::sql::target_columns(target.contract);
    let names: Vec<&str> = wanted
        .iter()
        .map(|wanted| wanted.name)
        .filter(|name| table.columns.iter().any(|own| own.name == *name))
        .collect();
    let into: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let from: Vec<String> = names
        .iter()
        .map(|name| if *name == column.name { value.to_owned() } else { format!("\"{name}\"") })
        .collect();
    let insert = format!(
        "INSERT INTO {} ({}) SELECT {} FROM {}",
        target.sql_name(),
        into.join(", "),
        from.join(", "),
        sql_name_before(target)
    );
    format!(
        "to rebuild the table, while no load runs: the first statement, then this command again, then the second:{}",
        block(&[rename(target), insert])
    )
}

/// Moves a table away, so that the next run makes a new one.
pub fn rename(target: &Target<'_>) -> String {
    format!("ALTER TABLE {} RENAME TO \"{}_before\"", target.sql_name(), target.contract.table.as_str())
}

fn sql_name_before(target: &Target<'_>) -> String {
    format!("{}.\"{}_before\"", target.schema, target.contract.table.as_str())
}

/// The value of a column as another type.
pub fn converted(name: &str, have: &WarehouseType, want: PhysicalType) -> String {
    let is_super = *have == WarehouseType::Known(PhysicalType::Super);
    match want {
        PhysicalType::Super => format!("JSON_PARSE(\"{name}\")"),
        PhysicalType::Varchar(_) | PhysicalType::Char(_) if is_super => format!("JSON_SERIALIZE(\"{name}\")"),
        want => format!("CAST(\"{name}\" AS {want})"),
    }
}
