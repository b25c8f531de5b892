//! A dataset whose contract was loosened, what its functions rejected before that, and a replay of it.

use std::sync::Arc;

use penstock_core::contract::Contract;
use penstock_core::decode::Limits;
use penstock_core::ingest::{Batch, Ingest, Progress};
use penstock_core::quarantine::Subject;
use penstock_core::reject::Reject;
use penstock_core::row::{Checker, Origin};
use serde_json::Value;
use tempfile::TempDir;

use crate::cloud::{Cloud, WRITTEN_MS};
use crate::common::{Run, contracts};

/// A classified value.
pub const SECRET: &str = "Alexandrine";
pub const FILE: &str = "copy/people/a.csv";
pub const ENV: [(&str, &str); 7] = [
    ("QUARANTINE_BUCKET", "quarantine"),
    ("WORK_BUCKET", "work"),
    ("STAGE_BUCKET", "stage"),
    ("LANDING_BUCKET", "landing"),
    ("LOAD_QUEUE_URL", "https://load"),
    ("STREAM_NAME", "feed"),
    ("DATABASE", "dev"),
];

/// Keys, orders, and how they come, by the route; a name has at most so many letters.
fn contract(route: &str, format: &str, table: &str, key: bool, letters: usize) -> String {
    let server = match route {
        "queue" => {
            "  - {server: q, type: custom, customProperties: [{property: penstock.queueUrl, value: '${LOAD_QUEUE_URL}'}]}\n"
        }
        "stream" => {
            "  - {server: k, type: kinesis, customProperties: [{property: penstock.streamName, value: '${STREAM_NAME}'}]}\n"
        }
        _ => "",
    };
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: people\nname: people\nversion: 1.0.0\nstatus: active\nservers:\n  \
         - {{server: l, type: s3, location: 's3://${{LANDING_BUCKET}}/{route}/people/*', format: {format}}}\n{server}  \
         - {{server: w, type: redshift, database: '${{DATABASE}}', schema: tgt}}\nschema:\n  - name: people\n    \
         physicalType: table\n{table}    properties:\n      \
         - {{name: id, logicalType: integer, physicalType: bigint, required: true, primaryKey: {key}}}\n      \
         - {{name: name, logicalType: string, physicalType: varchar(40), classification: restricted, logicalTypeOptions: \
         {{maxLength: {letters}}}}}\n"
    )
}

/// A dataset before and after its contract was loosened, and its route's cloud.
pub struct Rig {
    pub cloud: Cloud,
    before: String,
    pub directory: TempDir,
}

impl Rig {
    pub fn new(route: &str, format: &str, table: &str, key: bool) -> Self {
        let after = contract(route, format, table, key, 20);
        let directory = contracts(&[("people.odcs.yaml", &after)]);
        Self { cloud: Cloud::default(), before: contract(route, format, table, key, 3), directory }
    }

    /// Records of the copy route, in CSV, with a time that decides.
    pub fn copy() -> Self {
        let table = "    customProperties: [{property: penstock.orderBy, value: id}]\n";
        let rig = Self::new("copy", "csv", table, true);
        rig.arrive("s3-to-redshift-copy", FILE, &format!("name,id\nAnn,1\n{SECRET},2\nBobby,3\nCharles,x\n"));
        rig
    }

    /// Puts a file, and what its function would have rejected of it; gives the rows that it would have under the contract
    /// of today.
    pub fn arrive(&self, function: &str, key: &str, body: &str) -> Vec<String> {
        let id = self.cloud.put("landing", key, body);
        let origin = Origin::new(format!("s3://landing/{key}"), id, WRITTEN_MS);
        let (_, batch) = read(&self.before, &origin, body);
        self.quarantine(function, &origin, &batch.rejects);
        let after = std::fs::read_to_string(self.directory.path().join("people.odcs.yaml")).unwrap();
        read(&after, &origin, body).0
    }

    pub fn quarantine(&self, function: &str, origin: &Origin, rejects: &[Reject]) {
        let subject = Subject {
            dataset: "people".into(),
            id: origin.object_id,
            source: origin.source.clone(),
            contract_version: None,
        };
        self.cloud.put("quarantine", &subject.key(function, 0), subject.lines(rejects));
    }

    pub async fn replay(&self, arguments: &[&str]) -> Run {
        let arguments = [&["replay"], arguments].concat();
        self.cloud.run(self.directory.path(), &arguments, &ENV).await
    }
}

/// A file as its function reads it: stamps of its rows, and its rejects.
pub fn read(contract: &str, origin: &Origin, body: &str) -> (Vec<String>, Batch) {
    let checker = Checker::compile(Arc::new(Contract::parse(contract).unwrap())).unwrap();
    let mut ingest = Ingest::new(Arc::new(checker), origin.clone(), Limits::default()).unwrap();
    let (mut batch, mut rest) = (Batch::default(), body.as_bytes());
    while !rest.is_empty() {
        let taken = ingest.step(rest, &mut batch).unwrap();
        rest = &rest[taken..];
    }
    while ingest.finish(&mut batch).unwrap() == Progress::More {}
    let stamps = ingest.stamp(&mut batch).iter().map(|row| {
        let stamp = row.stamp();
        format!("{} {} {}", stamp.record_id, stamp.row_hash, stamp.order)
    });
    (stamps.collect(), batch)
}

/// The stamps of a row that was sent.
pub fn stamps(row: &Value) -> String {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    format!("{} {} {}", text("_record_id"), text("_row_hash"), text("_order"))
}
