//! Rows as the Data API gives them: each value a long, a double, a boolean, a string or null by its column's type.
//! Knows PostgreSQL's type names and nothing of statements.

use serde_json::{Value, json};
use tokio_postgres::types::Type;

/// A column of a result.
#[derive(Debug, Clone)]
pub struct Column {
    name: String,
    type_name: &'static str,
    form: Form,
    precision: i32,
    scale: i32,
    length: i32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Long,
    Double,
    Boolean,
    Text,
    Json,
    Bytes,
}

impl Column {
    /// What PostgreSQL says about a column; a domain arrives as the type beneath it.
    pub fn of(column: &tokio_postgres::Column) -> Self {
        let modifier = column.type_modifier();
        let (type_name, form) = redshift_type(column.type_());
        let (mut precision, mut scale, mut length) = (0, 0, 0);
        match *column.type_() {
            Type::NUMERIC if modifier >= 4 => {
                (precision, scale) = ((modifier - 4) >> 16, (modifier - 4) & 0x7ff)
            }
            Type::VARCHAR | Type::BPCHAR if modifier >= 4 => length = modifier - 4,
            Type::INT2 => precision = 5,
            Type::INT4 => precision = 10,
            Type::INT8 => precision = 19,
            _ => {}
        }
        Self { name: column.name().to_owned(), type_name, form, precision, scale, length }
    }

    /// `ColumnMetadata`.
    pub fn metadata(&self) -> Value {
        let is_number = matches!(self.form, Form::Long | Form::Double) || self.type_name == "numeric";
        json!({
            "name": self.name,
            "label": self.name,
            "typeName": self.type_name,
            "nullable": 1,
            "precision": if self.length > 0 { self.length } else { self.precision },
            "scale": self.scale,
            "length": self.length,
            "schemaName": "",
            "tableName": "",
            "isCaseSensitive": self.form == Form::Text && self.type_name != "numeric",
            "isCurrency": false,
            "isSigned": is_number,
        })
    }

    fn field(&self, text: Option<&str>) -> Value {
        let Some(text) = text else { return json!({ "isNull": true }) };
        let string = || json!({ "stringValue": text });
        match self.form {
            Form::Long => text.parse::<i64>().map_or_else(|_| string(), |n| json!({ "longValue": n })),
            Form::Double => match text.parse::<f64>() {
                Ok(n) if n.is_finite() => json!({ "doubleValue": n }),
                Ok(n) if n.is_nan() => json!({ "doubleValue": "NaN" }),
                Ok(n) => json!({ "doubleValue": if n > 0.0 { "Infinity" } else { "-Infinity" } }),
                Err(_) => string(),
            },
            Form::Boolean => json!({ "booleanValue": text == "t" }),
            Form::Json => json!({ "stringValue": compact(text) }),
            Form::Bytes => json!({ "stringValue": text.trim_start_matches("\\x") }),
            Form::Text => string(),
        }
    }
}

fn redshift_type(pg_type: &Type) -> (&'static str, Form) {
    match *pg_type {
        Type::INT2 => ("int2", Form::Long),
        Type::INT4 => ("int4", Form::Long),
        Type::INT8 => ("int8", Form::Long),
        Type::OID => ("oid", Form::Long),
        Type::FLOAT4 => ("float4", Form::Double),
        Type::FLOAT8 => ("float8", Form::Double),
        Type::BOOL => ("bool", Form::Boolean),
        Type::NUMERIC => ("numeric", Form::Text),
        Type::BPCHAR => ("bpchar", Form::Text),
        Type::DATE => ("date", Form::Text),
        Type::TIME => ("time", Form::Text),
        Type::TIMETZ => ("timetz", Form::Text),
        Type::TIMESTAMP => ("timestamp", Form::Text),
        Type::TIMESTAMPTZ => ("timestamptz", Form::Text),
        Type::JSON | Type::JSONB => ("super", Form::Json),
        Type::BYTEA => ("varbyte", Form::Bytes),
        Type::NAME => ("name", Form::Text),
        Type::INTERVAL => ("interval", Form::Text),
        _ => ("varchar", Form::Text),
    }
}

/// JSON without the blanks that PostgreSQL prints between values.
pub fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            in_string = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else if c == '"' {
            in_string = true;
        } else if c.is_ascii_whitespace() {
            continue;
        }
        out.push(c);
    }
    out
}

/// The rows of a statement.
#[derive(Debug, Default)]
pub struct ResultSet {
    columns: Vec<Column>,
    rows: Vec<Vec<Option<String>>>,
    bytes: usize,
}

impl ResultSet {
    /// No rows yet.
    pub fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new(), bytes: 0 }
    }

    /// Adds a row of texts.
    pub fn push<'a>(&mut self, row: impl Iterator<Item = Option<&'a str>>) {
        let row: Vec<_> = row.map(|text| text.map(str::to_owned)).collect();
        self.bytes += row.iter().flatten().map(String::len).sum::<usize>();
        self.rows.push(row);
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// The size of the values as text.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// `ColumnMetadata` of all columns.
    pub fn metadata(&self) -> Vec<Value> {
        self.columns.iter().map(Column::metadata).collect()
    }

    /// `Records` of the page from `offset`, and where the next one starts.
    pub fn page(&self, offset: usize, max_rows: usize, max_bytes: usize) -> (Vec<Value>, Option<usize>) {
        let mut records = Vec::new();
        let mut bytes = 0;
        for row in self.rows.iter().skip(offset).take(max_rows) {
            bytes += row.iter().flatten().map(String::len).sum::<usize>();
            if bytes > max_bytes && !records.is_empty() {
                break;
            }
            let fields = self.columns.iter().zip(row).map(|(column, text)| column.field(text.as_deref()));
            records.push(Value::Array(fields.collect()));
        }
        let next = offset + records.len();
        (records, (next < self.rows.len()).then_some(next))
    }
}

#[cfg(test)]
mod tests {
    use super::compact;

    #[test]
    fn compacting_leaves_strings_alone() {
        assert_eq!(compact(r#"{"a b": [1, "c \" d"], "e": "\\"}"#), r#"{"a b":[1,"c \" d"],"e":"\\"}"#);
    }
}
