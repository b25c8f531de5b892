//! Keys of a contract that are none of the standard's and look like one that is: a typo there is silent, because other
//! keys are left alone. Which keys there must be is not its business: that is the standard's own schema's.

use serde_json::{Map, Value};

const DOCUMENT: &[&str] = &[
    "apiVersion",
    "authoritativeDefinitions",
    "contractCreatedTs",
    "customProperties",
    "dataProduct",
    "description",
    "domain",
    "id",
    "kind",
    "name",
    "price",
    "roles",
    "schema",
    "servers",
    "slaDefaultElement",
    "slaProperties",
    "status",
    "support",
    "tags",
    "team",
    "tenant",
    "version",
];
const SERVER: &[&str] = &[
    "account",
    "catalog",
    "customProperties",
    "database",
    "dataset",
    "delimiter",
    "description",
    "endpointUrl",
    "environment",
    "format",
    "host",
    "id",
    "location",
    "path",
    "port",
    "project",
    "region",
    "regionName",
    "roles",
    "schema",
    "server",
    "serviceName",
    "stagingDir",
    "stream",
    "type",
    "warehouse",
];
const ELEMENT: &[&str] = &[
    "authoritativeDefinitions",
    "businessName",
    "customProperties",
    "description",
    "id",
    "logicalType",
    "name",
    "physicalName",
    "physicalType",
    "properties",
    "quality",
    "relationships",
    "tags",
];
const OBJECT: &[&str] = &["dataGranularityDescription"];
const COLUMN: &[&str] = &[
    "classification",
    "criticalDataElement",
    "encryptedName",
    "examples",
    "items",
    "logicalTypeOptions",
    "partitionKeyPosition",
    "partitioned",
    "primaryKey",
    "primaryKeyPosition",
    "required",
    "transformDescription",
    "transformLogic",
    "transformSourceObjects",
    "unique",
];
const OPTIONS: &[&str] = &[
    "defaultTimezone",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "timezone",
    "uniqueItems",
];
const QUALITY: &[&str] = &[
    "arguments",
    "authoritativeDefinitions",
    "businessImpact",
    "customProperties",
    "description",
    "dimension",
    "engine",
    "id",
    "implementation",
    "method",
    "metric",
    "mustBe",
    "mustBeBetween",
    "mustBeGreaterOrEqualTo",
    "mustBeGreaterThan",
    "mustBeLessOrEqualTo",
    "mustBeLessThan",
    "mustNotBe",
    "mustNotBeBetween",
    "name",
    "query",
    "rule",
    "schedule",
    "scheduler",
    "severity",
    "tags",
    "type",
    "unit",
];
const CUSTOM: &[&str] = &["description", "id", "property", "value"];

/// Path and what is wrong, one line each.
pub fn misspelt(document: &Value) -> Vec<String> {
    let mut found = Found(Vec::new());
    found.object("", document, &[DOCUMENT]);
    each(document, "servers", |i, server| found.object(&format!("servers[{i}]"), server, &[SERVER]));
    each(document, "schema", |i, object| {
        let path = format!("schema[{i}]");
        found.object(&path, object, &[ELEMENT, OBJECT]);
        found.below(&path, object);
    });
    found.0
}

fn each(of: &Value, key: &str, mut take: impl FnMut(usize, &Value)) {
    let items = of.get(key).and_then(Value::as_array).into_iter().flatten();
    items.enumerate().for_each(|(i, item)| take(i, item));
}

struct Found(Vec<String>);

impl Found {
    /// The columns of an object, their members and items.
    fn below(&mut self, path: &str, element: &Value) {
        each(element, "quality", |i, own| self.object(&format!("{path}.quality[{i}]"), own, &[QUALITY]));
        each(element, "properties", |i, own| self.column(&format!("{path}.properties[{i}]"), own));
        if let Some(items) = element.get("items") {
            self.column(&format!("{path}.items"), items);
        }
    }

    fn column(&mut self, path: &str, column: &Value) {
        self.object(path, column, &[ELEMENT, COLUMN]);
        if let Some(options) = column.get("logicalTypeOptions").and_then(Value::as_object) {
            self.keys(&format!("{path}.logicalTypeOptions"), options, &[OPTIONS]);
        }
        self.below(path, column);
    }

    fn object(&mut self, path: &str, object: &Value, known: &[&[&str]]) {
        let Some(keys) = object.as_object() else { return };
        self.keys(path, keys, known);
        each(object, "customProperties", |i, own| {
            if let Some(keys) = own.as_object() {
                let dot = if path.is_empty() { "" } else { "." };
                self.keys(&format!("{path}{dot}customProperties[{i}]"), keys, &[CUSTOM]);
            }
        });
    }

    fn keys(&mut self, path: &str, keys: &Map<String, Value>, known: &[&[&str]]) {
        let known = || known.iter().copied().flatten();
        for key in keys.keys().filter(|key| !known().any(|own| own == key)) {
            let nearest = known().min_by_key(|own| slips(key, own));
            if let Some(meant) = nearest.filter(|own| is_near(key, own)) {
                let colon = if path.is_empty() { "" } else { ": " };
                self.0.push(format!(
                    "{path}{colon}{key:?} is no key of the standard and has no effect: {meant:?}?"
                ));
            }
        }
    }
}

/// Whether two words differ only in how they are written, or in one character, or in two of a longer word.
fn is_near(a: &str, b: &str) -> bool {
    const LONG: usize = 6;
    slips(a, b) <= if b.len() >= LONG { 2 } else { 1 }
}

/// Characters in which two words differ, however they are written.
fn slips(a: &str, b: &str) -> usize {
    let plain = |text: &str| -> Vec<char> {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    distance(&plain(a), &plain(b))
}

/// Characters that are put in, left out, changed, or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: usize, column: usize| {
                rows.get(row).and_then(|own| own.get(column)).copied().unwrap_or(usize::MAX / 2)
            };
            let mut best = (at(i, j) + usize::from(x != y)).min(at(i, j + 1) + 1);
            best = best.min(row.last().copied().unwrap_or_default() + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            row.push(if swapped { best.min(at(i - 1, j - 1) + 1) } else { best });
        }
        rows.push(row);
    }
    rows.last().and_then(|row| row.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_near_when_one_slip_makes_the_other() {
        for (a, b) in [
            ("requird", "required"),
            ("Required", "required"),
            ("logical_type", "logicalType"),
            ("nmae", "name"),
            ("qualtiy", "quality"),
        ] {
            assert!(is_near(a, b), "{a}");
        }
        for (a, b) in [("owner", "server"), ("note", "name"), ("x", "id"), ("vendor", "version")] {
            assert!(!is_near(a, b), "{a}");
        }
    }
}
