//! The words of a model's text, with their lines: enough to cut it into statements and to see which tables they name.
//! Knows no statement.

use super::ModelError;

/// A piece of SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'t> {
    pub kind: Kind,
    /// As it is written, quotes included.
    pub text: &'t str,
    /// Byte at which it begins.
    pub start: usize,
    /// From 1.
    pub line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a bare name.
    Word,
    /// A name in double quotes.
    Quoted,
    Text,
    Number,
    Symbol,
}

impl<'t> Token<'t> {
    pub fn is(&self, word: &str) -> bool {
        match self.kind {
            Kind::Word => self.text.eq_ignore_ascii_case(word),
            Kind::Symbol => self.text == word,
            Kind::Quoted | Kind::Text | Kind::Number => false,
        }
    }

    /// The name that it is, as Redshift folds it.
    pub fn name(&self) -> Option<String> {
        match self.kind {
            Kind::Word => Some(self.text.to_ascii_lowercase()),
            Kind::Quoted => Some(self.text.trim_matches('"').to_ascii_lowercase()),
            Kind::Text | Kind::Number | Kind::Symbol => None,
        }
    }

    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

/// The tokens of a text, comments left out.
pub(super) fn tokens(text: &str) -> Result<Vec<Token<'_>>, ModelError> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, len) = next(rest).map_err(|reason| ModelError { line, reason: reason.to_owned() })?;
        let own = rest.get(..len).unwrap_or_default();
        if let Some(kind) = kind {
            found.push(Token { kind, text: own, start: at, line });
        }
        line += own.bytes().filter(|b| *b == b'\n').count();
        at += len;
    }
    Ok(found)
}

/// Kind and length of what stands in front; none for blanks and comments.
fn next(rest: &str) -> Result<(Option<Kind>, usize), &'static str> {
    let first = rest.chars().next().unwrap_or_default();
    let run = |of: fn(char) -> bool| rest.find(|c| !of(c)).unwrap_or(rest.len());
    Ok(match first {
        c if c.is_whitespace() => (None, run(char::is_whitespace)),
        '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => {
            let end = rest.find("*/").ok_or("a comment is not closed")?;
            (None, end + 2)
        }
        '\'' => (Some(Kind::Text), quoted(rest, '\'').ok_or("a text is not closed")?),
        '"' => (Some(Kind::Quoted), quoted(rest, '"').ok_or("a name in quotes is not closed")?),
        '$' => return Err("$ begins no text that is taken here: write '...'"),
        ':' => {
            return Err("a colon begins a parameter of the Data API: write CAST(... AS ...) instead of ::");
        }
        c if c.is_alphabetic() || c == '_' => (Some(Kind::Word), run(|c| c.is_alphanumeric() || c == '_')),
        c if c.is_ascii_digit() => (Some(Kind::Number), run(|c| c.is_ascii_alphanumeric() || c == '.')),
        c => (Some(Kind::Symbol), c.len_utf8()),
    })
}

/// Length of a text or name in quotes: a doubled quote is one of its own, and in texts so is one after a backslash.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote == '\'' {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}
