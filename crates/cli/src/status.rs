//! `penstock status`: holds receipts and ledgers to what they must add up to, dataset by dataset, and says what does
//! not. Changes nothing.

mod files;
mod loads;

use std::io::Write;
use std::time::SystemTime;

use aws_sdk_sqs::types::QueueAttributeName;
use penstock_aws::answered;
use penstock_aws::vars::Vars;
use penstock_aws::warehouse::{TableHome, Warehouse, WarehouseTarget};
use penstock_core::contract::Contract;

use self::files::Files;
use self::loads::Ledger;
use crate::Env;
use crate::args::StatusArgs;
use crate::bucket::Bucket;
use crate::clients::{Connect, warehouse_target};
use crate::contracts::Contracts;
use crate::failure::{Exit, Failure};
use crate::printable::printable;
use crate::statement::Database;
use crate::table::{Align, Table};

/// Incomplete files, and faults of one dataset, that are listed.
const MAX_LISTED: usize = 20;

/// What is asked, and where.
struct Settings {
    work_bucket: String,
    warehouse: WarehouseTarget,
    queue_url: Option<String>,
}

impl Settings {
    fn of(env: Env<'_>) -> Result<Self, Failure> {
        let vars = Vars::new(env);
        let work_bucket = vars.required("WORK_BUCKET");
        let work_bucket =
            work_bucket.map_err(|error| Failure::usage(format!("{error}: it holds the receipts")))?;
        Ok(Self {
            work_bucket,
            warehouse: warehouse_target(env)?,
            queue_url: vars.optional("LOAD_QUEUE_URL"),
        })
    }
}

/// A dataset and all that was found out about it.
struct Account<'a> {
    dataset: &'a str,
    files: Files,
    ledger: Ledger,
}

/// Prints the account of every dataset that was asked for.
pub async fn run(
    args: &StatusArgs,
    env: Env<'_>,
    connect: Connect,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let contracts = Contracts::read(&args.contracts.paths)?;
    let chosen = choose(contracts.usable()?, &args.datasets)?;
    let settings = Settings::of(env)?;
    let databases =
        Database::group(&chosen, env, |own| TableHome::database(own, env).map_err(Failure::usage))?;
    let since = args.since.as_ref().map(|since| SystemTime::now() - since.time);
    let clients = connect.clients().await?;
    let bucket = Bucket::new(clients.s3.clone(), settings.work_bucket);
    let warehouse = clients.warehouse(settings.warehouse);
    let mut accounts = Vec::new();
    for database in &databases {
        accounts.extend(of_database(database, &bucket, &warehouse, since).await?);
    }
    let heading = args.since.as_ref().map(|since| format!(" (receipts of the last {})", since.text));
    writeln!(out, "files{}\n{}", heading.unwrap_or_default(), files_table(&accounts))?;
    print_incomplete(&accounts, out)?;
    writeln!(out, "warehouse\n{}", loads_table(&accounts))?;
    let mut exits = Vec::new();
    if let Some(url) = &settings.queue_url {
        exits.push(print_queue(&clients.sqs, url, out).await?);
    }
    for account in &accounts {
        exits.push(account.conclude(out)?);
    }
    Ok(if exits.contains(&Exit::Refused) { Exit::Refused } else { Exit::Ok })
}

async fn of_database<'a>(
    database: &Database<'a>,
    bucket: &Bucket,
    warehouse: &Warehouse,
    since: Option<SystemTime>,
) -> Result<Vec<Account<'a>>, Failure> {
    let there = loads::ledgers(warehouse, &database.name).await;
    let mut accounts = Vec::new();
    for target in &database.targets {
        let dataset = target.contract.dataset.as_str();
        let files = Files::read(bucket, dataset, since).await;
        let files =
            files.map_err(|error| Failure::refused(format!("the receipts cannot be read: {error}")))?;
        let ledger = match &there {
            Ok(there) => loads::ledger(warehouse, &database.name, target, there).await,
            Err(error) => Ledger::Refused(error.clone()),
        };
        accounts.push(Account { dataset, files, ledger });
    }
    Ok(accounts)
}

/// The contracts of the named datasets; all without a name.
fn choose<'a>(
    contracts: Vec<(&'a str, &'a Contract)>,
    names: &[String],
) -> Result<Vec<(&'a str, &'a Contract)>, Failure> {
    let known: Vec<&str> = contracts.iter().map(|(_, contract)| contract.dataset.as_str()).collect();
    if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
        let known = known.join(", ");
        return Err(Failure::usage(format!("no contract is of dataset {name}; there are: {known}")));
    }
    let is_chosen = |contract: &Contract| names.is_empty() || names.contains(&contract.dataset);
    Ok(contracts.into_iter().filter(|(_, contract)| is_chosen(contract)).collect())
}

fn table(heads: &[&'static str]) -> Table {
    let numbers = heads.iter().map(|head| (*head, Align::Right));
    Table::new(std::iter::once(("dataset", Align::Left)).chain(numbers))
}

fn files_table(accounts: &[Account<'_>]) -> Table {
    let mut table = table(&["files", "partial", "failed", "read", "rejected", "duplicate", "sent"]);
    for Account { dataset, files, .. } in accounts {
        let Files { files, partial, failed, read, rejected, duplicate, sent, .. } = files;
        let numbers = [files, partial, failed, read, rejected, duplicate, sent].map(ToString::to_string);
        table.push(std::iter::once((*dataset).to_owned()).chain(numbers));
    }
    table
}

fn loads_table(accounts: &[Account<'_>]) -> Table {
    let heads = ["loads", "read", "inserted", "updated", "unchanged", "duplicate", "rejected", "rows"];
    let mut table = table(&heads);
    for Account { dataset, ledger, .. } in accounts {
        let numbers = match ledger {
            Ledger::Read(own) => {
                let changed = [own.inserted, own.updated, own.unchanged, own.duplicate, own.rejected];
                [&[own.loads, own.read], &changed[..], &[own.rows]]
                    .concat()
                    .iter()
                    .map(i64::to_string)
                    .collect()
            }
            Ledger::Missing(_) | Ledger::Refused(_) => vec!["-".to_owned(); heads.len()],
        };
        table.push(std::iter::once((*dataset).to_owned()).chain(numbers));
    }
    table
}

fn print_incomplete(accounts: &[Account<'_>], out: &mut dyn Write) -> std::io::Result<()> {
    let all = accounts.iter().flat_map(|account| &account.files.incomplete);
    let lines: Vec<_> = all.map(|own| format!("{}: {}: {}", own.status, own.source, own.reason)).collect();
    print_some(&lines, out)?;
    if lines.is_empty() { Ok(()) } else { writeln!(out) }
}

/// The first lines, and how many more there are.
fn print_some(lines: &[String], out: &mut dyn Write) -> std::io::Result<()> {
    for line in lines.iter().take(MAX_LISTED) {
        writeln!(out, "{}", printable(line))?;
    }
    match lines.len() {
        count if count > MAX_LISTED => writeln!(out, "and {} more", count - MAX_LISTED),
        _ => Ok(()),
    }
}

async fn print_queue(sqs: &aws_sdk_sqs::Client, url: &str, out: &mut dyn Write) -> std::io::Result<Exit> {
    let (waiting, in_flight) = (
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    );
    let request = sqs.get_queue_attributes().queue_url(url);
    let answer = request.attribute_names(waiting.clone()).attribute_names(in_flight.clone()).send().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            writeln!(out, "queue: cannot be asked: {}", printable(&answered(&error)))?;
            return Ok(Exit::Refused);
        }
    };
    let count = |name| {
        let count = answer.attributes().and_then(|attributes| attributes.get(&name));
        count.map_or("?", String::as_str).to_owned()
    };
    writeln!(out, "queue: messages: {} waiting, {} in flight", count(waiting), count(in_flight))?;
    Ok(Exit::Ok)
}

impl Account<'_> {
    /// Prints the findings.
    fn conclude(&self, out: &mut dyn Write) -> std::io::Result<Exit> {
        let Self { dataset, files, ledger } = self;
        let wrong = |fault: &String| format!("{dataset}: NOT BALANCED: {fault}");
        let mut faults: Vec<String> = files.faults.iter().map(wrong).collect();
        let mut balanced = "balanced".to_owned();
        match ledger {
            Ledger::Read(loads) => faults.extend(loads.faults().iter().map(wrong)),
            Ledger::Refused(text) => faults.push(format!("{dataset}: the warehouse does not tell: {text}")),
            Ledger::Missing(name) => {
                balanced = format!(
                    "receipts balanced; there is no ledger {name} that this user may see: was the dataset migrated?"
                );
            }
        }
        print_some(&faults, out)?;
        if faults.is_empty() {
            writeln!(out, "{dataset}: {balanced}")?;
        }
        if let Ledger::Read(loads) = ledger
            && let Some(note) = loads.note()
        {
            writeln!(out, "{dataset}: note: {note}")?;
        }
        Ok(if faults.is_empty() { Exit::Ok } else { Exit::Refused })
    }
}
