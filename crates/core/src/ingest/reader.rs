//! The records of one object, whatever its format: finds the format out and hands each record to the checker.
//! Knows no compression.

use simdutf8::compat::from_utf8;

use super::checkpoint::{Checkpoint, Decoder};
use super::{Batch, Records, can_read};
use crate::contract::{Contract, Delimiter, Format, S3Server};
#[cfg(feature = "avro")]
use crate::decode::avro::AvroReader;
use crate::decode::csv::{CsvColumns, CsvReader};
use crate::decode::detect;
#[cfg(feature = "parquet")]
use crate::decode::parquet::ParquetReader;
use crate::decode::{Broken, JsonFramer, JsonMode, Limits};
use crate::reject::{Reject, Rule, Violation};
use crate::row::{Accepted, Checker, Origin, Place, RecordText};

/// Most rows that a format with blocks gives at once.
#[cfg(any(feature = "avro", feature = "parquet"))]
const ROWS_AT_ONCE: usize = 512;
/// And most bytes, but for the row that crosses it: a few bytes of a dictionary may stand for megabytes in each row.
#[cfg(any(feature = "avro", feature = "parquet"))]
const BYTES_AT_ONCE: usize = 1 << 20;

/// Whether records may be left in what was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// There may be more without another byte.
    Some,
    /// More bytes are needed, or the object has ended.
    All,
}

#[derive(Debug)]
pub(super) struct Reader {
    kind: Kind,
    limits: Limits,
    /// Where no record is begun for now.
    stop: u64,
}

#[derive(Debug)]
enum Kind {
    /// The format is not known yet: the first plain bytes.
    Unknown(Vec<u8>),
    Json(JsonFramer),
    Csv(Box<CsvReader>),
    #[cfg(feature = "avro")]
    Avro(Box<AvroReader>, String),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetReader>, String),
}

impl Reader {
    pub fn new(checker: &Checker, origin: &Origin, limits: Limits) -> Self {
        let contract = checker.contract();
        let known = contract.s3.as_ref().and_then(|s3| Some((s3, s3.format?)));
        let kind = known.and_then(|(s3, format)| Kind::new(format, s3, contract, origin, limits));
        Self { kind: kind.unwrap_or(Kind::Unknown(Vec::new())), limits, stop: u64::MAX }
    }

    /// A reader of rows in the hand-over format, whatever the dataset's own objects are written in.
    pub fn of_stamped(limits: Limits) -> Self {
        let kind = Kind::Json(JsonFramer::new(Delimiter::Auto, limits));
        Self { kind, limits, stop: u64::MAX }
    }

    /// A reader that goes on where another one stopped.
    pub fn resume(records: &Records, limits: Limits, at: &Checkpoint) -> Result<Self, Broken> {
        let contract = records.checker.contract();
        let Some(s3) = contract.s3.as_ref() else {
            return Ok(Self::new(&records.checker, &records.origin, limits));
        };
        let (position, line) = (at.position(), at.line());
        let kind = match at.decoder() {
            Decoder::Json { mode } => {
                Kind::Json(JsonFramer::resume(s3.delimiter, limits, *mode, position, line.unwrap_or(1)))
            }
            Decoder::Csv { header } => {
                let options = detect::csv_options(&s3.csv, &records.origin.source);
                let place = (position, line.unwrap_or(1));
                let columns = csv_columns(contract);
                Kind::Csv(Box::new(CsvReader::resume(&options, columns, limits, header.as_deref(), place)?))
            }
        };
        Ok(Self { kind, limits, stop: u64::MAX })
    }

    /// Records that begin here or later are not taken for now.
    pub fn stop_at(&mut self, stop: u64) {
        self.stop = stop;
        match &mut self.kind {
            Kind::Json(framer) => framer.stop_at(stop),
            Kind::Csv(reader) => reader.stop_at(stop),
            _ => {}
        }
    }

    /// Position and line of the record before which the reader stopped, and how it goes on there.
    pub fn stopped(&self) -> Option<(u64, u64, Decoder)> {
        let ((position, line), decoder) = match &self.kind {
            Kind::Json(framer) => (framer.stopped()?, Decoder::Json { mode: framer.mode() }),
            Kind::Csv(reader) => {
                (reader.stopped()?, Decoder::Csv { header: reader.header().map(str::to_owned) })
            }
            _ => return None,
        };
        Some((position, line, decoder))
    }

    /// How any line is read, if each stands for itself.
    pub fn line_wise(&self) -> Option<Decoder> {
        match &self.kind {
            Kind::Json(framer) if framer.mode() == JsonMode::Lines => {
                Some(Decoder::Json { mode: JsonMode::Lines })
            }
            Kind::Csv(reader) if reader.is_line_wise() => {
                Some(Decoder::Csv { header: reader.header().map(str::to_owned) })
            }
            _ => None,
        }
    }

    /// Whether rows of a block may wait.
    pub fn holds_rows(&self) -> bool {
        !matches!(self.kind, Kind::Unknown(_) | Kind::Json(_) | Kind::Csv(_))
    }

    pub fn push(&mut self, plain: &[u8], records: &Records) -> Result<(), Broken> {
        match &mut self.kind {
            Kind::Unknown(head) => {
                head.extend_from_slice(plain);
                return self.decide(records, false);
            }
            Kind::Json(framer) => framer.push(plain),
            Kind::Csv(reader) => reader.push(plain),
            #[cfg(feature = "avro")]
            Kind::Avro(reader, _) => reader.push(plain),
            #[cfg(feature = "parquet")]
            Kind::Parquet(reader, _) => reader.push(plain),
        }
        Ok(())
    }

    /// No more bytes come, because the object is whole or because it broke off.
    pub fn finish(&mut self, records: &Records, is_whole: bool) -> Result<(), Broken> {
        self.decide(records, true)?;
        match &mut self.kind {
            Kind::Unknown(_) => {}
            Kind::Json(framer) => framer.finish(),
            Kind::Csv(reader) if is_whole => reader.finish(),
            Kind::Csv(reader) => reader.break_off(),
            #[cfg(feature = "avro")]
            Kind::Avro(reader, _) => reader.finish(),
            #[cfg(feature = "parquet")]
            Kind::Parquet(reader, _) => reader.finish(),
        }
        Ok(())
    }

    fn decide(&mut self, records: &Records, is_whole: bool) -> Result<(), Broken> {
        let Kind::Unknown(head) = &mut self.kind else { return Ok(()) };
        let (contract, origin) = (records.checker.contract(), &records.origin);
        let Some(format) = detect::format(head, is_whole, &origin.source) else { return Ok(()) };
        let s3 = contract.s3.as_ref().filter(|_| can_read(format));
        let head = std::mem::take(head);
        match s3.and_then(|s3| Kind::new(format, s3, contract, origin, self.limits)) {
            Some(kind) => {
                self.kind = kind;
                self.stop_at(self.stop);
                self.push(&head, records)
            }
            None => {
                let reason = format!("the object is {format:?}, which is not read here");
                Err(Broken::new(Rule::UnknownFormat, reason))
            }
        }
    }

    /// The records that are there; of a format with blocks, some of them.
    pub fn take(&mut self, records: &mut Records, batch: &mut Batch) -> Result<Taken, Broken> {
        let taken = match &mut self.kind {
            Kind::Unknown(_) => Ok(Taken::All),
            Kind::Json(framer) if records.are_stamped => stamped(framer, records, batch).map(|()| Taken::All),
            Kind::Json(framer) => json(framer, records, batch).map(|()| left(framer.stopped())),
            Kind::Csv(reader) => csv(reader, records, batch).map(|()| left(reader.stopped())),
            #[cfg(feature = "avro")]
            Kind::Avro(reader, text) => {
                blocks(text, &mut |text| reader.next_record(text), records, batch, self.limits)
            }
            #[cfg(feature = "parquet")]
            Kind::Parquet(reader, text) => {
                blocks(text, &mut |text| reader.next_record(text), records, batch, self.limits)
            }
        };
        batch.warnings.append(records.session.warnings());
        taken
    }
}

impl Kind {
    fn new(
        format: Format,
        s3: &S3Server,
        contract: &Contract,
        origin: &Origin,
        limits: Limits,
    ) -> Option<Self> {
        match format {
            Format::Json => Some(Self::Json(JsonFramer::new(s3.delimiter, limits))),
            Format::Csv => {
                let options = detect::csv_options(&s3.csv, &origin.source);
                Some(Self::Csv(Box::new(CsvReader::new(&options, csv_columns(contract), limits))))
            }
            #[cfg(feature = "avro")]
            Format::Avro => Some(Self::Avro(Box::new(AvroReader::new(limits)), String::new())),
            #[cfg(feature = "parquet")]
            Format::Parquet => Some(Self::Parquet(Box::new(ParquetReader::new(limits)), String::new())),
            _ => None,
        }
    }
}

/// Source columns by name; derived ones are in no file.
fn csv_columns(contract: &Contract) -> CsvColumns {
    let mut found = CsvColumns { slot_count: contract.columns.len(), ..CsvColumns::default() };
    for (i, column) in contract.columns.iter().enumerate().filter(|(_, column)| column.derived.is_none()) {
        found.names.push(column.name.clone());
        found.slots.push(i);
        found.keeps_json.push(column.keeps_json());
        found.required.push(column.required);
    }
    found
}

/// Records are left where a reader has stopped before one.
fn left(stopped: Option<(u64, u64)>) -> Taken {
    if stopped.is_some() { Taken::Some } else { Taken::All }
}

fn stamped(framer: &mut JsonFramer, records: &mut Records, batch: &mut Batch) -> Result<(), Broken> {
    let Records { checker, session, .. } = records;
    while let Some(frame) = framer.next_frame()? {
        let checked = match frame.fault {
            Some((rule, reason)) => Err(vec![Violation::record(rule, reason)]),
            None => checker.check_stamped(session, frame.bytes, batch.rows.unstamped()),
        };
        batch.tell(checked, frame.position, Some(frame.line), frame.bytes);
    }
    Ok(())
}

fn json(framer: &mut JsonFramer, records: &mut Records, batch: &mut Batch) -> Result<(), Broken> {
    let Records { checker, session, origin, tells_lines, .. } = records;
    while let Some(frame) = framer.next_accepted(&mut |bytes| checker.accept(session, bytes))? {
        let place = Place::Object { origin, position: frame.position };
        let text = frame.accepted.then(|| from_utf8(frame.bytes));
        let checked = match (frame.fault, text) {
            (Some((rule, reason)), _) => Err(vec![Violation::record(rule, reason)]),
            (None, Some(Ok(text))) => {
                checker.check_fields(session, text.into(), &place, batch.rows.unstamped())
            }
            (None, _) => checker.check_unstamped(session, frame.bytes, &place, batch.rows.unstamped()),
        };
        batch.tell(checked, frame.position, tells_lines.then_some(frame.line), frame.bytes);
    }
    Ok(())
}

fn csv(reader: &mut CsvReader, records: &mut Records, batch: &mut Batch) -> Result<(), Broken> {
    let Records { checker, session, origin, tells_lines, .. } = records;
    let mut framed = reader.records();
    let lines = framed.lines();
    let mut kept = None;
    while let Some(record) = framed.next(&mut session.fields)? {
        let frame = &record.frame;
        let place = Place::Object { origin, position: frame.position };
        // Looked at and kept all at once, as soon as there is a record: a long one may be long in coming.
        let kept = *kept.get_or_insert_with(|| lines.text().map(|text| batch.rows.unstamped().keep(text)));
        let text = match kept.and_then(|kept| kept.part(frame.position - lines.start, frame.bytes.len())) {
            Some(text) => Ok(text),
            None => from_utf8(frame.bytes).map(RecordText::from),
        };
        let checked = match (record.violation(), text) {
            (Some(violation), _) => Err(vec![violation]),
            (None, Err(error)) => {
                let reason = format!("byte {} is not UTF-8", error.valid_up_to());
                Err(vec![Violation::record(Rule::NotUtf8, reason)])
            }
            (None, Ok(text)) => checker.check_fields(session, text, &place, batch.rows.unstamped()),
        };
        batch.tell(checked, frame.position, tells_lines.then_some(frame.line), frame.bytes);
    }
    Ok(())
}

/// Rows of a block as JSON records, whose positions are their numbers.
#[cfg(any(feature = "avro", feature = "parquet"))]
fn blocks(
    text: &mut String,
    next: &mut dyn FnMut(&mut String) -> Result<Option<u64>, Broken>,
    records: &mut Records,
    batch: &mut Batch,
    limits: Limits,
) -> Result<Taken, Broken> {
    let Records { checker, session, origin, .. } = records;
    let mut bytes = 0;
    for _ in 0..ROWS_AT_ONCE {
        let Some(position) = next(text)? else { return Ok(Taken::All) };
        bytes += text.len();
        let place = Place::Object { origin, position };
        let checked = if text.len() > limits.max_record_bytes {
            Err(vec![Violation::record(Rule::RecordTooLarge, "the record is longer than the limit")])
        } else {
            checker.check_unstamped(session, text.as_bytes(), &place, batch.rows.unstamped())
        };
        batch.tell(checked, position, None, text.as_bytes());
        if bytes > BYTES_AT_ONCE {
            break;
        }
    }
    Ok(Taken::Some)
}

impl Batch {
    /// Counts a record, and keeps what it came to.
    fn tell(
        &mut self,
        checked: Result<Accepted, Vec<Violation>>,
        position: u64,
        line: Option<u64>,
        raw: &[u8],
    ) {
        self.read += 1;
        match checked {
            Ok(Accepted { extra_fields }) => self.extra_fields += extra_fields,
            Err(violations) => {
                self.rejects.push(Reject { position: Some(position), line, violations, raw: raw.to_vec() });
            }
        }
    }
}
