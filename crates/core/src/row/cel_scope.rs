//! Which names a CEL expression leaves free: what it needs bound, macro variables excluded; and what it calls.
//! Knows the syntax tree only, no values.

use std::collections::BTreeSet;

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr};

/// What an expression needs from outside.
#[derive(Default)]
pub(super) struct Needs<'e> {
    /// Names that are read and not bound by a macro such as `items.exists(x, …)`.
    pub free: BTreeSet<&'e str>,
    /// Functions and operators, these as cel names them (`_==_`).
    pub calls: BTreeSet<&'e str>,
}

/// Walks the whole expression, branches that no value reaches included.
pub(super) fn needs(expression: &IdedExpr) -> Needs<'_> {
    let mut walk = Walk::default();
    walk.visit(expression);
    walk.needs
}

/// All calls of an expression, operators included.
pub(super) fn calls(expression: &IdedExpr) -> Vec<&CallExpr> {
    let mut walk = Walk::default();
    walk.visit(expression);
    walk.calls
}

#[derive(Default)]
struct Walk<'e> {
    bound: Vec<&'e str>,
    needs: Needs<'e>,
    calls: Vec<&'e CallExpr>,
}

impl<'e> Walk<'e> {
    fn visit(&mut self, expression: &'e IdedExpr) {
        match &expression.expr {
            Expr::Unspecified | Expr::Literal(_) => {}
            Expr::Ident(name) => {
                if !self.bound.contains(&name.as_str()) {
                    self.needs.free.insert(name);
                }
            }
            Expr::Call(call) => {
                self.needs.calls.insert(&call.func_name);
                self.calls.push(call);
                call.target.iter().for_each(|target| self.visit(target));
                call.args.iter().for_each(|arg| self.visit(arg));
            }
            Expr::Select(select) => self.visit(&select.operand),
            Expr::List(list) => list.elements.iter().for_each(|element| self.visit(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Struct(own) => own.entries.iter().for_each(|entry| self.entry(&entry.expr)),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn entry(&mut self, entry: &'e EntryExpr) {
        match entry {
            EntryExpr::StructField(field) => self.visit(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.visit(&entry.key);
                self.visit(&entry.value);
            }
        }
    }

    fn comprehension(&mut self, own: &'e ComprehensionExpr) {
        self.visit(&own.iter_range);
        self.visit(&own.accu_init);
        let depth = self.bound.len();
        self.bound.push(&own.iter_var);
        self.bound.push(&own.accu_var);
        self.bound.extend(own.iter_var2.as_deref());
        self.visit(&own.loop_cond);
        self.visit(&own.loop_step);
        self.visit(&own.result);
        self.bound.truncate(depth);
    }
}
