//! `penstock.keepHistory`: every accepted version once, whatever the order, the grouping and the route of its loads.
//! The model is a set of versions, each with its earliest place.

use std::collections::BTreeMap;

use penstock_tests::samples::with;
use serde_json::{Value, json};

use crate::copies::{Copies, Object};
use crate::rig::{Numbers, Rig, Sourced, contract_with, counts};

const KEEP: &str = "{property: penstock.keepHistory, value: true}, ";
const SETS: usize = 8;
const ORDERS: usize = 3;

const VERSIONS: &str = "SELECT k, v, doc.n, _order FROM stg.x ORDER BY k, v, CAST(doc.n AS varchar(9))";

/// Versions of few keys, with contents that come again from elsewhere.
fn records(numbers: &mut Numbers, set: usize) -> Vec<(usize, u64, u64, Value)> {
    let record = |numbers: &mut Numbers, n: usize| {
        let object = numbers.below(4);
        let record = json!({
            "k": format!("{set}-{}", numbers.below(3)),
            "v": format!("v{}", numbers.below(3)),
            "doc": {"n": numbers.below(2)},
        });
        (object, 1_780_000_000_000 + [5, 5, 9, 2][object], n as u64 * 10, record)
    };
    let mut records: Vec<_> = (0..10 + numbers.below(10)).map(|n| record(numbers, n)).collect();
    records.push(records[0].clone());
    records
}

/// `_order` of the first row of each version.
fn model(rows: &[(Value, Sourced)]) -> Vec<String> {
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    for (record, sourced) in rows {
        let text = |name: &str| record[name].as_str().unwrap().to_owned();
        let version = format!("{}|{}|{}", text("k"), text("v"), record["doc"]["n"]);
        let order = sourced.row().stamp().order.to_owned();
        let first = versions.entry(version).or_insert_with(|| order.clone());
        if order < *first {
            *first = order;
        }
    }
    versions.into_iter().map(|(version, order)| format!("{version}|{order}")).collect()
}

#[tokio::test]
async fn every_order_and_grouping_keeps_the_same_versions() {
    let rig = Rig::new(&contract_with(true, "", KEEP)).await;
    let mut numbers = Numbers(5);
    let mut expected = Vec::new();
    for set in 0..SETS {
        let records = records(&mut numbers, set);
        for order in 0..ORDERS {
            let mut rows: Vec<(Value, Sourced)> = Vec::new();
            for (object, time, position, record) in &records {
                let key = format!("{}-{order}", record["k"].as_str().unwrap());
                let record = with(record.clone(), json!({"k": key}));
                let sourced = rig.row(*object, *time, *position, &record);
                rows.push((record, sourced));
            }
            expected.extend(model(&rows));
            numbers.shuffle(&mut rows);
            let mut rest = rows.as_slice();
            while !rest.is_empty() {
                let (load, tail) = rest.split_at(1 + numbers.below(rest.len().min(7)));
                let own: Vec<Sourced> = load.iter().map(|(_, sourced)| sourced.clone()).collect();
                counts(&rig.load(&format!("{set} {order} {}", tail.len()), &own).await);
                rest = tail;
            }
        }
    }
    expected.sort();
    assert_eq!(rig.lines(VERSIONS).await, expected);
    let lost = "SELECT COUNT(*) FROM tgt.x t LEFT JOIN stg.x h ON h._record_id = t._record_id \
         AND h._row_hash = t._row_hash WHERE h._record_id IS NULL";
    assert_eq!(rig.lines(lost).await, ["0"], "what is in the table is in its history");
}

#[tokio::test]
async fn a_version_that_loses_is_kept_and_a_redelivery_adds_none() {
    let copies = Copies::new(&contract_with(true, "", KEEP)).await;
    let object = |key: &str, ms: u64, v: &str| Object::new(key, ms, v, vec![json!({"k": "a", "v": v})]);
    assert_eq!(counts(&copies.load(&[object("new", 9, "new")]).await), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&copies.load(&[object("old", 1, "old")]).await), [1, 0, 0, 0, 1, 0]);
    // The same version from two more files: one of them is its earliest.
    let again = [object("again", 5, "new"), object("later", 12, "new")];
    assert_eq!(counts(&copies.load(&again).await), [2, 0, 0, 1, 1, 0]);
    let versions = "SELECT v, SPLIT_PART(_order, '/', 1), _source FROM stg.x ORDER BY v";
    assert_eq!(
        copies.rig.lines(versions).await,
        ["new|0000000000005|s3://landing/again", "old|0000000000001|s3://landing/old"]
    );
    assert_eq!(copies.rig.lines("SELECT v FROM tgt.x").await, ["new"]);
}

#[tokio::test]
async fn rows_of_replaced_contents_are_kept() {
    let custom = format!("{KEEP}{{property: penstock.onReplace, value: replace}}, ");
    let copies = Copies::new(&contract_with(false, "", &custom)).await;
    let object = |ms: u64, v: &str| Object::new("a", ms, v, vec![json!({"k": "k", "v": v})]);
    for own in [object(2, "second"), object(1, "first"), object(3, "third")] {
        counts(&copies.load(&[own]).await);
    }
    assert_eq!(copies.rig.lines("SELECT v FROM tgt.x").await, ["third"]);
    assert_eq!(copies.rig.lines("SELECT v FROM stg.x ORDER BY _order").await, ["first", "second", "third"]);
}
