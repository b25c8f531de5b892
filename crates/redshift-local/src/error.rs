//! Why the server could not start or an administrative call failed. Statements that fail are no errors here.

use std::io;

/// What can go wrong outside a caller's SQL.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No PostgreSQL binaries.
    #[error("no PostgreSQL found: set POSTGRES_BIN_DIR, or put initdb and postgres on PATH")]
    NoPostgres,
    /// A binary could not be run.
    #[error("cannot run {program}")]
    Spawn {
        /// The program's name.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// initdb or postgres ended with an error.
    #[error("{program} failed: {output}")]
    Program {
        /// The program's name.
        program: &'static str,
        /// The end of what it printed.
        output: String,
    },
    /// PostgreSQL did not answer in time.
    #[error("postgres does not answer after {seconds} s: {output}")]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// The end of its log.
        output: String,
    },
    /// A file or directory could not be used.
    #[error("cannot {action} {path}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The socket could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A statement of the server's own failed.
    #[error("postgres: {action}")]
    Postgres {
        /// What was tried.
        action: String,
        /// Why not.
        #[source]
        source: tokio_postgres::Error,
    },
    /// The name cannot be a database's.
    #[error("\"{0}\" is no database name: lower-case letters, digits and _ up to 63 bytes, a letter first")]
    DatabaseName(String),
    /// COPY and UNLOAD must never reach AWS.
    #[error("{0} is AWS: redshift-local reads and writes a local S3 only")]
    RealAws(String),
    /// The server's thread ended before it was ready.
    #[error("the server stopped while starting")]
    Stopped,
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<std::path::Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().display().to_string();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn postgres(action: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let action = action.into();
        move |source| Self::Postgres { action, source }
    }
}
