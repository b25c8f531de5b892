//! Nested JSON without its insignificant white space, in one pass over what is plainly right. Duplicate keys, numbers
//! that may be out of range and escapes by number are left to `strict`. Knows no columns.

use super::scan::{MAX_DEPTH, Scan};

/// Appends nested JSON without insignificant white space and with everything else untouched; `None`, with `out` as
/// it was, where it is not plainly what Redshift takes: then `strict` decides.
pub(crate) fn compact(nested: &str, out: &mut String) -> Option<()> {
    let start = out.len();
    let mut compact = Compact { scan: Scan::new(nested.as_bytes()), nested, kept: 0, out };
    let done = compact.value(0).filter(|()| compact.scan.at == nested.len());
    match done {
        Some(()) => {
            compact.keep();
            Some(())
        }
        None => {
            out.truncate(start);
            None
        }
    }
}

struct Compact<'a, 'o> {
    scan: Scan<'a>,
    nested: &'a str,
    /// Up to where the text was appended already.
    kept: usize,
    out: &'o mut String,
}

/// Members of one object whose keys are compared with each other.
const MAX_MEMBERS: usize = 24;

impl Compact<'_, '_> {
    /// Appends what was stepped over since the last blank.
    fn keep(&mut self) {
        self.out.push_str(self.nested.get(self.kept..self.scan.at).unwrap_or_default());
        self.kept = self.scan.at;
    }

    fn blanks(&mut self) {
        if let Some(b' ' | b'\t' | b'\n' | b'\r') = self.scan.peek() {
            self.keep();
            self.scan.blanks();
            self.kept = self.scan.at;
        }
    }

    fn value(&mut self, depth: u32) -> Option<()> {
        match self.scan.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' if depth < MAX_DEPTH => self.object(depth),
            b'[' if depth < MAX_DEPTH => self.array(depth),
            b't' => self.scan.literal(b"true"),
            b'f' => self.scan.literal(b"false"),
            b'n' => self.scan.literal(b"null"),
            b'{' | b'[' => None,
            _ => self.number(),
        }
    }

    /// Without an exponent and not long, so that no float is out of range.
    fn number(&mut self) -> Option<()> {
        let start = self.scan.at;
        // A number that is the whole text ends with it.
        let ended = self.scan.number().is_some() || self.scan.at == self.nested.len();
        let digits = self.nested.get(start..self.scan.at)?;
        let plain = digits.len() < 300 && digits.bytes().all(|byte| !matches!(byte, b'e' | b'E'));
        (ended && plain && digits.ends_with(|c: char| c.is_ascii_digit())).then_some(())
    }

    /// Escapes by number may be NUL or half a character.
    fn string(&mut self) -> Option<&str> {
        let (start, end, has_escapes) = self.scan.string()?;
        let text = self.nested.get(start..end)?;
        (!has_escapes || !text.contains("\\u")).then_some(text)
    }

    fn array(&mut self, depth: u32) -> Option<()> {
        self.scan.at += 1;
        self.blanks();
        if self.scan.peek()? == b']' {
            self.scan.at += 1;
            return Some(());
        }
        loop {
            self.value(depth + 1)?;
            self.blanks();
            match self.scan.next()? {
                b',' => self.blanks(),
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    fn object(&mut self, depth: u32) -> Option<()> {
        self.scan.at += 1;
        self.blanks();
        if self.scan.peek()? == b'}' {
            self.scan.at += 1;
            return Some(());
        }
        let mut keys: [(usize, usize); MAX_MEMBERS] = [(0, 0); MAX_MEMBERS];
        for count in 0..MAX_MEMBERS {
            let (start, end) = self.scan.key()?;
            let key = self.nested.get(start..end)?;
            if keys.get(..count)?.iter().any(|(a, b)| self.nested.get(*a..*b) == Some(key)) {
                return None;
            }
            *keys.get_mut(count)? = (start, end);
            self.blanks();
            self.scan.expect(b':')?;
            self.blanks();
            self.value(depth + 1)?;
            self.blanks();
            match self.scan.next()? {
                b',' => self.blanks(),
                b'}' => return Some(()),
                _ => return None,
            }
        }
        None
    }
}
