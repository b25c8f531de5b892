//! The words of a COPY, in any order, and which of them go together. What is not here is refused by its name.

use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::words::{character, columns, number, role, table, text, word};
use super::{Compression, Conversion, Copy, Delimited, Format, TimeFormat, time_format};
use crate::sql::clauses::Cursor;
use crate::sql::error::SqlError;
use crate::sql::types::SCHEMA;

/// What the options set, before it is known which of them the format allows.
#[derive(Debug, Default)]
struct Options {
    format: Option<&'static str>,
    json: Option<String>,
    is_manifest: bool,
    has_role: bool,
    compression: Option<Compression>,
    delimiter: Option<u8>,
    quote: Option<u8>,
    header_lines: Option<u64>,
    skips_blank_lines: bool,
    null_as: Option<String>,
    empty_as_null: bool,
    blanks_as_null: bool,
    truncates: bool,
    date_format: Option<TimeFormat>,
    time_format: Option<TimeFormat>,
    max_errors: Option<usize>,
}

/// Reads a COPY.
pub fn parse(tokens: &[TokenWithSpan]) -> Result<Copy, SqlError> {
    let mut cursor = Cursor::new(tokens);
    cursor.take(&["copy"]);
    let name = table(&mut cursor)?;
    let columns = match cursor.peek() {
        Some(Token::LParen) => Some(columns(&mut cursor, "COPY")?),
        _ => None,
    };
    if !cursor.take(&["from"]) {
        return Err(SqlError::syntax("COPY without FROM"));
    }
    let source = text(&mut cursor, "FROM")?;
    if !source.starts_with("s3://") {
        return Err(SqlError::unsupported("COPY from anything but s3://"));
    }
    let mut options = Options::default();
    while cursor.peek().is_some() {
        option(&mut cursor, &mut options)?;
    }
    if !options.has_role {
        return Err(SqlError::syntax("COPY needs IAM_ROLE"));
    }
    let (table, table_name) = target(&name)?;
    options.finish(Copy {
        table,
        table_name,
        columns,
        source,
        is_manifest: false,
        format: Format::Parquet,
        compression: Compression::None,
        conversion: Conversion::default(),
        max_errors: 0,
    })
}

/// The target as `to_regclass` takes it, and its own name.
fn target(name: &[String]) -> Result<(String, String), SqlError> {
    if name.iter().rev().nth(1).is_some_and(|schema| schema == SCHEMA) {
        return Err(SqlError::new("42501", format!("permission denied for schema {SCHEMA}")));
    }
    let quoted = |part: &String| format!("\"{}\"", part.replace('"', "\"\""));
    let table = name.iter().map(quoted).collect::<Vec<_>>().join(".");
    Ok((table, name.last().cloned().unwrap_or_default()))
}

impl Options {
    fn finish(self, copy: Copy) -> Result<Copy, SqlError> {
        let format = self.format()?;
        let is_text = matches!(format, Format::Delimited(_));
        // The default of delimited texts; a text in JSON means itself.
        let null_as = self.null_as.or_else(|| is_text.then(|| "\\N".to_owned()));
        Ok(Copy {
            format,
            is_manifest: self.is_manifest,
            compression: self.compression.unwrap_or(Compression::None),
            conversion: Conversion {
                null_as,
                empty_as_null: self.empty_as_null,
                blanks_as_null: self.blanks_as_null,
                truncates: self.truncates,
                date_format: self.date_format.unwrap_or(TimeFormat::Default),
                time_format: self.time_format.unwrap_or(TimeFormat::Default),
            },
            max_errors: self.max_errors.unwrap_or_default(),
            ..copy
        })
    }

    fn format(&self) -> Result<Format, SqlError> {
        let lines = [
            ("DELIMITER", self.delimiter.is_some()),
            ("QUOTE", self.quote.is_some()),
            ("IGNOREHEADER", self.header_lines.is_some()),
            ("IGNOREBLANKLINES", self.skips_blank_lines),
        ];
        let stray = |format: &str, options: &[(&str, bool)]| match options.iter().find(|(_, set)| *set) {
            Some((name, _)) => Err(SqlError::refused(format!("{name} with {format}"), "")),
            None => Ok(()),
        };
        match self.format {
            Some("JSON") => {
                stray("JSON", &lines)?;
                match self.json.as_deref() {
                    Some("auto") => Ok(Format::Json { ignore_case: false }),
                    Some("auto ignorecase") => Ok(Format::Json { ignore_case: true }),
                    Some(other) => Err(SqlError::unsupported(format!("JSON '{other}'"))),
                    None => Err(SqlError::unsupported("JSON without 'auto'")),
                }
            }
            Some("PARQUET") => {
                stray("PARQUET", &lines)?;
                let others = [
                    ("a compression", self.compression.is_some()),
                    ("MAXERROR", self.max_errors.is_some()),
                    ("NULL AS", self.null_as.is_some()),
                    ("DATEFORMAT", self.date_format.is_some()),
                    ("TIMEFORMAT", self.time_format.is_some()),
                ];
                stray("PARQUET", &others)?;
                Ok(Format::Parquet)
            }
            format => Ok(Format::Delimited(self.delimited(format.is_some())?)),
        }
    }

    fn delimited(&self, is_csv: bool) -> Result<Delimited, SqlError> {
        if self.quote.is_some() && !is_csv {
            return Err(SqlError::refused("QUOTE without CSV", ""));
        }
        let delimited = Delimited {
            delimiter: self.delimiter.unwrap_or(if is_csv { b',' } else { b'|' }),
            quote: is_csv.then(|| self.quote.unwrap_or(b'"')),
            header_lines: self.header_lines.unwrap_or_default(),
            skips_blank_lines: self.skips_blank_lines,
        };
        if delimited.quote == Some(delimited.delimiter) {
            return Err(SqlError::refused("the same character as QUOTE and DELIMITER", ""));
        }
        Ok(delimited)
    }
}

fn option(cursor: &mut Cursor<'_>, options: &mut Options) -> Result<(), SqlError> {
    let name = word(cursor)?;
    match name.as_str() {
        "IAM_ROLE" => options.has_role = role(cursor)?,
        "MANIFEST" => options.is_manifest = true,
        "GZIP" => options.pack(Compression::Gzip)?,
        "ZSTD" => options.pack(Compression::Zstd)?,
        // Where the rows would lie, and what the planner would learn: nothing that a local warehouse has.
        "COMPUPDATE" | "STATUPDATE" => switch(cursor),
        "COMPROWS" => {
            number(cursor, &name)?;
        }
        "REGION" => {
            text(cursor, &name)?;
        }
        "ENCODING" => encoding(cursor)?,
        "MAXERROR" => options.max_errors = Some(max_errors(cursor)?),
        "DATEFORMAT" => options.date_format = Some(time_format::read(&text(cursor, &name)?)?),
        "TIMEFORMAT" => options.time_format = Some(time_format::read(&text(cursor, &name)?)?),
        "DELIMITER" => options.delimiter = Some(character(cursor, &name)?),
        "QUOTE" => options.quote = Some(character(cursor, &name)?),
        "NULL" => options.null_as = Some(text(cursor, &name)?),
        "IGNOREHEADER" => options.header_lines = Some(number(cursor, &name)?),
        "IGNOREBLANKLINES" => options.skips_blank_lines = true,
        "EMPTYASNULL" => options.empty_as_null = true,
        "BLANKSASNULL" => options.blanks_as_null = true,
        "TRUNCATECOLUMNS" => options.truncates = true,
        "FORMAT" => {
            cursor.take(&["as"]);
            let format = word(cursor)?;
            options.set_format(&format, cursor)?;
        }
        "CSV" | "JSON" => options.set_format(&name, cursor)?,
        other => return Err(SqlError::unsupported(format!("COPY with {other}"))),
    }
    Ok(())
}

impl Options {
    fn set_format(&mut self, name: &str, cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
        if self.format.is_some() {
            return Err(SqlError::syntax("COPY with two formats"));
        }
        self.format = Some(match name {
            "CSV" => "CSV",
            "PARQUET" => "PARQUET",
            "JSON" => {
                cursor.take(&["as"]);
                if matches!(cursor.peek(), Some(Token::SingleQuotedString(_))) {
                    self.json = Some(text(cursor, "JSON")?);
                }
                "JSON"
            }
            other => return Err(SqlError::unsupported(format!("COPY of the format {other}"))),
        });
        Ok(())
    }

    fn pack(&mut self, compression: Compression) -> Result<(), SqlError> {
        match self.compression.replace(compression) {
            Some(_) => Err(SqlError::syntax("COPY with two compressions")),
            None => Ok(()),
        }
    }
}

fn max_errors(cursor: &mut Cursor<'_>) -> Result<usize, SqlError> {
    let count = number(cursor, "MAXERROR")?;
    usize::try_from(count)
        .ok()
        .filter(|count| *count <= 100_000)
        .ok_or_else(|| SqlError::new("22023", "MAXERROR must be between 0 and 100000"))
}

fn switch(cursor: &mut Cursor<'_>) {
    for word in ["on", "off", "true", "false", "preset"] {
        if cursor.take(&[word]) {
            return;
        }
    }
}

fn encoding(cursor: &mut Cursor<'_>) -> Result<(), SqlError> {
    cursor.take(&["as"]);
    match word(cursor)?.as_str() {
        "UTF8" => Ok(()),
        other => Err(SqlError::unsupported(format!("COPY with ENCODING {other}"))),
    }
}
