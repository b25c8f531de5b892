//! The load: one transaction that takes rows into a dataset's table, exactly once, with the winner per key.
//!
//! lock → what was read (`p_obj`) → rows (`p_stage`) → the winner per key and its outcome (`p_win`) → write → ledger
//! → balance check → the counts. The lock is the first statement, before anything takes the snapshot, so that loads
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
//! Without a key, rows never change: what the target has is a duplicate.

use std::collections::{HashMap, HashSet};

use super::ddl::{LEDGER_COLUMNS, Names};
use super::{Ident, IdentError, MAX_BATCH_STATEMENTS, MAX_STATEMENT_BYTES};
use crate::contract::{Column, Contract, PhysicalType};
use crate::ident::HexId;
use crate::row::Row;
use crate::row::time::canonical_from_ms;

const STAMPS: &str = "\"_record_id\", \"_row_hash\", \"_order\", \"_deleted\", \"_source\"";
const STAMP_TYPES: &str = "\"_record_id\" char(32), \"_row_hash\" char(32), \"_order\" varchar(128), \
     \"_deleted\" boolean, \"_source\" varchar(4096)";
const STAGED_STAMPS: &str = "r.\"_record_id\", r.\"_row_hash\", r.\"_order\", r.\"_deleted\", r.\"_source\"";

/// A row and the object it came from.
#[derive(Debug, Clone, Copy)]
pub struct StagedRow<'a> {
    /// The row.
    pub row: Row<'a>,
    /// `s3://bucket/key`.
    pub source: &'a str,
}

/// Rows of queue messages, to be taken into their table by one load.
#[derive(Debug, Clone, Copy)]
pub struct FifoLoad<'a> {
    /// The dataset's contract.
    pub contract: &'a Contract,
    /// Schema of the target, placeholders filled in.
    pub schema: &'a Ident,
    /// Identity of the load: the same on every delivery of the same messages.
    pub load_id: HexId,
    /// Time of the load in ms since 1970: fixed by the messages, never the clock of a retry.
    pub loaded_ms: u64,
    /// When the oldest of the messages was sent: an append looks back from there.
    pub oldest_ms: u64,
    /// Where the messages came from, for the ledger.
    pub source: &'a str,
    /// Rows of all messages; none if every record was rejected.
    pub rows: &'a [StagedRow<'a>],
    /// Records of the same messages that were rejected.
    pub rejected: u64,
}

/// Statements of one BatchExecuteStatement and the values bound in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlBatch {
    /// In order; the last one selects the load's counts from the ledger.
    pub statements: Vec<String>,
    /// Names (without the colon) and values.
    pub parameters: Vec<(String, String)>,
}

/// A load that cannot be put into one batch.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LoadError {
    /// The service objects of the table have no usable names.
    #[error(transparent)]
    Name(#[from] IdentError),
    /// More rows than 40 statements of 100 KB take: the caller halves.
    #[error("{rows} rows need more than {MAX_BATCH_STATEMENTS} statements")]
    TooLarge {
        /// Rows of the load.
        rows: usize,
    },
}

impl FifoLoad<'_> {
    /// The whole transaction.
    pub fn batch(&self) -> Result<SqlBatch, LoadError> {
        let names = Names::of(self.contract, self.schema)?;
        let mut parameters = Parameters::default();
        let mut statements = vec![
            format!("LOCK TABLE {}", names.lock),
            "CREATE TEMP TABLE \"p_obj\" (\"load_id\" varchar(64), \"object_id\" varchar(64), \"source\" varchar(4096), \
             \"n_read\" bigint, \"n_rejected\" bigint, \"n_dup\" bigint)"
                .to_owned(),
            self.insert_read(&mut parameters),
            self.create("p_stage", staged_type, ""),
        ];
        statements.extend(self.insert_rows(&mut parameters));
        statements.push(self.create("p_win", |column| column.ty.to_string(), ", \"_outcome\" varchar(16)"));
        statements.push(self.insert_winners(&names));
        if !self.contract.key.is_empty() {
            statements.push(delete_old(&names));
        }
        statements.push(self.insert_target(&names));
        statements.push(self.insert_ledger(&names));
        statements.push(format!("CALL {}()", names.balance));
        statements.push(self.select_counts(&names));
        match statements.len() <= MAX_BATCH_STATEMENTS {
            true => Ok(SqlBatch { statements, parameters: parameters.bound }),
            false => Err(LoadError::TooLarge { rows: self.rows.len() }),
        }
    }

    fn columns(&self) -> String {
        self.list(|column| column.physical.to_string())
    }

    fn list(&self, show: impl Fn(&Column) -> String) -> String {
        self.contract.columns.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    fn create(&self, table: &str, ty: impl Fn(&Column) -> String, more: &str) -> String {
        let columns = self.list(|column| format!("{} {}", column.physical, ty(column)));
        format!("CREATE TEMP TABLE \"{table}\" ({columns}, {STAMP_TYPES}{more})")
    }

    /// The one line that the load reads: nothing is claimed on this route, rows are idempotent by their stamps.
    fn insert_read(&self, parameters: &mut Parameters) -> String {
        let read = self.rows.len() as u64 + self.rejected;
        format!(
            "INSERT INTO \"p_obj\" (\"load_id\", \"object_id\", \"source\", \"n_read\", \"n_rejected\", \"n_dup\") \
             VALUES ('{0}', '{0}', {1}, {read}, {2}, 0)",
            self.load_id,
            parameters.bind(self.source),
            self.rejected
        )
    }

    /// INSERT ... VALUES with bound parameters, each statement below the limit with its values counted in.
    fn insert_rows(&self, parameters: &mut Parameters) -> Vec<String> {
        let head = format!("INSERT INTO \"p_stage\" ({}, {STAMPS}) VALUES ", self.columns());
        let mut sources: HashMap<&str, String> = HashMap::new();
        let mut counted: HashSet<&str> = HashSet::new();
        let mut statements = Vec::new();
        let (mut sql, mut bytes) = (head.clone(), head.len());
        for staged in self.rows {
            let source =
                sources.entry(staged.source).or_insert_with(|| parameters.bind(staged.source)).clone();
            let before = parameters.bytes;
            let tuple = self.tuple(staged.row, &source, parameters);
            let added = tuple.len() + 2 + parameters.bytes - before;
            // A source is bound once and counts in every statement that names it.
            let with_source = |counted: &HashSet<&str>| match counted.contains(staged.source) {
                true => added,
                false => added + staged.source.len(),
            };
            if sql.len() > head.len() && bytes + with_source(&counted) > MAX_STATEMENT_BYTES {
                statements.push(std::mem::replace(&mut sql, head.clone()));
                bytes = head.len();
                counted.clear();
            }
            if sql.len() > head.len() {
                sql.push_str(", ");
            }
            sql.push_str(&tuple);
            bytes += with_source(&counted);
            counted.insert(staged.source);
        }
        // A load of rejects alone has a line in the ledger and nothing to insert.
        if sql.len() > head.len() {
            statements.push(sql);
        }
        statements
    }

    fn tuple(&self, row: Row<'_>, source: &str, parameters: &mut Parameters) -> String {
        let columns = self.contract.columns.iter().enumerate();
        let mut values: Vec<String> =
            columns.map(|(i, column)| value(column, row.get(i), parameters)).collect();
        let stamp = row.stamp();
        values.push(parameters.bind(stamp.record_id.as_str()));
        values.push(parameters.bind(stamp.row_hash.as_str()));
        values.push(parameters.bind(stamp.order));
        values.push(boolean(stamp.deleted).to_owned());
        values.push(source.to_owned());
        format!("({})", values.join(", "))
    }

    /// Full rows, never rejoined with the stage: the same stamped line may stand in it twice.
    fn insert_winners(&self, names: &Names) -> String {
        let order_by =
            self.contract.order_by.and_then(|i| self.contract.columns.get(i)).map(|column| &column.physical);
        let (outcome, within) = match self.contract.key.is_empty() {
            true => (
                "CASE WHEN t.\"_record_id\" IS NULL THEN 'inserted' ELSE 'duplicate' END".to_owned(),
                self.dedup_window(),
            ),
            false => (outcome(order_by), String::new()),
        };
        let ranked = order_by
            .map_or(String::new(), |ob| format!("CASE WHEN {ob} IS NULL THEN 1 ELSE 0 END, {ob} DESC, "));
        format!(
            "INSERT INTO \"p_win\" ({columns}, {STAMPS}, \"_outcome\") SELECT {staged}, {STAGED_STAMPS}, {outcome} \
             FROM (SELECT s.*, ROW_NUMBER() OVER (PARTITION BY \"_record_id\" ORDER BY {ranked}\"_order\" DESC, \"_row_hash\" DESC) AS \"_rn\" \
             FROM \"p_stage\" s) r LEFT JOIN {target} t ON t.\"_record_id\" = r.\"_record_id\"{within} WHERE r.\"_rn\" = 1",
            columns = self.columns(),
            staged = self.list(from_stage),
            target = names.target,
        )
    }

    /// An append looks back only so far: the join would else read the whole table.
    fn dedup_window(&self) -> String {
        let back_ms = u64::from(self.contract.table_options.dedup_days) * 86_400_000;
        let since = canonical_from_ms(self.oldest_ms.saturating_sub(back_ms));
        format!(" AND t.\"_loaded_at\" >= CAST('{since}' AS timestamptz)")
    }

    fn insert_target(&self, names: &Names) -> String {
        format!(
            "INSERT INTO {target} ({columns}, \"_record_id\", \"_row_hash\", \"_order\", \"_deleted\", \"_load_id\", \
             \"_source\", \"_loaded_at\") SELECT {columns}, \"_record_id\", \"_row_hash\", \"_order\", \"_deleted\", \
             CAST('{load}' AS varchar(64)), \"_source\", CAST('{time}' AS timestamptz) FROM \"p_win\" \
             WHERE \"_outcome\" IN ('inserted', 'updated', 'restamped')",
            target = names.target,
            columns = self.columns(),
            load = self.load_id,
            time = canonical_from_ms(self.loaded_ms),
        )
    }

    /// One line a load, also when the same load runs a second time. Staged rows that are no winner are duplicates.
    fn insert_ledger(&self, names: &Names) -> String {
        let count = |outcomes: &str| {
            format!("COALESCE(SUM(CASE WHEN \"_outcome\" IN ({outcomes}) THEN 1 ELSE 0 END), 0)")
        };
        format!(
            "INSERT INTO {ledger} ({LEDGER_COLUMNS}) SELECT o.\"load_id\", o.\"object_id\", o.\"source\", \
             CAST('loaded' AS varchar(16)), o.\"n_read\", w.\"n_inserted\", w.\"n_updated\", w.\"n_unchanged\", \
             s.\"n_staged\" - w.\"n_inserted\" - w.\"n_updated\" - w.\"n_unchanged\" + o.\"n_dup\", o.\"n_rejected\", \
             CAST('{version}' AS varchar(64)), CAST('{time}' AS timestamptz) FROM \"p_obj\" o \
             CROSS JOIN (SELECT COUNT(*) AS \"n_staged\" FROM \"p_stage\") s \
             CROSS JOIN (SELECT {inserted} AS \"n_inserted\", {updated} AS \"n_updated\", {unchanged} AS \"n_unchanged\" \
             FROM \"p_win\") w WHERE (SELECT COUNT(*) FROM {ledger} WHERE \"load_id\" = '{load}') = 0",
            ledger = names.ledger,
            version = plain_version(&self.contract.version),
            time = canonical_from_ms(self.loaded_ms),
            inserted = count("'inserted'"),
            updated = count("'updated'"),
            unchanged = count("'unchanged', 'restamped'"),
            load = self.load_id,
        )
    }

    fn select_counts(&self, names: &Names) -> String {
        format!(
            "SELECT \"n_read\", \"n_inserted\", \"n_updated\", \"n_unchanged\", \"n_duplicate\", \"n_rejected\" \
             FROM {} WHERE \"load_id\" = '{}'",
            names.ledger, self.load_id
        )
    }
}

/// Types of the stage where they differ: SUPER and VARBYTE cannot be bound as texts, so they are parsed from one.
fn staged_type(column: &Column) -> String {
    match column.ty {
        PhysicalType::Super | PhysicalType::Varbyte(_) => "varchar(65535)".to_owned(),
        ty => ty.to_string(),
    }
}

fn from_stage(column: &Column) -> String {
    match column.ty {
        PhysicalType::Super => format!("JSON_PARSE(r.{})", column.physical),
        PhysicalType::Varbyte(_) => format!("FROM_HEX(r.{})", column.physical),
        _ => format!("r.{}", column.physical),
    }
}

/// NULL, '' and booleans stand inline: the Data API can pass neither of the first two as a parameter, and a text
/// has no implicit cast to boolean.
fn value(column: &Column, text: Option<&str>, parameters: &mut Parameters) -> String {
    match (text, column.ty) {
        (None, _) => "NULL".to_owned(),
        (Some(""), _) => "''".to_owned(),
        (Some(text), PhysicalType::Boolean) => boolean(text == "true").to_owned(),
        (Some(text), _) => parameters.bind(text),
    }
}

fn boolean(flag: bool) -> &'static str {
    if flag { "TRUE" } else { "FALSE" }
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

/// DELETE takes no alias on Redshift.
fn delete_old(names: &Names) -> String {
    format!(
        "DELETE FROM {0} USING \"p_win\" WHERE {0}.\"_record_id\" = \"p_win\".\"_record_id\" \
         AND \"p_win\".\"_outcome\" IN ('updated', 'restamped')",
        names.target
    )
}

/// A contract's version as it may stand in SQL: versions are free text in the standard.
fn plain_version(version: &str) -> String {
    version.chars().filter(|c| c.is_ascii_alphanumeric() || "._+-".contains(*c)).take(64).collect()
}

/// Bound values, named p0, p1, … over the whole batch.
#[derive(Debug, Default)]
struct Parameters {
    bound: Vec<(String, String)>,
    /// Bytes of the values bound so far.
    bytes: usize,
}

impl Parameters {
    /// Binds a value, which must not be empty, and gives its placeholder.
    fn bind(&mut self, value: &str) -> String {
        if value.is_empty() {
            return "''".to_owned();
        }
        let name = format!("p{}", self.bound.len());
        let placeholder = format!(":{name}");
        self.bytes += value.len();
        self.bound.push((name, value.to_owned()));
        placeholder
    }
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
