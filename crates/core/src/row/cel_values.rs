//! Canonical texts as CEL's values, and CEL's results as values of a source: exact, decimals never as floats. Knows no
//! expressions.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map, Value};
use cel::{Context, Env, ExecutionError};

use super::cel_functions::{OWN, register};
use super::fields::Scalar;
use super::place::push_padded;
use super::quick::Val;
use crate::contract::PhysicalType;

/// Functions whose registration failed would be unknown to every expression: a test calls each.
pub(super) fn interpreter() -> Context<'static, 'static> {
    let mut root = Context::with_env(Arc::new(Env::stdlib()));
    let registered = register(&mut root);
    debug_assert!(registered.is_ok(), "{registered:?}");
    root
}

/// The value as a source would give it, or as the column holds it where that shows; its text is copied, because it
/// may be that of a row being written.
pub(super) fn buffered<'a>(value: Val<'_>, ty: PhysicalType, text: &'a mut String) -> Scalar<'a> {
    text.clear();
    match value {
        Val::Null => Scalar::Null,
        Val::Bool(flag) if ty == PhysicalType::Boolean => {
            Scalar::Canonical(if flag { "true" } else { "false" })
        }
        Val::Bool(flag) => Scalar::Bool(flag),
        Val::Int(n) => {
            text.push_str(if n < 0 { "-" } else { "" });
            push_padded(n.unsigned_abs(), 1, text);
            if ty == PhysicalType::BigInt { Scalar::Canonical(text) } else { Scalar::Number(text) }
        }
        Val::Text(own) => {
            text.push_str(&own);
            Scalar::Text(text)
        }
        Val::Decimal(own) => {
            text.push_str(own);
            Scalar::Text(text)
        }
    }
}

/// A canonical text as the CEL value that expressions see.
pub(super) fn bind(ty: PhysicalType, text: Option<&str>) -> Value {
    let Some(text) = text else { return Value::Null };
    match ty {
        PhysicalType::SmallInt | PhysicalType::Integer | PhysicalType::BigInt => {
            text.parse().map_or(Value::Null, Value::Int)
        }
        PhysicalType::Real | PhysicalType::Double => text.parse().map_or(Value::Null, Value::Float),
        PhysicalType::Boolean => Value::Bool(text == "true"),
        PhysicalType::Super => serde_json::from_str(text).map_or(Value::Null, nested),
        _ => Value::from(text),
    }
}

/// Nested JSON: whole numbers that fit are ints; other numbers stay texts, as numeric columns do.
fn nested(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => number.as_i64().map_or_else(|| Value::from(number.to_string()), Value::Int),
        Json::String(text) => Value::from(text),
        Json::Array(items) => Value::List(Arc::new(items.into_iter().map(nested).collect())),
        Json::Object(members) => {
            let map: HashMap<Key, Value> =
                members.into_iter().map(|(key, value)| (Key::from(key), nested(value))).collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

pub(super) enum Derived<'a> {
    Borrowed(Scalar<'a>),
    Number(String),
}

pub(super) fn scalar(value: &Value, ty: PhysicalType) -> Result<Derived<'_>, String> {
    Ok(match value {
        Value::Null => Derived::Borrowed(Scalar::Null),
        Value::Bool(flag) => Derived::Borrowed(Scalar::Bool(*flag)),
        Value::String(text) => Derived::Borrowed(Scalar::Text(text.as_str())),
        Value::Int(n) => Derived::Number(n.to_string()),
        Value::UInt(n) => Derived::Number(n.to_string()),
        Value::Float(n) if matches!(ty, PhysicalType::Real | PhysicalType::Double) => {
            Derived::Number(format!("{n:?}"))
        }
        Value::Float(_) => return Err(format!("gave a float, which has no exact {ty}")),
        _ => return Err("must give a text, a number, a boolean or null".into()),
    })
}

/// An error without the values that cel puts into its messages.
pub(super) fn describe(error: &ExecutionError) -> String {
    match error {
        ExecutionError::FunctionError { function, message } if OWN.contains(&function.as_str()) => {
            format!("{function}: {message}")
        }
        // The messages of cel's own functions show their arguments, and a key may be a value.
        ExecutionError::FunctionError { function, .. } => format!("{function} cannot take its argument"),
        ExecutionError::NoSuchKey(_) => "a member is missing".into(),
        ExecutionError::UndeclaredReference(name) => format!("{name} is not known"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "division by zero".into(),
        ExecutionError::Overflow(..) => "a number left the range of 64 bits".into(),
        ExecutionError::IndexOutOfBounds(_) => "an index is out of bounds".into(),
        _ => "the expression does not fit the types of its values".into(),
    }
}
