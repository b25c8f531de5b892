//! One pass over a JSON record that is as it should be: its fields become spans, nothing is built. Whatever is not
//! plainly right is left to `strict`, which is slower and says what is wrong; a property holds the two together.
//! Knows field names and their slots, no types.

use std::collections::HashMap;

use super::fields::{Fields, Value};

/// Nesting over which a value is left to `strict`.
pub(super) const MAX_DEPTH: u32 = 100;
/// Fields without a slot that are compared with each other for keys that stand twice.
const MAX_EXTRA: usize = 16;

/// The fields that a record may have, by name.
#[derive(Debug, Default)]
pub(crate) struct Names {
    slots: HashMap<String, usize>,
    /// By slot, as a record spells them.
    quoted: Vec<Quoted>,
    /// Slots whose value is kept as JSON, whatever it is.
    keeps_json: Vec<bool>,
}

/// A name with its quotes; empty where there is none, or where JSON has to escape it.
#[derive(Debug, Clone, Default)]
struct Quoted {
    bytes: Vec<u8>,
    /// Its first and its last eight bytes, which are all of it where it has eight to sixteen.
    ends: Option<(u64, u64)>,
}

impl Quoted {
    fn of(name: &str) -> Self {
        if plain_len(name.as_bytes()).is_some() {
            return Self::default();
        }
        let bytes = format!("\"{name}\"").into_bytes();
        let ends = bytes.first_chunk::<8>().zip(bytes.last_chunk::<8>()).filter(|_| bytes.len() <= 16);
        let ends = ends.map(|(first, last)| (u64::from_le_bytes(*first), u64::from_le_bytes(*last)));
        Self { bytes, ends }
    }

    /// Whether the bytes begin with the name.
    fn is_at(&self, bytes: &[u8]) -> bool {
        let Some((first, last)) = self.ends else {
            return !self.bytes.is_empty() && bytes.starts_with(&self.bytes);
        };
        let eight = |from: usize| bytes.get(from..)?.first_chunk::<8>().map(|own| u64::from_le_bytes(*own));
        eight(0) == Some(first) && eight(self.bytes.len() - 8) == Some(last)
    }
}

/// The order in which fields stood in the records so far: the next record most likely repeats it.
#[derive(Debug, Default)]
pub(crate) struct Hint(Vec<usize>);

impl Names {
    /// Names with their slots; the slots with a gap keep it.
    pub fn new(names: impl IntoIterator<Item = (String, usize, bool)>) -> Self {
        let mut own = Self::default();
        for (name, slot, keeps_json) in names {
            if own.quoted.len() <= slot {
                own.quoted.resize(slot + 1, Quoted::default());
                own.keeps_json.resize(slot + 1, false);
            }
            own.quoted[slot] = Quoted::of(&name);
            own.keeps_json[slot] = keeps_json;
            own.slots.insert(name, slot);
        }
        own
    }

    /// The slot of a name.
    pub fn slot(&self, name: &str) -> Option<usize> {
        self.slots.get(name).copied()
    }

    /// Whether a slot's value is kept as JSON.
    pub fn keeps_json(&self, slot: usize) -> bool {
        self.keeps_json.get(slot).copied().unwrap_or(false)
    }

    /// Number of slots.
    pub fn count(&self) -> usize {
        self.quoted.len()
    }
}

/// An object at the front of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub len: usize,
    /// Whether it stands in one line.
    pub is_one_line: bool,
}

/// Reads the object at the front of `bytes` into `fields`; `None` if it is not plainly right or not all there.
/// Whether the bytes are UTF-8 is not looked at.
pub(crate) fn scan(bytes: &[u8], names: &Names, hint: &mut Hint, fields: &mut Fields) -> Option<Scanned> {
    let mut scan = Scan::new(bytes);
    scan.record(names, hint, fields)?;
    Some(Scanned { len: scan.at, is_one_line: scan.is_one_line })
}

impl Scan<'_> {
    /// A whole record.
    fn record(&mut self, names: &Names, hint: &mut Hint, fields: &mut Fields) -> Option<()> {
        fields.clear(names.count());
        hint.0.resize(names.count() + 1, 0);
        let mut extra = Extra { names: [(0, 0); MAX_EXTRA], count: 0 };
        self.expect(b'{')?;
        self.blanks();
        if self.peek()? == b'}' {
            self.at += 1;
            return Some(());
        }
        // Place in the hint: 0 before the first field, slot + 1 behind a slot.
        let mut behind = 0;
        loop {
            let guess = hint.0.get(behind).copied().unwrap_or(0);
            let slot = match names.quoted.get(guess) {
                Some(name) if name.is_at(self.rest()) => {
                    self.at += name.bytes.len();
                    Some(guess)
                }
                _ => self.other_key(names, hint.0.get_mut(behind)?, fields, &mut extra)?,
            };
            self.blanks();
            self.expect(b':')?;
            self.blanks();
            match slot {
                Some(slot) => {
                    let value = self.value(names.keeps_json(slot), fields)?;
                    if !fields.set(slot, value) {
                        return None;
                    }
                    behind = slot + 1;
                }
                None => self.skip(0)?,
            }
            self.blanks();
            match self.next()? {
                b',' => self.blanks(),
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// A key that is not the one the hint expects; the hint learns it.
    fn other_key(
        &mut self,
        names: &Names,
        hint: &mut usize,
        fields: &mut Fields,
        extra: &mut Extra,
    ) -> Option<Option<usize>> {
        let (start, end) = self.key()?;
        let name = self.bytes.get(start..end)?;
        if let Some(slot) = names.slot(std::str::from_utf8(name).ok()?) {
            *hint = slot;
            return Some(Some(slot));
        }
        let known = extra.names.get(..extra.count)?;
        if known.iter().any(|(a, b)| self.bytes.get(*a..*b) == Some(name)) {
            return None;
        }
        *extra.names.get_mut(extra.count)? = (start, end);
        extra.count += 1;
        fields.add_extra(Fields::of_record(start, end));
        Some(None)
    }
}

/// Keys without a slot so far.
struct Extra {
    names: [(usize, usize); MAX_EXTRA],
    count: usize,
}

/// A place in JSON text. Every method answers `None` where the text is not plainly right.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    pub at: usize,
    is_one_line: bool,
}

impl<'a> Scan<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, is_one_line: true }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub fn expect(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    pub fn blanks(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\n' | b'\r')) = self.peek() {
            self.is_one_line &= byte != b'\n';
            self.at += 1;
        }
    }

    /// A key without escapes: its bytes between the quotes.
    pub fn key(&mut self) -> Option<(usize, usize)> {
        let (start, end, has_escapes) = self.string()?;
        (!has_escapes).then_some((start, end))
    }

    /// A string: where its text begins and ends, and whether it has escapes.
    pub fn string(&mut self) -> Option<(usize, usize, bool)> {
        self.expect(b'"')?;
        let start = self.at;
        let mut has_escapes = false;
        loop {
            self.at += plain_len(self.rest())?;
            match self.next()? {
                b'"' => return Some((start, self.at - 1, has_escapes)),
                b'\\' => {
                    has_escapes = true;
                    self.escape()?;
                }
                // A control character.
                _ => return None,
            }
        }
    }

    /// What follows a backslash; whether surrogates are paired is not looked at.
    fn escape(&mut self) -> Option<()> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(())
            }
            _ => None,
        }
    }

    pub fn literal(&mut self, word: &[u8]) -> Option<()> {
        self.rest().starts_with(word).then(|| self.at += word.len())
    }

    /// JSON's own grammar of numbers.
    pub fn number(&mut self) -> Option<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.next()? {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return None,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.next().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.next().filter(u8::is_ascii_digit)?;
            self.digits();
        }
        // At the end of the bytes there may be more digits to come.
        self.peek().map(|_| ())
    }

    fn digits(&mut self) {
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
    }

    fn value(&mut self, keeps_json: bool, fields: &mut Fields) -> Option<Value> {
        let start = self.at;
        match self.peek()? {
            b'n' => self.literal(b"null").map(|()| Value::Null),
            _ if keeps_json => {
                self.skip(0)?;
                Some(Value::Nested(Fields::of_record(start, self.at)))
            }
            b'"' => self.text(fields),
            b't' => self.literal(b"true").map(|()| Value::Bool(true)),
            b'f' => self.literal(b"false").map(|()| Value::Bool(false)),
            b'{' | b'[' => {
                self.skip(0)?;
                Some(Value::Nested(Fields::of_record(start, self.at)))
            }
            _ => {
                self.number()?;
                Some(Value::Number(Fields::of_record(start, self.at)))
            }
        }
    }

    fn text(&mut self, fields: &mut Fields) -> Option<Value> {
        let (start, end, has_escapes) = self.string()?;
        if !has_escapes {
            return Some(Value::Text(Fields::of_record(start, end)));
        }
        // With its quotes; lone surrogates are an error.
        let text: String = serde_json::from_slice(self.bytes.get(start - 1..end + 1)?).ok()?;
        Some(Value::Text(fields.of_scratch(|scratch| scratch.push_str(&text))))
    }

    /// Steps over a value of any kind.
    fn skip(&mut self, depth: u32) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            b'{' if depth < MAX_DEPTH => self.members(b'}', depth),
            b'[' if depth < MAX_DEPTH => self.members(b']', depth),
            b'{' | b'[' => None,
            _ => self.number(),
        }
    }

    fn members(&mut self, close: u8, depth: u32) -> Option<()> {
        self.at += 1;
        self.blanks();
        if self.peek()? == close {
            self.at += 1;
            return Some(());
        }
        loop {
            if close == b'}' {
                self.string()?;
                self.blanks();
                self.expect(b':')?;
                self.blanks();
            }
            self.skip(depth + 1)?;
            self.blanks();
            match self.next()? {
                b',' => self.blanks(),
                byte if byte == close => return Some(()),
                _ => return None,
            }
        }
    }
}

/// Bytes before the first quote, backslash or control character, eight at a time; `None` if there is none.
pub(super) fn plain_len(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let mut at = 0;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = zero(word ^ (ONES * 0x22)) | zero(word ^ (ONES * 0x5c)) | control;
        if found != 0 {
            // The lowest bit set is exact: a borrow only comes from a byte that was found.
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    rest.iter().position(|byte| matches!(byte, b'"' | b'\\') || *byte < 0x20).map(|step| at + step)
}

#[cfg(test)]
#[path = "scan_tests.rs"]
mod tests;
