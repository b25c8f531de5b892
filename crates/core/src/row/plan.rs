//! How one column of a source record is taken: a value that is its own canonical text is cut from the record, every
//! other goes the way of `canon`. A property holds the two to the same texts. Says nothing of rules beyond the type.

use super::fields::Value;
use super::instant;
use super::rows::{Cell, Draft};
use crate::contract::{Column, PhysicalType};

/// Digits that every number of the type may have.
const SMALLINT_DIGITS: usize = 4;
const INTEGER_DIGITS: usize = 9;
const BIGINT_DIGITS: usize = 18;

/// One column of a source record.
#[derive(Debug)]
pub(super) struct Plan {
    pub column: usize,
    kind: Kind,
    /// Whether NULL breaks no rule.
    pub may_be_null: bool,
    /// Whether there are rules beyond the type.
    pub has_rules: bool,
}

/// The values that may be cut out as they stand.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Texts of at most so many bytes.
    Text(usize),
    /// The same, of single-byte characters and without blanks at the end.
    Characters(usize),
    /// Whole numbers of at most so many digits.
    Integer(usize),
    Numeric {
        whole: usize,
        scale: usize,
    },
    /// Instants in their usual spellings, which are written anew.
    Instant,
    None,
}

impl Plan {
    pub fn of(i: usize, column: &Column, has_rules: bool) -> Self {
        let kind = match column.ty {
            PhysicalType::Varchar(bytes) => Kind::Text(bytes as usize),
            PhysicalType::Char(bytes) => Kind::Characters(bytes as usize),
            PhysicalType::SmallInt => Kind::Integer(SMALLINT_DIGITS),
            PhysicalType::Integer => Kind::Integer(INTEGER_DIGITS),
            PhysicalType::BigInt => Kind::Integer(BIGINT_DIGITS),
            PhysicalType::Numeric { precision, scale } => {
                Kind::Numeric { whole: usize::from(precision - scale), scale: usize::from(scale) }
            }
            PhysicalType::TimestampTz if column.rules.time_format.is_none() => Kind::Instant,
            _ => Kind::None,
        };
        let rules = &column.rules;
        let may_be_null = !column.required
            && rules.null_values.is_none()
            && rules.missing_values.iter().all(|own| !own.null);
        Self { column: i, kind, may_be_null, has_rules }
    }

    /// Where the record has the value's canonical text, if it surely does. The record must hold no NUL.
    #[inline]
    pub fn cut(&self, value: Value, record: &[u8]) -> Option<(u32, u32)> {
        let (span, is_text) = match value {
            Value::Text(span) => (span.in_record()?, true),
            Value::Number(span) => (span.in_record()?, false),
            _ => return None,
        };
        if let Kind::Text(bytes) = self.kind {
            let fits = is_text && (span.1 - span.0) as usize <= bytes && span.1 as usize <= record.len();
            return fits.then_some(span);
        }
        let text = record.get(span.0 as usize..span.1 as usize)?;
        let fits = match self.kind {
            Kind::Characters(bytes) => {
                is_text && text.len() <= bytes && text.is_ascii() && text.last() != Some(&b' ')
            }
            Kind::Integer(digits) => is_integer(text, digits),
            Kind::Numeric { whole, scale } => is_numeric(text, whole, scale),
            Kind::Text(_) | Kind::Instant | Kind::None => false,
        };
        fits.then_some(span)
    }

    /// Writes the canonical text of a value that is not cut, where that needs no more than its text.
    #[inline]
    pub fn write(&self, value: Value, record: &str, draft: &mut Draft<'_>) -> Option<Cell> {
        let (Kind::Instant, Value::Text(span)) = (self.kind, value) else { return None };
        let (start, end) = span.in_record()?;
        let text = record.get(start as usize..end as usize)?;
        draft.write(|out| if instant::push(text, out) { Ok(()) } else { Err(()) }).ok().map(|(cell, ())| cell)
    }
}

/// Digits without needless zeros.
fn is_integer(text: &[u8], max_digits: usize) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => digits.len() <= max_digits && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// With exactly as many decimals as the type has.
fn is_numeric(text: &[u8], max_whole: usize, scale: usize) -> bool {
    if scale == 0 {
        return is_integer(text, max_whole);
    }
    let Some((whole, fraction)) = text.len().checked_sub(scale + 1).and_then(|at| text.split_at_checked(at))
    else {
        return false;
    };
    let [b'.', decimals @ ..] = fraction else { return false };
    is_integer(whole, max_whole) && decimals.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Contract;
    use crate::fixtures::checker;
    use crate::row::canon::{self, Spelling};
    use crate::row::fields::{Fields, Scalar};
    use proptest::prelude::*;

    const TYPES: [&str; 10] = [
        "smallint",
        "integer",
        "bigint",
        "numeric(5,2)",
        "numeric(2,2)",
        "numeric(38,0)",
        "numeric(38,37)",
        "varchar(5)",
        "char(5)",
        "date",
    ];

    fn column(ty: &str) -> Contract {
        checker("", &[&format!("name: a, physicalType: '{ty}'")]).contract().clone()
    }

    /// What is cut is what `canon` writes.
    fn holds(ty: &str, text: &str) -> bool {
        let contract = column(ty);
        let column = &contract.columns[0];
        let span = Fields::of_record(0, text.len());
        for (value, scalar) in
            [(Value::Text(span), Scalar::Text(text)), (Value::Number(span), Scalar::Number(text))]
        {
            let Some((start, end)) = Plan::of(0, column, false).cut(value, text.as_bytes()) else { continue };
            let mut canonical = String::new();
            let written = canon::write(column, &scalar, Spelling::Source, &mut canonical);
            assert_eq!(written, Ok(canon::Written::Value), "{ty} {text:?}");
            assert_eq!(&text[start as usize..end as usize], canonical, "{ty}");
        }
        Plan::of(0, column, false).cut(Value::Text(span), text.as_bytes()).is_some()
    }

    #[test]
    fn plain_values_are_cut() {
        for (ty, text) in [
            ("smallint", "-9999"),
            ("integer", "0"),
            ("bigint", "999999999999999999"),
            ("numeric(5,2)", "-123.45"),
            ("numeric(5,2)", "0.05"),
            ("numeric(38,0)", "12345678901234567890123456789012345678"),
            ("varchar(5)", "Köln"),
            ("varchar(5)", ""),
            ("char(5)", " a"),
        ] {
            assert!(holds(ty, text), "{ty} {text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_cut_is_canonical(text in "[-+]?0{0,2}[0-9]{0,20}(\\.[0-9]{0,4})?(e[0-9])?|[a-zä ]{0,6}") {
            for ty in TYPES {
                holds(ty, &text);
            }
        }
    }
}
