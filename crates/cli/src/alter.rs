//! One column added or one text widened: its statement, running it alone, and why the warehouse refused it. What may be
//! altered is decided in `compare`.

use std::time::Duration;

use penstock_aws::warehouse::{ExecuteError, Fault, Warehouse, WarehouseColumn, WarehouseType, classify};
use penstock_core::contract::PhysicalType;

use crate::advice::{block, quoted};
use crate::catalog;
use crate::failure::Failure;
use crate::statement::{Database, Target};

/// Runs of a statement that only lost a race.
const MAX_ATTEMPTS: u32 = 5;
/// First pause after a lost race; it doubles.
const BACKOFF: Duration = Duration::from_millis(200);
/// Redshift's words about a column that has the new length already.
const SAME_LENGTH: &str = "target column size should be different";

/// A column that is to be added or widened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alteration {
    /// Schema of the table, without quotes.
    pub schema: String,
    /// The table, without quotes.
    pub table: String,
    /// The column, without quotes.
    pub column: String,
    /// Its type afterwards.
    pub ty: PhysicalType,
    /// Its length in bytes so far; none for a column that is to be added.
    pub widened_from: Option<u32>,
}

/// How an alteration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// This run did it.
    Done,
    /// Another run was faster.
    WasDone,
}

/// What a column that is to be altered is like by now.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    Done,
    /// Something else was made of it.
    Taken,
}

impl Alteration {
    /// Adds a column to a target.
    pub fn add(target: &Target<'_>, column: &str, ty: PhysicalType) -> Self {
        let (schema, table) = (target.schema.as_str().to_owned(), target.contract.table.as_str().to_owned());
        Self { schema, table, column: column.to_owned(), ty, widened_from: None }
    }

    /// Widens a text of a target.
    pub fn widen(target: &Target<'_>, column: &str, from: u32, ty: PhysicalType) -> Self {
        Self { widened_from: Some(from), ..Self::add(target, column, ty) }
    }

    /// `schema.table`, as people write it.
    pub fn table_name(&self) -> String {
        format!("{}.{}", self.schema, self.table)
    }

    fn table_sql(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.table))
    }

    /// Its statement, which runs alone: Redshift adds one column at a time and widens in no transaction.
    pub fn sql(&self) -> String {
        let (table, column) = (self.table_sql(), quoted(&self.column));
        match self.widened_from {
            None => format!("ALTER TABLE {table} ADD COLUMN {column} {}", self.ty),
            Some(_) => format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE {}", self.ty),
        }
    }

    /// What differs.
    pub fn difference(&self) -> String {
        let (subject, ty) = (self.subject(), self.ty);
        match self.widened_from {
            None => format!("{subject} is missing ({ty})"),
            Some(from) => format!("{subject} is varchar({from}) in the warehouse and {ty} by the contract"),
        }
    }

    /// `schema.table: column name`.
    pub fn subject(&self) -> String {
        format!("{}: column {}", self.table_name(), self.column)
    }

    /// The change of its type, for people.
    pub fn change(&self) -> String {
        match self.widened_from {
            None => self.ty.to_string(),
            Some(from) => format!("varchar({from}) → {}", self.ty),
        }
    }

    fn state(&self, now: Option<&WarehouseColumn>) -> State {
        match (now.map(|own| &own.ty), self.widened_from, self.ty) {
            (Some(have), _, want) if have.is(want) => State::Done,
            (None, None, _) => State::Open,
            (
                Some(WarehouseType::Known(PhysicalType::Varchar(have))),
                Some(_),
                PhysicalType::Varchar(want),
            ) if *have < want => State::Open,
            _ => State::Taken,
        }
    }

    /// Runs it, unless another migration was faster.
    pub async fn run(&self, warehouse: &Warehouse, database: &Database<'_>) -> Result<Ended, Failure> {
        // Redshift narrows as willingly as it widens, so a widening looks first: another contract may want more.
        let mut now = match self.widened_from {
            Some(_) => self.look(warehouse, database).await?,
            None => State::Open,
        };
        let mut attempt = 0;
        loop {
            match now {
                State::Open => attempt += 1,
                State::Done => return Ok(Ended::WasDone),
                State::Taken => return Err(self.taken()),
            }
            let text = match warehouse.execute(&database.name, &self.sql()).await {
                Ok(_) => return Ok(Ended::Done),
                Err(ExecuteError::Failed(text)) if text.contains(SAME_LENGTH) => return Ok(Ended::WasDone),
                Err(ExecuteError::Failed(text)) => text,
                Err(error) => return Err(self.failed(&error.to_string())),
            };
            now = self.look(warehouse, database).await?;
            if now == State::Open && !(lost_race(&text) && again(attempt).await) {
                return Err(self.failed(&text));
            }
        }
    }

    async fn look(&self, warehouse: &Warehouse, database: &Database<'_>) -> Result<State, Failure> {
        let now = catalog::column(warehouse, &database.name, [&self.schema, &self.table, &self.column]);
        Ok(self.state(now.await?.as_ref()))
    }

    fn taken(&self) -> Failure {
        Failure::refused(format!(
            "{}: another migration made something else of it than {}; run again to see what",
            self.subject(),
            self.ty
        ))
    }

    fn failed(&self, text: &str) -> Failure {
        let why = if self.widened_from.is_some() { self.why_not_widened(text) } else { String::new() };
        Failure::refused(format!(
            "{}: {text}\n  statement: {}{why}\n  what was done before it stays; run again once the cause is mended",
            self.subject(),
            self.sql()
        ))
    }

    /// What the warehouse's words mean, and what helps.
    fn why_not_widened(&self, text: &str) -> String {
        let text = text.to_lowercase();
        if text.contains("with encode type") {
            return format!("\n  {}", self.reencode());
        }
        if text.contains("used by a view") {
            return "\n  a view reads the column: drop it, run again and create it again; one WITH NO SCHEMA BINDING \
                    would not have been in the way"
                .into();
        }
        if text.contains("permission") || text.contains("must be owner") {
            return String::new();
        }
        "\n  Redshift widens no column with a DEFAULT, of a PRIMARY KEY, UNIQUE or FOREIGN KEY constraint, or encoded \
         BYTEDICT, RUNLENGTH, TEXT255 or TEXT32K"
            .into()
    }

    /// What helps a column whose encoding cannot be widened.
    pub fn reencode(&self) -> String {
        let sql =
            format!("ALTER TABLE {} ALTER COLUMN {} ENCODE zstd", self.table_sql(), quoted(&self.column));
        format!("Redshift widens no text of this encoding; to change it, then run again:{}", block(&[sql]))
    }

    /// What helps a column of a constraint.
    pub fn drop_constraint(&self, name: &str) -> String {
        let sql = format!("ALTER TABLE {} DROP CONSTRAINT {}", self.table_sql(), quoted(name));
        format!(
            "Redshift widens no column of a PRIMARY KEY, UNIQUE or FOREIGN KEY constraint, and enforces none of them; to \
             drop it, then run again:{}",
            block(&[sql])
        )
    }
}

/// Waits before a statement that lost a race is run again; false when it has lost too many.
pub async fn again(attempt: u32) -> bool {
    let again = attempt < MAX_ATTEMPTS;
    if again {
        tokio::time::sleep(BACKOFF * 2u32.pow(attempt - 1)).await;
    }
    again
}

/// Whether a statement failed only because another one ran beside it.
pub fn lost_race(text: &str) -> bool {
    let lower = text.to_lowercase();
    // The last one is PostgreSQL's: IF NOT EXISTS does not see what is not committed yet.
    classify(text) == Fault::Conflict
        || lower.contains("tuple concurrently")
        || lower.contains("internal error")
        || lower.contains("violates unique constraint \"pg_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alteration(widened_from: Option<u32>) -> Alteration {
        let text = str::to_owned;
        let (schema, table, column) = (text("tgt"), text("x"), text("note"));
        Alteration { schema, table, column, ty: PhysicalType::Varchar(64), widened_from }
    }

    fn column(ty: PhysicalType) -> WarehouseColumn {
        let ty = WarehouseType::Known(ty);
        WarehouseColumn { name: "note".into(), ty, nullable: true, has_default: false }
    }

    #[test]
    fn a_column_is_never_narrowed_nor_retyped() {
        let (add, widen) = (alteration(None), alteration(Some(8)));
        for (now, added, widened) in [
            (None, State::Open, State::Taken),
            (Some(PhysicalType::Varchar(8)), State::Taken, State::Open),
            (Some(PhysicalType::Varchar(63)), State::Taken, State::Open),
            (Some(PhysicalType::Varchar(64)), State::Done, State::Done),
            (Some(PhysicalType::Varchar(65)), State::Taken, State::Taken),
            (Some(PhysicalType::Date), State::Taken, State::Taken),
        ] {
            let own = now.map(column);
            assert_eq!((add.state(own.as_ref()), widen.state(own.as_ref())), (added, widened), "{now:?}");
        }
    }

    #[test]
    fn statements_alter_one_column_each() {
        assert_eq!(alteration(None).sql(), "ALTER TABLE \"tgt\".\"x\" ADD COLUMN \"note\" varchar(64)");
        assert_eq!(
            alteration(Some(8)).sql(),
            "ALTER TABLE \"tgt\".\"x\" ALTER COLUMN \"note\" TYPE varchar(64)"
        );
    }

    #[test]
    fn only_lost_races_are_run_again() {
        for (text, again) in [
            ("ERROR: 1023", true),
            ("ERROR: tuple concurrently updated", true),
            ("ERROR: internal error XX000", true),
            ("ERROR: duplicate key value violates unique constraint \"pg_type_typname_nsp_index\"", true),
            ("ERROR: column \"a\" of relation \"x\" already exists", false),
            ("ERROR: permission denied", false),
        ] {
            assert_eq!(lost_race(text), again, "{text}");
        }
    }
}
