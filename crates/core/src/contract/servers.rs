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

/// Where a dataset's objects lie and how they are written.
#[derive(Debug, Clone)]
pub struct S3Server {
    /// Glob over `s3://bucket/key`.
    pub location: Template,
    /// Format of the objects.
    pub format: Format,
    /// For JSON.
    pub delimiter: Delimiter,
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

/// The streams of a dataset.
#[derive(Debug, Clone)]
pub struct StreamServer {
    /// Kinesis stream.
    pub stream: Option<Template>,
    /// Firehose stream that delivers it.
    pub delivery_stream: Option<Template>,
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
            "s3" => self.s3 = Some(s3(path, server, custom, notes)?),
            "kinesis" => self.stream = Some(kinesis(path, custom, notes)?),
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

fn s3(
    path: &str,
    server: &Server,
    custom: &mut Custom<'_>,
    notes: &mut Notes,
) -> Result<S3Server, ContractError> {
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
    if format != Format::Json {
        notes.not_built(path, "format other than json");
    }
    let delimiter = delimiter(path, format, server)?;
    file_options(path, custom, notes)?;
    Ok(S3Server { location, format, delimiter })
}

fn format(path: &str, server: &Server) -> Result<Format, ContractError> {
    Ok(match server.format.as_deref() {
        Some("json") | None => Format::Json,
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
    })
}

fn delimiter(path: &str, format: Format, server: &Server) -> Result<Delimiter, ContractError> {
    match (format, server.delimiter.as_deref()) {
        (Format::Json, Some("new_line")) => Ok(Delimiter::NewLine),
        (Format::Json, Some("array")) => Ok(Delimiter::Array),
        (Format::Json, Some(other)) => Err(ContractError::at(
            &format!("{path}.delimiter"),
            format!("must be new_line or array for json, not {other:?}"),
        )),
        _ => Ok(Delimiter::Auto),
    }
}

/// Options of formats that no function reads yet; checked now, so that a contract is right when they come.
fn file_options(path: &str, custom: &mut Custom<'_>, notes: &mut Notes) -> Result<(), ContractError> {
    let set = [
        custom.texts("nullText")?.is_some(),
        custom.choice("header", &[("names", ()), ("none", ())])?.is_some(),
        custom.text("quote")?.is_some(),
        custom.flag("multiline")?.is_some(),
    ];
    if set.contains(&true) {
        notes.not_built(path, "options for csv");
    }
    let compression =
        custom.choice("compression", &[("auto", true), ("none", false), ("gzip", false), ("zstd", false)])?;
    if compression == Some(false) {
        notes.not_enforced(path, "penstock.compression: it is found out from the bytes");
    }
    Ok(())
}

fn kinesis(path: &str, custom: &mut Custom<'_>, notes: &mut Notes) -> Result<StreamServer, ContractError> {
    let stream = custom.text("streamName")?.map(Template::new);
    let delivery_stream = custom.text("deliveryStream")?.map(Template::new);
    custom.choice("aggregate", &[("none", ()), ("kpl", ())])?;
    notes.not_built(path, "the stream route");
    Ok(StreamServer { stream, delivery_stream })
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
