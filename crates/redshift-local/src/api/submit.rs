//! ExecuteStatement and BatchExecuteStatement: checks a request as the API does and starts it.
//! What the SQL says is judged when it runs; here count only its size, its number and its parameters.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::{Caller, Exception, wait};
use crate::run::{Shared, Statements, run};
use crate::sql::{Parameters, tokenize};
use crate::store::{Record, State, Status, Sub, Submission, Target, now};

/// The most that one statement may have.
const MAX_SQL_BYTES: usize = 100 * 1024;
/// The most statements of a batch.
const MAX_STATEMENTS: usize = 40;

/// What both requests have.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Common {
    database: Option<String>,
    cluster_identifier: Option<String>,
    workgroup_name: Option<String>,
    secret_arn: Option<String>,
    db_user: Option<String>,
    statement_name: Option<String>,
    parameters: Option<Vec<Parameter>>,
    client_token: Option<String>,
    result_format: Option<String>,
    session_id: Option<String>,
    session_keep_alive_seconds: Option<i64>,
    wait_time_seconds: Option<i64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Parameter {
    name: String,
    value: String,
}

/// ExecuteStatement's request.
#[derive(Debug, Deserialize)]
pub struct Execute {
    #[serde(rename = "Sql")]
    sql: String,
    #[serde(flatten)]
    common: Common,
}

/// BatchExecuteStatement's request.
#[derive(Debug, Deserialize)]
pub struct Batch {
    #[serde(rename = "Sqls")]
    sqls: Vec<String>,
    #[serde(rename = "ExecutionMode")]
    mode: Option<String>,
    #[serde(flatten)]
    common: Common,
}

/// The database that a request names, for faults that are limited to one.
pub fn database_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        #[serde(rename = "Database")]
        database: Option<String>,
    }
    serde_json::from_slice::<Named>(body).ok()?.database
}

/// ExecuteStatement.
pub async fn execute(shared: &Arc<Shared>, request: Execute, caller: Caller) -> Result<Value, Exception> {
    submit(shared, vec![request.sql], false, "TRANSACTION", request.common, caller).await
}

/// BatchExecuteStatement.
pub async fn batch(shared: &Arc<Shared>, request: Batch, caller: Caller) -> Result<Value, Exception> {
    let mode = match request.mode.as_deref() {
        None | Some("TRANSACTION") => "TRANSACTION",
        Some("AUTO_COMMIT") => "AUTO_COMMIT",
        Some(other) => return Err(Exception::validation(format!("ExecutionMode {other} is unknown"))),
    };
    let count = request.sqls.len();
    if count == 0 || count > MAX_STATEMENTS {
        return Err(Exception::validation(format!(
            "Sqls has {count} statements, 1 to {MAX_STATEMENTS} are allowed"
        )));
    }
    submit(shared, request.sqls, true, mode, request.common, caller).await
}

async fn submit(
    shared: &Arc<Shared>,
    sqls: Vec<String>,
    is_batch: bool,
    mode: &'static str,
    common: Common,
    caller: Caller,
) -> Result<Value, Exception> {
    let wait = wait(common.wait_time_seconds)?;
    check_common(&common)?;
    let target = target(&common)?;
    let parameters = parameters(common.parameters.as_deref())?;
    let statements = statements(&sqls, &parameters)?;
    let fingerprint = fingerprint(&sqls, &parameters, &target, mode);
    // Tokens belong to their caller.
    let token = common
        .client_token
        .clone()
        .map(|t| (format!("{}:{t}", caller.clone().unwrap_or_default()), fingerprint));
    let make = |serial| new_record(serial, sqls, is_batch, mode, target, &common, caller);
    let record = match shared.store.submit(token, make) {
        Submission::New(record) => {
            tokio::spawn(run(shared.clone(), record.clone(), statements));
            record
        }
        Submission::Repeated(record) => record,
        Submission::TokenReused => {
            return Err(Exception::validation("the ClientToken was used with a different statement"));
        }
        Submission::TooManyActive => {
            return Err(Exception::new(
                "ActiveStatementsExceededException",
                "more than 200 statements are active",
            ));
        }
    };
    if let Some(limit) = wait {
        record.wait(limit).await;
    }
    Ok(answer(&record, wait.is_some()))
}

fn check_common(common: &Common) -> Result<(), Exception> {
    if common.session_id.is_some() || common.session_keep_alive_seconds.is_some() {
        return Err(Exception::validation(
            "SessionId and SessionKeepAliveSeconds are not supported by redshift-local",
        ));
    }
    if common.result_format.as_deref().is_some_and(|format| format != "JSON") {
        return Err(Exception::validation("ResultFormat CSV is not supported by redshift-local"));
    }
    if common.client_token.as_ref().is_some_and(|token| token.is_empty() || token.chars().count() > 64) {
        return Err(Exception::validation("ClientToken must have 1 to 64 characters"));
    }
    Ok(())
}

fn target(common: &Common) -> Result<Target, Exception> {
    if common.workgroup_name.is_some() && common.cluster_identifier.is_some() {
        return Err(Exception::validation("give WorkgroupName or ClusterIdentifier, not both"));
    }
    if common.workgroup_name.is_none() && common.cluster_identifier.is_none() && common.secret_arn.is_none() {
        return Err(Exception::validation("give WorkgroupName, ClusterIdentifier or SecretArn"));
    }
    let database = common.database.clone().filter(|database| !database.is_empty());
    Ok(Target {
        workgroup: common.workgroup_name.clone(),
        cluster: common.cluster_identifier.clone(),
        secret: common.secret_arn.clone(),
        db_user: common.db_user.clone(),
        database: database.ok_or_else(|| Exception::validation("Database is missing"))?,
    })
}

fn parameters(parameters: Option<&[Parameter]>) -> Result<Parameters, Exception> {
    if parameters.is_some_and(<[Parameter]>::is_empty) {
        return Err(Exception::validation("Parameters must have at least one element"));
    }
    let mut values = Parameters::new();
    for Parameter { name, value } in parameters.unwrap_or_default() {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(Exception::validation(format!("the parameter name {name:?} is not [0-9a-zA-Z_]+")));
        }
        if value.is_empty() {
            return Err(Exception::validation(format!("the value of the parameter {name} is empty")));
        }
        if value.contains('\0') {
            return Err(Exception::validation(format!("the value of the parameter {name} contains U+0000")));
        }
        if values.insert(name.clone(), value.clone()).is_some() {
            return Err(Exception::validation(format!("the parameter {name} is there twice")));
        }
    }
    Ok(values)
}

fn statements(sqls: &[String], parameters: &Parameters) -> Result<Statements, Exception> {
    let mut used = BTreeSet::new();
    let mut all = Vec::with_capacity(sqls.len());
    let mut readable = true;
    for sql in sqls {
        if sql.len() > MAX_SQL_BYTES {
            return Err(Exception::validation(format!(
                "a statement has {} bytes, 100 KB are allowed",
                sql.len()
            )));
        }
        let mut statements = match tokenize(sql, parameters) {
            Ok(statements) => statements,
            Err(error) => {
                readable = false;
                all.push(Err(error));
                continue;
            }
        };
        let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
            return Err(Exception::validation("each SQL text must be exactly one statement"));
        };
        if let Some(name) = statement.unknown.first() {
            return Err(Exception::validation(format!("the parameter :{name} has no value")));
        }
        used.extend(statement.used.iter().cloned());
        all.push(Ok(statement));
    }
    match parameters.keys().find(|name| !used.contains(*name)) {
        Some(name) if readable => {
            Err(Exception::validation(format!("the parameter {name} is not used by any statement")))
        }
        _ => Ok(all),
    }
}

fn fingerprint(sqls: &[String], parameters: &Parameters, target: &Target, mode: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    (sqls, parameters, &target.database, mode).hash(&mut hasher);
    format!("{:x}-{}", hasher.finish(), sqls.iter().map(String::len).sum::<usize>())
}

fn new_record(
    serial: u64,
    sqls: Vec<String>,
    is_batch: bool,
    mode: &'static str,
    target: Target,
    common: &Common,
    user: Caller,
) -> Record {
    let count = sqls.len();
    let parameters = common
        .parameters
        .as_ref()
        .map(|parameters| parameters.iter().map(|p| json!({ "name": p.name, "value": p.value })).collect());
    Record {
        id: uuid::Uuid::new_v4().to_string(),
        serial,
        target,
        sqls,
        parameters,
        name: common.statement_name.clone(),
        is_batch,
        mode,
        user,
        created_at: now(),
        state: watch::Sender::new(fresh_state(count)),
        cancelled: watch::Sender::new(false),
    }
}

fn fresh_state(count: usize) -> State {
    let sub = Sub {
        status: Status::Submitted,
        error: None,
        rows: -1,
        result: None,
        duration: Default::default(),
        updated_at: now(),
    };
    State {
        status: Status::Submitted,
        error: None,
        duration: Default::default(),
        updated_at: now(),
        pid: 0,
        subs: vec![sub; count],
    }
}

fn answer(record: &Record, waited: bool) -> Value {
    let mut answer = Map::new();
    answer.insert("Id".into(), json!(record.id));
    answer.insert("CreatedAt".into(), json!(record.created_at));
    super::describe::echo(record, &mut answer);
    if waited {
        let state = record.state.borrow();
        answer.insert("Status".into(), json!(state.status.name()));
        answer.insert("RedshiftPid".into(), json!(state.pid));
        answer.insert("HasResultSet".into(), json!(state.subs.iter().any(|sub| sub.result.is_some())));
    }
    Value::Object(answer)
}
