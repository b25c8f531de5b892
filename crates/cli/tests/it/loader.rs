//! The role that `penstock migrate --role` grants to: it can run a load, and nothing beyond.

use std::sync::Arc;

use penstock_aws::Invocation;
use penstock_aws::warehouse::{ExecuteError, LoadEnd, LoadName};
use penstock_core::contract::Contract;
use penstock_core::ident;
use penstock_core::row::{Checker, Origin, Place, Rows, Session};
use penstock_core::sql::{FifoLoad, Ident, StagedRow};

use crate::common::{Db, TRANSACTIONS, contracts, db};

const RECORD: &str = r#"{"transaction_id":"t1","account_id":"a1","amount":"12.50","currency":"EUR",
    "booked_at":"2026-01-02T03:04:05Z","merchant":{"name":"m"},"status":"booked"}"#;

/// One record, loaded as an access key.
pub async fn load(db: &Db, access_key: &str) -> LoadEnd {
    let contract = Arc::new(Contract::parse(TRANSACTIONS).unwrap());
    let checker = Checker::compile(Arc::clone(&contract)).unwrap();
    let source = "s3://landing/queue/transactions/a.json".to_owned();
    let origin = Origin::new(source.clone(), ident::stable_id(["object"]), 1);
    let mut rows = Rows::default();
    let place = Place::Object { origin: &origin, position: 0 };
    checker.check_json(&mut Session::default(), RECORD.as_bytes(), &place, &mut rows).unwrap();
    let load_id = ident::stable_id(["load", &db.name]);
    let load = FifoLoad {
        contract: &contract,
        schema: &Ident::new("tgt").unwrap(),
        load_id,
        loaded_ms: 1,
        oldest_ms: 1,
        source: "queue",
        rows: &[StagedRow { row: rows.get(0).unwrap(), source: &source }],
        rejected: 0,
    };
    let name = LoadName { dataset: "transactions", load_id: &load_id.to_string() };
    let warehouse = db.warehouse(access_key);
    warehouse.load(name, &db.name, &load.batch().unwrap(), &Invocation::lasting(None)).await.unwrap()
}

#[tokio::test]
async fn the_granted_role_can_load_and_do_nothing_else() {
    let db = db().await;
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    let run = db.penstock(directory.path(), &["migrate", ".", "--role", "loader"]);
    assert_eq!(run.code, 0, "{}", run.err);
    db.server.map_caller("loader-key", "IAMR:loader");
    let LoadEnd::Finished { counts, .. } = load(&db, "loader-key").await else {
        panic!("the load did not finish")
    };
    assert_eq!(counts, Some(vec![1, 1, 0, 0, 0, 0]));
    let loader = db.warehouse("loader-key");
    for sql in [
        "UPDATE tgt.transactions SET note = 'x'",
        "DELETE FROM penstock.objects_transactions",
        "UPDATE penstock.objects_transactions SET status = 'x'",
        "INSERT INTO penstock.lock_transactions (n) VALUES (1)",
        "CREATE TABLE tgt.own (n integer)",
        "CREATE TABLE penstock.own (n integer)",
        "DROP TABLE tgt.transactions",
        "ALTER TABLE tgt.transactions ADD COLUMN own integer",
        "CREATE SCHEMA own",
    ] {
        let refused = loader.execute(&db.name, sql).await;
        let Err(ExecuteError::Failed(text)) = refused else { panic!("{sql}: {refused:?}") };
        assert!(text.contains("permission denied") || text.contains("must be owner"), "{sql}: {text}");
    }
}

#[tokio::test]
async fn a_role_that_nobody_granted_to_cannot_load() {
    let db = db().await;
    let directory = contracts(&[("a.odcs.yaml", TRANSACTIONS)]);
    assert_eq!(db.penstock(directory.path(), &["migrate", "."]).code, 0);
    db.server.map_caller("stranger-key", "IAMR:stranger");
    let end = load(&db, "stranger-key").await;
    let LoadEnd::Failed { message, .. } = end else { panic!("{end:?}") };
    assert!(message.contains("permission denied"), "{message}");
}
