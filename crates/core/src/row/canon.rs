//! One value into the canonical text of its column's type: the text that is hashed, sent, bound and compared.
//! The same value always gives the same text; a value that the column cannot hold exactly is refused.
//!
//! | type | canonical text |
//! |---|---|
//! | smallint, integer, bigint | decimal digits, `-` where negative, no leading zeros |
//! | numeric(p,s) | exactly s decimals, no leading zeros, no `-0` |
//! | real, double precision | the shortest text that reads back as the same number |
//! | boolean | `true`, `false` |
//! | varchar(n) | as it is; n counts bytes |
//! | char(n) | trailing blanks removed (Redshift ignores them), single-byte characters |
//! | date, time | `YYYY-MM-DD`, `HH:MM:SS.ffffff` |
//! | timestamp, timestamptz | `YYYY-MM-DD HH:MM:SS.ffffff`, in UTC with `+00` |
//! | super | the JSON text without insignificant white space |
//! | varbyte(n) | lower-case hex |

use std::fmt::Debug;
use std::str::FromStr;

use super::fields::Scalar;
use super::number::{Decimal, NumberFault, canonical_numeric};
use super::strict::compact_nested;
use super::time::{self, TimeFault};
use crate::contract::{Column, LogicalType, Overflow, PhysicalType};
use crate::reject::{Rule, Violation};

/// Whether a value or NULL was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Value,
    Null,
    /// A value that was too long and lost its end.
    Cut,
    /// A value that was too long and became NULL.
    Emptied,
}

type Fault = (Rule, String);

/// Whose text a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// The source's: times are written in the format that the contract names.
    Source,
    /// Ours, of a row that was stamped before.
    Canonical,
}

/// Appends the canonical text of `value` to `out`; on a violation `out` is as before.
pub(crate) fn write(
    column: &Column,
    value: &Scalar<'_>,
    spelling: Spelling,
    out: &mut String,
) -> Result<Written, Violation> {
    match value {
        Scalar::Null => return Ok(Written::Null),
        Scalar::Canonical(text) => {
            out.push_str(text);
            return Ok(Written::Value);
        }
        _ => {}
    }
    let start = out.len();
    write_value(column, value, spelling, out).map_err(|(rule, reason)| {
        out.truncate(start);
        Violation::column(rule, &column.name, reason)
    })
}

fn write_value(
    column: &Column,
    value: &Scalar<'_>,
    spelling: Spelling,
    out: &mut String,
) -> Result<Written, Fault> {
    use PhysicalType as P;
    match column.ty {
        P::SmallInt => integer(value, i16::MIN.into(), i16::MAX.into(), out)?,
        P::Integer => integer(value, i32::MIN.into(), i32::MAX.into(), out)?,
        P::BigInt => integer(value, i64::MIN, i64::MAX, out)?,
        P::Numeric { precision, scale } => {
            canonical_numeric(number(value)?, precision, scale, out)
                .map_err(|fault| number_fault(fault, column.ty))?;
        }
        P::Real => float::<f32>(value, out)?,
        P::Double => float::<f64>(value, out)?,
        P::Boolean => out.push_str(boolean(value)?),
        P::Varchar(max_bytes) => return characters(column, text(value)?, max_bytes, out),
        P::Char(max_bytes) => return fixed_characters(column, text(value)?, max_bytes, out),
        P::Date | P::Time | P::Timestamp | P::TimestampTz
            if column.rules.time_format.is_some() && spelling == Spelling::Source =>
        {
            formatted(column, value, out)?;
        }
        P::Date => timed(value, time::canonical_date, Rule::InvalidDate, "YYYY-MM-DD", out)?,
        P::Time => timed(value, time::canonical_time, Rule::InvalidTime, "HH:MM:SS", out)?,
        P::Timestamp => {
            timed(
                value,
                time::canonical_timestamp,
                Rule::InvalidTimestamp,
                "YYYY-MM-DDTHH:MM:SS without an offset",
                out,
            )?;
        }
        P::TimestampTz => {
            timed(
                value,
                time::canonical_timestamptz,
                Rule::InvalidTimestamp,
                "YYYY-MM-DDTHH:MM:SS with an offset or in UTC",
                out,
            )?;
        }
        P::Super => nested(column, value, out)?,
        P::Varbyte(max_bytes) => hex(text(value)?, max_bytes, out)?,
    }
    Ok(Written::Value)
}

fn wrong(expected: &str, value: &Scalar<'_>) -> Fault {
    (Rule::WrongType, format!("expected {expected}, found {}", value.kind()))
}

/// A number, or a text that holds one: many sources quote amounts to keep their digits.
fn number<'v>(value: &Scalar<'v>) -> Result<&'v str, Fault> {
    match value {
        Scalar::Number(text) => Ok(text),
        Scalar::Text(text) => Ok(text),
        other => Err(wrong("a number", other)),
    }
}

fn number_fault(fault: NumberFault, ty: PhysicalType) -> Fault {
    match fault {
        NumberFault::NotANumber => (Rule::NotANumber, "the text is not a decimal number".into()),
        NumberFault::TooLarge | NumberFault::TooManyDecimals => {
            (Rule::TooManyDigits, format!("has more digits than {ty} holds"))
        }
    }
}

fn integer(value: &Scalar<'_>, min: i64, max: i64, out: &mut String) -> Result<(), Fault> {
    let start = out.len();
    if let Scalar::Number(text) | Scalar::Text(text) = value
        && is_plain_integer(text)
        && let Ok(parsed) = text.parse::<i64>()
        && (min..=max).contains(&parsed)
    {
        out.push_str(text);
        return Ok(());
    }
    let range = || (Rule::OutOfRange, format!("must be from {min} to {max}"));
    canonical_numeric(number(value)?, 38, 0, out).map_err(|fault| match fault {
        NumberFault::NotANumber => (Rule::NotANumber, "the text is not a decimal number".to_owned()),
        NumberFault::TooManyDecimals => (Rule::TooManyDigits, "has a fraction".to_owned()),
        NumberFault::TooLarge => range(),
    })?;
    let parsed: i64 = out[start..].parse().map_err(|_| range())?;
    if (min..=max).contains(&parsed) { Ok(()) } else { Err(range()) }
}

/// Digits that are their own canonical text.
fn is_plain_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let leads = digits.first().is_some_and(|first| (b'1'..=b'9').contains(first));
    (leads || text == "0") && digits.iter().all(u8::is_ascii_digit)
}

/// A text too large for the type parses as infinite.
fn float<F: FromStr + Into<f64> + Debug + Copy>(value: &Scalar<'_>, out: &mut String) -> Result<(), Fault> {
    let text = number(value)?;
    // The grammar is that of decimals: Rust alone would also take "inf" and "nan".
    let parsed = Decimal::parse(text).and_then(|_| text.parse::<F>().ok());
    let parsed = parsed.ok_or_else(|| (Rule::NotANumber, "the text is not a decimal number".to_owned()))?;
    let wide: f64 = parsed.into();
    if !wide.is_finite() {
        return Err((Rule::OutOfRange, "is beyond what the type holds".into()));
    }
    match wide == 0.0 {
        // -0.0 and 0.0 are equal in the warehouse.
        true => out.push_str("0.0"),
        false => out.push_str(&format!("{parsed:?}")),
    }
    Ok(())
}

fn boolean(value: &Scalar<'_>) -> Result<&'static str, Fault> {
    match value {
        Scalar::Bool(true) => Ok("true"),
        Scalar::Bool(false) => Ok("false"),
        Scalar::Text(text) if is_one_of(text, &["true", "t", "yes", "y", "1"]) => Ok("true"),
        Scalar::Text(text) if is_one_of(text, &["false", "f", "no", "n", "0"]) => Ok("false"),
        other => Err(wrong("true or false", other)),
    }
}

/// The words that Redshift takes, in any case; files of texts have them all.
fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn text<'v>(value: &Scalar<'v>) -> Result<&'v str, Fault> {
    match value {
        Scalar::Text(text) if memchr::memchr(0, text.as_bytes()).is_some() => {
            Err((Rule::NulCharacter, "holds NUL, which Redshift refuses".into()))
        }
        Scalar::Text(text) => Ok(text),
        other => Err(wrong("a text", other)),
    }
}

fn characters(column: &Column, text: &str, max_bytes: u32, out: &mut String) -> Result<Written, Fault> {
    let max = max_bytes as usize;
    if text.len() <= max {
        out.push_str(text);
        return Ok(Written::Value);
    }
    match column.overflow {
        Overflow::Reject => {
            Err((Rule::TooLong, format!("has {} bytes, {} holds {max_bytes}", text.len(), column.ty)))
        }
        Overflow::Null => Ok(Written::Emptied),
        Overflow::Truncate => {
            out.push_str(&text[..text.floor_char_boundary(max)]);
            Ok(Written::Cut)
        }
    }
}

fn fixed_characters(column: &Column, text: &str, max_bytes: u32, out: &mut String) -> Result<Written, Fault> {
    if !text.is_ascii() {
        return Err((Rule::NotAscii, format!("{} takes single-byte characters only", column.ty)));
    }
    let start = out.len();
    let written = characters(column, text.trim_end_matches(' '), max_bytes, out)?;
    // What was cut may end in blanks again.
    let kept = out[start..].trim_end_matches(' ').len();
    out.truncate(start + kept);
    Ok(written)
}

/// A date or time in the format that the contract names.
fn formatted(column: &Column, value: &Scalar<'_>, out: &mut String) -> Result<(), Fault> {
    let Some(format) = &column.rules.time_format else { return Ok(()) };
    let (text, is_number) = match value {
        Scalar::Text(text) => (*text, false),
        Scalar::Number(text) => (*text, true),
        other => return Err(wrong("a text or a number", other)),
    };
    let rule = match column.ty {
        PhysicalType::Date => Rule::InvalidDate,
        PhysicalType::Time => Rule::InvalidTime,
        _ => Rule::InvalidTimestamp,
    };
    format.canonical(text, is_number, out).map_err(|fault| match fault {
        TimeFault::Invalid => (rule, format!("expected {}, and a day and hour that exist", format.name())),
        TimeFault::TooManyDigits => (Rule::TooManyDigits, "has digits beyond the microsecond".into()),
    })
}

fn timed(
    value: &Scalar<'_>,
    canonical: impl Fn(&str, &mut String) -> Result<(), TimeFault>,
    rule: Rule,
    form: &str,
    out: &mut String,
) -> Result<(), Fault> {
    let Scalar::Text(text) = value else { return Err(wrong("a text", value)) };
    canonical(text, out).map_err(|fault| match fault {
        TimeFault::Invalid => (rule, format!("expected {form}, and a day and hour that exist")),
        TimeFault::TooManyDigits => (Rule::TooManyDigits, "has digits beyond the microsecond".into()),
    })
}

/// Any JSON value, unless the contract says object or array.
fn nested(column: &Column, value: &Scalar<'_>, out: &mut String) -> Result<(), Fault> {
    let Scalar::Nested(json) = value else { return Err(wrong("JSON", value)) };
    match (column.logical, json.as_bytes().first()) {
        (Some(LogicalType::Object), first) if first != Some(&b'{') => {
            Err((Rule::WrongType, "expected an object".into()))
        }
        (Some(LogicalType::Array), first) if first != Some(&b'[') => {
            Err((Rule::WrongType, "expected an array".into()))
        }
        _ => compact_nested(json, out),
    }
}

fn hex(text: &str, max_bytes: u32, out: &mut String) -> Result<(), Fault> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err((Rule::WrongType, "expected bytes as hex digits".into()));
    }
    if text.len() / 2 > max_bytes as usize {
        return Err((Rule::TooLong, format!("has {} bytes, varbyte holds {max_bytes}", text.len() / 2)));
    }
    out.push_str(&text.to_ascii_lowercase());
    Ok(())
}
