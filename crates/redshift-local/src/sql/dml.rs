//! INSERT, UPDATE, DELETE, MERGE and LOCK: what their clauses may be, and the literals of VALUES.
//! Expressions inside them are `refusals`' and `rewrite`'s.

use sqlparser::ast::{
    AssignmentTarget, Delete, Expr, FromTable, Insert, Lock, Merge, MergeAction, MergeClauseKind,
    MergeUpdateKind, ObjectName, SetExpr, Statement, TableFactor, TableObject, Update, Value,
};

use super::error::SqlError;
use super::functions;
use super::refusals::check_literal;
use super::scope::parts;

/// An INSERT of literals: what they mean depends on the columns that they go into.
#[derive(Debug)]
pub struct ValuesInsert {
    statement: Box<Statement>,
    /// The target as PostgreSQL's `to_regclass` takes it.
    pub table: String,
}

/// A column of an INSERT's target, in the table's order.
#[derive(Debug, Clone)]
pub struct TargetColumn {
    /// Its stored name.
    pub name: String,
    /// Its type as PostgreSQL names it, without a schema.
    pub type_name: String,
}

impl ValuesInsert {
    /// The statement, where it has literals whose meaning the columns decide.
    pub fn new(statement: Statement, table: String) -> Self {
        Self { statement: Box::new(statement), table }
    }

    /// The target of an INSERT that has such literals.
    pub fn target_of(statement: &Statement) -> Option<String> {
        let Statement::Insert(Insert { source: Some(source), table: TableObject::TableName(name), .. }) =
            statement
        else {
            return None;
        };
        let SetExpr::Values(values) = &*source.body else { return None };
        let any = values.rows.iter().any(|row| row.content.iter().any(|e| literal(e).is_some()));
        any.then(|| regclass(name))
    }

    /// The statement's text, with SUPER strings as strings: without JSON_PARSE, `'{}'` is no object.
    pub fn render(mut self, columns: &[TargetColumn]) -> Result<String, SqlError> {
        if let Statement::Insert(insert) = &mut *self.statement {
            let targets = target_types(insert, columns);
            if let Some(source) = &mut insert.source
                && let SetExpr::Values(values) = &mut *source.body
            {
                for row in &mut values.rows {
                    for (expr, type_name) in row.content.iter_mut().zip(&targets) {
                        fit(expr, type_name)?;
                    }
                }
            }
        }
        Ok(self.statement.to_string())
    }
}

fn target_types(insert: &Insert, columns: &[TargetColumn]) -> Vec<String> {
    if insert.columns.is_empty() {
        return columns.iter().map(|column| column.type_name.clone()).collect();
    }
    let type_of = |name: &ObjectName| {
        let name = parts(name).pop().unwrap_or_default();
        columns.iter().find(|column| column.name == name).map(|column| column.type_name.clone())
    };
    insert.columns.iter().map(|name| type_of(name).unwrap_or_default()).collect()
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

fn fit(expr: &mut Expr, type_name: &str) -> Result<(), SqlError> {
    let Some(text) = literal(expr) else { return Ok(()) };
    if type_name == "super" {
        let value = functions::cast(expr.clone(), sqlparser::ast::DataType::Text);
        *expr = functions::call("to_jsonb", vec![value]);
        return Ok(());
    }
    check_literal(text, type_name)
}

/// A name as the text that `to_regclass` reads.
pub fn regclass(name: &ObjectName) -> String {
    let quoted = |part: String| format!("\"{}\"", part.replace('"', "\"\""));
    parts(name).into_iter().map(quoted).collect::<Vec<_>>().join(".")
}

/// The table that a statement writes, once its form is judged.
pub fn target_of(statement: &Statement) -> Result<Option<String>, SqlError> {
    match statement {
        Statement::Insert(statement) => insert(statement).map(Some),
        Statement::Update(statement) => update(statement).map(Some),
        Statement::Delete(statement) => delete(statement).map(Some),
        Statement::Merge(statement) => merge(statement).map(Some),
        _ => Ok(None),
    }
}

/// The table that an INSERT writes.
fn insert(insert: &Insert) -> Result<String, SqlError> {
    if insert.on.is_some() {
        return Err(SqlError::refused("ON CONFLICT", "use MERGE, or DELETE and INSERT"));
    }
    if insert.returning.is_some() {
        return Err(SqlError::refused("RETURNING", "select the rows"));
    }
    if insert.table_alias.is_some() || insert.insert_alias.is_some() {
        return Err(SqlError::refused("an alias on the target of INSERT", ""));
    }
    if insert.or.is_some() || insert.ignore || insert.overwrite || insert.replace_into {
        return Err(SqlError::refused("this form of INSERT", "use INSERT INTO"));
    }
    if !insert.into || insert.has_table_keyword || !insert.assignments.is_empty() || insert.output.is_some() {
        return Err(SqlError::refused("this form of INSERT", "use INSERT INTO"));
    }
    match &insert.table {
        TableObject::TableName(name) => Ok(regclass(name)),
        _ => Err(SqlError::refused("INSERT into anything but a table", "")),
    }
}

/// The table that an UPDATE writes.
fn update(update: &Update) -> Result<String, SqlError> {
    if update.returning.is_some() {
        return Err(SqlError::refused("RETURNING", "select the rows"));
    }
    if update.or.is_some() || update.limit.is_some() || !update.order_by.is_empty() || update.output.is_some()
    {
        return Err(SqlError::refused("this form of UPDATE", ""));
    }
    if !update.table.joins.is_empty() {
        return Err(SqlError::refused("a join as the target of UPDATE", "join in FROM"));
    }
    if update.assignments.iter().any(|a| matches!(a.target, AssignmentTarget::Tuple(_))) {
        return Err(SqlError::refused("UPDATE SET (a, b) = ...", "set one column at a time"));
    }
    target(&update.table.relation).map(|(table, _)| table)
}

/// The table that a DELETE writes.
fn delete(delete: &Delete) -> Result<String, SqlError> {
    if delete.returning.is_some() {
        return Err(SqlError::refused("RETURNING", "select the rows before"));
    }
    if delete.limit.is_some()
        || !delete.order_by.is_empty()
        || !delete.tables.is_empty()
        || delete.output.is_some()
    {
        return Err(SqlError::refused("this form of DELETE", ""));
    }
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    let [only] = from.as_slice() else { return Err(SqlError::refused("DELETE from several tables", "")) };
    let (table, has_alias) = target(&only.relation)?;
    if has_alias {
        return Err(SqlError::refused("an alias on the target of DELETE", "name the table"));
    }
    Ok(table)
}

/// The table that a MERGE writes.
fn merge(merge: &Merge) -> Result<String, SqlError> {
    if merge.output.is_some() {
        return Err(SqlError::refused("RETURNING", ""));
    }
    let (table, has_alias) = target(&merge.table)?;
    if has_alias {
        return Err(SqlError::refused("an alias on the target of MERGE", "name the table"));
    }
    for clause in &merge.clauses {
        if clause.predicate.is_some() {
            return Err(SqlError::refused("a condition on WHEN in MERGE", "filter the source"));
        }
        if matches!(
            clause.clause_kind,
            MergeClauseKind::NotMatchedBySource | MergeClauseKind::NotMatchedByTarget
        ) {
            return Err(SqlError::refused("NOT MATCHED BY in MERGE", ""));
        }
        match &clause.action {
            MergeAction::DoNothing { .. } => return Err(SqlError::refused("DO NOTHING in MERGE", "")),
            MergeAction::Update(update) if sets_qualified(&update.kind) => {
                return Err(SqlError::refused(
                    "SET of a column with its table's name in MERGE",
                    "name the column",
                ));
            }
            _ => {}
        }
    }
    if merge.clauses.len() != 2 {
        return Err(SqlError::refused("MERGE without both WHEN MATCHED and WHEN NOT MATCHED", ""));
    }
    Ok(table)
}

fn sets_qualified(kind: &MergeUpdateKind) -> bool {
    let MergeUpdateKind::Set(assignments) = kind else { return false };
    assignments.iter().any(|a| match &a.target {
        AssignmentTarget::ColumnName(name) => name.0.len() > 1,
        AssignmentTarget::Tuple(_) => true,
    })
}

fn target(factor: &TableFactor) -> Result<(String, bool), SqlError> {
    match factor {
        TableFactor::Table { name, alias, .. } => Ok((regclass(name), alias.is_some())),
        other => Err(SqlError::refused(format!("writing to {other}"), "name a table")),
    }
}

/// LOCK takes no mode and comes first; what runs before it would fix the snapshot.
pub fn lock(lock: &Lock, index: usize, in_transaction: bool) -> Result<(), SqlError> {
    if lock.lock_mode.is_some() {
        return Err(SqlError::refused("LOCK ... IN mode", "it always takes ACCESS EXCLUSIVE"));
    }
    if lock.nowait {
        return Err(SqlError::refused("LOCK ... NOWAIT", ""));
    }
    if lock.tables.iter().any(|table| table.only || table.has_asterisk) {
        return Err(SqlError::refused("LOCK ONLY", ""));
    }
    if in_transaction && index > 0 {
        return Err(SqlError::refused(
            "LOCK that is not the first statement of its transaction",
            "the snapshot is older than the lock; lock all tables in one LOCK",
        ));
    }
    Ok(())
}
