//! The physical clauses of Redshift's DDL (DISTKEY, SORTKEY, ENCODE, BACKUP, IDENTITY), taken out of the tokens
//! before the parser sees them: they change where rows lie, never what a statement does.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::error::SqlError;

/// A place in a token list.
pub struct Cursor<'a> {
    tokens: &'a [TokenWithSpan],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at the first token.
    pub fn new(tokens: &'a [TokenWithSpan]) -> Self {
        Self { tokens, at: 0 }
    }

    /// The token here, without taking it.
    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|t| &t.token)
    }

    /// Takes one token.
    pub fn next(&mut self) -> Option<&'a TokenWithSpan> {
        let token = self.tokens.get(self.at);
        self.at += 1;
        token
    }

    /// Takes the words if all of them follow.
    pub fn take(&mut self, words: &[&str]) -> bool {
        let follows = words
            .iter()
            .enumerate()
            .all(|(i, word)| self.tokens.get(self.at + i).is_some_and(|t| is_word(&t.token, word)));
        if follows {
            self.at += words.len();
        }
        follows
    }

    /// What has not been taken.
    pub fn rest(&self) -> &'a [TokenWithSpan] {
        self.tokens.get(self.at..).unwrap_or_default()
    }

    /// Takes `( ... )` with everything inside, if it follows, and gives the inside.
    pub fn take_parens(&mut self) -> Option<&'a [TokenWithSpan]> {
        if self.peek() != Some(&Token::LParen) {
            return None;
        }
        let from = self.at + 1;
        let mut depth = 0usize;
        while let Some(token) = self.next() {
            match token.token {
                Token::LParen => depth += 1,
                Token::RParen if depth == 1 => return self.tokens.get(from..self.at - 1),
                Token::RParen => depth -= 1,
                _ => {}
            }
        }
        None
    }
}

/// Whether the token is this word, unquoted.
pub fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(w) if w.quote_style.is_none() && w.value.eq_ignore_ascii_case(word))
}

/// Whether the statement starts with these words.
pub fn starts_with(tokens: &[TokenWithSpan], words: &[&str]) -> bool {
    Cursor::new(tokens).take(words)
}

/// The statement as text for PostgreSQL, token by token.
pub fn print(tokens: &[TokenWithSpan]) -> String {
    let mut text = String::new();
    for (i, TokenWithSpan { token, .. }) in tokens.iter().enumerate() {
        if i > 0 {
            text.push(' ');
        }
        match token {
            Token::SingleQuotedString(value) => {
                let mut value = sqlparser::ast::Value::SingleQuotedString(value.clone());
                super::rewrite::escape(&mut value);
                text.push_str(&value.to_string());
            }
            other => text.push_str(&other.to_string()),
        }
    }
    text
}

/// CREATE TABLE without its physical clauses.
pub fn strip_create_table(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut cursor = Cursor::new(tokens);
    let mut kept = Vec::with_capacity(tokens.len());
    while let Some(token) = cursor.peek() {
        if is_word(token, "as") {
            kept.extend_from_slice(cursor.rest());
            return Ok(kept);
        }
        if *token == Token::LParen && !kept.is_empty() {
            break;
        }
        if !take_table_clause(&mut cursor) {
            kept.extend(cursor.next().cloned());
        }
    }
    if let Some(columns) = cursor.take_parens() {
        kept.push(symbol(Token::LParen));
        kept.extend(strip_columns(columns)?);
        kept.push(symbol(Token::RParen));
    }
    while let Some(token) = cursor.peek() {
        if is_word(token, "as") {
            kept.extend_from_slice(cursor.rest());
            break;
        }
        if !take_table_clause(&mut cursor) {
            kept.extend(cursor.next().cloned());
        }
    }
    Ok(kept)
}

/// Column definitions without ENCODE, DISTKEY and SORTKEY, and with IDENTITY in PostgreSQL's words.
pub fn strip_columns(tokens: &[TokenWithSpan]) -> Result<Vec<TokenWithSpan>, SqlError> {
    let mut cursor = Cursor::new(tokens);
    let mut kept: Vec<TokenWithSpan> = Vec::with_capacity(tokens.len());
    while let Some(token) = cursor.peek() {
        let starts_column = kept.last().is_none_or(|last| last.token == Token::Comma);
        if starts_column || *token == Token::Comma {
            kept.extend(cursor.next().cloned());
        } else if let Token::LParen = token {
            let inside =
                cursor.take_parens().ok_or_else(|| SqlError::syntax("a parenthesis is not closed"))?;
            kept.push(symbol(Token::LParen));
            kept.extend_from_slice(inside);
            kept.push(symbol(Token::RParen));
        } else if cursor.take(&["encode"]) {
            cursor.next().ok_or_else(|| SqlError::syntax("ENCODE without a name"))?;
        } else if cursor.take(&["distkey"]) || cursor.take(&["sortkey"]) {
        } else if cursor.take(&["generated", "by", "default", "as", "identity"]) {
            identity(&mut cursor, &mut kept, &["by", "default"])?;
        } else if cursor.take(&["identity"]) {
            identity(&mut cursor, &mut kept, &["always"])?;
        } else {
            kept.extend(cursor.next().cloned());
        }
    }
    Ok(kept)
}

fn identity(cursor: &mut Cursor<'_>, kept: &mut Vec<TokenWithSpan>, how: &[&str]) -> Result<(), SqlError> {
    let inside = cursor.take_parens().ok_or_else(|| SqlError::syntax("IDENTITY needs (seed, step)"))?;
    let [seed, comma, step] = inside else { return Err(SqlError::syntax("IDENTITY needs (seed, step)")) };
    let numbers = [seed, step].iter().all(|t| matches!(t.token, Token::Number(..)));
    if comma.token != Token::Comma || !numbers {
        return Err(SqlError::syntax("IDENTITY needs (seed, step)"));
    }
    kept.push(word("generated"));
    kept.extend(how.iter().map(|w| word(w)));
    kept.extend(["as", "identity"].map(word));
    kept.push(symbol(Token::LParen));
    // In the order in which sqlparser reads them.
    kept.extend(["increment", "by"].map(word));
    kept.push(step.clone());
    kept.extend(["start", "with"].map(word));
    kept.push(seed.clone());
    kept.push(symbol(Token::RParen));
    Ok(())
}

fn take_table_clause(cursor: &mut Cursor<'_>) -> bool {
    if cursor.take(&["backup"]) || cursor.take(&["diststyle"]) || cursor.take(&["encode"]) {
        cursor.next();
        return true;
    }
    let sorts = cursor.take(&["compound", "sortkey"])
        || cursor.take(&["interleaved", "sortkey"])
        || cursor.take(&["sortkey"])
        || cursor.take(&["distkey"]);
    if sorts && cursor.take_parens().is_none() {
        cursor.take(&["auto"]);
    }
    sorts
}

/// An unquoted word as a token.
pub fn word(text: &str) -> TokenWithSpan {
    symbol(Token::make_keyword(text))
}

fn symbol(token: Token) -> TokenWithSpan {
    TokenWithSpan { token, span: sqlparser::tokenizer::Span::empty() }
}
