//! The grammar of CSV: one pass over a record's bytes that finds its fields and its end, and can go on where the
//! bytes broke off. Knows no columns and no limits: a sink is told where the fields lie.

use wide::u8x16;

/// The bytes that mean something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub delimiter: u8,
    pub quote: Option<u8>,
    /// Whether a quoted field may hold line breaks.
    pub multiline: bool,
}

/// Where a scan stands between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    FieldStart,
    Unquoted,
    Quoted,
    /// Right behind a quote in a quoted field: the field's end, or the first of two quotes.
    QuoteSeen,
}

/// How a scan ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// At the line break that ends the record: its index.
    End(usize),
    /// At the end of the bytes.
    More(Mode),
}

/// Is told the fields in their order, as ranges of the scanned bytes.
pub(super) trait Sink {
    fn unquoted(&mut self, start: usize, end: usize);
    /// Without its quotes.
    fn quoted(&mut self, start: usize, end: usize);
    /// The second of two quotes in a quoted field that stand for one.
    fn doubled(&mut self, at: usize);
    /// A line break in a quoted field.
    fn line_break(&mut self);
    /// A NUL, wherever it stands.
    fn nul(&mut self);
    /// The field told last has text behind its closing quote.
    fn behind_quote(&mut self);
    /// A quoted field ends with its line.
    fn unclosed(&mut self);
}

/// Only the record's end is looked for.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn unquoted(&mut self, _: usize, _: usize) {}
    fn quoted(&mut self, _: usize, _: usize) {}
    fn doubled(&mut self, _: usize) {}
    fn line_break(&mut self) {}
    fn nul(&mut self) {}
    fn behind_quote(&mut self) {}
    fn unclosed(&mut self) {}
}

/// Bytes that are looked at together: a bit each.
const BLOCK: usize = 64;
const LANES: usize = 16;

/// Scans from the record's first byte, telling its fields.
pub(super) fn scan<S: Sink>(bytes: &[u8], dialect: Dialect, sink: &mut S) -> Found {
    go_on(bytes, 0, Mode::FieldStart, dialect, sink)
}

/// Scans on from `at`. Only a scan from the record's first byte tells its fields right.
#[inline]
pub(super) fn go_on<S: Sink>(bytes: &[u8], at: usize, mode: Mode, dialect: Dialect, sink: &mut S) -> Found {
    let marks = Marks::of(dialect);
    let mut scan = Scan { bytes, dialect, sink, mode, field: at, quote: at.wrapping_sub(1) };
    let mut blocks = bytes.get(at..).unwrap_or_default().chunks_exact(BLOCK);
    let mut begin = at;
    for block in blocks.by_ref() {
        let hits = block.first_chunk().map_or(0, |block| marks.hits(block));
        if let Some(end) = scan.block(begin, hits) {
            return Found::End(end);
        }
        begin += BLOCK;
    }
    let rest = blocks.remainder();
    let mut last = [0; BLOCK];
    if let Some(last) = last.get_mut(..rest.len()) {
        last.copy_from_slice(rest);
    }
    let hits = marks.hits(&last) & ((1 << rest.len()) - 1);
    match scan.block(begin, hits) {
        Some(end) => Found::End(end),
        None => Found::More(scan.at_end()),
    }
}

struct Scan<'b, 's, S> {
    bytes: &'b [u8],
    dialect: Dialect,
    sink: &'s mut S,
    mode: Mode,
    /// Where the field's text begins.
    field: usize,
    /// The last quote of a quoted field so far.
    quote: usize,
}

impl<S: Sink> Scan<'_, '_, S> {
    /// Takes the marks of a block, the first one lowest; the index of the line break that ends the record.
    #[inline(always)]
    fn block(&mut self, begin: usize, mut hits: u64) -> Option<usize> {
        while hits != 0 {
            let at = begin + hits.trailing_zeros() as usize;
            hits &= hits - 1;
            let byte = *self.bytes.get(at)?;
            let ends = match self.mode {
                Mode::FieldStart | Mode::Unquoted => self.unquoted(at, byte),
                Mode::Quoted => self.quoted(at, byte),
                Mode::QuoteSeen => self.behind_quote(at, byte),
            };
            if ends {
                return Some(at);
            }
        }
        None
    }

    /// A mark in an unquoted field, or the quote that opens a quoted one; whether the record ends.
    #[inline(always)]
    fn unquoted(&mut self, at: usize, byte: u8) -> bool {
        if byte == b'\n' {
            self.sink.unquoted(self.field, without_cr(self.bytes, self.field, at));
            return true;
        }
        if byte == self.dialect.delimiter {
            self.sink.unquoted(self.field, at);
            self.begin_field(at + 1);
        } else if Some(byte) == self.dialect.quote {
            if at == self.field && self.mode == Mode::FieldStart {
                (self.mode, self.field) = (Mode::Quoted, at + 1);
            }
        } else {
            self.control(byte);
        }
        false
    }

    #[cold]
    fn control(&mut self, byte: u8) {
        if byte == 0 {
            self.sink.nul();
        }
    }

    fn quoted(&mut self, at: usize, byte: u8) -> bool {
        if Some(byte) == self.dialect.quote {
            (self.mode, self.quote) = (Mode::QuoteSeen, at);
        } else if byte == b'\n' {
            if !self.dialect.multiline {
                self.sink.quoted(self.field, without_cr(self.bytes, self.field, at));
                self.sink.unclosed();
                return true;
            }
            self.sink.line_break();
        } else {
            self.control(byte);
        }
        false
    }

    /// A mark behind a quote in a quoted field.
    fn behind_quote(&mut self, at: usize, byte: u8) -> bool {
        let behind = self.quote.wrapping_add(1);
        if at == behind && Some(byte) == self.dialect.quote {
            self.mode = Mode::Quoted;
            self.sink.doubled(at);
            return false;
        }
        if byte != b'\n' && byte != self.dialect.delimiter {
            // A quote in text that should not be there.
            self.control(byte);
            return false;
        }
        self.sink.quoted(self.field, self.quote);
        let text_end = if byte == b'\n' { without_cr(self.bytes, behind, at) } else { at };
        if text_end > behind {
            self.sink.behind_quote();
        }
        self.begin_field(at + 1);
        byte == b'\n'
    }

    #[inline(always)]
    fn begin_field(&mut self, at: usize) {
        (self.mode, self.field) = (Mode::FieldStart, at);
    }

    /// How a scan of more bytes goes on.
    fn at_end(&self) -> Mode {
        match self.mode {
            Mode::FieldStart if self.field < self.bytes.len() => Mode::Unquoted,
            // Text behind the quote ends as an unquoted field does.
            Mode::QuoteSeen if self.quote.wrapping_add(1) < self.bytes.len() => Mode::Unquoted,
            mode => mode,
        }
    }
}

/// The end without the CR of a CRLF: `end` is the index of the LF.
fn without_cr(bytes: &[u8], start: usize, end: usize) -> usize {
    match end.checked_sub(1) {
        Some(before) if before >= start && bytes.get(before) == Some(&b'\r') => before,
        _ => end,
    }
}

/// The bytes that are looked for, sixteen times each: the line break with all controls before it, for the sake of NUL,
/// the delimiter and the quote.
#[derive(Clone, Copy)]
struct Marks([u8x16; 3]);

impl Marks {
    fn of(dialect: Dialect) -> Self {
        let quote = dialect.quote.unwrap_or(b'\n');
        Self([b'\n', dialect.delimiter, quote].map(u8x16::splat))
    }

    /// A bit for every byte of the block that is one of them; the first byte lowest.
    #[inline(always)]
    fn hits(self, block: &[u8; BLOCK]) -> u64 {
        let [controls, delimiters, quotes] = self.0;
        let (lanes, _) = block.as_chunks::<LANES>();
        lanes.iter().rev().fold(0, |hits, lanes| {
            let own = u8x16::new(*lanes);
            let found = own.min(controls).simd_eq(own) | own.simd_eq(delimiters) | own.simd_eq(quotes);
            hits << LANES | u64::from(found.to_bitmask())
        })
    }
}
