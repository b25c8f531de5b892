//! `penstock status`: holds receipts and ledgers to what they must add up to, dataset by dataset, and says what does
//! not. Changes nothing.

mod files;
mod loads;
mod queue;

use std::io::Write;
use std::time::SystemTime;

use penstock_aws::vars::Vars;
use penstock_aws::warehouse::{TableHome, Warehouse, WarehouseTarget};
use penstock_core::contract::Contract;

use self::files::Files;
use self::loads::{Ledger, Loads};
use self::queue::Queue;
use crate::Env;
use crate::args::StatusArgs;
use crate::bucket::Bucket;
use crate::clients::{Connect, warehouse_target};
use crate::contracts::Contracts;
use crate::failure::{Exit, Failure};
use crate::lint::route_of;
use crate::printable::printable;
use crate::statement::Database;
use crate::table::{Align, Table};

/// Routes whose files have receipts.
const QUEUE: &str = "queue";
const STREAM: &str = "stream";
/// Incomplete files, and faults of one dataset, that are listed.
const MAX_LISTED: usize = 20;

/// What is asked, and where.
struct Settings {
    work_bucket: String,
    warehouse: WarehouseTarget,
    load_queue_url: Option<String>,
    copy_queue_url: Option<String>,
    stream_queue_url: Option<String>,
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
            load_queue_url: vars.optional("LOAD_QUEUE_URL"),
            copy_queue_url: vars.optional("COPY_QUEUE_URL"),
            stream_queue_url: vars.optional("STREAM_QUEUE_URL"),
        })
    }
}

/// A dataset and all that was found out about it.
struct Account<'a> {
    contract: &'a Contract,
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
    let databases = Database::group(&chosen, &contracts.models, env, |own| {
        TableHome::database(own, env).map_err(Failure::usage)
    })?;
    let since = args.since.as_ref().map(|since| SystemTime::now() - since.time);
    let clients = connect.clients().await?;
    let bucket = Bucket::new(clients.s3.clone(), settings.work_bucket);
    let warehouse = clients.warehouse(settings.warehouse);
    // In this order, a row whose receipt is counted is in the queue or in the ledger when those are read.
    let mut files = Vec::new();
    for database in &databases {
        files.push(files_of(database, &bucket, since).await?);
    }
    let load_queue = Queue::of(&clients.sqs, settings.load_queue_url.as_deref()).await;
    let stream_queue = Queue::of(&clients.sqs, settings.stream_queue_url.as_deref()).await;
    let copy_queue = Queue::of(&clients.sqs, settings.copy_queue_url.as_deref()).await;
    let mut accounts = Vec::new();
    for (database, files) in databases.iter().zip(files) {
        accounts.extend(with_ledgers(database, files, &warehouse).await);
    }
    let heading = args.since.as_ref().map(|since| format!(" (receipts of the last {})", since.text));
    writeln!(out, "files{}\n{}", heading.unwrap_or_default(), files_table(&accounts))?;
    print_incomplete(&accounts, out)?;
    writeln!(out, "warehouse\n{}", loads_table(&accounts))?;
    let mut exits = print_queues([&load_queue, &stream_queue, &copy_queue], out)?;
    let all_arrived = load_queue.is_some_and(|queue| queue.is_ok_and(|queue| queue.is_empty()));
    for account in &accounts {
        exits.push(account.conclude(all_arrived, out)?);
    }
    Ok(if exits.contains(&Exit::Refused) { Exit::Refused } else { Exit::Ok })
}

async fn files_of(
    database: &Database<'_>,
    bucket: &Bucket,
    since: Option<SystemTime>,
) -> Result<Vec<Files>, Failure> {
    let mut all = Vec::new();
    for target in &database.targets {
        let files = Files::read(bucket, target.contract.dataset.as_str(), since).await;
        all.push(files.map_err(|error| Failure::refused(format!("the receipts cannot be read: {error}")))?);
    }
    Ok(all)
}

async fn with_ledgers<'a>(
    database: &Database<'a>,
    files: Vec<Files>,
    warehouse: &Warehouse,
) -> Vec<Account<'a>> {
    let there = loads::ledgers(warehouse, &database.name).await;
    let mut accounts = Vec::new();
    for (target, files) in database.targets.iter().zip(files) {
        let ledger = match &there {
            Ok(there) => loads::ledger(warehouse, &database.name, target, there).await,
            Err(error) => Ledger::Refused(error.clone()),
        };
        accounts.push(Account { contract: target.contract, files, ledger });
    }
    accounts
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
    for Account { contract, files, .. } in accounts {
        let Files { files, partial, failed, read, rejected, duplicate, sent, .. } = files;
        let numbers = [files, partial, failed, read, rejected, duplicate, sent].map(ToString::to_string);
        table.push(std::iter::once(contract.dataset.clone()).chain(numbers));
    }
    table
}

fn loads_table(accounts: &[Account<'_>]) -> Table {
    let heads = ["loads", "read", "inserted", "updated", "unchanged", "duplicate", "rejected", "rows"];
    let mut table = table(&heads);
    for Account { contract, ledger, .. } in accounts {
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
        table.push(std::iter::once(contract.dataset.clone()).chain(numbers));
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

/// A queue, where its URL is known, or why it cannot be asked.
type Asked = Option<Result<Queue, String>>;

fn print_queues(queues: [&Asked; 3], out: &mut dyn Write) -> std::io::Result<Vec<Exit>> {
    let mut exits = Vec::new();
    let names = [("queue", "rows"), ("stream queue", "files"), ("copy queue", "files")];
    for ((name, of), queue) in names.into_iter().zip(queues) {
        if let Some(queue) = queue {
            exits.push(print_queue(name, of, queue, out)?);
        }
    }
    Ok(exits)
}

/// Prints how many messages are on their way, and how many gave up.
fn print_queue(
    name: &str,
    of: &str,
    queue: &Result<Queue, String>,
    out: &mut dyn Write,
) -> std::io::Result<Exit> {
    let queue = match queue {
        Ok(queue) => queue,
        Err(text) => {
            writeln!(out, "{name}: cannot be asked: {}", printable(text))?;
            return Ok(Exit::Refused);
        }
    };
    writeln!(out, "{name}: messages: {} waiting, {} in flight", queue.waiting, queue.in_flight)?;
    match &queue.dead {
        Ok(0) => return Ok(Exit::Ok),
        Ok(dead) => {
            writeln!(out, "{name}: {dead} messages of {of} are in its dead-letter queue and in no load")?
        }
        Err(text) => writeln!(out, "{name}: its dead-letter queue cannot be asked: {}", printable(text))?,
    }
    Ok(Exit::Refused)
}

impl Account<'_> {
    /// Prints the findings.
    fn conclude(&self, all_arrived: bool, out: &mut dyn Write) -> std::io::Result<Exit> {
        let Self { contract, files, ledger } = self;
        let dataset = &contract.dataset;
        let wrong = |fault: &String| format!("{dataset}: NOT BALANCED: {fault}");
        let mut faults: Vec<String> = files.faults.iter().map(wrong).collect();
        let incomplete = match files.partial + files.failed {
            0 => String::new(),
            count => format!(", but {} not complete", files_are(count)),
        };
        let mut balanced = format!("balanced{incomplete}");
        match ledger {
            Ledger::Read(loads) => {
                faults.extend(loads.faults().iter().map(wrong));
                faults.extend(self.lost(loads, all_arrived).iter().map(wrong));
            }
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
        if let Ledger::Read(loads) = ledger {
            let notes =
                self.again(loads).into_iter().chain(self.on_its_way(loads)).chain(loads.note(contract));
            for note in notes {
                writeln!(out, "{dataset}: note: {note}")?;
            }
        }
        let is_known = !matches!(ledger, Ledger::Missing(_));
        Ok(if faults.is_empty() && is_known { Exit::Ok } else { Exit::Refused })
    }

    /// Whether all files of the dataset go this route, where each has a receipt. On the copy route only files of which
    /// nothing loads have one: of the others the ledger has a line each.
    fn takes_only(&self, route: &str) -> bool {
        self.contract.s3.as_ref().and_then(route_of).is_some_and(|own| own == route)
    }

    /// Rows that loads read more often than the receipts say. A stream has rows that came without a file.
    fn again(&self, loads: &Loads) -> Option<String> {
        if !self.takes_only(QUEUE) {
            return None;
        }
        let again =
            u64::try_from(loads.read).ok()?.checked_sub(self.files.sent).filter(|again| *again > 0)?;
        Some(format!("loads read {again} rows more than the files above sent: some were delivered again"))
    }

    /// Rows that left the queue and came into no load. More may be read than were sent: files come again.
    fn lost(&self, loads: &Loads, all_arrived: bool) -> Option<String> {
        let read = u64::try_from(loads.read).unwrap_or(0);
        let is_told = all_arrived && self.takes_only(QUEUE);
        let lost = self.files.sent.checked_sub(read).filter(|lost| is_told && *lost > 0)?;
        Some(format!("{lost} rows were sent, are in no load, and are not in the queue"))
    }

    /// Rows that no load has read yet. How many of them are in the stream or with Firehose nobody tells.
    fn on_its_way(&self, loads: &Loads) -> Option<String> {
        let read = u64::try_from(loads.read).ok()?;
        let rows = self.files.sent.checked_sub(read).filter(|rows| self.takes_only(STREAM) && *rows > 0)?;
        Some(format!(
            "{rows} rows were sent to the stream and are in no load yet: they take about two minutes"
        ))
    }
}

fn files_are(count: u64) -> String {
    match count {
        1 => "1 file is".to_owned(),
        count => format!("{count} files are"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSACTIONS: &str = include_str!("../../../infra/contracts/transactions.odcs.yaml");
    const CLICKSTREAM: &str = include_str!("../../../infra/contracts/clickstream.odcs.yaml");
    const CUSTOMERS: &str = include_str!("../../../infra/contracts/customers.odcs.yaml");

    fn account(contract: &Contract, sent: u64) -> Account<'_> {
        let files = Files { sent, ..Files::default() };
        Account { contract, files, ledger: Ledger::Missing(String::new()) }
    }

    #[test]
    fn rows_that_left_the_queue_and_are_in_no_load_are_lost() {
        let contract = Contract::parse(TRANSACTIONS).unwrap();
        let account = |sent| account(&contract, sent);
        let mut loads = Loads::default();
        loads.read = 5;
        assert_eq!(account(5).lost(&loads, true), None);
        // A file that came again is read more often than its receipt says.
        assert_eq!(account(3).lost(&loads, true), None);
        assert!(account(3).again(&loads).unwrap().starts_with("loads read 2 rows more"));
        assert_eq!(account(8).lost(&loads, false), None);
        assert!(account(8).lost(&loads, true).unwrap().starts_with("3 rows were sent"));
    }

    #[test]
    fn loads_of_files_that_may_go_the_copy_route_are_held_to_no_receipts() {
        let copy = CUSTOMERS.replace("/*/customers/", "/copy/customers/");
        for text in [CUSTOMERS, &copy] {
            let contract = Contract::parse(text).unwrap();
            let mut loads = Loads::default();
            loads.read = 5;
            assert_eq!(account(&contract, 0).again(&loads), None);
            assert_eq!(account(&contract, 8).lost(&loads, true), None);
            assert_eq!(account(&contract, 8).on_its_way(&loads), None);
        }
    }

    #[test]
    fn rows_on_the_stream_are_on_their_way_and_not_lost() {
        let contract = Contract::parse(CLICKSTREAM).unwrap();
        let mut loads = Loads::default();
        loads.read = 5;
        // A producer's rows have no file.
        assert_eq!(
            (account(&contract, 3).again(&loads), account(&contract, 3).on_its_way(&loads)),
            (None, None)
        );
        assert_eq!(account(&contract, 8).lost(&loads, true), None);
        assert!(
            account(&contract, 8).on_its_way(&loads).unwrap().starts_with("3 rows were sent to the stream")
        );
    }

    #[test]
    fn dead_letters_are_told_and_fail() {
        let told = |dead| {
            let mut out = Vec::new();
            let queue = Ok(Queue { waiting: 1, in_flight: 0, dead });
            let exit = print_queue("copy queue", "files", &queue, &mut out).unwrap();
            (exit, String::from_utf8(out).unwrap())
        };
        assert_eq!(told(Ok(0)), (Exit::Ok, "copy queue: messages: 1 waiting, 0 in flight\n".into()));
        let (exit, text) = told(Ok(2));
        let dead = "copy queue: 2 messages of files are in its dead-letter queue";
        assert!(exit == Exit::Refused && text.contains(dead), "{text}");
        let (exit, text) = told(Err("AccessDenied: no".into()));
        assert!(exit == Exit::Refused && text.contains("cannot be asked: AccessDenied: no"));
    }
}
