//! The grammar of CSV: one pass over a record's bytes that finds its fields and its end, and can go on where the
//! bytes broke off. Knows no columns and no limits: a sink is told where the fields lie.

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
    /// Behind a quote in a quoted field: the field's end, or the first of two quotes.
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
    /// Without its quotes; `doubled` if quotes in it are written twice.
    fn quoted(&mut self, start: usize, end: usize, doubled: bool);
    /// The field told last has text behind its closing quote.
    fn behind_quote(&mut self);
    /// A quoted field ends with its line.
    fn unclosed(&mut self);
}

/// Only the record's end is looked for.
pub(super) struct Nowhere;

impl Sink for Nowhere {
    fn unquoted(&mut self, _: usize, _: usize) {}
    fn quoted(&mut self, _: usize, _: usize, _: bool) {}
    fn behind_quote(&mut self) {}
    fn unclosed(&mut self) {}
}

const WORD: usize = size_of::<u64>();
/// Bytes that are looked at together: a bit each.
const BLOCK: usize = 4 * WORD;
const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;

/// Scans from the record's first byte, telling its fields.
pub(super) fn scan<S: Sink>(bytes: &[u8], dialect: Dialect, sink: &mut S) -> Found {
    go_on(bytes, 0, Mode::FieldStart, dialect, sink)
}

/// Scans on from `at`. Only a scan from the record's first byte tells its fields right.
pub(super) fn go_on<S: Sink>(
    bytes: &[u8],
    mut at: usize,
    mut mode: Mode,
    dialect: Dialect,
    sink: &mut S,
) -> Found {
    let mut field = at;
    loop {
        let step = match mode {
            Mode::FieldStart => match bytes.get(at) {
                None => return Found::More(mode),
                Some(first) if Some(*first) == dialect.quote => {
                    at += 1;
                    field = at;
                    Step::To(at, Mode::Quoted)
                }
                Some(_) => Step::To(at, Mode::Unquoted),
            },
            Mode::Unquoted => unquoted(bytes, at, &mut field, dialect, sink),
            Mode::Quoted | Mode::QuoteSeen => quoted(bytes, at, mode, &mut field, dialect, sink),
        };
        match step {
            Step::To(next, then) => (at, mode) = (next, then),
            Step::End(found) => return found,
        }
        if mode == Mode::FieldStart {
            field = at;
        }
    }
}

enum Step {
    /// Goes on at the index in the mode.
    To(usize, Mode),
    End(Found),
}

/// Unquoted fields up to the record's end or the next quoted one: the way of nearly every byte.
fn unquoted<S: Sink>(bytes: &[u8], mut at: usize, field: &mut usize, dialect: Dialect, sink: &mut S) -> Step {
    let (delimiters, breaks) = (repeat(dialect.delimiter), repeat(b'\n'));
    let mut start = *field;
    let mut blocks = bytes.get(at..).unwrap_or_default().chunks_exact(BLOCK);
    for block in blocks.by_ref() {
        let mut hits = hits(block, delimiters, breaks);
        while hits != 0 {
            let hit = at + hits.trailing_zeros() as usize;
            hits &= hits - 1;
            if let Some(step) = unquoted_end(bytes, start, hit, dialect, sink) {
                return step;
            }
            start = hit + 1;
        }
        at += BLOCK;
    }
    for (i, byte) in blocks.remainder().iter().enumerate() {
        if *byte == dialect.delimiter || *byte == b'\n' {
            if let Some(step) = unquoted_end(bytes, start, at + i, dialect, sink) {
                return step;
            }
            start = at + i + 1;
        }
    }
    *field = start;
    Step::End(Found::More(Mode::Unquoted))
}

/// The field that ends at a delimiter or line break; `None` if another unquoted one begins behind it.
#[inline(always)]
fn unquoted_end<S: Sink>(
    bytes: &[u8],
    start: usize,
    end: usize,
    dialect: Dialect,
    sink: &mut S,
) -> Option<Step> {
    if bytes.get(end) == Some(&b'\n') {
        sink.unquoted(start, without_cr(bytes, start, end));
        return Some(Step::End(Found::End(end)));
    }
    sink.unquoted(start, end);
    match bytes.get(end + 1) {
        None => Some(Step::End(Found::More(Mode::FieldStart))),
        Some(next) if Some(*next) == dialect.quote => Some(Step::To(end + 1, Mode::FieldStart)),
        Some(_) => None,
    }
}

/// The rest of a quoted field and what stands behind it.
fn quoted<S: Sink>(
    bytes: &[u8],
    mut at: usize,
    mut mode: Mode,
    field: &mut usize,
    dialect: Dialect,
    sink: &mut S,
) -> Step {
    let quote = dialect.quote.unwrap_or(b'"');
    let start = *field;
    let mut doubled = false;
    loop {
        if mode == Mode::Quoted {
            let rest = bytes.get(at..).unwrap_or_default();
            let next = match dialect.multiline {
                true => memchr::memchr(quote, rest),
                false => memchr::memchr2(quote, b'\n', rest),
            };
            let Some(next) = next.map(|next| at + next) else { return Step::End(Found::More(mode)) };
            if bytes.get(next) == Some(&b'\n') {
                sink.quoted(start, without_cr(bytes, start, next), doubled);
                sink.unclosed();
                return Step::End(Found::End(next));
            }
            at = next + 1;
        }
        let Some(byte) = bytes.get(at) else { return Step::End(Found::More(Mode::QuoteSeen)) };
        if *byte == quote {
            doubled = true;
            at += 1;
            mode = Mode::Quoted;
            continue;
        }
        sink.quoted(start, at.saturating_sub(1), doubled);
        return behind(bytes, at, dialect, sink);
    }
}

/// What stands behind a closing quote.
fn behind<S: Sink>(bytes: &[u8], at: usize, dialect: Dialect, sink: &mut S) -> Step {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = memchr::memchr2(dialect.delimiter, b'\n', rest).map_or(bytes.len(), |end| at + end);
    let stop = bytes.get(end);
    let text_end = if stop == Some(&b'\n') { without_cr(bytes, at, end) } else { end };
    if text_end > at {
        sink.behind_quote();
    }
    match stop {
        None => Step::End(Found::More(Mode::Unquoted)),
        Some(b'\n') => Step::End(Found::End(end)),
        Some(_) => Step::To(end + 1, Mode::FieldStart),
    }
}

/// The end without the CR of a CRLF: `end` is the index of the LF.
fn without_cr(bytes: &[u8], start: usize, end: usize) -> usize {
    match end.checked_sub(1) {
        Some(before) if before >= start && bytes.get(before) == Some(&b'\r') => before,
        _ => end,
    }
}

fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; WORD])
}

/// A bit for every byte of the block that is one of two; the first byte lowest.
#[inline(always)]
fn hits(block: &[u8], one: u64, other: u64) -> u32 {
    /// Brings the lowest bits of eight bytes together in the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut all = 0;
    for (i, word) in block.chunks_exact(WORD).enumerate() {
        let word = word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        let (x, y) = (word ^ one, word ^ other);
        // The top bit stays clear for the byte 0 alone; no carry leaves a byte.
        let (x, y) = (((x & LOW_BITS) + LOW_BITS) | x, ((y & LOW_BITS) + LOW_BITS) | y);
        let hits = (!(x & y) & !LOW_BITS) >> 7;
        all |= ((hits.wrapping_mul(GATHER) >> 56) as u32) << (WORD * i);
    }
    all
}
