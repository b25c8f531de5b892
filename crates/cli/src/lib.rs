//! The commands of `penstock`, for data engineers and for the deployment.
//!
//! | command | does | needs |
//! |---|---|---|
//! | `check` | says whether contracts can be used, and what of them has no effect | files |
//! | `ddl` | prints the SQL that makes a warehouse ready for them | files |
//! | `migrate` | runs that SQL, where it is not done yet | files, a warehouse |
//!
//! What a contract means is penstock-core's; this crate reads files, asks the warehouse and tells people.

mod args;
mod catalog;
mod check;
mod compare;
mod contracts;
mod ddl;
mod failure;
mod lint;
mod migrate;
mod statement;

use std::io::Write;

pub use args::{Cli, Command};
pub use failure::Exit;

/// Lookup of environment variables.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Runs a command. Results go to `out`, what went wrong to `err`; only the report of `check` is one of its results.
pub async fn run(cli: Cli, env: Env<'_>, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let done = match cli.command {
        Command::Check(args) => check::run(&args.paths, out),
        Command::Ddl(args) => ddl::run(&args, env, out),
        Command::Migrate(args) => migrate::run(&args, env, out).await,
    };
    match done {
        Ok(exit) => exit,
        Err(failure) => failure.tell(err),
    }
}
