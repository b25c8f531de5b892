//! One column of a dataset: source field, warehouse column, type, and the rules on its value.
//! Does not apply the rules; `row` does.

use std::cmp::Ordering;

use serde_json::Value;

use super::custom::Custom;
use super::odcs::{Property, Quality};
use super::types::{LogicalType, PhysicalType};
use super::{ContractError, Notes};
use crate::row::number::{Decimal, Multiple};
use crate::row::text_format::TextFormat;
use crate::sql::Ident;

/// What happens to a text that is longer than its column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Overflow {
    /// The record is rejected.
    #[default]
    Reject,
    /// The text is cut at a character boundary.
    Truncate,
    /// The value becomes NULL.
    Null,
}

/// A column of the target table, in contract order.
#[derive(Debug, Clone)]
pub struct Column {
    /// Field in the source record; a derived column has none there.
    pub name: String,
    /// Column in the warehouse.
    pub physical: Ident,
    /// Type in the warehouse.
    pub ty: PhysicalType,
    /// Type in the standard, where the contract names one.
    pub logical: Option<LogicalType>,
    /// NULL or a missing field rejects the record.
    pub required: bool,
    /// 1-based place in the primary key.
    pub key_position: Option<u32>,
    /// 1-based place among the partition columns.
    pub partition_position: Option<u32>,
    /// Classified `restricted` or `confidential`: masked wherever it would be shown.
    pub masked: bool,
    /// CEL over source columns, for a derived column.
    pub derived: Option<String>,
    /// Source fields that the CEL uses, as declared.
    pub derived_from: Vec<String>,
    /// For texts over the limit.
    pub overflow: Overflow,
    /// Rules on the value beyond its type.
    pub rules: ValueRules,
}

/// Rules on one value, as declared; patterns are compiled when the dataset is first used.
#[derive(Debug, Clone, Default)]
pub struct ValueRules {
    /// Fewest characters.
    pub min_length: Option<u64>,
    /// Most characters (bytes are limited by the type).
    pub max_length: Option<u64>,
    /// Patterns that must all match.
    pub patterns: Vec<String>,
    /// Values allowed, if any are named.
    pub valid_values: Option<Vec<String>>,
    /// Lower bound and whether the bound itself is allowed.
    pub minimum: Option<(Decimal, Inclusive)>,
    /// Upper bound and whether the bound itself is allowed.
    pub maximum: Option<(Decimal, Inclusive)>,
    /// What a number must be a whole multiple of.
    pub multiple_of: Option<Multiple>,
    /// The form of a text.
    pub format: Option<TextFormat>,
    /// Fewest items of an array.
    pub min_items: Option<u64>,
    /// Most items of an array.
    pub max_items: Option<u64>,
}

/// Whether a bound itself is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusive {
    /// The bound is a valid value.
    Yes,
    /// Only values beyond the bound are valid.
    No,
}

impl Column {
    pub(super) fn read(path: &str, property: &Property, notes: &mut Notes) -> Result<Self, ContractError> {
        let at = |reason: String| ContractError::at(path, reason);
        let ty = physical_type(path, property)?;
        let physical_name = property.physical_name.as_deref().unwrap_or(&property.name);
        let physical = Ident::new(physical_name).map_err(|error| at(error.to_string()))?;
        let mut custom = Custom::read(path, &property.custom_properties)?;
        let overflow = custom
            .choice(
                "overflow",
                &[("reject", Overflow::Reject), ("truncate", Overflow::Truncate), ("null", Overflow::Null)],
            )?
            .unwrap_or_default();
        custom.finish()?;
        let key_position = position(path, "primaryKey", property.primary_key, property.primary_key_position)?;
        if key_position.is_some() {
            usable_in_key(ty, overflow).map_err(at)?;
        }
        let partition_position =
            position(path, "partitioned", property.partitioned, property.partition_key_position)?;
        if property.unique && key_position.is_none() {
            notes.not_enforced(path, "unique is not checked in flight");
        }
        if let Some(word) = property.classification.as_deref().filter(|word| !is_usual(word)) {
            notes.not_enforced(
                path,
                &format!("classification {word:?} masks nothing: restricted and confidential do"),
            );
        }
        if !property.properties.is_empty() || property.items.is_some() {
            notes.not_enforced(path, "members of objects and arrays are described, not checked in flight");
        }
        Ok(Self {
            name: property.name.clone(),
            physical,
            ty,
            logical: property.logical_type,
            required: property.required || key_position.is_some(),
            key_position,
            partition_position,
            masked: property.classification.as_deref().is_some_and(is_masked),
            derived: property.transform_logic.clone(),
            derived_from: property.transform_source_objects.clone(),
            overflow,
            rules: ValueRules::read(path, property, ty, notes)?,
        })
    }
}

impl Column {
    /// Whether the column keeps any JSON value as it is, texts and numbers included.
    pub(crate) fn keeps_json(&self) -> bool {
        self.ty == PhysicalType::Super
    }
}

/// A key must have one exact text a value, and two values must never become one.
fn usable_in_key(ty: PhysicalType, overflow: Overflow) -> Result<(), String> {
    match (ty, overflow) {
        (PhysicalType::Real | PhysicalType::Double | PhysicalType::Super, _) => {
            Err(format!("a {ty} column cannot be part of the primary key: it has no exact text"))
        }
        (_, Overflow::Truncate | Overflow::Null) => {
            Err("penstock.overflow of a primary key column must be reject: cutting would make two keys one"
                .into())
        }
        _ => Ok(()),
    }
}

/// The standard leaves the words free: another case must not lay a column open.
fn is_masked(classification: &str) -> bool {
    let word = classification.trim();
    ["restricted", "confidential"].iter().any(|masked| word.eq_ignore_ascii_case(masked))
}

/// The words that are usual beside those that mask; another one may be a misspelt one of them.
fn is_usual(classification: &str) -> bool {
    let word = classification.trim();
    is_masked(word) || ["public", "internal"].iter().any(|usual| word.eq_ignore_ascii_case(usual))
}

fn physical_type(path: &str, property: &Property) -> Result<PhysicalType, ContractError> {
    let at = |reason: String| ContractError::at(path, reason);
    let ty = match (&property.physical_type, property.logical_type) {
        (Some(text), _) => text.parse::<PhysicalType>().map_err(|error| at(error.to_string()))?,
        (None, Some(logical)) => logical
            .default_physical()
            .ok_or_else(|| at("a number needs a physicalType, e.g. numeric(18,2)".into()))?,
        (None, None) => return Err(at("needs a logicalType or a physicalType".into())),
    };
    match property.logical_type {
        Some(logical) if !logical.fits(ty) => {
            Err(at(format!("logicalType {logical:?} does not fit physicalType {ty}").to_lowercase()))
        }
        _ => Ok(ty),
    }
}

/// The standard's pair of a flag and a 1-based position (-1 means none).
fn position(path: &str, name: &str, flag: bool, at: Option<i64>) -> Result<Option<u32>, ContractError> {
    match (flag, at) {
        (false, _) => Ok(None),
        (true, None | Some(-1)) => Ok(Some(u32::MAX)),
        (true, Some(n)) => {
            u32::try_from(n).ok().filter(|n| (1..u32::MAX).contains(n)).map(Some).ok_or_else(|| {
                ContractError::at(path, format!("the position of {name} starts from 1, not {n}"))
            })
        }
    }
}

impl ValueRules {
    fn read(
        path: &str,
        property: &Property,
        ty: PhysicalType,
        notes: &mut Notes,
    ) -> Result<Self, ContractError> {
        let mut rules = Self::default();
        for (name, value) in &property.logical_type_options {
            rules.option(path, name, value, ty, notes)?;
        }
        for (i, quality) in property.quality.iter().enumerate() {
            rules.quality(&format!("{path}.quality[{i}]"), quality, notes)?;
        }
        Ok(rules)
    }

    fn option(
        &mut self,
        path: &str,
        name: &str,
        value: &Value,
        ty: PhysicalType,
        notes: &mut Notes,
    ) -> Result<(), ContractError> {
        let path = format!("{path}.logicalTypeOptions.{name}");
        let bound = |inclusive| decimal(&path, value).map(|own| (own, inclusive));
        match name {
            "minLength" => self.min_length = Some(whole(&path, value)?),
            "maxLength" => self.max_length = Some(whole(&path, value)?),
            "pattern" => self.patterns.push(text(&path, value)?.to_owned()),
            "minimum" if ty.is_number() => {
                tighten(&mut self.minimum, bound(Inclusive::Yes)?, Ordering::Greater)
            }
            "exclusiveMinimum" if ty.is_number() => {
                tighten(&mut self.minimum, bound(Inclusive::No)?, Ordering::Greater)
            }
            "maximum" if ty.is_number() => tighten(&mut self.maximum, bound(Inclusive::Yes)?, Ordering::Less),
            "exclusiveMaximum" if ty.is_number() => {
                tighten(&mut self.maximum, bound(Inclusive::No)?, Ordering::Less)
            }
            "multipleOf" if ty.is_number() => self.multiple_of = Some(multiple(&path, value)?),
            "minItems" if ty == PhysicalType::Super => self.min_items = Some(whole(&path, value)?),
            "maxItems" if ty == PhysicalType::Super => self.max_items = Some(whole(&path, value)?),
            "format" if matches!(ty, PhysicalType::Varchar(_) | PhysicalType::Char(_)) => {
                self.format = TextFormat::of(text(&path, value)?);
                if self.format.is_none() {
                    notes.not_enforced(&path, "is not checked: only uuid, email, uri, ipv4 and ipv6 are");
                }
            }
            _ => notes.not_built(&path, "is not checked yet"),
        }
        Ok(())
    }

    /// `metric: invalidValues` with `mustBe: 0` names what each value must be; other rules are noted.
    fn quality(&mut self, path: &str, rule: &Quality, notes: &mut Notes) -> Result<(), ContractError> {
        let library = rule.kind.as_deref().is_none_or(|kind| kind == "library");
        let none_allowed = rule.must_be.as_ref().and_then(Value::as_f64) == Some(0.0);
        let error = rule.severity.as_deref().is_none_or(|severity| severity == "error");
        if !(library && none_allowed && error && rule.metric.as_deref() == Some("invalidValues")) {
            notes.not_built(path, "is not checked yet");
            return Ok(());
        }
        for (name, value) in &rule.arguments {
            let path = format!("{path}.arguments.{name}");
            match (name.as_str(), value) {
                ("validValues", Value::Array(values)) => {
                    let own =
                        values.iter().map(scalar_text).collect::<Option<Vec<_>>>().ok_or_else(|| {
                            ContractError::at(&path, "must be a list of texts, numbers or booleans".into())
                        })?;
                    self.valid_values = Some(own);
                }
                ("pattern", value) => self.patterns.push(text(&path, value)?.to_owned()),
                _ => notes.not_built(&path, "is not checked yet"),
            }
        }
        Ok(())
    }
}

/// Of an inclusive and an exclusive bound the one that allows less is kept.
fn tighten(kept: &mut Option<(Decimal, Inclusive)>, new: (Decimal, Inclusive), side: Ordering) {
    let is_tighter =
        kept.as_ref().is_none_or(|(old, _)| match old.compare(new.0.as_str()).map(Ordering::reverse) {
            Some(Ordering::Equal) => new.1 == Inclusive::No,
            order => order == Some(side),
        });
    if is_tighter {
        *kept = Some(new);
    }
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn text<'a>(path: &str, value: &'a Value) -> Result<&'a str, ContractError> {
    value.as_str().ok_or_else(|| ContractError::at(path, "must be a text".into()))
}

fn whole(path: &str, value: &Value) -> Result<u64, ContractError> {
    value.as_u64().ok_or_else(|| ContractError::at(path, "must be a whole number".into()))
}

fn multiple(path: &str, value: &Value) -> Result<Multiple, ContractError> {
    let number = decimal(path, value)?;
    Multiple::parse(number.as_str())
        .ok_or_else(|| ContractError::at(path, "must be a number above 0 of at most 36 digits".into()))
}

fn decimal(path: &str, value: &Value) -> Result<Decimal, ContractError> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Decimal::parse(&text).ok_or_else(|| ContractError::at(path, "must be a number".into()))
}
