//! A raw record as people may see it: only values of columns that the contract names and does not classify stay, all
//! others become `***`. Knows no quarantine and no screen.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::contract::{Column, Contract};
use crate::row::push_text;

/// What stands in place of a value, as JSON.
const MASKED: &str = "\"***\"";

/// Whether the contract classifies a column `restricted` or `confidential`.
pub fn is_classified(contract: &Contract) -> bool {
    contract.columns.iter().any(|column| column.masked)
}

/// The record with its masked values; `None` if it is no JSON object, so that nothing tells its values apart.
///
/// Fields are known by source name (records) and by warehouse name (stamped rows). A value is masked with all that is
/// nested in it if its column is classified or derived from one that is, and also if no column has the field's name:
/// it may be a classified field that is misspelt, of another version, or a message around records.
pub fn mask(contract: &Contract, raw: &str) -> Option<String> {
    if !is_classified(contract) {
        return Some(raw.to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_str(raw);
    let masked = Masking(&shown_names(contract)).deserialize(&mut deserializer).ok()?;
    deserializer.end().ok()?;
    Some(masked)
}

/// Names whose values stay. A name that two columns have, as source and warehouse name, stays only if both may.
fn shown_names(contract: &Contract) -> HashSet<&str> {
    let classified: HashSet<&str> =
        contract.columns.iter().filter(|column| column.masked).flat_map(names).collect();
    let (hidden, shown): (Vec<_>, Vec<_>) = contract.columns.iter().partition(|column| {
        let derived = column.derived.iter().flat_map(|cel| words(cel));
        let mut sources = derived.chain(column.derived_from.iter().map(String::as_str));
        column.masked || sources.any(|source| classified.contains(source))
    });
    let hidden: HashSet<&str> = hidden.into_iter().flat_map(names).collect();
    shown.into_iter().flat_map(names).filter(|name| !hidden.contains(name)).collect()
}

fn names(column: &Column) -> [&str; 2] {
    [&column.name, column.physical.as_str()]
}

/// What can be a name in an expression; one in quotes counts too.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(|c: char| !(c.is_alphanumeric() || c == '_'))
}

struct Masking<'a>(&'a HashSet<&'a str>);

impl<'de> DeserializeSeed<'de> for Masking<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Masking<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    // A key that stands twice is kept twice: that may be why the record is a reject.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut out = String::from("{");
        while let Some(name) = map.next_key::<String>()? {
            let value: &RawValue = map.next_value()?;
            if out.len() > 1 {
                out.push(',');
            }
            push_text(&name, &mut out);
            out.push(':');
            out.push_str(if self.0.contains(name.as_str()) { value.get() } else { MASKED });
        }
        out.push('}');
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures;

    const COLUMNS: [&str; 6] = [
        "name: id, logicalType: string, primaryKey: true",
        "name: iban, physicalName: account, logicalType: string, classification: Restricted",
        "name: salary, logicalType: integer, classification: confidential",
        "name: note, physicalName: remark, logicalType: string, classification: internal",
        "name: extra, logicalType: object, physicalType: super",
        "name: tail, logicalType: string, transformLogic: 'upper(iban)', transformSourceObjects: [iban]",
    ];

    fn contract() -> Contract {
        fixtures::contract("", &COLUMNS)
    }

    #[test]
    fn values_of_classified_columns_are_masked_with_all_that_is_in_them() {
        let raw = r#" {"id":"a", "iban" : {"deep":["DE1"]}, "salary":7,"note":"x","extra":{"k": [1]}} "#;
        let masked = r#"{"id":"a","iban":"***","salary":"***","note":"x","extra":{"k": [1]}}"#;
        assert_eq!(mask(&contract(), raw).as_deref(), Some(masked));
    }

    #[test]
    fn stamped_rows_are_masked_by_their_warehouse_names() {
        let raw = r#"{"id":"a","account":"DE1","salary":"7","remark":"x","tail":"DE1","_order":"00DE1"}"#;
        let masked = r#"{"id":"a","account":"***","salary":"***","remark":"x","tail":"***","_order":"***"}"#;
        assert_eq!(mask(&contract(), raw).as_deref(), Some(masked));
    }

    #[test]
    fn a_field_without_a_column_is_masked_since_nobody_says_what_it_holds() {
        let raw = r#"{"IBAN":"DE1","rows":[{"iban":"DE1"}],"note":null}"#;
        assert_eq!(mask(&contract(), raw).as_deref(), Some(r#"{"IBAN":"***","rows":"***","note":null}"#));
    }

    #[test]
    fn a_name_of_two_columns_is_masked_if_either_is_classified() {
        let columns = [
            "name: id, logicalType: string, primaryKey: true",
            "name: b, physicalName: c, logicalType: string, classification: restricted",
            "name: a, physicalName: b, logicalType: string",
        ];
        let contract = fixtures::contract("", &columns);
        let masked = r#"{"a":"1","b":"***","c":"***"}"#;
        assert_eq!(mask(&contract, r#"{"a":"1","b":"2","c":"3"}"#).as_deref(), Some(masked));
    }

    #[test]
    fn what_is_no_object_cannot_be_masked() {
        for raw in ["", "x", "[{}]", "\"DE1\"", "{\"iban\":\"DE1\"", "{\"id\":1} DE1", "{\"id\":1,}"] {
            assert_eq!(mask(&contract(), raw), None, "{raw}");
        }
    }

    #[test]
    fn without_classified_columns_nothing_is_touched() {
        let contract = fixtures::contract("", &["name: id, logicalType: string, primaryKey: true"]);
        assert_eq!(mask(&contract, "no { json").as_deref(), Some("no { json"));
    }

    /// A way to spell the name of a classified field: plain, with an escape, or as nobody declared it.
    fn name() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "iban",
            "\\u0069ban",
            "account",
            "salary",
            "tail",
            "Iban",
            "i",
            "",
            "_order",
        ])
    }

    fn value() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            r#""@""#,
            "@",
            r#"["@"]"#,
            r#"{"id":"@"}"#,
            r#"{"@":[{"note":@}]}"#,
            r#""\n@é""#,
        ])
    }

    proptest! {
        #[test]
        fn no_classified_value_survives(
            marker in "[1-9]{24}",
            fields in prop::collection::vec((name(), value()), 1..6),
            open in "[a-z]{12}",
            cut in prop::option::of(0.0..1.0),
        ) {
            let own: Vec<String> =
                fields.iter().map(|(name, value)| format!("\"{name}\": {}", value.replace('@', &marker))).collect();
            let whole = format!("{{\"note\":\"{open}\",{}, \"extra\":[\"{open}\"]}}", own.join(" ,\n"));
            let at = cut.map_or(whole.len(), |share: f64| (whole.len() as f64 * share) as usize);
            let masked = mask(&contract(), &whole[..whole.floor_char_boundary(at)]);
            prop_assert!(masked.iter().all(|text| !text.contains(&marker)), "{masked:?}");
            if at == whole.len() {
                let masked = masked.unwrap();
                prop_assert_eq!(masked.matches(&open).count(), 2);
                prop_assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok());
            }
        }
    }
}
