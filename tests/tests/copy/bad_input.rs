//! What is wrong with one object costs no other one, and is told.

use std::time::Duration;

use penstock_tests::{Bootstrap, COPIER, CopyRoute, batch, failures, until};
use serde_json::{Value, json};

use crate::rig::{clients, fault, route};

#[tokio::test]
async fn objects_at_fault_go_to_quarantine_and_the_others_load() {
    let route = route().await;
    route
        .load(&[
            ("copy/clients/good.csv", "id,name\n1,Ann\n".into()),
            ("copy/clients/no-name.csv", "id,other\n2,x\n".into()),
            ("copy/clients/empty.csv", Vec::new()),
            ("copy/clients/bad.csv", "id,name\nx,a\ny,b\n5,c\n".into()),
            ("copy/clients/only-bad.csv", "id,name\nx,a\n".into()),
            ("copy/unknown/a.csv", "1".into()),
        ])
        .await
        .unwrap();
    assert_eq!(clients(&route).await, ["1|Ann|null|null"]);
    let mut rules = route.quarantined_rules().await.unwrap();
    rules.sort();
    let rejects = ["not_a_number"; 3];
    let objects = ["too_many_rejects", "too_many_rejects", "unknown_dataset"];
    assert_eq!(rules, [&["header_mismatch"][..], &rejects, &objects].concat());
    let mut receipts: Vec<_> =
        route.receipts().await.unwrap().into_iter().map(|own| own["status"].to_string()).collect();
    receipts.sort();
    assert_eq!(receipts, ["\"failed\"", "\"failed\"", "\"failed\""]);
    route.check_ledger("clients").await.unwrap();
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn a_file_that_was_replaced_is_superseded_and_the_new_one_loads_by_its_own_event() {
    let route = route().await;
    let old = route.landing.put_for_event("copy/clients/a.csv", "id,name\n1,old\n").await.unwrap();
    let new = route.landing.put_for_event("copy/clients/a.csv", "id,name\n1,newer\n").await.unwrap();
    assert_eq!(route.take(&[old]).await.unwrap(), Vec::<usize>::new());
    assert!(clients(&route).await.is_empty());
    assert_eq!(route.take(&[new]).await.unwrap(), Vec::<usize>::new());
    assert_eq!(clients(&route).await, ["1|newer|null|null"]);
}

#[tokio::test]
async fn a_table_that_is_not_there_gives_the_messages_back_and_loses_nothing() {
    let route = route().await;
    route.sql("DROP TABLE tgt.clients").await.unwrap();
    let event = route.landing.put_for_event("copy/clients/a.csv", "id,name\n1,Ann\n").await.unwrap();
    assert_eq!(route.take(std::slice::from_ref(&event)).await.unwrap(), [0]);
    assert!(route.quarantined().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_header_in_another_order_is_read_by_its_names() {
    let route = route().await;
    let rows = "balance,seen,name,more,id\n7.5,2026-01-01T00:00:00Z,Ann,x,1\n";
    route.load(&[("copy/clients/a.csv", rows.into())]).await.unwrap();
    assert_eq!(clients(&route).await, ["1|Ann|2026-01-01 00:00:00+00|7.50"]);
}

#[tokio::test]
async fn of_two_versions_in_one_file_the_later_time_wins_and_among_equals_the_later_line() {
    let route = route().await;
    let rows =
        "id,name,seen\n1,late,2026-01-02T00:00:00Z\n1,early,2026-01-01T00:00:00Z\n2,first,\n2,second,\n";
    route.load(&[("copy/clients/a.csv", rows.into())]).await.unwrap();
    assert_eq!(clients(&route).await, ["1|late|2026-01-02 00:00:00+00|null", "2|second|null|null"]);
    let counts = "SELECT n_read, n_inserted, n_duplicate FROM penstock.objects_clients";
    assert_eq!(route.lines(counts).await.unwrap(), ["4|2|2"]);
}

#[tokio::test]
async fn an_object_that_vanished_is_superseded_and_the_others_load() {
    let route = route().await;
    let gone = route.landing.put_for_event("copy/clients/gone.csv", "id,name\n1,Ann\n").await.unwrap();
    route.landing.delete("copy/clients/gone.csv").await.unwrap();
    let there = route.landing.put_for_event("copy/clients/there.csv", "id,name\n2,Bob\n").await.unwrap();
    assert_eq!(route.take(&[gone, there]).await.unwrap(), Vec::<usize>::new());
    assert_eq!(clients(&route).await, ["2|Bob|null|null"]);
    assert!(route.quarantined().await.unwrap().is_empty());
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn rows_that_vanished_before_copy_read_them_are_read_again_from_their_object() {
    let route = route().await;
    fault(&route, json!({"fault": "fail", "kind": "COPY", "error": "out of memory", "times": 1}));
    let event = route.landing.put_for_event("copy/clients/a.csv", "id,name\n1,Ann\n").await.unwrap();
    assert_eq!(route.take(std::slice::from_ref(&event)).await.unwrap(), [0]);
    let parts = route.work.list("objects/").await.unwrap();
    let part = parts.iter().find(|key| key.contains("/part-")).unwrap();
    route.work.delete(part).await.unwrap();
    loads_in_the_end(&route, &[event]).await;
    assert_eq!(clients(&route).await, ["1|Ann|null|null"]);
    route.check_ledger("clients").await.unwrap();
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn a_table_that_is_not_its_contracts_is_told_with_the_column_and_what_mends_it() {
    let route = route().await;
    let event = route.landing.put_for_event("copy/clients/a.csv", "id,name\n1,Ann\n").await.unwrap();
    let drop = |name: &str| format!("ALTER TABLE tgt.clients DROP COLUMN {name}");
    let add = |column: &str| format!("ALTER TABLE tgt.clients ADD COLUMN {column}");
    for (breaks, told, mends) in [
        (vec![drop("seen")], "column seen is missing (timestamptz)", vec![add("seen timestamptz")]),
        (
            vec![drop("balance"), add("balance date")],
            "column balance is date and not numeric(12,2)",
            vec![drop("balance"), add("balance numeric(12,2)")],
        ),
    ] {
        for sql in breaks {
            route.sql(&sql).await.unwrap();
        }
        assert_eq!(route.take(std::slice::from_ref(&event)).await.unwrap(), [0], "{told}");
        let expected = format!("tgt.clients is not as its contract says: {told}; run `penstock migrate`");
        route.copier.wait_for_log(|line| line.to_string().contains(&expected)).await.unwrap();
        for sql in mends {
            route.sql(&sql).await.unwrap();
        }
    }
    assert!(route.quarantined().await.unwrap().is_empty());
    loads_in_the_end(&route, &[event]).await;
    assert_eq!(clients(&route).await, ["1|Ann|null|null"]);
    route.check_clean().await.unwrap();
}

#[tokio::test]
async fn a_warehouse_that_is_paused_or_away_gives_the_messages_back_and_loses_nothing() {
    let route = route().await;
    let event = route.landing.put_for_event("copy/clients/a.csv", "id,name\n1,Ann\n").await.unwrap();
    // Nobody listens on port 1 of the loopback address.
    let away = ("AWS_ENDPOINT_URL_REDSHIFT_DATA".to_owned(), "http://127.0.0.1:1".to_owned());
    let vars = route.vars.iter().filter(|(name, _)| *name != away.0).cloned().chain([away.clone()]);
    let function = Bootstrap::start(COPIER, vars).await.unwrap();
    let answer = function.invoke(&batch(std::slice::from_ref(&event))).await.unwrap();
    assert_eq!(failures(&answer), ["0"]);
    for operation in ["ExecuteStatement", "BatchExecuteStatement"] {
        fault(
            &route,
            json!({"fault": "throttle", "operation": operation, "exception": "ValidationException",
            "message": "Redshift cluster is paused or not available."}),
        );
        assert_eq!(route.take(std::slice::from_ref(&event)).await.unwrap(), [0], "{operation}");
    }
    assert!(route.quarantined().await.unwrap().is_empty());
    loads_in_the_end(&route, &[event]).await;
    assert_eq!(clients(&route).await, ["1|Ann|null|null"]);
    route.check_clean().await.unwrap();
}

/// A failure of a moment ago may be this invocation's own, so one delivery need not be enough.
async fn loads_in_the_end(route: &CopyRoute, events: &[Value]) {
    until("the objects to load", Duration::from_secs(30), async || {
        Ok(route.take(events).await?.is_empty().then_some(()))
    })
    .await
    .unwrap();
}
