//! The commands of `penstock`, for data engineers and for the deployment.
//!
//! | command | does | needs |
//! |---|---|---|
//! | `check` | says whether contracts and models can be used, and what of them has no effect | files |
//! | `try` | says what becomes of every record of local files | files |
//! | `ddl` | prints the SQL that makes a warehouse ready for them | files |
//! | `migrate` | runs that SQL, where it is not done yet; adds and widens columns | files, a warehouse |
//! | `catalog` | prints the lake's tables for Athena, Spectrum or Glue, or applies them | files; to apply, Glue's catalog |
//! | `status` | holds receipts and ledgers to what they must add up to | files, the work bucket, a warehouse |
//! | `rejects` | prints what is in quarantine, classified values masked | files, the quarantine bucket |
//! | `replay` | sends quarantined records, records that Firehose could not process, and whole files on their way again | files, the stage's buckets and queues |
//! | `sql` | runs one statement and prints its result | a warehouse |
//!
//! What a contract means is penstock-core's; this crate reads files, asks the warehouse and buckets, and tells
//! people; `migrate`, `catalog --apply` and `replay` alone change anything.

mod advice;
mod alter;
mod args;
mod bucket;
mod catalog;
mod check;
mod clients;
mod compare;
mod contracts;
mod ddl;
mod failure;
mod lake_catalog;
mod lint;
mod migrate;
mod models;
mod obstacles;
mod printable;
mod rejects;
mod replay;
mod sql;
mod statement;
mod status;
mod table;
mod try_files;

use std::io::Write;

pub use args::{Cli, Command};
pub use clients::{Clients, Connect};
pub use failure::Exit;

/// Lookup of environment variables.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Runs a command. Results go to `out`, what went wrong to `err`; only the report of `check` is one of its results.
pub async fn run(cli: Cli, env: Env<'_>, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    run_with(cli, env, Connect::FromEnvironment, out, err).await
}

/// Runs a command with clients that are there already.
pub async fn run_with(
    cli: Cli,
    env: Env<'_>,
    connect: Connect,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let done = match cli.command {
        Command::Check(args) => check::run(&args, out),
        Command::Try(args) => try_files::run(&args, out, err),
        Command::Ddl(args) => ddl::run(&args, env, out),
        Command::Migrate(args) => migrate::run(&args, env, connect, out).await,
        Command::Catalog(args) => lake_catalog::run(&args, env, connect, out).await,
        Command::Status(args) => status::run(&args, env, connect, out).await,
        Command::Rejects(args) => rejects::run(&args, env, connect, out, err).await,
        // Boxed: its future holds every step of every route.
        Command::Replay(args) => Box::pin(replay::run(&args, env, connect, out, err)).await,
        Command::Sql(args) => sql::run(&args, env, connect, out).await,
    };
    match done {
        Ok(exit) => exit,
        Err(failure) => failure.tell(err),
    }
}
