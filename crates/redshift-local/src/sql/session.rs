//! Statements that are about the session, the transaction or whole objects: which exist, and where they may stand.
//! Knows no tables' insides.

use sqlparser::ast::{ObjectType, Set, Statement};
use sqlparser::tokenizer::TokenWithSpan;

use super::Context;
use super::clauses::starts_with;
use super::error::SqlError;

/// Statements that a transaction of several cannot hold.
const ALONE: &[(&[&str], &str)] = &[
    (&["vacuum"], "VACUUM"),
    (&["create", "database"], "CREATE DATABASE"),
    (&["drop", "database"], "DROP DATABASE"),
    (&["create", "external", "table"], "CREATE EXTERNAL TABLE"),
    (&["drop", "external", "table"], "DROP EXTERNAL TABLE"),
];

/// Transaction control: each call is its own transaction.
const CONTROL: &[&str] = &["abort", "begin", "commit", "end", "rollback", "start"];

/// What is decided by the first words, before the parser reads the rest.
pub fn refuse(tokens: &[TokenWithSpan], context: Context) -> Option<SqlError> {
    if context.in_transaction {
        for (words, name) in ALONE {
            if starts_with(tokens, words) {
                let advice = "run it as a statement of its own";
                return Some(SqlError::refused(format!("{name} in a transaction"), advice));
            }
        }
        if starts_with(tokens, &["truncate"]) {
            let advice = "it commits what came before; use DELETE";
            return Some(SqlError::refused("TRUNCATE in a batch", advice));
        }
    }
    if starts_with(tokens, &["alter", "table"]) {
        let append = tokens.windows(2).any(|window| starts_with(window, &["append", "from"]));
        if append && context.in_transaction {
            return Some(SqlError::refused("ALTER TABLE APPEND in a transaction", "run it alone"));
        }
        if append {
            return Some(SqlError::unsupported("ALTER TABLE APPEND"));
        }
    }
    if let Some(word) = CONTROL.iter().find(|word| starts_with(tokens, &[word])) {
        let advice = "the Data API makes the transaction";
        return Some(SqlError::refused(format!("{} in a call", word.to_uppercase()), advice));
    }
    if starts_with(tokens, &["savepoint"]) || starts_with(tokens, &["release"]) {
        return Some(SqlError::refused("savepoints", ""));
    }
    let moves_objects = starts_with(tokens, &["copy"]) || starts_with(tokens, &["unload"]);
    if moves_objects && context.in_procedure {
        return Some(SqlError::unsupported("COPY or UNLOAD in a procedure"));
    }
    None
}

/// The kind of a statement that passes as it is.
pub fn kind(statement: &Statement) -> Result<&'static str, SqlError> {
    match statement {
        Statement::CreateSchema {
            with: None,
            options: None,
            clone: None,
            default_collate_spec: None,
            ..
        } => Ok("CREATE SCHEMA"),
        Statement::Query(_) => Ok("SELECT"),
        Statement::Insert(_) => Ok("INSERT"),
        Statement::Update(_) => Ok("UPDATE"),
        Statement::Delete(_) => Ok("DELETE"),
        Statement::Merge(_) => Ok("MERGE"),
        Statement::Explain { analyze: false, options: None, .. } => Ok("EXPLAIN"),
        Statement::Explain { .. } => Err(SqlError::refused("EXPLAIN with options", "")),
        Statement::Drop { object_type, purge: false, table: None, .. } => match object_type {
            ObjectType::Table => Ok("DROP TABLE"),
            ObjectType::View => Ok("DROP VIEW"),
            ObjectType::Schema => Ok("DROP SCHEMA"),
            ObjectType::Database => Ok("DROP DATABASE"),
            ObjectType::User => Ok("DROP USER"),
            other => Err(SqlError::refused(format!("DROP {other}"), "")),
        },
        Statement::DropProcedure { .. } => Ok("DROP PROCEDURE"),
        Statement::Truncate(truncate) if truncate.cascade.is_none() && truncate.identity.is_none() => {
            Ok("TRUNCATE")
        }
        Statement::Call(_) => Ok("CALL"),
        Statement::Grant(_) => Ok("GRANT"),
        Statement::Revoke(_) => Ok("REVOKE"),
        Statement::Analyze(_) => Ok("ANALYZE"),
        Statement::Vacuum(_) => Ok("VACUUM"),
        Statement::ShowVariable { .. } => Ok("SHOW"),
        Statement::CreateDatabase { .. } => Ok("CREATE DATABASE"),
        Statement::Set(set) => variable(set),
        other => Err(other_statement(other)),
    }
}

fn variable(set: &Set) -> Result<&'static str, SqlError> {
    match set {
        Set::SingleAssignment { scope: None, variable, .. } => {
            match variable.to_string().to_ascii_lowercase().as_str() {
                "search_path" | "statement_timeout" | "timezone" => Ok("SET"),
                other => Err(SqlError::unsupported(format!("SET {other}"))),
            }
        }
        Set::SetTimeZone { local: false, .. } => Ok("SET"),
        other => Err(SqlError::refused(format!("{other}"), "")),
    }
}

fn other_statement(statement: &Statement) -> SqlError {
    let text = statement.to_string();
    let words: Vec<_> = text.split_whitespace().take(2).collect();
    SqlError::unsupported(words.join(" ").to_uppercase())
}

/// Whether PostgreSQL, too, wants the statement outside a transaction block.
pub fn outside_transaction(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::CreateDatabase { .. } | Statement::Drop { object_type: ObjectType::Database, .. }
    )
}
