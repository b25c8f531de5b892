//! Runs an accepted request on a session of its own, statement by statement, and keeps its record up to date.
//! Knows no HTTP. Translation runs on a thread ahead of the execution: a large batch is parsed while it is loaded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::faults::{DelayWhen, Faults};
use crate::load::{self, Load};
use crate::pg_error;
use crate::postgres::{Outcome, Postgres, RunError, Session};
use crate::s3::S3;
use crate::sql::{Context, Copy, SqlError, Text, Tokens, Translated, translate};
use crate::store::{Record, Status, Store};
use crate::unload;

/// Deep expressions recurse; the address space is only reserved.
const TRANSLATOR_STACK_BYTES: usize = 256 * 1024 * 1024;

/// What the parts of the server share.
#[derive(Debug)]
pub struct Shared {
    /// The engine.
    pub postgres: Postgres,
    /// Where COPY reads.
    pub s3: S3,
    /// The requests.
    pub store: Store,
    /// The faults.
    pub faults: Faults,
}

/// The statements of a request, split into tokens; an error stands for text that has none.
pub type Statements = Vec<Result<Tokens, SqlError>>;

type Translations = mpsc::Receiver<Result<Translated, SqlError>>;

/// Runs the request to its end.
pub async fn run(shared: Arc<Shared>, record: Arc<Record>, statements: Statements) {
    record.change(|state| state.status = Status::Picked);
    let started = Instant::now();
    let mut cancelled = record.cancelled.subscribe();
    let session = open(&shared, &record).await;
    let outcome = match session {
        Ok(session) => {
            let token = session.cancel_token();
            let mut job = Job { shared: &shared, record: &record, session: &session, at: 0 };
            let outcome = tokio::select! {
                outcome = job.all(statements) => outcome,
                () = async { drop(cancelled.wait_for(|cancelled| *cancelled).await) } => {
                    // Too late to stop is as good as stopped: the session ends below.
                    token.cancel_query(tokio_postgres::NoTls).await.ok();
                    Err(Failure::Cancelled)
                }
            };
            if matches!(outcome, Err(Failure::Cancelled)) {
                load::abandon(&shared.postgres, &record.target.database, record.serial as i64).await;
            }
            if outcome.is_err() {
                // Its locks must be gone before anyone reads that it failed; a broken session has none.
                session.execute("ROLLBACK").await.ok();
            }
            session.close().await;
            outcome
        }
        Err(error) => Err(Failure::Sql(error)),
    };
    conclude(&record, outcome, started.elapsed());
    shared.store.finish(&record);
}

async fn open(shared: &Shared, record: &Record) -> Result<Session, SqlError> {
    if let Some(user) = &record.user {
        let ensured = shared.postgres.ensure_user(user).await;
        ensured.map_err(|error| SqlError::new("28000", error.to_string()))?;
    }
    let session = shared.postgres.session(&record.target.database, record.user.as_deref()).await;
    let session = session.map_err(|error| {
        let error = pg_error::from_postgres(&error);
        SqlError { message: format!("FATAL: {}", error.message), ..error }
    })?;
    let pid = session.pid().await.map_err(|error| pg_error::from_postgres(&error))?;
    record.change(|state| {
        state.status = Status::Started;
        state.pid = pid;
    });
    Ok(session)
}

fn conclude(record: &Record, outcome: Result<(), Failure>, duration: Duration) {
    record.change(|state| {
        state.duration = duration;
        let error = match outcome {
            Ok(()) => {
                state.status = Status::Finished;
                None
            }
            Err(Failure::Cancelled) => {
                state.status = Status::Aborted;
                Some(SqlError::new("57014", "Query cancelled on user's request"))
            }
            Err(Failure::Sql(error)) => {
                state.status = Status::Failed;
                Some(error)
            }
        };
        // Of several in AUTO_COMMIT, the statement that failed has its own error already.
        let left = state.subs.iter_mut().filter(|sub| !sub.status.is_final());
        for (i, sub) in left.enumerate() {
            let first_failed = i == 0 && state.status == Status::Failed;
            sub.status = if first_failed { Status::Failed } else { Status::Aborted };
            sub.error = if first_failed { error.clone() } else { None };
            sub.updated_at = crate::store::now();
        }
        state.error = error;
    });
}

enum Failure {
    Sql(SqlError),
    Cancelled,
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

fn translate_ahead(statements: Statements, is_transaction: bool) -> Result<Translations, SqlError> {
    let (sender, receiver) = mpsc::channel(2);
    let work = move || {
        for (index, statement) in statements.into_iter().enumerate() {
            let context = Context { index, in_transaction: is_transaction, ..Context::ALONE };
            let translated = statement.and_then(|statement| translate(&statement.tokens, context));
            let failed = translated.is_err() && is_transaction;
            // Nobody listens after a failure, and nothing is left to do.
            if sender.blocking_send(translated).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("translate".into())
        .stack_size(TRANSLATOR_STACK_BYTES)
        .spawn(work)
        .map_err(|_| SqlError::new("53000", "no thread to translate on"))?;
    Ok(receiver)
}

struct Job<'a> {
    shared: &'a Shared,
    record: &'a Record,
    session: &'a Session,
    at: usize,
}

impl Job<'_> {
    async fn all(&mut self, statements: Statements) -> Result<(), Failure> {
        let is_transaction = self.record.is_batch && self.record.mode == "TRANSACTION";
        let count = statements.len();
        let mut translations = translate_ahead(statements, is_transaction)?;
        if is_transaction {
            return Ok(self.transaction(&mut translations).await?);
        }
        let mut first_error = None;
        for index in 0..count {
            self.at = index;
            if let Err(error) = self.alone(&mut translations).await {
                self.settle(Status::Failed, Some(error.clone()));
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn transaction(&mut self, translations: &mut Translations) -> Result<(), SqlError> {
        self.control("BEGIN").await?;
        let count = self.record.sqls.len();
        for index in 0..count {
            self.at = index;
            let translated = next(translations).await?;
            let is_lock = translated.kind == "LOCK";
            if index == 0 && !is_lock {
                self.delay(DelayWhen::AfterLock).await;
            }
            self.statement(translated).await?;
            if index == 0 && is_lock {
                self.delay(DelayWhen::AfterLock).await;
            }
        }
        self.delay(DelayWhen::BeforeCommit).await;
        self.control("COMMIT").await
    }

    /// A statement that is its own transaction.
    async fn alone(&mut self, translations: &mut Translations) -> Result<(), SqlError> {
        let translated = next(translations).await?;
        if translated.kind.ends_with("DATABASE") {
            self.database_statement(&translated).await?;
            self.settle(Status::Finished, None);
            return Ok(());
        }
        let in_block = !translated.outside_transaction;
        if in_block {
            self.control("BEGIN").await?;
        }
        self.delay(DelayWhen::AfterLock).await;
        let result = self.statement(translated).await;
        if result.is_ok() {
            self.delay(DelayWhen::BeforeCommit).await;
        }
        if in_block {
            let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
            let ended = self.control(end).await;
            result.and(ended)?;
        } else {
            result?;
        }
        Ok(())
    }

    async fn control(&self, sql: &str) -> Result<(), SqlError> {
        match self.session.execute(sql).await {
            Ok(()) => Ok(()),
            Err(error) => Err(self.describe(&error.into(), None).await),
        }
    }

    async fn delay(&self, when: DelayWhen) {
        let delay = self.shared.faults.delay(when, &self.record.target.database);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    async fn statement(&self, translated: Translated) -> Result<(), SqlError> {
        let started = Instant::now();
        self.update(|sub| sub.status = Status::Started);
        let database = &self.record.target.database;
        let sql = &self.record.sqls[self.at];
        if let Some(error) = self.shared.faults.failure(translated.kind, sql, database) {
            return Err(error);
        }
        let ensured = self.shared.postgres.ensure(database, &translated.domains).await;
        ensured.map_err(|error| SqlError::new("XX000", error.to_string()))?;
        let writes = translated.writes.clone();
        match self.execute(translated).await? {
            Ok(Outcome { rows, result }) => {
                self.update(|sub| {
                    sub.status = Status::Finished;
                    sub.duration = started.elapsed();
                    sub.rows = rows as i64;
                    sub.result = result.map(Arc::new);
                });
                Ok(())
            }
            Err(error) => Err(self.describe(&error, writes.as_deref()).await),
        }
    }

    async fn execute(&self, translated: Translated) -> Result<Result<Outcome, RunError>, SqlError> {
        let prologue = match &translated.writes {
            Some(table) => format!("SELECT redshift_local.write_lock({})", crate::sql::literal(table)),
            None => String::new(),
        };
        let sql = match translated.text {
            Text::Sql(sql) => sql,
            Text::Values(values) => match self.session.target_columns(&values.table).await {
                Ok(columns) => values.render(&columns)?,
                Err(error) => return Ok(Err(error.into())),
            },
            Text::Copy(copy) => return moved(self.copy(&copy, &prologue).await),
            Text::Unload(unload) => {
                return moved(unload::run(&self.shared.s3, self.session, &unload).await);
            }
        };
        Ok(self.session.run(&prologue, &sql, translated.has_result_set).await)
    }

    async fn copy(&self, copy: &Copy, prologue: &str) -> Result<u64, load::Failure> {
        let serial = self.record.serial;
        let load = Load {
            s3: &self.shared.s3,
            postgres: &self.shared.postgres,
            session: self.session,
            database: &self.record.target.database,
            query_id: serial as i64 * 100 + self.at as i64,
            transaction_id: serial as i64,
            pid: self.record.state.borrow().pid,
        };
        load.run(copy, prologue, self.delay(DelayWhen::DuringCopy)).await
    }

    async fn database_statement(&self, translated: &Translated) -> Result<(), SqlError> {
        let Text::Sql(sql) = &translated.text else { return Ok(()) };
        let name = sql.split_whitespace().last().unwrap_or_default().trim_matches('"').to_lowercase();
        if translated.kind == "CREATE DATABASE" {
            let created = self.shared.postgres.create_database(&name).await;
            return created.map_err(|error| match error {
                crate::Error::Postgres { source, .. } => pg_error::from_postgres(&source),
                other => SqlError::new("42602", other.to_string()),
            });
        }
        self.shared.postgres.drop_database(&name).await.map_err(|error| pg_error::from_postgres(&error))
    }

    /// The error in Redshift's words; a conflict names the table's number, as there.
    async fn describe(&self, error: &RunError, table: Option<&str>) -> SqlError {
        let described = pg_error::translate(error);
        if described.message != "1023" {
            return described;
        }
        let pid = self.record.state.borrow().pid;
        let table = match table {
            Some(table) => self.shared.postgres.table_oid(&self.record.target.database, table).await,
            None => 0,
        };
        pg_error::serialization_conflict(table, pid)
    }

    fn update(&self, change: impl FnOnce(&mut crate::store::Sub)) {
        let at = self.at;
        self.record.change(|state| {
            if let Some(sub) = state.subs.get_mut(at) {
                change(sub);
                sub.updated_at = crate::store::now();
            }
        });
    }

    fn settle(&self, status: Status, error: Option<SqlError>) {
        self.update(|sub| {
            sub.status = status;
            sub.error = error;
        });
    }
}

/// What a COPY or an UNLOAD came to.
fn moved(moved: Result<u64, load::Failure>) -> Result<Result<Outcome, RunError>, SqlError> {
    match moved {
        Ok(rows) => Ok(Ok(Outcome { rows, result: None })),
        Err(load::Failure::Sql(error)) => Err(error),
        Err(load::Failure::Postgres(error)) => Ok(Err(error.into())),
    }
}

async fn next(translations: &mut Translations) -> Result<Translated, SqlError> {
    // The thread sends one for each statement, unless it died of one.
    translations.recv().await.unwrap_or_else(|| Err(SqlError::syntax("the statement is nested too deeply")))
}
