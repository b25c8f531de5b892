//! Rows of queue messages into their table: the load of the FIFO route. Nothing is claimed: its rows are idempotent by
//! their stamps, and the ledger has one line a load.

use std::collections::{HashMap, HashSet};

use super::ddl::LEDGER_COLUMNS;
use super::transaction::{STAMPS, Transaction, count};
use super::{Ident, IdentError, MAX_BATCH_STATEMENTS, MAX_STATEMENT_BYTES};
use crate::contract::{Column, Contract, PhysicalType};
use crate::ident::HexId;
use crate::row::Row;

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
        let transaction =
            Transaction::new(self.contract, self.schema, self.load_id, self.loaded_ms, self.oldest_ms)?;
        let mut parameters = Parameters::default();
        let mut statements = vec![
            transaction.lock(),
            Transaction::create_objects(),
            self.insert_read(&mut parameters),
            transaction.create_stage(staged_type),
        ];
        statements.extend(self.insert_rows(&transaction, &mut parameters));
        statements.extend(transaction.write(from_stage));
        statements.push(self.insert_ledger(&transaction));
        statements.push(transaction.balance());
        statements.push(self.select_counts(&transaction));
        match statements.len() <= MAX_BATCH_STATEMENTS {
            true => Ok(SqlBatch { statements, parameters: parameters.bound }),
            false => Err(LoadError::TooLarge { rows: self.rows.len() }),
        }
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
    fn insert_rows(&self, transaction: &Transaction<'_>, parameters: &mut Parameters) -> Vec<String> {
        let head = format!("INSERT INTO \"p_stage\" ({}, {STAMPS}) VALUES ", transaction.columns());
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

    /// One line a load, also when the same load runs a second time. Staged rows that are no winner are duplicates.
    fn insert_ledger(&self, transaction: &Transaction<'_>) -> String {
        format!(
            "INSERT INTO {ledger} ({LEDGER_COLUMNS}) SELECT o.\"load_id\", o.\"object_id\", o.\"source\", \
             CAST('loaded' AS varchar(16)), o.\"n_read\", w.\"n_inserted\", w.\"n_updated\", w.\"n_unchanged\", \
             s.\"n_staged\" - w.\"n_inserted\" - w.\"n_updated\" - w.\"n_unchanged\" + o.\"n_dup\", o.\"n_rejected\", \
             CAST('{version}' AS varchar(64)), CAST('{time}' AS timestamptz) FROM \"p_obj\" o \
             CROSS JOIN (SELECT COUNT(*) AS \"n_staged\" FROM \"p_stage\") s \
             CROSS JOIN (SELECT {inserted} AS \"n_inserted\", {updated} AS \"n_updated\", {unchanged} AS \"n_unchanged\" \
             FROM \"p_win\") w WHERE (SELECT COUNT(*) FROM {ledger} WHERE \"load_id\" = '{load}') = 0",
            ledger = transaction.names.ledger,
            version = transaction.version(),
            time = transaction.time(),
            inserted = count("'inserted'"),
            updated = count("'updated'"),
            unchanged = count("'unchanged', 'restamped'"),
            load = self.load_id,
        )
    }

    fn select_counts(&self, transaction: &Transaction<'_>) -> String {
        format!(
            "SELECT \"n_read\", \"n_inserted\", \"n_updated\", \"n_unchanged\", \"n_duplicate\", \"n_rejected\" \
             FROM {} WHERE \"load_id\" = '{}'",
            transaction.names.ledger, self.load_id
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
