//! Parquet: columns by position, each of a type that goes with the table's. A file is spooled to disk, because its
//! directory stands at its end. INT96 and nanoseconds are refused: they would lose digits on the way.

use std::fs::File;
use std::io::{Seek, Write};

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use parquet::schema::types::{ColumnDescriptor, Type};

use super::columns::{Column, Kind, Value};
use super::rows::Rows;
use super::times;
use super::{Failure, Out, SEND_BYTES};
use crate::s3::Object;
use crate::sql::SqlError;

/// What a column of a file holds.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Boolean,
    Integer(u32),
    Decimal(u32, u32),
    Float,
    Double,
    Date,
    /// Parts of a second in its unit.
    Time(i64),
    /// Parts of a second in its unit.
    Timestamp(i64),
    Text,
    Bytes,
    /// Bytes for a VARBYTE column, which takes their digits.
    Hex,
}

/// Reads a file into rows and sends them.
pub async fn read(object: Object, rows: &mut Rows<'_>, out: &mut Out<'_>) -> Result<(), Failure> {
    let file = rows.file.clone();
    let broken = |reason: String| {
        let detail = Some(format!("object: {file}"));
        SqlError { detail, ..SqlError::new("XX000", format!("Spectrum Scan Error: {reason}")) }
    };
    let spooled = spool(object).await.map_err(&broken)?;
    let reader = SerializedFileReader::new(spooled).map_err(|error| broken(error.to_string()))?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let shapes = shapes(schema.root_schema(), schema.columns(), rows.columns).map_err(&broken)?;
    let all = reader.get_row_iter(None).map_err(|error| broken(error.to_string()))?;
    for (at, row) in all.enumerate() {
        let row = row.map_err(|error| broken(error.to_string()))?;
        let texts = texts(&row, &shapes).map_err(&broken)?;
        let values: Vec<_> =
            texts.iter().map(|text| text.as_deref().map_or(Value::Null, Value::Text)).collect();
        rows.add(at as u64 + 1, &values);
        if rows.is_lost() {
            return Ok(());
        }
        if rows.out.len() >= SEND_BYTES {
            out.send(rows).await?;
        }
    }
    Ok(())
}

async fn spool(object: Object) -> Result<File, String> {
    let mut file = tempfile::tempfile().map_err(|error| error.to_string())?;
    let mut body = object.body;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| error.to_string())?;
        file.write_all(&chunk).map_err(|error| error.to_string())?;
    }
    file.rewind().map_err(|error| error.to_string())?;
    Ok(file)
}

/// The shape of each column, where the file goes with the table.
fn shapes(
    root: &Type,
    leaves: &[std::sync::Arc<ColumnDescriptor>],
    columns: &[Column],
) -> Result<Vec<Shape>, String> {
    let found = root.get_fields().len();
    if found != columns.len() {
        let text = "Unmatched number of columns between table and file.";
        return Err(format!("{text} Table columns: {}, Data columns: {found}", columns.len()));
    }
    if let Some(nested) = root.get_fields().iter().find(|field| !field.is_primitive()) {
        return Err(format!("the nested column {} is not supported by redshift-local yet", nested.name()));
    }
    let shape = |(leaf, column): (&std::sync::Arc<ColumnDescriptor>, &Column)| {
        let shape = match (shape(leaf), column.kind) {
            (Some(Shape::Bytes), Kind::Varbyte(_)) => Some(Shape::Hex),
            (shape, kind) => shape.filter(|shape| goes_with(*shape, kind)),
        };
        shape.ok_or_else(|| {
            let (kind, _) = column.kind.shown();
            format!(
                "incompatible Parquet schema for column '{}'. Column type: {}, Parquet schema: {} {}",
                column.name,
                kind.to_uppercase(),
                leaf.physical_type(),
                leaf.converted_type()
            )
        })
    };
    leaves.iter().zip(columns).map(shape).collect()
}

fn shape(leaf: &ColumnDescriptor) -> Option<Shape> {
    let per_second = |unit: &TimeUnit| match unit {
        TimeUnit::MILLIS => Some(1_000),
        TimeUnit::MICROS => Some(1_000_000),
        TimeUnit::NANOS => None,
    };
    match leaf.logical_type_ref() {
        Some(LogicalType::Timestamp(own)) => return per_second(&own.unit).map(Shape::Timestamp),
        Some(LogicalType::Time(own)) => return per_second(&own.unit).map(Shape::Time),
        Some(LogicalType::Float16 | LogicalType::Uuid) => return None,
        _ => {}
    }
    match leaf.converted_type() {
        ConvertedType::DECIMAL => {
            let digits = |n: i32| u32::try_from(n).ok();
            Some(Shape::Decimal(digits(leaf.type_precision())?, digits(leaf.type_scale())?))
        }
        ConvertedType::TIMESTAMP_MILLIS => Some(Shape::Timestamp(1_000)),
        ConvertedType::TIMESTAMP_MICROS => Some(Shape::Timestamp(1_000_000)),
        ConvertedType::TIME_MILLIS => Some(Shape::Time(1_000)),
        ConvertedType::TIME_MICROS => Some(Shape::Time(1_000_000)),
        ConvertedType::DATE => Some(Shape::Date),
        ConvertedType::UINT_64 | ConvertedType::INTERVAL => None,
        _ => physical(leaf),
    }
}

fn physical(leaf: &ColumnDescriptor) -> Option<Shape> {
    match (leaf.physical_type(), leaf.converted_type()) {
        (Physical::BOOLEAN, _) => Some(Shape::Boolean),
        (Physical::INT32, ConvertedType::INT_8 | ConvertedType::INT_16 | ConvertedType::UINT_8) => {
            Some(Shape::Integer(16))
        }
        (Physical::INT32, ConvertedType::UINT_32) => Some(Shape::Integer(64)),
        (Physical::INT32, _) => Some(Shape::Integer(32)),
        (Physical::INT64, _) => Some(Shape::Integer(64)),
        (Physical::INT96, _) => None,
        (Physical::FLOAT, _) => Some(Shape::Float),
        (Physical::DOUBLE, _) => Some(Shape::Double),
        (_, ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON) => Some(Shape::Text),
        (Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY, _) => Some(Shape::Bytes),
    }
}

fn goes_with(shape: Shape, kind: Kind) -> bool {
    match (shape, kind) {
        (Shape::Integer(found), Kind::Integer(wanted)) => found <= wanted || found == 32,
        (Shape::Decimal(precision, scale), Kind::Decimal(wanted, wanted_scale)) => {
            precision <= wanted && scale == wanted_scale
        }
        (Shape::Boolean, Kind::Boolean)
        | (Shape::Float, Kind::Real | Kind::Double)
        | (Shape::Double, Kind::Double)
        | (Shape::Date, Kind::Date)
        | (Shape::Time(_), Kind::Time(_))
        | (Shape::Timestamp(_), Kind::Timestamp(_))
        | (Shape::Text | Shape::Bytes, Kind::Varchar(_) | Kind::Char(_)) => true,
        _ => false,
    }
}

fn texts(row: &Row, shapes: &[Shape]) -> Result<Vec<Option<String>>, String> {
    let fields = row.get_column_iter().zip(shapes);
    fields
        .map(|((name, field), shape)| text(field, *shape).map_err(|reason| format!("{name}: {reason}")))
        .collect()
}

fn text(field: &Field, shape: Shape) -> Result<Option<String>, String> {
    let unit = match shape {
        Shape::Time(unit) | Shape::Timestamp(unit) => 1_000_000 / unit,
        _ => 1,
    };
    let range = || "the value is out of range".to_owned();
    let micros = |count: i64| count.checked_mul(unit).ok_or_else(range);
    let moment = |count: i64| match shape {
        Shape::Time(_) => {
            let text = times::from_epoch_micros(micros(count)?).ok_or_else(range)?;
            Ok(text.split_once(' ').map(|(_, time)| time.to_owned()))
        }
        _ => times::from_epoch_micros(micros(count)?).map(Some).ok_or_else(range),
    };
    let is_moment = matches!(shape, Shape::Time(_) | Shape::Timestamp(_));
    match field {
        Field::Null => Ok(None),
        Field::Str(text) => Ok(Some(text.clone())),
        Field::Bytes(bytes) if shape == Shape::Hex => {
            Ok(Some(bytes.data().iter().map(|byte| format!("{byte:02x}")).collect()))
        }
        Field::Bytes(bytes) => bytes_text(bytes.data()).map(Some),
        Field::Date(days) => times::from_epoch_days(i64::from(*days)).map(Some).ok_or_else(range),
        Field::Int(count) | Field::TimeMillis(count) if is_moment => moment(i64::from(*count)),
        Field::Long(count)
        | Field::TimeMicros(count)
        | Field::TimestampMillis(count)
        | Field::TimestampMicros(count)
            if is_moment =>
        {
            moment(*count)
        }
        Field::Float(number) => Ok(Some(number.to_string())),
        Field::Double(number) => Ok(Some(number.to_string())),
        other => Ok(Some(other.to_string())),
    }
}

fn bytes_text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "the bytes are no UTF-8".to_owned())
}
