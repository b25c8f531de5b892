//! The grants of a function's role: enough for its load, and for nothing beyond.

use penstock_core::sql::{GrantRole, grants};
use penstock_tests::warehouse;
use serde_json::json;

use crate::copies::{Copies, Object};
use crate::rig::{Rig, client, contract, contract_with, counts};

#[tokio::test]
async fn the_granted_role_can_load_and_nothing_else() {
    let rig = Rig::new(&contract(true, "ob")).await;
    let role = GrantRole::new("penstock-test-loader").unwrap();
    let key = "AKIALOADERROLE";
    warehouse().await.unwrap().map_caller(key, &role.user());
    let loader = client(key).await;
    let rows = [rig.row(1, 1, 0, &json!({"k": "a", "v": "x", "doc": {"n": 1}}))];
    // Without its grants it can do nothing.
    loader.execute(&rig.database, "SELECT COUNT(*) FROM tgt.x").await.unwrap_err();
    for statement in grants(rig.checker.contract(), &rig.schema, &role).unwrap() {
        rig.warehouse.execute(&rig.database, &statement).await.unwrap_or_else(|e| panic!("{e}: {statement}"));
    }
    assert_eq!(counts(&rig.load_as(&loader, "granted", &rows).await), [1, 1, 0, 0, 0, 0]);
    for refused in [
        "DROP TABLE tgt.x",
        "UPDATE tgt.x SET v = 'y'",
        "DELETE FROM penstock.objects_x",
        "UPDATE penstock.objects_x SET n_read = 0",
        "CREATE TABLE tgt.y (n integer)",
        "ALTER TABLE tgt.x ADD COLUMN w varchar(8)",
    ] {
        let error = loader.execute(&rig.database, refused).await.unwrap_err().to_string().to_lowercase();
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{refused}: {error}");
    }
}

#[tokio::test]
async fn the_granted_role_can_keep_histories_and_replace_rows() {
    let custom =
        "{property: penstock.keepHistory, value: true}, {property: penstock.onReplace, value: replace}, ";
    let mut copies = Copies::new(&contract_with(false, "", custom)).await;
    let role = GrantRole::new("penstock-test-copier").unwrap();
    let key = "AKIACOPIERROLE";
    warehouse().await.unwrap().map_caller(key, &role.user());
    let copier = client(key).await;
    copier.execute(&copies.rig.database, "SELECT COUNT(*) FROM tgt.x").await.unwrap_err();
    for statement in grants(copies.rig.checker.contract(), &copies.rig.schema, &role).unwrap() {
        let done = copies.rig.warehouse.execute(&copies.rig.database, &statement).await;
        done.unwrap_or_else(|e| panic!("{e}: {statement}"));
    }
    copies.rig.warehouse = copier;
    let object = |ms: u64, v: &str| Object::new("a", ms, v, vec![json!({"k": "k", "v": v})]);
    for own in [object(1, "first"), object(2, "second")] {
        assert_eq!(counts(&copies.load(&[own]).await), [1, 1, 0, 0, 0, 0]);
    }
    assert_eq!(copies.rig.lines("SELECT v FROM tgt.x").await, ["second"]);
    assert_eq!(copies.rig.lines("SELECT COUNT(*) FROM stg.x").await, ["2"]);
    for refused in [
        "UPDATE stg.x SET v = 'y'",
        "DROP TABLE penstock.newest_x",
        "ALTER TABLE stg.x ADD COLUMN w varchar(8)",
    ] {
        let error = copies.rig.warehouse.execute(&copies.rig.database, refused).await.unwrap_err();
        let error = error.to_string().to_lowercase();
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{refused}: {error}");
    }
}
