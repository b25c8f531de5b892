//! `penstock migrate`: makes a warehouse ready for the contracts, statement by statement. What is there is kept; columns
//! are added and texts widened. Any difference beyond that stops everything before anything is changed.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

use penstock_aws::warehouse::{Compute, ExecuteError, TableHome, Warehouse};
use penstock_core::sql::GrantRole;

use crate::Env;
use crate::alter::{Alteration, Ended, again, lost_race};
use crate::args::MigrateArgs;
use crate::catalog::Catalog;
use crate::check::counted;
use crate::clients::{Connect, warehouse_target};
use crate::compare::{self, Difference};
use crate::contracts::Contracts;
use crate::failure::{Exit, Failure};
use crate::obstacles::Obstacles;
use crate::printable::printable;
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
    added: usize,
    widened: usize,
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

    fn alter(&mut self, alteration: &Alteration, ended: Ended) {
        *match (ended, alteration.widened_from) {
            (Ended::WasDone, _) => &mut self.kept,
            (Ended::Done, None) => &mut self.added,
            (Ended::Done, Some(_)) => &mut self.widened,
        } += 1;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { created, added, widened, replaced, kept, granted } = self;
        write!(f, "{created} created, {} altered", added + widened)?;
        if added + widened > 0 {
            write!(f, " ({added} added, {widened} widened)")?;
        }
        write!(f, ", {replaced} replaced, {kept} kept, {granted} granted")
    }
}

/// A database, what is in it, and what is to be done.
struct Plan<'a> {
    database: Database<'a>,
    catalog: Catalog,
    /// Run before the steps, in this order.
    alterations: Vec<Alteration>,
    steps: Vec<(Action, Statement)>,
}

/// Migrates the warehouse that the environment names.
pub async fn run(
    args: &MigrateArgs,
    env: Env<'_>,
    connect: Connect,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let contracts = Contracts::with_models(&args.what.what.contracts.paths, &args.what.what.models)?;
    let usable = contracts.usable()?;
    let target = warehouse_target(env)?;
    let databases = Database::group(&usable, &contracts.models, env, |contract| {
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
    let migrated = plans.iter().map(|plan| plan.database.targets.len()).sum();
    let contracts = counted(migrated, "contract");
    match args.dry_run {
        true => writeln!(out, "-- dry run of {contracts}, nothing was changed; it would be: {counts}")?,
        false => writeln!(out, "{contracts} migrated in {}: {counts}", shown_time(started.elapsed()))?,
    }
    Ok(Exit::Ok)
}

/// Reads what is there and says what is to be done; where anything is refused, everything is.
async fn plan<'a>(
    warehouse: &Warehouse,
    databases: Vec<Database<'a>>,
    roles: &[GrantRole],
) -> Result<Vec<Plan<'a>>, Failure> {
    let (mut plans, mut found, mut new_users) = (Vec::new(), Vec::new(), BTreeSet::new());
    for database in databases {
        let catalog = read(warehouse, &database).await?;
        let own = obstructed(warehouse, &database, differences(&database, &catalog)).await?;
        let mut alterations: Vec<_> = own.iter().filter_map(Difference::alteration).cloned().collect();
        // Widenings first: what the catalog does not tell may refuse one, and then nothing else was changed.
        alterations.sort_by_key(|own| own.widened_from.is_none());
        found.extend(own);
        let mut statements = database.statements(catalog.ledgers(), roles).map_err(Failure::refused)?;
        // Users are the warehouse's, not a database's: the first database makes them, before its grants.
        let users = roles
            .iter()
            .map(Statement::user)
            .filter(|user| catalog.has(user) || new_users.insert(user.object.clone()));
        let grants = statements.iter().position(|own| own.kind == Kind::Grant).unwrap_or(statements.len());
        statements.splice(grants..grants, users);
        let steps = statements.into_iter().map(|own| (Action::of(&own, &catalog), own)).collect();
        plans.push(Plan { database, catalog, alterations, steps });
    }
    if found.iter().all(|own| own.alteration().is_some()) {
        return Ok(plans);
    }
    let mut told: Vec<String> =
        found.iter().map(|own| own.told("it is migrated once the rest is mended")).collect();
    told.push(
        "nothing was changed, because tables differ from their contracts in what is not migrated".into(),
    );
    Err(Failure::Refused(told))
}

async fn read(warehouse: &Warehouse, database: &Database<'_>) -> Result<Catalog, Failure> {
    Catalog::read(warehouse, &database.name, &database.schemas()).await
}

fn differences(database: &Database<'_>, catalog: &Catalog) -> Vec<Difference> {
    let tables = database.tables();
    let there = tables.iter().filter_map(|target| Some((target, catalog.table(&target.name())?)));
    there.flat_map(|(target, table)| compare::differences(target, table)).collect()
}

/// The same differences, with those widenings refused that Redshift would refuse.
async fn obstructed(
    warehouse: &Warehouse,
    database: &Database<'_>,
    found: Vec<Difference>,
) -> Result<Vec<Difference>, Failure> {
    let widenings: Vec<&Alteration> = found.iter().filter_map(Difference::widening).collect();
    let obstacles = Obstacles::read(warehouse, &database.name, &widenings).await?;
    let judged = found.into_iter().map(|own| match own.widening().and_then(|own| obstacles.of(own)) {
        Some(obstacle) => own.refused(&obstacle),
        None => own,
    });
    Ok(judged.collect())
}

impl Plan<'_> {
    /// Prints what would be run, as SQL with comments.
    fn print(&self, shown: &str, counts: &mut Counts, out: &mut dyn Write) -> Result<(), Failure> {
        writeln!(out, "-- database {}, {shown}\n", self.database.name)?;
        for alteration in &self.alterations {
            counts.alter(alteration, Ended::Done);
            writeln!(out, "-- {}\n{};\n", alteration.difference(), alteration.sql())?;
        }
        for (action, statement) in &self.steps {
            counts.add(*action);
            match action {
                Action::Keep => writeln!(out, "-- kept: {} {}\n", statement.kind, statement.object)?,
                _ => writeln!(out, "{};\n", statement.sql)?,
            }
        }
        for note in self.notes() {
            writeln!(out, "-- note: {}\n", note.join("\n-- "))?;
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
        for alteration in &self.alterations {
            let started = Instant::now();
            let ended = alteration.run(warehouse, &self.database).await?;
            counts.alter(alteration, ended);
            let (done, more) = match (ended, alteration.widened_from) {
                (Ended::WasDone, _) => ("kept", "another run was faster".to_owned()),
                (Ended::Done, None) => ("added", shown_time(started.elapsed())),
                (Ended::Done, Some(_)) => ("widened", shown_time(started.elapsed())),
            };
            let object = format!("{}.{}", alteration.table_name(), alteration.column);
            writeln!(out, "  {done:<8}  {:<9}  {object}  {}  {more}", "column", alteration.change())?;
        }
        for (action, statement) in &self.steps {
            let started = Instant::now();
            if *action != Action::Keep {
                self.execute(warehouse, statement).await?;
            }
            counts.add(*action);
            let time = if *action == Action::Keep {
                String::new()
            } else {
                format!("  {}", shown_time(started.elapsed()))
            };
            writeln!(out, "  {:<8}  {:<9}  {}{time}", action.done(), statement.kind, statement.object)?;
        }
        for note in self.notes() {
            writeln!(out, "  note: {}", note.join("\n  "))?;
        }
        self.verify(&read(warehouse, &self.database).await?)
    }

    /// Runs a statement; each can be run again, but for a user that another run has made by now.
    async fn execute(&self, warehouse: &Warehouse, statement: &Statement) -> Result<(), Failure> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Err(error) = warehouse.execute(&self.database.name, &statement.sql).await else {
                return Ok(());
            };
            if let ExecuteError::Failed(text) = &error {
                // A view is only replaced by one of the same columns; privileges on it go with it.
                if statement.kind == Kind::View && has_other_columns(text) && attempt == 1 {
                    let drop = format!("DROP VIEW {}", statement.quoted_object());
                    warehouse
                        .execute(&self.database.name, &drop)
                        .await
                        .map_err(|e| not_run(statement, &e))?;
                    continue;
                }
                let is_user = statement.kind == Kind::User;
                if is_user && read(warehouse, &self.database).await?.has(statement) {
                    return Ok(());
                }
                // IF NOT EXISTS and OR REPLACE fail so only where another run is just making it.
                let raced = lost_race(text) || !is_user && text.contains("already exists");
                if raced && again(attempt).await {
                    continue;
                }
            }
            return Err(not_run(statement, &error));
        }
    }

    /// Columns that stay although no contract has them, each in its lines.
    fn notes(&self) -> Vec<Vec<String>> {
        let tables = self.database.tables();
        let there = tables.iter().filter_map(|target| Some((target, self.catalog.table(&target.name())?)));
        let notes = there.flat_map(|(target, table)| compare::kept_columns(target, table));
        notes.map(|note| note.lines().map(|line| printable(line).into_owned()).collect()).collect()
    }

    /// CREATE ... IF NOT EXISTS says nothing about a table that this user cannot see or that another migration made.
    fn verify(&self, now: &Catalog) -> Result<(), Failure> {
        let tables = self.database.tables();
        let unseen = tables.iter().filter(|target| now.table(&target.name()).is_none());
        let unseen =
            unseen.map(|target| format!("{}: exists, but this user may not see its columns", target.name()));
        let differing = differences(&self.database, now);
        let faults: Vec<String> = unseen.chain(differing.iter().map(|own| own.told("run again"))).collect();
        if faults.is_empty() { Ok(()) } else { Err(Failure::Refused(faults)) }
    }
}

/// What a warehouse says of CREATE OR REPLACE VIEW with other columns than the view has.
fn has_other_columns(text: &str) -> bool {
    let text = text.to_lowercase();
    let told = ["change name of view column", "change data type of view column", "drop columns from view"];
    told.iter().any(|own| text.contains(own))
}

fn not_run(statement: &Statement, error: &ExecuteError) -> Failure {
    Failure::refused(format!(
        "{} {}: {}\n  statement: {}\n  what was done before it stays; run again once the cause is mended",
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
