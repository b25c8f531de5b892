//! The command line: what can be asked and how it is explained. Does nothing itself.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use penstock_core::sql::GrantRole;

/// Checks data contracts and makes the warehouse ready for them
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
    /// Print the SQL that makes a warehouse ready for the contracts; runs nothing
    #[command(after_help = DDL_HELP)]
    Ddl(DdlArgs),
    /// Create what the contracts need in the warehouse; what is there is kept
    #[command(after_help = MIGRATE_HELP)]
    Migrate(MigrateArgs),
}

const CHECK_HELP: &str = "\
Every contract is parsed, its patterns and expressions are compiled, and all are held against each other: no dataset \
or table may be there twice, and no S3 key may match two locations. A note tells of something that has no effect or is \
rarely meant; it changes no exit code.\n
The JSON Schema of the Open Data Contract Standard itself is checked by `make check`.";

const DDL_HELP: &str = "\
Every statement can be run again. Only where a contract's schema holds a ${NAME} is NAME read from the environment.";

const MIGRATE_HELP: &str = "\
For each dataset: the schema, the table, its lock table, its ledger and two procedures; for each database the view \
penstock.objects over all ledgers; for each role its user and grants. A table that is there is compared with its \
contract; if one differs, nothing is changed.\n
Environment:
  WORKGROUP_NAME          serverless workgroup; or
  CLUSTER_IDENTIFIER      provisioned cluster
  SECRET_ARN              secret of a database user; without it your AWS identity is the user
  DATABASE                what ${DATABASE} in contracts stands for [default: dev]
  AWS_REGION, AWS_PROFILE and all else that AWS tools read; AWS_ENDPOINT_URL_REDSHIFT_DATA for a local warehouse";

/// Which contracts.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Contract files, or directories that hold *.odcs.yaml
    #[arg(value_name = "PATH", default_value = "infra/contracts")]
    pub paths: Vec<PathBuf>,
}

/// Which contracts, and who loads.
#[derive(Debug, Args)]
pub struct DdlArgs {
    /// Which contracts.
    #[command(flatten)]
    pub contracts: CheckArgs,
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
        assert_eq!(args.paths, [PathBuf::from("infra/contracts")]);
    }

    #[test]
    fn an_arn_is_no_role_name() {
        let error = Cli::try_parse_from(["penstock", "ddl", "--role", "arn:aws:iam::1:role/x"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("after the last /"), "{error}");
    }
}
