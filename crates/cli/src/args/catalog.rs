//! The command line of `penstock catalog`. Does nothing itself.

use clap::Args;
use penstock_core::sql::{GrantRole, Ident};

use super::{ContractArgs, role};

/// What clap prints after the arguments.
pub const HELP: &str = concat!(
    "\
A contract has a table for its Parquet files in the lake bucket, <dataset>, where a key of the lake route may be one of \
its objects or penstock.lakeFormat is parquet; and one for those in the curated bucket, curated_<dataset>, where \
penstock.glueJob names who makes them of the stage bucket's objects and penstock.lakeFormat is not said: with it they go \
into the lake. Where rows have a key and stamps, the view <table>_latest has the newest \
version of each key, ranked as the warehouse ranks them, without deleted ones. Columns have their descriptions and \
classifications. Types are Hive's: a time of day is a bigint of microseconds, a super is its JSON text.\n
--apply creates what is not there and brings the rest up to date: columns are added, descriptions and parameters set. \
Columns, parameters and partitions that others added stay. A column that the contract has no more, another type, other \
partition columns or another place are refused with the reason, as is a table of that name without the parameter \
penstock.dataset; the other tables are done all the same. Partitions come by a crawler or by MSCK REPAIR TABLE.\n
Examples:
  penstock catalog
  penstock catalog --apply
  penstock catalog --json | jq '.TableInputs[].Name'
  penstock catalog --spectrum --role analyst\n
Environment:
  GLUE_DATABASE           database of the tables in Glue's catalog
  LAKE_BUCKET             bucket that s3-to-lake writes to
  CURATED_BUCKET          bucket that Glue jobs write to
  SPECTRUM_ROLE_ARN       with --spectrum: IAM role that Redshift reads the lake as [default: the warehouse's own]
",
    aws_environment!(),
    "\n
Exit codes: 0 done, 1 when a table was refused or the contracts are wrong, 2 wrong usage"
);

/// What to print or apply.
#[derive(Debug, Args)]
pub struct CatalogArgs {
    /// Contracts.
    #[command(flatten)]
    pub contracts: ContractArgs,
    /// Create and update database and tables in Glue's catalog, instead of printing SQL for Athena
    #[arg(long, conflicts_with_all = ["spectrum", "json"])]
    pub apply: bool,
    /// Print the SQL of an external schema in Redshift instead
    #[arg(long, conflicts_with = "json")]
    pub spectrum: bool,
    /// Print DatabaseInput and TableInputs as Glue's API takes them instead
    #[arg(long)]
    pub json: bool,
    /// Name of the external schema
    #[arg(long, value_name = "NAME", default_value = "lake", value_parser = schema, requires = "spectrum")]
    pub schema: Ident,
    /// Name of an IAM role that may query it (the role's name, not its ARN); may be given more than once
    #[arg(long = "role", value_name = "NAME", value_parser = role, requires = "spectrum")]
    pub roles: Vec<GrantRole>,
}

fn schema(text: &str) -> Result<Ident, String> {
    Ident::new(text).map_err(|error| error.to_string())
}
