//! Where a JSON value ends, told by its brackets and quotes, and where a new record may begin after a malformed one.
//! Both remember how far they looked, so that no byte is looked at twice however the bytes arrive.

use memchr::{memchr, memchr3};

use crate::reject::Rule;

/// Nesting over which a record is malformed; brackets are kept in 128 bits.
const MAX_DEPTH: u32 = 127;

/// A broken rule and what was seen.
pub(super) type Fault = (Rule, &'static str);

/// What a search found: an end (exclusive, from the value's start), a fault, or the wish for more bytes.
pub(super) enum Found {
    End(usize),
    Fault(Fault),
    More,
}

/// The search for the end of an object, an array or a text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scan {
    /// Bytes looked at, from the value's start.
    pub seen: usize,
    depth: u32,
    /// One bit a level: 1 for an object.
    kinds: u128,
    in_text: bool,
    escaped: bool,
    /// Last byte that was not white space, outside of texts (`"` after one).
    last: u8,
    line: Line,
}

/// What came of the line so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Line {
    Nothing,
    Blanks,
    #[default]
    More,
}

impl Scan {
    /// Looks on from where it stood for the end of the value that begins `bytes`. A fault's byte counts as not seen.
    pub fn run(&mut self, bytes: &[u8]) -> Found {
        while let Some(byte) = bytes.get(self.seen).copied() {
            if self.in_text {
                match self.text(bytes) {
                    Found::More => continue,
                    found => return found,
                }
            }
            match byte {
                byte if byte.is_ascii_whitespace() => {
                    self.blank(byte);
                    continue;
                }
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    if let Some(fault) = self.open(byte) {
                        return Found::Fault(fault);
                    }
                }
                b'}' | b']' => {
                    if self.depth == 0 || self.in_object() != (byte == b'}') {
                        return Found::Fault((Rule::InvalidJson, "a bracket closes that was not opened"));
                    }
                    self.kinds >>= 1;
                    self.depth -= 1;
                }
                _ => {}
            }
            self.seen += 1;
            self.last = byte;
            self.line = Line::More;
            if self.depth == 0 && !self.in_text {
                return Found::End(self.seen);
            }
        }
        Found::More
    }

    /// The same search over the bytes behind those that were looked at.
    pub fn moved_on(self) -> Self {
        Self { seen: 0, ..self }
    }

    fn blank(&mut self, byte: u8) {
        self.seen += 1;
        self.line = match (byte, self.line) {
            (b'\n', _) => Line::Nothing,
            (_, Line::Nothing | Line::Blanks) => Line::Blanks,
            (_, Line::More) => Line::More,
        };
    }

    fn open(&mut self, byte: u8) -> Option<Fault> {
        if !self.may_open() {
            return Some((Rule::InvalidJson, "a bracket opens where none may"));
        }
        if self.depth == MAX_DEPTH {
            return Some((Rule::InvalidJson, "is nested deeper than 127 levels"));
        }
        self.kinds = self.kinds << 1 | u128::from(byte == b'{');
        self.depth += 1;
        None
    }

    /// Steps through a text; `More` also when it goes on behind the text.
    fn text(&mut self, bytes: &[u8]) -> Found {
        if self.escaped {
            self.escaped = false;
            self.seen += 1;
            return Found::More;
        }
        let Some(step) = memchr3(b'"', b'\\', b'\n', &bytes[self.seen..]) else {
            self.seen = bytes.len();
            return Found::More;
        };
        self.seen += step + 1;
        match bytes[self.seen - 1] {
            b'"' => {
                self.in_text = false;
                if self.depth == 0 { Found::End(self.seen) } else { Found::More }
            }
            b'\\' => {
                self.escaped = true;
                Found::More
            }
            _ => {
                self.seen -= 1;
                Found::Fault((Rule::InvalidJson, "a text is not closed on its line"))
            }
        }
    }

    fn in_object(&self) -> bool {
        self.kinds & 1 == 1
    }

    /// A value may stand at the very start, after a colon, or in an array after `[` or a comma.
    fn may_open(&self) -> bool {
        match self.last {
            0 | b':' => true,
            b'[' | b',' => !self.in_object(),
            _ => false,
        }
    }
}

/// How far the lines of a record may be indented: members of an array usually are, records in a file are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Indent {
    Blanks,
    None,
}

/// The search for the next line that begins a record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resync {
    /// Bytes looked at.
    pub seen: usize,
    /// Nothing but allowed blanks since the last line break.
    line_is_blank: bool,
    /// A `]` stands alone on its line and only blanks have come since: the end of the array, if nothing follows.
    pub closed: bool,
    indent: Indent,
}

impl Resync {
    /// A search in the middle of a line.
    pub fn new(indent: Indent) -> Self {
        Self { seen: 0, line_is_blank: false, closed: false, indent }
    }

    /// A search from the byte that a scan found fault with.
    pub fn after(scan: &Scan, indent: Indent) -> Self {
        let line_is_blank = match scan.line {
            Line::Nothing => true,
            Line::Blanks => indent == Indent::Blanks,
            Line::More => false,
        };
        Self { line_is_blank, ..Self::new(indent) }
    }

    /// Looks on from where it stood; gives the index of a `{` that begins a line.
    pub fn run(&mut self, bytes: &[u8]) -> Option<usize> {
        while let Some(byte) = bytes.get(self.seen).copied() {
            if !self.line_is_blank {
                self.skip_line(bytes);
                continue;
            }
            if byte == b'{' {
                return Some(self.seen);
            }
            self.seen += 1;
            let blank = byte.is_ascii_whitespace();
            if !blank {
                self.closed = byte == b']' && self.indent == Indent::Blanks;
            }
            self.line_is_blank = byte == b'\n' || (blank && self.indent == Indent::Blanks);
        }
        None
    }

    /// The same search over the bytes behind those that were looked at.
    pub fn moved_on(self) -> Self {
        Self { seen: 0, ..self }
    }

    fn skip_line(&mut self, bytes: &[u8]) {
        let tail = &bytes[self.seen..];
        let line = memchr(b'\n', tail);
        let passed = &tail[..line.unwrap_or(tail.len())];
        self.closed &= passed.trim_ascii().is_empty();
        self.line_is_blank = line.is_some();
        self.seen += line.map_or(tail.len(), |at| at + 1);
    }
}
