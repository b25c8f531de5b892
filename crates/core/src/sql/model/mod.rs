//! Models: SQL of the user's own that makes metrics from datasets' tables, a file each. What defines (`CREATE TABLE IF
//! NOT EXISTS`, `CREATE OR REPLACE VIEW`) is run by `penstock migrate`; what fills (`DELETE FROM`, `INSERT INTO`) after
//! each load, and may run twice. Only tables that the file itself defines are written, so that no model changes a
//! dataset. Reads no file, and knows no contract: the caller holds the tables that are named to them.

mod statement;
mod tokens;

use std::collections::BTreeSet;

use super::ddl::lock_table;
use super::{GrantRole, Ident, IdentError, MAX_BATCH_STATEMENTS, SqlBatch};
pub use statement::{ModelKind, ModelStatement, Relation};

/// A model that cannot be used, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ModelError {
    /// From 1.
    pub line: usize,
    /// What is wrong there.
    pub reason: String,
}

/// A file of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// In the order of the file.
    pub statements: Vec<ModelStatement>,
}

impl Model {
    /// Cuts a file into its statements and refuses what must not run after a load.
    pub fn parse(text: &str) -> Result<Self, ModelError> {
        let tokens = tokens::tokens(text)?;
        let mut statements = Vec::new();
        for own in tokens.split(|token| token.is(";")).filter(|own| !own.is_empty()) {
            statements.push(ModelStatement::read(text, own)?);
        }
        let model = Self { statements };
        model.hold_together()?;
        Ok(model)
    }

    /// Tables and views that it defines.
    pub fn defined(&self) -> impl Iterator<Item = &ModelStatement> {
        self.statements.iter().filter(|own| own.kind.defines())
    }

    /// What runs after a load.
    pub fn filling(&self) -> impl Iterator<Item = &ModelStatement> {
        self.statements.iter().filter(|own| !own.kind.defines())
    }

    fn hold_together(&self) -> Result<(), ModelError> {
        let refuse = |own: &ModelStatement, reason: String| Err(ModelError { line: own.line, reason });
        for (i, own) in self.statements.iter().enumerate() {
            let before = self.statements.iter().take(i).filter(|other| other.relation == own.relation);
            let kinds: Vec<ModelKind> = before.map(|other| other.kind).collect();
            let is_own = self
                .statements
                .iter()
                .any(|other| other.kind == ModelKind::Table && other.relation == own.relation);
            if own.kind.defines() && kinds.iter().any(|kind| kind.defines()) {
                return refuse(own, format!("{} is defined twice", own.relation));
            }
            if !own.kind.defines() && !is_own {
                return refuse(own, format!("{} is no table that this file creates", own.relation));
            }
            if own.kind == ModelKind::Insert && !kinds.contains(&ModelKind::Delete) {
                let told = "the model may run twice: DELETE what is inserted first";
                return refuse(own, format!("{} would hold its rows twice: {told}", own.relation));
            }
        }
        match self.statements.last() {
            None => Err(ModelError { line: 1, reason: "holds no statement".into() }),
            Some(own) if self.filling().count() >= MAX_BATCH_STATEMENTS => refuse(
                own,
                format!("more than {} statements are to be run in one transaction", MAX_BATCH_STATEMENTS - 1),
            ),
            Some(_) => Ok(()),
        }
    }
}

/// Models that cannot be run together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum AfterLoadError {
    /// A dataset's lock table has no usable name.
    #[error(transparent)]
    Name(#[from] IdentError),
    /// One transaction has 40 statements.
    #[error("the models have more than {} statements together", MAX_BATCH_STATEMENTS - 1)]
    TooMany,
}

/// The transaction that runs models under the locks of all datasets that they name: they read outside the load's own.
pub fn after_load<'m>(
    tables: &BTreeSet<Ident>,
    models: impl IntoIterator<Item = &'m Model>,
) -> Result<SqlBatch, AfterLoadError> {
    let locks = tables.iter().map(lock_table).collect::<Result<Vec<_>, _>>()?;
    let mut statements = vec![format!("LOCK TABLE {}", locks.join(", "))];
    for model in models {
        statements.extend(model.filling().map(|own| own.sql.clone()));
    }
    match statements.len() <= MAX_BATCH_STATEMENTS {
        true => Ok(SqlBatch { statements, parameters: Vec::new() }),
        false => Err(AfterLoadError::TooMany),
    }
}

/// What the loading function needs of a model: to fill its tables, and to read the views that are read. Tables of
/// datasets it may read anyway.
pub fn model_grants(model: &Model, role: &GrantRole) -> Vec<String> {
    let user = format!("\"{}\"", role.user());
    let mut grants = Vec::new();
    for own in model.defined().filter(|own| own.kind == ModelKind::Table) {
        let Relation { schema, name } = &own.relation;
        grants.push(format!("GRANT USAGE ON SCHEMA {schema} TO {user}"));
        grants.push(format!("GRANT SELECT, INSERT, DELETE ON {schema}.{name} TO {user}"));
    }
    let read: BTreeSet<&Relation> = model.filling().flat_map(|own| &own.reads).collect();
    for Relation { schema, name } in read {
        grants.push(format!("GRANT USAGE ON SCHEMA {schema} TO {user}"));
        grants.push(format!("GRANT SELECT ON {schema}.{name} TO {user}"));
    }
    grants
}

#[cfg(test)]
mod tests;
