//! The deployed loader gets every message again after its commit and before its acknowledgement.

use penstock_tests::deployed::{Deployment, Mapping};
use penstock_tests::samples::rivals;
use penstock_tests::{LOADER, MiniStack, failures};
use serde_json::{Value, json};

const KEYS: usize = 60;
/// So few groups that one receive gives all messages: the queue holds a group back while one of it is out.
const ACCOUNTS: usize = 3;

#[tokio::test]
async fn messages_delivered_again_in_other_groupings_after_their_commit_change_nothing() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let route = deployment.route().await.unwrap();
    deployment.set_mapping(LOADER, Mapping::Off).unwrap();
    for (i, file) in rivals(KEYS, ACCOUNTS).into_iter().enumerate() {
        route.drop_file(&format!("queue/transactions/{i}.json"), file).await.unwrap();
    }
    route.read_all().await.unwrap();
    let batch = route.queue.receive(10).await.unwrap();
    assert_eq!(batch.len() as u64, route.queue.depth().await.unwrap(), "all messages are out");
    assert!(batch.len() > ACCOUNTS, "no group has several messages");
    let records = batch.event["Records"].as_array().unwrap().clone();

    load(&deployment, &records, records.len()).await;
    route.check_rivals(KEYS).await.unwrap();
    let committed = route.transactions().await.unwrap();
    let backwards: Vec<Value> = records.iter().rev().cloned().collect();
    let rotated = [&records[2..], &records[..2]].concat();
    for (order, size) in [(&backwards, 1), (&rotated, 4), (&backwards, 7)] {
        load(&deployment, order, size).await;
        assert_eq!(route.transactions().await.unwrap(), committed, "groupings of {size}");
    }

    // The queue delivers them once more, and now they are acknowledged.
    deployment.set_mapping(LOADER, Mapping::On).unwrap();
    route.queue.fail(batch).await.unwrap();
    route.load_all().await.unwrap();
    assert_eq!(route.transactions().await.unwrap(), committed);
    let inserted = route.number("SELECT SUM(n_inserted) FROM penstock.objects_transactions").await.unwrap();
    assert_eq!(inserted, KEYS as i64);
    route.check_ledger("transactions").await.unwrap();
    route.check_quarantine().await.unwrap();
    assert_eq!(route.given_up().await.unwrap(), 0);
}

/// The deployed loader takes messages in batches of `size`; nothing may be given back.
async fn load(deployment: &Deployment<'_>, records: &[Value], size: usize) {
    for batch in records.chunks(size) {
        let invoked = deployment.invoke(LOADER, &json!({"Records": batch})).await.unwrap();
        assert!(failures(&invoked.answer).is_empty(), "{invoked:?}");
    }
}
