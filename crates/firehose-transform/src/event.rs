//! The Firehose event, read in one pass into two arenas: decoded data, and the few texts that are answered or stamped.
//! Tolerant where AWS's own samples differ. Knows no rows and no contract.

mod read;

use std::borrow::Cow;
use std::ops::Range;

use base64_simd::STANDARD;

/// An event that Firehose did not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotFirehose {
    /// It has no list `records`.
    #[error("is not of Firehose: it has no records")]
    NoRecords,
    /// A record that could not be answered.
    #[error("is not of Firehose: a record has no recordId")]
    NoRecordId,
    /// What should be an object is something else.
    #[error("is not of Firehose: the event and its records must be JSON objects")]
    NoObject,
}

/// The records of an event.
#[derive(Debug, Default)]
pub struct Batch {
    delivery_stream_arn: String,
    source_stream_arn: Option<String>,
    entries: Vec<Entry>,
    /// Record ids, sequence numbers, and data that is no base64.
    text: String,
    /// Decoded data.
    bytes: Vec<u8>,
}

/// One record, its texts and bytes in the arenas.
#[derive(Debug, Default)]
struct Entry {
    id: Range<usize>,
    sequence: Option<Range<usize>>,
    data: DataPlace,
    arrival_ms: Option<u64>,
    subsequence: u64,
}

#[derive(Debug, Clone)]
enum DataPlace {
    Decoded(Range<usize>),
    Text(Range<usize>),
}

impl Default for DataPlace {
    fn default() -> Self {
        Self::Text(0..0)
    }
}

/// A record's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data<'a> {
    /// What the producer sent.
    Bytes(&'a [u8]),
    /// Text that is no base64, as it came.
    NotBase64(&'a str),
}

/// One record of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it is answered by.
    pub id: &'a str,
    /// Kinesis' sequence number: decimal digits.
    pub sequence: Option<&'a str>,
    /// Number of the user record where Firehose took an aggregated one apart.
    pub subsequence: u64,
    /// Arrival in ms since 1970.
    pub arrival_ms: Option<u64>,
    /// Its data.
    pub data: Data<'a>,
}

impl Batch {
    fn emptied(self) -> Self {
        let Self { mut entries, mut text, mut bytes, .. } = self;
        entries.clear();
        text.clear();
        bytes.clear();
        Self { entries, text, bytes, ..Self::default() }
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all data.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The records in their order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.entries.iter().map(|entry| self.record(entry))
    }

    /// Name of the Firehose stream.
    pub fn delivery_stream(&self) -> &str {
        self.delivery_stream_arn.rsplit('/').next().unwrap_or_default()
    }

    /// `_source` of records that bring none: the Kinesis stream behind the Firehose stream, else that one.
    pub fn source(&self) -> &str {
        self.source_stream_arn.as_deref().unwrap_or(&self.delivery_stream_arn)
    }

    fn record(&self, entry: &Entry) -> Record<'_> {
        let text = |range: &Range<usize>| self.text.get(range.clone()).unwrap_or_default();
        Record {
            id: text(&entry.id),
            sequence: entry.sequence.as_ref().map(text),
            subsequence: entry.subsequence,
            arrival_ms: entry.arrival_ms,
            data: match &entry.data {
                DataPlace::Decoded(range) => Data::Bytes(self.bytes.get(range.clone()).unwrap_or_default()),
                DataPlace::Text(range) => Data::NotBase64(text(range)),
            },
        }
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    /// Strict base64 gives the same text when it is encoded again, so the text itself is not kept.
    fn keep_data(&mut self, base64: &str) -> DataPlace {
        let start = self.bytes.len();
        // The crate reserves exactly what one text needs, which copies the arena once a record.
        self.bytes.reserve(STANDARD.estimated_decoded_length(base64.len()));
        match STANDARD.decode_append(base64, &mut self.bytes) {
            Ok(()) => DataPlace::Decoded(start..self.bytes.len()),
            Err(_) => DataPlace::Text(self.keep(base64)),
        }
    }
}

/// A value that should be a text or a number; AWS's samples have either in the same place.
#[derive(Debug)]
enum Loose<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Other,
}

impl Loose<'_> {
    /// A count or time; an empty text is none.
    fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Other => None,
        }
    }

    fn into_text(self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.into_owned()),
            Self::Number(number) => Some(number.to_string()),
            Self::Other => None,
        }
    }
}

#[cfg(test)]
mod tests;
