//! One session: a connection that lives for one call, so that temporary tables and settings vanish with it.
//! Runs translated text and gives rows back as text with their types; judges no SQL.

use bytes::Bytes;
use futures_util::{TryStreamExt, pin_mut};
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{CancelToken, Client, Config, CopyInSink, NoTls, SimpleQueryMessage, SimpleQueryStream};

use crate::result_set::{Column, ResultSet};
use crate::sql::{TargetColumn, literal};

/// Settings of a caller's session, also on a PostgreSQL that we did not start. Transactions are serializable: a
/// sequential scan then notes the whole table as read, which is the unit in which Redshift finds conflicts.
pub const OPTIONS: &str = "-c default_transaction_isolation=serializable -c standard_conforming_strings=off \
    -c escape_string_warning=off -c backslash_quote=on -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres \
    -c extra_float_digits=1 -c bytea_output=hex -c client_min_messages=error";

/// The most that a result may have, in bytes of text: 500 MB as on Redshift.
const MAX_RESULT_BYTES: usize = 500 * 1024 * 1024;

/// What a statement gave.
#[derive(Debug)]
pub struct Outcome {
    /// Rows returned or written.
    pub rows: u64,
    /// The rows, where the statement has any.
    pub result: Option<ResultSet>,
}

/// A column of a query's result.
#[derive(Debug, Clone)]
pub struct ResultColumn {
    /// Its name.
    pub name: String,
    /// Its type; of a domain the one beneath it.
    pub pg_type: Type,
    /// Its precision or length, as PostgreSQL packs it.
    pub modifier: i32,
}

/// A session of a caller.
#[derive(Debug)]
pub struct Session {
    client: Client,
    connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

/// Why a statement did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// PostgreSQL said no.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    /// The result is larger than Redshift gives out.
    #[error("the result exceeds the limit of 500 MB")]
    TooLarge,
}

impl Session {
    /// Opens it, as `user` where the caller has one.
    pub async fn open(config: &Config, user: Option<&str>) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = config.connect(NoTls).await?;
        let session = Self { client, connection: tokio::spawn(connection) };
        if let Some(user) = user {
            session.execute(&format!("SET SESSION AUTHORIZATION {}", literal(user))).await?;
        }
        Ok(session)
    }

    /// Stops what runs in it.
    pub fn cancel_token(&self) -> CancelToken {
        self.client.cancel_token()
    }

    /// The process that serves it.
    pub async fn pid(&self) -> Result<i64, tokio_postgres::Error> {
        let rows = self.client.simple_query("SELECT pg_backend_pid()").await?;
        Ok(rows
            .iter()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).and_then(|pid| pid.parse().ok()),
                _ => None,
            })
            .unwrap_or_default())
    }

    /// Runs text without a result.
    pub async fn execute(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }

    /// Runs one statement, after `prologue`, which belongs to it.
    pub async fn run(&self, prologue: &str, sql: &str, has_result_set: bool) -> Result<Outcome, RunError> {
        if !has_result_set {
            let text = if prologue.is_empty() { sql.to_owned() } else { format!("{prologue};{sql}") };
            let mut rows = 0;
            for message in self.client.simple_query(&text).await? {
                if let SimpleQueryMessage::CommandComplete(count) = message {
                    rows = count;
                }
            }
            return Ok(Outcome { rows, result: None });
        }
        // The types come from preparing it; the values as text, as the Data API gives them.
        let statement = self.client.prepare(sql).await?;
        let columns = statement.columns().iter().map(Column::of).collect();
        let mut result = ResultSet::new(columns);
        let stream = self.client.simple_query_raw(sql).await?;
        pin_mut!(stream);
        while let Some(message) = stream.try_next().await? {
            if let SimpleQueryMessage::Row(row) = message {
                result.push((0..row.len()).map(|i| row.get(i)));
                if result.bytes() > MAX_RESULT_BYTES {
                    return Err(RunError::TooLarge);
                }
            }
        }
        Ok(Outcome { rows: result.len() as u64, result: Some(result) })
    }

    /// The columns of a table in this session, its temporary ones included.
    pub async fn target_columns(&self, table: &str) -> Result<Vec<TargetColumn>, tokio_postgres::Error> {
        let sql = format!(
            "SELECT a.attname, t.typname FROM pg_catalog.pg_attribute a \
             JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
             WHERE a.attrelid = pg_catalog.to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            literal(table)
        );
        let mut columns = Vec::new();
        for message in self.client.simple_query(&sql).await? {
            if let SimpleQueryMessage::Row(row) = message {
                let text = |i| row.get(i).unwrap_or_default().to_owned();
                columns.push(TargetColumn { name: text(0), type_name: text(1) });
            }
        }
        Ok(columns)
    }

    /// The rows of a query of our own, as texts.
    pub async fn texts(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
        let mut rows = Vec::new();
        for message in self.client.simple_query(sql).await? {
            if let SimpleQueryMessage::Row(row) = message {
                rows.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect());
            }
        }
        Ok(rows)
    }

    /// The columns that a query gives.
    pub async fn result_columns(&self, sql: &str) -> Result<Vec<ResultColumn>, tokio_postgres::Error> {
        let statement = self.client.prepare(sql).await?;
        let column = |column: &tokio_postgres::Column| ResultColumn {
            name: column.name().to_owned(),
            pg_type: column.type_().clone(),
            modifier: column.type_modifier(),
        };
        Ok(statement.columns().iter().map(column).collect())
    }

    /// The rows of a query as they come.
    pub async fn stream(&self, sql: &str) -> Result<SimpleQueryStream, tokio_postgres::Error> {
        self.client.simple_query_raw(sql).await
    }

    /// Begins a `COPY ... FROM STDIN`; dropped before its end, it fails.
    pub async fn copy_in(&self, sql: &str) -> Result<CopyInSink<Bytes>, tokio_postgres::Error> {
        self.client.copy_in(sql).await
    }

    /// Ends it; an open transaction is rolled back.
    pub async fn close(self) {
        let Self { client, connection } = self;
        drop(client);
        // How it ended no longer matters to anyone.
        connection.await.ok();
    }
}
