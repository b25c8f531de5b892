//! The load: one transaction that takes rows into a dataset's table, exactly once, with the winner per key.
//!
//! lock → what was read (`p_obj`) → rows (`p_stage`) → the winner per key and its outcome (`p_win`) → write → history
//! → ledger → balance check → the counts. The lock is the first statement, before anything takes the snapshot, so that loads
//! of a dataset see each other's rows. Joins and comparisons use only the ASCII stamps: Redshift ignores trailing
//! blanks in texts and has no IS DISTINCT FROM.
//!
//! Outcomes against the row that the target has under the same `_record_id`:
//!
//! | row hash | which is later | outcome | counted as |
//! |---|---|---|---|
//! | none there | – | inserted | inserted |
//! | equal | the new one, by `_order` | restamped: `_order` is stored, else the result would depend on arrival | unchanged |
//! | equal | the old one | unchanged | unchanged |
//! | other | the new one, by `orderBy`, then `_order`, then `_row_hash` | updated | updated |
//! | other | the old one | duplicate | duplicate |
//!
//! Without a key, rows never change: what the target has is a duplicate, and so is a row of replaced content. A
//! tombstone is a row like any other: it stays, so that an older row that comes late does not bring its key back.

use super::ddl::Names;
use super::{Ident, IdentError};
use crate::contract::{Column, Contract};
use crate::ident::HexId;
use crate::row::time::canonical_from_ms;

pub(super) const STAMPS: &str = "\"_record_id\", \"_row_hash\", \"_order\", \"_deleted\", \"_source\"";
pub(super) const STAMP_TYPES: &str = "\"_record_id\" char(32), \"_row_hash\" char(32), \"_order\" varchar(128), \
     \"_deleted\" boolean, \"_source\" varchar(4096)";
const STAGE_TYPES: &str = "\"_record_id\" char(32) NOT NULL, \"_row_hash\" char(32) NOT NULL, \
     \"_order\" varchar(128) NOT NULL, \"_deleted\" boolean, \"_source\" varchar(4096)";
pub(super) const STAGED_STAMPS: &str =
    "r.\"_record_id\", r.\"_row_hash\", r.\"_order\", r.\"_deleted\", r.\"_source\"";
const OBJECTS: &str = "\"load_id\" varchar(64), \"object_id\" varchar(64), \"source\" varchar(4096), \
     \"n_read\" bigint, \"n_rejected\" bigint, \"n_dup\" bigint, \"object_order\" varchar(64)";

/// What all loads of a dataset have in common.
#[derive(Debug)]
pub(super) struct Transaction<'a> {
    pub contract: &'a Contract,
    pub names: Names,
    pub load_id: HexId,
    /// Fixed before the first submission, in ms since 1970.
    pub loaded_ms: u64,
    /// An append looks back from there.
    pub oldest_ms: u64,
    /// The load takes whole objects, of which `p_obj` has all: their rows may take the place of earlier ones.
    pub by_object: bool,
}

impl<'a> Transaction<'a> {
    pub fn new(
        contract: &'a Contract,
        schema: &Ident,
        load_id: HexId,
        loaded_ms: u64,
        oldest_ms: u64,
    ) -> Result<Self, IdentError> {
        let names = Names::of(contract, schema)?;
        Ok(Self { contract, names, load_id, loaded_ms, oldest_ms, by_object: false })
    }

    /// First of all: before anything that takes the snapshot.
    pub fn lock(&self) -> String {
        format!("LOCK TABLE {}", self.names.lock)
    }

    /// What was read, one line an object or load.
    pub fn create_objects() -> String {
        format!("CREATE TEMP TABLE \"p_obj\" ({OBJECTS})")
    }

    /// Rows as they came. A row without stamps is nobody's: whatever brings one is refused.
    pub fn create_stage(&self, ty: impl Fn(&Column) -> String) -> String {
        self.create("p_stage", ty, STAGE_TYPES, "")
    }

    /// From the staged rows to the target and the history.
    pub fn write(&self, from_stage: impl Fn(&Column) -> String) -> Vec<String> {
        let mut statements = self.replace_older();
        statements.push(self.create_winners());
        statements.push(self.insert_winners(&from_stage));
        statements.extend(self.delete_old());
        statements.push(self.insert(&self.names.target, "p_win"));
        statements.extend(self.keep_history(from_stage));
        statements
    }

    /// The winners.
    fn create_winners(&self) -> String {
        self.create("p_win", |column| column.ty.to_string(), STAMP_TYPES, ", \"_outcome\" varchar(16)")
    }

    pub fn columns(&self) -> String {
        self.list(|column| column.physical.to_string())
    }

    pub(super) fn list(&self, show: impl Fn(&Column) -> String) -> String {
        self.contract.columns.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn create(
        &self,
        table: &str,
        ty: impl Fn(&Column) -> String,
        stamps: &str,
        more: &str,
    ) -> String {
        let columns = self.list(|column| format!("{} {}", column.physical, ty(column)));
        format!("CREATE TEMP TABLE \"{table}\" ({columns}, {stamps}{more})")
    }

    /// Full rows, never rejoined with the stage: the same stamped line may stand in it twice.
    fn insert_winners(&self, from_stage: impl Fn(&Column) -> String) -> String {
        let (outcome, joined) = match self.contract.key.is_empty() {
            true => self.appended(),
            false => (outcome(order_by(self.contract)), String::new()),
        };
        format!(
            "INSERT INTO \"p_win\" ({columns}, {STAMPS}, \"_outcome\") SELECT {staged}, {STAGED_STAMPS}, {outcome} \
             FROM (SELECT s.*, ROW_NUMBER() OVER (PARTITION BY \"_record_id\" ORDER BY {newest_first}) AS \"_rn\" \
             FROM \"p_stage\" s) r LEFT JOIN {target} t ON t.\"_record_id\" = r.\"_record_id\"{joined} WHERE r.\"_rn\" = 1",
            newest_first = newest_first(self.contract),
            columns = self.columns(),
            staged = self.list(from_stage),
            target = self.names.target,
        )
    }

    /// An append looks back only so far: the join would else read the whole table.
    fn appended(&self) -> (String, String) {
        let back_ms = u64::from(self.contract.table_options.dedup_days) * 86_400_000;
        let since = canonical_from_ms(self.oldest_ms.saturating_sub(back_ms));
        let (join, outdated) = self.outdated();
        (
            format!("CASE WHEN t.\"_record_id\" IS NOT NULL THEN 'duplicate' {outdated}ELSE 'inserted' END"),
            format!(" AND t.\"_loaded_at\" >= CAST('{since}' AS timestamptz){join}"),
        )
    }

    /// All rows of `p_win` that are written, or all of `p_hist`.
    pub(super) fn insert(&self, into: &str, from: &str) -> String {
        let written = match from {
            "p_win" => " WHERE \"_outcome\" IN ('inserted', 'updated', 'restamped')",
            _ => "",
        };
        format!(
            "INSERT INTO {into} ({columns}, \"_record_id\", \"_row_hash\", \"_order\", \"_deleted\", \"_load_id\", \
             \"_source\", \"_loaded_at\") SELECT {columns}, \"_record_id\", \"_row_hash\", \"_order\", \"_deleted\", \
             CAST('{load}' AS varchar(64)), \"_source\", CAST('{time}' AS timestamptz) FROM \"{from}\"{written}",
            columns = self.columns(),
            load = self.load_id,
            time = canonical_from_ms(self.loaded_ms),
        )
    }

    /// Rows of a keyed table that are replaced. DELETE takes no alias on Redshift.
    fn delete_old(&self) -> Option<String> {
        if self.contract.key.is_empty() {
            return None;
        }
        Some(format!(
            "DELETE FROM {0} USING \"p_win\" WHERE {0}.\"_record_id\" = \"p_win\".\"_record_id\" \
             AND \"p_win\".\"_outcome\" IN ('updated', 'restamped')",
            self.names.target
        ))
    }

    pub fn balance(&self) -> String {
        format!("CALL {}()", self.names.balance)
    }

    /// The contract's version as it may stand in SQL: versions are free text in the standard.
    pub fn version(&self) -> String {
        let plain = |c: &char| c.is_ascii_alphanumeric() || "._+-".contains(*c);
        self.contract.version.chars().filter(plain).take(64).collect()
    }

    pub fn time(&self) -> String {
        canonical_from_ms(self.loaded_ms)
    }
}

/// The column that ranks versions of a row before their stamps do.
fn order_by(contract: &Contract) -> Option<&Ident> {
    contract.order_by.and_then(|i| contract.columns.get(i)).map(|column| &column.physical)
}

/// How versions of a row rank, as a list for ORDER BY: the first one is the row as it is now. Redshift and Trino
/// understand it alike.
pub fn newest_first(contract: &Contract) -> String {
    let ranked = order_by(contract)
        .map_or(String::new(), |ob| format!("CASE WHEN {ob} IS NULL THEN 1 ELSE 0 END, {ob} DESC, "));
    format!("{ranked}\"_order\" DESC, \"_row_hash\" DESC")
}

/// Equal `_order` with another hash is one record read under two contracts: the higher hash wins, so that the outcome
/// depends on nothing but the rows.
fn outcome(order_by: Option<&Ident>) -> String {
    let later =
        "r.\"_order\" > t.\"_order\" OR (r.\"_order\" = t.\"_order\" AND r.\"_row_hash\" > t.\"_row_hash\")";
    let later = match order_by {
        None => format!("WHEN {later} THEN 'updated' "),
        Some(ob) => format!(
            "WHEN r.{ob} > t.{ob} THEN 'updated' WHEN r.{ob} IS NOT NULL AND t.{ob} IS NULL THEN 'updated' \
             WHEN r.{ob} = t.{ob} AND ({later}) THEN 'updated' \
             WHEN r.{ob} IS NULL AND t.{ob} IS NULL AND ({later}) THEN 'updated' "
        ),
    };
    format!(
        "CASE WHEN t.\"_record_id\" IS NULL THEN 'inserted' \
         WHEN t.\"_row_hash\" = r.\"_row_hash\" AND r.\"_order\" > t.\"_order\" THEN 'restamped' \
         WHEN t.\"_row_hash\" = r.\"_row_hash\" THEN 'unchanged' {later}ELSE 'duplicate' END"
    )
}

/// How many winners have one of these outcomes.
pub(super) fn count(outcomes: &str) -> String {
    format!("COALESCE(SUM(CASE WHEN \"_outcome\" IN ({outcomes}) THEN 1 ELSE 0 END), 0)")
}
