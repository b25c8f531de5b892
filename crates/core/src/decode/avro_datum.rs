//! Avro's binary data into JSON text, by the file's schema: every length is held against the bytes that are there.
//! Knows no file and no blocks.

use super::avro_schema::{Node, Schema};
use super::json_text::{self, cut, shorten};

/// Levels of a record.
const MAX_DEPTH: usize = 100;

const ENDS: &str = "a record goes on behind its block";

/// Bytes that are read from their front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    /// A variable-length number; `Err` if it is longer than any.
    pub fn long(&mut self) -> Result<Option<i64>, &'static str> {
        let mut bits = 0u64;
        for (i, byte) in self.0.iter().take(10).enumerate() {
            bits |= u64::from(byte & 0x7f) << (7 * i);
            if byte & 0x80 == 0 {
                self.0 = self.0.get(i + 1..).unwrap_or_default();
                return Ok(Some((bits >> 1) as i64 ^ -((bits & 1) as i64)));
            }
        }
        if self.0.len() >= 10 { Err("a number is too long") } else { Ok(None) }
    }

    fn whole_long(&mut self) -> Result<i64, &'static str> {
        self.long()?.ok_or(ENDS)
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(self.whole_long()?).map_err(|_| "a length is negative")?;
        self.take(len).ok_or(ENDS)
    }
}

/// Writes data as JSON.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    pub schema: &'a Schema,
    /// A text of more bytes is over the limit, and not written on.
    pub max: usize,
    /// How many values without any bytes may still come: a few bytes can claim any number of them.
    pub free_values: u64,
}

impl Writer<'_> {
    /// The next record of the block, as one JSON text.
    pub fn record(&mut self, input: &mut Input<'_>, out: &mut String) -> Result<(), &'static str> {
        let schema = self.schema;
        self.charged(&schema.root, input, out, 0)
    }

    fn charged(
        &mut self,
        node: &Node,
        input: &mut Input<'_>,
        out: &mut String,
        depth: usize,
    ) -> Result<(), &'static str> {
        let before = input.0.len();
        self.value(node, input, out, depth)?;
        if before == input.0.len() {
            self.free_values = self.free_values.checked_sub(1).ok_or("too many values without any bytes")?;
        }
        Ok(())
    }

    fn value(
        &mut self,
        node: &Node,
        input: &mut Input<'_>,
        out: &mut String,
        depth: usize,
    ) -> Result<(), &'static str> {
        if depth > MAX_DEPTH {
            return Err("a record is nested too deep");
        }
        match node {
            Node::Named(index) => {
                let schema = self.schema;
                let named = schema.named.get(*index).ok_or("the schema has a type that is none")?;
                return self.value(named, input, out, depth + 1);
            }
            Node::Union(nodes) => {
                let branch = usize::try_from(input.whole_long()?).ok().and_then(|index| nodes.get(index));
                return self.value(branch.ok_or("a union has no such branch")?, input, out, depth + 1);
            }
            Node::Record(fields) => self.fields(fields, input, out, depth)?,
            Node::Array(items) => {
                out.push('[');
                self.items(input, out, |own, input, out| own.charged(items, input, out, depth + 1))?;
                out.push(']');
            }
            Node::Map(values) => {
                out.push('{');
                self.items(input, out, |own, input, out| {
                    own.text(input, out)?;
                    out.push(':');
                    own.value(values, input, out, depth + 1)
                })?;
                out.push('}');
            }
            Node::Text => self.text(input, out)?,
            scalar => self.scalar(scalar, input, out)?,
        }
        shorten(out, self.max);
        Ok(())
    }

    fn fields(
        &mut self,
        fields: &[(String, Node)],
        input: &mut Input<'_>,
        out: &mut String,
        depth: usize,
    ) -> Result<(), &'static str> {
        out.push('{');
        for (i, (name, node)) in fields.iter().enumerate() {
            out.push_str(if i > 0 { "," } else { "" });
            out.push_str(name);
            out.push(':');
            self.charged(node, input, out, depth + 1)?;
        }
        out.push('}');
        Ok(())
    }

    /// Blocks of items up to an empty one.
    fn items(
        &mut self,
        input: &mut Input<'_>,
        out: &mut String,
        mut item: impl FnMut(&mut Self, &mut Input<'_>, &mut String) -> Result<(), &'static str>,
    ) -> Result<(), &'static str> {
        let mut is_first = true;
        loop {
            let count = input.whole_long()?;
            if count < 0 {
                // The block's bytes, for who wants to skip it.
                input.whole_long()?;
            }
            if count == 0 {
                return Ok(());
            }
            for _ in 0..count.unsigned_abs() {
                out.push_str(if is_first { "" } else { "," });
                is_first = false;
                item(self, input, out)?;
                shorten(out, self.max);
            }
        }
    }

    fn text(&self, input: &mut Input<'_>, out: &mut String) -> Result<(), &'static str> {
        let text = std::str::from_utf8(input.bytes()?).map_err(|_| "a text is not UTF-8")?;
        json_text::text(out, cut(text, self.max));
        Ok(())
    }

    fn scalar(&self, node: &Node, input: &mut Input<'_>, out: &mut String) -> Result<(), &'static str> {
        match node {
            Node::Null => out.push_str("null"),
            Node::Boolean => match input.array::<1>().ok_or(ENDS)? {
                [0] => out.push_str("false"),
                [1] => out.push_str("true"),
                _ => return Err("a boolean is neither 0 nor 1"),
            },
            Node::Int | Node::Long => json_text::display(out, input.whole_long()?),
            Node::Float => json_text::float(out, f32::from_le_bytes(input.array().ok_or(ENDS)?)),
            Node::Double => json_text::float(out, f64::from_le_bytes(input.array().ok_or(ENDS)?)),
            Node::Bytes => json_text::hex(out, input.bytes()?, self.max),
            Node::Fixed(size) => json_text::hex(out, input.take(*size).ok_or(ENDS)?, self.max),
            Node::Decimal(Some(size), scale) => {
                json_text::decimal(out, input.take(*size).ok_or(ENDS)?, *scale);
            }
            Node::Decimal(None, scale) => json_text::decimal(out, input.bytes()?, *scale),
            Node::Uuid => json_text::uuid(out, &input.array().ok_or(ENDS)?),
            Node::Date => json_text::date(out, input.whole_long()?),
            Node::Time(unit) => json_text::time(out, input.whole_long()?, *unit),
            Node::Timestamp(unit, zone) => json_text::timestamp(out, input.whole_long()?, *unit, zone),
            Node::Enum(symbols) => {
                let symbol = usize::try_from(input.whole_long()?).ok().and_then(|index| symbols.get(index));
                json_text::text(out, symbol.ok_or("an enum has no such symbol")?);
            }
            // Handled by the caller.
            Node::Text
            | Node::Array(_)
            | Node::Map(_)
            | Node::Union(_)
            | Node::Record(_)
            | Node::Named(_) => {}
        }
        Ok(())
    }
}
