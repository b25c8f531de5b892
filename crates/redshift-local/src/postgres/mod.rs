//! The PostgreSQL underneath: where it runs, its databases, and the sessions on it. Knows Redshift's types only as
//! domains to make; translates nothing.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use tokio::sync::Mutex;
use tokio_postgres::{Client, NoTls};

mod process;
mod session;

pub use session::{Outcome, ResultColumn, RunError, Session};

use crate::error::Error;
use crate::sql::Domain;
use process::Process;

/// Everything that a database needs to answer as Redshift does.
const BOOTSTRAP: &str = include_str!("bootstrap.sql");
/// New databases are copies of this one.
const TEMPLATE: &str = "redshift_local_template";
/// The database that is always there.
pub const DEFAULT_DATABASE: &str = "dev";

/// Where PostgreSQL comes from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The directory of `initdb` and `postgres`.
    pub bin_dir: Option<PathBuf>,
    /// Where the data stay; `None`: they vanish with the server.
    pub data_dir: Option<PathBuf>,
    /// A server that runs already; its user must be a superuser.
    pub url: Option<String>,
}

/// A PostgreSQL that is ready.
#[derive(Debug)]
pub struct Postgres {
    process: std::sync::Mutex<Option<Process>>,
    config: tokio_postgres::Config,
    url: String,
    /// The domains that exist, by database.
    known: Mutex<HashMap<String, HashSet<String>>>,
    creating: Mutex<()>,
}

impl Postgres {
    /// Starts or finds it, and brings every database up to this version's functions and views.
    pub async fn start(source: Source) -> Result<Self, Error> {
        let (process, url) = match source.url {
            Some(url) => (None, url),
            None => {
                let start = move || Process::start(source.bin_dir.as_deref(), source.data_dir.as_deref());
                let process = tokio::task::spawn_blocking(start).await.map_err(|_| Error::Stopped)??;
                let host = process.socket_dir().display().to_string().replace('/', "%2F");
                (Some(process), format!("postgresql://postgres@{host}"))
            }
        };
        let config = url.parse().map_err(Error::postgres("the PostgreSQL URL"))?;
        let postgres = Self {
            process: std::sync::Mutex::new(process),
            config,
            url,
            known: Mutex::default(),
            creating: Mutex::default(),
        };
        postgres.bootstrap().await?;
        Ok(postgres)
    }

    /// Stops it, if it is ours. Blocks.
    pub fn stop(&self) {
        let process = self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        drop(process);
    }

    /// A URL that PostgreSQL clients take.
    pub fn url(&self, database: &str) -> String {
        let (base, query) = self.url.split_once('?').map_or((self.url.as_str(), None), |(b, q)| (b, Some(q)));
        let scheme_end = base.find("://").map_or(0, |at| at + 3);
        let base = base[scheme_end..].find('/').map_or(base, |at| &base[..scheme_end + at]);
        match query {
            Some(query) => format!("{base}/{database}?{query}"),
            None => format!("{base}/{database}"),
        }
    }

    async fn bootstrap(&self) -> Result<(), Error> {
        let admin = self.admin("postgres").await?;
        for (database, template) in [(TEMPLATE, "template0"), (DEFAULT_DATABASE, TEMPLATE)] {
            let exists = admin
                .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&database])
                .await
                .map_err(Error::postgres("read the databases"))?;
            if exists.is_none() {
                self.copy_database(&admin, database, template).await?;
            }
            self.admin(database)
                .await?
                .batch_execute(BOOTSTRAP)
                .await
                .map_err(Error::postgres(format!("prepare the database {database}")))?;
        }
        let others = admin
            .query(
                "SELECT datname FROM pg_database WHERE datallowconn AND datname NOT IN ($1, $2, 'postgres', 'template1')",
                &[&TEMPLATE, &DEFAULT_DATABASE],
            )
            .await
            .map_err(Error::postgres("read the databases"))?;
        for row in others {
            let database: String = row.get(0);
            let client = self.admin(&database).await?;
            let is_ours = client
                .query_opt("SELECT 1 FROM pg_namespace WHERE nspname = 'redshift_local'", &[])
                .await
                .map_err(Error::postgres("read the schemas"))?;
            if is_ours.is_some() {
                let action = format!("prepare the database {database}");
                client.batch_execute(BOOTSTRAP).await.map_err(Error::postgres(action))?;
            }
        }
        Ok(())
    }

    async fn copy_database(&self, admin: &Client, name: &str, template: &str) -> Result<(), Error> {
        admin
            .batch_execute(&format!(
                "CREATE DATABASE \"{name}\" TEMPLATE {template} ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
            ))
            .await
            .map_err(Error::postgres(format!("create the database {name}")))
    }

    /// Makes a database with everything in it.
    pub async fn create_database(&self, name: &str) -> Result<(), Error> {
        let ok = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !ok {
            return Err(Error::DatabaseName(name.to_owned()));
        }
        // Copies of one template at the same time get into each other's way.
        let _one_at_a_time = self.creating.lock().await;
        let admin = self.admin("postgres").await?;
        self.copy_database(&admin, name, TEMPLATE).await?;
        self.known.lock().await.remove(name);
        Ok(())
    }

    /// Removes a database with the sessions on it.
    pub async fn drop_database(&self, name: &str) -> Result<(), tokio_postgres::Error> {
        let (client, connection) = self.config_for("postgres").connect(NoTls).await?;
        tokio::spawn(connection);
        client
            .batch_execute(&format!("DROP DATABASE \"{}\" WITH (FORCE)", name.replace('"', "\"\"")))
            .await?;
        self.known.lock().await.remove(name);
        Ok(())
    }

    /// Makes the types that a statement needs.
    pub async fn ensure(&self, database: &str, domains: &BTreeSet<Domain>) -> Result<(), Error> {
        if domains.is_empty() {
            return Ok(());
        }
        let mut known = self.known.lock().await;
        let exists = known.get(database);
        if exists.is_some_and(|names| domains.iter().all(|domain| names.contains(&domain.name()))) {
            return Ok(());
        }
        let client = self.admin(database).await?;
        let query = "SELECT typname FROM pg_type WHERE typnamespace = 'redshift_local'::regnamespace AND typtype = 'd'";
        let rows = client.query(query, &[]).await.map_err(Error::postgres("read the types"))?;
        let mut names: HashSet<String> = rows.iter().map(|row| row.get(0)).collect();
        for domain in domains {
            if names.insert(domain.name()) {
                client.batch_execute(&domain.create()).await.map_err(Error::postgres("create a type"))?;
            }
        }
        known.insert(database.to_owned(), names);
        Ok(())
    }

    /// Makes the user of a mapped caller, as IAM credentials do on first use.
    pub async fn ensure_user(&self, user: &str) -> Result<(), Error> {
        let _one_at_a_time = self.creating.lock().await;
        let admin = self.admin("postgres").await?;
        let exists = admin
            .query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&user])
            .await
            .map_err(Error::postgres("read the users"))?;
        if exists.is_none() {
            let create = format!("CREATE ROLE \"{}\" LOGIN", user.replace('"', "\"\""));
            admin.batch_execute(&create).await.map_err(Error::postgres("create a user"))?;
        }
        Ok(())
    }

    /// A session of a caller.
    pub async fn session(
        &self,
        database: &str,
        user: Option<&str>,
    ) -> Result<Session, tokio_postgres::Error> {
        let mut config = self.config_for(database);
        config.options(session::OPTIONS);
        Session::open(&config, user).await
    }

    /// The number of a table; 0 where it has none.
    pub async fn table_oid(&self, database: &str, table: &str) -> i64 {
        let Ok(client) = self.admin(database).await else { return 0 };
        let row = client.query_one("SELECT coalesce(to_regclass($1)::oid, 0)::bigint", &[&table]).await;
        row.map_or(0, |row| row.get(0))
    }

    /// A connection of our own, outside any caller's transaction.
    pub async fn admin(&self, database: &str) -> Result<Client, Error> {
        let (client, connection) = self
            .config_for(database)
            .connect(NoTls)
            .await
            .map_err(Error::postgres(format!("connect to the database {database}")))?;
        // Its error is the client's next one.
        tokio::spawn(connection);
        Ok(client)
    }

    fn config_for(&self, database: &str) -> tokio_postgres::Config {
        let mut config = self.config.clone();
        config.dbname(database);
        config
    }
}
