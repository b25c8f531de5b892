//! A contract's value rules, compiled: patterns, allowed values, lengths and bounds, applied to canonical texts.
//! Types are `canon`'s; these are the rules beyond the type.

mod nested;
mod pattern;
mod values;

use std::cmp::Ordering;

use super::number::canonical_numeric;
use crate::contract::{Bound, Column, ContractError, Inclusive, PhysicalType, Severity, ValueRules};
use crate::reject::{Rule, Violation};
use pattern::Pattern;
use values::Values;

/// Compiled rules of one column.
#[derive(Debug)]
pub(super) struct CompiledRules {
    /// Most columns have no rules beyond their type.
    has_rules: bool,
    /// Whether there are others than lengths, patterns and allowed values.
    has_others: bool,
    patterns: Vec<(Pattern, Severity)>,
    valid_values: Vec<(Values, Severity)>,
    missing_values: Vec<(Values, Severity)>,
    minimum: Option<Limit>,
    maximum: Option<Limit>,
}

/// A bound, for numbers of a fixed scale also as a whole number of their last digit.
#[derive(Debug)]
struct Limit {
    bound: Bound,
    inclusive: Inclusive,
    scaled: Option<i128>,
}

/// Who is told of a broken rule.
type Tell<'a> = dyn FnMut(Severity, Violation) + 'a;

impl CompiledRules {
    pub fn compile(path: &str, column: &Column) -> Result<Self, ContractError> {
        let rules = &column.rules;
        let patterns = rules
            .patterns
            .iter()
            .map(|(source, severity)| Ok((Pattern::compile(source)?, *severity)))
            .collect::<Result<_, regex::Error>>()
            .map_err(|error| {
                ContractError::at(path, format!("pattern: {}", last_line(&error.to_string())))
            })?;
        let valid_values = rules
            .valid_values
            .iter()
            .map(|(texts, severity)| Ok((Values::allowed(path, column, texts)?, *severity)))
            .collect::<Result<_, ContractError>>()?;
        let missing =
            rules.missing_values.iter().map(|own| (Values::missing(column, &own.texts), own.severity));
        Ok(Self {
            has_rules: rules.has_any(),
            has_others: !rules.missing_values.is_empty()
                || rules.minimum.is_some()
                || rules.maximum.is_some()
                || rules.multiple_of.is_some()
                || rules.format.is_some()
                || column.ty == PhysicalType::Super,
            patterns,
            valid_values,
            missing_values: missing.collect(),
            minimum: rules.minimum.as_ref().map(|own| Limit::new(own, column.ty)),
            maximum: rules.maximum.as_ref().map(|own| Limit::new(own, column.ty)),
        })
    }

    /// Whether there is any rule.
    pub fn has_rules(&self) -> bool {
        self.has_rules
    }

    /// Whether a text surely breaks nothing: the usual rules, without saying what is broken.
    #[inline]
    fn surely_hold(&self, rules: &ValueRules, text: &str) -> bool {
        let bytes = text.len() as u64;
        // A character has one to four bytes.
        !self.has_others
            && rules.min_length.is_none_or(|min| bytes >= min.saturating_mul(4) || (min == 1 && bytes > 0))
            && rules.max_length.is_none_or(|max| bytes <= max)
            && self.valid_values.iter().all(|(values, _)| values.hold(text))
            && self.patterns.iter().all(|(pattern, _)| pattern.is_match(text))
    }

    /// Checks a canonical text; all broken rules are told.
    pub fn check(&self, column: &Column, text: &str, broken: &mut Tell<'_>) {
        let rules = &column.rules;
        if !self.has_rules || self.surely_hold(rules, text) {
            return;
        }
        let mut tell = |severity, rule, reason: String| {
            broken(severity, Violation::column(rule, &column.name, reason));
        };
        length(rules, text, &mut |rule, reason| tell(Severity::Error, rule, reason));
        for (pattern, severity) in self.patterns.iter().filter(|(pattern, _)| !pattern.is_match(text)) {
            tell(*severity, Rule::Pattern, format!("does not match {}", pattern.as_str()));
        }
        for (_, severity) in self.valid_values.iter().filter(|(values, _)| !values.hold(text)) {
            tell(*severity, Rule::ValidValues, "is not one of the allowed values".into());
        }
        for (_, severity) in self.missing_values.iter().filter(|(values, _)| values.hold(text)) {
            tell(*severity, Rule::MissingValues, "is a value that stands for a missing one".into());
        }
        if let Some(limit) = self.minimum.as_ref().filter(|limit| !limit.allows(text, Ordering::Greater)) {
            tell(Severity::Error, Rule::Minimum, limit.reason("below"));
        }
        if let Some(limit) = self.maximum.as_ref().filter(|limit| !limit.allows(text, Ordering::Less)) {
            tell(Severity::Error, Rule::Maximum, limit.reason("above"));
        }
        if let Some(multiple) = rules.multiple_of.as_ref().filter(|multiple| !multiple.divides(text)) {
            let reason = format!("is no whole multiple of {}", multiple.as_str());
            tell(Severity::Error, Rule::MultipleOf, reason);
        }
        if let Some(format) = rules.format.filter(|format| !format.takes(text)) {
            tell(Severity::Error, Rule::Format, format!("is no {}", format.name()));
        }
        if column.ty == PhysicalType::Super {
            nested::check(rules, text, &mut |rule, reason| tell(Severity::Error, rule, reason));
        }
    }

    /// Checks NULL. Whether a column is required is not asked here.
    pub fn check_null(&self, column: &Column, broken: &mut Tell<'_>) {
        if !self.has_rules {
            return;
        }
        let mut tell = |severity, rule, reason: &str| {
            broken(severity, Violation::column(rule, &column.name, reason));
        };
        if let Some(severity) = column.rules.null_values {
            tell(severity, Rule::NullValues, "is missing or null");
        }
        for own in column.rules.missing_values.iter().filter(|own| own.null) {
            tell(own.severity, Rule::MissingValues, "is missing or null");
        }
    }
}

/// A character has one to four bytes: most texts need no counting.
fn length(rules: &ValueRules, text: &str, tell: &mut dyn FnMut(Rule, String)) {
    let bytes = text.len() as u64;
    let may_be_short = rules.min_length.is_some_and(|min| bytes < min.saturating_mul(4));
    let may_be_long = rules.max_length.is_some_and(|max| bytes > max);
    if !(may_be_short || may_be_long) {
        return;
    }
    let length = text.chars().count() as u64;
    if let Some(min) = rules.min_length.filter(|min| length < *min) {
        tell(Rule::TooShort, format!("has {length} characters, at least {min} are asked"));
    }
    if let Some(max) = rules.max_length.filter(|max| length > *max) {
        tell(Rule::TooLong, format!("has {length} characters, at most {max} are allowed"));
    }
}

impl Limit {
    fn new((bound, inclusive): &(Bound, Inclusive), ty: PhysicalType) -> Self {
        let scale = match ty {
            PhysicalType::SmallInt | PhysicalType::Integer | PhysicalType::BigInt => Some(0),
            PhysicalType::Numeric { scale, .. } => Some(scale),
            _ => None,
        };
        let scaled = scale.and_then(|scale| {
            let mut text = String::new();
            canonical_numeric(bound.as_str(), 38, scale, &mut text).ok()?;
            scaled(&text)
        });
        Self { bound: bound.clone(), inclusive: *inclusive, scaled }
    }

    fn allows(&self, text: &str, side: Ordering) -> bool {
        let order = match self.scaled {
            Some(bound) => scaled(text).map(|value| value.cmp(&bound)),
            None => self.bound.compare(text).map(Ordering::reverse),
        };
        match order {
            Some(Ordering::Equal) => self.inclusive == Inclusive::Yes,
            order => order == Some(side),
        }
    }

    fn reason(&self, side: &str) -> String {
        match self.inclusive {
            Inclusive::Yes => format!("is {side} {}", self.bound.as_str()),
            Inclusive::No => format!("is {side} or at {}", self.bound.as_str()),
        }
    }
}

/// A canonical number's digits without the point: at most 38, which 128 bits hold.
fn scaled(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let digits = digits.bytes().filter(|b| *b != b'.');
    let value = match text.len() {
        ..=18 => i128::from(digits.fold(0_i64, |sum, b| sum * 10 + i64::from(b.wrapping_sub(b'0')))),
        19..=40 => digits.fold(0, |sum, b| sum * 10 + i128::from(b.wrapping_sub(b'0'))),
        _ => return None,
    };
    Some(if negative { -value } else { value })
}

/// regex's errors draw the pattern over several lines; the last says why.
fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or(text).trim_start_matches("error: ")
}

#[cfg(test)]
mod tests;
