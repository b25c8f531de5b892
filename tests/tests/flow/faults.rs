//! Faults of the warehouse: what may pass gives back exactly the right messages, what a value caused ends with that
//! one row in quarantine, and nothing is acknowledged before the commit.

use std::time::{Duration, SystemTime};

use penstock_tests::samples::{lines, transaction};
use penstock_tests::{Bootstrap, LOADER, Route, failures};
use serde_json::{Value, json};

fn fault(route: &Route, mut fault: Value) {
    fault["database"] = json!(route.database);
    route.redshift.add_fault(serde_json::from_value(fault).unwrap());
}

async fn count(route: &Route) -> i64 {
    route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap()
}

async fn with_rows(rows: usize, accounts: usize) -> Route {
    let route = Route::start().await.unwrap();
    route
        .read("queue/transactions/a.json", lines((0..rows).map(|n| transaction(n, accounts))))
        .await
        .unwrap();
    route
}

#[tokio::test]
async fn a_conflict_is_tried_again_in_the_same_invocation() {
    for sqlstate in ["40001", "40P01"] {
        let route = with_rows(40, 4).await;
        fault(&route, json!({"fault": "fail", "kind": "DELETE", "sqlstate": sqlstate, "times": 2}));
        let batch = route.queue.receive(10).await.unwrap();
        assert_eq!(route.load(batch).await.unwrap(), Vec::<String>::new(), "{sqlstate}");
        route.load_all().await.unwrap();
        assert_eq!(count(&route).await, 40);
        route.check_ledger("transactions").await.unwrap();
    }
}

#[tokio::test]
async fn a_fault_that_may_pass_gives_the_messages_back_and_the_next_delivery_loads_them() {
    let errors = [
        "relation \"tgt.transactions\" does not exist",
        "permission denied for relation transactions",
        "out of memory",
    ];
    for error in errors {
        let route = with_rows(40, 4).await;
        fault(
            &route,
            json!({"fault": "fail", "contains": "INSERT INTO \"tgt\"", "error": error, "times": 1}),
        );
        let batch = route.queue.receive(10).await.unwrap();
        let size = batch.len();
        assert_eq!(route.load(batch).await.unwrap().len(), size, "{error}");
        assert_eq!(count(&route).await, 0);
        route.load_all().await.unwrap();
        assert_eq!(count(&route).await, 40, "{error}");
        route.check_ledger("transactions").await.unwrap();
        assert!(route.quarantined().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_throttled_or_lost_answer_costs_no_row() {
    let route = with_rows(40, 4).await;
    fault(
        &route,
        json!({"fault": "throttle", "operation": "BatchExecuteStatement", "exception": "ActiveStatementsExceededException", "times": 2}),
    );
    fault(&route, json!({"fault": "lose-answer", "operation": "BatchExecuteStatement", "times": 1}));
    route.load_all().await.unwrap();
    assert_eq!(count(&route).await, 40);
    // The lost answer's statement was found by its token: nothing ran twice.
    assert_eq!(route.number("SELECT SUM(n_inserted) FROM penstock.objects_transactions").await.unwrap(), 40);
    route.check_ledger("transactions").await.unwrap();
}

#[tokio::test]
async fn a_value_that_only_the_warehouse_refuses_is_found_and_the_others_load() {
    let route = with_rows(60, 6).await;
    // The table is narrower than its contract: some notes do not fit, which no check of the contract can know.
    for sql in ["DROP TABLE tgt.transactions", &narrow_table()] {
        route.sql(sql).await.unwrap();
    }
    route.load_all().await.unwrap();
    let long = (0..60).filter(|n| n % 5 != 0 && format!("order {n}").len() > 7).count() as i64;
    assert!(long > 0);
    assert_eq!(count(&route).await, 60 - long);
    let rules = route.quarantined_rules().await.unwrap();
    assert_eq!(rules, vec!["refused_by_warehouse"; long as usize]);
    assert!(
        route
            .quarantined()
            .await
            .unwrap()
            .iter()
            .all(|line| line["raw"].as_str().unwrap().contains("\"_record_id\""))
    );
    route.check_ledger("transactions").await.unwrap();
}

fn narrow_table() -> String {
    let contract = std::fs::read_to_string(
        penstock_tests::workspace_root().join("infra/contracts/transactions.odcs.yaml"),
    )
    .unwrap();
    let contract = penstock_core::contract::Contract::parse(&contract).unwrap();
    let schema = penstock_core::sql::Ident::new("tgt").unwrap();
    let create = penstock_core::sql::migration(&contract, &schema).unwrap().remove(2);
    assert!(create.contains("\"note\" varchar(512)"));
    create.replace("\"note\" varchar(512)", "\"note\" varchar(7)")
}

#[tokio::test]
async fn a_load_that_outlasts_the_invocation_hands_its_messages_over_and_is_found_again() {
    let route = with_rows(40, 4).await;
    fault(&route, json!({"fault": "delay", "when": "after-lock", "ms": 3_500, "times": 1}));
    let batch = route.queue.receive(10).await.unwrap();
    // Eight seconds of which six are kept back: the load is still running when the function must answer.
    let answer =
        route.loader.invoke_until(&batch.event, SystemTime::now() + Duration::from_secs(8)).await.unwrap();
    assert_eq!(failures(&answer).len(), batch.len());
    assert_eq!(count(&route).await, 0);
    let event = batch.event.clone();
    route.queue.settle(batch, &answer).await.unwrap();
    assert!(failures(&route.loader.invoke(&event).await.unwrap()).is_empty());
    assert_eq!(count(&route).await, 40);
    assert_eq!(route.number("SELECT COUNT(*) FROM penstock.objects_transactions").await.unwrap(), 1);
}

#[tokio::test]
async fn a_deadline_in_the_past_means_none() {
    let route = with_rows(20, 4).await;
    let batch = route.queue.receive(10).await.unwrap();
    let answer = route.loader.invoke_until(&batch.event, SystemTime::UNIX_EPOCH).await.unwrap();
    assert!(failures(&answer).is_empty());
    assert_eq!(count(&route).await, 20);
}

#[tokio::test]
async fn two_loaders_at_once_end_in_the_same_table() {
    let route = with_rows(400, 40).await;
    let other = Bootstrap::start(LOADER, route.vars.clone()).await.unwrap();
    let mut records = Vec::new();
    loop {
        let batch = route.queue.receive(10).await.unwrap();
        if batch.is_empty() {
            break;
        }
        records.extend(batch.event["Records"].as_array().unwrap().clone());
        route.queue.settle(batch, &json!({"batchItemFailures": []})).await.unwrap();
    }
    let batches: Vec<Value> = records.chunks(8).map(|batch| json!({"Records": batch})).collect();
    // Both take every message, one from the front and one from the back.
    let forward = async {
        for batch in &batches {
            assert!(failures(&route.loader.invoke(batch).await.unwrap()).is_empty());
        }
    };
    let backward = async {
        for batch in batches.iter().rev() {
            assert!(failures(&other.invoke(batch).await.unwrap()).is_empty());
        }
    };
    tokio::join!(forward, backward);
    assert_eq!(count(&route).await, 400);
    route.check_ledger("transactions").await.unwrap();
}

#[tokio::test]
async fn rows_are_given_back_when_quarantine_cannot_be_written() {
    let route = Route::start().await.unwrap();
    let event =
        route.put("queue/transactions/a.json", lines([json!({"bad": 1}), transaction(1, 5)])).await.unwrap();
    let vars = route.vars.iter().map(|(name, value)| {
        let gone = name == "QUARANTINE_BUCKET";
        (name.clone(), if gone { "no-such-bucket".to_owned() } else { value.clone() })
    });
    let reader = Bootstrap::start(penstock_tests::READER, vars).await.unwrap();
    let answer = reader.invoke(&event).await.unwrap();
    assert_eq!(failures(&answer).len(), 1);
    assert!(route.receipts().await.unwrap().is_empty());
    // The rows that were sent already come once more with the next delivery, and count once.
    assert!(failures(&route.reader.invoke(&event).await.unwrap()).is_empty());
    route.load_all().await.unwrap();
    assert_eq!(count(&route).await, 1);
    assert_eq!(route.quarantined_rules().await.unwrap(), vec!["required"; 6]);
}
