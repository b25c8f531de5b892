//! Every order and grouping of the same rows into loads ends in the same table, and that table is the one of a model
//! that knows nothing of penstock-core: per key the highest orderBy (none is lowest), then the highest `_order`,
//! then the highest `_row_hash`.

use std::collections::BTreeMap;

use penstock_aws::warehouse::{Fault, LoadEnd};
use penstock_tests::samples::with;
use serde_json::{Value, json};

use crate::rig::{Numbers, Rig, Sourced, contract, counts};

/// Random row sets, each in several orders and groupings.
const SETS: usize = 24;
const ORDERS: usize = 4;

/// What a record is to the model: its key, what it says, its rank.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    /// Absent sorts first, as it loses.
    order_by: Option<String>,
    /// Source time, object and position, as one text that compares right.
    order: String,
    /// Decides between one record read under two contracts.
    hash: String,
    value: String,
}

/// Records on few keys, with repeated contents, repeated and missing orderBy values, and redelivered rows.
fn records(numbers: &mut Numbers, set: usize) -> Vec<(usize, u64, u64, Value)> {
    let mut records = Vec::new();
    for n in 0..12 + numbers.below(20) {
        let object = numbers.below(4);
        let time = 1_780_000_000_000 + 1000 * [5, 5, 9, 2][object];
        let ob = [None, Some("2026-01-01T00:00:00Z"), Some("2026-01-02T00:00:00Z")];
        let record = json!({
            "k": format!("{set}-{}", numbers.below(5)),
            "v": format!("v{}", numbers.below(3)),
            "ob": ob[numbers.below(3)],
            "doc": {"n": numbers.below(2)},
        });
        records.push((object, time, n as u64 * 10, record));
    }
    let again = records[numbers.below(records.len())].clone();
    records.push(again);
    // The same place with another content: read once more under a changed contract.
    let mut other = records[numbers.below(records.len())].clone();
    other.3["v"] = json!("read anew");
    records.push(other);
    records
}

fn model(rows: &[(Value, Sourced)], uses_order_by: bool) -> BTreeMap<String, Known> {
    let mut table: BTreeMap<String, Known> = BTreeMap::new();
    for (record, sourced) in rows {
        let known = Known {
            order_by: record["ob"].as_str().filter(|_| uses_order_by).map(str::to_owned),
            order: sourced.row().stamp().order.to_owned(),
            hash: sourced.row().stamp().row_hash.to_string(),
            value: format!("{}|{}|{}", record["v"].as_str().unwrap(), ob(record), record["doc"]["n"]),
        };
        let key = record["k"].as_str().unwrap().to_owned();
        let winner = table.get(&key).is_none_or(|own| known > *own);
        if winner {
            table.insert(key, known);
        }
    }
    table
}

fn ob(record: &Value) -> String {
    record["ob"].as_str().map_or("null".into(), |text| text.replace('T', " ").replace('Z', "+00"))
}

async fn permutations_end_in_the_models_table(order_by: &str) {
    let rig = Rig::new(&contract(true, order_by)).await;
    let mut numbers = Numbers(7);
    for set in 0..SETS {
        let records = records(&mut numbers, set);
        for order in 0..ORDERS {
            // Each order has keys of its own, so that one table serves all.
            let mut rows: Vec<(Value, Sourced)> = records
                .iter()
                .map(|(object, time, position, record)| {
                    let key = format!("{}-{order}", record["k"].as_str().unwrap());
                    let record = with(record.clone(), json!({"k": key}));
                    let sourced = rig.row(*object, *time, *position, &record);
                    (record, sourced)
                })
                .collect();
            let expected = model(&rows, !order_by.is_empty());
            numbers.shuffle(&mut rows);
            let mut totals = vec![0; 6];
            let mut rest = rows.as_slice();
            while !rest.is_empty() {
                let (load, tail) = rest.split_at(1 + numbers.below(rest.len().min(9)));
                let own: Vec<Sourced> = load.iter().map(|(_, sourced)| sourced.clone()).collect();
                let end = rig.load(&format!("{set} {order} {}", tail.len()), &own).await;
                totals.iter_mut().zip(counts(&end)).for_each(|(sum, count)| *sum += count);
                rest = tail;
            }
            let [read, inserted, updated, unchanged, duplicate, rejected] = totals[..] else {
                panic!("{totals:?}")
            };
            assert_eq!(read, inserted + updated + unchanged + duplicate + rejected);
            assert_eq!((read, inserted), (rows.len() as i64, expected.len() as i64));
            let sql = format!(
                "SELECT k, v, CAST(ob AS varchar(64)), doc.n, _order FROM tgt.x WHERE k LIKE '{set}-%-{order}' ORDER BY k"
            );
            let expected: Vec<String> = expected
                .iter()
                .map(|(key, known)| format!("{key}|{}|{}", known.value, known.order))
                .collect();
            assert_eq!(rig.lines(&sql).await, expected, "set {set}, order {order}: {rows:#?}");
        }
    }
}

#[tokio::test]
async fn every_order_and_grouping_ends_in_the_models_table_with_order_by() {
    permutations_end_in_the_models_table("ob").await;
}

#[tokio::test]
async fn every_order_and_grouping_ends_in_the_models_table_without_order_by() {
    permutations_end_in_the_models_table("").await;
}

#[tokio::test]
async fn without_a_key_every_record_is_there_once_whatever_the_grouping() {
    let rig = Rig::new(&contract(false, "")).await;
    let mut numbers = Numbers(11);
    let records = records(&mut numbers, 0);
    let mut distinct: Vec<(usize, u64)> =
        records.iter().map(|(object, _, position, _)| (*object, *position)).collect();
    distinct.sort_unstable();
    distinct.dedup();
    for round in 0..3 {
        let mut rows: Vec<Sourced> = records
            .iter()
            .map(|(object, time, position, record)| rig.row(*object, *time, *position, record))
            .collect();
        numbers.shuffle(&mut rows);
        for (i, load) in rows.chunks(5).enumerate() {
            counts(&rig.load(&format!("{round} {i}"), load).await);
        }
    }
    assert_eq!(rig.lines("SELECT COUNT(*) FROM tgt.x").await, [distinct.len().to_string()]);
}

#[tokio::test]
async fn a_replay_from_before_the_look_back_is_loaded_again_and_stops_nothing() {
    let rig = Rig::new(&contract(false, "")).await;
    let row = rig.row(1, 1, 0, &json!({"k": "a", "v": "x"}));
    counts(&rig.load("first", std::slice::from_ref(&row)).await);
    let age = "UPDATE tgt.x SET _loaded_at = CAST('2020-01-01 00:00:00+00' AS timestamptz)";
    rig.warehouse.execute(&rig.database, age).await.unwrap();
    let other = rig.row(2, 1, 0, &json!({"k": "b", "v": "x"}));
    assert_eq!(counts(&rig.load("later", &[row, other]).await), [2, 2, 0, 0, 0, 0]);
}

#[tokio::test]
async fn columns_may_have_any_name_that_the_contract_takes() {
    let own = contract(true, "").replace("name: v,", "name: outcome,").replace("name: ob,", "name: rn,");
    let rig = Rig::new(&own).await;
    let row = rig.row(1, 1, 0, &json!({"k": "a", "outcome": "x", "rn": "2026-01-01T00:00:00Z"}));
    assert_eq!(counts(&rig.load("names", &[row]).await), [1, 1, 0, 0, 0, 0]);
    assert_eq!(rig.lines("SELECT outcome FROM tgt.x").await, ["x"]);
}

#[tokio::test]
async fn record_ids_are_what_sql_computes_from_the_key() {
    let rig = Rig::new(&contract(true, "")).await;
    let keys = ["plain", "", "3:abc", "naïve ☃ 𝄞", "back\\slash 'quote'", " blanks "];
    let rows: Vec<Sourced> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| rig.row(0, 1, n as u64, &json!({"k": key, "v": "x"})))
        .collect();
    counts(&rig.load("ids", &rows).await);
    let wrong = "SELECT k FROM tgt.x WHERE _record_id <> \
         SUBSTRING(SHA2(CAST(OCTET_LENGTH(k) AS varchar(8)) || ':' || k, 256), 1, 32)";
    assert_eq!(rig.lines(wrong).await, Vec::<String>::new());
    assert_eq!(rig.lines("SELECT COUNT(*) FROM tgt.x").await, [keys.len().to_string()]);
}

#[tokio::test]
async fn a_load_that_lost_a_row_on_its_way_is_rolled_back() {
    let rig = Rig::new(&contract(true, "")).await;
    let rows: Vec<Sourced> =
        (0..4).map(|n| rig.row(0, 1, n, &json!({"k": n.to_string(), "v": "x"}))).collect();
    // Five rows were read by what the load says, four arrive.
    let end = rig.load_changed("lost", &rows, |sql| sql.replace(", 4, 0, 0)", ", 5, 0, 0)")).await;
    assert!(matches!(end, LoadEnd::Failed { fault: Fault::OutOfBalance, .. }), "{end:?}");
    assert_eq!(rig.lines("SELECT COUNT(*) FROM tgt.x").await, ["0"]);
    assert_eq!(rig.lines("SELECT COUNT(*) FROM penstock.objects_x").await, ["0"]);
    assert_eq!(counts(&rig.load("lost", &rows).await), [4, 4, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_key_that_stands_twice_in_the_target_stops_the_load() {
    let rig = Rig::new(&contract(true, "")).await;
    let old = rig.row(0, 1, 1, &json!({"k": "a", "v": "old"}));
    counts(&rig.load("first", std::slice::from_ref(&old)).await);
    // Somebody wrote past Penstock: the key stands twice under a hash that no load will delete.
    let copy = "INSERT INTO tgt.x (k, v, _record_id, _row_hash, _order) SELECT k, v, _record_id, _row_hash, _order FROM tgt.x";
    rig.warehouse.execute(&rig.database, copy).await.unwrap();
    let end = rig.load("second", &[rig.row(1, 2, 1, &json!({"k": "a", "v": "new"}))]).await;
    assert!(matches!(end, LoadEnd::Failed { fault: Fault::OutOfBalance, .. }), "{end:?}");
    assert_eq!(rig.lines("SELECT v FROM tgt.x").await, ["old", "old"]);
}
