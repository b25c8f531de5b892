//! `penstock.onReplace: replace`: in whatever order and grouping the objects of a key are loaded, the table ends with
//! the rows of the newest one, which may be none. The model knows times and keys only.

use std::collections::BTreeMap;

use penstock_aws::warehouse::{Fault, LoadEnd};
use serde_json::json;

use crate::copies::{Copies, Object};
use crate::rig::{Numbers, contract_with, counts};

const REPLACE: &str = "{property: penstock.onReplace, value: replace}, ";
const ROUNDS: usize = 12;

fn object(key: &str, ms: u64, values: &[&str]) -> Object {
    let records = values.iter().map(|value| json!({"k": "k", "v": value})).collect();
    Object::new(key, ms, &format!("{ms}"), records)
}

async fn rows(copies: &Copies) -> Vec<String> {
    copies.rig.lines("SELECT _source, v FROM tgt.x ORDER BY _source, _order").await
}

/// Two keys that differ in a blank at the end, each with contents of its own, some empty.
fn objects(numbers: &mut Numbers, round: usize) -> Vec<Object> {
    let mut objects = Vec::new();
    for key in [format!("{round}/a"), format!("{round}/a "), format!("{round}/b")] {
        for ms in 1..=1 + numbers.below(4) as u64 {
            let values: Vec<String> = (0..numbers.below(3)).map(|n| format!("{ms}.{n}")).collect();
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            objects.push(object(&key, 1_780_000_000_000 + ms, &values));
        }
    }
    objects
}

/// Rows by source: those of its newest object.
fn model(objects: &[Object]) -> Vec<String> {
    let mut newest: BTreeMap<&str, &Object> = BTreeMap::new();
    for own in objects {
        let there = newest.entry(&own.origin.source).or_insert(own);
        if own.origin.source_ms > there.origin.source_ms {
            *there = own;
        }
    }
    let of = |(source, own): (&&str, &&Object)| -> Vec<String> {
        own.records.iter().map(|record| format!("{source}|{}", record["v"].as_str().unwrap())).collect()
    };
    newest.iter().flat_map(of).collect()
}

#[tokio::test]
async fn every_order_and_grouping_of_objects_ends_with_the_rows_of_each_keys_newest() {
    let copies = Copies::new(&contract_with(false, "", REPLACE)).await;
    let mut numbers = Numbers(3);
    let mut expected = Vec::new();
    for round in 0..ROUNDS {
        let mut all = objects(&mut numbers, round);
        expected.extend(model(&all));
        numbers.shuffle(&mut all);
        let mut rest = all.as_slice();
        while !rest.is_empty() {
            let (load, tail) = rest.split_at(1 + numbers.below(rest.len().min(4)));
            let [read, inserted, updated, unchanged, duplicate, rejected] =
                counts(&copies.load(load).await)[..]
            else {
                panic!("six counts")
            };
            assert_eq!(read, load.iter().map(|own| own.records.len() as i64).sum::<i64>());
            assert_eq!((updated, unchanged, rejected, read), (0, 0, 0, inserted + duplicate));
            rest = tail;
        }
    }
    let mut found = rows(&copies).await;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let ledger = "SELECT COUNT(*) FROM penstock.objects_x WHERE n_read <> n_inserted + n_duplicate";
    assert_eq!(copies.rig.lines(ledger).await, ["0"]);
    let keys = "SELECT COUNT(*), COUNT(DISTINCT source) FROM penstock.newest_x";
    assert_eq!(copies.rig.lines(keys).await, [format!("{0}|{0}", ROUNDS * 3)]);
}

#[tokio::test]
async fn an_older_content_whose_load_comes_late_adds_nothing_and_is_counted_as_duplicate() {
    let copies = Copies::new(&contract_with(false, "", REPLACE)).await;
    let (old, new) = (object("a", 1, &["old", "old"]), object("a", 2, &["new"]));
    assert_eq!(counts(&copies.load(std::slice::from_ref(&new)).await), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&copies.load(&[old]).await), [2, 0, 0, 0, 2, 0]);
    assert_eq!(rows(&copies).await, ["s3://landing/a|new"]);
    let again = copies.load(&[new, object("b", 1, &["x"])]).await;
    assert!(matches!(again, LoadEnd::Failed { fault: Fault::AlreadyLoaded, .. }), "{again:?}");
    assert_eq!(rows(&copies).await, ["s3://landing/a|new"]);
}

#[tokio::test]
async fn a_newer_content_without_a_row_empties_its_key_for_good() {
    let copies = Copies::new(&contract_with(false, "", REPLACE)).await;
    counts(&copies.load(&[object("a", 1, &["1"]), object("b", 1, &["1"])]).await);
    counts(&copies.load(&[object("a", 3, &[])]).await);
    assert_eq!(rows(&copies).await, ["s3://landing/b|1"]);
    assert_eq!(counts(&copies.load(&[object("a", 2, &["2"])]).await), [1, 0, 0, 0, 1, 0]);
    assert_eq!(rows(&copies).await, ["s3://landing/b|1"]);
}

#[tokio::test]
async fn rows_from_before_the_contract_said_replace_are_replaced_too() {
    let appending = Copies::new(&contract_with(false, "", "")).await;
    counts(&appending.load(&[object("a", 1, &["1"])]).await);
    counts(&appending.load(&[object("a", 2, &["2"])]).await);
    assert_eq!(rows(&appending).await, ["s3://landing/a|1", "s3://landing/a|2"]);
    let replacing = appending.with_contract(&contract_with(false, "", REPLACE)).await;
    counts(&replacing.load(&[object("b", 9, &["9"])]).await);
    assert_eq!(rows(&replacing).await.len(), 3, "other keys are left alone");
    // Older than what is there: it stays out, and what is older than that goes.
    counts(&replacing.load(&[object("a", 0, &["0"])]).await);
    assert_eq!(rows(&replacing).await, ["s3://landing/a|2", "s3://landing/b|9"]);
}
