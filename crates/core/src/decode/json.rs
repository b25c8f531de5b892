//! Frames JSON records in a byte stream: lines, objects one after another (pretty-printed or not), or one array.
//! Finds where a record begins and ends by its brackets; whether it is valid JSON is the row check's business.
//! A record that cannot end is cut at the next line that begins one, so that one bad record costs no other.
//! What is framed depends on the stream alone, never on the pieces it came in: a redelivery tells the same.

mod resume;

use memchr::memchr;

use super::brackets::{Fault, Found, Indent, Resync, Scan};
use super::{Broken, Limits};
use crate::contract::Delimiter;
use crate::reject::Rule;
pub use resume::Mode;

const BOM: &[u8] = &[0xef, 0xbb, 0xbf];
const TOO_LARGE: Fault = (Rule::RecordTooLarge, "the record is longer than the limit");
const NO_OBJECT: Fault = (Rule::NotAnObject, "a record must be a JSON object");

/// One framed record, or the bytes of one that is malformed.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Byte offset of the first byte in the stream.
    pub position: u64,
    /// 1-based line of the first byte.
    pub line: u64,
    /// The record without white space around it; of one over the limit, its first bytes up to that.
    pub bytes: &'a [u8],
    /// Why it cannot be a record, if that shows from its brackets alone.
    pub fault: Option<(Rule, &'static str)>,
    /// Whether the record was accepted as it stands at the front of the bytes.
    pub accepted: bool,
}

/// Push framer: `push` bytes, then take frames until there is none; `finish` says that no more bytes come.
#[derive(Debug)]
pub struct JsonFramer {
    delimiter: Delimiter,
    max_record_bytes: usize,
    buffer: Vec<u8>,
    /// Start of what is not framed yet.
    at: usize,
    /// Stream offset of `buffer[0]`.
    offset: u64,
    /// Line of `buffer[at]`.
    line: u64,
    finished: bool,
    mode: Mode,
    state: State,
    /// Stream offset from which on no record is begun.
    stop: u64,
}

/// What is being looked for.
#[derive(Debug, Clone, Copy)]
enum State {
    /// The next record's first byte.
    Between,
    /// The end of the line, or of the place in the array; bytes looked at already.
    Plain(usize),
    /// The end of an object, or (with the fault that it will be) of another member of an array.
    Bracketed(Scan, Option<Fault>),
    /// The next record's line, to cut a malformed record before it.
    Malformed(Resync, Fault),
    /// The same ends, of a record that was told already because it is over the limit.
    DropPlain,
    DropBracketed(Scan),
    DropMalformed(Resync),
}

/// Where a frame lies in the buffer, and what is looked for behind it.
struct Span {
    len: usize,
    fault: Option<Fault>,
    next: State,
}

impl Span {
    fn whole(len: usize, fault: Option<Fault>) -> Self {
        Self { len, fault, next: State::Between }
    }
}

impl JsonFramer {
    /// A framer at the beginning of a stream.
    pub fn new(delimiter: Delimiter, limits: Limits) -> Self {
        Self {
            delimiter,
            max_record_bytes: limits.max_record_bytes,
            buffer: Vec::new(),
            at: 0,
            offset: 0,
            line: 1,
            finished: false,
            mode: Mode::Start,
            state: State::Between,
            stop: u64::MAX,
        }
    }

    /// Adds bytes. All frames must have been taken before, else the buffer grows.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.at);
        self.offset += self.at as u64;
        self.at = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// No more bytes come: what is left is framed or told.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// Stream offset behind the last frame.
    fn position(&self) -> u64 {
        self.offset + self.at as u64
    }

    /// The next record, `None` when more bytes are needed (or, after `finish`, at the end). An array that is never
    /// closed broke off.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Broken> {
        self.next_accepted(&mut |_| None)
    }

    /// The same, with a reader that may tell the length of the object at the front of the bytes, if that is plainly
    /// a record in one line: then its end need not be searched for, and the frame is `accepted`. (In a record of
    /// several lines the brackets may tell that another one begins.)
    pub fn next_accepted(
        &mut self,
        accept: &mut dyn FnMut(&[u8]) -> Option<usize>,
    ) -> Result<Option<Frame<'_>>, Broken> {
        loop {
            if !self.drop_rest() || !self.find_start()? {
                return self.end().map(|()| None);
            }
            if self.position() >= self.stop {
                return Ok(None);
            }
            if let Some((len, end)) = self.accepted(accept) {
                let (start, line) = (self.at, self.line);
                self.at += end;
                self.state = State::Between;
                let bytes = &self.buffer[start..start + len];
                let position = self.offset + start as u64;
                return Ok(Some(Frame { position, line, bytes, fault: None, accepted: true }));
            }
            let Some(span) = self.span() else { return Ok(None) };
            let (start, line) = (self.at, self.line);
            self.advance(span.len);
            self.state = span.next;
            let bytes = self.buffer[start..start + span.len].trim_ascii();
            if !bytes.is_empty() {
                let bytes = start..start + bytes.len();
                let position = self.offset + start as u64;
                return Ok(Some(Frame {
                    position,
                    line,
                    bytes: &self.buffer[bytes],
                    fault: span.fault,
                    accepted: false,
                }));
            }
        }
    }

    /// Length of an object that the reader takes as it stands here, and of what is done with: in lines, nothing but
    /// blanks may stand behind it. A valid object of one line ends where its brackets do, so the frames are the same.
    fn accepted(&self, accept: &mut dyn FnMut(&[u8]) -> Option<usize>) -> Option<(usize, usize)> {
        let untouched = match self.state {
            State::Plain(seen) => seen == 0 && self.mode == Mode::Lines,
            State::Bracketed(scan, fault) => scan.seen == 0 && fault.is_none(),
            _ => false,
        };
        let bytes = self.window();
        if !untouched || bytes.first() != Some(&b'{') {
            return None;
        }
        let len = accept(bytes)?;
        if self.mode != Mode::Lines {
            return Some((len, len));
        }
        let behind = self.rest().get(len..)?;
        let blanks = behind.iter().take_while(|b| b.is_ascii_whitespace() && **b != b'\n').count();
        let ends = behind.get(blanks).map_or(self.finished, |byte| *byte == b'\n');
        // The blanks count, too.
        (ends && len + blanks <= self.max_record_bytes).then_some((len, len + blanks))
    }

    fn end(&self) -> Result<(), Broken> {
        match self.finished && self.mode == Mode::Array {
            true => Err(Broken::new(Rule::Truncated, "the array is not closed")),
            false => Ok(()),
        }
    }

    fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        let end = (self.at + bytes).min(self.buffer.len());
        self.line += memchr::memchr_iter(b'\n', &self.buffer[self.at..end]).count() as u64;
        self.at = end;
    }

    /// Steps over what stands between records and chooses what to look for; false when more bytes are needed first.
    fn find_start(&mut self) -> Result<bool, Broken> {
        if !matches!(self.state, State::Between) {
            return Ok(true);
        }
        if self.mode == Mode::Start && self.position() == 0 {
            if self.rest().len() < BOM.len() && BOM.starts_with(self.rest()) && !self.finished {
                return Ok(false);
            }
            if self.rest().starts_with(BOM) {
                self.advance(BOM.len());
            }
        }
        loop {
            let between = |b: &u8| b.is_ascii_whitespace() || (self.mode == Mode::Array && *b == b',');
            let blank = self.rest().iter().take_while(|b| between(b)).count();
            self.advance(blank);
            let Some(first) = self.rest().first().copied() else { return Ok(false) };
            match (self.mode, first) {
                (Mode::Start, _) => {
                    self.mode = self.first_mode(first)?;
                    self.advance(usize::from(self.mode == Mode::Array));
                }
                (Mode::Array, b']') => {
                    self.advance(1);
                    self.mode = Mode::AfterArray;
                }
                (mode, first) => {
                    self.state = search_for(mode, first);
                    return Ok(true);
                }
            }
        }
    }

    fn first_mode(&self, first: u8) -> Result<Mode, Broken> {
        match (self.delimiter, first) {
            (Delimiter::NewLine, _) => Ok(Mode::Lines),
            (_, b'[') => Ok(Mode::Array),
            (Delimiter::Auto, _) => Ok(Mode::Objects),
            (Delimiter::Array, _) => {
                Err(Broken::new(Rule::NotAnArray, "the contract says array, the object begins otherwise"))
            }
        }
    }

    fn span(&mut self) -> Option<Span> {
        match self.state {
            State::Plain(seen) => self.plain(seen),
            State::Bracketed(scan, fault) => self.bracketed(scan, fault),
            State::Malformed(resync, fault) => self.malformed(resync, fault),
            // Left already by drop_rest and find_start.
            State::Between | State::DropPlain | State::DropBracketed(_) | State::DropMalformed(_) => None,
        }
    }

    /// Bytes that a record may have and that are there.
    fn window(&self) -> &[u8] {
        let rest = self.rest();
        rest.get(..self.max_record_bytes).unwrap_or(rest)
    }

    fn is_over_limit(&self) -> bool {
        self.rest().len() > self.max_record_bytes
    }

    /// Up to the end of the line; in an array, up to the end of its place.
    fn plain(&mut self, seen: usize) -> Option<Span> {
        let fault = match self.mode {
            Mode::Lines => None,
            Mode::AfterArray => Some((Rule::InvalidJson, "stands after the end of the array")),
            Mode::Start | Mode::Objects | Mode::Array => Some(NO_OBJECT),
        };
        // The byte behind the longest record may be the line break that ends it.
        let rest = self.rest();
        let window = rest.get(..=self.max_record_bytes).unwrap_or(rest);
        match plain_end(self.mode, window.get(seen..).unwrap_or_default()) {
            Some(end) => Some(Span::whole(seen + end, fault)),
            None if self.is_over_limit() => {
                Some(Span { len: self.max_record_bytes, fault: Some(TOO_LARGE), next: State::DropPlain })
            }
            None if self.finished => Some(Span::whole(rest.len(), fault)),
            None => {
                self.state = State::Plain(window.len());
                None
            }
        }
    }

    /// Up to the bracket or quote that closes it.
    fn bracketed(&mut self, mut scan: Scan, fault: Option<Fault>) -> Option<Span> {
        match scan.run(self.window()) {
            Found::End(len) => Some(Span::whole(len, fault)),
            Found::Fault(fault) => self.malformed(Resync::new(self.indent()), fault),
            Found::More if self.is_over_limit() => {
                let next = State::DropBracketed(scan.moved_on());
                Some(Span { len: self.max_record_bytes, fault: Some(TOO_LARGE), next })
            }
            Found::More if self.finished => {
                self.malformed(Resync::new(self.indent()), (Rule::InvalidJson, "the record is not closed"))
            }
            Found::More => {
                self.state = State::Bracketed(scan, fault);
                None
            }
        }
    }

    /// Cuts a malformed record before the next line that begins one.
    fn malformed(&mut self, mut resync: Resync, fault: Fault) -> Option<Span> {
        match resync.run(self.window()) {
            Some(len) => Some(Span::whole(len, Some(fault))),
            None if self.is_over_limit() => {
                let next = State::DropMalformed(resync.moved_on());
                Some(Span { len: self.max_record_bytes, fault: Some(fault), next })
            }
            None if self.finished => {
                self.close(resync);
                Some(Span::whole(self.rest().len(), Some(fault)))
            }
            None => {
                self.state = State::Malformed(resync, fault);
                None
            }
        }
    }

    fn indent(&self) -> Indent {
        if self.mode == Mode::Array { Indent::Blanks } else { Indent::None }
    }

    /// The array's end may stand among the bytes of a malformed last record.
    fn close(&mut self, resync: Resync) {
        if resync.closed {
            self.mode = Mode::AfterArray;
        }
    }

    /// Drops bytes of a record that was told already; false when more bytes are needed for that.
    fn drop_rest(&mut self) -> bool {
        loop {
            let (len, next) = match self.state {
                State::Between | State::Plain(_) | State::Bracketed(..) | State::Malformed(..) => {
                    return true;
                }
                State::DropPlain => match plain_end(self.mode, self.rest()) {
                    Some(end) => (end, State::Between),
                    None => (self.rest().len(), self.state),
                },
                State::DropBracketed(mut scan) => match scan.run(self.rest()) {
                    Found::End(len) => (len, State::Between),
                    Found::Fault(_) => (scan.seen, State::DropMalformed(Resync::after(&scan, self.indent()))),
                    Found::More => (self.rest().len(), State::DropBracketed(scan.moved_on())),
                },
                State::DropMalformed(mut resync) => match resync.run(self.rest()) {
                    Some(len) => (len, State::Between),
                    None => (self.rest().len(), State::DropMalformed(resync.moved_on())),
                },
            };
            self.advance(len);
            self.state = next;
            if self.rest().is_empty() && !matches!(self.state, State::Between) {
                if let (State::DropMalformed(resync), true) = (self.state, self.finished) {
                    self.close(resync);
                }
                return false;
            }
        }
    }
}

fn search_for(mode: Mode, first: u8) -> State {
    match (mode, first) {
        (Mode::Objects | Mode::Array, b'{') => State::Bracketed(Scan::default(), None),
        (Mode::Array, b'[' | b'"') => State::Bracketed(Scan::default(), Some(NO_OBJECT)),
        // Never nothing: the first byte is no blank, and part of the record.
        (Mode::Array, _) => State::Plain(1),
        _ => State::Plain(0),
    }
}

/// Index of the byte that ends a line, or the place of a plain value in an array.
fn plain_end(mode: Mode, bytes: &[u8]) -> Option<usize> {
    match mode {
        Mode::Array => memchr::memchr3(b'\n', b',', b']', bytes),
        _ => memchr(b'\n', bytes),
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
