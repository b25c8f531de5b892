//! The functions that Penstock adds to CEL. They work on texts, because numeric columns are bound as their canonical
//! decimal texts; their messages hold no values.
//!
//! | function | result |
//! |---|---|
//! | `minor(amount, scale)` | amount × 10^scale as an int; an error if digits would be lost |
//! | `date(ts)` | the UTC date of a date or timestamp |
//! | `coalesce(a, b, …)` | the first that is not null |
//! | `upper(t)`, `lower(t)`, `trim(t)` | the text changed |
//! | `sha256(t)` | 64 hex characters |
//!
//! All but `coalesce` answer null for null.

use cel::extractors::Arguments;
use cel::{Context, ExecutionError, Value};
use sha2::{Digest, Sha256};

use super::{number, time};

/// Functions registered here; their messages hold no values.
pub(super) const OWN: &[&str] = &["coalesce", "minor", "date", "upper", "lower", "trim", "sha256"];

/// Those, and CEL's own that work on the values bound here.
pub(super) fn is_known(function: &str) -> bool {
    const STANDARD: &[&str] = &[
        "bool",
        "bytes",
        "contains",
        "double",
        "dyn",
        "endsWith",
        "int",
        "matches",
        "size",
        "startsWith",
        "string",
        "type",
        "uint",
    ];
    OWN.contains(&function) || STANDARD.contains(&function)
}

pub(super) fn register(context: &mut Context<'static, 'static>) -> Result<(), cel::DeclarationError> {
    context.add_function("coalesce", |Arguments(args): Arguments| -> Result<Value, ExecutionError> {
        Ok(args.iter().find(|value| !matches!(value, Value::Null)).cloned().unwrap_or(Value::Null))
    })?;
    context.add_function("minor", |Arguments(args): Arguments| minor(&args))?;
    context.add_function("date", |Arguments(args): Arguments| of_text("date", &args, date))?;
    context.add_function("upper", |Arguments(args): Arguments| {
        of_text("upper", &args, |t| Ok(t.to_uppercase()))
    })?;
    context.add_function("lower", |Arguments(args): Arguments| {
        of_text("lower", &args, |t| Ok(t.to_lowercase()))
    })?;
    context.add_function("trim", |Arguments(args): Arguments| {
        of_text("trim", &args, |t| Ok(t.trim().to_owned()))
    })?;
    context.add_function("sha256", |Arguments(args): Arguments| of_text("sha256", &args, |t| Ok(sha256(t))))
}

fn fail(function: &str, message: &str) -> ExecutionError {
    ExecutionError::function_error(function, message)
}

fn of_text(
    function: &str,
    args: &[Value],
    change: impl Fn(&str) -> Result<String, &'static str>,
) -> Result<Value, ExecutionError> {
    match args {
        [Value::Null] => Ok(Value::Null),
        [Value::String(text)] => change(text).map(Value::from).map_err(|message| fail(function, message)),
        _ => Err(fail(function, "takes one text")),
    }
}

fn minor(args: &[Value]) -> Result<Value, ExecutionError> {
    let (amount, scale) = match args {
        [Value::Null, _] => return Ok(Value::Null),
        [Value::String(amount), Value::Int(scale)] => (amount.to_string(), *scale),
        [Value::Int(amount), Value::Int(scale)] => (amount.to_string(), *scale),
        _ => return Err(fail("minor", "takes a number and a scale")),
    };
    let scale = u8::try_from(scale)
        .ok()
        .filter(|s| *s <= 18)
        .ok_or_else(|| fail("minor", "takes a scale from 0 to 18"))?;
    let mut text = String::with_capacity(amount.len() + 2);
    number::canonical_numeric(&amount, 38, scale, &mut text)
        .map_err(|_| fail("minor", "the amount has more decimals than the scale, or is no number"))?;
    text.retain(|c| c != '.');
    text.parse().map(Value::Int).map_err(|_| fail("minor", "the amount leaves the range of 64 bits"))
}

pub(super) fn date(text: &str) -> Result<String, &'static str> {
    let mut out = String::with_capacity(32);
    let day = text.get(..10).filter(|_| text.len() == 10);
    let read = match day {
        Some(day) => time::canonical_date(day, &mut out),
        None => time::canonical_timestamptz(text, &mut out),
    };
    read.map_err(|_| "takes a date or timestamp")?;
    out.truncate(10);
    Ok(out)
}

fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
