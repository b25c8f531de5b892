//! `penstock replay` on the queue route: rejects of a contract that was too strict come in when it is loosened, once, and
//! overwrite no version that is newer than they are.

use std::path::Path;
use std::time::Duration;

use penstock_tests::samples::{lines, transaction, with};
use penstock_tests::{Bootstrap, LOADER, READER, Route, penstock, until, workspace_root};
use serde_json::json;

/// A folder with the project's contract, under which a note has at most so many letters, and time alone decides.
fn contract(directory: &Path, letters: usize) {
    let path = workspace_root().join("infra/contracts/transactions.odcs.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let note = "physicalType: varchar(512)\n";
    assert!(text.contains(note));
    let text =
        text.replace(note, &format!("{note}        logicalTypeOptions:\n          maxLength: {letters}\n"));
    let order = "      - property: penstock.orderBy\n        value: booked_at\n";
    assert!(text.contains(order));
    std::fs::write(directory.join("transactions.odcs.yaml"), text.replace(order, "")).unwrap();
}

#[tokio::test]
async fn a_late_record_comes_in_once_and_loses_to_a_version_that_came_after_it() {
    let scratch = tempfile::tempdir().unwrap();
    contract(scratch.path(), 3);
    let mut route = Route::with_contracts(scratch.path()).await.unwrap();
    let noted = |n, note: &str| with(transaction(n, 5), json!({"note": note}));
    route
        .read("queue/transactions/1.json", lines([noted(0, "abc"), noted(1, "longer"), noted(2, "longer")]))
        .await
        .unwrap();
    route.load_all().await.unwrap();
    let first = route.landing.modified_ms("queue/transactions/1.json").await.unwrap();
    // S3's times have whole seconds: a version that is newer needs another one.
    until("another second", Duration::from_secs(20), async || {
        route.landing.put("other/probe", "x").await?;
        Ok((route.landing.modified_ms("other/probe").await? > first).then_some(()))
    })
    .await
    .unwrap();
    route.read("queue/transactions/2.json", lines([noted(1, "new")])).await.unwrap();
    route.load_all().await.unwrap();
    contract(scratch.path(), 9);
    route.reader = Bootstrap::start(READER, route.vars.clone()).await.unwrap();
    route.loader = Bootstrap::start(LOADER, route.vars.clone()).await.unwrap();
    let notes = "SELECT transaction_id, note FROM tgt.transactions ORDER BY 1";
    for arguments in [&["--dataset", "transactions"][..], &["--dataset", "transactions", "--again"]] {
        let told = penstock(&route.vars, &[&["replay"], arguments].concat()).await.unwrap();
        assert_eq!((told.code, told.err.as_str()), (0, ""), "{}", told.out);
        assert_eq!(told.counts("transactions"), [2, 2, 0, 0, 0], "{}", told.out);
        route.load_all().await.unwrap();
        let found = route.lines(notes).await.unwrap();
        assert_eq!(found, ["tx-00000000|abc", "tx-00000001|new", "tx-00000002|longer"]);
    }
    route.check_ledger("transactions").await.unwrap();
}
