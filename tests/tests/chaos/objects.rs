//! Objects of two datasets, made from a seed: files to be read and files of stamped rows, with rows that compete for a
//! key, ties, equal lines, rows that come twice, and bad ones. What is in them is told to the model as it is written.

use std::io::Write as _;

use anyhow::Context as _;
use penstock_tests::expected::{self, identity, identity_by_etag, order};
use penstock_tests::{Bucket, CopyRoute, Random};
use serde_json::{Value, json};

use crate::model::{Object, Record, Stamps};

/// Rows of a table that is keyed: upsert by `id`, the latest `seen` wins. CSV.
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
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true}
      - {name: name, logicalType: string, physicalType: varchar(40), required: true}
      - {name: seen, logicalType: timestamp, physicalType: timestamptz}
";

/// Rows of a table without a key: every line is a row. NDJSON.
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
      - {name: page, logicalType: string, physicalType: varchar(40)}
      - {name: at, logicalType: timestamp, physicalType: timestamp}
";

const STREAM: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/clicks";
const KEYS: u64 = 150;
/// Of a hundred objects so many are CSV of clients, NDJSON of visits, stamped clients; the rest is stamped visits.
const KINDS: [u64; 3] = [40, 70, 85];

/// An object before it is put.
#[derive(Debug, Default)]
struct Draft {
    text: String,
    records: Vec<Record>,
    rejected: usize,
}

impl Draft {
    fn record(&mut self, line: &str, key: Option<String>, order_by: Option<String>, columns: String) {
        let position = self.text.len() as u64;
        self.records.push(Record { position, key, order_by, columns, stamps: None });
        self.text.push_str(line);
    }

    fn bad(&mut self, line: &str) {
        self.rejected += 1;
        self.text.push_str(line);
    }
}

/// A client, and its time as a file and as the warehouse has it.
struct Client {
    id: u64,
    name: String,
    day: Option<u64>,
}

impl Client {
    fn draw(random: &mut Random) -> Self {
        let (id, name) = (random.below(KEYS), format!("name, \"{}\"", random.below(1_000)));
        Self { id, name, day: random.percent(85).then(|| 1 + random.below(4)) }
    }

    fn seen(&self, form: &str) -> Option<String> {
        self.day.map(|day| format!("2026-01-{day:02}{form}"))
    }

    fn columns(&self) -> String {
        let seen = self.seen(" 00:00:00+00").unwrap_or_else(|| "null".into());
        format!("{}|{}|{seen}", self.id, self.name)
    }
}

fn clients_csv(random: &mut Random) -> Draft {
    let mut draft = Draft { text: "seen,id,name\n".into(), ..Draft::default() };
    for _ in 0..1 + random.below(6) {
        if random.percent(10) {
            draft.bad(random.one(&[",x,Ann\n", "2026-01-01T00:00:00Z,7,\n", "yesterday,7,Ann\n"]));
        }
        let own = Client::draw(random);
        let seen = own.seen("T00:00:00Z").unwrap_or_default();
        let line = format!("{seen},{},\"{}\"\n", own.id, own.name.replace('"', "\"\""));
        draft.record(&line, Some(own.id.to_string()), own.seen(""), own.columns());
    }
    draft
}

fn visits_json(random: &mut Random) -> Draft {
    let mut draft = Draft::default();
    for _ in 0..1 + random.below(6) {
        if random.percent(10) {
            draft.bad(random.one(&["{\"page\":\n", "{\"page\":\"/\",\"at\":\"noon\"}\n"]));
        }
        // Few different ones, so that equal lines stand in one file and in several.
        let (page, hour) = (random.below(3), random.below(2));
        let line = format!("{{\"page\":\"/{page}\",\"at\":\"2026-01-01T0{hour}:00:00\"}}\n");
        draft.record(&line, None, None, format!("/{page}|2026-01-01 0{hour}:00:00"));
    }
    draft
}

/// Adds a record as our transform would have stamped it; the same number is the same record.
fn stamped(draft: &mut Draft, mut columns: Value, mut record: Record, number: u64) {
    // Before and after the time at which the other objects are put.
    let arrived_ms = if number.is_multiple_of(2) { 1_700_000_000_000 } else { 1_900_000_000_000 };
    let order = order(arrived_ms, &identity(&["arrival", &number.to_string()]), number);
    let record_id = identity(&[record.key.as_deref().unwrap_or(&format!("visit {number}"))]);
    let own = columns.as_object_mut().into_iter();
    own.for_each(|own| {
        for (name, value) in [
            ("_record_id", record_id.clone()),
            ("_row_hash", identity(&[&record.columns])),
            ("_order", order.clone()),
            ("_deleted", "false".into()),
            ("_source", STREAM.into()),
            ("_contract_version", "1.0.0".into()),
        ] {
            own.insert(name.into(), value.into());
        }
    });
    draft.text.push_str(&format!("{columns}\n"));
    record.stamps = Some(Stamps { record_id, order, source: STREAM.into() });
    draft.records.push(record);
}

fn stamped_clients(random: &mut Random) -> Draft {
    let mut draft = Draft::default();
    for _ in 0..1 + random.below(6) {
        // What is in it follows from its number: a record that comes twice is the same.
        let number = random.below(60);
        let own = Client::draw(&mut Random::new(number, 99));
        let columns = json!({"_dataset": "clients", "id": own.id.to_string(), "name": own.name, "seen": own.seen(" 00:00:00.000000+00")});
        let (key, order_by) = (Some(own.id.to_string()), own.seen(""));
        let record = Record { position: 0, key, order_by, columns: own.columns(), stamps: None };
        stamped(&mut draft, columns, record, number);
    }
    draft
}

fn stamped_visits(random: &mut Random) -> Draft {
    let mut draft = Draft::default();
    for _ in 0..1 + random.below(6) {
        let number = random.below(60);
        let columns =
            json!({"_dataset": "visits", "page": format!("/s{number}"), "at": "2026-01-02 00:00:00.000000"});
        let text = format!("/s{number}|2026-01-02 00:00:00");
        let record = Record { position: 0, key: None, order_by: None, columns: text, stamps: None };
        stamped(&mut draft, columns, record, number);
    }
    draft
}

/// Puts objects into the route's buckets; what is in them, and a message of each.
pub async fn put(
    route: &CopyRoute,
    random: &mut Random,
    count: usize,
) -> anyhow::Result<(Vec<Object>, Vec<Value>)> {
    let (mut objects, mut messages) = (Vec::new(), Vec::new());
    for n in 0..count {
        let kind = random.below(100);
        let kind = KINDS.iter().position(|bound| kind < *bound).unwrap_or(KINDS.len());
        let (table, bucket, prefix, draft) = match kind {
            0 => ("clients", &route.landing, "copy/clients", clients_csv(random)),
            1 => ("visits", &route.landing, "copy/visits", visits_json(random)),
            2 => ("clients", &route.stage, "clients/dt=2026-01-01", stamped_clients(random)),
            _ => ("visits", &route.stage, "visits/dt=2026-01-01", stamped_visits(random)),
        };
        let is_packed = kind >= 2 || random.percent(50);
        let body = if is_packed { gzip(&draft.text)? } else { draft.text.clone().into_bytes() };
        let key = format!("{prefix}/{n} ä+{}", if is_packed { "x.gz" } else { "x" });
        messages.push(bucket.put_for_event(&key, body).await?);
        let (id, modified_ms) = told(bucket, &key, kind >= 2).await?;
        objects.push(Object {
            table,
            uri: format!("s3://{}/{key}", bucket.name),
            id,
            modified_ms,
            records: draft.records,
            rejected: draft.rejected,
            is_stamped: kind >= 2,
        });
    }
    Ok((objects, messages))
}

/// Identity and time of an object. Of a stamped one only the event is asked.
async fn told(bucket: &Bucket, key: &str, is_stamped: bool) -> anyhow::Result<(String, u64)> {
    let (id, modified_ms) = expected::told(bucket, key).await?;
    if !is_stamped {
        return Ok((id, modified_ms));
    }
    let head = bucket.client.head_object().bucket(&bucket.name).key(key).send().await?;
    let (etag, size) = (head.e_tag().unwrap_or_default(), head.content_length().context("no size")?);
    Ok((identity_by_etag(bucket, key, etag, size), modified_ms))
}

fn gzip(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes())?;
    Ok(encoder.finish()?)
}
