//! Where a record came from: what the identity of a keyless row and the order of every row are made of. Stable, so
//! that a redelivery in any form gives the same stamps.

use crate::ident::{self, HexId};

/// The object that a record came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `s3://bucket/key`, decoded.
    pub source: String,
    /// Identity of the object.
    pub object_id: HexId,
    /// The object's LastModified in ms since 1970.
    pub source_ms: u64,
    /// What every `_order` of the object begins with.
    order: String,
}

impl Origin {
    /// An object by its URI, its identity and its LastModified in ms since 1970.
    pub fn new(source: impl Into<String>, object_id: HexId, source_ms: u64) -> Self {
        let mut order = String::with_capacity(48);
        push_padded(source_ms, 13, &mut order);
        order.push('/');
        order.push_str(object_id.as_str());
        order.push('/');
        Self { source: source.into(), object_id, source_ms, order }
    }
}

/// What names a record of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sequence<'a> {
    /// Kinesis' sequence number: decimal digits.
    Number(&'a str),
    /// Firehose's record id, where there is no sequence number.
    RecordId(&'a str),
}

/// A row's place in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamPlace<'a> {
    /// Arrival in ms since 1970.
    pub arrival_ms: u64,
    /// The record.
    pub sequence: Sequence<'a>,
    /// Number of the user record in an aggregated one.
    pub subsequence: u64,
    /// Number of the row in its record.
    pub index: u64,
}

/// Where a record stood.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// In an object.
    Object {
        /// The object.
        origin: &'a Origin,
        /// Byte offset of the record's first byte in the decompressed stream; the ordinal where a format has rows.
        position: u64,
    },
    /// In a stream, without an object.
    Stream(StreamPlace<'a>),
}

/// What the `_order` of the last row of an object began with: rows that follow each other differ in the last digits.
#[derive(Debug, Default)]
pub(super) struct LastOrder<'a> {
    origin: Option<&'a Origin>,
    /// The position but for its last four digits.
    high: u64,
    text: String,
}

impl<'a> LastOrder<'a> {
    /// Appends `_order`.
    #[inline]
    pub fn write(&mut self, place: &Place<'a>, out: &mut String) {
        let Place::Object { origin, position } = *place else { return place.write_order(out) };
        let (high, low) = (position / 10_000, position % 10_000);
        if high != self.high || !self.origin.is_some_and(|own| std::ptr::eq(own, origin)) {
            self.turn_to(origin, high);
        }
        out.push_str(&self.text);
        for digit in [low / 1_000, low / 100 % 10, low / 10 % 10, low % 10] {
            out.push(char::from(b'0' + digit as u8));
        }
    }

    #[cold]
    fn turn_to(&mut self, origin: &'a Origin, high: u64) {
        (self.origin, self.high) = (Some(origin), high);
        self.text.clone_from(&origin.order);
        push_padded(high, 16, &mut self.text);
    }
}

/// Digits of the longest sequence number that Kinesis gives.
pub const MAX_SEQUENCE_DIGITS: usize = 56;

impl Place<'_> {
    pub(super) fn position(&self) -> u64 {
        match self {
            Self::Object { position, .. } => *position,
            Self::Stream(place) => place.index,
        }
    }

    /// Identity of a row without a primary key: where it stands, so that two equal lines stay two rows.
    pub(super) fn record_id(&self) -> HexId {
        match self {
            Self::Object { origin, position } => ident::record_id_of_position(&origin.object_id, *position),
            Self::Stream(place) => {
                let (kind, id) = match place.sequence {
                    Sequence::Number(id) => ("sequence", id),
                    Sequence::RecordId(id) => ("record", id),
                };
                let (subsequence, index) = (place.subsequence.to_string(), place.index.to_string());
                ident::stable_id([kind, id, &subsequence, &index])
            }
        }
    }

    /// Appends `_order`: one text comparison tells the later of two rows, across loads and routes.
    pub(super) fn write_order(&self, out: &mut String) {
        match self {
            Self::Object { origin, position } => {
                out.push_str(&origin.order);
                push_padded(*position, 20, out);
            }
            Self::Stream(place) => {
                push_padded(place.arrival_ms, 13, out);
                out.push('/');
                match place.sequence {
                    Sequence::Number(digits) => {
                        out.extend(std::iter::repeat_n(
                            '0',
                            MAX_SEQUENCE_DIGITS.saturating_sub(digits.len()),
                        ));
                        out.push_str(digits);
                    }
                    Sequence::RecordId(id) => out.push_str(ident::digest_id(id).as_str()),
                }
                out.push('/');
                push_padded(place.subsequence, 10, out);
                push_padded(place.index, 10, out);
            }
        }
    }
}

/// A number with leading zeros, so that it has at least so many digits.
pub(super) fn push_padded(mut value: u64, digits: usize, out: &mut String) {
    const LONGEST: usize = 20;
    let mut text = [b'0'; LONGEST];
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    let used = text.iter().position(|digit| *digit != b'0').unwrap_or(LONGEST);
    let start = used.min(LONGEST - digits.min(LONGEST));
    out.push_str(std::str::from_utf8(text.get(start..).unwrap_or_default()).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_padded_and_never_cut() {
        for (value, digits, want) in [
            (0, 3, "000"),
            (7, 1, "7"),
            (1234, 3, "1234"),
            (u64::MAX, 20, "18446744073709551615"),
            (1_767_225_600_000, 13, "1767225600000"),
            (100, 5, "00100"),
        ] {
            let mut out = String::new();
            push_padded(value, digits, &mut out);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn a_row_has_the_same_order_behind_another() {
        let origins = ["a", "b"].map(|own| Origin::new(own, ident::stable_id([own]), 7));
        let mut last = LastOrder::default();
        for i in 0..100_000u64 {
            let position = i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (i % 64);
            for (origin, position) in [(0, position), (0, position.wrapping_add(101)), (1, position)] {
                let place = Place::Object { origin: &origins[origin], position };
                let (mut own, mut alone) = (String::new(), String::new());
                last.write(&place, &mut own);
                place.write_order(&mut alone);
                assert_eq!(own, alone);
                assert!(own.ends_with(&format!("/{position:020}")));
            }
        }
    }

    #[test]
    fn order_of_a_stream_follows_sequence_then_subsequence_then_index() {
        let order = |ms, digits, subsequence, index| {
            let mut out = String::new();
            let sequence = Sequence::Number(digits);
            Place::Stream(StreamPlace { arrival_ms: ms, sequence, subsequence, index }).write_order(&mut out);
            out
        };
        let ascending = [
            order(1, "9", 0, 0),
            order(1, "10", 0, 0),
            order(1, "10", 0, 2),
            order(1, "10", 1, 0),
            order(1, "49590338271490256608559692538361571095921575989136588898", 0, 0),
            order(20, "1", 0, 0),
        ];
        assert!(ascending.is_sorted());
        assert!(ascending.iter().all(|own| own.len() == 13 + 1 + 56 + 1 + 20));
    }
}
