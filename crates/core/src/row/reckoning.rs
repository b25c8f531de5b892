//! Where a CEL expression compares or reckons with exact decimals, which CEL itself only knows as texts. Looks at the
//! syntax tree only, at no value.

use cel::common::ast::{Expr, IdedExpr, LiteralValue, operators};

use super::cel_scope::calls;
use crate::contract::{Column, PhysicalType};

const ORDERING: [&str; 4] =
    [operators::LESS, operators::LESS_EQUALS, operators::GREATER, operators::GREATER_EQUALS];
const RECKONING: [&str; 8] = [
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::ADD,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
];

/// The numeric column that an expression compares or reckons with. The interpreter must not evaluate it: it would take
/// the texts of such columns, character by character.
pub(super) fn reckoned<'e>(expression: &'e IdedExpr, columns: &[Column]) -> Option<&'e str> {
    calls(expression).into_iter().find_map(|call| {
        let name = call.func_name.as_str();
        let is_text = |own: &IdedExpr| matches!(own.expr, Expr::Literal(LiteralValue::String(_)));
        // To equal a text is a question about texts.
        let is_reckoning = RECKONING.contains(&name) && !call.args.iter().any(is_text);
        let args = (is_reckoning || ORDERING.contains(&name)).then_some(&call.args)?;
        args.iter().find_map(|arg| numeric_in(arg, columns))
    })
}

/// A numeric column that a value is made of, but for what `minor` makes of it, which is a whole number.
fn numeric_in<'e>(value: &'e IdedExpr, columns: &[Column]) -> Option<&'e str> {
    let is_numeric = |name: &str| {
        columns.iter().any(|own| own.name == name && matches!(own.ty, PhysicalType::Numeric { .. }))
    };
    match &value.expr {
        Expr::Ident(name) => Some(name.as_str()).filter(|name| is_numeric(name)),
        Expr::Call(call) if matches!(call.func_name.as_str(), "minor" | "size" | "date") => None,
        Expr::Call(call) => {
            call.target.as_deref().into_iter().chain(&call.args).find_map(|own| numeric_in(own, columns))
        }
        _ => None,
    }
}

/// Whether an expression orders a numeric column against a text, which no number is.
pub(super) fn orders_text<'e>(expression: &'e IdedExpr, columns: &[Column]) -> Option<&'e str> {
    calls(expression).into_iter().find_map(|call| {
        let orders = ORDERING.contains(&call.func_name.as_str());
        let has_text = call.args.iter().any(|own| matches!(own.expr, Expr::Literal(LiteralValue::String(_))));
        (orders && has_text).then(|| call.args.iter().find_map(|own| numeric_in(own, columns)))?
    })
}
