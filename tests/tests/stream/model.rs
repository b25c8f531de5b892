//! What must be in the tables, computed from the files as they were made, in plain code: it knows the rules as README and
//! `tests/vectors` state them, and nothing of Penstock's own crates.

use std::collections::BTreeMap;

use penstock_tests::expected::{identity, order, row_hash};

use crate::rig::DELETED_WHEN;

/// A good record of a file.
#[derive(Debug, Clone)]
pub struct Record {
    /// Byte at which it begins in the unpacked file.
    pub position: u64,
    /// The primary key; none where the dataset has none.
    pub key: Option<String>,
    /// Value of the column that the latest row is told by; texts of it compare as the times do.
    pub order_by: Option<String>,
    /// Canonical texts by the warehouse's names.
    pub columns: Vec<(&'static str, Option<String>)>,
    /// All columns as the warehouse prints them, `|` between.
    pub printed: String,
    /// Whether it is a tombstone; none where the contract knows none.
    pub is_deleted: Option<bool>,
}

/// An object as it lies in the landing bucket.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its table.
    pub table: &'static str,
    /// `s3://bucket/key`.
    pub uri: String,
    /// Its identity.
    pub id: String,
    /// LastModified in ms.
    pub modified_ms: u64,
    /// Its good records.
    pub records: Vec<Record>,
    /// How many bad ones it has besides.
    pub rejected: usize,
}

/// A record with what it is stamped with.
#[derive(Debug)]
struct Stamped<'a> {
    record_id: String,
    order: String,
    record: &'a Record,
    object: &'a Object,
}

impl Stamped<'_> {
    /// What decides between two of one `_record_id`.
    fn rank(&self) -> (Option<&str>, &str) {
        (self.record.order_by.as_deref(), &self.order)
    }

    fn columns_and_identity(&self) -> String {
        let Record { printed, columns, is_deleted, .. } = self.record;
        let hash = row_hash(columns, is_deleted.map(|_| DELETED_WHEN));
        format!("{printed}|{}|{hash}|{}", self.record_id, is_deleted.unwrap_or(false))
    }
}

/// The rows of a table: columns, `_record_id`, `_row_hash`, `_deleted`, `_order`, `_source`.
pub fn rows(objects: &[Object], table: &str) -> Vec<String> {
    let line = |own: &Stamped<'_>| {
        let uri = &own.object.uri;
        format!("{}|{}|{uri}", own.columns_and_identity(), own.order)
    };
    sorted(winners(objects, table).values().map(line))
}

/// The same without what tells the route by which a row came.
pub fn contents(objects: &[Object], table: &str) -> Vec<String> {
    sorted(winners(objects, table).values().map(Stamped::columns_and_identity))
}

fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.collect();
    lines.sort();
    lines
}

/// Of each `_record_id` the record with the highest order column, then the highest `_order`.
fn winners<'a>(objects: &'a [Object], table: &str) -> BTreeMap<String, Stamped<'a>> {
    let mut winners: BTreeMap<String, Stamped<'a>> = BTreeMap::new();
    for object in objects.iter().filter(|own| own.table == table) {
        for record in &object.records {
            let record_id = match &record.key {
                Some(key) => identity(&[key]),
                None => identity(&[&object.id, &record.position.to_string()]),
            };
            let order = order(object.modified_ms, &object.id, record.position);
            let own = Stamped { record_id, order, record, object };
            if winners.get(&own.record_id).is_none_or(|there| there.rank() < own.rank()) {
                winners.insert(own.record_id.clone(), own);
            }
        }
    }
    winners
}
