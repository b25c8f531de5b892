//! What keeps texts from being widened, as far as the catalog tells it beforehand: encodings and constraints. What it
//! does not tell the warehouse says when asked to widen. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use penstock_aws::warehouse::{ExecuteError, Warehouse};
use penstock_core::sql::Literal;

use crate::alter::Alteration;
use crate::catalog::cannot_read;
use crate::failure::Failure;

/// Encodings whose columns Redshift does not widen.
const FIXED_ENCODINGS: [&str; 4] = ["bytedict", "runlength", "text255", "text32k"];

/// By schema, table and column.
type Names = [String; 3];

/// Columns with what is in the way.
#[derive(Debug, Default)]
pub struct Obstacles {
    encodings: BTreeMap<Names, String>,
    constraints: BTreeMap<Names, String>,
}

impl Obstacles {
    /// Asks about the tables of these widenings; where there are none nothing is asked.
    pub async fn read(
        warehouse: &Warehouse,
        database: &str,
        widenings: &[&Alteration],
    ) -> Result<Self, Failure> {
        if widenings.is_empty() {
            return Ok(Self::default());
        }
        let schemas = literals(widenings.iter().map(|own| own.schema.as_str()));
        let tables = literals(widenings.iter().map(|own| own.table.as_str()));
        let encodings = format!(
            "SELECT schema_name, table_name, column_name, encoding FROM svv_redshift_columns \
             WHERE database_name = current_database() AND schema_name IN ({schemas}) AND table_name IN ({tables})"
        );
        let constraints = format!(
            "SELECT table_schema, table_name, column_name, constraint_name FROM information_schema.key_column_usage \
             WHERE table_schema IN ({schemas}) AND table_name IN ({tables})"
        );
        Ok(Self {
            encodings: ask(warehouse, database, &encodings).await?,
            constraints: ask(warehouse, database, &constraints).await?,
        })
    }

    /// What is in the way of a widening, and what helps.
    pub fn of(&self, widening: &Alteration) -> Option<String> {
        let Alteration { schema, table, column, .. } = widening;
        let names = [schema.clone(), table.clone(), column.clone()];
        let encoding = self.encodings.get(&names).filter(|own| is_fixed(own));
        if let Some(encoding) = encoding {
            let encoding = encoding.to_uppercase();
            return Some(format!("is encoded {encoding}: {}", widening.reencode()));
        }
        let constraint = self.constraints.get(&names)?;
        Some(format!("is of the constraint {constraint}: {}", widening.drop_constraint(constraint)))
    }
}

fn is_fixed(encoding: &str) -> bool {
    FIXED_ENCODINGS.iter().any(|fixed| fixed.eq_ignore_ascii_case(encoding.trim()))
}

fn literals<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: BTreeSet<&str> = texts.collect();
    let literals: Vec<String> =
        texts.into_iter().filter_map(Literal::new).map(|own| own.to_string()).collect();
    literals.join(", ")
}

/// A view that is not there, or that the user may not read, tells nothing: the widening itself will.
async fn ask(warehouse: &Warehouse, database: &str, sql: &str) -> Result<BTreeMap<Names, String>, Failure> {
    let rows = match warehouse.execute(database, sql).await {
        Ok(rows) => rows,
        Err(ExecuteError::Failed(_)) => return Ok(BTreeMap::new()),
        Err(error) => return Err(cannot_read(database, sql, &error)),
    };
    let told = rows.into_iter().filter_map(|row| match <[_; 4]>::try_from(row) {
        Ok([Some(schema), Some(table), Some(column), Some(told)]) => Some(([schema, table, column], told)),
        _ => None,
    });
    Ok(told.collect())
}
