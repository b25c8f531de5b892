//! `penstock.*` custom properties: read by name and type at one place of the contract, where an unknown one is an
//! error, because a typo must not be silent. Other tools' properties are left alone.

use serde_json::Value;

use super::ContractError;
use super::odcs::CustomProperty;

const PREFIX: &str = "penstock.";

/// Refuses `penstock.*` properties where nobody reads any: in quality rules, members of objects and the like. The
/// places that are read are left to their readers.
pub(super) fn refuse_elsewhere(document: &Value) -> Result<(), ContractError> {
    let mut open: Vec<(String, &Value)> = vec![(String::new(), document)];
    while let Some((path, value)) = open.pop() {
        match value {
            Value::Array(items) => {
                open.extend(items.iter().enumerate().map(|(i, item)| (format!("{path}[{i}]"), item)));
            }
            Value::Object(members) => {
                let dot = if path.is_empty() { "" } else { "." };
                if let Some(own) = members.get("customProperties").filter(|_| !is_read(&path)) {
                    refuse_ours(&format!("{path}{dot}customProperties"), own)?;
                }
                open.extend(members.iter().map(|(name, member)| (format!("{path}{dot}{name}"), member)));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The document itself, `servers[i]`, `schema[i]` and `schema[i].properties[j]`.
fn is_read(path: &str) -> bool {
    let word = |c: char| c.is_ascii_digit() || matches!(c, '[' | ']');
    let places: String = path.chars().filter(|c| !word(*c)).collect();
    matches!(places.as_str(), "" | "servers" | "schema" | "schema.properties")
}

fn refuse_ours(path: &str, properties: &Value) -> Result<(), ContractError> {
    let names = properties.as_array().into_iter().flatten().filter_map(|own| own.get("property")?.as_str());
    match names.into_iter().find(|name| name.starts_with(PREFIX)) {
        None => Ok(()),
        Some(name) => {
            Err(ContractError::at(path, format!("{name} is not a property that Penstock knows here")))
        }
    }
}

/// The custom properties of one place, taken one by one; `finish` refuses what is left.
pub(super) struct Custom<'a> {
    path: String,
    left: Vec<(&'a str, &'a Value)>,
}

impl<'a> Custom<'a> {
    pub fn read(path: &str, properties: &'a [CustomProperty]) -> Result<Self, ContractError> {
        let path = format!("{path}{}customProperties", if path.is_empty() { "" } else { "." });
        let mut left: Vec<(&str, &Value)> = Vec::new();
        for own in properties {
            let Some(name) = own.property.strip_prefix(PREFIX) else { continue };
            if left.iter().any(|(seen, _)| *seen == name) {
                return Err(ContractError::at(&path, format!("{} is set twice", own.property)));
            }
            left.push((name, &own.value));
        }
        Ok(Self { path, left })
    }

    fn take<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ContractError> {
        let Some(at) = self.left.iter().position(|(own, _)| *own == name) else { return Ok(None) };
        let (_, value) = self.left.swap_remove(at);
        let found = read(value).ok_or_else(|| {
            ContractError::at(&self.path, format!("{PREFIX}{name} must be {expected}, not {value}"))
        })?;
        Ok(Some(found))
    }

    pub fn text(&mut self, name: &str) -> Result<Option<&'a str>, ContractError> {
        self.take(name, "a text", |value| value.as_str().filter(|text| !text.is_empty()))
    }

    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, ContractError> {
        self.take(name, "true or false", Value::as_bool)
    }

    pub fn number(
        &mut self,
        name: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, ContractError> {
        let expected = format!("a whole number from {} to {}", range.start(), range.end());
        self.take(name, &expected, |value| value.as_u64().filter(|n| range.contains(n)))
    }

    pub fn fraction(&mut self, name: &str) -> Result<Option<f64>, ContractError> {
        self.take(name, "a number from 0 to 1", |value| value.as_f64().filter(|n| (0.0..=1.0).contains(n)))
    }

    /// One text or a list of texts.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<&'a str>>, ContractError> {
        self.take(name, "a text or a list of texts", |value| match value {
            Value::String(one) => Some(vec![one.as_str()]),
            Value::Array(many) => many.iter().map(Value::as_str).collect(),
            _ => None,
        })
    }

    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, ContractError> {
        let expected = choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        self.take(name, &expected, |value| {
            let text = value.as_str()?;
            choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice)
        })
    }

    pub fn finish(self) -> Result<(), ContractError> {
        match self.left.first() {
            None => Ok(()),
            Some((name, _)) => Err(ContractError::at(
                &self.path,
                format!("{PREFIX}{name} is not a property that Penstock knows here"),
            )),
        }
    }
}
