//! Text to tokens: splits statements, folds identifiers, undoes string escapes, binds parameters.
//! A parameter becomes one string token, so no value can change the shape of a statement.
//! Knows no SQL beyond its tokens.
//!
//! Redshift reads a backslash inside `'...'` as an escape, as PostgreSQL 8.0 did. The tokens that leave here
//! hold the meant text; the translation prints it back in a form that PostgreSQL reads under every setting.

use std::collections::{BTreeMap, BTreeSet};

use sqlparser::dialect::RedshiftSqlDialect;
use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use super::error::SqlError;

/// Parameter values by name.
pub type Parameters = BTreeMap<String, String>;

/// One statement as tokens, with its parameters bound.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// Everything but white space and comments.
    pub tokens: Vec<TokenWithSpan>,
    /// Names of the parameters that the statement refers to.
    pub used: BTreeSet<String>,
    /// Names that it refers to and that the request does not have.
    pub unknown: BTreeSet<String>,
}

/// Splits `sql` into statements; empty ones are dropped.
pub fn tokenize(sql: &str, parameters: &Parameters) -> Result<Vec<Tokens>, SqlError> {
    if sql.contains('\0') {
        return Err(SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    let raw = Tokenizer::new(&RedshiftSqlDialect {}, sql)
        .with_unescape(false)
        .tokenize_with_location()
        .map_err(SqlError::syntax)?;
    let mut statements = Vec::new();
    let mut current = Vec::new();
    for token in raw {
        if token.token == Token::SemiColon {
            statements.push(std::mem::take(&mut current));
        } else {
            current.push(token);
        }
    }
    statements.push(current);
    statements
        .into_iter()
        .filter(|tokens| tokens.iter().any(|t| !matches!(t.token, Token::Whitespace(_) | Token::EOF)))
        .map(|tokens| bind(tokens, parameters))
        .collect()
}

fn bind(raw: Vec<TokenWithSpan>, parameters: &Parameters) -> Result<Tokens, SqlError> {
    let mut bound =
        Tokens { tokens: Vec::with_capacity(raw.len() / 2), used: BTreeSet::new(), unknown: BTreeSet::new() };
    let mut rest = raw.into_iter().peekable();
    while let Some(TokenWithSpan { token, span }) = rest.next() {
        let token = match token {
            Token::Whitespace(_) | Token::EOF => continue,
            Token::Colon => {
                let mut name = String::new();
                while let Some(part) = rest.next_if(|next| name_part(&next.token).is_some()) {
                    name.push_str(&name_part(&part.token).unwrap_or_default());
                }
                match parameters.get(&name) {
                    _ if name.is_empty() => Token::Colon,
                    Some(value) => {
                        bound.used.insert(name);
                        Token::SingleQuotedString(value.clone())
                    }
                    None => {
                        bound.unknown.insert(name);
                        Token::SingleQuotedString(String::new())
                    }
                }
            }
            other => plain(other)?,
        };
        bound.tokens.push(TokenWithSpan { token, span });
    }
    Ok(bound)
}

/// The text of a token that can be part of a parameter's name: `:1a` is a number and a word.
fn name_part(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) if word.quote_style.is_none() => Some(word.value.clone()),
        Token::Number(digits, long) => Some(format!("{digits}{}", if *long { "L" } else { "" })),
        _ => None,
    }
}

fn plain(token: Token) -> Result<Token, SqlError> {
    match token {
        Token::SingleQuotedString(raw) => Ok(Token::SingleQuotedString(unescape(&raw)?)),
        Token::EscapedStringLiteral(_) => Err(SqlError::refused("E'...' strings", "every '...' has escapes")),
        Token::Placeholder(name) => Err(SqlError::syntax(format!("the placeholder {name} has no value"))),
        Token::Word(mut word) => {
            match word.quote_style {
                None => {}
                Some('"') if !word.value.contains('"') => {
                    if !is_iam_user(&word.value) {
                        word.value.make_ascii_lowercase();
                    }
                    word.keyword = Keyword::NoKeyword;
                }
                Some(_) => {
                    let name = word.value;
                    return Err(SqlError::unsupported(format!("the identifier {name} with its quoting")));
                }
            }
            check_length(&word.value)?;
            Ok(Token::Word(word))
        }
        Token::UnicodeStringLiteral(_)
        | Token::NationalStringLiteral(_)
        | Token::HexStringLiteral(_)
        | Token::SingleQuotedByteStringLiteral(_)
        | Token::SingleQuotedRawStringLiteral(_) => {
            Err(SqlError::refused(format!("the literal {token}"), "use '...'"))
        }
        other => Ok(other),
    }
}

/// User names of IAM callers keep their case; every other quoted name folds.
pub fn is_iam_user(name: &str) -> bool {
    name.starts_with("IAMR:") || name.starts_with("IAM:")
}

fn check_length(name: &str) -> Result<(), SqlError> {
    if name.len() > 127 {
        return Err(SqlError::refused(format!("the name \"{name}\""), "it has more than 127 bytes"));
    }
    // PostgreSQL would cut it silently, and two names could become one.
    if name.len() > 63 {
        return Err(SqlError::unsupported(format!("the name \"{name}\" of more than 63 bytes")));
    }
    Ok(())
}

/// What `'...'` means on Redshift: doubled quotes and the backslash escapes of PostgreSQL 8.0.
fn unescape(raw: &str) -> Result<String, SqlError> {
    if !raw.contains(['\\', '\'']) {
        return Ok(raw.to_owned());
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // The tokenizer keeps the pair; a lone quote cannot stand inside a literal.
            '\'' => {
                chars.next();
                bytes.push(b'\'');
            }
            '\\' => match chars.next() {
                Some('b') => bytes.push(8),
                Some('f') => bytes.push(12),
                Some('n') => bytes.push(b'\n'),
                Some('r') => bytes.push(b'\r'),
                Some('t') => bytes.push(b'\t'),
                Some(digit @ '0'..='7') => bytes.push(octal(digit, &mut chars)),
                Some(other) => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
                None => bytes.push(b'\\'),
            },
            other => bytes.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\""))?;
    if text.contains('\0') {
        return Err(SqlError::new("22021", "invalid byte sequence for encoding \"UTF8\": 0x00"));
    }
    Ok(text)
}

fn octal(first: char, chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> u8 {
    let mut value = first.to_digit(8).unwrap_or_default();
    for _ in 0..2 {
        let Some(digit) = chars.peek().and_then(|c| c.to_digit(8)) else { break };
        chars.next();
        value = value * 8 + digit;
    }
    (value & 0xff) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(sql: &str, parameters: &[(&str, &str)]) -> Vec<String> {
        let parameters = parameters.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let mut statements = tokenize(sql, &parameters).unwrap();
        assert_eq!(statements.len(), 1);
        let tokens = statements.remove(0).tokens;
        tokens
            .into_iter()
            .filter_map(|t| match t.token {
                Token::SingleQuotedString(text) => Some(text),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn only_bare_colon_names_are_parameters() {
        let sql = "select ':a', x::int, \":a\", :a, :1b -- :a\n, $$:a$$, '\\':a'";
        assert_eq!(strings(sql, &[("a", "v'"), ("1b", "\\")]), [":a", "v'", "\\", "':a"]);
    }

    #[test]
    fn backslashes_escape_as_on_redshift() {
        assert_eq!(
            strings(r"select 'a\'b', 'a''b', '\\', '\n\t', '\101'", &[]),
            ["a'b", "a'b", "\\", "\n\t", "A"]
        );
    }

    #[test]
    fn semicolons_inside_literals_split_nothing() {
        let statements = tokenize("select ';'; select $$;$$; ;", &Parameters::new()).unwrap();
        assert_eq!(statements.len(), 2);
    }

    #[test]
    fn unknown_names_are_told_apart() {
        let statements = tokenize("select :a, :b", &Parameters::from([("a".into(), "1".into())])).unwrap();
        assert_eq!(statements[0].used, BTreeSet::from(["a".to_string()]));
        assert_eq!(statements[0].unknown, BTreeSet::from(["b".to_string()]));
    }

    #[test]
    fn quoted_names_fold_but_iam_users_do_not() {
        let statements = tokenize("grant x on \"Tab\" to \"IAMR:MyRole\"", &Parameters::new()).unwrap();
        let names: Vec<_> = statements[0].tokens.iter().map(|t| t.token.to_string()).collect();
        assert_eq!(names, ["grant", "x", "on", "\"tab\"", "to", "\"IAMR:MyRole\""]);
    }
}
