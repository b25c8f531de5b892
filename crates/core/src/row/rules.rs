//! A contract's value rules, compiled: patterns, allowed values, lengths and bounds, applied to canonical texts.
//! Types are `canon`'s; these are the rules beyond the type.

use std::cmp::Ordering;
use std::collections::HashSet;

use regex::Regex;

use super::canon;
use super::fields::Scalar;
use crate::contract::{Column, ContractError, Inclusive, PhysicalType, ValueRules};
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
        if let Some(multiple) = rules.multiple_of.as_ref().filter(|multiple| !multiple.divides(text)) {
            tell(Rule::MultipleOf, format!("is no whole multiple of {}", multiple.as_str()));
        }
        if let Some(format) = rules.format.filter(|format| !format.takes(text)) {
            tell(Rule::Format, format!("is no {}", format.name()));
        }
        if rules.min_items.is_some() || rules.max_items.is_some() {
            items(rules, text, &mut tell);
        }
    }
}

/// Rules on the number of an array's items; what is no array is the type's business.
fn items(rules: &ValueRules, json: &str, tell: &mut dyn FnMut(Rule, String)) {
    let Some(count) = item_count(json) else { return };
    if let Some(min) = rules.min_items.filter(|min| count < *min) {
        tell(Rule::TooFewItems, format!("has {count} items, at least {min} are asked"));
    }
    if let Some(max) = rules.max_items.filter(|max| count > *max) {
        tell(Rule::TooManyItems, format!("has {count} items, at most {max} are allowed"));
    }
}

/// Items of a compact JSON array; `None` if it is none.
fn item_count(json: &str) -> Option<u64> {
    let inner = json.strip_prefix('[')?;
    if inner == "]" {
        return Some(0);
    }
    let (mut count, mut depth, mut in_text, mut escaped) = (1, 0_u64, false, false);
    for byte in inner.bytes() {
        match (in_text, byte) {
            _ if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_text = !in_text,
            (true, _) => {}
            (false, b'[' | b'{') => depth += 1,
            (false, b']' | b'}') => depth = depth.saturating_sub(1),
            (false, b',') if depth == 0 => count += 1,
            (false, _) => {}
        }
    }
    Some(count)
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
            let scalar = Scalar::Text(value.as_str());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_of_an_array_are_counted_at_its_own_level() {
        for (json, count) in [
            ("[]", Some(0)),
            ("[1]", Some(1)),
            (r#"["a,b","\",",{"x":[1,2]},[3,4],null]"#, Some(5)),
            (r#"["\\","]"]"#, Some(2)),
            (r#"{"a":[1,2]}"#, None),
        ] {
            assert_eq!(item_count(json), count, "{json}");
        }
    }
}
