//! The columns that a COPY fills: what PostgreSQL's catalog says about them, and how a value of each is checked and
//! printed. Lengths count bytes. Knows no files.

use super::numbers::{decimal, float, integer, through_double};
use super::rows::Flaw;
use super::times;
use crate::sql::Conversion;

/// A column of the target.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its stored name.
    pub name: String,
    /// What it takes.
    pub kind: Kind,
    /// NULL is an error.
    pub is_required: bool,
    /// Its values come from the database alone.
    pub is_identity: bool,
}

/// What a column takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// SMALLINT, INTEGER and BIGINT by their bits.
    Integer(u32),
    /// Precision and scale.
    Decimal(u32, u32),
    /// REAL.
    Real,
    /// DOUBLE PRECISION.
    Double,
    /// BOOLEAN.
    Boolean,
    /// DATE.
    Date,
    /// TIMESTAMP; `true`: with time zone.
    Timestamp(bool),
    /// TIME; `true`: with time zone.
    Time(bool),
    /// VARCHAR by its bytes.
    Varchar(usize),
    /// CHAR by its bytes.
    Char(usize),
    /// SUPER.
    Super,
    /// VARBYTE by its bytes.
    Varbyte(usize),
}

/// A value as a file has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// A text.
    Text(&'a str),
    /// JSON's number.
    Number(&'a str),
    /// JSON's `true` and `false`.
    Boolean(bool),
    /// JSON's object or array, as it is written.
    Nested(&'a str),
}

impl Kind {
    /// The type by PostgreSQL's name for it and its modifier; a domain's name is the declared type.
    pub fn of(type_name: &str, modifier: i32) -> Option<Self> {
        let sized = |prefix| type_name.strip_prefix(prefix).and_then(|digits: &str| digits.parse().ok());
        Some(match type_name {
            "int2" => Self::Integer(16),
            "int4" => Self::Integer(32),
            "int8" => Self::Integer(64),
            "numeric" if modifier >= 4 => {
                let packed = (modifier - 4) as u32;
                Self::Decimal(packed >> 16, packed & 0x7ff)
            }
            "float4" => Self::Real,
            "float8" => Self::Double,
            "bool" => Self::Boolean,
            "date" => Self::Date,
            "timestamp" => Self::Timestamp(false),
            "timestamptz" => Self::Timestamp(true),
            "time" => Self::Time(false),
            "timetz" => Self::Time(true),
            "super" | "jsonb" => Self::Super,
            "text" => Self::Varchar(65_535),
            "varchar" if modifier >= 4 => Self::Varchar((modifier - 4) as usize),
            "varchar" => Self::Varchar(65_535),
            "bpchar" if modifier >= 4 => Self::Char((modifier - 4) as usize),
            _ => sized("varchar_")
                .map(Self::Varchar)
                .or_else(|| sized("char_").map(Self::Char))
                .or_else(|| sized("varbyte_").map(Self::Varbyte))?,
        })
    }

    /// The type's name and its length as SYS_LOAD_ERROR_DETAIL shows them.
    pub fn shown(self) -> (&'static str, String) {
        match self {
            Self::Integer(16) => ("int2", "0".into()),
            Self::Integer(32) => ("int4", "0".into()),
            Self::Integer(_) => ("int8", "0".into()),
            Self::Decimal(precision, scale) => ("numeric", format!("{precision},{scale}")),
            Self::Real => ("float4", "0".into()),
            Self::Double => ("float8", "0".into()),
            Self::Boolean => ("bool", "0".into()),
            Self::Date => ("date", "0".into()),
            Self::Timestamp(false) => ("timestamp", "0".into()),
            Self::Timestamp(true) => ("timestamptz", "0".into()),
            Self::Time(false) => ("time", "0".into()),
            Self::Time(true) => ("timetz", "0".into()),
            Self::Varchar(bytes) => ("varchar", bytes.to_string()),
            Self::Char(bytes) => ("char", bytes.to_string()),
            Self::Super => ("super", "0".into()),
            Self::Varbyte(bytes) => ("varbyte", bytes.to_string()),
        }
    }

    /// VARCHAR and CHAR.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Varchar(_) | Self::Char(_))
    }
}

impl Column {
    /// Appends the value in the text form of PostgreSQL's COPY.
    pub fn write(&self, value: Value<'_>, conversion: &Conversion, out: &mut Vec<u8>) -> Result<(), Flaw> {
        let value = self.or_null(value, conversion);
        if value == Value::Null {
            if self.is_required {
                return Err(Flaw::new(1213, "Missing data for not-null field".to_owned()));
            }
            out.extend_from_slice(b"\\N");
            return Ok(());
        }
        match self.kind {
            Kind::Super => super::nested::write(value, out),
            kind => with_text(value, kind, |text| match kind {
                Kind::Varchar(bytes) => varchar(text, bytes, conversion, out),
                Kind::Char(bytes) => character(text, bytes, conversion, out),
                _ => scalar(kind, text, conversion, out),
            }),
        }
    }

    fn or_null<'a>(&self, value: Value<'a>, conversion: &Conversion) -> Value<'a> {
        let Value::Text(text) = value else { return value };
        let is_blank = || text.chars().all(char::is_whitespace);
        let takes_empty = self.kind.is_text() && !conversion.empty_as_null || self.kind == Kind::Super;
        let is_null = conversion.null_as.as_deref() == Some(text)
            || text.is_empty() && !takes_empty
            || conversion.blanks_as_null && self.kind.is_text() && is_blank();
        if is_null { Value::Null } else { value }
    }
}

fn with_text(value: Value<'_>, kind: Kind, write: impl FnOnce(&str) -> Result<(), Flaw>) -> Result<(), Flaw> {
    match value {
        Value::Null => write(""),
        Value::Text(text) | Value::Nested(text) => write(text),
        // A decimal is cut, so that it shows what a double does to a number; elsewhere the shortest digits do.
        Value::Number(text) if matches!(kind, Kind::Decimal(..)) => write(&through_double(text)),
        Value::Number(text) => write(&text.parse().map_or_else(|_| text.to_owned(), |n: f64| n.to_string())),
        Value::Boolean(flag) => write(if flag { "true" } else { "false" }),
    }
}

fn scalar(kind: Kind, text: &str, conversion: &Conversion, out: &mut Vec<u8>) -> Result<(), Flaw> {
    let printed = match kind {
        Kind::Integer(bits) => integer(text, bits)?.to_string(),
        Kind::Decimal(precision, scale) => decimal(text, precision, scale)?,
        Kind::Real => (float(text, true)? as f32).to_string(),
        Kind::Double => float(text, false)?.to_string(),
        Kind::Boolean => boolean(text)?.to_owned(),
        Kind::Date => times::date(text, &conversion.date_format)
            .ok_or_else(|| Flaw::new(1205, "Invalid Date Format - length must be 10 or more".to_owned()))?,
        Kind::Timestamp(_) => times::timestamp(text, &conversion.time_format).ok_or_else(|| {
            Flaw::new(1206, "Invalid timestamp format or value [YYYY-MM-DD HH24:MI:SS]".to_owned())
        })?,
        Kind::Time(_) => times::time(text)
            .ok_or_else(|| Flaw::new(1206, "Invalid time format or value [HH24:MI:SS]".to_owned()))?,
        Kind::Varbyte(bytes) => hex(text, bytes)?,
        Kind::Varchar(_) | Kind::Char(_) | Kind::Super => text.to_owned(),
    };
    escape(&printed, out);
    Ok(())
}

fn boolean(text: &str) -> Result<&'static str, Flaw> {
    match text.trim().to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Ok("t"),
        "f" | "false" | "n" | "no" | "0" => Ok("f"),
        _ => Err(Flaw::new(1210, "Unknown boolean format".to_owned())),
    }
}

fn hex(text: &str, bytes: usize) -> Result<String, Flaw> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(Flaw::new(1207, "Invalid hexadecimal digit".to_owned()));
    }
    if text.len() / 2 > bytes {
        return Err(too_long());
    }
    Ok(format!("\\x{text}"))
}

fn too_long() -> Flaw {
    Flaw::new(1204, "String length exceeds DDL length".to_owned())
}

fn varchar(text: &str, bytes: usize, conversion: &Conversion, out: &mut Vec<u8>) -> Result<(), Flaw> {
    if text.contains('\0') {
        return Err(Flaw::new(1218, "Invalid null byte - field longer than 1 byte".to_owned()));
    }
    let cut = if text.len() > bytes { text.floor_char_boundary(bytes) } else { text.len() };
    if cut < text.len() && !conversion.truncates {
        return Err(too_long());
    }
    escape(text.get(..cut).unwrap_or(text), out);
    Ok(())
}

fn character(text: &str, bytes: usize, conversion: &Conversion, out: &mut Vec<u8>) -> Result<(), Flaw> {
    if let Some(wide) = text.chars().find(|c| !c.is_ascii()) {
        let codes: Vec<_> = wide.encode_utf8(&mut [0; 4]).bytes().map(|b| format!("{b:02x}")).collect();
        let hint = "Multibyte character not supported for CHAR (Hint: try using VARCHAR). Invalid char:";
        return Err(Flaw::new(1220, format!("{hint} {}", codes.join(" "))));
    }
    varchar(text, bytes, conversion, out)
}

/// A text in PostgreSQL's COPY: the separators and the backslash are escaped.
pub fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            other => out.push(other),
        }
    }
}
