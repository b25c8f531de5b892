//! Contracts of the stream route, and the tables as a model of them has to have them.

use anyhow::ensure;
use penstock_tests::{CopyRoute, StreamRoute};
use tempfile::TempDir;

use crate::model::{self, Object};

/// Which customers are tombstones.
pub const DELETED_WHEN: &str = "status == 'closed'";

/// Upsert by `customer_id`, the latest `updated_at` wins; CSV, by any route.
pub const CUSTOMERS: &str = "apiVersion: v3.1.0
kind: DataContract
id: customers
name: customers
version: 1.0.0
status: active
servers:
  - {server: landing, type: s3, location: 's3://${LANDING_BUCKET}/*/customers/*', format: csv}
  - server: stream
    type: kinesis
    customProperties:
      - {property: penstock.streamName, value: '${STREAM_NAME}'}
      - {property: penstock.deliveryStream, value: '${DELIVERY_STREAM_NAME}'}
      - {property: penstock.aggregate, value: none}
  - server: queue
    type: custom
    customProperties:
      - {property: penstock.queueUrl, value: '${LOAD_QUEUE_URL}'}
      - {property: penstock.rowsPerMessage, value: 7}
  - {server: warehouse, type: redshift, database: '${DATABASE}', schema: tgt}
schema:
  - name: customers
    physicalType: table
    customProperties:
      - {property: penstock.orderBy, value: updated_at}
      - {property: penstock.deletedWhen, value: \"status == 'closed'\"}
    properties:
      - {name: customer_id, logicalType: string, physicalType: varchar(32), primaryKey: true, required: true}
      - {name: name, logicalType: string, physicalType: varchar(40), required: true}
      - {name: balance, logicalType: number, physicalType: 'numeric(12,2)'}
      - {name: status, logicalType: string, physicalType: varchar(10), required: true}
      - {name: updated_at, logicalType: timestamp, physicalType: timestamptz, required: true}
";

/// Append only, nested; NDJSON.
pub const CLICKS: &str = "apiVersion: v3.1.0
kind: DataContract
id: clicks
name: clicks
version: 1.0.0
status: active
servers:
  - {server: landing, type: s3, location: 's3://${LANDING_BUCKET}/stream/clicks/*', format: json, delimiter: new_line}
  - server: stream
    type: kinesis
    customProperties:
      - {property: penstock.streamName, value: '${STREAM_NAME}'}
      - {property: penstock.deliveryStream, value: '${DELIVERY_STREAM_NAME}'}
      - {property: penstock.aggregate, value: none}
  - {server: warehouse, type: redshift, database: '${DATABASE}', schema: tgt}
schema:
  - name: clicks
    physicalType: table
    customProperties:
      - {property: penstock.partitionBy, value: visitor}
    properties:
      - {name: visitor, logicalType: string, physicalType: varchar(40)}
      - {name: page, logicalType: string, physicalType: varchar(400), required: true}
      - {name: at, logicalType: timestamp, physicalType: timestamptz, required: true, partitioned: true, partitionKeyPosition: 1}
      - {name: device, logicalType: object, physicalType: super}
";

/// As many messages as these were given back.
pub const NONE: Vec<usize> = Vec::new();

/// A folder with both contracts, rows packed as `aggregate` says.
pub fn contracts(aggregate: &str) -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in [("customers", CUSTOMERS), ("clicks", CLICKS)] {
        let text = text.replace("aggregate, value: none", &format!("aggregate, value: {aggregate}"));
        std::fs::write(scratch.path().join(format!("{name}.odcs.yaml")), text).unwrap();
    }
    scratch
}

/// A route on which every object is small.
pub async fn route() -> StreamRoute {
    route_split(256 << 20).await
}

/// A route on which objects over so many bytes are read in pieces.
pub async fn route_split(bytes: usize) -> StreamRoute {
    StreamRoute::with_settings(contracts("none"), &[("SPLIT_BYTES", &bytes.to_string())]).await.unwrap()
}

/// The tables are those of the model, every load balances, and nothing is left behind.
pub async fn check(route: &StreamRoute, objects: &[Object]) -> anyhow::Result<()> {
    for table in ["customers", "clicks"] {
        same(&format!("rows of {table}"), rows(route, table).await?, model::rows(objects, table))?;
        route.check_ledger(table).await?;
    }
    route.check_clean().await
}

/// Every row of a table, as [`model::rows`] has it.
pub async fn rows(route: &CopyRoute, table: &str) -> anyhow::Result<Vec<String>> {
    let columns = match table {
        "customers" => "customer_id, name, balance, status, updated_at",
        _ => "visitor, page, at, JSON_SERIALIZE(device)",
    };
    let stamps = "_record_id, _row_hash, _deleted, _order, _source";
    route.lines(&format!("SELECT {columns}, {stamps} FROM tgt.{table}")).await
}

/// What the receipts say of each object, and what is in quarantine: both are of the file alone, however often it came.
pub async fn check_accounts(route: &StreamRoute, objects: &[Object]) -> anyhow::Result<()> {
    for own in objects {
        let key = own.uri.splitn(4, '/').last().unwrap_or_default();
        let receipt = route.receipt_of(key).await?;
        let told = ["read", "rejected"].map(|name| receipt[name].as_u64());
        let (rows, rejected) = (own.records.len() as u64, own.rejected as u64);
        ensure!(told == [Some(rows + rejected), Some(rejected)], "{key}: {rows} and {rejected}: {receipt}");
        let whole = receipt["status"] == "complete" && receipt["object_id"] == own.id.as_str();
        ensure!(whole, "{key}: {receipt}");
    }
    route.check_quarantine().await
}

/// Two lists of lines that have to be the same; what is only in one of them is told.
pub fn same(what: &str, mut found: Vec<String>, expected: Vec<String>) -> anyhow::Result<()> {
    const TOLD: usize = 5;
    found.sort();
    let only = |these: &[String], those: &[String]| {
        let missing = these.iter().filter(|line| those.binary_search(line).is_err());
        missing.take(TOLD).cloned().collect::<Vec<_>>()
    };
    let (surplus, missing) = (only(&found, &expected), only(&expected, &found));
    let (rows, wanted) = (found.len(), expected.len());
    ensure!(found == expected, "{what}: {rows} for {wanted}; too many: {surplus:#?}; missing: {missing:#?}");
    Ok(())
}
