//! Contracts of the lake route, and files of them.

use std::io::Write as _;

use penstock_tests::LakeRoute;
use tempfile::TempDir;

/// Columns of every type; `day` and `zone` are folders.
pub const COLUMNS: &str = "
      - {name: Id, physicalName: id, logicalType: integer, physicalType: bigint, required: true}
      - {name: name, logicalType: string, physicalType: varchar(40)}
      - {name: fare, logicalType: number, physicalType: 'numeric(12,2)'}
      - {name: exact, logicalType: number, physicalType: 'numeric(38,6)'}
      - {name: at, logicalType: timestamp, physicalType: timestamptz}
      - {name: local, logicalType: timestamp, physicalType: timestamp}
      - {name: is_new, logicalType: boolean, physicalType: boolean}
      - {name: tags, logicalType: object, physicalType: super}
      - {name: day, logicalType: date, physicalType: date, partitioned: true, partitionKeyPosition: 1}
      - {name: zone, logicalType: string, physicalType: varchar(20), partitioned: true, partitionKeyPosition: 2}
";

/// Columns that a test looks at, in this order.
pub const LOOK: [&str; 10] = ["id", "name", "fare", "exact", "at", "local", "is_new", "tags", "day", "zone"];

/// A dataset of the lake route. `custom` are properties of its schema in YAML's flow style.
pub fn contract(name: &str, server: &str, custom: &str, columns: &str) -> String {
    let properties = if columns.is_empty() { String::new() } else { format!("    properties:{columns}") };
    format!(
        "apiVersion: v3.1.0
kind: DataContract
id: {name}
name: {name}
version: 1.0.0
status: active
servers:
  - {{server: landing, type: s3, location: 's3://${{LANDING_BUCKET}}/lake/{name}/**', {server}}}
schema:
  - name: {name}
    physicalType: table
    customProperties: [{custom}]
{properties}"
    )
}

pub const JOB: &str = "{property: penstock.glueJob, value: job}";
pub const STAGED: &str = "{property: penstock.lakeFormat, value: parquet}";

/// The datasets that every test has: trips in each format, one that is staged, and two that are copied.
pub fn contracts() -> TempDir {
    let half = "{property: penstock.maxRejectedFraction, value: 0.5}";
    // In these formats nested JSON is a text.
    let texts = COLUMNS.replace(
        "tags, logicalType: object, physicalType: super",
        "tags, logicalType: string, physicalType: varchar(99)",
    );
    let lake_names = texts.replace("name: Id, physicalName: id", "name: id");
    let scratch = tempfile::tempdir().unwrap();
    for (name, server, custom, columns) in [
        ("trips", "format: csv", half, COLUMNS),
        ("rides", "format: json", half, COLUMNS),
        ("flights", "format: avro", half, texts.as_str()),
        ("journeys", "format: parquet", half, lake_names.as_str()),
        ("staged", "format: json", STAGED, COLUMNS),
        ("bare", "format: json", "{property: penstock.lakeStamps, value: false}", COLUMNS),
        ("heavy", "format: json", JOB, COLUMNS),
        ("images", "format: binary", "", ""),
        ("papers", "format: csv", "{property: penstock.lakeFormat, value: as-is}", COLUMNS),
    ] {
        let text = contract(name, server, custom, columns);
        std::fs::write(scratch.path().join(format!("{name}.odcs.yaml")), text).unwrap();
    }
    scratch
}

pub async fn route() -> LakeRoute {
    LakeRoute::with_settings(contracts(), &[]).await.unwrap()
}

/// The trip of a number, as a line of JSON.
pub fn ride(n: u64) -> String {
    let (fare, day) = (format!("{}.{:02}", n * 7, n % 100), 1 + n % 3);
    format!(
        "{{\"Id\":{n},\"name\":\"trip \\\"{n}\\\" ä\",\"fare\":{fare},\"exact\":\"-{}12345678901234567890.000001\",\
         \"at\":\"2026-01-02T03:04:05.{n:06}+01:00\",\"local\":\"1969-12-31 23:59:59.999999\",\"is_new\":{},\
         \"tags\":{{\"b\":[{n},null],\"a\":1.50}},\"day\":\"2026-01-0{day}\",\"zone\":\"Z {}/x\"}}\n",
        n + 1,
        n.is_multiple_of(2),
        n % 2
    )
}

/// The same as a line of CSV.
pub fn trip(n: u64) -> String {
    let (fare, day) = (format!("{}.{:02}", n * 7, n % 100), 1 + n % 3);
    format!(
        "{n},\"trip \"\"{n}\"\" ä\",{fare},-{}12345678901234567890.000001,2026-01-02T03:04:05.{n:06}+01:00,\
         1969-12-31 23:59:59.999999,{},\"{{\"\"b\"\":[{n},null],\"\"a\"\":1.50}}\",2026-01-0{day},Z {}/x\n",
        n + 1,
        n.is_multiple_of(2),
        n % 2
    )
}

pub const HEADER: &str = "Id,name,fare,exact,at,local,is_new,tags,day,zone\n";

pub fn trips(range: std::ops::Range<u64>) -> String {
    HEADER.to_owned() + &range.map(trip).collect::<String>()
}

pub fn rides(range: std::ops::Range<u64>) -> String {
    range.map(ride).collect()
}

/// What the lake has to hold of them.
pub fn expected(range: std::ops::Range<u64>) -> Vec<String> {
    let mut rows: Vec<String> = range
        .map(|n| {
            let (whole, day, is_new) = (n * 7, 1 + n % 3, n % 2 == 0);
            let exact = format!("-{}12345678901234567890.000001", n + 1);
            // 2026-01-02T02:04:05Z.
            let at = 1_767_319_445_000_000 + n;
            format!(
                "{n}|trip \"{n}\" ä|{whole}.{:02}|{exact}|{at}|-1|{is_new}|{{\"b\":[{n},null],\"a\":1.50}}|2026-01-0{day}|Z {}%2Fx",
                n % 100,
                n % 2
            )
        })
        .collect();
    rows.sort();
    rows
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
