//! Correlated subqueries: Redshift can only take those whose outer column stands in an equality of the WHERE.
//! Sees qualified columns only: whose an unqualified one is, no parser can tell.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{BinaryOperator, Expr, Query, SetExpr, Statement, Visit, Visitor};

use super::error::SqlError;
use super::scope::{Scope, fold};

/// Refuses correlation that is more than an equality.
pub fn check(statement: &Statement, scope: &Scope) -> Result<(), SqlError> {
    let mut finder = Finder { scope };
    match statement.visit(&mut finder) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Finder<'a> {
    scope: &'a Scope,
}

impl Visitor for Finder<'_> {
    type Break = Box<SqlError>;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<Box<SqlError>> {
        let (Expr::Subquery(query)
        | Expr::Exists { subquery: query, .. }
        | Expr::InSubquery { subquery: query, .. }) = expr
        else {
            return ControlFlow::Continue(());
        };
        let inner = Scope::of(&**query);
        let outer = Outer { inner: &inner.names, all: &self.scope.names };
        if outer.stands_outside_equality(query) {
            let text = "a correlated subquery that is more than an equality";
            return ControlFlow::Break(Box::new(SqlError::refused(text, "join instead")));
        }
        ControlFlow::Continue(())
    }
}

/// Finds columns of tables that the subquery does not have.
struct Outer<'a> {
    inner: &'a BTreeSet<String>,
    all: &'a BTreeSet<String>,
}

impl Outer<'_> {
    fn stands_outside_equality(&self, query: &Query) -> bool {
        if !self.is_in(query) {
            return false;
        }
        let SetExpr::Select(select) = &*query.body else { return true };
        if query.limit_clause.is_some() || query.order_by.is_some() {
            return true;
        }
        let mut rest = select.clone();
        let Some(selection) = rest.selection.take() else { return true };
        self.is_in(&*rest) || !self.is_simple(&selection)
    }

    /// A conjunction in which the outer columns stand alone on one side of `=`.
    fn is_simple(&self, condition: &Expr) -> bool {
        match condition {
            Expr::Nested(inner) => self.is_simple(inner),
            Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
                self.is_simple(left) && self.is_simple(right)
            }
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                let is_column = |side: &Expr| matches!(side, Expr::CompoundIdentifier(_));
                let flat = Scope::of(condition).relations.is_empty();
                flat && match (self.is_in(&**left), self.is_in(&**right)) {
                    (false, false) => true,
                    (true, false) => is_column(left),
                    (false, true) => is_column(right),
                    (true, true) => false,
                }
            }
            other => !self.is_in(other),
        }
    }

    fn is_in<V: Visit>(&self, node: &V) -> bool {
        struct Columns<'a, 'b>(&'a Outer<'b>);
        impl Visitor for Columns<'_, '_> {
            type Break = ();
            fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
                if let Expr::CompoundIdentifier(parts) = expr
                    && let [.., table, _] = parts.as_slice()
                    && !self.0.inner.contains(&fold(table))
                    && self.0.all.contains(&fold(table))
                {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            }
        }
        node.visit(&mut Columns(self)).is_break()
    }
}
