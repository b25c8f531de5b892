//! `penstock check`: one line a contract, all that is wrong with it, and a summary.

use std::io::Write;
use std::path::Path;

use penstock_core::contract::Contract;

use crate::args::CheckArgs;
use crate::contracts::{ContractFile, Contracts};
use crate::failure::{Exit, Failure};

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
    if contract.is_binary() {
        let Contract { dataset, version, .. } = contract;
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
    format!(
        "ok  {name}  dataset {} {} → {}.{}, {}, {key}",
        contract.dataset,
        contract.version,
        contract.warehouse.schema,
        contract.table.as_str(),
        counted(contract.columns.len(), "column"),
    )
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
