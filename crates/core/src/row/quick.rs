//! CEL expressions of the usual kind, evaluated on canonical texts without an interpreter: columns, literals,
//! comparisons, logic, and the functions that Penstock adds. Whatever it is not sure of it leaves to the interpreter,
//! which also tells what is wrong; a property holds the two to the same results.
//!
//! In one thing it goes further: a numeric column, which the interpreter sees as a text, is compared as the number
//! that it is (`amount > 0`). An expression in which that matters and which cannot go this way is refused.

use std::borrow::Cow;
use std::cmp::Ordering;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::rows::Draft;
use super::{cel_functions, number};
use crate::contract::{Column, PhysicalType};

/// Characters of a canonical date.
const DATE_LEN: usize = 10;

/// An expression that can be evaluated here.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Quick {
    Column(usize, PhysicalType),
    Text(String),
    Int(i64),
    Bool(bool),
    Null,
    /// A literal with a point.
    Decimal(String),
    Call(Function, Vec<Quick>),
    /// `minor(amount, scale)`.
    Minor(Box<Quick>, u8),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Or,
    And,
    Not,
    If,
    In,
    StartsWith,
    EndsWith,
    Contains,
    Date,
    Upper,
    Lower,
    Trim,
    Coalesce,
}

/// A value on the way.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    /// The canonical text of a numeric column, or a literal.
    Decimal(&'a str),
}

/// What an expression gives, where that shows before the first row; NULL may come besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bool,
    Int,
    Text,
}

impl Quick {
    /// Compiles what can be evaluated here.
    pub fn compile(expression: &IdedExpr, columns: &[Column]) -> Option<Self> {
        match &expression.expr {
            Expr::Ident(name) => column(name, columns),
            Expr::Literal(literal) => Some(match literal {
                LiteralValue::String(text) => Self::Text(text.inner().to_owned()),
                LiteralValue::Int(n) => Self::Int(*n.inner()),
                LiteralValue::Boolean(flag) => Self::Bool(*flag.inner()),
                LiteralValue::Null => Self::Null,
                // The shortest text that reads back as the same number: what was written, or what it means.
                LiteralValue::Double(n) if n.inner().abs() < 1e15 => Self::Decimal(n.inner().to_string()),
                LiteralValue::Bytes(_) | LiteralValue::Double(_) | LiteralValue::UInt(_) => return None,
            }),
            Expr::Call(own) => call(own, columns),
            _ => None,
        }
    }

    /// Evaluates on the row being written; `None` leaves it to the interpreter.
    pub fn evaluate<'a>(&'a self, draft: &'a Draft<'_>) -> Option<Val<'a>> {
        Some(match self {
            Self::Column(i, ty) => return value_of(*ty, draft.get(*i)),
            Self::Text(text) => Val::Text(Cow::Borrowed(text)),
            Self::Int(n) => Val::Int(*n),
            Self::Bool(flag) => Val::Bool(*flag),
            Self::Null => Val::Null,
            Self::Decimal(text) => Val::Decimal(text),
            Self::Minor(amount, scale) => match amount.evaluate(draft)? {
                Val::Null => Val::Null,
                Val::Decimal(text) => Val::Int(minor(text, *scale)?),
                Val::Text(text) => Val::Int(minor(&text, *scale)?),
                Val::Int(n) => Val::Int(n.checked_mul(10_i64.checked_pow(u32::from(*scale))?)?),
                Val::Bool(_) => return None,
            },
            Self::Call(function, args) => return apply(*function, args, draft),
        })
    }

    /// What it gives, where that shows from the expression alone.
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::Column(_, PhysicalType::Boolean) | Self::Bool(_) => Some(Kind::Bool),
            Self::Column(_, PhysicalType::SmallInt | PhysicalType::Integer | PhysicalType::BigInt)
            | Self::Int(_)
            | Self::Minor(..) => Some(Kind::Int),
            Self::Column(..) | Self::Text(_) => Some(Kind::Text),
            Self::Null | Self::Decimal(_) => None,
            Self::Call(Function::If, args) => same_kind(args.get(1..)?),
            Self::Call(Function::Coalesce, args) => same_kind(args),
            Self::Call(Function::Date | Function::Upper | Function::Lower | Function::Trim, _) => {
                Some(Kind::Text)
            }
            Self::Call(..) => Some(Kind::Bool),
        }
    }
}

fn same_kind(args: &[Quick]) -> Option<Kind> {
    let first = args.first()?.kind()?;
    args.iter().all(|own| own.kind() == Some(first)).then_some(first)
}

fn column(name: &str, columns: &[Column]) -> Option<Quick> {
    let at = columns.iter().position(|own| own.name == name)?;
    match columns.get(at)?.ty {
        PhysicalType::Real | PhysicalType::Double | PhysicalType::Super => None,
        ty => Some(Quick::Column(at, ty)),
    }
}

fn call(call: &CallExpr, columns: &[Column]) -> Option<Quick> {
    let function = match call.func_name.as_str() {
        operators::EQUALS => Function::Equal,
        operators::NOT_EQUALS => Function::NotEqual,
        operators::LESS => Function::Less,
        operators::LESS_EQUALS => Function::LessEqual,
        operators::GREATER => Function::Greater,
        operators::GREATER_EQUALS => Function::GreaterEqual,
        operators::LOGICAL_OR => Function::Or,
        operators::LOGICAL_AND => Function::And,
        operators::LOGICAL_NOT => Function::Not,
        operators::CONDITIONAL => Function::If,
        operators::IN => return contained(call, columns),
        "startsWith" => Function::StartsWith,
        "endsWith" => Function::EndsWith,
        "contains" => Function::Contains,
        "date" => Function::Date,
        "upper" => Function::Upper,
        "lower" => Function::Lower,
        "trim" => Function::Trim,
        "coalesce" => Function::Coalesce,
        "minor" => return minor_call(call, columns),
        _ => return None,
    };
    let is_method = matches!(function, Function::StartsWith | Function::EndsWith | Function::Contains);
    if call.target.is_some() != is_method {
        return None;
    }
    let args = call.target.as_deref().into_iter().chain(&call.args);
    let args = args.map(|arg| Quick::compile(arg, columns)).collect::<Option<Vec<_>>>()?;
    let wanted = match function {
        Function::Coalesce => args.len(),
        Function::If => 3,
        Function::Not | Function::Date | Function::Upper | Function::Lower | Function::Trim => 1,
        _ => 2,
    };
    (args.len() == wanted).then_some(Quick::Call(function, args))
}

/// `x in ['a', 'b']`, for texts.
fn contained(call: &CallExpr, columns: &[Column]) -> Option<Quick> {
    let [own, list] = call.args.as_slice() else { return None };
    let Expr::List(list) = &list.expr else { return None };
    let mut args = vec![Quick::compile(own, columns)?];
    for element in &list.elements {
        match Quick::compile(element, columns)? {
            literal @ Quick::Text(_) => args.push(literal),
            _ => return None,
        }
    }
    (call.target.is_none() && args.len() == list.elements.len() + 1)
        .then_some(Quick::Call(Function::In, args))
}

fn minor_call(call: &CallExpr, columns: &[Column]) -> Option<Quick> {
    let [amount, scale] = call.args.as_slice() else { return None };
    match Quick::compile(scale, columns)? {
        Quick::Int(scale @ 0..=18) if call.target.is_none() => {
            Some(Quick::Minor(Box::new(Quick::compile(amount, columns)?), u8::try_from(scale).ok()?))
        }
        _ => None,
    }
}

fn value_of(ty: PhysicalType, text: Option<&str>) -> Option<Val<'_>> {
    let Some(text) = text else { return Some(Val::Null) };
    Some(match ty {
        PhysicalType::SmallInt | PhysicalType::Integer | PhysicalType::BigInt => Val::Int(text.parse().ok()?),
        PhysicalType::Boolean => Val::Bool(text == "true"),
        PhysicalType::Real | PhysicalType::Double | PhysicalType::Super => return None,
        PhysicalType::Numeric { .. } => Val::Decimal(text),
        _ => Val::Text(Cow::Borrowed(text)),
    })
}

fn apply<'a>(function: Function, args: &'a [Quick], draft: &'a Draft<'_>) -> Option<Val<'a>> {
    let arg = |at: usize| args.get(at)?.evaluate(draft);
    let flag = |at: usize| match arg(at)? {
        Val::Bool(flag) => Some(flag),
        _ => None,
    };
    Some(match function {
        Function::Equal => Val::Bool(equal(&arg(0)?, &arg(1)?)?),
        Function::NotEqual => Val::Bool(!equal(&arg(0)?, &arg(1)?)?),
        Function::Less => Val::Bool(order(&arg(0)?, &arg(1)?)?.is_lt()),
        Function::LessEqual => Val::Bool(order(&arg(0)?, &arg(1)?)?.is_le()),
        Function::Greater => Val::Bool(order(&arg(0)?, &arg(1)?)?.is_gt()),
        Function::GreaterEqual => Val::Bool(order(&arg(0)?, &arg(1)?)?.is_ge()),
        Function::Or => Val::Bool(flag(0)? || flag(1)?),
        Function::And => Val::Bool(flag(0)? && flag(1)?),
        Function::Not => Val::Bool(!flag(0)?),
        Function::If => return arg(if flag(0)? { 1 } else { 2 }),
        Function::In => {
            let own = arg(0)?.into_text()?;
            Val::Bool(args.iter().skip(1).any(|text| matches!(text, Quick::Text(text) if *text == own)))
        }
        Function::StartsWith => Val::Bool(with_texts(arg(0)?, arg(1)?, |a, b| a.starts_with(b))?),
        Function::EndsWith => Val::Bool(with_texts(arg(0)?, arg(1)?, |a, b| a.ends_with(b))?),
        Function::Contains => Val::Bool(with_texts(arg(0)?, arg(1)?, |a, b| a.contains(b))?),
        Function::Date => return date(args.first()?, draft),
        Function::Upper => changed(arg(0)?, |text| text.to_uppercase())?,
        Function::Lower => changed(arg(0)?, |text| text.to_lowercase())?,
        Function::Trim => changed(arg(0)?, |text| text.trim().to_owned())?,
        Function::Coalesce => {
            // All are evaluated, as the interpreter does: one that fails fails the call.
            let values = (0..args.len()).map(arg).collect::<Option<Vec<_>>>()?;
            values.into_iter().find(|value| *value != Val::Null).unwrap_or(Val::Null)
        }
    })
}

/// Values of two kinds are left to the interpreter, but for NULL, which only equals itself.
fn equal(a: &Val<'_>, b: &Val<'_>) -> Option<bool> {
    match (a, b) {
        (Val::Text(a), Val::Text(b)) => Some(a == b),
        (Val::Int(a), Val::Int(b)) => Some(a == b),
        (Val::Bool(a), Val::Bool(b)) => Some(a == b),
        (Val::Null, Val::Null) => Some(true),
        (Val::Null, _) | (_, Val::Null) => Some(false),
        (Val::Decimal(a), Val::Text(b)) | (Val::Text(b), Val::Decimal(a)) => Some(a == b),
        (a, b) => order(a, b).map(Ordering::is_eq),
    }
}

/// Texts by their characters, which is also the order of times; numbers by their value.
fn order(a: &Val<'_>, b: &Val<'_>) -> Option<Ordering> {
    let decimals = |a: &str, b: &str| number::Decimal::parse(a)?.compare(b);
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        (Val::Text(a), Val::Text(b)) => Some(a.cmp(b)),
        (Val::Decimal(a), Val::Decimal(b)) => decimals(a, b),
        (Val::Decimal(a), Val::Int(b)) => decimals(a, &b.to_string()),
        (Val::Int(a), Val::Decimal(b)) => decimals(&a.to_string(), b),
        _ => None,
    }
}

impl<'a> Val<'a> {
    fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text),
            Self::Decimal(text) => Some(Cow::Borrowed(text)),
            Self::Null | Self::Bool(_) | Self::Int(_) => None,
        }
    }
}

fn with_texts(a: Val<'_>, b: Val<'_>, test: impl Fn(&str, &str) -> bool) -> Option<bool> {
    Some(test(&a.into_text()?, &b.into_text()?))
}

fn changed<'a>(value: Val<'a>, change: impl Fn(&str) -> String) -> Option<Val<'a>> {
    match value {
        Val::Null => Some(Val::Null),
        value => Some(Val::Text(Cow::Owned(change(&value.into_text()?)))),
    }
}

/// A canonical time begins with its date, and is in UTC where it has an offset.
fn date<'a>(argument: &'a Quick, draft: &'a Draft<'_>) -> Option<Val<'a>> {
    let value = argument.evaluate(draft)?;
    match (argument, value) {
        (_, Val::Null) => Some(Val::Null),
        (
            Quick::Column(_, PhysicalType::Date | PhysicalType::Timestamp | PhysicalType::TimestampTz),
            Val::Text(Cow::Borrowed(text)),
        ) => Some(Val::Text(Cow::Borrowed(text.get(..DATE_LEN)?))),
        (_, Val::Text(text)) => Some(Val::Text(Cow::Owned(cel_functions::date(&text).ok()?))),
        _ => None,
    }
}

/// Digits of a canonical amount with more decimals put to it, where they fit.
fn minor(text: &str, scale: u8) -> Option<i64> {
    let point = text.bytes().position(|byte| byte == b'.');
    let (whole, fraction) =
        point.and_then(|at| Some((text.get(..at)?, text.get(at + 1..)?))).unwrap_or((text, ""));
    let missing = usize::from(scale).checked_sub(fraction.len());
    let Some(missing) = missing.filter(|_| text.len() <= 18) else {
        return slow_minor(text, scale);
    };
    let digits = whole.strip_prefix('-').unwrap_or(whole);
    let mut value: i64 = 0;
    for byte in digits.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value * 10 + i64::from(byte - b'0');
    }
    let value = value.checked_mul(10_i64.checked_pow(u32::try_from(missing).ok()?)?)?;
    let plain = !digits.is_empty();
    plain.then_some(if whole.starts_with('-') { -value } else { value })
}

fn slow_minor(text: &str, scale: u8) -> Option<i64> {
    let mut out = String::new();
    number::canonical_numeric(text, 38, scale, &mut out).ok()?;
    out.retain(|c| c != '.');
    out.parse().ok()
}

#[cfg(test)]
#[path = "quick_tests.rs"]
mod tests;
