//! `penstock check`: one line a contract, all that is wrong with it, and a summary.

use std::io::Write;
use std::path::Path;

use penstock_core::contract::{Contract, LakeFormat};

use crate::args::CheckArgs;
use crate::contracts::{ContractFile, Contracts};
use crate::failure::{Exit, Failure};
use crate::lint::route_of;

/// Checks the contracts and prints the report.
pub fn run(args: &CheckArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let contracts = Contracts::with_models(&args.contracts.paths, &args.models)?;
    for file in &contracts.files {
        print(file, out)?;
    }
    for path in &contracts.ignored {
        writeln!(out, "note: {path}: not read, a contract's file is called *.odcs.yaml")?;
    }
    writeln!(out, "{}", summary(&contracts.files))?;
    let all_right = contracts.files.iter().all(|file| file.errors.is_empty());
    Ok(if all_right { Exit::Ok } else { Exit::Refused })
}

fn print(file: &ContractFile, out: &mut dyn Write) -> std::io::Result<()> {
    for error in &file.errors {
        writeln!(out, "error: {}: {error}", file.path)?;
    }
    match &file.contract {
        Some(contract) if file.errors.is_empty() => writeln!(out, "{}", line(&file.path, contract))?,
        _ => return Ok(()),
    }
    for note in &file.notes {
        writeln!(out, "    note: {note}")?;
    }
    Ok(())
}

fn line(path: &str, contract: &Contract) -> String {
    let name = Path::new(path).file_name().map_or_else(|| path.into(), |name| name.to_string_lossy());
    let Contract { dataset, version, .. } = contract;
    if contract.is_binary() || (is_lake_only(contract) && contract.lake.format == Some(LakeFormat::AsIs)) {
        return format!("ok  {name}  dataset {dataset} {version} → the lake, as it is");
    }
    let key: Vec<&str> = contract
        .key
        .iter()
        .filter_map(|i| contract.columns.get(*i))
        .map(|column| column.name.as_str())
        .collect();
    let key = match key.is_empty() {
        true => "no key: rows are appended".to_owned(),
        false => format!("key {}", key.join(", ")),
    };
    let target = match is_lake_only(contract) {
        true => "the lake, as Parquet".to_owned(),
        false => format!("{}.{}", contract.warehouse.schema, contract.table.as_str()),
    };
    let columns = counted(contract.columns.len(), "column");
    format!("ok  {name}  dataset {dataset} {version} → {target}, {columns}, {key}")
}

/// Whether no row of it comes to the warehouse: its files are below `lake/`, and it has no stream.
fn is_lake_only(contract: &Contract) -> bool {
    let route = contract.s3.as_ref().and_then(route_of);
    contract.stream.is_none() && route.as_deref() == Some("lake")
}

fn summary(files: &[ContractFile]) -> String {
    let wrong = files.iter().filter(|file| !file.errors.is_empty()).count();
    let notes: usize = files.iter().filter(|file| file.errors.is_empty()).map(|file| file.notes.len()).sum();
    let checked = counted(files.len(), "contract");
    let notes = if notes == 0 { String::new() } else { format!(", {}", counted(notes, "note")) };
    match wrong {
        0 => format!("{checked} checked: all can be used{notes}"),
        wrong => format!("{checked} checked: {} ok, {wrong} wrong{notes}", files.len() - wrong),
    }
}

/// `1 column`, `2 columns`.
pub fn counted(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
