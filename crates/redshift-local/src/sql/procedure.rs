//! CREATE PROCEDURE: sqlparser does not take it, so its header and its plpgsql are read from the tokens, and every
//! SQL statement inside goes the way of a statement outside. Keeps to what a load needs: DECLARE, IF, SELECT INTO,
//! assignment, RAISE and writes; loops, cursors and dynamic SQL are named as missing.

use std::collections::BTreeSet;

use sqlparser::ast::{DataType, Grant, GrantObjects, Revoke, Statement};
use sqlparser::dialect::RedshiftSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::clauses::{Cursor, is_word, print, starts_with, word};
use super::error::SqlError;
use super::tokens::{Parameters, Tokens, tokenize};
use super::types::{self, Domain, Place};
use super::{Context, Text, translate};

const TAG: &str = "$redshift_local$";

/// Keywords of plpgsql that are not translated.
const MISSING: &[&str] = &[
    "case", "close", "commit", "continue", "execute", "exit", "fetch", "for", "get", "loop", "open",
    "perform", "rollback", "while",
];

/// Whether the tokens are CREATE [OR REPLACE] PROCEDURE.
pub fn is_create(tokens: &[TokenWithSpan]) -> bool {
    starts_with(tokens, &["create", "procedure"])
        || starts_with(tokens, &["create", "or", "replace", "procedure"])
}

/// The procedure in PostgreSQL's plpgsql.
pub fn create(tokens: &[TokenWithSpan], domains: &mut BTreeSet<Domain>) -> Result<String, SqlError> {
    let mut cursor = Cursor::new(tokens);
    let replace = if cursor.take(&["create", "or", "replace", "procedure"]) { " OR REPLACE" } else { "" };
    if replace.is_empty() {
        cursor.take(&["create", "procedure"]);
    }
    let mut name = Vec::new();
    while cursor.peek().is_some_and(|token| *token != Token::LParen) {
        name.extend(cursor.next().cloned());
    }
    let arguments = cursor.take_parens().ok_or_else(|| SqlError::syntax("CREATE PROCEDURE needs ( ... )"))?;
    let arguments = arguments_list(arguments, domains)?;
    let header = header(&mut cursor)?;
    let body = Body { domains }.translate(&header.body)?;
    Ok(format!(
        "CREATE{replace} PROCEDURE {}({arguments}) LANGUAGE plpgsql SECURITY {} AS {TAG}\n{body}{TAG}",
        print(&name),
        header.security
    ))
}

/// The argument types by which a statement names a procedure, as the procedure has them.
pub fn arguments_of(statement: &mut Statement) -> Result<(), SqlError> {
    let types: Vec<&mut DataType> = match statement {
        Statement::DropProcedure { proc_desc, .. } => proc_desc
            .iter_mut()
            .flat_map(|desc| desc.args.iter_mut().flatten())
            .map(|arg| &mut arg.data_type)
            .collect(),
        Statement::Grant(Grant { objects: Some(GrantObjects::Procedure { arg_types, .. }), .. })
        | Statement::Revoke(Revoke { objects: Some(GrantObjects::Procedure { arg_types, .. }), .. }) => {
            arg_types.iter_mut().collect()
        }
        _ => Vec::new(),
    };
    for data_type in types {
        *data_type = types::map(data_type, Place::Argument)?.data_type;
    }
    Ok(())
}

struct Header {
    body: String,
    security: &'static str,
}

fn header(cursor: &mut Cursor<'_>) -> Result<Header, SqlError> {
    let (mut body, mut language, mut security) = (None, false, "INVOKER");
    while cursor.peek().is_some() {
        if cursor.take(&["nonatomic"]) {
            return Err(SqlError::refused("NONATOMIC procedures", "an error they swallow reports FINISHED"));
        } else if cursor.take(&["as"]) {
            match cursor.next().map(|t| &t.token) {
                Some(Token::DollarQuotedString(text)) => body = Some(text.value.clone()),
                _ => return Err(SqlError::unsupported("a procedure's body outside $$ ... $$")),
            }
        } else if cursor.take(&["language", "plpgsql"]) {
            language = true;
        } else if cursor.take(&["security", "invoker"]) {
            security = "INVOKER";
        } else if cursor.take(&["security", "definer"]) {
            security = "DEFINER";
        } else {
            let clause = print(&cursor.rest()[..1]);
            return Err(SqlError::unsupported(format!("the clause {clause} of CREATE PROCEDURE")));
        }
    }
    match body {
        Some(body) if language => Ok(Header { body, security }),
        Some(_) => Err(SqlError::syntax("CREATE PROCEDURE needs LANGUAGE plpgsql")),
        None => Err(SqlError::syntax("CREATE PROCEDURE needs AS $$ ... $$")),
    }
}

fn arguments_list(tokens: &[TokenWithSpan], domains: &mut BTreeSet<Domain>) -> Result<String, SqlError> {
    let mut printed = Vec::new();
    for argument in split_at(tokens, &Token::Comma) {
        let mut cursor = Cursor::new(argument);
        cursor.take(&["in"]);
        let name = cursor.next().ok_or_else(|| SqlError::syntax("an argument without a name"))?;
        cursor.take(&["in"]);
        if ["out", "inout"].iter().any(|mode| is_word(&name.token, mode) || cursor.take(&[mode])) {
            return Err(SqlError::unsupported("OUT and INOUT arguments"));
        }
        printed.push(format!("{} {}", name.token, type_of(cursor.rest(), Place::Argument, domains)?));
    }
    Ok(printed.join(", "))
}

fn type_of(
    tokens: &[TokenWithSpan],
    place: Place,
    domains: &mut BTreeSet<Domain>,
) -> Result<String, SqlError> {
    let mut parser = Parser::new(&RedshiftSqlDialect {}).with_tokens_with_locations(tokens.to_vec());
    let data_type = parser.parse_data_type().map_err(SqlError::syntax)?;
    if parser.peek_token().token != Token::EOF {
        return Err(SqlError::syntax(format!(
            "unexpected {} after the type {data_type}",
            parser.peek_token()
        )));
    }
    let mapped = types::map(&data_type, place)?;
    domains.extend(mapped.domain);
    Ok(mapped.data_type.to_string())
}

/// The parts between separators outside parentheses; none of nothing.
fn split_at<'a>(tokens: &'a [TokenWithSpan], separator: &Token) -> Vec<&'a [TokenWithSpan]> {
    if tokens.is_empty() {
        return Vec::new();
    }
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0i32);
    for (i, token) in tokens.iter().enumerate() {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            other if other == separator && depth == 0 => {
                parts.push(&tokens[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    parts.push(&tokens[start..]);
    parts
}

struct Body<'a> {
    domains: &'a mut BTreeSet<Domain>,
}

impl Body<'_> {
    fn translate(&mut self, text: &str) -> Result<String, SqlError> {
        // Redshift puts a variable before a column of the same name, as PostgreSQL 8.0 did.
        let mut out = String::from("#variable_conflict use_variable\n");
        let mut declares = false;
        for Tokens { tokens, unknown, .. } in tokenize(text, &Parameters::new())? {
            if !unknown.is_empty() {
                return Err(SqlError::syntax("a parameter inside a procedure"));
            }
            let mut cursor = Cursor::new(&tokens);
            if cursor.take(&["declare"]) {
                declares = true;
                out.push_str("DECLARE\n");
            }
            if declares && !starts_with(cursor.rest(), &["begin"]) {
                out.push_str(&self.declaration(cursor.rest())?);
                continue;
            }
            declares = false;
            self.statement(&mut cursor, &mut out)?;
        }
        if out.contains(TAG) {
            return Err(SqlError::syntax("the body contains a reserved tag"));
        }
        Ok(out)
    }

    fn declaration(&mut self, tokens: &[TokenWithSpan]) -> Result<String, SqlError> {
        let (Some(name), rest) = (tokens.first(), tokens.get(1..).unwrap_or_default()) else {
            return Err(SqlError::syntax("an empty declaration"));
        };
        let start = rest.iter().position(|t| t.token == Token::Assignment || is_word(&t.token, "default"));
        let type_name = type_of(&rest[..start.unwrap_or(rest.len())], Place::Stored, self.domains)?;
        match start {
            Some(at) => Ok(format!("{} {type_name} := {};\n", name.token, self.expression(&rest[at + 1..])?)),
            None => Ok(format!("{} {type_name};\n", name.token)),
        }
    }

    /// What stands up to a semicolon: any number of openings (BEGIN, IF, ELSE), then one statement.
    fn statement(&mut self, cursor: &mut Cursor<'_>, out: &mut String) -> Result<(), SqlError> {
        loop {
            if cursor.take(&["begin"]) {
                out.push_str("BEGIN\n");
            } else if cursor.take(&["else"]) {
                out.push_str("ELSE\n");
            } else if starts_with(cursor.rest(), &["if"]) || starts_with(cursor.rest(), &["elsif"]) {
                let opening = if cursor.take(&["if"]) { "IF" } else { "ELSIF" };
                cursor.take(&["elsif"]);
                // In parentheses: plpgsql ends the condition at the first THEN outside them, a CASE's included.
                out.push_str(&format!("{opening} ({}) THEN\n", self.condition(cursor)?));
            } else {
                break;
            }
        }
        if cursor.peek().is_some() {
            let text = self.simple(cursor.rest())?;
            out.push_str(&text);
            out.push_str(";\n");
        }
        Ok(())
    }

    fn condition(&mut self, cursor: &mut Cursor<'_>) -> Result<String, SqlError> {
        let mut condition = Vec::new();
        let mut open_cases = 0;
        loop {
            let Some(token) = cursor.next() else { return Err(SqlError::syntax("IF without THEN")) };
            if is_word(&token.token, "case") {
                open_cases += 1;
            } else if is_word(&token.token, "end") {
                open_cases -= 1;
            } else if open_cases == 0 && is_word(&token.token, "then") {
                break;
            }
            condition.push(token.clone());
        }
        if condition.iter().any(|t| is_word(&t.token, "select")) {
            let advice = "SELECT COUNT(*) INTO a variable, and compare that";
            return Err(SqlError::refused("IF with a subquery such as IF EXISTS(SELECT ...)", advice));
        }
        self.expression(&condition)
    }

    fn expression(&mut self, tokens: &[TokenWithSpan]) -> Result<String, SqlError> {
        let mut query = vec![word("select")];
        query.extend_from_slice(tokens);
        let text = self.sql(query)?;
        Ok(text.strip_prefix("SELECT ").unwrap_or(&text).to_owned())
    }

    fn simple(&mut self, tokens: &[TokenWithSpan]) -> Result<String, SqlError> {
        let first = &tokens[0].token;
        if is_word(first, "exception") {
            return Err(SqlError::refused("EXCEPTION blocks", "let the transaction fail"));
        }
        if is_word(first, "raise") {
            return raise(&tokens[1..]);
        }
        if starts_with(tokens, &["set", "local"]) {
            return Err(SqlError::refused("SET LOCAL in a procedure", ""));
        }
        if is_word(first, "end") || is_word(first, "null") || (is_word(first, "return") && tokens.len() == 1)
        {
            return Ok(print(tokens));
        }
        if let Some(keyword) = MISSING.iter().find(|keyword| is_word(first, keyword)) {
            return Err(SqlError::unsupported(format!("{} in a procedure", keyword.to_uppercase())));
        }
        if tokens.get(1).is_some_and(|t| t.token == Token::Assignment) {
            return Ok(format!("{first} := {}", self.expression(&tokens[2..])?));
        }
        if is_word(first, "select") || is_word(first, "with") {
            return self.select_into(tokens);
        }
        self.sql(tokens.to_vec())
    }

    fn select_into(&mut self, tokens: &[TokenWithSpan]) -> Result<String, SqlError> {
        let mut depth = 0i32;
        let into = tokens.iter().position(|t| {
            depth += i32::from(t.token == Token::LParen) - i32::from(t.token == Token::RParen);
            depth == 0 && is_word(&t.token, "into")
        });
        let Some(into) = into else {
            return Err(SqlError::refused("SELECT without INTO in a procedure", ""));
        };
        let mut end = into + 1;
        while matches!(tokens.get(end).map(|t| &t.token), Some(Token::Word(_))) {
            end += 1;
            if tokens.get(end).map(|t| &t.token) != Some(&Token::Comma) {
                break;
            }
            end += 1;
        }
        let targets = print(&tokens[into + 1..end]);
        let query = tokens[..into].iter().chain(&tokens[end..]).cloned().collect();
        Ok(format!("{} INTO {targets}", self.sql(query)?))
    }

    fn sql(&mut self, tokens: Vec<TokenWithSpan>) -> Result<String, SqlError> {
        let translated = translate(&tokens, Context::PROCEDURE)?;
        self.domains.extend(translated.domains);
        let text = match translated.text {
            Text::Sql(text) => text,
            Text::Values(values) => values.render(&[])?,
            Text::Copy(_) | Text::Unload(_) => {
                return Err(SqlError::unsupported("COPY or UNLOAD in a procedure"));
            }
        };
        // As outside: a write locks its table against other writers.
        Ok(match translated.writes {
            Some(table) => {
                format!("PERFORM {}.write_lock({});\n{text}", types::SCHEMA, super::literal(&table))
            }
            None => text,
        })
    }
}

fn raise(tokens: &[TokenWithSpan]) -> Result<String, SqlError> {
    if tokens.iter().any(|t| is_word(&t.token, "using")) {
        return Err(SqlError::refused("RAISE ... USING", "put the code into the text"));
    }
    let parts = split_at(tokens, &Token::Comma);
    let (Some(head), arguments) = (parts.first(), parts.get(1..).unwrap_or_default()) else {
        return Err(SqlError::syntax("RAISE without a level"));
    };
    let levels = ["exception", "info", "log", "notice", "warning"];
    let plain = matches!(head, [level, text] if levels.iter().any(|l| is_word(&level.token, l))
        && matches!(text.token, Token::SingleQuotedString(_)));
    if !plain {
        return Err(SqlError::refused(
            "RAISE without a level and a text",
            "RAISE EXCEPTION 'text %', variable",
        ));
    }
    for argument in arguments {
        if !matches!(argument, [TokenWithSpan { token: Token::Word(_), .. }]) {
            return Err(SqlError::refused("RAISE with expressions", "assign them to variables first"));
        }
    }
    Ok(format!("RAISE {}", print(tokens)))
}
