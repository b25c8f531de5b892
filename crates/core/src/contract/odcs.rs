//! The part of an ODCS document that Penstock reads, as serde structs. The standard's own rules are checked
//! elsewhere (`penstock check`); unknown standard fields are left alone here.

use serde::Deserialize;
use serde_json::Value;

use super::sla::SlaProperty;
use super::types::LogicalType;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub api_version: String,
    pub kind: String,
    pub version: String,
    #[serde(default)]
    pub servers: Vec<Server>,
    #[serde(default)]
    pub schema: Vec<SchemaObject>,
    #[serde(default)]
    pub sla_properties: Vec<SlaProperty>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server {
    pub server: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub location: Option<String>,
    pub format: Option<String>,
    pub delimiter: Option<String>,
    pub database: Option<String>,
    pub schema: Option<String>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CustomProperty {
    pub property: String,
    #[serde(default)]
    pub value: Value,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SchemaObject {
    pub name: String,
    pub physical_name: Option<String>,
    pub description: Option<String>,
    #[serde(default)]
    pub properties: Vec<Property>,
    #[serde(default)]
    pub quality: Vec<Quality>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Property {
    pub name: String,
    pub physical_name: Option<String>,
    pub description: Option<String>,
    pub logical_type: Option<LogicalType>,
    pub physical_type: Option<String>,
    #[serde(default)]
    pub logical_type_options: serde_json::Map<String, Value>,
    #[serde(default)]
    pub required: bool,
    #[serde(default)]
    pub unique: bool,
    #[serde(default)]
    pub primary_key: bool,
    pub primary_key_position: Option<i64>,
    #[serde(default)]
    pub partitioned: bool,
    pub partition_key_position: Option<i64>,
    pub classification: Option<String>,
    #[serde(default)]
    pub quality: Vec<Quality>,
    pub transform_logic: Option<String>,
    #[serde(default)]
    pub transform_source_objects: Vec<String>,
    /// Members of an object column, items of an array column: described, not checked in flight.
    #[serde(default)]
    pub properties: Vec<Value>,
    pub items: Option<Value>,
    #[serde(default)]
    pub custom_properties: Vec<CustomProperty>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Quality {
    pub id: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub metric: Option<String>,
    pub rule: Option<String>,
    pub severity: Option<String>,
    pub unit: Option<String>,
    pub engine: Option<String>,
    pub implementation: Option<Value>,
    pub arguments: serde_json::Map<String, Value>,
    pub must_be: Option<Value>,
    pub must_not_be: Option<Value>,
    pub must_be_greater_than: Option<Value>,
    pub must_be_greater_or_equal_to: Option<Value>,
    pub must_be_less_than: Option<Value>,
    pub must_be_less_or_equal_to: Option<Value>,
    pub must_be_between: Option<Value>,
    pub must_not_be_between: Option<Value>,
}
