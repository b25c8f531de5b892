//! What a table lacks of its contract, asked after a load has failed: the warehouse's own text may hold values and is
//! not told, and a person needs the column. Changes nothing.

use penstock_aws::warehouse::{COLUMNS, ExecuteError, TableHome, Warehouse, WarehouseColumn};
use penstock_core::contract::Contract;
use penstock_core::sql::{Literal, target_columns};

/// The differences that keep a load from being written, in words; `None` where there are none.
pub async fn mismatch(
    warehouse: &Warehouse,
    home: &TableHome,
    contract: &Contract,
) -> Result<Option<String>, ExecuteError> {
    let (schema, table) = (home.schema.as_str(), contract.table.as_str());
    let (Some(schema_text), Some(table_text)) = (Literal::new(schema), Literal::new(table)) else {
        return Ok(None);
    };
    let sql = format!("{COLUMNS} WHERE table_schema = {schema_text} AND table_name = {table_text}");
    let rows = warehouse.execute(&home.database, &sql).await?;
    let there: Vec<_> =
        rows.iter().filter_map(|row| WarehouseColumn::of(row)).map(|(_, _, own)| own).collect();
    let told = match there.is_empty() {
        true => vec!["the table is not there, or this function may not use it".to_owned()],
        false => differences(contract, &there),
    };
    let command = "run `penstock migrate`";
    Ok((!told.is_empty())
        .then(|| format!("{schema}.{table} is not as its contract says: {}; {command}", told.join(", "))))
}

fn differences(contract: &Contract, there: &[WarehouseColumn]) -> Vec<String> {
    let wanted = target_columns(contract);
    let lacks = wanted.iter().filter_map(|column| {
        let name = column.name;
        match there.iter().find(|own| own.name == name) {
            None => Some(format!("column {name} is missing ({})", column.ty)),
            Some(own) if !own.ty.takes(column.ty) => {
                Some(format!("column {name} is {} and not {}", own.ty, column.ty))
            }
            Some(_) => None,
        }
    });
    let is_unknown = |own: &&WarehouseColumn| wanted.iter().all(|column| column.name != own.name);
    let unfilled = there.iter().filter(is_unknown).filter(|own| !own.nullable && !own.has_default);
    let unfilled = unfilled.map(|own| format!("column {} is NOT NULL and not in the contract", own.name));
    lacks.chain(unfilled).collect()
}
