//! `penstock migrate`: makes a warehouse ready for the contracts, statement by statement. What is there is kept; a
//! table that differs from its contract stops everything before anything is changed.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use penstock_aws::warehouse::{Compute, ExecuteError, TableHome, Warehouse};
use penstock_core::sql::{GrantRole, Ident};

use crate::Env;
use crate::args::MigrateArgs;
use crate::catalog::Catalog;
use crate::check::counted;
use crate::clients::{Connect, warehouse_target};
use crate::compare;
use crate::contracts::Contracts;
use crate::failure::{Exit, Failure};
use crate::statement::{Database, Kind, Statement};

/// What is done about a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Create,
    /// Run although it is there: its text may have changed.
    Replace,
    /// Not run.
    Keep,
    /// Run each time: a privilege that is there stays.
    Grant,
}

impl Action {
    fn of(statement: &Statement, catalog: &Catalog) -> Self {
        match statement.kind {
            Kind::Grant => Self::Grant,
            Kind::Procedure | Kind::View if catalog.has(statement) => Self::Replace,
            _ if catalog.has(statement) => Self::Keep,
            _ => Self::Create,
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Create => "created",
            Self::Replace => "replaced",
            Self::Keep => "kept",
            Self::Grant => "granted",
        }
    }
}

/// What was done so far, for the summary.
#[derive(Debug, Default)]
struct Counts {
    created: usize,
    replaced: usize,
    kept: usize,
    granted: usize,
}

impl Counts {
    fn add(&mut self, action: Action) {
        *match action {
            Action::Create => &mut self.created,
            Action::Replace => &mut self.replaced,
            Action::Keep => &mut self.kept,
            Action::Grant => &mut self.granted,
        } += 1;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { created, replaced, kept, granted } = self;
        write!(f, "{created} created, {replaced} replaced, {kept} kept, {granted} granted")
    }
}

/// A database, what is in it, and what is to be done.
struct Plan<'a> {
    database: Database<'a>,
    catalog: Catalog,
    steps: Vec<(Action, Statement)>,
}

/// Migrates the warehouse that the environment names.
pub async fn run(
    args: &MigrateArgs,
    env: Env<'_>,
    connect: Connect,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let contracts = Contracts::read(&args.what.contracts.paths)?;
    let contracts = contracts.usable()?;
    let target = warehouse_target(env)?;
    let databases = Database::group(&contracts, env, |contract| {
        TableHome::database(contract, env).map_err(Failure::usage)
    })?;
    let shown = match &target.compute {
        Compute::Workgroup(name) => format!("workgroup {name}"),
        Compute::Cluster(id) => format!("cluster {id}"),
    };
    let warehouse = connect.clients().await?.warehouse(target);
    let plans = plan(&warehouse, databases, &args.what.roles).await?;
    let (started, mut counts) = (Instant::now(), Counts::default());
    for plan in &plans {
        match args.dry_run {
            true => plan.print(&shown, &mut counts, out)?,
            false => plan.apply(&warehouse, &shown, &mut counts, out).await?,
        }
    }
    let contracts = counted(contracts.len(), "contract");
    match args.dry_run {
        true => writeln!(out, "-- dry run of {contracts}, nothing was changed; it would be: {counts}")?,
        false => writeln!(out, "{contracts} migrated in {}: {counts}", shown_time(started.elapsed()))?,
    }
    Ok(Exit::Ok)
}

/// Reads what is there and says what is to be done; a table that differs is refused.
async fn plan<'a>(
    warehouse: &Warehouse,
    databases: Vec<Database<'a>>,
    roles: &[GrantRole],
) -> Result<Vec<Plan<'a>>, Failure> {
    let (mut plans, mut differing, mut new_users) = (Vec::new(), Vec::new(), BTreeSet::new());
    for database in databases {
        let catalog = read(warehouse, &database).await?;
        differing.extend(differences(&database, &catalog));
        let mut statements = database.statements(catalog.ledgers(), roles).map_err(Failure::refused)?;
        // Users are the warehouse's, not a database's: the first database makes them, before its grants.
        let users = roles
            .iter()
            .map(Statement::user)
            .filter(|user| catalog.has(user) || new_users.insert(user.object.clone()));
        let grants = statements.iter().position(|own| own.kind == Kind::Grant).unwrap_or(statements.len());
        statements.splice(grants..grants, users);
        let steps = statements.into_iter().map(|own| (Action::of(&own, &catalog), own)).collect();
        plans.push(Plan { database, catalog, steps });
    }
    match differing.is_empty() {
        true => Ok(plans),
        false => {
            differing.push("nothing was changed, because tables differ from their contracts".into());
            Err(Failure::Refused(differing))
        }
    }
}

async fn read(warehouse: &Warehouse, database: &Database<'_>) -> Result<Catalog, Failure> {
    let schemas: BTreeSet<Ident> = database.targets.iter().map(|target| target.schema.clone()).collect();
    Catalog::read(warehouse, &database.name, &schemas).await
}

fn differences(database: &Database<'_>, catalog: &Catalog) -> Vec<String> {
    let there = database.targets.iter().filter_map(|target| Some((target, catalog.table(&target.name())?)));
    there.flat_map(|(target, table)| compare::differences(target, table)).collect()
}

impl Plan<'_> {
    /// Prints what would be run, as SQL with comments.
    fn print(&self, shown: &str, counts: &mut Counts, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "-- database {}, {shown}\n", self.database.name)?;
        for (action, statement) in &self.steps {
            counts.add(*action);
            match action {
                Action::Keep => writeln!(out, "-- kept: {} {}\n", statement.kind, statement.object)?,
                _ => writeln!(out, "{};\n", statement.sql)?,
            }
        }
        Ok(())
    }

    /// Runs the statements and looks whether every table is what its contract says.
    async fn apply(
        &self,
        warehouse: &Warehouse,
        shown: &str,
        counts: &mut Counts,
        out: &mut dyn Write,
    ) -> Result<(), Failure> {
        writeln!(out, "database {}, {shown}", self.database.name)?;
        for (action, statement) in &self.steps {
            let started = Instant::now();
            if *action != Action::Keep {
                let done = warehouse.execute(&self.database.name, &statement.sql).await;
                done.map_err(|error| not_run(statement, &error))?;
            }
            counts.add(*action);
            let time = if *action == Action::Keep {
                String::new()
            } else {
                format!("  {}", shown_time(started.elapsed()))
            };
            writeln!(out, "  {:<8}  {:<9}  {}{time}", action.done(), statement.kind, statement.object)?;
        }
        self.print_extra_columns(out)?;
        self.verify(&read(warehouse, &self.database).await?)
    }

    fn print_extra_columns(&self, out: &mut dyn Write) -> Result<(), Failure> {
        for target in &self.database.targets {
            let table = self.catalog.table(&target.name());
            let extra = table.map(|table| compare::extra_columns(target, table)).unwrap_or_default();
            if !extra.is_empty() {
                writeln!(
                    out,
                    "  note: {} has columns that its contract lacks; they stay: {}",
                    target.name(),
                    extra.join(", ")
                )?;
            }
        }
        Ok(())
    }

    /// CREATE ... IF NOT EXISTS says nothing about a table that this user cannot see or that another migration made.
    fn verify(&self, now: &Catalog) -> Result<(), Failure> {
        let unseen = self.database.targets.iter().filter(|target| now.table(&target.name()).is_none());
        let unseen =
            unseen.map(|target| format!("{}: exists, but this user may not see its columns", target.name()));
        let faults: Vec<String> = unseen.chain(differences(&self.database, now)).collect();
        if faults.is_empty() { Ok(()) } else { Err(Failure::Refused(faults)) }
    }
}

fn not_run(statement: &Statement, error: &ExecuteError) -> Failure {
    Failure::refused(format!(
        "{} {}: {}\n  statement: {}\n  what was created before it stays; run again once the cause is mended",
        statement.kind,
        statement.object,
        error,
        statement.first_line()
    ))
}

/// A time as people read it.
fn shown_time(time: Duration) -> String {
    match time.as_millis() {
        ms @ 0..1_000 => format!("{ms} ms"),
        _ => format!("{:.1} s", time.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        assert_eq!(shown_time(Duration::from_micros(12_700)), "12 ms");
        assert_eq!(shown_time(Duration::from_millis(1_240)), "1.2 s");
    }
}
