//! What became of files, as people read it and as one JSON document. Is given only what may be shown, and counts
//! nothing itself.

use std::io::Write;

use penstock_core::contract::Contract;
use serde_json::{Value, json};

use super::shown::Sample;
use super::trial::Account;
use crate::check::counted;
use crate::printable::{printable, shortened};
use crate::table::{Align, Table};

const RECORD_WIDTH: usize = 72;
const REASON_WIDTH: usize = 120;
/// Width of a sample's value: that of a timestamp with its offset.
const VALUE_WIDTH: usize = 32;

/// Prints all that is known of one file.
pub fn print(account: &Account, contract: &Contract, out: &mut dyn Write) -> std::io::Result<()> {
    let dataset = format!("dataset {} {}", contract.dataset, contract.version);
    writeln!(out, "{} ({})", printable(&account.source), printable(&dataset))?;
    write!(out, "{}", accounts(std::slice::from_ref(account), contract))?;
    faults(account, contract, out)?;
    names(account, contract, out)?;
    rejects(account, out)?;
    warnings(account, out)?;
    samples(&account.samples, contract, out)?;
    writeln!(out)
}

/// A line a file, and one for all of several.
pub fn accounts(accounts: &[Account], contract: &Contract) -> Table {
    let has_key = !contract.key.is_empty();
    let heads = ["read", "accepted", "rejected", "extra fields", "duplicates", "keys with versions", "bytes"];
    let heads = heads.map(|head| (head, Align::Right));
    let is_one = accounts.len() == 1;
    let first = (!is_one).then_some(("file", Align::Left));
    let last = (!is_one).then_some(("", Align::Left));
    let mut table = Table::new(first.into_iter().chain(heads).chain(last));
    let mut sums = [0; 7];
    for account in accounts {
        let repeats = account.repeats.unwrap_or_default();
        let Account { read, rejected, extra_fields, bytes, .. } = *account;
        let (duplicates, versions) = (repeats.duplicates, repeats.keys_with_versions);
        let counts = [read, account.accepted(), rejected, extra_fields, duplicates, versions, bytes];
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        let first = (!is_one).then(|| account.source.clone());
        let last = verdict(account, contract).to_owned();
        table.push(first.into_iter().chain(cells(counts, has_key)).chain([last]));
    }
    if !is_one {
        table.push(["all files".to_owned()].into_iter().chain(cells(sums, has_key)).chain([String::new()]));
    }
    table
}

/// Without a key nothing can stand twice.
fn cells(counts: [u64; 7], has_key: bool) -> impl Iterator<Item = String> {
    let cell = move |(at, count): (usize, u64)| match at {
        4 | 5 if !has_key => "-".to_owned(),
        _ => count.to_string(),
    };
    counts.into_iter().enumerate().map(cell)
}

fn verdict(account: &Account, contract: &Contract) -> &'static str {
    match &account.broken {
        Some(_) if account.read == 0 => "not readable",
        Some(_) => "broke off",
        None if account.is_over(contract) => "too many rejects",
        None => "ok",
    }
}

fn faults(account: &Account, contract: &Contract, out: &mut dyn Write) -> std::io::Result<()> {
    if let Some(broken) = &account.broken {
        let text = format!("{} ({})", broken.reason, broken.rule.as_str());
        let rest = if account.read == 0 { "" } else { "; nothing behind the last record was read" };
        writeln!(out, "error: {}{rest}", printable(&text))?;
    } else if account.read == 0 {
        writeln!(out, "note: there is no record in it")?;
    }
    if account.is_over(contract) {
        let (rejected, read) = (account.rejected, counted_u64(account.read, "record"));
        let max_fraction = contract.table_options.max_rejected_fraction;
        writeln!(
            out,
            "error: {rejected} of {read} rejected, the contract allows a fraction of {max_fraction}"
        )?;
    }
    let format = contract.s3.as_ref().and_then(|s3| s3.format).filter(|_| account.accepted() == 0);
    if let (Some(format), 1..) = (format, account.read) {
        let format = format!("{format:?}").to_lowercase();
        writeln!(out, "note: no record fits; the contract says that its files are {format}")?;
    }
    let beyond = account.repeats.map_or(0, |repeats| repeats.beyond);
    if beyond > 0 {
        writeln!(out, "note: the last {beyond} rows were not looked at for duplicates and versions")?;
    }
    Ok(())
}

/// A misspelt name shows as a field that is left out beside a column that stays empty.
fn names(account: &Account, contract: &Contract, out: &mut dyn Write) -> std::io::Result<()> {
    if !account.extra_names.is_empty() {
        let named = account.extra_names.iter().map(|(name, rows)| {
            format!("{} (in {})", shortened(name, VALUE_WIDTH), counted_u64(*rows, "row"))
        });
        let named = named.collect::<Vec<_>>().join(", ");
        writeln!(out, "note: left out, because the contract does not name it: {}", printable(&named))?;
    }
    let empty: Vec<&str> = empty(account, contract).collect();
    if !empty.is_empty() {
        writeln!(out, "note: no row has a value in: {}", printable(&empty.join(", ")))?;
    }
    Ok(())
}

/// Source names of the columns that no row has a value in.
fn empty<'a>(account: &'a Account, contract: &'a Contract) -> impl Iterator<Item = &'a str> {
    let columns = account.empty.iter().filter(|_| account.accepted() > 0);
    columns.filter_map(|at| Some(contract.columns.get(*at)?.name.as_str()))
}

fn rejects(account: &Account, out: &mut dyn Write) -> std::io::Result<()> {
    let groups = account.groups.by_count();
    if groups.is_empty() {
        return Ok(());
    }
    let (left, right) = (Align::Left, Align::Right);
    let heads =
        [("records", right), ("rule", left), ("column", left), ("first line", right), ("position", right)];
    let mut table = Table::new(heads.into_iter().chain([("reason", left), ("record", left)]));
    for (rule, column, group) in groups {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let first = &group.first;
        table.push([
            &group.count.to_string(),
            rule.as_str(),
            column.unwrap_or_default(),
            &number(first.line),
            &number(first.position),
            &shortened(&first.reason, REASON_WIDTH),
            &shortened(&first.record, RECORD_WIDTH),
        ]);
    }
    write!(out, "\n{table}")
}

fn warnings(account: &Account, out: &mut dyn Write) -> std::io::Result<()> {
    if account.warnings.is_empty() {
        return Ok(());
    }
    let mut table = Table::new([("warnings", Align::Right), ("rule", Align::Left), ("column", Align::Left)]);
    for (rule, column, count) in account.warnings.iter() {
        table.push([&count.to_string(), rule.as_str(), column.unwrap_or_default()]);
    }
    write!(out, "\n{table}")
}

/// A line a column: rows are mostly wider than any terminal.
fn samples(samples: &[Sample], contract: &Contract, out: &mut dyn Write) -> std::io::Result<()> {
    if samples.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = (1..=samples.len()).map(|number| format!("row {number}")).collect();
    let heads = ["column"].into_iter().chain(names.iter().map(String::as_str));
    let mut table = Table::new(heads.map(|head| (head, Align::Left)));
    for column in &contract.columns {
        let name = column.physical.as_str();
        let values = samples.iter().map(|sample| value(sample, name));
        table.push([name.to_owned()].into_iter().chain(values));
    }
    write!(out, "\n{table}")
}

fn value(sample: &Sample, column: &str) -> String {
    let Some(json) = sample.get(column).map(|value| value.get()) else { return String::new() };
    let text = match serde_json::from_str::<Value>(json) {
        Ok(Value::Null) => "NULL".to_owned(),
        Ok(Value::String(text)) => text,
        _ => json.to_owned(),
    };
    shortened(&text, VALUE_WIDTH)
}

/// The last line.
pub fn summary(accounts: &[Account], contract: &Contract) -> String {
    let sum = |count: fn(&Account) -> u64| accounts.iter().map(count).sum::<u64>();
    let (read, accepted) = (sum(|account| account.read), sum(Account::accepted));
    let incomplete = accounts.iter().filter(|account| !account.is_complete(contract)).count();
    let files = counted(accounts.len(), "file");
    let faulty = match incomplete {
        0 => String::new(),
        _ => format!("; wrong: {}", counted(incomplete, "file")),
    };
    format!("{files} tried: {accepted} of {} can be loaded{faulty}", counted_u64(read, "record"))
}

/// All that is known of one file, for machines.
pub fn json(account: &Account, contract: &Contract) -> Value {
    let groups = account.groups.by_count().into_iter().map(|(rule, column, group)| {
        let first = &group.first;
        json!({
            "rule": rule.as_str(), "column": column, "count": group.count, "line": first.line,
            "position": first.position, "reason": first.reason, "record": first.record,
        })
    });
    let warnings = account.warnings.iter();
    let warnings = warnings
        .map(|(rule, column, count)| json!({"rule": rule.as_str(), "column": column, "count": count}));
    json!({
        "source": account.source,
        "is_complete": account.is_complete(contract),
        "read": account.read,
        "accepted": account.accepted(),
        "rejected": account.rejected,
        "extra_fields": account.extra_fields,
        "extra_names": account.extra_names.iter().map(|(name, rows)| json!({"name": name, "rows": rows}))
            .collect::<Vec<_>>(),
        "empty_columns": empty(account, contract).collect::<Vec<_>>(),
        "duplicates": account.repeats.map(|repeats| repeats.duplicates),
        "keys_with_versions": account.repeats.map(|repeats| repeats.keys_with_versions),
        "rows_not_compared": account.repeats.map(|repeats| repeats.beyond),
        "bytes": account.bytes,
        "broken": account.broken.as_ref().map(|own| json!({"rule": own.rule.as_str(), "reason": own.reason})),
        "rejects": groups.collect::<Vec<_>>(),
        "warnings": warnings.collect::<Vec<_>>(),
        "sample": account.samples,
    })
}

fn counted_u64(n: u64, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}
