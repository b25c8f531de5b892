//! The Firehose event, read in one pass: data stays where it stands, the few texts that are answered or stamped are kept
//! beside it. Tolerant where AWS's own samples differ. Knows no rows and no contract.

mod read;

use std::borrow::Cow;
use std::ops::Range;

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
#[derive(Debug)]
pub struct Batch<'e> {
    event: &'e str,
    parts: Parts,
}

/// What was found in an event. Its memory serves the next one.
#[derive(Debug, Default)]
pub struct Parts {
    delivery_stream_arn: String,
    source_stream_arn: Option<String>,
    entries: Vec<Entry>,
    /// Record ids, sequence numbers, and data that the event has escaped.
    text: String,
}

/// One record, its texts in the arena.
#[derive(Debug, Default)]
struct Entry {
    id: Range<usize>,
    sequence: Option<Range<usize>>,
    data: Option<DataPlace>,
    arrival_ms: Option<u64>,
    subsequence: u64,
}

#[derive(Debug, Clone)]
enum DataPlace {
    Event(Range<usize>),
    Text(Range<usize>),
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
    /// Its data in base64, as it came.
    pub data: Option<&'a str>,
}

impl Batch<'_> {
    /// The memory, for another event.
    pub fn into_parts(self) -> Parts {
        self.parts
    }

    /// Whether there are no records.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.parts.entries.is_empty()
    }

    /// The records in their order.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        self.parts.entries.iter().map(|entry| self.record(entry))
    }

    /// Name of the Firehose stream.
    pub fn delivery_stream(&self) -> &str {
        self.parts.delivery_stream_arn.rsplit('/').next().unwrap_or_default()
    }

    /// `_source` of records that bring none: the Kinesis stream behind the Firehose stream, else that one.
    pub fn source(&self) -> &str {
        self.parts.source_stream_arn.as_deref().unwrap_or(&self.parts.delivery_stream_arn)
    }

    fn record(&self, entry: &Entry) -> Record<'_> {
        let text = |range: &Range<usize>| self.parts.text.get(range.clone()).unwrap_or_default();
        Record {
            id: text(&entry.id),
            sequence: entry.sequence.as_ref().map(text),
            subsequence: entry.subsequence,
            arrival_ms: entry.arrival_ms,
            data: entry.data.as_ref().map(|place| match place {
                DataPlace::Event(range) => self.event.get(range.clone()).unwrap_or_default(),
                DataPlace::Text(range) => text(range),
            }),
        }
    }
}

impl Parts {
    fn emptied(self) -> Self {
        let Self { mut entries, mut text, .. } = self;
        entries.clear();
        text.clear();
        Self { entries, text, ..Self::default() }
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
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
