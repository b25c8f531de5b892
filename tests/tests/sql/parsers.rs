//! Every SQL text that can be emitted parses as Redshift: with sqlfluff all of it, with sqlparser all that it knows.

use penstock_core::contract::Contract;
use penstock_core::ident;
use penstock_core::sql::{
    Accounting, CopyLoad, CopyRole, FifoLoad, GrantRole, Ident, Model, Packing, RowFiles, StagedRow,
    after_load, grants, ledger_view, migration, model_grants,
};
use penstock_tests::{REGION, binary, check_redshift_sql, warehouse, workspace_root};
use serde_json::json;

use crate::rig::{Rig, contract, contract_with};

const KEEP: &str = "{property: penstock.keepHistory, value: true}, ";
const GONE: &str = "{property: penstock.deletedWhen, value: \"v == 'gone'\"}, ";
const REPLACE: &str = "{property: penstock.onReplace, value: replace}, ";

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
        ("tombstones", contract_with(true, "ob", &format!("{KEEP}{GONE}"))),
        ("replaced", contract_with(false, "", &format!("{KEEP}{REPLACE}"))),
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
    for (name, text) in contracts().into_iter().skip(1).take(5) {
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
        for accounting in [Accounting::Objects, Accounting::Load] {
            let copied = copy(&rig, accounting).into_iter().enumerate();
            found.extend(copied.map(|(n, sql)| (format!("{name} copy {accounting:?} {n}"), sql)));
        }
    }
    found
}

fn copy(rig: &Rig, accounting: Accounting) -> Vec<String> {
    let role = CopyRole::new("arn:aws:iam::123456789012:role/copy").unwrap();
    let files =
        |packing, name: &str| RowFiles { manifest: format!("s3://work/loads/x/1/{name}.manifest"), packing };
    let load = CopyLoad {
        contract: rig.checker.contract(),
        schema: &rig.schema,
        load_id: ident::stable_id(["parse"]),
        loaded_ms: 1_790_000_000_000,
        oldest_ms: 1_790_000_000_000,
        role: &role,
        objects: "s3://work/loads/x/1/objects.manifest",
        rows: &[files(Packing::Zstd, "zstd"), files(Packing::Gzip, "gzip"), files(Packing::Plain, "plain")],
        accounting,
    };
    load.batch().unwrap().statements
}

/// The models of the project: what they define, and what runs after a load.
fn models() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(workspace_root().join("infra/redshift/models")).unwrap() {
        let path = entry.unwrap().path();
        let model = Model::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let tables = ["customers", "transactions"].map(|table| Ident::new(table).unwrap()).into();
        let mut statements: Vec<String> = model.defined().map(|own| own.sql.clone()).collect();
        statements.extend(after_load(&tables, [&model]).unwrap().statements);
        statements.extend(model_grants(&model, &GrantRole::new("loader").unwrap()));
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(statements.into_iter().enumerate().map(|(n, sql)| (format!("{name} {n}"), sql)));
    }
    found
}

/// What a migration of a table and its history would alter, as it prints that.
async fn alterations() -> Vec<(String, String)> {
    let text = contract_with(true, "ob", &format!("{KEEP}{GONE}"));
    let rig = Rig::new(&text).await;
    let wider = text.replacen(
        "name: v, logicalType: string, physicalType: varchar(64)",
        "name: v, logicalType: string, physicalType: varchar(128)",
        1,
    );
    let more = format!("{wider}      - {{name: w, logicalType: string, physicalType: varchar(8)}}\n");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.odcs.yaml"), more).unwrap();
    let run = std::process::Command::new(binary("penstock").unwrap())
        .args(["migrate", "--dry-run", "."])
        .current_dir(folder.path())
        .env("AWS_ENDPOINT_URL_REDSHIFT_DATA", warehouse().await.unwrap().endpoint())
        .env("DATABASE", &rig.database)
        .envs([("WORKGROUP_NAME", "local"), ("AWS_REGION", REGION)])
        .envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")])
        .output()
        .unwrap();
    let told = String::from_utf8(run.stdout).unwrap();
    let altered =
        told.lines().filter(|line| line.starts_with("ALTER TABLE ")).map(|line| line.trim_end_matches(';'));
    let found: Vec<_> = altered.enumerate().map(|(n, sql)| (format!("alter {n}"), sql.to_owned())).collect();
    assert_eq!(found.len(), 4, "{told}{}", String::from_utf8_lossy(&run.stderr));
    found
}

#[tokio::test]
async fn every_statement_parses_with_sqlfluff() {
    let mut all = ddl();
    all.extend(loads().await);
    all.extend(models());
    all.extend(alterations().await);
    assert!(all.len() > 300, "{}", all.len());
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
