//! JSON 'auto': objects that follow each other with nothing but white space between them, each a row. A key without a
//! column is passed over, a column without a key is NULL. Knows no packing and no S3.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::columns::{Column, Value};
use super::rows::{Flaw, Rows};

/// The most that an object may have.
const MAX_OBJECT_BYTES: usize = 4 * 1024 * 1024;

/// Reads one file.
#[derive(Debug)]
pub struct Reader {
    keys: Keys,
    /// The part of an object that came with earlier bytes.
    open: Vec<u8>,
    depth: u32,
    is_in_string: bool,
    is_escaped: bool,
    /// Something that is no object stands in this line; the next one is read again.
    is_skipping: bool,
    line: u64,
    started_at: u64,
}

#[derive(Debug)]
struct Keys {
    columns: HashMap<String, usize>,
    ignore_case: bool,
}

impl Reader {
    /// For one object of S3.
    pub fn new(columns: &[Column], ignore_case: bool) -> Self {
        let columns = columns.iter().enumerate().map(|(i, column)| (column.name.clone(), i)).collect();
        Self {
            keys: Keys { columns, ignore_case },
            open: Vec::new(),
            depth: 0,
            is_in_string: false,
            is_escaped: false,
            is_skipping: false,
            line: 1,
            started_at: 1,
        }
    }

    /// Takes bytes of the file.
    pub fn push(&mut self, bytes: &[u8], rows: &mut Rows<'_>) {
        let mut from = 0;
        for (at, byte) in bytes.iter().enumerate() {
            self.line += u64::from(*byte == b'\n');
            if self.depth == 0 {
                if self.between(*byte, rows) {
                    from = at;
                }
            } else if self.closes(*byte) {
                self.keep(bytes.get(from..=at).unwrap_or_default());
                self.row(rows);
            }
            if rows.is_lost() {
                return;
            }
        }
        if self.depth > 0 {
            self.keep(bytes.get(from..).unwrap_or_default());
        }
    }

    /// The file is over.
    pub fn end(&mut self, rows: &mut Rows<'_>) {
        if self.depth > 0 {
            rows.reject(
                self.started_at,
                None,
                Flaw::new(1216, "Invalid JSON: unexpected end of file".into()),
            );
        }
    }

    /// Whether an object starts here.
    fn between(&mut self, byte: u8, rows: &mut Rows<'_>) -> bool {
        match byte {
            b'\n' => self.is_skipping = false,
            _ if self.is_skipping || byte.is_ascii_whitespace() => {}
            b'{' => {
                self.depth = 1;
                self.started_at = self.line;
                self.open.clear();
                return true;
            }
            _ => {
                self.is_skipping = true;
                rows.reject(self.line, None, Flaw::new(1216, "Invalid JSON: an object was expected".into()));
            }
        }
        false
    }

    /// Whether the open object ends here.
    fn closes(&mut self, byte: u8) -> bool {
        if self.is_escaped {
            self.is_escaped = false;
        } else if self.is_in_string {
            self.is_escaped = byte == b'\\';
            self.is_in_string = byte != b'"';
        } else {
            match byte {
                b'"' => self.is_in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
        }
        self.depth == 0
    }

    /// One byte more than allowed is enough to know that it is too many.
    fn keep(&mut self, bytes: &[u8]) {
        let room = (MAX_OBJECT_BYTES + 1).saturating_sub(self.open.len());
        self.open.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    fn row(&mut self, rows: &mut Rows<'_>) {
        let object = std::mem::take(&mut self.open);
        if object.len() > MAX_OBJECT_BYTES {
            rows.reject(
                self.started_at,
                None,
                Flaw::new(1216, "JSON object exceeds the limit of 4 MB".into()),
            );
        } else if let Err((column, flaw)) = self.values(&object, rows) {
            rows.reject(self.started_at, column, flaw);
        }
        self.open = object;
        self.open.clear();
    }

    fn values(&self, object: &[u8], rows: &mut Rows<'_>) -> Result<(), (Option<usize>, Flaw)> {
        let text = std::str::from_utf8(object).map_err(|error| (None, bad_utf8(object, &error)))?;
        let mut slots = vec![None; rows.columns.len()];
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Object { keys: &self.keys, slots: &mut slots }
            .deserialize(&mut deserializer)
            .map_err(|_| (None, Flaw::new(1216, "Invalid JSON: invalid value".into())))?;
        let mut texts = Vec::with_capacity(slots.len());
        for (i, slot) in slots.iter().enumerate() {
            let text = slot.map(string).transpose().map_err(|flaw| (Some(i), flaw))?;
            texts.push(text.flatten());
        }
        let values: Vec<Value<'_>> =
            texts.iter().zip(&slots).map(|(text, slot)| value_of(text, *slot)).collect();
        rows.add(self.started_at, &values);
        Ok(())
    }
}

/// The text of a string; `None` of what is no string.
fn string(raw: &RawValue) -> Result<Option<Cow<'_, str>>, Flaw> {
    let Some(inside) = raw.get().strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return Ok(None);
    };
    if !inside.contains('\\') {
        return Ok(Some(Cow::Borrowed(inside)));
    }
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) => Ok(Some(Cow::Owned(text))),
        Err(_) => Err(Flaw::new(1220, "String contains invalid or unsupported UTF8 codepoints".into())),
    }
}

fn value_of<'a>(text: &'a Option<Cow<'_, str>>, raw: Option<&'a RawValue>) -> Value<'a> {
    if let Some(text) = text {
        return Value::Text(text);
    }
    match raw.map(RawValue::get) {
        None | Some("null") => Value::Null,
        Some("true") => Value::Boolean(true),
        Some("false") => Value::Boolean(false),
        Some(raw) if raw.starts_with(['{', '[']) => Value::Nested(raw),
        Some(raw) => Value::Number(raw),
    }
}

/// What a file that is not UTF-8 is told, with the bytes as Redshift prints them.
pub fn bad_utf8(bytes: &[u8], error: &std::str::Utf8Error) -> Flaw {
    let from = error.valid_up_to();
    let wrong = bytes.get(from..(from + 4).min(bytes.len())).unwrap_or_default();
    let hex: Vec<_> = wrong.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = "String contains invalid or unsupported UTF8 codepoints. Bad UTF8 hex sequence:";
    Flaw { position: from, ..Flaw::new(1220, format!("{text} {}", hex.join(" "))) }
}

/// Puts an object's values into the columns' slots; of a key that is there twice, the last one counts.
struct Object<'s, 'a> {
    keys: &'s Keys,
    slots: &'s mut Vec<Option<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Object<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(Key(key)) = map.next_key()? {
            let at = if self.keys.ignore_case {
                self.keys.columns.get(&key.to_lowercase())
            } else {
                self.keys.columns.get(key.as_ref())
            };
            match at.and_then(|at| self.slots.get_mut(*at)) {
                Some(slot) => *slot = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
