//! Views WITH NO SCHEMA BINDING. PostgreSQL binds every view to its tables, and then refuses to alter a column that one
//! reads; so such views are marked when they are made, and stand aside while a table below them is altered. The
//! functions that do it are in `bootstrap.sql`.

use sqlparser::ast::{AlterColumnOperation, AlterTableOperation, ObjectName, Statement};

use super::{dml, literal};

/// A statement that has to do with late binding.
#[derive(Debug)]
pub enum Late {
    /// Makes such a view.
    View(String),
    /// Changes a table that such a view may read.
    Alter(String),
}

impl Late {
    /// What a statement is, before its clause is taken away.
    pub fn of(statement: &Statement) -> Option<Self> {
        match statement {
            Statement::CreateView(view) if view.with_no_schema_binding => Some(Self::View(named(&view.name))),
            Statement::AlterTable(alter) => {
                let binds = alter.operations.iter().any(|own| match own {
                    AlterTableOperation::AlterColumn { op, .. } => {
                        matches!(op, AlterColumnOperation::SetDataType { .. })
                    }
                    AlterTableOperation::DropColumn { .. } => true,
                    _ => false,
                });
                binds.then(|| Self::Alter(named(&alter.name)))
            }
            _ => None,
        }
    }

    /// The call that does the same as the statement.
    pub fn call(&self, sql: &str) -> String {
        let (function, name) = match self {
            Self::View(name) => ("create_late_view", name),
            Self::Alter(name) => ("alter_below_late_views", name),
        };
        format!("SELECT redshift_local.{function}({}, {})", literal(name), literal(sql))
    }
}

fn named(name: &ObjectName) -> String {
    dml::regclass(name)
}
