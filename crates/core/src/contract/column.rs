//! One column of a dataset: source field, warehouse column, type, and the rules on its value.
//! Does not apply the rules; `row` does.

use super::custom::Custom;
use super::odcs::Property;
use super::quality::{self, Check, RowRule, Severity};
use super::rules::{Typed, ValueRules};
use super::types::{LogicalType, PhysicalType};
use super::{ContractError, Notes};
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
    /// No two rows may have the same value; held in flight among the rows that are seen together.
    pub unique: Option<Severity>,
    /// 1-based place in the primary key.
    pub key_position: Option<u32>,
    /// 1-based place among the partition columns.
    pub partition_position: Option<u32>,
    /// What it holds, for people.
    pub description: Option<String>,
    /// How its values are classified, in the contract's words.
    pub classification: Option<String>,
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

impl Column {
    /// Reads a column; its quality rules on whole records go to `row_rules`.
    pub(super) fn read(
        path: &str,
        property: &Property,
        row_rules: &mut Vec<RowRule>,
        notes: &mut Notes,
    ) -> Result<Self, ContractError> {
        let at = |reason: String| ContractError::at(path, reason);
        let ty = physical_type(path, property)?;
        let physical_name = property.physical_name.as_deref().unwrap_or(&property.name);
        let physical = Ident::new(physical_name).map_err(|error| at(error.to_string()))?;
        let overflow = overflow(path, property)?;
        let key_position = position(path, "primaryKey", property.primary_key, property.primary_key_position)?;
        if key_position.is_some() {
            usable_in_key(ty, overflow).map_err(at)?;
        }
        let partition_position =
            position(path, "partitioned", property.partitioned, property.partition_key_position)?;
        note_unheld(path, property, notes);
        let typed = Typed { ty, logical: property.logical_type };
        let mut rules = ValueRules::read(path, &property.logical_type_options, typed, notes)?;
        let of_quality = quality_rules(path, property, &mut rules, row_rules, notes)?;
        Ok(Self {
            name: property.name.clone(),
            physical,
            ty,
            logical: property.logical_type,
            required: property.required || key_position.is_some(),
            unique: of_quality.max(property.unique.then_some(Severity::Error)),
            key_position,
            partition_position,
            description: property.description.clone(),
            classification: property.classification.clone(),
            masked: property.classification.as_deref().is_some_and(is_masked),
            derived: property.transform_logic.clone(),
            derived_from: property.transform_source_objects.clone(),
            overflow,
            rules,
        })
    }
}

impl Column {
    /// Whether the column keeps any JSON value as it is, texts and numbers included.
    pub(crate) fn keeps_json(&self) -> bool {
        self.ty == PhysicalType::Super
    }
}

fn overflow(path: &str, property: &Property) -> Result<Overflow, ContractError> {
    let choices = [("reject", Overflow::Reject), ("truncate", Overflow::Truncate), ("null", Overflow::Null)];
    let mut custom = Custom::read(path, &property.custom_properties)?;
    let overflow = custom.choice("overflow", &choices)?.unwrap_or_default();
    custom.finish()?;
    Ok(overflow)
}

/// Adds a column's quality rules to where they are held; gives whether its values must be unique.
fn quality_rules(
    path: &str,
    property: &Property,
    rules: &mut ValueRules,
    row_rules: &mut Vec<RowRule>,
    notes: &mut Notes,
) -> Result<Option<Severity>, ContractError> {
    let mut unique = None;
    for (i, own) in property.quality.iter().enumerate() {
        let path = format!("{path}.quality[{i}]");
        match quality::read(&path, own, notes)? {
            None => {}
            Some((Check::Duplicates(others), severity)) if others.is_empty() => {
                unique = unique.max(Some(severity));
            }
            Some((Check::Duplicates(_), _)) => {
                let path = format!("{path}.arguments.properties");
                return Err(ContractError::at(
                    &path,
                    "belongs to a rule of the schema, not of a column".into(),
                ));
            }
            Some((Check::Row(cel), severity)) => row_rules.push(RowRule::new(&path, own, cel, severity)),
            Some((check, severity)) => rules.add(check, severity),
        }
    }
    Ok(unique)
}

/// What a column says and nobody holds it to.
fn note_unheld(path: &str, property: &Property, notes: &mut Notes) {
    if let Some(word) = property.classification.as_deref().filter(|word| !is_usual(word)) {
        let what = format!("classification {word:?} masks nothing: restricted and confidential do");
        notes.not_enforced(path, &what);
    }
    if !property.properties.is_empty() || property.items.is_some() {
        notes.not_in_flight(
            path,
            "members of objects and items of arrays are described, not checked one by one",
        );
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
