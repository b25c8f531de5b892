//! `penstock sql`: one statement, its result as a table or as JSON lines. Knows no contract.

use std::io::Write;

use penstock_aws::vars::Vars;
use penstock_aws::warehouse::{DEFAULT_DATABASE, ExecuteError, ResultColumn, ResultSet};
use serde_json::Value;

use crate::Env;
use crate::args::SqlArgs;
use crate::check::counted;
use crate::clients::{Connect, warehouse_target};
use crate::failure::{Exit, Failure};
use crate::printable::printable;
use crate::table::{Align, Table};

/// Runs the statement and prints what it gives.
pub async fn run(
    args: &SqlArgs,
    env: Env<'_>,
    connect: Connect,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let target = warehouse_target(env)?;
    let database = Vars::new(env).optional("DATABASE").unwrap_or_else(|| DEFAULT_DATABASE.to_owned());
    let warehouse = connect.clients().await?.warehouse(target);
    let result = warehouse.query(&database, &args.query).await.map_err(|error| match error {
        ExecuteError::Failed(text) => Failure::refused(text),
        ExecuteError::Api(error) => Failure::refused(format!("the warehouse cannot be asked: {}", error)),
    })?;
    match result {
        Some(result) if args.json => print_json(&result, out)?,
        Some(result) => print_table(&result, out)?,
        None if args.json => {}
        None => writeln!(out, "done")?,
    }
    Ok(Exit::Ok)
}

fn print_table(result: &ResultSet, out: &mut dyn Write) -> std::io::Result<()> {
    let align = |column: &ResultColumn| if is_number(column) { Align::Right } else { Align::Left };
    let mut table = Table::new(result.columns.iter().map(|column| (column.name.as_str(), align(column))));
    for row in &result.rows {
        table.push(row.iter().map(|value| value.as_deref().unwrap_or("NULL")));
    }
    writeln!(out, "{table}{}", counted(result.rows.len(), "row"))
}

/// Members in the order of the columns.
fn print_json(result: &ResultSet, out: &mut dyn Write) -> std::io::Result<()> {
    for row in &result.rows {
        let members = result.columns.iter().zip(row);
        let members: Vec<String> = members
            .map(|(column, value)| {
                format!("{}:{}", Value::from(column.name.as_str()), json(column, value.as_deref()))
            })
            .collect();
        writeln!(out, "{}", printable(&format!("{{{}}}", members.join(","))))?;
    }
    Ok(())
}

/// A number or boolean of JSON where nothing is lost by it.
fn json(column: &ResultColumn, value: Option<&str>) -> Value {
    let Some(text) = value else { return Value::Null };
    let is_own = is_number(column) && !is_decimal(column) || column.type_name == "bool";
    let own = if is_own { serde_json::from_str(text).ok() } else { None };
    own.filter(|own: &Value| own.is_number() || own.is_boolean()).unwrap_or_else(|| Value::from(text))
}

fn is_number(column: &ResultColumn) -> bool {
    matches!(column.type_name.as_str(), "int2" | "int4" | "int8" | "oid" | "float4" | "float8")
        || is_decimal(column)
}

fn is_decimal(column: &ResultColumn) -> bool {
    matches!(column.type_name.as_str(), "numeric" | "decimal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result() -> ResultSet {
        let column = |(name, type_name): (&str, &str)| ResultColumn {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
        };
        let columns =
            [("n", "int8"), ("amount", "numeric"), ("ok", "bool"), ("x", "float8"), ("text", "varchar")];
        let row = |values: [Option<&str>; 5]| values.map(|value| value.map(str::to_owned)).to_vec();
        ResultSet {
            columns: columns.map(column).to_vec(),
            rows: vec![
                row([Some("7"), Some("12.50"), Some("true"), Some("1.5"), Some("12")]),
                row([Some("-12"), None, None, Some("NaN"), Some("a\n\u{1b}\"猫")]),
            ],
        }
    }

    fn printed(print: fn(&ResultSet, &mut dyn Write) -> std::io::Result<()>, result: &ResultSet) -> String {
        let mut out = Vec::new();
        print(result, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_result_is_a_table_with_its_numbers_at_the_right() {
        let expected = [
            "  n  amount  ok      x  text",
            "---  ------  ----  ---  ------------",
            "  7   12.50  true  1.5  12",
            "-12    NULL  NULL  NaN  a\\n\\u001b\"猫",
            "2 rows",
        ];
        assert_eq!(printed(print_table, &result()).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn json_keeps_the_columns_order_and_every_digit() {
        let expected = "{\"n\":7,\"amount\":\"12.50\",\"ok\":true,\"x\":1.5,\"text\":\"12\"}\n\
                        {\"n\":-12,\"amount\":null,\"ok\":null,\"x\":\"NaN\",\"text\":\"a\\n\\u001b\\\"猫\"}\n";
        assert_eq!(printed(print_json, &result()), expected);
    }

    #[test]
    fn a_result_without_rows_still_names_its_columns() {
        let empty = ResultSet { rows: Vec::new(), ..result() };
        assert_eq!(printed(print_table, &empty), "n  amount  ok  x  text\n-  ------  --  -  ----\n0 rows\n");
        assert_eq!(printed(print_json, &empty), "");
    }
}
