//! Everything twice, out of order, in other groupings, and with deaths in between: the same rows.

use std::time::Duration;

use penstock_tests::samples::{lines, rivals, transaction};
use penstock_tests::{Bootstrap, LOADER, READER, Route, failures, until};
use serde_json::{Value, json};

#[tokio::test]
async fn messages_committed_and_not_acknowledged_come_again_in_other_groupings_and_change_nothing() {
    let route = Route::start().await.unwrap();
    let mut events = Vec::new();
    for (i, file) in rivals(300, 40).into_iter().enumerate() {
        events.push(route.put(&format!("queue/transactions/{i}.json"), file).await.unwrap());
    }
    for event in &events {
        assert!(failures(&route.reader.invoke(event).await.unwrap()).is_empty());
    }
    let bodies = messages(&route).await;
    let expected = {
        load(&route, &bodies, 10).await;
        route.transactions().await.unwrap()
    };
    route.check_rivals(300).await.unwrap();
    // Group order is all that the queue promises: within it, other batches, other neighbours, everything once more.
    for (batch, salt) in [(1, 3), (4, 1), (7, 5)] {
        load(&route, &regrouped(&bodies, salt), batch).await;
        assert_eq!(route.transactions().await.unwrap(), expected, "batches of {batch}");
    }
    route.check_ledger("transactions").await.unwrap();
    // The reader's events come again too, all in one batch: the same receipts, and the same messages, which the queue
    // drops while it remembers them and which are sent past its memory here.
    let receipts = route.receipts().await.unwrap();
    let records: Vec<Value> =
        events.iter().rev().flat_map(|event| event["Records"].as_array().unwrap().clone()).collect();
    assert!(failures(&route.reader.invoke(&json!({"Records": records})).await.unwrap()).is_empty());
    assert_eq!(route.receipts().await.unwrap(), receipts);
    for (n, body) in bodies.iter().enumerate() {
        let group = body["attributes"]["MessageGroupId"].as_str().unwrap();
        route
            .queue
            .send_in_group(body["body"].as_str().unwrap(), group, &format!("again-{n}"))
            .await
            .unwrap();
    }
    assert!(route.load_all().await.unwrap() > 0);
    assert_eq!(route.transactions().await.unwrap(), expected);
    let inserted = route.number("SELECT SUM(n_inserted) FROM penstock.objects_transactions").await.unwrap();
    assert_eq!(inserted, 300);
    assert!(route.quarantined().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_same_batch_again_is_found_by_its_token_and_has_one_ledger_line() {
    let route = Route::start().await.unwrap();
    route.read("queue/transactions/a.json", lines((0..50).map(|n| transaction(n, 5)))).await.unwrap();
    let bodies = messages(&route).await;
    let event = json!({"Records": bodies});
    for _ in 0..3 {
        assert!(failures(&route.loader.invoke(&event).await.unwrap()).is_empty());
    }
    assert_eq!(route.number("SELECT COUNT(*) FROM penstock.objects_transactions").await.unwrap(), 1);
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 50);
}

#[tokio::test]
async fn a_loader_killed_while_its_transaction_runs_loses_nothing() {
    let route = Route::start().await.unwrap();
    route.read("queue/transactions/a.json", lines((0..50).map(|n| transaction(n, 5)))).await.unwrap();
    delay(&route, 1_500);
    let batch = route.queue.receive(10).await.unwrap();
    let killed = async {
        until("the load to be submitted", Duration::from_secs(20), async || {
            let locked = |entry: &Value| {
                entry["sql"].as_str().is_some_and(|sql| sql.contains("LOCK"))
                    && entry["database"] == json!(route.database)
            };
            Ok(route.redshift.statements().iter().any(locked).then_some(()))
        })
        .await
        .unwrap();
        route.loader.kill();
    };
    let (answer, ()) = tokio::join!(route.loader.invoke(&batch.event), killed);
    assert!(answer.is_err(), "the invocation died: {answer:?}");
    let again = Bootstrap::start(LOADER, route.vars.clone()).await.unwrap();
    let answer = again.invoke(&batch.event).await.unwrap();
    assert!(route.queue.settle(batch, &answer).await.unwrap().is_empty());
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 50);
    route.check_ledger("transactions").await.unwrap();
}

#[tokio::test]
async fn a_reader_killed_in_the_middle_of_a_file_sends_the_rest_on_the_next_delivery() {
    let route = Route::start().await.unwrap();
    let event = route
        .put("queue/transactions/big.json", lines((0..6_000).map(|n| transaction(n, 900))))
        .await
        .unwrap();
    let killed = async {
        until("some messages", Duration::from_secs(30), async || {
            Ok((route.queue.depth().await? > 5).then_some(()))
        })
        .await
        .unwrap();
        route.reader.kill();
    };
    let (_either, ()) = tokio::join!(route.reader.invoke(&event), killed);
    let again = Bootstrap::start(READER, route.vars.clone()).await.unwrap();
    assert!(failures(&again.invoke(&event).await.unwrap()).is_empty());
    route.load_all().await.unwrap();
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 6_000);
    route.check_ledger("transactions").await.unwrap();
    assert_eq!(route.receipts().await.unwrap()[0]["sent"], json!(6_000));
}

/// Takes every message out of the queue, in the order of their groups.
pub(crate) async fn messages(route: &Route) -> Vec<Value> {
    let mut records = Vec::new();
    loop {
        let batch = route.queue.receive(10).await.unwrap();
        if batch.is_empty() {
            return records;
        }
        records.extend(batch.event["Records"].as_array().unwrap().clone());
        route.queue.settle(batch, &json!({"batchItemFailures": []})).await.unwrap();
    }
}

/// The loader takes the messages in batches of `size`; nothing may be given back.
async fn load(route: &Route, records: &[Value], size: usize) {
    for batch in records.chunks(size) {
        let answer = route.loader.invoke(&json!({"Records": batch})).await.unwrap();
        assert!(failures(&answer).is_empty(), "{answer}");
    }
}

/// The same messages in another order that keeps each group's own.
fn regrouped(records: &[Value], salt: usize) -> Vec<Value> {
    let group = |record: &Value| record["attributes"]["MessageGroupId"].as_str().unwrap().to_owned();
    let mut groups: Vec<String> = records.iter().map(group).collect();
    groups.sort_by_key(|name| name.bytes().fold(salt, |sum, b| sum.wrapping_mul(31).wrapping_add(b.into())));
    groups.dedup();
    groups
        .iter()
        .flat_map(|name| records.iter().filter(|record| group(record) == *name).cloned().collect::<Vec<_>>())
        .collect()
}

fn delay(route: &Route, ms: u64) {
    let fault =
        json!({"fault": "delay", "when": "after-lock", "ms": ms, "times": 1, "database": route.database});
    route.redshift.add_fault(serde_json::from_value(fault).unwrap());
}
