//! Tables and views as Glue's catalog takes them: for people as JSON, for its API as the SDK's types. Asks nothing.

use std::collections::BTreeMap;

use aws_sdk_glue::error::BuildError;
use aws_sdk_glue::types;
use base64_simd::STANDARD;
use serde::Serialize;
use serde_json::json;

use super::athena;
use super::table::{Field, LakeTable};
use super::words::{COMMENT_BYTES, Name, Phrase};

/// Hive's names for Parquet.
pub const SERDE: &str = "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe";
pub const INPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat";
pub const OUTPUT_FORMAT: &str = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat";
/// Kinds of tables.
const TABLE: &str = "EXTERNAL_TABLE";
const VIEW: &str = "VIRTUAL_VIEW";
/// The parameter that makes a table Penstock's, with its dataset as the value.
pub const DATASET: &str = "penstock.dataset";
/// Columns that Penstock has put there, with commas between.
pub const COLUMNS: &str = "penstock.columns";
const VERSION: &str = "penstock.version";

/// A table or view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub table_type: &'static str,
    pub parameters: BTreeMap<String, String>,
    pub partition_keys: Vec<Column>,
    pub storage_descriptor: Storage,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_original_text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub view_expanded_text: Option<&'static str>,
}

/// A column of either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Column {
    pub name: String,
    #[serde(rename = "Type")]
    pub ty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// Where files lie and how they are read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Storage {
    pub columns: Vec<Column>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_format: Option<&'static str>,
    pub serde_info: Serde,
}

/// What reads a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Serde {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serialization_library: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
}

/// What DDL and the API say of a table beside its columns.
pub fn parameters(table: &LakeTable<'_>) -> BTreeMap<String, String> {
    let version = Phrase::new(&table.contract.version, COMMENT_BYTES);
    let names: Vec<&str> = table.fields().map(|own| own.name.as_str()).collect();
    texts([
        ("classification", "parquet"),
        (DATASET, &table.contract.dataset),
        (VERSION, version.as_ref().map_or("", Phrase::as_str)),
        (COLUMNS, &names.join(",")),
    ])
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

impl Input {
    /// A dataset's table.
    pub fn table(table: &LakeTable<'_>) -> Self {
        let mut parameters = parameters(table);
        parameters.insert("EXTERNAL".into(), "TRUE".into());
        Self {
            name: table.name.to_string(),
            description: table.description.as_ref().map(|own| own.as_str().to_owned()),
            table_type: TABLE,
            parameters,
            partition_keys: table.partitions.iter().map(Column::of).collect(),
            storage_descriptor: Storage {
                columns: table.columns.iter().map(Column::of).collect(),
                location: Some(table.location.clone()),
                input_format: Some(INPUT_FORMAT),
                output_format: Some(OUTPUT_FORMAT),
                serde_info: Serde {
                    serialization_library: Some(SERDE),
                    parameters: texts([("serialization.format", "1")]),
                },
            },
            view_original_text: None,
            view_expanded_text: None,
        }
    }

    /// The view of its newest versions, as Athena itself keeps a view: its text and columns as JSON in base64.
    pub fn latest(database: &Name, table: &LakeTable<'_>) -> Option<Self> {
        let name = table.latest.as_ref()?;
        let columns: Vec<_> =
            table.fields().map(|own| json!({"name": own.name, "type": own.ty.in_trino()})).collect();
        let view = json!({"originalSql": athena::newest(database, table), "catalog": "awsdatacatalog",
            "schema": database.as_str(), "columns": columns});
        let parameters =
            texts([(DATASET, &table.contract.dataset), ("presto_view", "true"), ("comment", "Presto View")]);
        Some(Self {
            name: name.to_string(),
            description: Some(format!(
                "The newest version of each key of {}, without deleted ones.",
                table.name
            )),
            table_type: VIEW,
            parameters,
            partition_keys: Vec::new(),
            storage_descriptor: Storage {
                columns: table.fields().map(Column::bare).collect(),
                location: None,
                input_format: None,
                output_format: None,
                serde_info: Serde { serialization_library: None, parameters: BTreeMap::new() },
            },
            view_original_text: Some(format!(
                "/* Presto View: {} */",
                STANDARD.encode_to_string(view.to_string())
            )),
            view_expanded_text: Some("/* Presto View */"),
        })
    }

    /// `table` or `view`.
    pub fn kind(&self) -> &'static str {
        if self.table_type == VIEW { "view" } else { "table" }
    }
}

impl Column {
    fn of(field: &Field) -> Self {
        let mut parameters = texts([("penstock.type", &field.contract_type.to_string())]);
        if let Some(own) = &field.classification {
            parameters.insert("classification".into(), own.as_str().to_owned());
        }
        let comment = field.comment.as_ref().map(|own| own.as_str().to_owned());
        Self { comment, parameters, ..Self::bare(field) }
    }

    fn bare(field: &Field) -> Self {
        let (name, ty) = (field.name.clone(), field.ty.to_string());
        Self { name, ty, comment: None, parameters: BTreeMap::new() }
    }

    /// For the API.
    pub fn sdk(&self) -> Result<types::Column, BuildError> {
        let parameters = self.parameters.clone().into_iter().collect();
        types::Column::builder()
            .name(&self.name)
            .r#type(&self.ty)
            .set_comment(self.comment.clone())
            .set_parameters((!self.parameters.is_empty()).then_some(parameters))
            .build()
    }
}

impl Storage {
    fn sdk(&self) -> Result<types::StorageDescriptor, BuildError> {
        let columns: Result<Vec<_>, BuildError> = self.columns.iter().map(Column::sdk).collect();
        let Serde { serialization_library, parameters } = &self.serde_info;
        let serde = types::SerDeInfo::builder()
            .set_serialization_library(serialization_library.map(str::to_owned))
            .set_parameters((!parameters.is_empty()).then(|| parameters.clone().into_iter().collect()));
        Ok(types::StorageDescriptor::builder()
            .set_columns(Some(columns?))
            .set_location(self.location.clone())
            .set_input_format(self.input_format.map(str::to_owned))
            .set_output_format(self.output_format.map(str::to_owned))
            .serde_info(serde.build())
            .build())
    }
}

impl TryFrom<&Input> for types::TableInput {
    type Error = BuildError;

    fn try_from(own: &Input) -> Result<Self, BuildError> {
        let keys: Result<Vec<_>, BuildError> = own.partition_keys.iter().map(Column::sdk).collect();
        types::TableInput::builder()
            .name(&own.name)
            .set_description(own.description.clone())
            .table_type(own.table_type)
            .set_parameters(Some(own.parameters.clone().into_iter().collect()))
            .set_partition_keys(Some(keys?))
            .storage_descriptor(own.storage_descriptor.sdk()?)
            .set_view_original_text(own.view_original_text.clone())
            .set_view_expanded_text(own.view_expanded_text.map(str::to_owned))
            .build()
    }
}
