//! Objects into their table: the load of the COPY route. COPY reads the rows from S3, by a manifest, and so it does the
//! list of objects, which are claimed in the ledger before anything is written: an object is loaded once, in whatever
//! grouping its events come.

use super::ddl::LEDGER_COLUMNS;
use super::transaction::{STAMPS, Transaction, count};
use super::{Ident, IdentError, Literal, SqlBatch};
use crate::contract::{Column, Contract, PhysicalType};
use crate::ident::HexId;

/// Who COPY is when it reads S3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRole(Literal);

impl CopyRole {
    /// The ARN of an IAM role, or several of them with commas between, each assumed by the one before; `default` is the
    /// warehouse's own. `None` if it is neither.
    pub fn new(role: &str) -> Option<Self> {
        let is_arn = |arn: &str| {
            let plain = arn.bytes().all(|b| b.is_ascii_alphanumeric() || b"+=.@_-/:".contains(&b));
            arn.starts_with("arn:") && arn.contains(":role/") && plain
        };
        (role == "default" || role.split(',').all(is_arn)).then(|| Literal::new(role).map(Self)).flatten()
    }
}

impl std::fmt::Display for CopyRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.0.to_string();
        f.write_str(if text == "'default'" { "default" } else { &text })
    }
}

/// How the files of a manifest are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packing {
    /// As they are.
    Plain,
    /// GZIP: what Firehose writes.
    Gzip,
    /// ZSTD: what is read in flight.
    Zstd,
}

impl Packing {
    fn keyword(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Gzip => " GZIP",
            Self::Zstd => " ZSTD",
        }
    }
}

/// Files of rows in the hand-over format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowFiles {
    /// `s3://` URL of their manifest.
    pub manifest: String,
    /// One a manifest: COPY takes no mixture.
    pub packing: Packing,
}

/// For what the ledger has counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounting {
    /// For each object: it was read in flight, its rows carry its identity in `_order`, and how many records it had
    /// is known.
    Objects,
    /// For the load: the objects hold stamped rows of many sources, which only COPY counts.
    Load,
}

/// Objects to be taken into their table by one load.
#[derive(Debug, Clone)]
pub struct CopyLoad<'a> {
    /// The dataset's contract.
    pub contract: &'a Contract,
    /// Schema of the target, placeholders filled in.
    pub schema: &'a Ident,
    /// Identity of the load, of its plan.
    pub load_id: HexId,
    /// Time of the load in ms since 1970: fixed in the plan, never the clock of a retry.
    pub loaded_ms: u64,
    /// When the oldest of the objects was written: an append looks back from there.
    pub oldest_ms: u64,
    /// Who COPY is.
    pub role: &'a CopyRole,
    /// `s3://` URL of the manifest of the list of objects (JSON lines, zstd).
    pub objects: &'a str,
    /// The rows; none if every record of every object was rejected.
    pub rows: &'a [RowFiles],
    /// For what the ledger has counts.
    pub accounting: Accounting,
}

/// A load whose statements cannot be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CopyError {
    /// The service objects of the table have no usable names.
    #[error(transparent)]
    Name(#[from] IdentError),
    /// A URL that cannot stand in SQL.
    #[error("{0:?} cannot stand in SQL")]
    Url(String),
}

impl CopyLoad<'_> {
    /// The whole transaction. It binds nothing: COPY takes no parameters.
    pub fn batch(&self) -> Result<SqlBatch, CopyError> {
        let mut transaction =
            Transaction::new(self.contract, self.schema, self.load_id, self.loaded_ms, self.oldest_ms)?;
        transaction.by_object = self.accounting == Accounting::Objects;
        let mut statements = vec![
            transaction.lock(),
            Transaction::create_objects(),
            self.copy(
                "\"p_obj\" (\"load_id\", \"object_id\", \"source\", \"n_read\", \"n_rejected\", \"n_dup\", \"object_order\")",
                self.objects,
                Packing::Zstd,
            )?,
            format!("CALL {}()", transaction.names.claim),
            transaction.create_stage(staged_type),
        ];
        let stage = format!("\"p_stage\" ({}, {STAMPS})", transaction.columns());
        for files in self.rows {
            statements.push(self.copy(&stage, &files.manifest, files.packing)?);
        }
        statements.extend(transaction.write(from_stage));
        statements.push(match self.accounting {
            Accounting::Objects => self.ledger_of_objects(&transaction),
            Accounting::Load => self.ledger_of_load(&transaction),
        });
        statements.push(transaction.balance());
        statements.push(self.select_counts(&transaction));
        Ok(SqlBatch { statements, parameters: Vec::new() })
    }

    fn copy(&self, into: &str, manifest: &str, packing: Packing) -> Result<String, CopyError> {
        let url = Literal::new(manifest).ok_or_else(|| CopyError::Url(manifest.to_owned()))?;
        Ok(format!(
            "COPY {into} FROM {url} IAM_ROLE {} MANIFEST FORMAT AS JSON 'auto'{} TIMEFORMAT 'auto' COMPUPDATE OFF",
            self.role,
            packing.keyword()
        ))
    }

    /// A line an object. A staged row tells its object in `_order`, which is ASCII: no text of a key is compared, since
    /// Redshift takes keys that differ in blanks at their ends for equal.
    fn ledger_of_objects(&self, transaction: &Transaction<'_>) -> String {
        const OBJECT: &str = "SPLIT_PART(\"_order\", '/', 2)";
        format!(
            "INSERT INTO {ledger} ({LEDGER_COLUMNS}) SELECT o.\"load_id\", o.\"object_id\", o.\"source\", \
             CAST('loaded' AS varchar(16)), o.\"n_read\", COALESCE(w.\"n_inserted\", 0), COALESCE(w.\"n_updated\", 0), \
             COALESCE(w.\"n_unchanged\", 0), COALESCE(s.\"n_staged\", 0) - COALESCE(w.\"n_inserted\", 0) - \
             COALESCE(w.\"n_updated\", 0) - COALESCE(w.\"n_unchanged\", 0) + o.\"n_dup\", o.\"n_rejected\", \
             CAST('{version}' AS varchar(64)), CAST('{time}' AS timestamptz) FROM \"p_obj\" o \
             LEFT JOIN (SELECT {OBJECT} AS \"object_id\", COUNT(*) AS \"n_staged\" FROM \"p_stage\" GROUP BY {OBJECT}) s \
             ON s.\"object_id\" = o.\"object_id\" \
             LEFT JOIN (SELECT {OBJECT} AS \"object_id\", {inserted} AS \"n_inserted\", {updated} AS \"n_updated\", \
             {unchanged} AS \"n_unchanged\" FROM \"p_win\" GROUP BY {OBJECT}) w ON w.\"object_id\" = o.\"object_id\"",
            ledger = transaction.names.ledger,
            version = transaction.version(),
            time = transaction.time(),
            inserted = count("'inserted'"),
            updated = count("'updated'"),
            unchanged = count("'unchanged', 'restamped'"),
        )
    }

    /// A line an object, so that it is claimed, without counts; and one for the load, whose object is the load itself,
    /// with them.
    fn ledger_of_load(&self, transaction: &Transaction<'_>) -> String {
        let of_load = |column: &str| format!("CASE WHEN o.\"object_id\" = o.\"load_id\" THEN {column} END");
        format!(
            "INSERT INTO {ledger} ({LEDGER_COLUMNS}) SELECT o.\"load_id\", o.\"object_id\", o.\"source\", \
             CAST('loaded' AS varchar(16)), {read}, {inserted}, {updated}, {unchanged}, {duplicate}, {rejected}, \
             CAST('{version}' AS varchar(64)), CAST('{time}' AS timestamptz) FROM \"p_obj\" o \
             CROSS JOIN (SELECT COUNT(*) AS \"n_staged\" FROM \"p_stage\") s \
             CROSS JOIN (SELECT {n_inserted} AS \"n_inserted\", {n_updated} AS \"n_updated\", \
             {n_unchanged} AS \"n_unchanged\" FROM \"p_win\") w",
            ledger = transaction.names.ledger,
            read = of_load("s.\"n_staged\""),
            inserted = of_load("w.\"n_inserted\""),
            updated = of_load("w.\"n_updated\""),
            unchanged = of_load("w.\"n_unchanged\""),
            duplicate = of_load("s.\"n_staged\" - w.\"n_inserted\" - w.\"n_updated\" - w.\"n_unchanged\""),
            rejected = of_load("0"),
            version = transaction.version(),
            time = transaction.time(),
            n_inserted = count("'inserted'"),
            n_updated = count("'updated'"),
            n_unchanged = count("'unchanged', 'restamped'"),
        )
    }

    /// Sums over the load's lines, so that an observer of FINISHED has the counts.
    fn select_counts(&self, transaction: &Transaction<'_>) -> String {
        let columns = ["n_read", "n_inserted", "n_updated", "n_unchanged", "n_duplicate", "n_rejected"];
        let sums =
            columns.map(|column| format!("CAST(COALESCE(SUM(\"{column}\"), 0) AS bigint) AS \"{column}\""));
        format!(
            "SELECT {} FROM {} WHERE \"load_id\" = '{}'",
            sums.join(", "),
            transaction.names.ledger,
            self.load_id
        )
    }
}

/// The ids of those of these objects that are loaded already: one query for as many as a statement takes.
pub fn loaded_objects(
    contract: &Contract,
    schema: &Ident,
    objects: &[HexId],
) -> Result<Vec<String>, IdentError> {
    /// 35 bytes an id, far below the 100 KB of a statement.
    const MOST: usize = 2_000;
    let ledger = super::ddl::Names::of(contract, schema)?.ledger;
    let query = |ids: &[HexId]| {
        let ids: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        format!(
            "SELECT DISTINCT \"object_id\" FROM {ledger} WHERE \"status\" = 'loaded' AND \"object_id\" IN ({})",
            ids.join(", ")
        )
    };
    Ok(objects.chunks(MOST).map(query).collect())
}

/// What COPY told of the files under a URL, without the values themselves: file, line, column, code.
pub fn load_errors(url: &str) -> Option<String> {
    let prefix = Literal::new(url)?;
    Some(format!(
        "SELECT TRIM(\"file_name\"), \"line_number\", TRIM(\"column_name\"), \"error_code\", TRIM(\"error_message\") \
         FROM \"sys_load_error_detail\" WHERE STRPOS(\"file_name\", {prefix}) = 1 ORDER BY \"start_time\" DESC LIMIT 20"
    ))
}

/// VARBYTE cannot come through JSON, so it comes as the hex text of its bytes.
fn staged_type(column: &Column) -> String {
    match column.ty {
        PhysicalType::Varbyte(bytes) => format!("varchar({})", (u64::from(bytes) * 2).clamp(1, 65_535)),
        ty => ty.to_string(),
    }
}

fn from_stage(column: &Column) -> String {
    match column.ty {
        PhysicalType::Varbyte(_) => format!("FROM_HEX(r.{})", column.physical),
        _ => format!("r.{}", column.physical),
    }
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
