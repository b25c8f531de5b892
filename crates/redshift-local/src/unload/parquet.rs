//! Rows as one Parquet file: PostgreSQL's texts become values of the types that Redshift gives. Knows no S3.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};
use tokio_postgres::types::Type as Pg;

use crate::postgres::ResultColumn;
use crate::sql::SqlError;

/// Rows that are kept before they are written; a row group has as many.
const GROUP_ROWS: usize = 10_000;
/// A decimal of up to 38 digits.
const DECIMAL_BYTES: usize = 16;

/// What a column is written as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    Boolean,
    Short,
    Integer,
    Long,
    Real,
    Double,
    Decimal(i32, i32),
    Date,
    Timestamp(bool),
    Text,
}

/// What the columns of a query are written as.
pub fn shapes(columns: &[ResultColumn]) -> Result<Vec<Shape>, SqlError> {
    columns.iter().map(shape).collect()
}

fn shape(column: &ResultColumn) -> Result<Shape, SqlError> {
    Ok(match column.pg_type {
        Pg::BOOL => Shape::Boolean,
        Pg::INT2 => Shape::Short,
        Pg::INT4 => Shape::Integer,
        Pg::INT8 => Shape::Long,
        Pg::FLOAT4 => Shape::Real,
        Pg::FLOAT8 => Shape::Double,
        Pg::NUMERIC if column.modifier >= 4 => {
            Shape::Decimal((column.modifier - 4) >> 16, (column.modifier - 4) & 0x7ff)
        }
        Pg::NUMERIC => {
            let text = format!("the NUMERIC column {} without a precision in UNLOAD to PARQUET", column.name);
            return Err(SqlError::refused(text, "CAST it"));
        }
        Pg::DATE => Shape::Date,
        Pg::TIMESTAMP => Shape::Timestamp(false),
        Pg::TIMESTAMPTZ => Shape::Timestamp(true),
        _ => Shape::Text,
    })
}

/// Writes one file.
pub struct Parquet {
    writer: SerializedFileWriter<BufWriter<File>>,
    shapes: Vec<Shape>,
    /// By column.
    kept: Vec<Vec<Option<String>>>,
}

impl Parquet {
    /// Into this file.
    pub fn new(file: File, names: &[String], shapes: &[Shape]) -> Result<Self, ParquetError> {
        let fields: Result<Vec<TypePtr>, ParquetError> =
            names.iter().zip(shapes).map(|(name, shape)| field(name, *shape).map(Arc::new)).collect();
        let schema = Type::group_type_builder("schema").with_fields(fields?).build()?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let writer = SerializedFileWriter::new(BufWriter::new(file), Arc::new(schema), Arc::new(properties))?;
        Ok(Self { writer, shapes: shapes.to_vec(), kept: vec![Vec::new(); shapes.len()] })
    }

    /// Adds a row.
    pub fn write<'a>(&mut self, fields: impl Iterator<Item = Option<&'a str>>) -> Result<(), ParquetError> {
        for (kept, field) in self.kept.iter_mut().zip(fields) {
            kept.push(field.map(str::to_owned));
        }
        match self.kept.first() {
            Some(column) if column.len() >= GROUP_ROWS => self.group(),
            _ => Ok(()),
        }
    }

    /// Writes what is left.
    pub fn finish(mut self) -> Result<(), ParquetError> {
        if self.kept.first().is_some_and(|column| !column.is_empty()) {
            self.group()?;
        }
        self.writer.close()?;
        Ok(())
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        let mut group = self.writer.next_row_group()?;
        for (shape, kept) in self.shapes.iter().zip(&mut self.kept) {
            if let Some(mut column) = group.next_column()? {
                put(&mut column, *shape, kept)?;
                column.close()?;
            }
            kept.clear();
        }
        group.close()?;
        Ok(())
    }
}

fn field(name: &str, shape: Shape) -> Result<Type, ParquetError> {
    let (physical, logical) = match shape {
        Shape::Boolean => (Physical::BOOLEAN, None),
        Shape::Short => (Physical::INT32, Some(LogicalType::integer(16, true))),
        Shape::Integer => (Physical::INT32, None),
        Shape::Long => (Physical::INT64, None),
        Shape::Real => (Physical::FLOAT, None),
        Shape::Double => (Physical::DOUBLE, None),
        Shape::Decimal(precision, scale) => {
            (Physical::FIXED_LEN_BYTE_ARRAY, Some(LogicalType::decimal(scale, precision)))
        }
        Shape::Date => (Physical::INT32, Some(LogicalType::Date)),
        Shape::Timestamp(is_utc) => (Physical::INT64, Some(LogicalType::timestamp(is_utc, TimeUnit::MICROS))),
        Shape::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
    };
    let mut builder = Type::primitive_type_builder(name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    if let Shape::Decimal(precision, scale) = shape {
        builder = builder.with_precision(precision).with_scale(scale).with_length(DECIMAL_BYTES as i32);
    }
    builder.build()
}

fn put(
    column: &mut SerializedColumnWriter<'_>,
    shape: Shape,
    texts: &[Option<String>],
) -> Result<(), ParquetError> {
    match shape {
        Shape::Boolean => batch::<BoolType>(column, texts, |text| Some(text == "t")),
        Shape::Short | Shape::Integer => batch::<Int32Type>(column, texts, |text| text.parse().ok()),
        Shape::Long => batch::<Int64Type>(column, texts, |text| text.parse().ok()),
        Shape::Real => batch::<FloatType>(column, texts, |text| text.parse().ok()),
        Shape::Double => batch::<DoubleType>(column, texts, |text| text.parse().ok()),
        Shape::Decimal(_, scale) => batch::<FixedLenByteArrayType>(column, texts, |text| {
            Some(unscaled(text, scale)?.to_be_bytes().to_vec().into())
        }),
        Shape::Date => batch::<Int32Type>(column, texts, |text| i32::try_from(days(text)?).ok()),
        Shape::Timestamp(_) => batch::<Int64Type>(column, texts, micros),
        Shape::Text => batch::<ByteArrayType>(column, texts, |text| Some(text.into())),
    }
}

fn batch<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    texts: &[Option<String>],
    value: impl Fn(&str) -> Option<T::T>,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = texts.iter().map(|text| i16::from(text.is_some())).collect();
    let values: Option<Vec<T::T>> = texts.iter().flatten().map(|text| value(text)).collect();
    let values = values.ok_or_else(|| ParquetError::General("a value has no place in Parquet".into()))?;
    column.typed::<T>().write_batch(&values, Some(&levels), None)?;
    Ok(())
}

/// `-1.5` with two digits behind the point is -150.
fn unscaled(text: &str, scale: i32) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let missing = usize::try_from(scale).ok()?.checked_sub(fraction.len())?;
    format!("{whole}{fraction}{}", "0".repeat(missing)).parse().ok()
}

/// Days since 1970 of `YYYY-MM-DD`.
fn days(text: &str) -> Option<i64> {
    let mut parts = text.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    // Counted from March, so that a leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let in_year = (153 * month + 2) / 5 + day - 1;
    Some(year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + in_year - 719_468)
}

/// Microseconds since 1970 of PostgreSQL's text in UTC.
fn micros(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(' ')?;
    let time = time.trim_end_matches("+00");
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let seconds = (parts.next()?? * 60 + parts.next()??) * 60 + parts.next()??;
    let fraction: i64 = format!("{fraction:0<6}").parse().ok()?;
    (days(date)? * 86_400 + seconds).checked_mul(1_000_000)?.checked_add(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_the_numbers_of_parquet() {
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("2000-02-29"), Some(11_016));
        assert_eq!(days("1969-12-31"), Some(-1));
        assert_eq!(micros("1970-01-01 00:00:01.5"), Some(1_500_000));
        assert_eq!(micros("2024-02-29 01:02:03+00"), Some(1_709_168_523_000_000));
        assert_eq!(unscaled("-1.5", 2), Some(-150));
        assert_eq!(unscaled("12", 0), Some(12));
    }
}
