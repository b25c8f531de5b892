//! Which tables a statement names, and how it calls them. Knows nothing of columns or types.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{ObjectName, ObjectNamePart, Query, TableFactor, Visit, Visitor};

/// The names that a statement gives its tables.
#[derive(Debug, Default, Clone)]
pub struct Scope {
    /// Aliases and, where there is none, the table's own name.
    pub names: BTreeSet<String>,
    /// `schema.table` of every table named with its schema.
    pub qualified: BTreeSet<String>,
    /// Names of common table expressions.
    pub ctes: BTreeSet<String>,
    /// Every table as it is written.
    pub relations: Vec<ObjectName>,
}

impl Scope {
    /// Collects the tables of a statement or of a part of one.
    pub fn of<V: Visit>(node: &V) -> Self {
        let mut scope = Self::default();
        match node.visit(&mut scope) {
            ControlFlow::Continue(()) | ControlFlow::Break(()) => scope,
        }
    }

    /// Whether the statement touches a table that is not the system's.
    pub fn has_user_table(&self) -> bool {
        self.relations.iter().any(|name| {
            let parts = parts(name);
            let is_cte = parts.len() == 1 && self.ctes.contains(&parts[0]);
            !is_cte && !is_system(&parts)
        })
    }

    fn add_name(&mut self, name: &ObjectName) {
        let parts = parts(name);
        if let [.., schema, table] = parts.as_slice() {
            self.qualified.insert(format!("{schema}.{table}"));
        }
        if let Some(last) = parts.last() {
            self.names.insert(last.clone());
        }
    }
}

fn is_system(parts: &[String]) -> bool {
    match parts {
        [.., schema, _] => schema == "pg_catalog" || schema == "information_schema",
        [table] => ["pg_", "svv_", "svl_", "stv_", "stl_", "sys_"].iter().any(|p| table.starts_with(p)),
        [] => true,
    }
}

/// The parts of a name as Redshift folds them.
pub fn parts(name: &ObjectName) -> Vec<String> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => fold(ident),
            ObjectNamePart::Function(function) => fold(&function.name),
        })
        .collect()
}

/// An identifier's value in the case that it is stored in.
pub fn fold(ident: &sqlparser::ast::Ident) -> String {
    if ident.quote_style.is_some() { ident.value.clone() } else { ident.value.to_lowercase() }
}

impl Visitor for Scope {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            self.ctes.insert(fold(&cte.alias.name));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.add_name(name);
        self.relations.push(name.clone());
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table { alias, .. }
            | TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. } => alias.as_ref(),
            _ => None,
        };
        if let Some(alias) = alias {
            self.names.insert(fold(&alias.name));
        }
        ControlFlow::Continue(())
    }
}
