//! SUPER: JSON that PostgreSQL's jsonb will take. Checks what jsonb refuses before a row is sent, because an error of
//! PostgreSQL's would have no file and no line.

use serde_json::value::RawValue;

use super::columns::{Value, escape};
use super::rows::Flaw;

/// Appends the value as JSON.
pub fn write(value: Value<'_>, out: &mut Vec<u8>) -> Result<(), Flaw> {
    match value {
        Value::Null => out.extend_from_slice(b"\\N"),
        Value::Boolean(flag) => out.extend_from_slice(if flag { b"true" } else { b"false" }),
        Value::Number(raw) | Value::Nested(raw) => json(raw, out)?,
        Value::Text(text) => {
            if text.contains('\0') {
                return Err(malformed());
            }
            let quoted = serde_json::to_string(text).map_err(|_| malformed())?;
            escape(&quoted, out);
        }
    }
    Ok(())
}

/// A delimited field for a SUPER column is JSON itself; an empty one is NULL.
pub fn parsed(text: &str) -> Result<Value<'_>, Flaw> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) => Ok(Value::Nested(raw.get())),
        Err(_) => Err(malformed()),
    }
}

fn json(raw: &str, out: &mut Vec<u8>) -> Result<(), Flaw> {
    if !has_text_only(raw) {
        return Err(malformed());
    }
    escape(raw, out);
    Ok(())
}

fn malformed() -> Flaw {
    Flaw::new(1224, "Input data is not well-formed JSON for the super data type".to_owned())
}

/// No escape stands for U+0000 or for half a character.
fn has_text_only(raw: &str) -> bool {
    let mut rest = raw;
    while let Some((_, escaped)) = rest.split_once('\\') {
        let Some(code) = unit(escaped) else {
            // One character behind the backslash; all that may stand there is ASCII.
            rest = escaped.get(1..).unwrap_or_default();
            continue;
        };
        rest = escaped.get(5..).unwrap_or_default();
        match code {
            0 | 0xDC00..=0xDFFF => return false,
            0xD800..=0xDBFF => {
                let low = rest.strip_prefix('\\').and_then(unit);
                if !low.is_some_and(|low| (0xDC00..=0xDFFF).contains(&low)) {
                    return false;
                }
                rest = rest.get(6..).unwrap_or_default();
            }
            _ => {}
        }
    }
    true
}

fn unit(escaped: &str) -> Option<u32> {
    u32::from_str_radix(escaped.strip_prefix('u')?.get(..4)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_that_postgres_refuses_are_found() {
        for bad in [r#""a\u0000""#, r#""\ud800""#, r#""\ud800\u0041""#, r#""\udc00""#] {
            assert!(!has_text_only(bad), "{bad}");
        }
        for good in [r#""\\u0000""#, r#""\ud83d\ude00""#, r#"{"a":"\"\n\u00e9"}"#] {
            assert!(has_text_only(good), "{good}");
        }
    }
}
