//! PostgreSQL's errors in Redshift's words. Knows no statement and no session.

use tokio_postgres::error::DbError;

use crate::postgres::RunError;
use crate::sql::SqlError;

/// What the caller is told.
pub fn translate(error: &RunError) -> SqlError {
    match error {
        RunError::Postgres(error) => from_postgres(error),
        RunError::TooLarge => SqlError::new("53000", error.to_string()),
    }
}

/// What the caller is told about an error of the connection or of the database.
pub fn from_postgres(error: &tokio_postgres::Error) -> SqlError {
    match error.as_db_error() {
        Some(db) => from_db(db),
        None => SqlError::new("08006", "the connection to the database was lost"),
    }
}

fn from_db(db: &DbError) -> SqlError {
    let code = db.code().code();
    match code {
        "40001" => serialization_conflict(0, 0),
        "40P01" => SqlError::new(code, "deadlock detected"),
        "23514" => too_long(db).unwrap_or_else(|| SqlError::new(code, db.message())),
        "23502" => {
            let column = db.column().unwrap_or("unknown");
            SqlError::new(code, format!("Cannot insert a NULL value into column {column}"))
        }
        "57014" => SqlError::new(code, "Query cancelled on user's request"),
        // PostgreSQL's own trouble can name files of this machine.
        _ if ["58", "XX", "F0"].iter().any(|class| code.starts_with(class)) => {
            SqlError::new(code, format!("internal error {code}"))
        }
        _ => SqlError::new(code, db.message()),
    }
}

/// The text that real clusters print for a serialization conflict; its SQLSTATE is XX000.
pub fn serialization_conflict(table: i64, pid: i64) -> SqlError {
    let detail = format!(
        "Serializable isolation violation on table - {table}, transactions forming the cycle are: {}, {} (pid:{pid})",
        pid.wrapping_mul(2) + 1,
        pid.wrapping_mul(2) + 2
    );
    SqlError { detail: Some(detail), ..SqlError::new("XX000", "1023") }
}

/// A domain's check is a limit in bytes.
fn too_long(db: &DbError) -> Option<SqlError> {
    let (kind, length) = db.constraint()?.split_once('_')?;
    let length: u64 = length.parse().ok()?;
    match kind {
        "varchar" => {
            Some(SqlError::new("22001", format!("value too long for type character varying({length})")))
        }
        "char" => Some(SqlError::new(
            "22001",
            "Multibyte character not supported for CHAR (Hint: try using VARCHAR)",
        )),
        "varbyte" => {
            Some(SqlError::new("22001", format!("value too long for type binary varying({length})")))
        }
        _ => None,
    }
}
