//! The data contract of one dataset: the only place where a column is written down. Parses an ODCS document into
//! what every route needs, and refuses a wrong one with path and reason. Reads no file and no environment.

mod column;
mod custom;
mod location;
mod odcs;
mod quality;
mod rules;
mod schema;
mod servers;
mod set;
mod sla;
mod template;
mod types;
mod unstamped;
mod value;

use std::fmt;
use std::time::Duration;

pub use column::{Column, Overflow};
pub use location::{Glob, GlobError};
pub use quality::{RowRule, Severity};
pub use rules::{Bound, Inclusive, MissingValues, ValueRules};
pub use schema::{ExtraColumns, Lake, LakeFormat, OnReplace, TableOptions};
pub use servers::{
    Aggregate, Compression, CsvHeader, CsvOptions, Delimiter, Format, QueueServer, S3Server, StreamServer,
    WarehouseServer,
};
pub use set::{ContractSet, SetError};
pub use template::{Template, TemplateError};
pub use types::{LogicalType, MAX_VARCHAR_BYTES, PhysicalType, TypeError};

use crate::sql::Ident;

/// A dataset's contract, parsed. Columns keep the contract's order.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The schema object's name: the dataset in logs, keys and metrics.
    pub dataset: String,
    /// The contract's own version.
    pub version: String,
    /// What a row is, for people.
    pub description: Option<String>,
    /// The target table.
    pub table: Ident,
    /// All columns, derived ones included.
    pub columns: Vec<Column>,
    /// Indices of the primary key's columns in key order; empty for append-only datasets.
    pub key: Vec<usize>,
    /// Index of the column that decides the winner per key.
    pub order_by: Option<usize>,
    /// Indices of the columns whose hash is the FIFO order group.
    pub group_by: Vec<usize>,
    /// Indices of the columns whose hash is the Kinesis partition key; empty where a row's identity is.
    pub partition_by: Vec<usize>,
    /// Indices of the partition columns in order.
    pub partitions: Vec<usize>,
    /// Columns, by index, whose values together no two rows may share.
    pub unique_together: Vec<(Vec<usize>, Severity)>,
    /// Rules on whole records.
    pub row_rules: Vec<RowRule>,
    /// Everything else that the schema's custom properties say.
    pub table_options: TableOptions,
    /// What it is in the lake.
    pub lake: Lake,
    /// Where objects come from.
    pub s3: Option<S3Server>,
    /// The FIFO queue, for datasets of the queue route.
    pub queue: Option<QueueServer>,
    /// The stream, for datasets of the stream route.
    pub stream: Option<StreamServer>,
    /// The warehouse.
    pub warehouse: WarehouseServer,
    /// How long after its object was written a row may be in the warehouse.
    pub latency: Option<Duration>,
    /// What the contract asks for and this version does not enforce.
    pub notes: Notes,
}

impl Contract {
    /// Parses one contract file (YAML, of which JSON is a part).
    pub fn parse(text: &str) -> Result<Self, ContractError> {
        // NO is a country and a text, as YAML 1.2 has it.
        let options = serde_saphyr::options! { strict_booleans: true };
        let value: serde_json::Value =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                ContractError::at("", format!("not a YAML document: {}", shortened(&error.to_string())))
            })?;
        custom::refuse_elsewhere(&value)?;
        let document: odcs::Document = serde_path_to_error::deserialize(value).map_err(|error| {
            ContractError::at(&error.path().to_string(), shortened(&error.inner().to_string()))
        })?;
        Self::from_document(&document)
    }

    fn from_document(document: &odcs::Document) -> Result<Self, ContractError> {
        if document.kind != "DataContract" {
            return Err(ContractError::at("kind", format!("must be DataContract, not {:?}", document.kind)));
        }
        if !document.api_version.starts_with("v3.") {
            return Err(ContractError::at(
                "apiVersion",
                format!(
                    "must be a version 3 of the standard, such as v3.1.0, not {:?}",
                    document.api_version
                ),
            ));
        }
        custom::Custom::read("", &document.custom_properties)?.finish()?;
        let [object] = document.schema.as_slice() else {
            return Err(ContractError::at(
                "schema",
                format!("must hold exactly one object (one file a dataset), not {}", document.schema.len()),
            ));
        };
        let mut notes = Notes::default();
        let servers = servers::Servers::read(&document.servers, &mut notes)?;
        let latency = sla::latency(&document.sla_properties)?;
        Ok(Self { latency, ..schema::read(object, &document.version, servers, notes)? })
    }

    /// The column of a warehouse name.
    pub fn column_index(&self, physical: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.physical.as_str() == physical)
    }

    /// Whether its objects are copied into the lake as they are: they have no rows, and it has no table in the warehouse.
    pub fn is_binary(&self) -> bool {
        self.s3.as_ref().is_some_and(|s3| s3.format == Some(Format::Binary))
    }

    /// What the dataset's queue messages go to; an error names what the contract lacks.
    pub fn queue(&self) -> Result<&QueueServer, ContractError> {
        self.queue.as_ref().ok_or_else(|| {
            ContractError::at("servers", "has no server of type custom with penstock.queueUrl".into())
        })
    }
}

/// A parser's message: it may repeat what it stumbled over, however long that is.
fn shortened(message: &str) -> String {
    const MAX_BYTES: usize = 1_000;
    message[..message.floor_char_boundary(MAX_BYTES)].to_owned()
}

/// A contract that cannot be used, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ContractError {
    /// Path in the document, such as `schema[0].properties[3]`; empty for the whole document.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

impl ContractError {
    pub(crate) fn at(path: &str, reason: String) -> Self {
        Self { path: path.to_owned(), reason }
    }
}

impl fmt::Display for ContractError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" | "." => f.write_str(&self.reason),
            path => write!(f, "{path}: {}", self.reason),
        }
    }
}

/// Things that a contract asks for and that are accepted but have no effect (yet). `penstock check` prints them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes(Vec<String>);

impl Notes {
    /// A rule of the standard that no single record can tell.
    fn not_in_flight(&mut self, path: &str, why: &str) {
        self.0.push(format!("not checked in flight: {path}: {why}"));
    }

    fn not_enforced(&mut self, path: &str, what: &str) {
        self.0.push(format!("not enforced: {path}: {what}"));
    }

    /// The notes, one line each.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

#[cfg(test)]
mod quality_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod tests;
