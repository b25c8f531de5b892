//! One JSON record taken apart with every rule looked at: what `scan` leaves alone comes here. Number texts stay
//! texts. Strict where JSON parsers differ: duplicate keys and lone surrogates are refused. Knows no types.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::compact::compact;
use super::fields::{Fields, Value};
use super::scan::Names;
use crate::reject::{Rule, Violation};

fn unescape(quoted: &str) -> Result<Cow<'_, str>, Violation> {
    if memchr::memchr(b'\\', quoted.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(&quoted[1..quoted.len() - 1]));
    }
    serde_json::from_str(quoted).map(Cow::Owned).map_err(|error| invalid(&error))
}

fn invalid(error: &serde_json::Error) -> Violation {
    Violation::record(Rule::InvalidJson, describe(error))
}

/// serde_json's message without its "at line" tail: positions are told by the reject.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.clone(), |at| text[..at].to_owned())
}

/// Reads one record, which must be exactly one JSON object.
pub(crate) fn read_fields(record: &[u8], names: &Names, fields: &mut Fields) -> Result<(), Violation> {
    fields.clear(names.count());
    let text = std::str::from_utf8(record).map_err(|error| {
        Violation::record(Rule::NotUtf8, format!("byte {} is not UTF-8", error.valid_up_to()))
    })?;
    if !text.trim_start().starts_with('{') {
        return Err(Violation::record(Rule::NotAnObject, "a record must be a JSON object"));
    }
    let mut fault = None;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = RecordSeed { names, fields, fault: &mut fault };
    let read = seed.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (read, fault) {
        (_, Some(fault)) => Err(fault),
        (Ok(()), None) => Ok(()),
        (Err(error), None) => Err(invalid(&error)),
    }
}

/// A field name for a violation: the source may have made it as long as the record.
pub(crate) fn shortened(name: &str) -> String {
    const MAX_NAME_BYTES: usize = 128;
    name[..name.floor_char_boundary(MAX_NAME_BYTES)].to_owned()
}

struct RecordSeed<'s> {
    names: &'s Names,
    fields: &'s mut Fields,
    fault: &'s mut Option<Violation>,
}

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut extra_seen: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(name) = map.next_key_seed(KeySeed)? {
            let raw: &'de RawValue = map.next_value()?;
            let fault = match self.names.slot(&name) {
                Some(slot) => {
                    let value = value(raw, self.names.keeps_json(slot), self.fields);
                    value.map(|value| self.fields.set(slot, value)).map_err(|own| on(&name, own))
                }
                None => {
                    let span = self.fields.of_scratch(|scratch| scratch.push_str(&name));
                    self.fields.add_extra(span);
                    Ok(extra_seen.insert(name.clone()))
                }
            };
            let fault = match fault {
                Ok(true) => continue,
                Ok(false) => {
                    on(&name, Violation::record(Rule::DuplicateKey, "the key stands twice in the record"))
                }
                Err(fault) => fault,
            };
            // Rather the first fault than a later one.
            *self.fault = Some(fault);
            return Err(A::Error::custom("fault"));
        }
        Ok(())
    }
}

fn on(name: &str, violation: Violation) -> Violation {
    Violation { column: Some(shortened(name)), ..violation }
}

/// A value of a record that is valid JSON as a whole.
fn value(raw: &RawValue, keeps_json: bool, fields: &mut Fields) -> Result<Value, Violation> {
    let json = raw.get();
    Ok(match json.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b'{' | b'[') => Value::Nested(fields.of_scratch(|scratch| scratch.push_str(json))),
        _ if keeps_json => Value::Nested(fields.of_scratch(|scratch| scratch.push_str(json))),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'"') => {
            let text = unescape(json)?;
            Value::Text(fields.of_scratch(|scratch| scratch.push_str(&text)))
        }
        _ => Value::Number(fields.of_scratch(|scratch| scratch.push_str(json))),
    })
}

/// A key, borrowed where it has no escapes.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Appends nested JSON with insignificant white space removed and everything else untouched, after checking what
/// Redshift's JSON_PARSE would refuse or blur: duplicate keys, lone surrogates, NUL, nesting deeper than 128.
pub(crate) fn compact_nested(nested: &str, out: &mut String) -> Result<(), (Rule, String)> {
    if compact(nested, out).is_some() {
        return Ok(());
    }
    let mut fault = None;
    let mut deserializer = serde_json::Deserializer::from_str(nested);
    // Nothing may stand behind the value: in the hand-over it would be members of the row itself.
    let read = Strict(&mut fault).deserialize(&mut deserializer).and_then(|()| deserializer.end());
    if let Err(error) = read {
        return Err(fault.unwrap_or_else(|| (Rule::InvalidJson, describe(&error))));
    }
    let mut rest = nested;
    while let Some(at) = rest.find(|c: char| c == '"' || c.is_ascii_whitespace()) {
        out.push_str(&rest[..at]);
        if rest.as_bytes()[at] != b'"' {
            rest = &rest[at + 1..];
            continue;
        }
        let end = at + string_len(&rest.as_bytes()[at..]);
        out.push_str(&rest[at..end]);
        rest = &rest[end..];
    }
    out.push_str(rest);
    Ok(())
}

/// Length of the valid JSON string at the front, quotes included.
fn string_len(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(step) = memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
        at += step;
        match bytes[at] {
            b'"' => return at + 1,
            _ => at += 2,
        }
    }
    bytes.len()
}

/// Walks nested JSON and refuses what must not reach the warehouse.
struct Strict<'s>(&'s mut Option<(Rule, String)>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Strict<'_> {
    fn refuse<E: serde::de::Error>(self, rule: Rule, reason: &str) -> E {
        *self.0 = Some((rule, reason.to_owned()));
        E::custom(reason)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match memchr::memchr(0, text.as_bytes()) {
            None => Ok(()),
            Some(_) => Err(self.refuse(Rule::NulCharacter, "a nested text holds NUL")),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Strict(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen: HashSet<Cow<'de, str>> = HashSet::new();
        while let Some(key) = map.next_key_seed(KeySeed)? {
            if key.contains('\0') {
                return Err(self.refuse(Rule::NulCharacter, "a nested key holds NUL"));
            }
            if !seen.insert(key) {
                return Err(self.refuse(Rule::DuplicateKey, "a nested key stands twice in its object"));
            }
            map.next_value_seed(Strict(&mut *self.0))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fields::Scalar;
    use super::*;

    fn names() -> Names {
        Names::new(["a", "b", "c"].into_iter().enumerate().map(|(i, name)| (name.to_owned(), i, false)))
    }

    fn rule(record: &[u8]) -> Rule {
        read_fields(record, &names(), &mut Fields::default()).unwrap_err().rule
    }

    #[test]
    fn numbers_keep_their_text() {
        let mut fields = Fields::default();
        let record = r#" {"a": 9007199254740993.10, "x":1, "\u0062":"\u00e9"} "#;
        read_fields(record.as_bytes(), &names(), &mut fields).unwrap();
        assert_eq!(fields.scalar(0, record), Scalar::Number("9007199254740993.10"));
        assert_eq!(fields.scalar(1, record), Scalar::Text("é"));
        assert_eq!(fields.extra_names(record).collect::<Vec<_>>(), ["x"]);
    }

    #[test]
    fn hostile_records_are_named() {
        assert_eq!(rule(br#"{"a":1,"a":2}"#), Rule::DuplicateKey);
        assert_eq!(rule(br#"{"x":1,"\u0078":2}"#), Rule::DuplicateKey);
        assert_eq!(rule(b"[1]"), Rule::NotAnObject);
        assert_eq!(rule(b"{\"a\":\"\xff\"}"), Rule::NotUtf8);
        assert_eq!(rule(br#"{"a":1} x"#), Rule::InvalidJson);
        assert_eq!(rule(br#"{"a":1"#), Rule::InvalidJson);
        assert_eq!(rule(b"{\"a\":\"tab\there\"}"), Rule::InvalidJson);
    }

    #[test]
    fn nested_json_is_compacted_and_otherwise_untouched() {
        let mut out = String::new();
        compact_nested("{ \"k y\" : [ 1.0 , 2e5, \"a \\\" b\" ],\n\"z\":{} }", &mut out).unwrap();
        assert_eq!(out, r#"{"k y":[1.0,2e5,"a \" b"],"z":{}}"#);
    }

    #[test]
    fn nested_json_that_the_warehouse_would_blur_is_refused() {
        for (nested, rule) in [
            (r#"{"a":1,"a":1}"#.to_owned(), Rule::DuplicateKey),
            (r#"["\ud800"]"#.to_owned(), Rule::InvalidJson),
            (r#"["\u0000"]"#.to_owned(), Rule::NulCharacter),
            (r#"{"\u0000":1}"#.to_owned(), Rule::NulCharacter),
            ("[1e400]".to_owned(), Rule::InvalidJson),
            ("[".repeat(10_000) + &"]".repeat(10_000), Rule::InvalidJson),
        ] {
            assert_eq!(compact_nested(&nested, &mut String::new()).unwrap_err().0, rule);
        }
    }
}
