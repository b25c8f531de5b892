//! The loads of a dataset as its ledger tells, held to themselves and to the table. Reads one snapshot, changes
//! nothing.

use std::collections::BTreeSet;

use penstock_aws::warehouse::{ExecuteError, Warehouse};
use penstock_core::contract::{Contract, OnReplace};
use penstock_core::sql::{Ident, SERVICE_SCHEMA};

use crate::statement::Target;

/// A ledger's sums, and what of the table they are held to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loads {
    /// Loads.
    pub loads: i64,
    /// Rows that loads read.
    pub read: i64,
    /// Rows that were new.
    pub inserted: i64,
    /// Rows that replaced an older one.
    pub updated: i64,
    /// Rows that were there already, or older than what is there.
    pub unchanged: i64,
    /// Rows that an equal or later one of the same load made needless.
    pub duplicate: i64,
    /// Rows in quarantine.
    pub rejected: i64,
    /// Rows in the table.
    pub rows: i64,
    /// Ledger lines that do not add up.
    unbalanced: i64,
    /// Record ids that stand in the table more than once.
    repeated: i64,
}

/// What the warehouse tells about a dataset.
#[derive(Debug)]
pub enum Ledger {
    /// The sums.
    Read(Loads),
    /// There is none of this name, or none that this user may see.
    Missing(String),
    /// The warehouse refuses to tell.
    Refused(String),
}

/// Names of the ledgers that are there, without their schema.
pub async fn ledgers(warehouse: &Warehouse, database: &str) -> Result<BTreeSet<String>, String> {
    let sql = format!("SELECT table_name FROM svv_tables WHERE table_schema = '{SERVICE_SCHEMA}'");
    let rows = warehouse.execute(database, &sql).await;
    let rows = rows.map_err(|error| format!("database {database}: {}", told(&error)))?;
    Ok(rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

/// Asks for one dataset's ledger and table.
pub async fn ledger(
    warehouse: &Warehouse,
    database: &str,
    target: &Target<'_>,
    there: &BTreeSet<String>,
) -> Ledger {
    let name = match Ident::prefixed("objects_", &target.contract.table) {
        Ok(name) if there.contains(name.as_str()) => name,
        Ok(name) => return Ledger::Missing(format!("{SERVICE_SCHEMA}.{}", name.as_str())),
        Err(error) => return Ledger::Refused(error.to_string()),
    };
    match warehouse.execute(database, &sums(&name, target)).await {
        Ok(rows) => match Loads::of(&rows) {
            Some(loads) => Ledger::Read(loads),
            None => Ledger::Refused("the ledger's sums are no numbers".into()),
        },
        Err(error) => Ledger::Refused(told(&error)),
    }
}

/// One statement, so that no load falls between the sums and the table. A line without any count only claims an object
/// whose rows another line of the load counts.
fn sums(ledger: &Ident, target: &Target<'_>) -> String {
    let table = format!("{}.{}", target.schema, target.contract.table);
    let counts = ["read", "inserted", "updated", "unchanged", "duplicate", "rejected"];
    let counts = counts.map(|name| format!("COALESCE(SUM(\"n_{name}\"), 0) AS \"n_{name}\""));
    format!(
        "SELECT l.*, t.\"n_rows\", d.\"n_repeated\" FROM (SELECT COUNT(DISTINCT \"load_id\") AS \"n_loads\", {counts}, \
         COALESCE(SUM(CASE WHEN \"n_read\" = \"n_inserted\" + \"n_updated\" + \"n_unchanged\" + \"n_duplicate\" + \
         \"n_rejected\" THEN 0 WHEN COALESCE(\"n_read\", \"n_inserted\", \"n_updated\", \"n_unchanged\", \"n_duplicate\", \
         \"n_rejected\") IS NULL THEN 0 ELSE 1 END), 0) AS \"n_unbalanced\" FROM \"{SERVICE_SCHEMA}\".{ledger}) l \
         CROSS JOIN (SELECT COUNT(*) AS \"n_rows\" FROM {table}) t \
         CROSS JOIN (SELECT COUNT(*) AS \"n_repeated\" FROM (SELECT \"_record_id\" FROM {table} \
         GROUP BY \"_record_id\" HAVING COUNT(*) > 1) r) d",
        counts = counts.join(", ")
    )
}

fn told(error: &ExecuteError) -> String {
    match error {
        ExecuteError::Failed(text) => text.clone(),
        ExecuteError::Api(error) => {
            format!("the warehouse cannot be asked: {}", error)
        }
    }
}

impl Loads {
    /// The one row of `sums`.
    fn of(rows: &[Vec<Option<String>>]) -> Option<Self> {
        let [row] = rows else { return None };
        let numbers: Option<Vec<i64>> = row.iter().map(|text| text.as_ref()?.parse().ok()).collect();
        let numbers: [i64; 10] = numbers?.try_into().ok()?;
        let [loads, read, inserted, updated, unchanged, duplicate, rejected, unbalanced, rows, repeated] =
            numbers;
        Some(Self {
            loads,
            read,
            inserted,
            updated,
            unchanged,
            duplicate,
            rejected,
            rows,
            unbalanced,
            repeated,
        })
    }

    /// What does not balance.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.unbalanced > 0 {
            faults.push(format!(
                "{} of the ledger: read is not inserted + updated + unchanged + duplicate + rejected",
                lines(self.unbalanced)
            ));
        }
        if self.repeated > 0 {
            faults.push(format!("record ids that stand more than once in the table: {}", self.repeated));
        }
        faults
    }

    /// What is worth knowing and no fault.
    pub fn note(&self, contract: &Contract) -> Option<String> {
        // There loads delete rows themselves, and the ledger does not say how many.
        let replaces = contract.table_options.on_replace == OnReplace::Replace;
        let differs = self.inserted < self.rows || self.inserted > self.rows && !replaces;
        differs.then(|| {
            format!(
                "inserted {}, rows in the table {}: was something deleted or written by others?",
                self.inserted, self.rows
            )
        })
    }
}

fn lines(n: i64) -> String {
    format!("{n} line{}", if n == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract() -> Contract {
        Contract::parse(include_str!("../../../../infra/contracts/customers.odcs.yaml")).unwrap()
    }

    fn row(texts: [&str; 10]) -> Vec<Vec<Option<String>>> {
        vec![texts.map(|text| Some(text.to_owned())).to_vec()]
    }

    #[test]
    fn balanced_sums_have_no_faults_and_no_note() {
        let loads = Loads::of(&row(["2", "9", "5", "1", "1", "1", "1", "0", "5", "0"])).unwrap();
        assert_eq!((loads.loads, loads.rejected, loads.rows), (2, 1, 5));
        assert!(loads.faults().is_empty() && loads.note(&contract()).is_none());
    }

    #[test]
    fn deleted_rows_are_a_note_and_repeated_ones_a_fault() {
        let loads = Loads::of(&row(["2", "9", "5", "1", "1", "1", "1", "1", "4", "3"])).unwrap();
        assert_eq!(loads.faults().len(), 2, "{loads:?}");
        let mut own = contract();
        assert!(loads.note(&own).unwrap().starts_with("inserted 5, rows in the table 4"));
        own.table_options.on_replace = OnReplace::Replace;
        assert_eq!(loads.note(&own), None);
        assert!(Loads { rows: 6, ..loads }.note(&own).is_some());
    }

    #[test]
    fn sums_that_are_no_numbers_are_not_taken_for_zero() {
        assert_eq!(Loads::of(&row(["2", "9", "5", "1", "1", "1", "1", "1", "4", "x"])), None);
        assert_eq!(Loads::of(&[]), None);
        assert_eq!(Loads::of(&[vec![None; 10]]), None);
    }
}
