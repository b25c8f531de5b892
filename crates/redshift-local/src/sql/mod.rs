//! Redshift's SQL to PostgreSQL's: each statement is passed, translated, or refused by name. A pure function of
//! its text: knows no connection, no session and no HTTP.
//!
//! The order is tokens (escapes, parameters, folding), physical clauses, sqlparser's Redshift dialect, the checks,
//! the rewrite, the print. Where sqlparser lacks a statement (procedures, users) the tokens are read directly.
//! Nothing matches on the text of a statement.

use std::collections::BTreeSet;

use sqlparser::ast::{ObjectType, Statement, Value};
use sqlparser::dialect::RedshiftSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::TokenWithSpan;

mod clauses;
mod copy;
mod ddl;
mod dml;
mod error;
mod function_names;
mod functions;
mod late;
mod plain;
mod procedure;
mod refusals;
mod reserved;
mod rewrite;
mod scope;
mod session;
mod subqueries;
mod tokens;
mod types;
mod unload;

pub use copy::{Compression, Conversion, Copy, Delimited, Format, TimeFormat, TimePart};
pub use dml::TargetColumn;
pub use error::SqlError;
pub use tokens::{Parameters, Tokens, tokenize};
pub use types::Domain;
pub use unload::{Unload, UnloadFormat};

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// It shares a transaction with others.
    pub in_transaction: bool,
    /// It stands in a procedure's body.
    pub in_procedure: bool,
}

impl Context {
    /// A statement that is its own transaction.
    pub const ALONE: Self = Self { index: 0, in_transaction: false, in_procedure: false };
    const PROCEDURE: Self = Self { index: 1, in_transaction: true, in_procedure: true };
}

/// What to run instead of a statement.
#[derive(Debug)]
pub struct Translated {
    /// The kind, such as `INSERT`.
    pub kind: &'static str,
    /// The statement for PostgreSQL.
    pub text: Text,
    /// Types that have to exist before it runs.
    pub domains: BTreeSet<Domain>,
    /// The table that it writes, as `to_regclass` takes it.
    pub writes: Option<String>,
    /// It answers rows.
    pub has_result_set: bool,
    /// It cannot run inside a transaction block.
    pub outside_transaction: bool,
}

/// A statement's text, or what is missing to print it.
#[derive(Debug)]
pub enum Text {
    /// Ready.
    Sql(String),
    /// The target's columns decide what the literals mean.
    Values(dml::ValuesInsert),
    /// No statement of PostgreSQL's: objects are read.
    Copy(Box<Copy>),
    /// A query whose rows go to objects.
    Unload(Box<Unload>),
}

/// A text as a literal that PostgreSQL reads under every setting.
pub fn literal(text: &str) -> String {
    Value::EscapedStringLiteral(text.to_owned()).to_string()
}

/// Translates one statement.
pub fn translate(tokens: &[TokenWithSpan], context: Context) -> Result<Translated, SqlError> {
    if procedure::is_create(tokens) {
        let mut domains = BTreeSet::new();
        let sql = procedure::create(tokens, &mut domains)?;
        return Ok(Translated { domains, ..Translated::plain("CREATE PROCEDURE", sql) });
    }
    if let Some(refused) = session::refuse(tokens, context) {
        return Err(refused);
    }
    if clauses::starts_with(tokens, &["copy"]) {
        let copy = copy::parse(tokens)?;
        let writes = Some(copy.table.clone());
        let text = Text::Copy(Box::new(copy));
        return Ok(Translated { text, writes, ..Translated::plain("COPY", String::new()) });
    }
    if clauses::starts_with(tokens, &["unload"]) {
        return unload::translate_unload(tokens, context);
    }
    if let Some(translated) = plain::translate(tokens) {
        return translated;
    }
    let statement = parse(tokens)?;
    refusals::check(&statement)?;
    let scope = scope::Scope::of(&statement);
    convert(statement, &scope, context)
}

fn parse(tokens: &[TokenWithSpan]) -> Result<Statement, SqlError> {
    let tokens = if ["table", "temp", "temporary", "local"]
        .iter()
        .any(|w| clauses::starts_with(tokens, &["create", w]))
    {
        clauses::strip_create_table(tokens)?
    } else if clauses::starts_with(tokens, &["alter", "table"]) {
        clauses::strip_columns(tokens)?
    } else {
        tokens.to_vec()
    };
    let mut parser = Parser::new(&RedshiftSqlDialect {}).with_tokens_with_locations(tokens);
    let mut statements = parser
        .parse_statements()
        .map_err(|error| SqlError::syntax(error.to_string().trim_start_matches("sql parser error: ")))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        _ => Err(SqlError::syntax("more than one statement")),
    }
}

fn convert(mut statement: Statement, scope: &scope::Scope, context: Context) -> Result<Translated, SqlError> {
    let mut domains = BTreeSet::new();
    let mut outside_transaction = session::outside_transaction(&statement);
    let late = late::Late::of(&statement);
    let kind = match &mut statement {
        Statement::AlterTable(alter) => {
            match ddl::alter_table(alter, context.in_transaction, &mut domains)? {
                Some(outside) => {
                    outside_transaction = outside;
                    "ALTER TABLE"
                }
                None => return Ok(Translated::plain("ALTER TABLE", "SELECT".to_owned())),
            }
        }
        Statement::CreateTable(table) => {
            ddl::create_table(table, &mut domains)?;
            "CREATE TABLE"
        }
        Statement::CreateView(view) => {
            ddl::create_view(view)?;
            "CREATE VIEW"
        }
        Statement::Lock(lock) => {
            dml::lock(lock, context.index, context.in_transaction)?;
            "LOCK"
        }
        other => session::kind(other)?,
    };
    let writes = dml::target_of(&statement)?;
    procedure::arguments_of(&mut statement)?;
    rewrite::rewrite(&mut statement, scope, &mut domains)?;
    let has_result_set = has_result_set(&statement);
    let text = match (late, render(statement)) {
        (Some(late), Text::Sql(sql)) => Text::Sql(late.call(&sql)),
        (_, text) => text,
    };
    Ok(Translated { kind, text, domains, writes, has_result_set, outside_transaction })
}

fn has_result_set(statement: &Statement) -> bool {
    match statement {
        Statement::Query(query) => {
            !matches!(&*query.body, sqlparser::ast::SetExpr::Select(s) if s.into.is_some())
        }
        Statement::Explain { .. } | Statement::ShowVariable { .. } => true,
        _ => false,
    }
}

fn render(statement: Statement) -> Text {
    match statement {
        Statement::Vacuum(_) => Text::Sql("SELECT".to_owned()),
        // PostgreSQL's users are roles.
        Statement::Drop { object_type: ObjectType::User, if_exists, names, .. } => {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let exists = if if_exists { "IF EXISTS " } else { "" };
            Text::Sql(format!("DROP ROLE {exists}{}", names.join(", ")))
        }
        other => match dml::ValuesInsert::target_of(&other) {
            Some(table) => Text::Values(dml::ValuesInsert::new(other, table)),
            None => Text::Sql(other.to_string()),
        },
    }
}
