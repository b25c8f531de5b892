//! The contract's servers: the S3 location, the FIFO queue, the stream and the warehouse of a dataset.
//! Placeholders stay as written; whoever uses a server resolves them.

use super::custom::Custom;
use super::location::Glob;
use super::odcs::Server;
use super::template::Template;
use super::{ContractError, Notes};

/// File format of a dataset's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the formats' own")]
pub enum Format {
    Json,
    Csv,
    Parquet,
    Avro,
    /// Not looked into: objects of the lake route, copied as they are.
    Binary,
}

/// How JSON records stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delimiter {
    /// Found out from the bytes: lines, a pretty-printed object, objects one after another, or an array.
    #[default]
    Auto,
    /// Every line is a record.
    NewLine,
    /// One array of records.
    Array,
}

/// Whether a CSV file names its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CsvHeader {
    /// The first record does.
    #[default]
    Names,
    /// The fields are the contract's source columns in their order.
    None,
}

/// How CSV files are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// Between fields; `None`: a comma, or a tab where the key says .tsv.
    pub delimiter: Option<u8>,
    /// Whether the first record names the columns.
    pub header: CsvHeader,
    /// Around fields; `None`: no quoting.
    pub quote: Option<u8>,
    /// Unquoted fields that mean NULL, beside the empty one.
    pub null_texts: Vec<String>,
    /// Whether a quoted field may hold line breaks.
    pub multiline: bool,
}

/// How objects are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Found out from the first bytes.
    #[default]
    Auto,
    /// Not at all, whatever the first bytes look like.
    None,
    /// gzip; other bytes are corrupt.
    Gzip,
    /// zstd; other bytes are corrupt.
    Zstd,
}

/// Where a dataset's objects lie and how they are written.
#[derive(Debug, Clone)]
pub struct S3Server {
    /// Glob over `s3://bucket/key`.
    pub location: Template,
    /// Format of the objects; `None`: found out per object from its first bytes, else from its key.
    pub format: Option<Format>,
    /// For JSON.
    pub delimiter: Delimiter,
    /// For CSV.
    pub csv: CsvOptions,
    /// For every format.
    pub compression: Compression,
}

/// Whether records of a stream are packed into one of the Kinesis producer library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the names are the contract's own")]
pub enum Aggregate {
    #[default]
    None,
    Kpl,
}

/// The stream of a dataset.
#[derive(Debug, Clone)]
pub struct StreamServer {
    /// Kinesis stream.
    pub stream_name: Option<Template>,
    /// Firehose stream.
    pub delivery_stream: Option<Template>,
    /// How records are packed.
    pub aggregate: Aggregate,
}

/// The FIFO queue of a dataset.
#[derive(Debug, Clone)]
pub struct QueueServer {
    /// Queue URL.
    pub url: Template,
    /// Number of ordered groups that keys are hashed into.
    pub groups: u32,
    /// Most rows of one message.
    pub rows_per_message: u32,
}

/// Where the target table lives.
#[derive(Debug, Clone)]
pub struct WarehouseServer {
    /// Database name.
    pub database: Template,
    /// Schema of the target table.
    pub schema: Template,
}

pub(super) struct Servers {
    pub s3: Option<S3Server>,
    pub queue: Option<QueueServer>,
    pub stream: Option<StreamServer>,
    pub warehouse: WarehouseServer,
}

const DEFAULT_GROUPS: u32 = 64;
const DEFAULT_ROWS_PER_MESSAGE: u32 = 100;

impl Servers {
    /// Whether the objects are not looked into.
    pub fn is_binary(&self) -> bool {
        self.s3.as_ref().is_some_and(|s3| s3.format == Some(Format::Binary))
    }

    pub fn read(servers: &[Server], notes: &mut Notes) -> Result<Self, ContractError> {
        let mut found = Self { s3: None, queue: None, stream: None, warehouse: WarehouseServer::default() };
        let mut kinds: Vec<&str> = Vec::new();
        for (i, server) in servers.iter().enumerate() {
            let path = format!("servers[{i}]");
            let mut custom = Custom::read(&path, &server.custom_properties)?;
            let is_ours = found.take(&path, server, &mut custom, notes)?;
            custom.finish()?;
            if is_ours && kinds.contains(&server.kind.as_str()) {
                return Err(ContractError::at(
                    &path,
                    format!("a second server of type {}: one a dataset", server.kind),
                ));
            }
            if is_ours {
                kinds.push(&server.kind);
            }
        }
        Ok(found)
    }

    /// Reads one server; false if it is none that Penstock uses.
    fn take(
        &mut self,
        path: &str,
        server: &Server,
        custom: &mut Custom<'_>,
        notes: &mut Notes,
    ) -> Result<bool, ContractError> {
        match server.kind.as_str() {
            "s3" => self.s3 = Some(s3(path, server, custom)?),
            "kinesis" => self.stream = Some(stream(custom)?),
            "redshift" => self.warehouse = warehouse(server),
            "custom" => match queue(path, custom)? {
                Some(queue) => self.queue = Some(queue),
                None => return Ok(false),
            },
            kind => {
                let what = format!("server {:?} of type {kind} is not Penstock's", server.server);
                notes.not_enforced(path, &what);
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Default for WarehouseServer {
    fn default() -> Self {
        Self { database: Template::new("${DATABASE}"), schema: Template::new("tgt") }
    }
}

fn s3(path: &str, server: &Server, custom: &mut Custom<'_>) -> Result<S3Server, ContractError> {
    let location = server
        .location
        .as_deref()
        .map(Template::new)
        .ok_or_else(|| ContractError::at(path, "an s3 server needs a location".into()))?;
    location
        .placeholder_text()
        .map_err(|error| error.to_string())
        .and_then(|text| Glob::parse(&text).map_err(|error| error.to_string()))
        .map_err(|reason| ContractError::at(&format!("{path}.location"), reason))?;
    let format = format(path, server)?;
    let (delimiter, between) = delimiters(path, format, server)?;
    let csv = csv_options(path, format, between, custom)?;
    let compression = custom.choice(
        "compression",
        &[
            ("auto", Compression::Auto),
            ("none", Compression::None),
            ("gzip", Compression::Gzip),
            ("zstd", Compression::Zstd),
        ],
    )?;
    Ok(S3Server { location, format, delimiter, csv, compression: compression.unwrap_or_default() })
}

fn format(path: &str, server: &Server) -> Result<Option<Format>, ContractError> {
    Ok(Some(match server.format.as_deref() {
        None => return Ok(None),
        Some("json") => Format::Json,
        Some("csv") => Format::Csv,
        Some("parquet") => Format::Parquet,
        Some("avro") => Format::Avro,
        Some("binary") => Format::Binary,
        Some(other) => {
            return Err(ContractError::at(
                &format!("{path}.format"),
                format!("must be json, csv, parquet, avro or binary, not {other:?}"),
            ));
        }
    }))
}

/// `delimiter` as JSON's and as CSV's; without a format it may be either.
fn delimiters(
    path: &str,
    format: Option<Format>,
    server: &Server,
) -> Result<(Delimiter, Option<u8>), ContractError> {
    let Some(text) = server.delimiter.as_deref() else { return Ok((Delimiter::Auto, None)) };
    let (takes_json, takes_csv) = match format {
        None => (true, true),
        Some(format) => (format == Format::Json, format == Format::Csv),
    };
    let expected = match (text, one_character(text)) {
        ("new_line", _) if takes_json => return Ok((Delimiter::NewLine, None)),
        ("array", _) if takes_json => return Ok((Delimiter::Array, None)),
        (_, Some(character)) if takes_csv => return Ok((Delimiter::Auto, Some(character))),
        _ if takes_json && takes_csv => {
            "must be new_line or array for json, one ASCII character or tab for csv"
        }
        _ if takes_json => "must be new_line or array for json",
        _ if takes_csv => "must be one ASCII character or tab for csv",
        _ => "has no effect for this format",
    };
    Err(ContractError::at(&format!("{path}.delimiter"), format!("{expected}, not {text:?}")))
}

/// A byte that can stand between or around fields.
fn one_character(text: &str) -> Option<u8> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Some(b'\t'),
        [one] if one.is_ascii() && !b"\r\n\0".contains(one) => Some(*one),
        _ => None,
    }
}

fn csv_options(
    path: &str,
    format: Option<Format>,
    delimiter: Option<u8>,
    custom: &mut Custom<'_>,
) -> Result<CsvOptions, ContractError> {
    let at = format!("{path}.customProperties");
    let nulls = custom.texts("nullText")?;
    let header = custom.choice("header", &[("names", CsvHeader::Names), ("none", CsvHeader::None)])?;
    let quote = custom.texts("quote")?;
    let multiline = custom.flag("multiline")?;
    let set = [
        ("nullText", nulls.is_some()),
        ("header", header.is_some()),
        ("quote", quote.is_some()),
        ("multiline", multiline.is_some()),
    ];
    if let (Some((name, _)), Some(Format::Json | Format::Parquet | Format::Avro | Format::Binary)) =
        (set.iter().find(|(_, is_set)| *is_set), format)
    {
        return Err(ContractError::at(
            &at,
            format!("penstock.{name} has no effect for a format other than csv"),
        ));
    }
    let quote = match quote.as_deref() {
        None => Some(b'"'),
        Some(["" | "none"]) => None,
        Some([text]) if one_character(text).is_some() => one_character(text),
        Some(_) => {
            return Err(ContractError::at(&at, "penstock.quote must be one ASCII character or none".into()));
        }
    };
    let is_delimiter = |quote: u8| delimiter.map_or(b",\t".contains(&quote), |own| own == quote);
    if quote.is_some_and(is_delimiter) {
        return Err(ContractError::at(&at, "penstock.quote is the delimiter too".into()));
    }
    Ok(CsvOptions {
        delimiter,
        header: header.unwrap_or_default(),
        quote,
        null_texts: nulls.unwrap_or_default().into_iter().map(str::to_owned).collect(),
        multiline: multiline.unwrap_or(true),
    })
}

fn stream(custom: &mut Custom<'_>) -> Result<StreamServer, ContractError> {
    let aggregate = custom.choice("aggregate", &[("none", Aggregate::None), ("kpl", Aggregate::Kpl)])?;
    Ok(StreamServer {
        stream_name: custom.text("streamName")?.map(Template::new),
        delivery_stream: custom.text("deliveryStream")?.map(Template::new),
        aggregate: aggregate.unwrap_or_default(),
    })
}

fn queue(path: &str, custom: &mut Custom<'_>) -> Result<Option<QueueServer>, ContractError> {
    let url = custom.text("queueUrl")?.map(Template::new);
    let groups = custom.number("groups", 1..=1_000_000)?;
    let rows = custom.number("rowsPerMessage", 1..=10_000)?;
    if url.is_none() && (groups.is_some() || rows.is_some()) {
        return Err(ContractError::at(&format!("{path}.customProperties"), "needs penstock.queueUrl".into()));
    }
    let small = |value: Option<u64>, default| value.and_then(|n| u32::try_from(n).ok()).unwrap_or(default);
    Ok(url.map(|url| QueueServer {
        url,
        groups: small(groups, DEFAULT_GROUPS),
        rows_per_message: small(rows, DEFAULT_ROWS_PER_MESSAGE),
    }))
}

fn warehouse(server: &Server) -> WarehouseServer {
    let default = WarehouseServer::default();
    WarehouseServer {
        database: server.database.as_deref().map_or(default.database, Template::new),
        schema: server.schema.as_deref().map_or(default.schema, Template::new),
    }
}

#[cfg(test)]
#[path = "servers_tests.rs"]
mod tests;
