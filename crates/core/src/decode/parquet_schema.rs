//! The schema of a Parquet file as a tree that rows are put together by: which column holds what, and what its values
//! mean. Reads no data.

use parquet::basic::{ConvertedType, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::schema::types::{SchemaDescriptor, Type};

use super::json_text::{self, Unit};

/// What a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    /// As its physical type; bytes as hex.
    Plain,
    Unsigned,
    Text,
    Json,
    Uuid,
    Float16,
    Decimal(u32),
    Date,
    Time(Unit),
    /// With its zone: Z or none.
    Timestamp(Unit, &'static str),
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Index of the column.
    Leaf(usize, Scalar),
    Group(Vec<Node>),
    /// Entries are repeated; whether the one field of an entry is the item.
    List(Box<Node>, Entry),
    /// Entries are repeated, of a key and a value.
    Map(Box<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    IsItem,
    HoldsItem,
}

/// A field.
#[derive(Debug)]
pub(super) struct Node {
    /// As a JSON text.
    pub name: String,
    pub repetition: Repetition,
    /// Definition level from which on it is there.
    pub def: i16,
    /// Repetition level of its own items.
    pub rep: i16,
    pub kind: Kind,
    /// Its columns, at least one.
    pub leaves: std::ops::Range<usize>,
}

/// Levels of a record.
const MAX_DEPTH: usize = 100;

/// The fields of a row; `None` if the schema cannot be.
pub(super) fn tree(schema: &SchemaDescriptor) -> Option<Vec<Node>> {
    let mut leaves = 0;
    let nodes = nodes(schema.root_schema().get_fields(), (0, 0), 0, &mut leaves)?;
    (leaves > 0 && leaves == schema.num_columns()).then_some(nodes)
}

type Fields = [parquet::schema::types::TypePtr];

fn nodes(fields: &Fields, levels: (i16, i16), depth: usize, leaves: &mut usize) -> Option<Vec<Node>> {
    fields.iter().map(|field| node(field, levels, depth, leaves)).collect()
}

fn node(field: &Type, (def, rep): (i16, i16), depth: usize, leaves: &mut usize) -> Option<Node> {
    let info = field.get_basic_info();
    if depth > MAX_DEPTH || !info.has_repetition() {
        return None;
    }
    let repetition = info.repetition();
    let def = def + i16::from(repetition != Repetition::REQUIRED);
    let rep = rep + i16::from(repetition == Repetition::REPEATED);
    let first = *leaves;
    let kind = match field.is_primitive() {
        true => {
            *leaves += 1;
            Kind::Leaf(first, scalar(field))
        }
        false => group(field, nodes(field.get_fields(), (def, rep), depth + 1, leaves)?),
    };
    let mut name = String::new();
    json_text::text(&mut name, field.name());
    (*leaves > first).then_some(Node { name, repetition, def, rep, kind, leaves: first..*leaves })
}

/// Lists and maps by their annotation, if they are built as such.
fn group(field: &Type, mut fields: Vec<Node>) -> Kind {
    let info = field.get_basic_info();
    let converted = info.converted_type();
    let is_list = converted == ConvertedType::LIST || info.logical_type_ref() == Some(&LogicalType::List);
    let is_map = matches!(converted, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE)
        || info.logical_type_ref() == Some(&LogicalType::Map);
    let is_entry = matches!(fields.as_slice(), [only] if only.repetition == Repetition::REPEATED);
    match fields.pop() {
        Some(entry) if is_entry && is_list => {
            let is_old = entry.name == "\"array\"" || entry.name == format!("\"{}_tuple\"", field.name());
            let holds = matches!(&entry.kind, Kind::Group(inner) if inner.len() == 1) && !is_old;
            Kind::List(Box::new(entry), if holds { Entry::HoldsItem } else { Entry::IsItem })
        }
        Some(entry)
            if is_entry && is_map && matches!(&entry.kind, Kind::Group(inner) if inner.len() == 2) =>
        {
            Kind::Map(Box::new(entry))
        }
        last => {
            fields.extend(last);
            Kind::Group(fields)
        }
    }
}

fn unit(unit: &TimeUnit) -> Unit {
    match unit {
        TimeUnit::MILLIS => Unit::Millis,
        TimeUnit::MICROS => Unit::Micros,
        TimeUnit::NANOS => Unit::Nanos,
    }
}

fn scalar(field: &Type) -> Scalar {
    let info = field.get_basic_info();
    let physical = field.get_physical_type();
    let scale = |scale: i32| u32::try_from(scale).unwrap_or(0);
    let is_bytes = matches!(physical, Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY);
    let is_whole = matches!(physical, Physical::INT32 | Physical::INT64);
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Decimal(own)), _) => Scalar::Decimal(scale(own.scale)),
        (_, ConvertedType::DECIMAL) => Scalar::Decimal(scale(field.get_scale())),
        (Some(LogicalType::String | LogicalType::Enum), _)
        | (_, ConvertedType::UTF8 | ConvertedType::ENUM)
            if is_bytes =>
        {
            Scalar::Text
        }
        (Some(LogicalType::Json), _) | (_, ConvertedType::JSON) if is_bytes => Scalar::Json,
        (Some(LogicalType::Uuid), _) if is_bytes => Scalar::Uuid,
        (Some(LogicalType::Float16), _) if is_bytes => Scalar::Float16,
        (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) if is_whole => Scalar::Date,
        (Some(LogicalType::Time(own)), _) if is_whole => Scalar::Time(unit(&own.unit)),
        (_, ConvertedType::TIME_MILLIS) if is_whole => Scalar::Time(Unit::Millis),
        (_, ConvertedType::TIME_MICROS) if is_whole => Scalar::Time(Unit::Micros),
        (Some(LogicalType::Timestamp(own)), _) if is_whole => {
            Scalar::Timestamp(unit(&own.unit), if own.is_adjusted_to_u_t_c { "Z" } else { "" })
        }
        (_, ConvertedType::TIMESTAMP_MILLIS) if is_whole => Scalar::Timestamp(Unit::Millis, "Z"),
        (_, ConvertedType::TIMESTAMP_MICROS) if is_whole => Scalar::Timestamp(Unit::Micros, "Z"),
        (
            _,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64,
        ) => Scalar::Unsigned,
        _ => Scalar::Plain,
    }
}
