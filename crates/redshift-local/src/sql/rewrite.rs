//! Turns the expressions, types and names of a checked statement into PostgreSQL's. Refuses nothing but types
//! that do not exist; what may stand where was decided before.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    AccessExpr, BinaryOperator, CastKind, DataType, Expr, Ident, JsonPathElem, LimitClause, ObjectName,
    ObjectNamePart, Query, SetExpr, SetOperator, Subscript, Top, TopQuantity, Value, ValueWithSpan, VisitMut,
    VisitorMut,
};

use super::error::SqlError;
use super::functions;
use super::scope::{Scope, fold, parts};
use super::types::{self, Domain, Place, SCHEMA};

/// The views of this crate that stand for Redshift's own.
const SYSTEM_VIEWS: &[&str] = &[
    "pg_table_def",
    "stl_load_errors",
    "svv_all_columns",
    "svv_columns",
    "svv_tables",
    "sys_load_error_detail",
    "sys_load_history",
];

/// Rewrites a statement or a part of one; the domains are those that have to exist before it runs.
pub fn rewrite<V: VisitMut>(
    node: &mut V,
    scope: &Scope,
    domains: &mut BTreeSet<Domain>,
) -> Result<(), SqlError> {
    match node.visit(&mut Rewriter { scope, domains }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Rewriter<'a> {
    scope: &'a Scope,
    domains: &'a mut BTreeSet<Domain>,
}

type Flow = ControlFlow<Box<SqlError>>;

impl VisitorMut for Rewriter<'_> {
    type Break = Box<SqlError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        set_operator(&mut query.body);
        if let SetExpr::Select(select) = &mut *query.body
            && let Some(top) = select.top.take()
        {
            return limit(query, top).map_or_else(|e| ControlFlow::Break(Box::new(e)), ControlFlow::Continue);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> Flow {
        let written = parts(name);
        let local = match written.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [table] | ["pg_catalog", table] if SYSTEM_VIEWS.contains(table) => Some((*table).to_owned()),
            ["information_schema", "columns"] => Some("columns".to_owned()),
            ["information_schema", "tables"] => Some("svv_tables".to_owned()),
            [SCHEMA, ..] => {
                let error = SqlError::new("42501", format!("permission denied for schema {SCHEMA}"));
                return ControlFlow::Break(Box::new(error));
            }
            _ => None,
        };
        if let Some(table) = local {
            let parts = [SCHEMA, table.as_str()].map(|part| ObjectNamePart::Identifier(Ident::new(part)));
            *name = ObjectName(parts.into());
        }
        for part in &mut name.0 {
            if let ObjectNamePart::Identifier(ident) = part {
                quote_temporary(ident);
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        let taken = std::mem::replace(expr, Expr::Value(Value::Null.into()));
        match self.expr(taken) {
            Ok(rewritten) => {
                *expr = rewritten;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }

    fn post_visit_value(&mut self, value: &mut ValueWithSpan) -> Flow {
        escape(&mut value.value);
        ControlFlow::Continue(())
    }
}

/// A literal that needs an escape is printed as `E'...'`, which reads the same under every setting.
pub fn escape(value: &mut Value) {
    if let Value::SingleQuotedString(text) = value
        && text.contains(['\'', '\\'])
    {
        *value = Value::EscapedStringLiteral(std::mem::take(text));
    }
}

/// `#t` is a temporary table's name on Redshift and no identifier on PostgreSQL.
fn quote_temporary(ident: &mut Ident) {
    if ident.quote_style.is_none() && ident.value.contains('#') {
        ident.value = ident.value.to_lowercase();
        ident.quote_style = Some('"');
    }
}

fn set_operator(body: &mut SetExpr) {
    if let SetExpr::SetOperation { left, op, right, .. } = body {
        if *op == SetOperator::Minus {
            *op = SetOperator::Except;
        }
        set_operator(left);
        set_operator(right);
    }
}

fn limit(query: &mut Query, top: Top) -> Result<(), SqlError> {
    if top.percent || top.with_ties || query.limit_clause.is_some() {
        return Err(SqlError::syntax("TOP with PERCENT, WITH TIES or LIMIT"));
    }
    let quantity = match top.quantity {
        Some(TopQuantity::Constant(n)) => Expr::Value(Value::Number(n.to_string(), false).into()),
        Some(TopQuantity::Expr(expr)) => expr,
        None => return Err(SqlError::syntax("TOP without a number")),
    };
    query.limit_clause =
        Some(LimitClause::LimitOffset { limit: Some(quantity), offset: None, limit_by: Vec::new() });
    Ok(())
}

impl Rewriter<'_> {
    fn expr(&mut self, expr: Expr) -> Result<Expr, SqlError> {
        match expr {
            Expr::Function(function) => functions::rebuild(function),
            Expr::Identifier(ident) if functions::is_bare(&ident) => {
                Ok(functions::call_local("sysdate", Vec::new()))
            }
            Expr::CompoundIdentifier(parts) => Ok(self.compound(parts)),
            Expr::CompoundFieldAccess { root, access_chain } => {
                let steps = access_chain.into_iter().map(access_step).collect::<Result<_, _>>()?;
                Ok(navigate(*root, steps))
            }
            Expr::JsonAccess { value, path } => {
                let steps = path.path.into_iter().map(path_step).collect::<Result<_, _>>()?;
                Ok(navigate(*value, steps))
            }
            Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, .. } => {
                self.cast(*expr, &data_type)
            }
            Expr::Cast { .. } => Err(SqlError::unsupported("TRY_CAST")),
            Expr::Convert { expr, data_type: Some(data_type), .. } => self.cast(*expr, &data_type),
            Expr::Convert { .. } => Err(SqlError::unsupported("CONVERT without a type")),
            other => Ok(other),
        }
    }

    fn cast(&mut self, expr: Expr, data_type: &DataType) -> Result<Expr, SqlError> {
        let mapped = types::map(data_type, Place::Cast)?;
        self.domains.extend(mapped.domain);
        if mapped.is_super {
            let is_literal = matches!(expr, Expr::Value(_));
            let value = if is_literal { functions::cast(expr, DataType::Text) } else { expr };
            return Ok(functions::call("to_jsonb", vec![value]));
        }
        let expr = text_of_navigation(expr);
        match mapped.cut {
            Some(bytes) if !is_short(&expr, bytes) => {
                let text = functions::cast(expr, DataType::Text);
                let bytes = Expr::Value(Value::Number(bytes.to_string(), false).into());
                let cut = functions::call_local("cut", vec![text, bytes]);
                Ok(functions::cast(cut, mapped.data_type))
            }
            _ => Ok(functions::cast(expr, mapped.data_type)),
        }
    }

    /// `a.b.c` is a column of a table, or a path into a SUPER column: the statement's tables decide.
    fn compound(&self, mut idents: Vec<Ident>) -> Expr {
        let column_parts = match idents.as_slice() {
            [first, second, _, ..]
                if self.scope.qualified.contains(&format!("{}.{}", fold(first), fold(second))) =>
            {
                3
            }
            [first, _, ..] if self.scope.names.contains(&fold(first)) => 2,
            _ if self.scope.names.is_empty() => idents.len(),
            _ => 1,
        };
        let steps: Vec<_> = idents.split_off(column_parts.min(idents.len())).iter().map(fold).collect();
        for ident in &mut idents {
            quote_temporary(ident);
        }
        let base = if column_parts == 1 && idents.len() == 1 {
            Expr::Identifier(idents.remove(0))
        } else {
            Expr::CompoundIdentifier(idents)
        };
        if steps.is_empty() { base } else { navigate(base, steps) }
    }
}

fn access_step(step: AccessExpr) -> Result<String, SqlError> {
    match step {
        AccessExpr::Dot(Expr::Identifier(ident)) => Ok(fold(&ident)),
        AccessExpr::Subscript(Subscript::Index { index }) => index_step(&index),
        _ => Err(SqlError::unsupported("this navigation of a SUPER value")),
    }
}

fn path_step(step: JsonPathElem) -> Result<String, SqlError> {
    match step {
        JsonPathElem::Dot { key, quoted } => Ok(if quoted { key } else { key.to_lowercase() }),
        JsonPathElem::Bracket { key } | JsonPathElem::ColonBracket { key } => index_step(&key),
    }
}

fn index_step(index: &Expr) -> Result<String, SqlError> {
    match index {
        Expr::Value(ValueWithSpan {
            value: Value::Number(text, _) | Value::SingleQuotedString(text),
            ..
        }) => Ok(text.clone()),
        _ => Err(SqlError::unsupported("a computed index into a SUPER value")),
    }
}

/// `(base #> '{"a","0"}')`; steps onto an existing path lengthen it.
fn navigate(base: Expr, steps: Vec<String>) -> Expr {
    let path = steps.iter().map(|step| format!("\"{}\"", step.replace('\\', "\\\\").replace('"', "\\\"")));
    let path = format!("{{{}}}", path.collect::<Vec<_>>().join(","));
    let mut path = Value::SingleQuotedString(path);
    escape(&mut path);
    let right = Box::new(Expr::Value(path.into()));
    Expr::Nested(Box::new(Expr::BinaryOp { left: Box::new(base), op: BinaryOperator::HashArrow, right }))
}

/// A cast of a navigated value takes the text of a string, not its JSON form.
fn text_of_navigation(expr: Expr) -> Expr {
    match expr {
        Expr::Nested(inner) => match *inner {
            Expr::BinaryOp { left, op: BinaryOperator::HashArrow, right } => {
                Expr::Nested(Box::new(Expr::BinaryOp { left, op: BinaryOperator::HashLongArrow, right }))
            }
            other => Expr::Nested(Box::new(other)),
        },
        other => other,
    }
}

fn is_short(expr: &Expr, bytes: u64) -> bool {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => text.len() as u64 <= bytes,
            Value::Null => true,
            _ => false,
        },
        _ => false,
    }
}
