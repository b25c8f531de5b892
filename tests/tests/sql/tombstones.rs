//! `penstock.deletedWhen`: a tombstone wins and loses like any row, stays in the table, and the live view leaves it
//! out, in every order and grouping of the loads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::rig::{Numbers, Rig, Sourced, contract_with, counts};

const GONE: &str = "{property: penstock.deletedWhen, value: \"v == 'gone'\"}, ";
const SETS: usize = 10;
const ORDERS: usize = 3;

fn record(key: &str, value: &str, day: u32) -> Value {
    json!({"k": key, "v": value, "ob": format!("2026-01-{day:02}T00:00:00Z")})
}

async fn live(rig: &Rig) -> Vec<String> {
    rig.lines("SELECT k, v FROM tgt.x_live ORDER BY k").await
}

#[tokio::test]
async fn a_late_older_row_does_not_resurrect_and_a_newer_one_does() {
    let rig = Rig::new(&contract_with(true, "ob", GONE)).await;
    let load = async |name: &str, value: &str, day: u32| {
        let row = rig.row(day as usize, u64::from(day), 0, &record("a", value, day));
        counts(&rig.load(name, &[row]).await)
    };
    assert_eq!(load("born", "here", 1).await, [1, 1, 0, 0, 0, 0]);
    assert_eq!(live(&rig).await, ["a|here"]);
    assert_eq!(load("dies", "gone", 5).await, [1, 0, 1, 0, 0, 0]);
    assert_eq!(live(&rig).await, Vec::<String>::new());
    assert_eq!(load("late", "late", 3).await, [1, 0, 0, 0, 1, 0]);
    assert_eq!(live(&rig).await, Vec::<String>::new());
    assert_eq!(rig.lines("SELECT k, v, _deleted FROM tgt.x").await, ["a|gone|true"]);
    assert_eq!(load("back", "back", 7).await, [1, 0, 1, 0, 0, 0]);
    assert_eq!(live(&rig).await, ["a|back"]);
}

#[tokio::test]
async fn every_order_and_grouping_ends_with_the_models_living_rows() {
    let rig = Rig::new(&contract_with(true, "ob", GONE)).await;
    let mut numbers = Numbers(13);
    let (mut living, mut dead) = (Vec::new(), 0);
    for set in 0..SETS {
        let drawn: Vec<(usize, &str, u32)> = (0..14)
            .map(|_| {
                (numbers.below(4), ["one", "two", "gone"][numbers.below(3)], 1 + numbers.below(28) as u32)
            })
            .collect();
        for order in 0..ORDERS {
            let mut winners: BTreeMap<String, (u32, usize, &str)> = BTreeMap::new();
            let mut rows = Vec::new();
            for (n, (key, value, day)) in drawn.iter().enumerate() {
                let key = format!("{set}-{key}-{order}");
                rows.push(rig.row(n, n as u64, 0, &record(&key, value, *day)));
                let own = (*day, n, *value);
                let winner = winners.entry(key).or_insert(own);
                *winner = own.max(*winner);
            }
            for (key, (_, _, value)) in winners {
                match value {
                    "gone" => dead += 1,
                    value => living.push(format!("{key}|{value}")),
                }
            }
            numbers.shuffle(&mut rows);
            let mut rest: &[Sourced] = &rows;
            while !rest.is_empty() {
                let (load, tail) = rest.split_at(1 + numbers.below(rest.len().min(6)));
                counts(&rig.load(&format!("{set} {order} {}", tail.len()), load).await);
                rest = tail;
            }
        }
    }
    living.sort();
    assert_eq!(live(&rig).await, living);
    assert!(dead > 0);
    assert_eq!(rig.lines("SELECT COUNT(*) FROM tgt.x WHERE _deleted").await, [dead.to_string()]);
}
