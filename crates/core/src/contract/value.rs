//! Values of a contract's free-form members, read as what they must be; errors name the path. Knows no option.

use serde_json::{Number, Value};

use super::ContractError;
use crate::row::number::{Decimal, Multiple};

pub(super) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => exact(number),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// YAML numbers that are neither whole nor short have lost digits by now; in quotes they keep them.
fn exact(number: &Number) -> Option<String> {
    const MAX_DIGITS: usize = 15;
    let text = number.to_string();
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits = mantissa.trim_start_matches(['-', '0', '.']).bytes().filter(u8::is_ascii_digit).count();
    (!number.is_f64() || digits <= MAX_DIGITS).then_some(text)
}

pub(super) fn text<'a>(path: &str, value: &'a Value) -> Result<&'a str, ContractError> {
    value.as_str().ok_or_else(|| ContractError::at(path, "must be a text".into()))
}

pub(super) fn texts(path: &str, value: &Value) -> Result<Vec<String>, ContractError> {
    let texts = |items: &Vec<Value>| {
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    };
    value
        .as_array()
        .and_then(texts)
        .filter(|own| !own.is_empty())
        .ok_or_else(|| ContractError::at(path, "must be a list of texts".into()))
}

pub(super) fn flag(path: &str, value: &Value) -> Result<bool, ContractError> {
    value.as_bool().ok_or_else(|| ContractError::at(path, "must be true or false".into()))
}

pub(super) fn whole(path: &str, value: &Value) -> Result<u64, ContractError> {
    value.as_u64().ok_or_else(|| ContractError::at(path, "must be a whole number".into()))
}

pub(super) fn multiple(path: &str, value: &Value) -> Result<Multiple, ContractError> {
    let number = decimal(path, value)?;
    Multiple::parse(number.as_str())
        .ok_or_else(|| ContractError::at(path, "must be a number above 0 of at most 36 digits".into()))
}

pub(super) fn decimal(path: &str, value: &Value) -> Result<Decimal, ContractError> {
    let refuse = |what: &str| ContractError::at(path, what.to_owned());
    let text = match value {
        Value::Number(number) => exact(number)
            .ok_or_else(|| refuse("has more digits than YAML's numbers keep: put it in quotes"))?,
        Value::String(text) => text.clone(),
        _ => return Err(refuse("must be a number")),
    };
    Decimal::parse(&text).ok_or_else(|| refuse("must be a number"))
}
