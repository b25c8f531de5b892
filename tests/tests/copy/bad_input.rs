//! What is wrong with one object costs no other one, and is told.

use crate::rig::{clients, route};

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
