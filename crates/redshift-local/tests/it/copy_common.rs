//! What the tests of COPY share: objects in the stub, statements, and what the system views say.

use std::io::Write;

use crate::common::{Db, failed, finished};
use crate::s3_stub::stub;

pub const ROLE: &str = "arn:aws:iam::123456789012:role/copy";

pub fn bucket(db: &Db) -> String {
    db.name.replace('_', "-")
}

pub fn put(db: &Db, key: &str, body: impl Into<Vec<u8>>) {
    stub().put(&bucket(db), key, body);
}

/// The manifest of these keys, all of them mandatory.
pub fn put_manifest(db: &Db, key: &str, keys: &[&str]) {
    let entries: Vec<_> = keys
        .iter()
        .map(|key| serde_json::json!({ "url": format!("s3://{}/{key}", bucket(db)), "mandatory": true }))
        .collect();
    put(db, key, serde_json::json!({ "entries": entries }).to_string());
}

pub fn copy(db: &Db, table: &str, key: &str, options: &str) -> String {
    format!("COPY {table} FROM 's3://{}/{key}' IAM_ROLE '{ROLE}' {options}", bucket(db))
}

/// Loads one object that must load.
pub async fn load(db: &Db, table: &str, body: &str, options: &str) {
    put(db, "object", body);
    finished(&db.run(&copy(db, table, "object", options)).await);
}

/// Loads one object that must not load, and gives the code, line, column and text of its first error.
pub async fn flaw(db: &Db, table: &str, body: impl Into<Vec<u8>>, options: &str) -> [String; 4] {
    put(db, "object", body);
    let done = db.run(&copy(db, table, "object", options)).await;
    let error = failed(&done);
    assert!(error.contains("Load into table") && error.contains("sys_load_error_detail"), "{error}");
    let sql = format!(
        "SELECT error_code, line_number, column_name, error_message FROM sys_load_error_detail \
         WHERE query_id = {} ORDER BY line_number",
        done.redshift_query_id()
    );
    let rows = db.rows_with(&sql, &[]).await;
    rows[0].clone().try_into().unwrap()
}

pub fn zstd(plain: &str) -> Vec<u8> {
    zstd::encode_all(plain.as_bytes(), 1).unwrap()
}

pub fn gzip(plain: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain.as_bytes()).unwrap();
    encoder.finish().unwrap()
}
