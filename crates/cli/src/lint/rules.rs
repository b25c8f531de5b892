//! Rules of a column that no value can keep, or that can never be broken.

use std::cmp::Ordering;

use penstock_core::contract::{Column, Inclusive, PhysicalType, ValueRules};

/// What is rarely meant in a column's rules, one line each.
pub fn look(column: &Column) -> Vec<String> {
    let rules = &column.rules;
    let mut found = Vec::new();
    found.extend(no_value_between(rules));
    for (least, most, min, max) in [
        ("minLength", "maxLength", rules.min_length, rules.max_length),
        ("minItems", "maxItems", rules.min_items, rules.max_items),
        ("minProperties", "maxProperties", rules.min_properties, rules.max_properties),
    ] {
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            found.push(format!("{least} {min} is above {most} {max}: no value can keep both"));
        }
    }
    found.extend(lengths_beyond_the_type(column));
    if rules.max_properties.is_some_and(|max| rules.required_properties.len() as u64 > max) {
        found.push("requires more members than maxProperties allows: no value can keep both".into());
    }
    for (values, _) in &rules.valid_values {
        match values.iter().find(|value| is_missing(rules, value)) {
            _ if values.is_empty() => found.push("validValues is empty: every value is invalid".into()),
            Some(_) => found.push("a value is both in validValues and in missingValues".into()),
            None => {}
        }
    }
    let name = &column.name;
    found.into_iter().map(|what| format!("column {name}: {what}")).collect()
}

fn is_missing(rules: &ValueRules, value: &str) -> bool {
    rules.missing_values.iter().any(|own| own.texts.iter().any(|text| text == value))
}

fn no_value_between(rules: &ValueRules) -> Option<String> {
    let ((least, from), (most, to)) = (rules.minimum.as_ref()?, rules.maximum.as_ref()?);
    let is_empty = match least.compare(most.as_str())? {
        Ordering::Less => false,
        Ordering::Equal => (*from, *to) != (Inclusive::Yes, Inclusive::Yes),
        Ordering::Greater => true,
    };
    is_empty.then(|| {
        let (least, most) = (least.as_str(), most.as_str());
        format!("no value lies between its minimum {least} and its maximum {most}")
    })
}

/// A character has at least one byte.
fn lengths_beyond_the_type(column: &Column) -> Option<String> {
    let bytes = match column.ty {
        PhysicalType::Varchar(bytes) | PhysicalType::Char(bytes) => u64::from(bytes),
        _ => return None,
    };
    let (ty, rules) = (column.ty, &column.rules);
    match (rules.min_length, rules.max_length) {
        (Some(min), _) if min > bytes => {
            Some(format!("minLength {min} is more than {ty} has bytes: no value can keep it"))
        }
        (_, Some(max)) if max > bytes => {
            Some(format!("maxLength {max} is more than {ty} has bytes: its bytes are the limit"))
        }
        _ => None,
    }
}
