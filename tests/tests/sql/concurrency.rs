//! Two loads at once: the lock makes the second see what the first committed, and a conflict is tried again.

use penstock_tests::warehouse;
use serde_json::json;

use crate::rig::{Rig, Sourced, contract, counts};

fn rows(rig: &Rig, object: usize, time: u64, value: &str) -> Vec<Sourced> {
    (0..20).map(|n| rig.row(object, time, n, &json!({"k": n.to_string(), "v": value}))).collect()
}

#[tokio::test]
async fn two_loads_of_the_same_keys_at_once_write_every_key_once_and_the_later_source_wins() {
    let rig = Rig::new(&contract(true, "")).await;
    let delay = json!({"fault": "delay", "when": "after-lock", "ms": 150, "database": rig.database});
    warehouse().await.unwrap().add_fault(serde_json::from_value(delay).unwrap());
    for round in 0..3_u64 {
        let (early, late) =
            (rows(&rig, 1, 10 * round + 1, "early"), rows(&rig, 2, 10 * round + 2, &format!("late {round}")));
        let names = [format!("early {round}"), format!("late {round}")];
        let (first, second) = tokio::join!(rig.load(&names[0], &early), rig.load(&names[1], &late));
        assert_eq!(counts(&first)[0] + counts(&second)[0], 40);
        assert_eq!(rig.lines("SELECT DISTINCT v FROM tgt.x").await, [format!("late {round}")]);
        assert_eq!(rig.lines("SELECT COUNT(*) FROM tgt.x").await, ["20"]);
    }
    let unbalanced = "SELECT COUNT(*) FROM penstock.objects_x WHERE n_read <> n_inserted + n_updated + n_unchanged + n_duplicate";
    assert_eq!(rig.lines(unbalanced).await, ["0"]);
}

#[tokio::test]
async fn a_writer_past_the_lock_makes_a_conflict_and_the_load_is_tried_again() {
    let rig = Rig::new(&contract(true, "")).await;
    let conflict =
        json!({"fault": "fail", "kind": "CALL", "sqlstate": "40001", "times": 3, "database": rig.database});
    warehouse().await.unwrap().add_fault(serde_json::from_value(conflict).unwrap());
    let end = rig.load("conflict", &rows(&rig, 1, 1, "x")).await;
    assert_eq!(counts(&end), [20, 20, 0, 0, 0, 0]);
}

#[tokio::test]
async fn the_same_load_twice_at_once_is_one_statement() {
    let rig = Rig::new(&contract(true, "")).await;
    let rows = rows(&rig, 1, 1, "x");
    let (first, second) = tokio::join!(rig.load("same", &rows), rig.load("same", &rows));
    assert_eq!(first, second);
    assert_eq!(rig.lines("SELECT COUNT(*) FROM penstock.objects_x").await, ["1"]);
}
