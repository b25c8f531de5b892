//! Rows of a Parquet row group as JSON texts: columns are read some records at a time and put together by their
//! definition and repetition levels. Knows no file.

use parquet::basic::Repetition;
use parquet::column::reader::ColumnReader;
use parquet::data_type::{ByteArray, FixedLenByteArray, Int96};

use super::json_text::{self, cut, shorten};
use super::parquet_schema::{Entry, Kind, Node, Scalar};

/// Records that are read of a column at a time.
const BATCH: usize = 256;
const JULIAN_DAY_OF_1970: i64 = 2_440_588;
const NANOS_OF_DAY: i64 = 86_400_000_000_000;

const SHORT: &str = "a column ends before its rows";
const APART: &str = "the columns do not belong together";
type Written = Result<(), &'static str>;

/// One column of a row group.
pub(super) struct Column {
    reader: ColumnReader,
    max_def: i16,
    def: Vec<i16>,
    rep: Vec<i16>,
    values: Values,
    levels: usize,
    at: usize,
    at_value: usize,
}

#[derive(Default)]
struct Values {
    bools: Vec<bool>,
    ints: Vec<i32>,
    longs: Vec<i64>,
    int96s: Vec<Int96>,
    floats: Vec<f32>,
    doubles: Vec<f64>,
    bytes: Vec<ByteArray>,
    fixed: Vec<FixedLenByteArray>,
}

impl Column {
    pub fn new(reader: ColumnReader, max_def: i16) -> Self {
        let (def, rep, values) = (Vec::new(), Vec::new(), Values::default());
        Self { reader, max_def, def, rep, values, levels: 0, at: 0, at_value: 0 }
    }

    /// Reads on when all was taken.
    fn refill(&mut self) -> Written {
        if self.at < self.levels {
            return Ok(());
        }
        self.def.clear();
        self.rep.clear();
        (self.at, self.at_value) = (0, 0);
        let (def, rep, values) = (Some(&mut self.def), Some(&mut self.rep), &mut self.values);
        macro_rules! read {
            ($reader:expr, $values:expr) => {{
                $values.clear();
                $reader.read_records(BATCH, def, rep, &mut $values)
            }};
        }
        let read = match &mut self.reader {
            ColumnReader::BoolColumnReader(own) => read!(own, values.bools),
            ColumnReader::Int32ColumnReader(own) => read!(own, values.ints),
            ColumnReader::Int64ColumnReader(own) => read!(own, values.longs),
            ColumnReader::Int96ColumnReader(own) => read!(own, values.int96s),
            ColumnReader::FloatColumnReader(own) => read!(own, values.floats),
            ColumnReader::DoubleColumnReader(own) => read!(own, values.doubles),
            ColumnReader::ByteArrayColumnReader(own) => read!(own, values.bytes),
            ColumnReader::FixedLenByteArrayColumnReader(own) => read!(own, values.fixed),
        };
        let (_, _, levels) = read.map_err(|_| "a column cannot be read")?;
        self.levels = levels;
        if levels == 0 { Err(SHORT) } else { Ok(()) }
    }

    fn def(&self) -> Result<i16, &'static str> {
        match self.at < self.levels {
            // A column that is always there has no levels.
            true => Ok(self.def.get(self.at).copied().unwrap_or(0)),
            false => Err(APART),
        }
    }

    /// Repetition level of what comes next; 0 at the end.
    fn rep(&self) -> i16 {
        if self.at < self.levels { self.rep.get(self.at).copied().unwrap_or(0) } else { 0 }
    }

    fn skip(&mut self) -> Written {
        if self.def()? == self.max_def {
            self.at_value += 1;
        }
        self.at += 1;
        Ok(())
    }
}

/// Writes rows.
pub(super) struct Writer<'a> {
    pub columns: &'a mut [Column],
    /// A text of more bytes is over the limit, and not written on.
    pub max: usize,
}

impl Writer<'_> {
    /// The next row as one JSON text.
    pub fn row(&mut self, fields: &[Node], out: &mut String) -> Written {
        self.columns.iter_mut().try_for_each(Column::refill)?;
        self.group(fields, out)?;
        match self.columns.iter().all(|column| column.rep() == 0) {
            true => Ok(()),
            false => Err(APART),
        }
    }

    fn group(&mut self, fields: &[Node], out: &mut String) -> Written {
        out.push('{');
        for (i, field) in fields.iter().enumerate() {
            out.push_str(if i > 0 { "," } else { "" });
            out.push_str(&field.name);
            out.push(':');
            self.field(field, out)?;
        }
        out.push('}');
        Ok(())
    }

    fn field(&mut self, node: &Node, out: &mut String) -> Written {
        match node.repetition {
            Repetition::OPTIONAL if self.first(node)?.def()? < node.def => {
                out.push_str("null");
                self.skip(node)
            }
            Repetition::REPEATED => {
                out.push('[');
                self.entries(node, out, |own, out| own.present(node, out))?;
                out.push(']');
                Ok(())
            }
            _ => self.present(node, out),
        }
    }

    fn present(&mut self, node: &Node, out: &mut String) -> Written {
        match &node.kind {
            Kind::Leaf(column, scalar) => self.leaf(*column, *scalar, out)?,
            Kind::Group(fields) => self.group(fields, out)?,
            Kind::List(entry, how) => {
                out.push('[');
                self.entries(entry, out, |own, out| match (&entry.kind, how) {
                    (Kind::Group(fields), Entry::HoldsItem) => {
                        fields.iter().try_for_each(|item| own.field(item, out))
                    }
                    _ => own.present(entry, out),
                })?;
                out.push(']');
            }
            Kind::Map(entry) => {
                out.push('{');
                self.entries(entry, out, |own, out| own.map_entry(entry, out))?;
                out.push('}');
            }
        }
        shorten(out, self.max);
        Ok(())
    }

    fn map_entry(&mut self, entry: &Node, out: &mut String) -> Written {
        let Kind::Group(fields) = &entry.kind else { return Err(APART) };
        let [key, value] = fields.as_slice() else { return Err(APART) };
        let mut name = String::new();
        self.field(key, &mut name)?;
        // Names are texts.
        match name.starts_with('"') {
            true => out.push_str(&name),
            false => json_text::text(out, &name),
        }
        out.push(':');
        self.field(value, out)
    }

    /// The items of a repeated node, with commas between them.
    fn entries(
        &mut self,
        node: &Node,
        out: &mut String,
        mut item: impl FnMut(&mut Self, &mut String) -> Written,
    ) -> Written {
        if self.first(node)?.def()? < node.def {
            return self.skip(node);
        }
        loop {
            item(self, out)?;
            shorten(out, self.max);
            if self.first(node)?.rep() < node.rep {
                return Ok(());
            }
            out.push(',');
        }
    }

    fn first(&mut self, node: &Node) -> Result<&mut Column, &'static str> {
        self.columns.get_mut(node.leaves.start).ok_or(APART)
    }

    fn skip(&mut self, node: &Node) -> Written {
        self.columns.get_mut(node.leaves.clone()).ok_or(APART)?.iter_mut().try_for_each(Column::skip)
    }

    fn leaf(&mut self, index: usize, scalar: Scalar, out: &mut String) -> Written {
        let max = self.max;
        let column = self.columns.get_mut(index).ok_or(APART)?;
        let (at, is_there) = (column.at_value, column.def()? == column.max_def);
        column.skip()?;
        if !is_there {
            out.push_str("null");
            return Ok(());
        }
        let values = &column.values;
        match &column.reader {
            ColumnReader::BoolColumnReader(_) => json_text::display(out, values.bools.get(at).ok_or(SHORT)?),
            ColumnReader::Int32ColumnReader(_) => {
                let value = *values.ints.get(at).ok_or(SHORT)?;
                let wide =
                    if scalar == Scalar::Unsigned { i64::from(value as u32) } else { i64::from(value) };
                whole(out, wide, scalar, false);
            }
            ColumnReader::Int64ColumnReader(_) => {
                whole(out, *values.longs.get(at).ok_or(SHORT)?, scalar, true)
            }
            ColumnReader::Int96ColumnReader(_) => int96(out, values.int96s.get(at).ok_or(SHORT)?),
            ColumnReader::FloatColumnReader(_) => json_text::float(out, *values.floats.get(at).ok_or(SHORT)?),
            ColumnReader::DoubleColumnReader(_) => {
                json_text::float(out, *values.doubles.get(at).ok_or(SHORT)?)
            }
            ColumnReader::ByteArrayColumnReader(_) => {
                bytes(out, values.bytes.get(at).ok_or(SHORT)?.data(), scalar, max)?
            }
            ColumnReader::FixedLenByteArrayColumnReader(_) => {
                bytes(out, values.fixed.get(at).ok_or(SHORT)?.data(), scalar, max)?;
            }
        }
        Ok(())
    }
}

fn whole(out: &mut String, value: i64, scalar: Scalar, is_long: bool) {
    match scalar {
        Scalar::Decimal(scale) => json_text::decimal(out, &value.to_be_bytes(), scale),
        Scalar::Date => json_text::date(out, value),
        Scalar::Time(unit) => json_text::time(out, value, unit),
        Scalar::Timestamp(unit, zone) => json_text::timestamp(out, value, unit, zone),
        Scalar::Unsigned if is_long => json_text::display(out, value as u64),
        _ => json_text::display(out, value),
    }
}

/// Impala's and old Spark's timestamps: nanoseconds of a Julian day, without a zone.
fn int96(out: &mut String, value: &Int96) {
    let [low, high, day] = *value.data() else { return out.push_str("\"no timestamp\"") };
    let nanos = (i64::from(high) << 32) | i64::from(low);
    match (0..NANOS_OF_DAY).contains(&nanos) {
        true => json_text::timestamp_of_day(out, i64::from(day) - JULIAN_DAY_OF_1970, nanos),
        false => out.push_str("\"no timestamp\""),
    }
}

fn bytes(out: &mut String, bytes: &[u8], scalar: Scalar, max: usize) -> Written {
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8");
    match (scalar, bytes.first_chunk::<16>(), bytes) {
        (Scalar::Decimal(scale), ..) => json_text::decimal(out, bytes, scale),
        (Scalar::Text, ..) => json_text::text(out, cut(text(bytes)?, max)),
        (Scalar::Json, ..) => {
            let text = text(bytes)?;
            match serde_json::from_str::<&serde_json::value::RawValue>(text) {
                Ok(raw) => out.push_str(cut(raw.get(), max)),
                Err(_) => json_text::text(out, cut(text, max)),
            }
        }
        (Scalar::Uuid, Some(uuid), _) => json_text::uuid(out, uuid),
        (Scalar::Float16, _, [low, high]) => json_text::float(out, half(u16::from_le_bytes([*low, *high]))),
        _ => json_text::hex(out, bytes, max),
    }
    Ok(())
}

fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 0x3ff) / 1024.0);
    match exponent {
        0 => sign * fraction * 2f32.powi(-14),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction) * 2f32.powi(exponent - 15),
    }
}
