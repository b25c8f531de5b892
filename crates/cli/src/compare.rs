//! Holds a table that is there against its contract, column by column, and says what a person would have to run.
//! Runs nothing: a table with other columns is refused, never altered.

use penstock_core::contract::PhysicalType;
use penstock_core::sql::{TargetColumn, target_columns};

use crate::catalog::{Table, WarehouseColumn, WarehouseType};
use crate::statement::Target;

/// What a table lacks: one text a column, with the SQL that mends it; empty where the table is the contract's.
pub fn differences(target: &Target<'_>, table: &Table) -> Vec<String> {
    if table.kind == "VIEW" {
        return vec![format!(
            "{} is a view, and loads write to a table: drop it or rename it",
            target.name()
        )];
    }
    let wanted = target_columns(target.contract);
    let mut found: Vec<String> = wanted
        .iter()
        .filter_map(|column| {
            let told = match table.columns.iter().find(|own| own.name == column.name) {
                None => missing(target, column),
                Some(own) if !own.ty.is(column.ty) => other_type(target, column, own),
                Some(own) if !own.nullable && !column.not_null && !is_required(target, column) => {
                    let head = "is NOT NULL in the warehouse and may be NULL by the contract".to_owned();
                    [head, rebuild(target, column, &format!("\"{}\"", column.name))].join("; ")
                }
                Some(_) => return None,
            };
            Some(format!("{}: column {} {told}", target.name(), column.name))
        })
        .collect();
    let extra = table.columns.iter().filter(|own| wanted.iter().all(|column| column.name != own.name));
    found.extend(
        extra.filter(|own| !own.nullable && !own.has_default).map(|own| not_in_contract(target, own)),
    );
    found
}

/// Columns that only the warehouse has and that loads leave NULL.
pub fn extra_columns<'t>(target: &Target<'_>, table: &'t Table) -> Vec<&'t str> {
    let wanted = target_columns(target.contract);
    let extra = table.columns.iter().filter(|own| wanted.iter().all(|column| column.name != own.name));
    extra.map(|own| own.name.as_str()).collect()
}

fn is_required(target: &Target<'_>, column: &TargetColumn<'_>) -> bool {
    let at = target.contract.column_index(column.name);
    at.and_then(|i| target.contract.columns.get(i)).is_some_and(|own| own.required)
}

fn quoted(target: &Target<'_>) -> String {
    format!("{}.{}", target.schema, target.contract.table)
}

fn missing(target: &Target<'_>, column: &TargetColumn<'_>) -> String {
    let TargetColumn { name, ty, not_null } = column;
    if *not_null {
        return format!(
            "is missing ({ty} NOT NULL) and cannot be added to rows that are there; was the table made by something \
             else? Move it away and run again:\n    ALTER TABLE {} RENAME TO \"{}_before\";",
            quoted(target),
            target.contract.table.as_str()
        );
    }
    format!("is missing; to add it:\n    ALTER TABLE {} ADD COLUMN \"{name}\" {ty};", quoted(target))
}

fn other_type(target: &Target<'_>, column: &TargetColumn<'_>, own: &WarehouseColumn) -> String {
    let head = format!("is {} in the warehouse and {} by the contract", own.ty, column.ty);
    match (&own.ty, column.ty) {
        (WarehouseType::Known(PhysicalType::Varchar(have)), PhysicalType::Varchar(want)) if *have < want => {
            format!(
                "{head}; to widen it, alone and not in a transaction:\n    ALTER TABLE {} ALTER COLUMN \"{}\" TYPE {};",
                quoted(target),
                column.name,
                column.ty
            )
        }
        (WarehouseType::Known(PhysicalType::Varchar(have)), PhysicalType::Varchar(_)) => {
            format!("{head}; a column is not narrowed: let the contract say varchar({have})")
        }
        (have, want) => format!("{head}; {}", rebuild(target, column, &converted(column.name, have, want))),
    }
}

/// The value of a column as another type.
fn converted(name: &str, have: &WarehouseType, want: PhysicalType) -> String {
    let is_super = *have == WarehouseType::Known(PhysicalType::Super);
    match want {
        PhysicalType::Super => format!("JSON_PARSE(\"{name}\")"),
        PhysicalType::Varchar(_) | PhysicalType::Char(_) if is_super => format!("JSON_SERIALIZE(\"{name}\")"),
        want => format!("CAST(\"{name}\" AS {want})"),
    }
}

/// A type cannot be changed in place, nor NOT NULL be dropped: a second column takes over.
fn rebuild(target: &Target<'_>, column: &TargetColumn<'_>, value: &str) -> String {
    let (table, TargetColumn { name, ty, .. }) = (quoted(target), column);
    format!(
        "to rebuild it, one statement after the other, while no load runs:\n    \
         ALTER TABLE {table} ADD COLUMN \"p_new\" {ty};\n    \
         UPDATE {table} SET \"p_new\" = {value};\n    \
         ALTER TABLE {table} DROP COLUMN \"{name}\";\n    \
         ALTER TABLE {table} RENAME COLUMN \"p_new\" TO \"{name}\";"
    )
}

fn not_in_contract(target: &Target<'_>, own: &WarehouseColumn) -> String {
    format!(
        "{}: column {} is not in the contract and is NOT NULL without a default, so every load would fail; to remove \
         it:\n    ALTER TABLE {} DROP COLUMN \"{}\";",
        target.name(),
        own.name,
        quoted(target),
        own.name
    )
}
