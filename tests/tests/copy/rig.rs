//! Contracts of the copy route, and files of them.

use std::io::Write as _;

use penstock_tests::CopyRoute;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Upsert by `id`, the latest `seen` wins; CSV.
pub const CLIENTS: &str = "apiVersion: v3.1.0
kind: DataContract
id: clients
name: clients
version: 1.0.0
status: active
servers:
  - {server: landing, type: s3, location: 's3://${LANDING_BUCKET}/copy/clients/*', format: csv}
  - {server: warehouse, type: redshift, database: '${DATABASE}', schema: tgt}
schema:
  - name: clients
    physicalType: table
    customProperties:
      - {property: penstock.orderBy, value: seen}
      - {property: penstock.maxRejectedFraction, value: 0.5}
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true}
      - {name: name, logicalType: string, physicalType: varchar(20), required: true}
      - {name: seen, logicalType: timestamp, physicalType: timestamptz}
      - {name: balance, logicalType: number, physicalType: 'numeric(12,2)'}
";

/// Append only, nested; NDJSON.
pub const VISITS: &str = "apiVersion: v3.1.0
kind: DataContract
id: visits
name: visits
version: 1.0.0
status: active
servers:
  - {server: landing, type: s3, location: 's3://${LANDING_BUCKET}/copy/visits/*', format: json}
  - {server: warehouse, type: redshift, database: '${DATABASE}', schema: tgt}
schema:
  - name: visits
    physicalType: table
    properties:
      - {name: page, logicalType: string, physicalType: varchar(200)}
      - {name: at, logicalType: timestamp, physicalType: timestamp}
      - {name: device, logicalType: object, physicalType: super}
      - {name: is_new, logicalType: boolean, physicalType: boolean}
      - {name: mark, physicalType: varbyte(8)}
";

/// A route with both contracts.
pub async fn route() -> CopyRoute {
    CopyRoute::with_contracts(contracts(&[])).await.unwrap()
}

/// A folder with both contracts and these.
pub fn contracts(more: &[(&str, &str)]) -> TempDir {
    let scratch = tempfile::tempdir().unwrap();
    for (name, text) in [("clients", CLIENTS), ("visits", VISITS)].iter().chain(more) {
        std::fs::write(scratch.path().join(format!("{name}.odcs.yaml")), text).unwrap();
    }
    scratch
}

pub fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Lines of a table, in order.
pub async fn clients(route: &CopyRoute) -> Vec<String> {
    route.lines("SELECT id, name, seen, balance FROM tgt.clients ORDER BY id").await.unwrap()
}

/// Sets a fault for the route's own database.
pub fn fault(route: &CopyRoute, mut fault: Value) {
    fault["database"] = json!(route.database);
    route.redshift.add_fault(serde_json::from_value(fault).unwrap());
}
