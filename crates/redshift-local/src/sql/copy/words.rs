//! Names, words, texts and numbers out of a statement's tokens, for the statements that sqlparser does not read.

use sqlparser::tokenizer::Token;

use crate::sql::clauses::Cursor;
use crate::sql::error::SqlError;

/// `name` or `schema.name`, as stored.
pub fn table(cursor: &mut Cursor<'_>) -> Result<Vec<String>, SqlError> {
    let mut parts = vec![name(cursor)?];
    while cursor.peek() == Some(&Token::Period) {
        cursor.next();
        parts.push(name(cursor)?);
    }
    Ok(parts)
}

fn name(cursor: &mut Cursor<'_>) -> Result<String, SqlError> {
    match cursor.next().map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_some() => Ok(word.value.clone()),
        Some(Token::Word(word)) => Ok(word.value.to_lowercase()),
        other => Err(SqlError::syntax(format!("a name is missing{}", before(other)))),
    }
}

fn before(token: Option<&Token>) -> String {
    token.map(|token| format!(" before {token}")).unwrap_or_default()
}

/// `(a, b)`, as stored.
pub fn columns(cursor: &mut Cursor<'_>, statement: &str) -> Result<Vec<String>, SqlError> {
    let wrong = || SqlError::syntax(format!("the column list of {statement}"));
    let inside = cursor.take_parens().ok_or_else(wrong)?;
    let mut inside = Cursor::new(inside);
    let mut names = vec![name(&mut inside)?];
    while let Some(token) = inside.next() {
        if token.token != Token::Comma {
            return Err(wrong());
        }
        names.push(name(&mut inside)?);
    }
    let mut sorted = names.clone();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(twice) => {
            Err(SqlError::new("42701", format!("column \"{}\" specified more than once", twice[0])))
        }
        None => Ok(names),
    }
}

/// The next word in upper case.
pub fn word(cursor: &mut Cursor<'_>) -> Result<String, SqlError> {
    match cursor.next().map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => Ok(word.value.to_uppercase()),
        other => Err(SqlError::syntax(format!("an option is missing{}", before(other)))),
    }
}

/// `[AS] '...'` behind an option.
pub fn text(cursor: &mut Cursor<'_>, option: &str) -> Result<String, SqlError> {
    cursor.take(&["as"]);
    match cursor.next().map(|token| &token.token) {
        Some(Token::SingleQuotedString(text)) => Ok(text.clone()),
        _ => Err(SqlError::syntax(format!("{option} needs '...'"))),
    }
}

/// `[AS] n` behind an option.
pub fn number(cursor: &mut Cursor<'_>, option: &str) -> Result<u64, SqlError> {
    cursor.take(&["as"]);
    let digits = match cursor.next().map(|token| &token.token) {
        Some(Token::Number(digits, _)) => digits.parse().ok(),
        _ => None,
    };
    digits.ok_or_else(|| SqlError::syntax(format!("{option} needs a number")))
}

/// `[AS] 'c'` of one ASCII character behind an option.
pub fn character(cursor: &mut Cursor<'_>, option: &str) -> Result<u8, SqlError> {
    match text(cursor, option)?.as_bytes() {
        [one] if one.is_ascii() => Ok(*one),
        _ => Err(SqlError::unsupported(format!("{option} of more than one ASCII character"))),
    }
}

/// `IAM_ROLE default | 'arn'`: taken, not assumed; the process's own credentials read the objects.
pub fn role(cursor: &mut Cursor<'_>) -> Result<bool, SqlError> {
    if cursor.take(&["default"]) || text(cursor, "IAM_ROLE")?.starts_with("arn:") {
        return Ok(true);
    }
    Err(SqlError::new("42601", "Invalid role ARN: IAM_ROLE takes default or an ARN"))
}
