//! The event's JSON into a batch: field by field, without a value in between. Unknown fields are stepped over; of a
//! field that stands twice the last one counts.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use penstock_core::row::MAX_SEQUENCE_DIGITS;

use super::{Batch, DataPlace, Entry, Loose, NotFirehose, Parts};

impl<'e> Batch<'e> {
    /// Reads an event's JSON; `parts` is memory that an earlier one left.
    pub fn read(event: &'e [u8], parts: Parts) -> Result<Self, NotFirehose> {
        let event = std::str::from_utf8(event).map_err(|_| NotFirehose::NoObject)?;
        let mut parts = parts.emptied();
        let mut told = None;
        let mut deserializer = serde_json::Deserializer::from_str(event);
        let seed = Envelope { found: Found { event, parts: &mut parts }, told: &mut told };
        match (seed.deserialize(&mut deserializer).and_then(|()| deserializer.end()), told) {
            (_, Some(fault)) => Err(fault),
            (Err(_), None) => Err(NotFirehose::NoObject),
            (Ok(()), None) => Ok(Self { event, parts }),
        }
    }
}

/// Where what is found is kept.
struct Found<'b> {
    event: &'b str,
    parts: &'b mut Parts,
}

impl Found<'_> {
    fn reborrow(&mut self) -> Found<'_> {
        Found { event: self.event, parts: self.parts }
    }

    /// Data that the event has as it is stays there.
    fn keep_data(&mut self, data: &str) -> DataPlace {
        let start = data.as_ptr().addr().wrapping_sub(self.event.as_ptr().addr());
        let place = start..start.wrapping_add(data.len());
        // Text that was unescaped lies elsewhere.
        match self.event.get(place.clone()) == Some(data) {
            true => DataPlace::Event(place),
            false => DataPlace::Text(self.parts.keep(data)),
        }
    }
}

/// The whole event.
struct Envelope<'b> {
    found: Found<'b>,
    told: &'b mut Option<NotFirehose>,
}

impl<'de> DeserializeSeed<'de> for Envelope<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Envelope<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a Firehose event")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut has_records = false;
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "deliveryStreamArn" => {
                    self.found.parts.delivery_stream_arn =
                        map.next_value::<Loose<'_>>()?.into_text().unwrap_or_default();
                }
                "sourceKinesisStreamArn" => {
                    self.found.parts.source_stream_arn = map.next_value::<Loose<'_>>()?.into_text();
                }
                "records" => {
                    has_records = true;
                    self.found.parts.entries.clear();
                    map.next_value_seed(Records { found: self.found.reborrow(), told: self.told })?;
                }
                _ => skip(&mut map)?,
            }
        }
        if !has_records {
            *self.told = Some(NotFirehose::NoRecords);
        }
        Ok(())
    }
}

/// The list of records.
struct Records<'b> {
    found: Found<'b>,
    told: &'b mut Option<NotFirehose>,
}

impl<'de> DeserializeSeed<'de> for Records<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Records<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(entry) = list.next_element_seed(OneRecord(self.found.reborrow()))? {
            match entry {
                Some(entry) => self.found.parts.entries.push(entry),
                None => {
                    *self.told = Some(NotFirehose::NoRecordId);
                    return Err(de::Error::custom("no recordId"));
                }
            }
        }
        Ok(())
    }
}

/// One record; `None` where it has no id.
struct OneRecord<'b>(Found<'b>);

impl<'de> DeserializeSeed<'de> for OneRecord<'_> {
    type Value = Option<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneRecord<'_> {
    type Value = Option<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entry = Entry::default();
        let mut id = None;
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "recordId" => id = self.keep_text(map.next_value()?),
                "data" => {
                    if let Loose::Text(base64) = map.next_value()? {
                        entry.data = Some(self.0.keep_data(&base64));
                    }
                }
                "approximateArrivalTimestamp" => entry.arrival_ms = map.next_value::<Loose<'_>>()?.number(),
                "kinesisRecordMetadata" => {
                    map.next_value_seed(Metadata { parts: self.0.parts, entry: &mut entry })?
                }
                _ => skip(&mut map)?,
            }
        }
        Ok(id.map(|id| Entry { id, ..entry }))
    }
}

impl OneRecord<'_> {
    fn keep_text(&mut self, value: Loose<'_>) -> Option<std::ops::Range<usize>> {
        match value {
            Loose::Text(text) => Some(self.0.parts.keep(&text)),
            Loose::Number(number) => Some(self.0.parts.keep(&number.to_string())),
            Loose::Other => None,
        }
    }
}

/// What Kinesis knew of a record; `null` or anything else than an object is nothing.
struct Metadata<'b> {
    parts: &'b mut Parts,
    entry: &'b mut Entry,
}

impl<'de> DeserializeSeed<'de> for Metadata<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Metadata<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut sequence, mut subsequence) = (None, Some(0));
        while let Some(Name(name)) = map.next_key()? {
            match &*name {
                "sequenceNumber" => sequence = map.next_value::<Loose<'_>>()?.into_sequence(),
                "subsequenceNumber" => subsequence = map.next_value::<Loose<'_>>()?.subsequence(),
                _ => skip(&mut map)?,
            }
        }
        // Where the parts of an aggregated record cannot be told apart, only the record id names them.
        if let (Some(sequence), Some(subsequence)) = (sequence, subsequence) {
            self.entry.sequence = Some(self.parts.keep(&sequence));
            self.entry.subsequence = subsequence;
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        IgnoredAny.visit_seq(list).map(|_| ())
    }
}

impl<'a> Loose<'a> {
    fn into_sequence(self) -> Option<Cow<'a, str>> {
        let text = match self {
            Self::Text(text) => text,
            Self::Number(number) => Cow::Owned(number.to_string()),
            Self::Other => return None,
        };
        let is_digits = text.bytes().all(|b| b.is_ascii_digit());
        (is_digits && (1..=MAX_SEQUENCE_DIGITS).contains(&text.len())).then_some(text)
    }

    fn subsequence(&self) -> Option<u64> {
        match self {
            Self::Other => Some(0),
            Self::Text(text) if text.is_empty() => Some(0),
            other => other.number(),
        }
    }
}

fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(|_| ())
}

/// A field's name, borrowed where it stands in the JSON as it is.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_str(AnyScalar)? {
            Loose::Text(text) => Ok(Self(text)),
            Loose::Number(_) | Loose::Other => Ok(Self(Cow::Borrowed(""))),
        }
    }
}

impl<'de> Deserialize<'de> for Loose<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyScalar)
    }
}

struct AnyScalar;

impl<'de> Visitor<'de> for AnyScalar {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Loose<'de>, E> {
        Ok(Loose::Number(number))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }

    fn visit_f64<E>(self, number: f64) -> Result<Loose<'de>, E> {
        // 1.5e12 is a time as well; a sequence number that long is no longer exact, and a time is never that late.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        Ok(if (0.0..EXACT).contains(&number) { Loose::Number(number as u64) } else { Loose::Other })
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }

    fn visit_unit<E>(self) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Loose<'de>, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| Loose::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Loose<'de>, A::Error> {
        IgnoredAny.visit_map(map).map(|_| Loose::Other)
    }
}
