//! The command line: what can be asked and how it is explained. Does nothing itself.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use penstock_core::sql::GrantRole;

/// Checks data contracts, makes warehouse and catalog ready for them, accounts for what was loaded, and replays what was
/// not loaded
#[derive(Debug, Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 the contracts or the warehouse say no, 2 wrong usage")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Say whether the contracts can be used; needs no environment and no network
    #[command(after_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Read local files as the functions would, and say what becomes of every record; loads nothing
    #[command(after_help = TRY_HELP)]
    Try(TryArgs),
    /// Print the SQL that makes a warehouse ready for the contracts; runs nothing
    #[command(after_help = DDL_HELP)]
    Ddl(DdlArgs),
    /// Create what the contracts need in the warehouse, add columns, widen texts; all else that is there is kept
    #[command(after_help = MIGRATE_HELP)]
    Migrate(MigrateArgs),
    /// Print the lake's tables as SQL for Athena, Redshift Spectrum or as JSON for Glue, or apply them to Glue's catalog
    #[command(after_help = catalog::HELP)]
    Catalog(CatalogArgs),
    /// Say whether every record of every file is accounted for; changes nothing
    #[command(after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Print the records that are in quarantine, with the rules they break; classified values are masked
    #[command(after_help = REJECTS_HELP)]
    Rejects(RejectsArgs),
    /// Send what is in quarantine, what Firehose could not process, or whole files back through their route
    #[command(after_help = replay::HELP)]
    Replay(ReplayArgs),
    /// Run one statement in the warehouse and print its result
    #[command(after_help = SQL_HELP)]
    Sql(SqlArgs),
}

const CHECK_HELP: &str = "\
Every contract is parsed, its patterns and expressions are compiled, and all are held against each other: no dataset \
or table may be there twice, and no S3 key may match two locations. A note tells of something that has no effect or is \
rarely meant; it changes no exit code. Models that contracts name in penstock.afterLoad are read, too: each must be a \
list of CREATE TABLE IF NOT EXISTS, CREATE OR REPLACE VIEW, DELETE FROM and INSERT INTO over tables of the contracts.\n
The JSON Schema of the Open Data Contract Standard itself is checked by `make check`.";

const TRY_HELP: &str = "\
Every record is read, checked, derived and stamped by the code that the functions run. The format is the contract's, \
else it is found out from the first bytes, else from the file's name; gzip and zstd are unpacked. For each file:\n
  read = accepted + rejected   records of the file
  extra fields                 fields that the contract does not name and that were left out
  duplicates                   rows equal to another one in key and values; a load keeps one
  keys with versions           keys that stand with differing values; the latest one wins
  rejects                      by rule and column, with line and position of the first record. A position is a byte of \
the unpacked file, in Avro and Parquet the record's number from 0. One record may break several rules
  warnings                     rows that were accepted and break a rule of severity warning, or were cut\n
Values of classified columns are masked in the report, as `penstock rejects` masks them; --rows and --rejects write \
all values, into files that only you can read. They take the place of files of that name, at the end and only \
when everything was written; with a name that ends in .gz they are packed.\n
Examples:
  penstock try --contract orders.odcs.yaml orders.csv
  penstock try --dataset transactions --rejects rejects.jsonl export/*.json.gz
  zcat big.json.gz | head -1000 | penstock try --dataset transactions --json - | jq '.files[].rejects'\n
Exit codes: 0 also when there are rejects, 1 when a file cannot be read to its end, has more of them than the \
contract's penstock.maxRejectedFraction or the contract is wrong, 2 wrong usage";

const DDL_HELP: &str = "\
Every statement can be run again. Only where a contract's schema holds a ${NAME} is NAME read from the environment.";

/// The settings that all commands have in common which ask the warehouse.
macro_rules! warehouse_environment {
    () => {
        "  WORKGROUP_NAME          serverless workgroup; or
  CLUSTER_IDENTIFIER      provisioned cluster
  SECRET_ARN              secret of a database user; without it your AWS identity is the user
"
    };
}

/// What AWS clients read by themselves.
macro_rules! aws_environment {
    () => {
        "  AWS_REGION, AWS_PROFILE and all else that AWS tools read"
    };
}

const MIGRATE_HELP: &str = concat!(
    "\
For each dataset: the schema, the table, its lock table, its ledger and two procedures; for each database the view \
penstock.objects over all ledgers; for each role its user and grants; where the contract asks for them the history \
stg.<table>, the view <table>_live without tombstones, and what its models define. A table that is there is compared with its \
contract, column by column. A column that it lacks is added (unless it is required: rows that are there would have no \
value), a varchar that is too short is widened. Whatever else differs is refused, with the SQL that a person would \
have to run, and then nothing at all is changed. A column that only the table has stays.\n
Every statement runs alone. After one that failed, and beside another migration, run it again: it goes on where the \
table is. It waits for a load that is running.\n
Environment:
",
    warehouse_environment!(),
    "  DATABASE                what ${DATABASE} in contracts stands for [default: dev]\n",
    aws_environment!(),
    "; AWS_ENDPOINT_URL_REDSHIFT_DATA for a local warehouse"
);

const STATUS_HELP: &str = concat!(
    "\
Files are counted from their receipts, loads from the dataset's ledger penstock.objects_<table>. A dataset is \
balanced when each receipt says read = rejected + duplicate + sent, each line of the ledger says read = inserted + \
updated + unchanged + duplicate + rejected, and no record id stands twice in the table. Partial and failed files are \
listed with their reason; they are no imbalance.\n
Loads may read more than files sent: a file that is delivered again has still one receipt, but its rows are read, and \
found unchanged, once more. Less is read while rows wait in the queue; less with an empty queue, or messages in its \
dead-letter queue, are told as rows that no load has. Of a dataset without a queue only files of which nothing loads \
have a receipt; of those that loaded the ledger has a line each. If the table does not hold as many rows \
as were inserted, a note says so: rows may have been deleted since. Of the lake receipts are added up and held against \
nothing: what s3-to-lake handed over, and what the Glue job did, have none, and messages of the lake's queues are not \
counted (the dashboard penstock-<stage>-lake-route shows them). Datasets of format binary are not shown.\n
Environment:
  WORK_BUCKET             bucket of the receipts
",
    warehouse_environment!(),
    "  DATABASE                what ${DATABASE} in contracts stands for [default: dev]
  LOAD_QUEUE_URL          queue of rows, whose messages are counted; without it none are
  COPY_QUEUE_URL          queue of the copy route's files, the same\n",
    aws_environment!(),
    "\n
Exit codes: 0 balanced, 1 not balanced or not to be found out, 2 wrong usage"
);

const REJECTS_HELP: &str = concat!(
    "\
Values of columns that the contract classifies restricted or confidential are masked as ***, with those derived from \
them and those of fields that no column names. Where values cannot be told apart (no JSON object, no contract of the \
dataset, not UTF-8), the record is hidden, and so is the warehouse's own text about a row that it refused. A contract \
without classified columns masks and hides nothing.\n
Environment:
  QUARANTINE_BUCKET       bucket of the rejects; only the role penstock-<stage>-quarantine-reader may read it
",
    aws_environment!(),
    "\n
Exit codes: 0 also when there are rejects, 1 when the bucket or a part of it cannot be read, 2 wrong usage"
);

const SQL_HELP: &str = concat!(
    "\
NULL is printed as NULL, or null with --json. With --json integers, doubles and booleans are JSON's own, all other \
values are texts, so that no decimal loses digits.\n
Environment:
",
    warehouse_environment!(),
    "  DATABASE                database to run in [default: dev]\n",
    aws_environment!(),
);

mod catalog;
mod replay;

pub use catalog::CatalogArgs;
pub use replay::ReplayArgs;

/// What to check.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Which contracts.
    #[command(flatten)]
    pub contracts: ContractArgs,
    /// Directory of the models that contracts name in penstock.afterLoad, as <name>.sql
    #[arg(long, value_name = "PATH", default_value = "infra/redshift/models")]
    pub models: PathBuf,
}

/// Which contracts.
#[derive(Debug, Args)]
pub struct ContractArgs {
    /// Contract files, or directories that hold *.odcs.yaml
    #[arg(value_name = "PATH", default_value = "infra/contracts")]
    pub paths: Vec<PathBuf>,
}

/// What to try, and what to show and write of it.
#[derive(Debug, Args)]
pub struct TryArgs {
    /// Files, - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Contract file, or directory that holds *.odcs.yaml
    #[arg(long, value_name = "PATH", default_value = "infra/contracts")]
    pub contract: PathBuf,
    /// Dataset whose contract is used, where there are several
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<String>,
    /// Show so many accepted rows of each file
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = sample)]
    pub sample: usize,
    /// Write the accepted rows to this file, as functions hand them over: one JSON object each
    #[arg(long, value_name = "PATH")]
    pub rows: Option<PathBuf>,
    /// Write the rejects to this file, as they stand in quarantine: one JSON object each
    #[arg(long, value_name = "PATH")]
    pub rejects: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Print classified values and what cannot be masked
    #[arg(long)]
    pub show_classified: bool,
}

/// Which contracts, and who loads.
#[derive(Debug, Args)]
pub struct DdlArgs {
    /// Which contracts and models.
    #[command(flatten)]
    pub what: CheckArgs,
    /// Name of an IAM role that loads (the role's name, not its ARN); may be given more than once
    #[arg(long = "role", value_name = "NAME", value_parser = role)]
    pub roles: Vec<GrantRole>,
}

/// What to migrate.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Contracts and roles.
    #[command(flatten)]
    pub what: DdlArgs,
    /// Print what would be run; reads the warehouse's catalog and changes nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What to account for.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Contracts.
    #[command(flatten)]
    pub contracts: ContractArgs,
    /// Only this dataset; may be given more than once
    #[arg(long = "dataset", value_name = "NAME")]
    pub datasets: Vec<String>,
    /// Count only files whose receipt was written within this time, such as 90m, 12h or 7d [default: all]
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
}

/// Which rejects, and how they are shown.
#[derive(Debug, Args)]
pub struct RejectsArgs {
    /// Contracts.
    #[command(flatten)]
    pub contracts: ContractArgs,
    /// Only this dataset, _unknown for what belongs to none; may be given more than once
    #[arg(long = "dataset", value_name = "NAME")]
    pub datasets: Vec<String>,
    /// Only rejects whose source holds this text
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
    /// Print at most this many rejects, 0 for all; the summary counts all in any case
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print the quarantine's own lines, one JSON object each, without a summary
    #[arg(long)]
    pub json: bool,
    /// Print classified values and what cannot be masked
    #[arg(long)]
    pub show_classified: bool,
}

/// What to run.
#[derive(Debug, Args)]
pub struct SqlArgs {
    /// One SQL statement
    #[arg(value_name = "QUERY")]
    pub query: String,
    /// Print one JSON object a row
    #[arg(long)]
    pub json: bool,
}

/// Rows that are shown are held in memory.
const MAX_SAMPLE: usize = 1000;

/// A time back from now, as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// As written, such as `7d`.
    pub text: String,
    /// How long.
    pub time: Duration,
}

fn since(text: &str) -> Result<Since, String> {
    let wrong = || "a whole number above 0 and m, h or d, such as 90m, 12h or 7d".to_owned();
    let (number, unit) = text.split_at(text.floor_char_boundary(text.len().saturating_sub(1)));
    let seconds: u64 = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let digits = number.bytes().all(|b| b.is_ascii_digit());
    let number = number.parse::<u32>().ok().filter(|n| digits && *n > 0).ok_or_else(wrong)?;
    Ok(Since { text: text.to_owned(), time: Duration::from_secs(u64::from(number) * seconds) })
}

fn sample(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n <= MAX_SAMPLE).ok_or_else(|| format!("a whole number up to {MAX_SAMPLE}"))
}

fn role(name: &str) -> Result<GrantRole, String> {
    GrantRole::new(name).ok_or_else(|| {
        "an IAM role's name is 1 to 64 of letters, digits and +=,.@_- (the name after the last / of its ARN)".into()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn contracts_are_looked_for_where_the_project_keeps_them() {
        let cli = Cli::try_parse_from(["penstock", "check"]).unwrap();
        let Command::Check(args) = cli.command else { panic!("{cli:?}") };
        assert_eq!(args.contracts.paths, [PathBuf::from("infra/contracts")]);
    }

    #[test]
    fn a_time_back_is_a_number_and_a_unit() {
        let seconds = |text| since(text).map(|since| since.time.as_secs()).ok();
        assert_eq!(["90m", "12h", "7d"].map(seconds), [Some(5_400), Some(43_200), Some(604_800)]);
        for wrong in ["", "d", "7", "0d", "-1d", "+1d", "1.5h", "7w", "7é", "99999999999d"] {
            assert_eq!(seconds(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn an_arn_is_no_role_name() {
        let error = Cli::try_parse_from(["penstock", "ddl", "--role", "arn:aws:iam::1:role/x"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("after the last /"), "{error}");
    }
}
