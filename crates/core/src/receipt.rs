//! The receipt of an object: what was read of it and where each record went, to be held against the warehouse.

use serde::{Deserialize, Serialize};

use crate::ident::HexId;

/// How an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Every record was sent or is a reject.
    Complete,
    /// The object broke off, or too many of its records were rejected: what was sent stays. Alarmed on.
    Partial,
    /// Nothing of it could be read. Alarmed on.
    Failed,
}

/// Accounting of one object: `read = rejected + duplicate + sent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Dataset.
    pub dataset: String,
    /// Identity of the object.
    pub object_id: String,
    /// `s3://bucket/key`.
    pub source: String,
    /// Size of the object in bytes.
    pub bytes: u64,
    /// LastModified in ms since 1970.
    pub source_ms: u64,
    /// Version of the contract that the records were held to.
    pub contract_version: String,
    /// How it ended.
    pub status: Status,
    /// Why it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Records seen.
    pub read: u64,
    /// Records in quarantine.
    pub rejected: u64,
    /// Rows left out because an equal, later one of the object was sent.
    pub duplicate: u64,
    /// Rows sent.
    pub sent: u64,
    /// Fields of the records that the contract does not name and that were left out.
    pub extra_fields: u64,
    /// Findings that reject no record: broken rules that only warn, and texts that were cut or emptied.
    #[serde(default)]
    pub warnings: u64,
}

impl Receipt {
    /// Whether every record is accounted for.
    pub fn is_balanced(&self) -> bool {
        // A receipt that was tampered with may hold any numbers.
        let counted = self.rejected.checked_add(self.duplicate).and_then(|sum| sum.checked_add(self.sent));
        counted == Some(self.read)
    }

    /// Key of an object's receipt in the work bucket.
    pub fn key(dataset: &str, object_id: &HexId) -> String {
        format!("receipts/{dataset}/{object_id}.json")
    }
}
