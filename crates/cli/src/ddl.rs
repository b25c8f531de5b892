//! `penstock ddl`: the SQL of a migration as text, for people who run it themselves. Asks no warehouse.

use std::io::Write;

use penstock_aws::warehouse::TableHome;
use penstock_core::sql::GrantRole;

use crate::Env;
use crate::args::DdlArgs;
use crate::contracts::Contracts;
use crate::failure::{Exit, Failure};
use crate::statement::{Database, Statement};

/// Prints the statements of every database.
pub fn run(args: &DdlArgs, env: Env<'_>, out: &mut dyn Write) -> Result<Exit, Failure> {
    let contracts = Contracts::with_models(&args.what.contracts.paths, &args.what.models)?;
    let usable = contracts.usable()?;
    // Only a comment tells the database, so a placeholder may stay in it.
    let databases = Database::group(&usable, &contracts.models, env, |contract| {
        Ok(TableHome::database(contract, env).unwrap_or_else(|_| contract.warehouse.database.to_string()))
    })?;
    for database in &databases {
        print(database, &args.roles, out)?;
    }
    Ok(Exit::Ok)
}

fn print(database: &Database<'_>, roles: &[GrantRole], out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "-- database {}", database.name)?;
    for target in &database.targets {
        writeln!(out, "-- {}: dataset {} {}", target.file, target.contract.dataset, target.contract.version)?;
    }
    writeln!(out)?;
    for role in roles {
        writeln!(out, "-- once, where the user is missing:\n-- {};\n", role.create_user())?;
    }
    let statements = database.statements([], roles).map_err(Failure::refused)?;
    for Statement { sql, .. } in statements {
        writeln!(out, "{sql};\n")?;
    }
    Ok(())
}
