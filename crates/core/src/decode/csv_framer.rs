//! Finds CSV records in bytes that are there: their fields, their ends, and what is wrong with them. What is framed
//! depends on the stream alone, never on the pieces it came in. Holds no bytes itself.

mod resume;

use memchr::memchr;

use super::csv::{CsvColumns, CsvFrame, Fault};
use super::csv_fields::Teller;
use super::csv_header::Targets;
use super::csv_scan::{Dialect, Found, Mode, Nowhere, go_on, scan};
use super::{Broken, Frame, Limits};
use crate::contract::{CsvHeader, CsvOptions};
use crate::reject::Rule;
use crate::row::fields::Fields;

const BOM: &[u8] = &[0xef, 0xbb, 0xbf];
const COMMA: u8 = b',';

/// Where the framing of a stream stands; every call is given the same buffer.
#[derive(Debug)]
pub(super) struct Framer {
    dialect: Dialect,
    null_texts: Vec<String>,
    columns: CsvColumns,
    max_record_bytes: usize,
    /// What each field is; `None` until the header was read.
    targets: Option<Targets>,
    /// Start of what is not framed yet.
    at: usize,
    /// Stream offset of the buffer's first byte.
    offset: u64,
    /// Line of the byte at `at`.
    line: u64,
    finished: bool,
    /// Whether what is there is not all of the object.
    broke_off: bool,
    state: State,
    /// A record of many lines had no end up to this stream offset. So a scan that is within quotes at a line break
    /// before it has none either: that one was too, and two scans that stand alike go on alike. Keeps lines of
    /// unclosed quotes from costing a scan each.
    unclosed_until: u64,
    /// How the scan that did stood there.
    unclosed_mode: Mode,
    /// Where to stop, and what to be taken up with.
    pause: resume::Pause,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// A BOM may stand here.
    Start,
    /// The end of the record that begins at `at`: bytes scanned, and how the scan stands.
    Record(usize, Mode),
    /// The line break that ends the rest of a record which was told already.
    DropLine,
}

const BETWEEN: State = State::Record(0, Mode::FieldStart);

/// A record in the buffer: its length without and with line break.
struct Framed {
    len: usize,
    whole: usize,
    told: Told,
    /// Whether the rest of its line is still to come.
    goes_on: bool,
}

impl Framer {
    /// At the beginning of a stream.
    pub fn new(options: &CsvOptions, columns: CsvColumns, limits: Limits) -> Self {
        let targets = match options.header {
            CsvHeader::Names => None,
            CsvHeader::None => Some(Targets::in_order(&columns)),
        };
        let dialect = Dialect {
            delimiter: options.delimiter.unwrap_or(COMMA),
            quote: options.quote,
            multiline: options.multiline,
        };
        Self {
            dialect,
            null_texts: options.null_texts.clone(),
            columns,
            max_record_bytes: limits.max_record_bytes,
            targets,
            at: 0,
            offset: 0,
            line: 1,
            finished: false,
            broke_off: false,
            state: State::Start,
            unclosed_until: 0,
            unclosed_mode: Mode::Quoted,
            pause: resume::Pause::default(),
        }
    }

    /// Bytes of the buffer that are framed.
    pub fn framed_bytes(&self) -> usize {
        self.at
    }

    /// The same, which the caller takes out of the buffer.
    pub fn forget(&mut self) -> usize {
        self.offset += self.at as u64;
        std::mem::take(&mut self.at)
    }

    /// No more bytes come; whether the last line misses its break.
    pub fn finish(&mut self, buffer: &[u8]) -> bool {
        let was_finished = std::mem::replace(&mut self.finished, true);
        !was_finished && self.rest(buffer).last().is_some_and(|last| *last != b'\n')
    }

    /// No more bytes come, although the object has more.
    pub fn break_off(&mut self) {
        (self.finished, self.broke_off) = (true, true);
    }

    /// Stream offset behind the last record.
    pub fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// The next record, `None` when more bytes are needed (or, after `finish`, at the end). The header is no record;
    /// one that does not fit the contract is `Broken`.
    pub fn next_record<'b>(
        &mut self,
        buffer: &'b [u8],
        fields: &mut Fields,
    ) -> Result<Option<CsvFrame<'b>>, Broken> {
        loop {
            if !self.find_start(buffer) || self.is_at_stop() {
                return Ok(None);
            }
            let Some(framed) = self.framed(buffer, fields) else { return Ok(None) };
            let (start, line) = (self.at, self.line);
            let bytes = start..start + framed.len;
            if framed.len > 0 && self.targets.is_none() {
                self.read_header(buffer, bytes, framed.told.fault)?;
            } else if framed.len > 0 {
                let position = self.position();
                self.pass(&framed);
                let bytes = buffer.get(bytes).unwrap_or_default();
                let fault = framed.told.fault;
                let counts =
                    (fault == Some(Fault::FieldCount)).then_some((framed.told.count, self.expected()));
                let frame = Frame { position, line, bytes, fault: fault.map(Fault::told), accepted: false };
                return Ok(Some(CsvFrame { frame, counts }));
            }
            self.pass(&framed);
        }
    }

    /// Fields of a record.
    fn expected(&self) -> usize {
        self.targets.as_ref().map_or(0, |targets| targets.as_slice().len())
    }

    fn read_header(
        &mut self,
        buffer: &[u8],
        record: std::ops::Range<usize>,
        fault: Option<Fault>,
    ) -> Result<(), Broken> {
        if let Some((_, reason)) = fault.map(Fault::told) {
            return Err(Broken::new(Rule::HeaderMismatch, format!("the header cannot be read: {reason}")));
        }
        let record = buffer.get(record).unwrap_or_default();
        self.targets = Some(Targets::of_header(record, self.dialect, &self.columns)?);
        self.pause.header = Some(String::from_utf8_lossy(record).into_owned());
        Ok(())
    }

    fn rest<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        buffer.get(self.at..).unwrap_or_default()
    }

    fn pass(&mut self, framed: &Framed) {
        self.line += framed.told.breaks;
        self.at += framed.whole;
        self.state = if framed.goes_on { State::DropLine } else { BETWEEN };
    }

    fn advance(&mut self, buffer: &[u8], bytes: usize, next: State) {
        let end = (self.at + bytes).min(buffer.len());
        let passed = buffer.get(self.at..end).unwrap_or_default();
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at = end;
        self.state = next;
    }

    /// Steps over a BOM and what is left of a record that was told; false when more bytes are needed first.
    fn find_start(&mut self, buffer: &[u8]) -> bool {
        if let State::Start = self.state {
            if self.rest(buffer).len() < BOM.len() && BOM.starts_with(self.rest(buffer)) && !self.finished {
                return false;
            }
            let bom = if self.rest(buffer).starts_with(BOM) { BOM.len() } else { 0 };
            self.advance(buffer, bom, BETWEEN);
        }
        if let State::DropLine = self.state {
            match memchr(b'\n', self.rest(buffer)) {
                Some(end) => self.advance(buffer, end + 1, BETWEEN),
                None => self.advance(buffer, self.rest(buffer).len(), State::DropLine),
            }
        }
        !self.rest(buffer).is_empty()
    }

    /// Bytes that a record and its line break may have and that are there.
    fn window<'b>(&self, buffer: &'b [u8]) -> &'b [u8] {
        let rest = self.rest(buffer);
        rest.get(..self.max_record_bytes.saturating_add(2)).unwrap_or(rest)
    }

    /// The record that begins at `at`, its fields told; `None` when more bytes are needed.
    fn framed(&mut self, buffer: &[u8], fields: &mut Fields) -> Option<Framed> {
        let State::Record(seen, mode) = self.state else { return None };
        let (mut found, mut told) = (Found::More(mode), None);
        if seen == 0 && self.unclosed_until <= self.position() {
            let whole = self.tell(self.window(buffer), fields);
            (found, told) = (whole.0, Some(whole.1));
        } else if seen < self.window(buffer).len() {
            found = self.scan_on(buffer, seen, mode);
        }
        match found {
            Found::End(end) => {
                let whole = self.rest(buffer).get(..=end).unwrap_or_default();
                let record = whole.strip_suffix(b"\r\n").or(whole.strip_suffix(b"\n")).unwrap_or(whole);
                if record.len() > self.max_record_bytes {
                    return Some(self.too_large(buffer));
                }
                let (len, whole) = (record.len(), end + 1);
                let told = told.unwrap_or_else(|| self.tell(self.window(buffer), fields).1);
                if told.fault == Some(Fault::BehindQuote) && told.breaks > 1 {
                    // Its quote opened by mistake and closed in another record: that record's lines are their own.
                    // No later line can be open for so long again: until there, quotes stand in pairs.
                    return self.first_line(buffer, Fault::BehindQuote);
                }
                Some(Framed { len, whole, told, goes_on: false })
            }
            Found::More(mode) => {
                let scanned = self.window(buffer).len();
                let is_over_limit = scanned >= self.max_record_bytes.saturating_add(2);
                if is_over_limit || self.finished {
                    return Some(self.unended(buffer, mode, scanned));
                }
                self.state = State::Record(scanned, mode);
                None
            }
        }
    }

    /// The end of a record of which some bytes are scanned, or which may be known to be within quotes for long.
    fn scan_on(&self, buffer: &[u8], mut seen: usize, mut mode: Mode) -> Found {
        let window = self.window(buffer);
        let known = usize::try_from(self.unclosed_until.saturating_sub(self.position())).unwrap_or(0);
        if seen < known
            && let Some(line) = memchr(b'\n', window)
            && line < known
        {
            let first = window.get(..=line).unwrap_or_default();
            match scan(first, self.dialect, &mut Nowhere) {
                Found::End(end) => return Found::End(end),
                Found::More(_) => (seen, mode) = (known, self.unclosed_mode),
            }
        }
        go_on(window, seen, mode, self.dialect, &mut Nowhere)
    }

    /// A record without an end up to the limit, or up to the end of the stream: if it has lines, only its first one
    /// is told.
    fn unended(&mut self, buffer: &[u8], mode: Mode, scanned: usize) -> Framed {
        if let Some(framed) = self.first_line(buffer, Fault::Unclosed) {
            // What its quotes should have held is read line by line.
            self.unclosed_until = self.position() + scanned as u64;
            self.unclosed_mode = mode;
            return framed;
        }
        let whole = self.rest(buffer).len();
        if self.broke_off && whole <= self.max_record_bytes {
            let told = Told { fault: Some(Fault::CutOff), count: 0, breaks: 0 };
            return Framed { len: whole, whole, told, goes_on: false };
        }
        self.too_large(buffer)
    }

    /// The first line of a record that has more.
    fn first_line(&self, buffer: &[u8], fault: Fault) -> Option<Framed> {
        let window = self.window(buffer);
        let line = memchr(b'\n', window).filter(|line| *line <= self.max_record_bytes)?;
        let first = window.get(..line).unwrap_or_default();
        let len = first.strip_suffix(b"\r").unwrap_or(first).len();
        let told = Told { fault: Some(fault), count: 0, breaks: 1 };
        Some(Framed { len, whole: line + 1, told, goes_on: false })
    }

    fn too_large(&self, buffer: &[u8]) -> Framed {
        let rest = self.rest(buffer);
        let record = rest.get(..self.max_record_bytes).unwrap_or(rest);
        let breaks = memchr::memchr_iter(b'\n', record).count() as u64;
        let told = Told { fault: Some(Fault::TooLarge), count: 0, breaks };
        Framed { len: record.len(), whole: record.len(), told, goes_on: true }
    }

    /// Scans from the record's first byte and sets its fields; a header has none yet.
    #[inline]
    fn tell(&self, bytes: &[u8], fields: &mut Fields) -> (Found, Told) {
        // A record with another number of fields is none: the others set the same slots.
        fields.clear_but_values(self.columns.slot_count);
        let targets = self.targets.as_ref().map_or(&[][..], Targets::as_slice);
        let mut teller = Teller::new(bytes, fields, targets, &self.null_texts);
        let found = scan(bytes, self.dialect, &mut teller);
        let (mut fault, count, breaks) = (teller.fault, teller.count, teller.breaks + 1);
        if fault.is_none() && count != targets.len() && self.targets.is_some() {
            fault = Some(Fault::FieldCount);
        }
        (found, Told { fault, count, breaks })
    }
}

/// What a scan told beside the fields.
#[derive(Debug, Clone, Copy)]
struct Told {
    fault: Option<Fault>,
    /// Fields.
    count: usize,
    /// Line breaks, with the record's own.
    breaks: u64,
}
