//! Smallest and largest value of a column chunk, in the order that Parquet gives its type.

use parquet::basic::Type as Physical;
use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::statistics::Statistics;

use super::value::{Form, Value};

/// Longer texts are left out: a footer that repeats documents helps nobody.
const MAX_TEXT_BYTES: usize = 256;

/// The range of the values so far. A float that was checked is neither NaN nor -0.0, so that every order is the same.
#[derive(Debug, Default)]
pub(super) enum Range {
    #[default]
    Empty,
    Whole(i64, i64),
    Wide(i128, i128),
    Float(f64, f64),
    Bytes(Vec<u8>, Vec<u8>),
}

impl Range {
    /// Takes a value, all of a column in one type.
    #[inline]
    pub fn add(&mut self, value: Value<'_>) {
        match (&mut *self, value) {
            (Self::Whole(min, max), Value::Whole(own)) => (*min, *max) = (own.min(*min), own.max(*max)),
            (Self::Wide(min, max), Value::Wide(own)) => (*min, *max) = (own.min(*min), own.max(*max)),
            (Self::Float(min, max), Value::Float(own)) => (*min, *max) = (own.min(*min), own.max(*max)),
            (Self::Bytes(min, max), Value::Bytes(own)) => {
                if own < min.as_slice() {
                    own.clone_into(min);
                } else if own > max.as_slice() {
                    own.clone_into(max);
                }
            }
            (_, first) => *self = Self::of(first),
        }
    }

    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Whole(own) => Self::Whole(own, own),
            Value::Wide(own) => Self::Wide(own, own),
            Value::Float(own) => Self::Float(own, own),
            Value::Bytes(own) => Self::Bytes(own.to_vec(), own.to_vec()),
        }
    }

    /// Bytes that it holds beside itself.
    pub fn memory(&self) -> usize {
        match self {
            Self::Bytes(min, max) => min.capacity() + max.capacity(),
            _ => 0,
        }
    }

    /// What stands in the footer.
    pub fn statistics(&self, form: Form, nulls: u64) -> Statistics {
        let nulls = Some(nulls);
        let whole = |pick: fn(i64, i64) -> i64| match self {
            Self::Whole(min, max) => Some(pick(*min, *max)),
            _ => None,
        };
        let (min, max) = (whole(|min, _| min), whole(|_, max| max));
        match form.physical() {
            Physical::BOOLEAN => {
                Statistics::boolean(min.map(|own| own != 0), max.map(|own| own != 0), None, nulls, false)
            }
            Physical::INT32 => {
                let own = |own: Option<i64>| own.and_then(|own| i32::try_from(own).ok());
                Statistics::int32(own(min), own(max), None, nulls, false)
            }
            Physical::INT64 => Statistics::int64(min, max, None, nulls, false),
            Physical::FLOAT => {
                let [min, max] = self.floats().map(|own| own.map(|own| own as f32));
                Statistics::float(min, max, None, nulls, false)
            }
            Physical::DOUBLE => {
                let [min, max] = self.floats();
                Statistics::double(min, max, None, nulls, false)
            }
            Physical::FIXED_LEN_BYTE_ARRAY => {
                let [min, max] = self.wide(form).map(|own| own.map(FixedLenByteArray::from));
                Statistics::fixed_len_byte_array(min, max, None, nulls, false)
            }
            _ => {
                let [min, max] = self.texts().map(|own| own.map(ByteArray::from));
                Statistics::byte_array(min, max, None, nulls, false)
            }
        }
    }

    fn floats(&self) -> [Option<f64>; 2] {
        match self {
            Self::Float(min, max) => [Some(*min), Some(*max)],
            _ => [None; 2],
        }
    }

    fn wide(&self, form: Form) -> [Option<Vec<u8>>; 2] {
        match self {
            Self::Wide(min, max) => {
                [min, max].map(|own| Some(Value::Wide(*own).plain(form, &mut [0; 16]).to_vec()))
            }
            _ => [const { None }; 2],
        }
    }

    /// Both or none: half a range is of no use to some readers.
    fn texts(&self) -> [Option<Vec<u8>>; 2] {
        match self {
            Self::Bytes(min, max) if min.len().max(max.len()) <= MAX_TEXT_BYTES => {
                [Some(min.clone()), Some(max.clone())]
            }
            _ => [const { None }; 2],
        }
    }
}
