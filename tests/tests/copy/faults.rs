//! Faults of the warehouse and of the function itself: an object is loaded once, or given back, or in quarantine.

use std::time::{Duration, SystemTime};

use penstock_tests::{Bootstrap, COPIER, CopyRoute, batch, failures, until};
use serde_json::{Value, json};

use crate::rig::{clients, fault, route};

const NONE: Vec<usize> = Vec::new();

/// Events of so many objects, each with a row of its own.
async fn events(route: &CopyRoute, objects: usize) -> Vec<Value> {
    let mut events = Vec::new();
    for n in 0..objects {
        let body = format!("id,name\n{n},name {n}\n");
        events.push(route.landing.put_for_event(&format!("copy/clients/{n}.csv"), body).await.unwrap());
    }
    events
}

async fn is_whole(route: &CopyRoute, objects: usize) {
    assert_eq!(clients(route).await.len(), objects);
    let lines = "SELECT COUNT(*), COUNT(DISTINCT object_id) FROM penstock.objects_clients";
    assert_eq!(route.lines(lines).await.unwrap(), [format!("{objects}|{objects}")]);
    route.check_ledger("clients").await.unwrap();
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn conflicts_throttling_and_lost_answers_cost_no_row() {
    let route = route().await;
    let events = events(&route, 3).await;
    fault(&route, json!({"fault": "fail", "kind": "DELETE", "sqlstate": "40001", "times": 1}));
    fault(&route, json!({"fault": "fail", "kind": "CALL", "sqlstate": "40P01", "times": 1}));
    let exception = "ActiveStatementsExceededException";
    fault(&route, json!({"fault": "throttle", "operation": "BatchExecuteStatement", "exception": exception}));
    fault(&route, json!({"fault": "lose-answer", "operation": "BatchExecuteStatement"}));
    until("all of them to pass", Duration::from_secs(30), async || {
        Ok(route.take(&events).await?.is_empty().then_some(()))
    })
    .await
    .unwrap();
    is_whole(&route, 3).await;
}

#[tokio::test]
async fn what_may_pass_gives_all_messages_back_and_the_next_delivery_loads_them() {
    let errors = [
        ("COPY", "S3ServiceException:Access Denied,Status 403,Error AccessDenied"),
        ("INSERT", "permission denied for relation clients"),
    ];
    for (kind, error) in errors {
        let route = route().await;
        let events = events(&route, 2).await;
        fault(&route, json!({"fault": "fail", "kind": kind, "error": error, "times": 1}));
        assert_eq!(route.take(&events).await.unwrap(), [0, 1], "{error}");
        assert!(clients(&route).await.is_empty() && route.quarantined().await.unwrap().is_empty());
        // A failure of a moment ago may be this invocation's own.
        until("the next delivery to load them", Duration::from_secs(30), async || {
            Ok(route.take(&events).await?.is_empty().then_some(()))
        })
        .await
        .unwrap();
        is_whole(&route, 2).await;
    }
}

#[tokio::test]
async fn the_object_whose_value_only_the_table_refuses_is_found_and_the_others_load() {
    let route = route().await;
    let mut events = events(&route, 4).await;
    // Narrower than the contract, which no check of a record can know.
    for sql in
        ["ALTER TABLE tgt.clients DROP COLUMN name", "ALTER TABLE tgt.clients ADD COLUMN name varchar(8)"]
    {
        route.sql(sql).await.unwrap();
    }
    events.push(
        route.landing.put_for_event("copy/clients/long.csv", "id,name\n9,longer than that\n").await.unwrap(),
    );
    assert_eq!(route.take(&events).await.unwrap(), NONE);
    assert_eq!(route.quarantined_rules().await.unwrap(), ["refused_by_warehouse"]);
    let line = &route.quarantined().await.unwrap()[0];
    assert!(line["source"].as_str().unwrap().ends_with("/copy/clients/long.csv"), "{line}");
    is_whole(&route, 4).await;
}

#[tokio::test]
async fn a_copy_that_outlives_the_function_is_waited_for_and_runs_once() {
    let route = route().await;
    let events = events(&route, 2).await;
    fault(&route, json!({"fault": "delay", "when": "during-copy", "ms": 9_000, "times": 1}));
    let deadline = SystemTime::now() + Duration::from_secs(12);
    let answer = route.copier.invoke_until(&batch(&events), deadline).await.unwrap();
    assert_eq!(failures(&answer), ["0", "1"], "the load still runs");
    until("the load to end", Duration::from_secs(60), async || {
        Ok(route.take(&events).await?.is_empty().then_some(()))
    })
    .await
    .unwrap();
    is_whole(&route, 2).await;
    let copies = "SELECT COUNT(*) FROM sys_load_history WHERE data_source LIKE '%/zstd.manifest'";
    let own = format!("{copies} AND data_source LIKE '%{}%'", route.work.name);
    assert_eq!(route.number(&own).await.unwrap(), 1);
}

#[tokio::test]
async fn a_function_that_dies_while_its_load_runs_leaves_it_to_the_next_one() {
    let route = route().await;
    let events = events(&route, 2).await;
    fault(&route, json!({"fault": "delay", "when": "during-copy", "ms": 2_000, "times": 1}));
    let dies = async {
        until("a plan", Duration::from_secs(30), async || {
            let plans = route.work.list("loads/").await?;
            Ok(plans.iter().any(|key| key.ends_with("zstd.manifest")).then_some(()))
        })
        .await
        .unwrap();
        route.copier.kill();
    };
    let event = batch(&events);
    let (answer, ()) = tokio::join!(route.copier.invoke(&event), dies);
    assert!(answer.is_err(), "{answer:?}");
    let next = Bootstrap::start(COPIER, route.vars.clone()).await.unwrap();
    // Other messages beside those of the load that runs.
    let new = route.landing.put_for_event("copy/clients/new.csv", "id,name\n7,new\n").await.unwrap();
    let event = batch(&[events[1].clone(), new, events[0].clone()]);
    assert_eq!(failures(&next.invoke(&event).await.unwrap()), Vec::<String>::new());
    is_whole(&route, 3).await;
}

#[tokio::test]
async fn two_functions_with_the_same_objects_load_each_once() {
    let route = route().await;
    let events = events(&route, 6).await;
    let other = Bootstrap::start(COPIER, route.vars.clone()).await.unwrap();
    let (left, right) = (batch(&events[..4]), batch(&events[2..]));
    let (left, right) = tokio::join!(route.copier.invoke(&left), other.invoke(&right));
    let given_back = failures(&left.unwrap()).len() + failures(&right.unwrap()).len();
    // What a race gives back comes again.
    assert!(given_back == 0 || route.take(&events).await.unwrap().is_empty(), "{given_back}");
    is_whole(&route, 6).await;
}

#[tokio::test]
async fn files_of_a_load_whose_plan_is_gone_go_with_the_next_load() {
    let route = route().await;
    // As a function leaves them that took a plan up, and died after another one had finished its load.
    for name in ["objects.json.zst", "objects.manifest", "zstd.manifest"] {
        route.work.put(&format!("loads/clients/0123456789abcdef0123456789abcdef/{name}"), "x").await.unwrap();
    }
    let events = events(&route, 1).await;
    assert_eq!(route.take(&events).await.unwrap(), NONE);
    is_whole(&route, 1).await;
}
