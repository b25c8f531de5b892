//! The schema of a layout's files, in Parquet's words.

use std::sync::Arc;

use parquet::basic::{CompressionCodec, ConvertedType, LogicalType, Repetition, TimeUnit};
use parquet::errors::Result;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type, TypePtr};

use super::chunk::Chunk;
use super::layout::{LakeColumn, Layout};
use super::value::Form;
use crate::contract::PhysicalType;

/// How pages are packed.
pub(super) const CODEC: CompressionCodec = CompressionCodec::ZSTD;

/// What all files of a layout have in common.
#[derive(Debug)]
pub(super) struct Schema {
    pub root: TypePtr,
    pub columns: Vec<ColumnDescPtr>,
    pub properties: WriterPropertiesPtr,
    forms: Vec<(Form, bool)>,
}

impl Schema {
    pub fn new(layout: &Layout) -> Result<Self> {
        let fields = layout.columns().iter().map(|column| field(column).map(Arc::new));
        let root = Type::group_type_builder("schema").with_fields(fields.collect::<Result<_>>()?).build()?;
        let root = Arc::new(root);
        Ok(Self {
            columns: SchemaDescriptor::new(Arc::clone(&root)).columns().to_vec(),
            root,
            properties: Arc::new(WriterProperties::builder().build()),
            forms: layout.columns().iter().map(|column| (Form::of(column.ty), !column.required)).collect(),
        })
    }

    /// The columns of a new row group.
    pub fn chunks(&self) -> Vec<Chunk> {
        self.forms.iter().map(|(form, is_optional)| Chunk::new(*form, *is_optional)).collect()
    }
}

fn field(column: &LakeColumn) -> Result<Type> {
    use PhysicalType as P;
    let form = Form::of(column.ty);
    let repetition = if column.required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    let logical = match column.ty {
        P::SmallInt => Some(LogicalType::integer(16, true)),
        P::Numeric { precision, scale } => Some(LogicalType::decimal(scale.into(), precision.into())),
        P::Varchar(_) | P::Char(_) | P::Super => Some(LogicalType::String),
        P::Date => Some(LogicalType::Date),
        P::Time => Some(LogicalType::time(false, TimeUnit::MICROS)),
        P::Timestamp => Some(LogicalType::timestamp(false, TimeUnit::MICROS)),
        P::TimestampTz => Some(LogicalType::timestamp(true, TimeUnit::MICROS)),
        P::Integer | P::BigInt | P::Real | P::Double | P::Boolean | P::Varbyte(_) => None,
    };
    let mut builder = Type::primitive_type_builder(&column.name, form.physical())
        .with_repetition(repetition)
        .with_logical_type(logical)
        .with_converted_type(ConvertedType::NONE);
    if let P::Numeric { precision, scale } = column.ty {
        builder = builder.with_precision(precision.into()).with_scale(scale.into());
    }
    if let Form::Fixed(width) = form {
        builder = builder.with_length(width as i32);
    }
    builder.build()
}
