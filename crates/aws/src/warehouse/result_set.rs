//! A statement's result as texts with its columns, for tools. Asks nothing.

use aws_sdk_redshiftdata::operation::get_statement_result::GetStatementResultOutput;
use aws_sdk_redshiftdata::types::{ColumnMetadata, Field};

/// All rows of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResultSet {
    /// In order.
    pub columns: Vec<ResultColumn>,
    /// Values by column; NULL is `None`.
    pub rows: Vec<Vec<Option<String>>>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Its label.
    pub name: String,
    /// The warehouse's short name of its type, such as `int8`, `numeric` or `varchar`.
    pub type_name: String,
}

impl ResultSet {
    /// Adds a page; the columns are those of the first one.
    pub(super) fn add(&mut self, page: &GetStatementResultOutput) {
        if self.columns.is_empty() {
            self.columns = page.column_metadata().iter().map(ResultColumn::of).collect();
        }
        self.rows.extend(page.records.iter().map(|row| row.iter().map(text_of).collect()));
    }
}

impl ResultColumn {
    fn of(metadata: &ColumnMetadata) -> Self {
        let name = metadata.label().filter(|label| !label.is_empty()).or(metadata.name());
        Self {
            name: name.unwrap_or_default().to_owned(),
            type_name: metadata.type_name().unwrap_or_default().to_owned(),
        }
    }
}

fn text_of(field: &Field) -> Option<String> {
    match field {
        Field::StringValue(text) => Some(text.clone()),
        Field::LongValue(n) => Some(n.to_string()),
        Field::DoubleValue(n) => Some(n.to_string()),
        Field::BooleanValue(flag) => Some(flag.to_string()),
        _ => None,
    }
}
