//! `quality` of columns and of the schema: which rules a single record can break, and why the others cannot be
//! checked in flight. Does not know what a column is.

use serde_json::Value;

use super::odcs::Quality;
use super::value::{scalar_text, text, texts};
use super::{ContractError, Notes};

/// What a broken rule does; the stricter is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is counted (the standard's warning and info).
    Warning,
    /// The record is rejected.
    Error,
}

/// A rule on a whole record, in CEL: true is right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowRule {
    /// What it is called in rejects and counts.
    pub name: String,
    /// The expression over source columns and derived ones.
    pub cel: String,
    /// What a record does that breaks it.
    pub severity: Severity,
    /// Where it stands in the contract.
    pub path: String,
}

/// A rule that can be held in flight: it allows not one bad value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Check {
    Nulls,
    Missing {
        texts: Vec<String>,
        null: bool,
    },
    Invalid {
        valid_values: Option<Vec<String>>,
        pattern: Option<String>,
    },
    /// Of the named columns together; of the column itself where none is named.
    Duplicates(Vec<String>),
    /// A rule in CEL.
    Row(String),
}

impl RowRule {
    pub(super) fn new(path: &str, quality: &Quality, cel: String, severity: Severity) -> Self {
        let named = [&quality.name, &quality.id, &quality.description].into_iter().flatten();
        let name = named.map(|name| name.trim()).find(|name| !name.is_empty()).unwrap_or(path);
        Self { name: name.to_owned(), cel, severity, path: path.to_owned() }
    }
}

/// Reads one rule; `None` when it is only noted.
pub(super) fn read(
    path: &str,
    quality: &Quality,
    notes: &mut Notes,
) -> Result<Option<(Check, Severity)>, ContractError> {
    let severity = severity(path, quality, notes);
    let check = match quality.kind.as_deref() {
        None | Some("library") => library(path, quality, notes)?,
        Some("custom") => custom(path, quality, notes)?,
        Some("text") => {
            notes.not_in_flight(path, "is a text for people");
            None
        }
        Some("sql") => {
            notes.not_in_flight(path, "is a query over the table: run it in the warehouse");
            None
        }
        Some(other) => {
            let reason = format!("{other:?} is no type of the standard: text, library, sql and custom are");
            return Err(ContractError::at(&format!("{path}.type"), reason));
        }
    };
    Ok(check.map(|check| (check, severity)))
}

/// The standard leaves the words free.
fn severity(path: &str, quality: &Quality, notes: &mut Notes) -> Severity {
    let Some(word) = quality.severity.as_deref() else { return Severity::Error };
    match word.trim().to_ascii_lowercase().as_str() {
        "error" => Severity::Error,
        "warning" | "info" => Severity::Warning,
        _ => {
            let path = format!("{path}.severity");
            notes.not_enforced(&path, &format!("{word:?} is taken as error: warning and info only count"));
            Severity::Error
        }
    }
}

fn custom(path: &str, quality: &Quality, notes: &mut Notes) -> Result<Option<Check>, ContractError> {
    let engine = quality.engine.as_deref().unwrap_or_default();
    if !engine.trim().eq_ignore_ascii_case("cel") {
        let what = format!("is for the engine {engine:?}: only cel is evaluated in flight");
        notes.not_in_flight(path, &what);
        return Ok(None);
    }
    let refuse = || {
        let path = format!("{path}.implementation");
        ContractError::at(
            &path,
            "must be a text: an expression in CEL that is true for a right record".into(),
        )
    };
    let cel = quality.implementation.as_ref().and_then(Value::as_str).ok_or_else(refuse)?;
    if cel.trim().is_empty() { Err(refuse()) } else { Ok(Some(Check::Row(cel.to_owned()))) }
}

fn library(path: &str, quality: &Quality, notes: &mut Notes) -> Result<Option<Check>, ContractError> {
    let Some(metric) = quality.metric.as_deref() else {
        let what = match &quality.rule {
            Some(rule) => format!("rule {rule:?} is the standard's older form: write metric"),
            None => "names no metric".to_owned(),
        };
        notes.not_in_flight(path, &what);
        return Ok(None);
    };
    let known: &[&str] = match metric {
        "nullValues" | "rowCount" => &[],
        "missingValues" => &["missingValues"],
        "invalidValues" => &["validValues", "pattern"],
        "duplicateValues" => &["properties"],
        _ => {
            let reason = format!("{metric:?} is no metric of the standard");
            return Err(ContractError::at(&format!("{path}.metric"), reason));
        }
    };
    let none_allowed = none_allowed(path, quality)?;
    let unknown = quality.arguments.keys().find(|name| !known.contains(&name.as_str()));
    let reason = match (metric, none_allowed, unknown) {
        ("rowCount", _, _) => "counts the rows of the table: ask the warehouse".to_owned(),
        (_, _, Some(name)) => format!("the argument {name:?} may change what {metric} means"),
        (_, false, None) => {
            format!(
                "a limit other than none is about all rows, not about one: count {metric} in the warehouse"
            )
        }
        _ => return metric_check(path, metric, quality, notes),
    };
    notes.not_in_flight(path, &reason);
    Ok(None)
}

fn metric_check(
    path: &str,
    metric: &str,
    quality: &Quality,
    notes: &mut Notes,
) -> Result<Option<Check>, ContractError> {
    let argument =
        |name: &str| quality.arguments.get(name).map(|value| (format!("{path}.arguments.{name}"), value));
    Ok(match metric {
        "nullValues" => Some(Check::Nulls),
        "missingValues" => match argument("missingValues") {
            None => Some(Check::Missing { texts: Vec::new(), null: true }),
            Some((path, value)) => {
                let (texts, null) = scalars(&path, value)?;
                Some(Check::Missing { texts, null })
            }
        },
        "duplicateValues" => {
            let properties = argument("properties").map(|(path, value)| texts(&path, value)).transpose()?;
            Some(Check::Duplicates(properties.unwrap_or_default()))
        }
        _ => {
            // NULL is no invalid value, listed or not.
            let valid = argument("validValues").map(|(path, value)| scalars(&path, value)).transpose()?;
            let pattern = argument("pattern").map(|(path, value)| text(&path, value)).transpose()?;
            if valid.is_none() && pattern.is_none() {
                notes.not_in_flight(path, "names neither validValues nor a pattern");
                return Ok(None);
            }
            Some(Check::Invalid {
                valid_values: valid.map(|(values, _)| values),
                pattern: pattern.map(str::to_owned),
            })
        }
    })
}

/// A list's texts, numbers and booleans as texts, and whether null is among them.
fn scalars(path: &str, value: &Value) -> Result<(Vec<String>, bool), ContractError> {
    let refuse = || {
        ContractError::at(path, "must be a list of texts, numbers of at most 15 digits, or booleans".into())
    };
    let items = value.as_array().ok_or_else(refuse)?;
    let texts = items.iter().filter(|item| !item.is_null()).map(scalar_text).collect::<Option<Vec<_>>>();
    Ok((texts.ok_or_else(refuse)?, items.iter().any(Value::is_null)))
}

/// Whether the rule's operator lets not one bad value pass, in its unit.
fn none_allowed(path: &str, quality: &Quality) -> Result<bool, ContractError> {
    let (name, value) = operator(path, quality)?;
    let refuse = |what: &str| ContractError::at(&format!("{path}.{name}"), what.to_owned());
    let number = |value: &Value| value.as_f64().ok_or_else(|| refuse("must be a number"));
    let in_rows = quality.unit.as_deref().is_none_or(|unit| unit.trim().eq_ignore_ascii_case("rows"));
    // A count of rows is whole; a share may be as small as one likes.
    let is_none = |most: f64| most == 0.0 || (in_rows && (0.0..1.0).contains(&most));
    Ok(match name {
        "mustBe" => number(value)? == 0.0,
        "mustBeLessThan" => {
            let bound = number(value)?;
            in_rows && bound > 0.0 && bound <= 1.0
        }
        "mustBeLessOrEqualTo" => is_none(number(value)?),
        "mustBeBetween" | "mustNotBeBetween" => match value.as_array().map(Vec::as_slice) {
            Some([least, most]) => {
                let (least, most) = (number(least)?, number(most)?);
                if least > most {
                    return Err(refuse("must name the smaller number first"));
                }
                name == "mustBeBetween" && least <= 0.0 && is_none(most)
            }
            _ => return Err(refuse("must be a list of two numbers")),
        },
        _ => {
            number(value)?;
            false
        }
    })
}

fn operator<'q>(path: &str, quality: &'q Quality) -> Result<(&'static str, &'q Value), ContractError> {
    let all = [
        ("mustBe", &quality.must_be),
        ("mustNotBe", &quality.must_not_be),
        ("mustBeGreaterThan", &quality.must_be_greater_than),
        ("mustBeGreaterOrEqualTo", &quality.must_be_greater_or_equal_to),
        ("mustBeLessThan", &quality.must_be_less_than),
        ("mustBeLessOrEqualTo", &quality.must_be_less_or_equal_to),
        ("mustBeBetween", &quality.must_be_between),
        ("mustNotBeBetween", &quality.must_not_be_between),
    ];
    let mut given = all.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(ContractError::at(path, "needs an operator such as mustBe: 0".into())),
        (Some((a, _)), Some((b, _))) => {
            Err(ContractError::at(path, format!("has two operators, {a} and {b}: write two rules")))
        }
    }
}
