//! Identities against the vectors of an independent program: `tests/vectors/`.

use crate::ident::{self, HexId};
use std::fmt::Write as _;

use serde_json::Value;

use super::*;
use crate::fixtures::{check, checker};

const VECTORS: &str = include_str!("../../../../tests/vectors/identity.json");

fn vectors(section: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(VECTORS).unwrap();
    let own = all[section].as_array().unwrap().clone();
    assert!(!own.is_empty());
    own
}

fn text<'v>(vector: &'v Value, name: &str) -> &'v str {
    vector[name].as_str().unwrap_or_else(|| panic!("{name} of {vector}"))
}

fn texts(vector: &Value, name: &str) -> Vec<Option<String>> {
    vector[name].as_array().unwrap().iter().map(|own| own.as_str().map(str::to_owned)).collect()
}

fn whole(vector: &Value, name: &str) -> u64 {
    vector[name].as_u64().unwrap_or_else(|| panic!("{name} of {vector}"))
}

fn hex(vector: &Value, name: &str) -> HexId {
    HexId::parse(text(vector, name)).unwrap()
}

#[test]
fn every_value_of_the_vectors_has_its_canonical_text_or_its_rule() {
    for vector in vectors("canonical") {
        let checker = checker("", &[&format!("name: v, physicalType: '{}'", text(&vector, "type"))]);
        let found = check(&checker, &format!("{{\"v\":{}}}", text(&vector, "input")));
        match (vector["canonical"].as_str(), found) {
            (Some(want), Ok(row)) => assert_eq!(row.get(0), Some(want), "{vector}"),
            (None, Err(violations)) => {
                assert_eq!(violations[0].rule.as_str(), text(&vector, "reject"), "{vector}");
                assert_eq!((violations.len(), violations[0].column.as_deref()), (1, Some("v")), "{vector}");
            }
            (_, found) => panic!("{vector}: {found:?}"),
        }
    }
}

#[test]
fn keys_of_the_vectors_give_their_record_ids() {
    for vector in vectors("keys") {
        let types = texts(&vector, "types").into_iter().flatten().enumerate();
        let columns: Vec<String> =
            types.map(|(i, ty)| format!("name: k{i}, physicalType: '{ty}', primaryKey: true")).collect();
        let checker = checker("", &columns.iter().map(String::as_str).collect::<Vec<_>>());
        let inputs = texts(&vector, "inputs").into_iter().flatten().enumerate();
        let members: Vec<String> = inputs.map(|(i, input)| format!("\"k{i}\":{input}")).collect();
        let row = check(&checker, &format!("{{{}}}", members.join(",")))
            .unwrap_or_else(|e| panic!("{vector}: {e:?}"));
        let canonical: Vec<Option<String>> =
            (0..members.len()).map(|i| row.get(i).map(str::to_owned)).collect();
        assert_eq!(canonical, texts(&vector, "canonical"), "{vector}");
        assert_eq!(row.stamp().record_id, hex(&vector, "record_id"), "{vector}");
    }
}

#[test]
fn objects_of_the_vectors_give_their_ids() {
    for vector in vectors("objects") {
        let checksums: Vec<(&str, &str)> = vector["checksums"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, own)| (name.as_str(), own.as_str().unwrap()))
            .collect();
        let size = whole(&vector, "size");
        let tag =
            ident::content_tag(&checksums, vector["checksum_type"].as_str(), text(&vector, "etag"), size);
        let id = ident::object_id(text(&vector, "bucket"), text(&vector, "key"), &tag);
        assert_eq!(id, hex(&vector, "object_id"), "{vector}");
    }
}

#[test]
fn places_orders_groups_and_messages_of_the_vectors_agree() {
    for vector in vectors("keyless") {
        let id = ident::record_id_of_position(&hex(&vector, "object_id"), whole(&vector, "position"));
        assert_eq!(id, hex(&vector, "record_id"), "{vector}");
    }
    for vector in vectors("orders") {
        let (object_id, source_ms) = (hex(&vector, "object_id"), whole(&vector, "source_ms"));
        let origin = Origin::new("", object_id, source_ms);
        let mut order = String::new();
        Place::Object { origin: &origin, position: whole(&vector, "position") }.write_order(&mut order);
        assert_eq!(order, text(&vector, "order"), "{vector}");
    }
    for vector in vectors("groups") {
        let canonical = texts(&vector, "canonical");
        let group = ident::group(
            canonical.iter().map(Option::as_deref),
            u32::try_from(whole(&vector, "groups")).unwrap(),
        );
        assert_eq!(u64::from(group), whole(&vector, "group"), "{vector}");
        // The same hash, of which the group is taken from the first 64 bits.
        let key = ident::partition_key(canonical.iter().map(Option::as_deref), &mut String::new());
        let head = u64::from_str_radix(&key.as_str()[..16], 16).unwrap();
        assert_eq!(head % whole(&vector, "groups"), whole(&vector, "group"), "{vector}");
    }
    for vector in vectors("messages") {
        let (first, rows) =
            (whole(&vector, "first_position"), usize::try_from(whole(&vector, "rows")).unwrap());
        let id = ident::message_id(&hex(&vector, "object_id"), whole(&vector, "source_ms"), first, rows);
        assert_eq!(id, hex(&vector, "deduplication_id"), "{vector}");
    }
}

#[test]
fn a_partition_key_is_of_the_columns_named_else_the_identity() {
    let columns =
        ["name: id, physicalType: varchar(9), primaryKey: true", "name: v, physicalType: varchar(9)"];
    let key = |custom: &str, record: &str| {
        let checker = checker(custom, &columns);
        let one = check(&checker, record).unwrap();
        let key = one.row().partition_key(checker.contract(), &mut "left behind".to_owned());
        (key, one.stamp().record_id)
    };
    let (own, identity) = key("", r#"{"id":"1","v":"x"}"#);
    assert_eq!(own, identity);
    let by_v = "{property: penstock.partitionBy, value: v}";
    let (own, identity) = key(by_v, r#"{"id":"1","v":"x"}"#);
    assert_eq!(own, ident::stable_id(["x"]));
    assert_ne!(own, identity);
    assert_eq!(key(by_v, r#"{"id":"2","v":"x"}"#).0, own);
    assert_ne!(key(by_v, r#"{"id":"1","v":null}"#).0, key(by_v, r#"{"id":"1","v":""}"#).0);
    let by_both = "{property: penstock.partitionBy, value: [v, id]}";
    assert_eq!(key(by_both, r#"{"id":"1","v":"x"}"#).0, ident::stable_id(["x", "1"]));
}

#[test]
fn row_hashes_of_the_vectors_agree_and_null_leaves_no_trace() {
    for vector in vectors("row_hashes") {
        let members = vector["columns"].as_object().unwrap();
        let columns: Vec<String> = members
            .keys()
            .map(|name| match name.as_str() {
                "payload" => "name: payload, physicalType: super".to_owned(),
                name => format!("name: {name}, physicalType: varchar(99)"),
            })
            .collect();
        let mut record = String::from("{");
        for (name, value) in members {
            let value =
                if name == "payload" { value.as_str().unwrap().to_owned() } else { value.to_string() };
            write!(record, "{}{:?}:{value}", if record.len() > 1 { "," } else { "" }, name).unwrap();
        }
        record.push('}');
        // A record without columns has no contract: the hash alone is held to the vector.
        let hash = match columns.is_empty() {
            // No contract is without columns: the empty row is reckoned here.
            true => {
                let (mut hashes, mut found) = (ident::RowHashes::default(), None);
                hashes.row(None, std::iter::empty());
                hashes.finish(|_, hash| found = Some(hash));
                found.unwrap()
            }
            false => {
                check(&checker("", &columns.iter().map(String::as_str).collect::<Vec<_>>()), &record)
                    .unwrap()
                    .stamp()
                    .row_hash
            }
        };
        assert_eq!(hash, hex(&vector, "row_hash"), "{vector}");
    }
}
