//! UNLOAD: the query inside it, translated like any other, and where and how its rows are written. Knows no S3.

use std::collections::BTreeSet;

use sqlparser::ast::Statement;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::clauses::Cursor;
use super::copy::words::{character, columns, number, role, text, word};
use super::error::SqlError;
use super::types::Domain;
use super::{Context, Parameters, Text, Translated, tokenize, translate};

/// An UNLOAD to S3.
#[derive(Debug, Clone, PartialEq)]
pub struct Unload {
    /// The query for PostgreSQL.
    pub query: String,
    /// `s3://bucket/prefix`.
    pub to: String,
    /// What is written.
    pub format: UnloadFormat,
    /// The columns that become folders.
    pub partition_by: Vec<String>,
    /// They stay in the files, too.
    pub keeps_partition_columns: bool,
    /// Objects that are there may be replaced.
    pub overwrites: bool,
    /// Objects that are there are removed.
    pub cleans: bool,
    /// A manifest is written.
    pub writes_manifest: bool,
    /// The names that one writer gives.
    pub is_serial: bool,
}

/// How rows are written.
#[derive(Debug, Clone, PartialEq)]
pub enum UnloadFormat {
    /// Lines of fields.
    Csv {
        /// Between fields.
        delimiter: u8,
        /// The columns' names come first.
        has_header: bool,
        /// The text for NULL.
        null_as: String,
        /// `GZIP`.
        is_gzip: bool,
    },
    /// One file of columns.
    Parquet,
}

#[derive(Debug, Default)]
struct Options {
    format: Option<String>,
    has_role: bool,
    delimiter: Option<u8>,
    has_header: bool,
    null_as: Option<String>,
    is_gzip: bool,
}

/// Reads an UNLOAD.
pub fn translate_unload(tokens: &[TokenWithSpan], context: Context) -> Result<Translated, SqlError> {
    let mut cursor = Cursor::new(tokens);
    cursor.take(&["unload"]);
    let inside = cursor.take_parens().ok_or_else(|| SqlError::syntax("UNLOAD without ('...')"))?;
    let [TokenWithSpan { token: Token::SingleQuotedString(sql), .. }] = inside else {
        return Err(SqlError::syntax("UNLOAD without ('...')"));
    };
    let (query, domains) = query(sql, context)?;
    if !cursor.take(&["to"]) {
        return Err(SqlError::syntax("UNLOAD without TO"));
    }
    let to = text(&mut cursor, "TO")?;
    if !to.starts_with("s3://") {
        return Err(SqlError::syntax("UNLOAD goes to s3://"));
    }
    let mut unload = Unload {
        query,
        to,
        format: UnloadFormat::Parquet,
        partition_by: Vec::new(),
        keeps_partition_columns: false,
        overwrites: false,
        cleans: false,
        writes_manifest: false,
        is_serial: false,
    };
    let mut options = Options::default();
    while cursor.peek().is_some() {
        option(&mut cursor, &mut unload, &mut options)?;
    }
    finish(&mut unload, options)?;
    let text = Text::Unload(Box::new(unload));
    Ok(Translated { text, domains, ..Translated::plain("UNLOAD", String::new()) })
}

fn query(sql: &str, context: Context) -> Result<(String, BTreeSet<Domain>), SqlError> {
    let mut statements = tokenize(sql, &Parameters::new())?;
    let (Some(statement), true) = (statements.pop(), statements.is_empty()) else {
        return Err(SqlError::syntax("UNLOAD takes one query"));
    };
    if let Some(name) = statement.unknown.first() {
        return Err(SqlError::syntax(format!("the parameter :{name} in the query of UNLOAD")));
    }
    match super::parse(&statement.tokens)? {
        Statement::Query(query) if query.limit_clause.is_some() => {
            return Err(SqlError::refused("LIMIT in the outer SELECT of UNLOAD", "put it into a subquery"));
        }
        Statement::Query(_) => {}
        _ => return Err(SqlError::syntax("UNLOAD takes a SELECT")),
    }
    let translated = translate(&statement.tokens, context)?;
    match translated.text {
        Text::Sql(sql) if translated.has_result_set => Ok((sql, translated.domains)),
        _ => Err(SqlError::syntax("UNLOAD takes a SELECT")),
    }
}

fn option(cursor: &mut Cursor<'_>, unload: &mut Unload, options: &mut Options) -> Result<(), SqlError> {
    let name = word(cursor)?;
    match name.as_str() {
        "IAM_ROLE" => options.has_role = role(cursor)?,
        "FORMAT" => {
            cursor.take(&["as"]);
            set_format(options, word(cursor)?)?;
        }
        "CSV" | "PARQUET" => set_format(options, name)?,
        "PARTITION" => {
            if !cursor.take(&["by"]) {
                return Err(SqlError::syntax("PARTITION without BY"));
            }
            unload.partition_by = columns(cursor, "PARTITION BY")?;
            unload.keeps_partition_columns = cursor.take(&["include"]);
        }
        "HEADER" => options.has_header = true,
        "DELIMITER" => options.delimiter = Some(character(cursor, &name)?),
        "NULL" => options.null_as = Some(text(cursor, &name)?),
        "GZIP" => options.is_gzip = true,
        "ALLOWOVERWRITE" => unload.overwrites = true,
        "CLEANPATH" => unload.cleans = true,
        "MANIFEST" => unload.writes_manifest = true,
        "PARALLEL" => unload.is_serial = is_serial(cursor),
        // One file a partition is written, whatever the limit.
        "MAXFILESIZE" => {
            number(cursor, &name)?;
            if !cursor.take(&["mb"]) {
                cursor.take(&["gb"]);
            }
        }
        "REGION" => {
            text(cursor, &name)?;
        }
        other => return Err(SqlError::unsupported(format!("UNLOAD with {other}"))),
    }
    Ok(())
}

fn is_serial(cursor: &mut Cursor<'_>) -> bool {
    let is_off = cursor.take(&["off"]) || cursor.take(&["false"]);
    if !is_off && !cursor.take(&["on"]) {
        cursor.take(&["true"]);
    }
    is_off
}

fn set_format(options: &mut Options, name: String) -> Result<(), SqlError> {
    if !["CSV", "PARQUET"].contains(&name.as_str()) {
        return Err(SqlError::unsupported(format!("UNLOAD of the format {name}")));
    }
    match options.format.replace(name) {
        Some(_) => Err(SqlError::syntax("UNLOAD with two formats")),
        None => Ok(()),
    }
}

fn finish(unload: &mut Unload, options: Options) -> Result<(), SqlError> {
    if !options.has_role {
        return Err(SqlError::syntax("UNLOAD needs IAM_ROLE"));
    }
    if unload.overwrites && unload.cleans {
        return Err(SqlError::refused("ALLOWOVERWRITE with CLEANPATH", ""));
    }
    let is_parquet = match options.format.as_deref() {
        Some("PARQUET") => true,
        Some(_) => false,
        None => return Err(SqlError::unsupported("UNLOAD without FORMAT AS CSV or PARQUET")),
    };
    let lines = [
        ("HEADER", options.has_header),
        ("DELIMITER", options.delimiter.is_some()),
        ("NULL AS", options.null_as.is_some()),
        ("GZIP", options.is_gzip),
    ];
    if is_parquet && let Some((name, _)) = lines.iter().find(|(_, is_set)| *is_set) {
        return Err(SqlError::refused(format!("{name} with PARQUET"), ""));
    }
    if !is_parquet {
        unload.format = UnloadFormat::Csv {
            delimiter: options.delimiter.unwrap_or(b','),
            has_header: options.has_header,
            null_as: options.null_as.unwrap_or_default(),
            is_gzip: options.is_gzip,
        };
    }
    Ok(())
}
