//! Every SQL text that can be emitted parses as Redshift: with sqlfluff all of it, with sqlparser all that it knows.

use penstock_core::contract::Contract;
use penstock_core::ident;
use penstock_core::sql::{FifoLoad, GrantRole, Ident, StagedRow, grants, ledger_view, migration};
use penstock_tests::{check_redshift_sql, workspace_root};
use serde_json::json;

use crate::rig::{Rig, contract};

/// Contracts that reach every form: with and without key, orderBy, distribution and sort keys, every type.
fn contracts() -> Vec<(&'static str, String)> {
    let own = workspace_root().join("infra/contracts/transactions.odcs.yaml");
    let types = "boolean smallint integer bigint numeric(38,37) real double_precision varchar(10) char(3) date time timestamp timestamptz super varbyte(16)";
    let columns: String = types
        .split(' ')
        .enumerate()
        .map(|(n, ty)| format!("      - {{name: c{n}, physicalType: '{}'}}\n", ty.replace('_', " ")))
        .collect();
    let every_type = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.0.0\nstatus: active\nschema:\n  - name: types\n    customProperties:\n      \
         - {{property: penstock.distkey, value: c3}}\n      - {{property: penstock.sortkey, value: [c12, c3]}}\n      \
         - {{property: penstock.groupBy, value: c3}}\n    properties:\n{columns}"
    );
    vec![
        ("transactions", std::fs::read_to_string(own).unwrap()),
        ("keyed", contract(true, "")),
        ("ordered", contract(true, "ob")),
        ("keyless", contract(false, "")),
        ("types", every_type),
    ]
}

fn ddl() -> Vec<(String, String)> {
    let schema = Ident::new("tgt").unwrap();
    let role = GrantRole::new("penstock-dev-sqs-fifo-to-redshift").unwrap();
    let mut found = vec![("user".to_owned(), role.create_user())];
    let mut tables = Vec::new();
    for (name, text) in contracts() {
        let contract = Contract::parse(&text).unwrap();
        let statements = migration(&contract, &schema)
            .unwrap()
            .into_iter()
            .chain(grants(&contract, &schema, &role).unwrap());
        found.extend(statements.enumerate().map(|(n, sql)| (format!("{name} {n}"), sql)));
        if !tables.contains(&contract.table) {
            tables.push(contract.table);
        }
    }
    found.push(("view".to_owned(), ledger_view(&tables).unwrap()));
    found
}

async fn loads() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, text) in contracts().into_iter().skip(1).take(3) {
        let rig = Rig::new(&text).await;
        let rows = [
            rig.row(1, 1, 0, &json!({"k": "a", "v": null, "ob": "2026-01-01T00:00:00Z", "doc": {"n": 1}})),
            rig.row(2, 2, 0, &json!({"k": "", "v": ""})),
        ];
        let staged: Vec<StagedRow<'_>> =
            rows.iter().map(|own| StagedRow { row: own.row(), source: &own.source }).collect();
        let load = FifoLoad {
            contract: rig.checker.contract(),
            schema: &rig.schema,
            load_id: ident::stable_id(["parse"]),
            loaded_ms: 1_790_000_000_000,
            oldest_ms: 1_790_000_000_000,
            source: "arn:test",
            rows: &staged,
            rejected: 0,
        };
        let statements = load.batch().unwrap().statements;
        found.extend(statements.into_iter().enumerate().map(|(n, sql)| (format!("{name} load {n}"), sql)));
    }
    found
}

#[tokio::test]
async fn every_statement_parses_with_sqlfluff() {
    let mut all = ddl();
    all.extend(loads().await);
    assert!(all.len() > 60, "{}", all.len());
    check_redshift_sql(all).unwrap();
}

#[tokio::test]
async fn every_statement_runs_on_redshift_local() {
    // Creating a rig runs the DDL of its contract, and a load the transaction; here the rest: every type, grants, view.
    let rig = Rig::new(&contract(true, "ob")).await;
    for (name, sql) in ddl() {
        rig.warehouse
            .execute(&rig.database, &sql)
            .await
            .unwrap_or_else(|error| panic!("{name}: {error}: {sql}"));
    }
    assert_eq!(rig.lines("SELECT COUNT(*) FROM penstock.objects").await, ["0"]);
}
