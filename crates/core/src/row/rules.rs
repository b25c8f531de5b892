//! A contract's value rules, compiled: patterns, allowed values, lengths and bounds, applied to canonical texts.
//! Types are `canon`'s; these are the rules beyond the type.

use std::cmp::Ordering;
use std::collections::HashSet;

use regex::Regex;

use super::canon;
use super::json::Scalar;
use crate::contract::{Column, ContractError, Inclusive, PhysicalType};
use crate::reject::{Rule, Violation};

/// Compiled rules of one column.
#[derive(Debug)]
pub(super) struct CompiledRules {
    patterns: Vec<Regex>,
    valid_values: Option<HashSet<String>>,
}

impl CompiledRules {
    pub fn compile(path: &str, column: &Column) -> Result<Self, ContractError> {
        let patterns = column
            .rules
            .patterns
            .iter()
            .map(|pattern| Regex::new(pattern))
            .collect::<Result<_, _>>()
            .map_err(|error| {
                ContractError::at(path, format!("pattern: {}", last_line(&error.to_string())))
            })?;
        let valid_values = column
            .rules
            .valid_values
            .as_ref()
            .map(|values| canonical_values(path, column, values))
            .transpose()?;
        Ok(Self { patterns, valid_values })
    }

    /// Checks a canonical text; all broken rules are told.
    pub fn check(&self, column: &Column, text: &str, broken: &mut Vec<Violation>) {
        let mut tell = |rule, reason: String| broken.push(Violation::column(rule, &column.name, reason));
        let rules = &column.rules;
        if rules.min_length.is_some() || rules.max_length.is_some() {
            let length = text.chars().count() as u64;
            if let Some(min) = rules.min_length.filter(|min| length < *min) {
                tell(Rule::TooShort, format!("has {length} characters, at least {min} are asked"));
            }
            if let Some(max) = rules.max_length.filter(|max| length > *max) {
                tell(Rule::TooLong, format!("has {length} characters, at most {max} are allowed"));
            }
        }
        if let Some(pattern) = self.patterns.iter().find(|pattern| !pattern.is_match(text)) {
            tell(Rule::Pattern, format!("does not match {pattern}"));
        }
        if self.valid_values.as_ref().is_some_and(|valid| !valid.contains(text)) {
            tell(Rule::ValidValues, "is not one of the allowed values".into());
        }
        if let Some((bound, inclusive)) = &rules.minimum
            && !allowed(bound.compare(text).map(Ordering::reverse), Ordering::Greater, *inclusive)
        {
            tell(Rule::Minimum, format!("is below {}", bound.as_str()));
        }
        if let Some((bound, inclusive)) = &rules.maximum
            && !allowed(bound.compare(text).map(Ordering::reverse), Ordering::Less, *inclusive)
        {
            tell(Rule::Maximum, format!("is above {}", bound.as_str()));
        }
    }
}

fn allowed(order: Option<Ordering>, side: Ordering, inclusive: Inclusive) -> bool {
    match order {
        Some(Ordering::Equal) => inclusive == Inclusive::Yes,
        order => order == Some(side),
    }
}

/// Allowed values are compared as canonical texts, so that 1 and 1.00 are the same amount.
fn canonical_values(
    path: &str,
    column: &Column,
    values: &[String],
) -> Result<HashSet<String>, ContractError> {
    let texts = matches!(column.ty, PhysicalType::Varchar(_) | PhysicalType::Char(_));
    values
        .iter()
        .map(|value| {
            let mut out = String::new();
            let scalar = Scalar::Text(value.as_str().into());
            let kind = if texts { "text" } else { "value" };
            let refuse =
                |reason: &str| ContractError::at(path, format!("allowed {kind} {value:?}: {reason}"));
            canon::write(column, &scalar, &mut out).map_err(|violation| refuse(&violation.reason))?;
            // An overflow of truncate or null would make it another text.
            match texts && out != *value && out != value.trim_end_matches(' ') {
                true => Err(refuse("is longer than its column")),
                false => Ok(out),
            }
        })
        .collect()
}

/// regex's errors draw the pattern over several lines; the last says why.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}
