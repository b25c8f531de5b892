//! What SYS_LOAD_HISTORY and SYS_LOAD_ERROR_DETAIL show. Written on connections of its own, so that a load which is
//! rolled back leaves its traces, as on Redshift. Loads nothing.

use tokio_postgres::Client;

use super::Load;
use super::rows::LoadError;
use crate::error::Error;
use crate::postgres::Postgres;
use crate::sql::{Copy, Format};

const START: &str = "INSERT INTO redshift_local.load_history (user_id, query_id, transaction_id, session_id, \
    database_name, status, table_name, start_time, data_source, loaded_rows, loaded_bytes, source_file_count, \
    error_count, file_format) \
    VALUES (100, $1, $2, $3, $4, 'running', $5, clock_timestamp() AT TIME ZONE 'UTC', $6, 0, 0, 0, 0, $7)";
const END: &str = "UPDATE redshift_local.load_history SET status = $2, end_time = clock_timestamp() AT TIME ZONE 'UTC', \
    duration = (extract(epoch FROM clock_timestamp() AT TIME ZONE 'UTC' - start_time) * 1000000)::bigint, \
    loaded_rows = $3, loaded_bytes = $4, source_file_count = $5, error_count = $6 \
    WHERE query_id = $1 AND status = 'running'";
const ERROR: &str = "INSERT INTO redshift_local.load_errors (user_id, query_id, transaction_id, session_id, \
    database_name, table_id, start_time, file_name, line_number, column_name, column_type, column_length, position, \
    error_code, error_message) \
    VALUES (100, $1, $2, $3, $4, to_regclass($5)::oid::bigint::int, clock_timestamp() AT TIME ZONE 'UTC', \
    $6, $7, $8, $9, $10, $11, $12, $13)";
const ABANDON: &str = "UPDATE redshift_local.load_history SET status = 'aborted', \
    end_time = clock_timestamp() AT TIME ZONE 'UTC' WHERE transaction_id = $1 AND status = 'running'";

/// What a load came to.
#[derive(Debug, Default)]
pub struct Figures {
    /// Rows that were loaded.
    pub rows: u64,
    /// Bytes of the objects, as they are stored.
    pub bytes: u64,
    /// Objects that were read.
    pub files: u64,
}

/// The journal of one COPY.
#[derive(Debug)]
pub struct Journal {
    client: Client,
    query_id: i64,
}

impl Journal {
    /// Notes that it runs.
    pub async fn start(load: &Load<'_>, copy: &Copy) -> Result<Self, Error> {
        let client = load.postgres.admin(load.database).await?;
        let format = match copy.format {
            Format::Json { .. } => "json",
            Format::Delimited(ref format) if format.quote.is_none() => "txt",
            Format::Delimited(_) => "csv",
            Format::Parquet => "parquet",
        };
        let pid = load.pid as i32;
        client
            .execute(
                START,
                &[
                    &load.query_id,
                    &load.transaction_id,
                    &pid,
                    &load.database,
                    &copy.table_name,
                    &copy.source,
                    &format,
                ],
            )
            .await
            .map_err(Error::postgres("note the start of a load"))?;
        Ok(Self { client, query_id: load.query_id })
    }

    /// Notes how it ended, and the errors of its rows.
    pub async fn end(
        &self,
        load: &Load<'_>,
        copy: &Copy,
        is_ok: bool,
        figures: &Figures,
        errors: &[LoadError],
    ) -> Result<(), Error> {
        let noted = self.errors(load, copy, errors).await;
        let status = if is_ok { "completed" } else { "aborted" };
        let (rows, bytes) = (figures.rows as i64, figures.bytes as i64);
        let (files, count) = (figures.files as i32, errors.len() as i32);
        let ended = self.client.execute(END, &[&self.query_id, &status, &rows, &bytes, &files, &count]).await;
        noted.and(ended.map(|_| ())).map_err(Error::postgres("note the end of a load"))
    }

    async fn errors(
        &self,
        load: &Load<'_>,
        copy: &Copy,
        errors: &[LoadError],
    ) -> Result<(), tokio_postgres::Error> {
        if errors.is_empty() {
            return Ok(());
        }
        let insert = self.client.prepare(ERROR).await?;
        let pid = load.pid as i32;
        for LoadError { file, line, column, flaw } in errors {
            let (name, kind, length) =
                column.as_ref().map_or(("", "", ""), |(name, kind, length)| (name, *kind, length));
            let (line, position) = (*line as i64, flaw.position as i32);
            self.client
                .execute(
                    &insert,
                    &[
                        &load.query_id,
                        &load.transaction_id,
                        &pid,
                        &load.database,
                        &copy.table,
                        file,
                        &line,
                        &name,
                        &kind,
                        &length,
                        &position,
                        &flaw.code,
                        &flaw.message,
                    ],
                )
                .await?;
        }
        Ok(())
    }
}

/// The loads of a transaction that was cancelled.
pub async fn abandon(postgres: &Postgres, database: &str, transaction_id: i64) {
    let Ok(client) = postgres.admin(database).await else { return };
    // The history then shows a load that runs; the caller is told of the cancel either way.
    client.execute(ABANDON, &[&transaction_id]).await.ok();
}
