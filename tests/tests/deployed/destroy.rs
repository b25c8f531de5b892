//! destroy.sh keeps what holds data until it is told otherwise, and then leaves nothing.

use penstock_tests::MiniStack;
use penstock_tests::deployed::Deployment;
use penstock_tests::samples::{lines, transaction};
use serde_json::json;

/// The quarantine's key as it is now.
fn key_of(deployment: &Deployment<'_>) -> String {
    let alias = format!("alias/{}", deployment.name("quarantine"));
    let key = deployment.cloud.aws(&["kms", "describe-key", "--key-id", &alias]).unwrap();
    key["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

fn state_of(deployment: &Deployment<'_>, key: &str) -> String {
    let key = deployment.cloud.aws(&["kms", "describe-key", "--key-id", key]).unwrap();
    key["KeyMetadata"]["KeyState"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_destroyed_stage_keeps_what_holds_objects_for_the_next_one_and_delete_data_leaves_nothing() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let route = deployment.route().await.unwrap();
    let file = lines([transaction(1, 1), json!({"no": "transaction"})]);
    route.drop_file("queue/transactions/a.json", file).await.unwrap();
    route.load_all().await.unwrap();
    let buckets = |purposes: &[&str]| purposes.iter().map(|own| deployment.bucket(own)).collect::<Vec<_>>();
    let alias = format!("alias/{}", deployment.name("quarantine"));
    let kept = [vec![alias], buckets(&["landing", "quarantine", "work"])].concat();

    let key = key_of(&deployment);
    deployment.destroy(&[]).unwrap();
    assert_eq!(deployment.what_is_there().unwrap(), kept);
    assert_eq!(route.landing.list("").await.unwrap(), ["queue/transactions/a.json"]);
    assert_eq!(state_of(&deployment, &key), "Enabled", "rejects that are kept can be decrypted");

    // What an earlier stage left is taken back, and the route goes on.
    deployment.deploy(&[]).unwrap();
    assert_eq!(key_of(&deployment), key, "one key decrypts all rejects");
    let route = deployment.route().await.unwrap();
    assert_eq!(route.landing.list("").await.unwrap(), ["queue/transactions/a.json"]);
    assert_eq!(route.receipts().await.unwrap().len(), 1);
    assert_eq!(route.quarantined().await.unwrap().len(), 1);
    route.drop_file("queue/transactions/b.json", lines([transaction(2, 1)])).await.unwrap();
    route.load_all().await.unwrap();
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.transactions").await.unwrap(), 2);
    route.check_ledger("transactions").await.unwrap();

    deployment.destroy(&["--delete-data"]).unwrap();
    assert_eq!(deployment.what_is_there().unwrap(), Vec::<String>::new());
    assert_eq!(state_of(&deployment, &key), "PendingDeletion");
}
