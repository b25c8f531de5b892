//! `penstock catalog` against the local AWS: the tables of a lake, made once, brought up to date, never robbed.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use aws_sdk_glue::types::{PartitionInput, Table};
use penstock_tests::{MiniStack, REGION, Told, penstock};
use tempfile::TempDir;

const COLUMNS: &str =
    "      - {name: id, logicalType: string, physicalType: varchar(32), primaryKey: true, required: true}
      - {name: amount, logicalType: number, physicalType: 'numeric(18,4)', classification: restricted}
      - {name: day, logicalType: date, partitioned: true}
";

/// A contract's folder, and the catalog that it is applied to.
struct Lake {
    stack: &'static MiniStack,
    contracts: TempDir,
    database: String,
}

impl Lake {
    async fn new() -> Self {
        let stack = MiniStack::shared().await.unwrap();
        let database = stack.unique_name("lake").replace('-', "_");
        Self { stack, contracts: tempfile::tempdir().unwrap(), database }
    }

    /// Applies a contract with these columns.
    async fn apply(&self, columns: &str) -> Told {
        let contract = format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: readings\nname: readings\nversion: 1.0.0\nstatus: active\n\
             servers:\n  - {{server: l, type: s3, location: 's3://${{LANDING_BUCKET}}/lake/readings/*', format: csv}}\n\
             schema:\n  - name: readings\n    properties:\n{columns}"
        );
        std::fs::write(self.contracts.path().join("readings.odcs.yaml"), contract).unwrap();
        let vars = [
            ("CONTRACTS_DIR", self.contracts.path().to_str().unwrap()),
            ("GLUE_DATABASE", self.database.as_str()),
            ("LAKE_BUCKET", "the-lake"),
            ("AWS_ENDPOINT_URL", self.stack.endpoint()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", REGION),
        ];
        let vars = vars.map(|(name, value)| (name.to_owned(), value.to_owned()));
        penstock(&vars, &["catalog", "--apply"]).await.unwrap()
    }

    async fn glue(&self) -> aws_sdk_glue::Client {
        aws_sdk_glue::Client::new(&self.stack.sdk_config().await)
    }

    async fn table(&self, name: &str) -> Table {
        let call = self.glue().await.get_table().database_name(&self.database).name(name);
        call.send().await.unwrap().table.unwrap()
    }

    async fn columns(&self, name: &str) -> Vec<String> {
        let table = self.table(name).await;
        let columns = table.storage_descriptor().unwrap().columns();
        columns.iter().map(|own| format!("{} {}", own.name(), own.r#type().unwrap())).collect()
    }

    async fn partitions(&self) -> Vec<Vec<String>> {
        let call = self.glue().await.get_partitions().database_name(&self.database).table_name("readings");
        let answer = call.send().await.unwrap();
        answer.partitions().iter().map(|own| own.values().to_vec()).collect()
    }
}

#[tokio::test]
async fn a_lakes_tables_are_applied_twice_grow_and_are_not_robbed() {
    let lake = Lake::new().await;
    let told = lake.apply(COLUMNS).await;
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{}", told.out);
    assert!(told.out.ends_with("2 tables: 2 created, 0 updated, 0 unchanged\n"), "{}", told.out);
    let told = lake.apply(COLUMNS).await;
    assert!(told.out.ends_with("2 tables: 0 created, 0 updated, 2 unchanged\n"), "{}", told.out);
    // What a crawler finds.
    let partition = PartitionInput::builder().values("2026-01-01").build();
    let call = lake.glue().await.create_partition().database_name(&lake.database).table_name("readings");
    call.partition_input(partition).send().await.unwrap();

    let grown = format!("{COLUMNS}      - {{name: note, logicalType: string}}\n");
    let told = lake.apply(&grown).await;
    assert_eq!((told.code, told.err.as_str()), (0, ""), "{}", told.out);
    assert!(told.out.ends_with("2 tables: 0 created, 2 updated, 0 unchanged\n"), "{}", told.out);
    let columns = lake.columns("readings").await;
    assert_eq!(columns[..4], ["id string", "amount decimal(18,4)", "note string", "_record_id string"]);
    assert_eq!(lake.columns("readings_latest").await.last().unwrap(), "day date");
    assert_eq!(lake.partitions().await, [["2026-01-01"]]);

    let told = lake.apply(COLUMNS).await;
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(told.err.contains(".readings: column note is not in the contract any more"), "{}", told.err);
    assert_eq!(lake.columns("readings").await, columns);
}
