//! What must be in the tables and the ledger, computed from the generated objects in plain code: it knows the rules as
//! README and `tests/vectors` state them, and nothing of Penstock's own crates.

use std::collections::BTreeMap;

use penstock_tests::expected::{identity, order};

/// A good record of an object, its columns as the warehouse prints them.
#[derive(Debug, Clone)]
pub struct Record {
    /// Byte at which it begins in the unpacked file.
    pub position: u64,
    /// The primary key; none where the dataset has none.
    pub key: Option<String>,
    /// Value of the column that the latest row is told by; texts of it compare as the times do.
    pub order_by: Option<String>,
    /// All columns, `|` between.
    pub columns: String,
    /// What it carries already, where it was stamped before it came.
    pub stamps: Option<Stamps>,
}

/// What a record is stamped with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps {
    /// `_record_id`.
    pub record_id: String,
    /// `_order`.
    pub order: String,
    /// `_source`.
    pub source: String,
}

/// An object as it lies in its bucket.
#[derive(Debug)]
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
    /// Whether its records were stamped before.
    pub is_stamped: bool,
}

fn stamps(object: &Object, record: &Record) -> Stamps {
    record.stamps.clone().unwrap_or_else(|| Stamps {
        record_id: match &record.key {
            Some(key) => identity(&[key]),
            None => identity(&[&object.id, &record.position.to_string()]),
        },
        order: order(object.modified_ms, &object.id, record.position),
        source: object.uri.clone(),
    })
}

/// The rows of a table: of each `_record_id` the one with the highest order column, a NULL being the lowest, then the
/// highest `_order`.
pub fn rows(objects: &[Object], table: &str) -> Vec<String> {
    let mut winners: BTreeMap<String, (Option<&str>, Stamps, &str)> = BTreeMap::new();
    for object in objects.iter().filter(|own| own.table == table) {
        for record in &object.records {
            let (stamps, order_by) = (stamps(object, record), record.order_by.as_deref());
            let wins = winners.get(&stamps.record_id).is_none_or(|(there, other, _)| {
                (*there, other.order.as_str()) < (order_by, stamps.order.as_str())
            });
            if wins {
                winners.insert(stamps.record_id.clone(), (order_by, stamps, &record.columns));
            }
        }
    }
    let mut rows: Vec<String> = winners
        .into_values()
        .map(|(_, own, columns)| format!("{columns}|{}|{}|{}", own.record_id, own.order, own.source))
        .collect();
    rows.sort();
    rows
}

/// The ledger's lines of objects: each once, with its counts where it was read record by record.
pub fn ledger(objects: &[Object], table: &str) -> Vec<String> {
    let line = |own: &Object| {
        let counts = match own.is_stamped {
            true => "null|null".to_owned(),
            false => format!("{}|{}", own.records.len() + own.rejected, own.rejected),
        };
        format!("{}|{}|loaded|{counts}", own.id, own.uri)
    };
    let mut lines: Vec<_> = objects.iter().filter(|own| own.table == table).map(line).collect();
    lines.sort();
    lines
}

/// How many records the dataset's objects have in all.
pub fn read(objects: &[Object], table: &str) -> usize {
    objects.iter().filter(|own| own.table == table).map(|own| own.records.len() + own.rejected).sum()
}
