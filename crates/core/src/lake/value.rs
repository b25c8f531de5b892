//! Canonical texts into Parquet's values, exact: decimals by their digits, times by their fields. Knows no pages.

use parquet::basic::Type as Physical;

use crate::contract::PhysicalType;
use crate::row::time;

/// Digits that a decimal of four bytes holds, and one of eight.
const INT32_DIGITS: u8 = 9;
const INT64_DIGITS: u8 = 18;

/// How the texts of a column are read, and how their values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Digits; of a decimal without its point.
    Int32,
    Int64,
    /// Digits of a wide decimal, in so many bytes.
    Fixed(usize),
    Float,
    Double,
    Boolean,
    Date,
    Time,
    Instant,
    Text,
    Hex,
}

/// A value, in the widest type of its kind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value<'v> {
    Whole(i64),
    Wide(i128),
    Float(f64),
    Bytes(&'v [u8]),
}

impl Form {
    /// How columns of a type are kept.
    pub fn of(ty: PhysicalType) -> Self {
        use PhysicalType as P;
        match ty {
            P::SmallInt | P::Integer => Self::Int32,
            P::BigInt => Self::Int64,
            P::Numeric { precision: ..=INT32_DIGITS, .. } => Self::Int32,
            P::Numeric { precision: ..=INT64_DIGITS, .. } => Self::Int64,
            P::Numeric { precision, .. } => Self::Fixed(bytes_of_digits(precision)),
            P::Real => Self::Float,
            P::Double => Self::Double,
            P::Boolean => Self::Boolean,
            P::Date => Self::Date,
            P::Time => Self::Time,
            P::Timestamp | P::TimestampTz => Self::Instant,
            P::Varchar(_) | P::Char(_) | P::Super => Self::Text,
            P::Varbyte(_) => Self::Hex,
        }
    }

    /// Parquet's type.
    pub fn physical(self) -> Physical {
        match self {
            Self::Int32 | Self::Date => Physical::INT32,
            Self::Int64 | Self::Time | Self::Instant => Physical::INT64,
            Self::Fixed(_) => Physical::FIXED_LEN_BYTE_ARRAY,
            Self::Float => Physical::FLOAT,
            Self::Double => Physical::DOUBLE,
            Self::Boolean => Physical::BOOLEAN,
            Self::Text | Self::Hex => Physical::BYTE_ARRAY,
        }
    }

    /// Bytes of each value, where all have as many.
    pub fn width(self) -> Option<usize> {
        match self.physical() {
            Physical::INT32 | Physical::FLOAT => Some(4),
            Physical::INT64 | Physical::DOUBLE => Some(8),
            Physical::BOOLEAN => Some(1),
            _ => match self {
                Self::Fixed(width) => Some(width),
                _ => None,
            },
        }
    }

    /// The value of a canonical text; `None` if it is not canonical. `bytes` is memory to use.
    pub fn value<'v>(self, text: &'v str, bytes: &'v mut Vec<u8>) -> Option<Value<'v>> {
        Some(match self {
            Self::Int32 => Value::Whole(i32::try_from(whole(text)?).ok()?.into()),
            Self::Int64 => Value::Whole(whole(text)?),
            Self::Fixed(_) => Value::Wide(wide(text)?),
            Self::Float => Value::Float(text.parse::<f32>().ok()?.into()),
            Self::Double => Value::Float(text.parse().ok()?),
            Self::Boolean => Value::Whole(match text {
                "true" => 1,
                "false" => 0,
                _ => return None,
            }),
            Self::Date => Value::Whole(time::days_of(text)?),
            Self::Time => Value::Whole(time::day_micros_of(text)?),
            Self::Instant => Value::Whole(time::micros_of(text)?),
            Self::Text => Value::Bytes(text.as_bytes()),
            Self::Hex => {
                bytes.clear();
                decode_hex(text, bytes)?;
                Value::Bytes(bytes)
            }
        })
    }
}

impl<'v> Value<'v> {
    /// The value as it stands in a page, without the length of one that has its own. `own` is memory to use.
    #[inline]
    pub fn plain<'p>(self, form: Form, own: &'p mut [u8; 16]) -> &'p [u8]
    where
        'v: 'p,
    {
        let width = form.width().unwrap_or(0);
        let from = match self {
            Self::Bytes(bytes) => return bytes,
            Self::Wide(digits) => {
                *own = digits.to_be_bytes();
                own.len().saturating_sub(width)
            }
            Self::Whole(whole) => {
                put(own, whole.to_le_bytes());
                0
            }
            Self::Float(float) => {
                // Made of one of four bytes, it is one again.
                let bits = if width == 4 { u64::from((float as f32).to_bits()) } else { float.to_bits() };
                put(own, bits.to_le_bytes());
                0
            }
        };
        own.get(from..from + width).unwrap_or_default()
    }
}

fn put(own: &mut [u8; 16], word: [u8; 8]) {
    if let Some(front) = own.first_chunk_mut() {
        *front = word;
    }
}

/// Fewest bytes that hold so many digits and a sign.
fn bytes_of_digits(digits: u8) -> usize {
    let most = 10u128.saturating_pow(u32::from(digits)) - 1;
    (1..16).find(|bytes| most >> (8 * bytes - 1) == 0).unwrap_or(16)
}

/// Digits with or without sign and point, as one number.
fn whole(text: &str) -> Option<i64> {
    let (is_negative, digits) = signed(text);
    let mut sum = 0u64;
    for byte in digits {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => sum = sum.checked_mul(10)?.checked_add(u64::from(digit))?,
            _ if *byte == b'.' => {}
            _ => return None,
        }
    }
    match is_negative {
        true => 0i64.checked_sub_unsigned(sum),
        false => i64::try_from(sum).ok(),
    }
}

fn wide(text: &str) -> Option<i128> {
    let (is_negative, digits) = signed(text);
    let mut sum = 0i128;
    for byte in digits {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => sum = sum.checked_mul(10)?.checked_add(i128::from(digit))?,
            _ if *byte == b'.' => {}
            _ => return None,
        }
    }
    Some(if is_negative { -sum } else { sum })
}

fn signed(text: &str) -> (bool, &[u8]) {
    match text.as_bytes() {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    }
}

fn decode_hex(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    for [high, low] in pairs {
        out.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_by_their_digits() {
        for (text, want) in [
            ("0", Some(0)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9223372036854775808", None),
            ("-12.30", Some(-1230)),
            ("0.05", Some(5)),
            ("1e3", None),
        ] {
            assert_eq!(whole(text), want, "{text}");
        }
        let nines = "9".repeat(38);
        assert_eq!(wide(&format!("-{}.{}", &nines[..1], &nines[1..])), Some(-(10i128.pow(38) - 1)));
    }

    #[test]
    fn a_wide_decimal_has_no_more_bytes_than_its_digits_need() {
        for (digits, bytes) in [(19, 9), (21, 9), (22, 10), (38, 16)] {
            let form = Form::of(PhysicalType::Numeric { precision: digits, scale: 0 });
            assert_eq!(form, Form::Fixed(bytes), "{digits}");
            let (text, mut own) = (format!("-{}", "9".repeat(digits.into())), [0; 16]);
            let mut bytes = Vec::new();
            let plain = form.value(&text, &mut bytes).unwrap().plain(form, &mut own);
            let mut whole = [0xff; 16];
            whole[16 - plain.len()..].copy_from_slice(plain);
            assert_eq!(i128::from_be_bytes(whole).to_string(), text);
        }
    }

    #[test]
    fn what_is_not_canonical_is_no_value() {
        for (form, text) in [
            (Form::Int32, "2147483648"),
            (Form::Boolean, "yes"),
            (Form::Date, "2026-02-30"),
            (Form::Time, "24:00:00.000000"),
            (Form::Instant, "2026-01-02T03:04:05+01"),
            (Form::Hex, "abc"),
            (Form::Hex, "zz"),
            (Form::Double, ""),
        ] {
            assert_eq!(form.value(text, &mut Vec::new()), None, "{text}");
        }
    }
}
