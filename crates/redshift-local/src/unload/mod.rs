//! UNLOAD: the rows of a query into files, a file a partition, and the files to the local S3. Files are written to
//! disk first: nothing is kept but the rows of one Parquet row group. Knows neither HTTP nor the statement's text.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aws_sdk_s3::primitives::ByteStream;
use futures_util::{TryStreamExt, pin_mut};
use serde_json::json;
use tempfile::NamedTempFile;
use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::types::Type;

mod csv;
mod parquet;

use crate::load::Failure;
use crate::postgres::{ResultColumn, Session};
use crate::s3::{S3, Url};
use crate::sql::{SqlError, Unload, UnloadFormat};

/// Each partition has a file open.
const MAX_PARTITIONS: usize = 500;
/// What Hive calls a partition of NULL.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

enum Writer {
    Csv(csv::Csv),
    Parquet(Box<parquet::Parquet>),
}

struct Part {
    file: NamedTempFile,
    writer: Writer,
    rows: u64,
}

struct Plan<'a> {
    unload: &'a Unload,
    /// Which columns of the query are written.
    written: Vec<usize>,
    /// Which columns of the query name the folder.
    folders: Vec<(usize, String)>,
    names: Vec<String>,
    shapes: Vec<parquet::Shape>,
}

/// Writes everything and gives the number of rows.
pub async fn run(s3: &S3, session: &Session, unload: &Unload) -> Result<u64, Failure> {
    s3.check()?;
    let to = Url::parse(&unload.to).ok_or_else(|| SqlError::syntax("the S3 URL has no bucket"))?;
    let found = s3.list(&to).await?;
    if !found.is_empty() && !unload.overwrites && !unload.cleans {
        let text = "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, \
            manually removing the target files in S3, or using the ALLOWOVERWRITE option.";
        return Err(SqlError::new("XX000", text).into());
    }
    let columns = session.result_columns(&unload.query).await?;
    let plan = Plan::new(unload, &columns)?;
    let mut parts = BTreeMap::new();
    if plan.folders.is_empty() {
        parts.insert(String::new(), plan.part()?);
    }
    let stream = session.stream(&unload.query).await?;
    pin_mut!(stream);
    let mut rows = 0;
    while let Some(message) = stream.try_next().await? {
        if let SimpleQueryMessage::Row(row) = message {
            let fields: Vec<_> =
                columns.iter().enumerate().map(|(i, c)| shown(row.get(i), &c.pg_type)).collect();
            plan.write(&fields, &mut parts)?;
            rows += 1;
        }
    }
    if unload.cleans {
        clean(s3, found, &parts, &to, &plan).await?;
    }
    upload(s3, &to, parts, &plan).await?;
    Ok(rows)
}

/// A value as Redshift writes it.
fn shown(text: Option<&str>, pg_type: &Type) -> Option<String> {
    let text = text?;
    Some(match *pg_type {
        Type::JSONB | Type::JSON => crate::result_set::compact(text),
        Type::BYTEA => text.trim_start_matches("\\x").to_owned(),
        _ => text.to_owned(),
    })
}

fn disk(error: impl std::fmt::Display) -> SqlError {
    SqlError::new("58030", format!("UNLOAD cannot write a file: {error}"))
}

impl<'a> Plan<'a> {
    fn new(unload: &'a Unload, columns: &[ResultColumn]) -> Result<Self, SqlError> {
        let at = |name: &String| {
            let at = columns.iter().position(|column| column.name == *name);
            at.map(|at| (at, name.clone())).ok_or_else(|| {
                SqlError::new("42703", format!("the PARTITION BY column \"{name}\" is none of the query's"))
            })
        };
        let folders = unload.partition_by.iter().map(at).collect::<Result<Vec<_>, _>>()?;
        let stays = |i: &usize| unload.keeps_partition_columns || folders.iter().all(|(at, _)| at != i);
        let written: Vec<_> = (0..columns.len()).filter(stays).collect();
        if written.is_empty() {
            return Err(SqlError::refused("PARTITION BY all columns", "one must stay in the files"));
        }
        let kept: Vec<_> = written.iter().filter_map(|i| columns.get(*i).cloned()).collect();
        let shapes = match unload.format {
            UnloadFormat::Parquet => parquet::shapes(&kept)?,
            UnloadFormat::Csv { .. } => Vec::new(),
        };
        let names = kept.into_iter().map(|column| column.name).collect();
        Ok(Self { unload, written, folders, names, shapes })
    }

    fn part(&self) -> Result<Part, SqlError> {
        let file = NamedTempFile::new().map_err(disk)?;
        let open = file.reopen().map_err(disk)?;
        let writer = match &self.unload.format {
            UnloadFormat::Parquet => {
                let writer = parquet::Parquet::new(open, &self.names, &self.shapes).map_err(disk)?;
                Writer::Parquet(Box::new(writer))
            }
            UnloadFormat::Csv { delimiter, has_header, null_as, is_gzip } => {
                let mut writer = csv::Csv::new(open, *delimiter, null_as, *is_gzip);
                if *has_header {
                    writer.write(self.names.iter().map(|name| Some(name.as_str()))).map_err(disk)?;
                }
                Writer::Csv(writer)
            }
        };
        Ok(Part { file, writer, rows: 0 })
    }

    fn write(&self, fields: &[Option<String>], parts: &mut BTreeMap<String, Part>) -> Result<(), SqlError> {
        let value = |i: &usize| fields.get(*i).and_then(Option::as_deref);
        let mut folder = String::new();
        for (i, name) in &self.folders {
            // Writing into a String cannot fail.
            write!(folder, "{name}={}/", escaped(value(i).unwrap_or(NULL_PARTITION))).ok();
        }
        if !parts.contains_key(&folder) {
            if parts.len() >= MAX_PARTITIONS {
                let text = format!("UNLOAD into more than {MAX_PARTITIONS} partitions");
                return Err(SqlError::unsupported(text));
            }
            parts.insert(folder.clone(), self.part()?);
        }
        let Some(part) = parts.get_mut(&folder) else { return Ok(()) };
        part.rows += 1;
        let written = self.written.iter().map(value);
        match &mut part.writer {
            Writer::Csv(writer) => writer.write(written).map_err(disk),
            Writer::Parquet(writer) => writer.write(written).map_err(disk),
        }
    }

    /// The folder's place under the prefix.
    fn folder(&self, to: &Url, folder: &str) -> String {
        let slash =
            if self.folders.is_empty() || to.key.is_empty() || to.key.ends_with('/') { "" } else { "/" };
        format!("{}{slash}{folder}", to.key)
    }

    fn file_name(&self) -> String {
        let end = match &self.unload.format {
            UnloadFormat::Parquet => ".parquet",
            UnloadFormat::Csv { is_gzip: true, .. } => ".gz",
            UnloadFormat::Csv { .. } => "",
        };
        format!("{}{end}", if self.unload.is_serial { "000" } else { "0000_part_00" })
    }
}

/// What a key's part may hold, as Hive writes it.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if c.is_control() || "\"#%'*/:=?\\{[]^".contains(c) {
            // Only ASCII is in the list, and control characters are told by their code.
            write!(out, "%{:02X}", u32::from(c)).ok();
        } else {
            out.push(c);
        }
    }
    out
}

/// Removes what was there: all of it, or with partitions only in the folders that are written.
async fn clean(
    s3: &S3,
    found: Vec<(Url, u64)>,
    parts: &BTreeMap<String, Part>,
    to: &Url,
    plan: &Plan<'_>,
) -> Result<(), SqlError> {
    let folders: Vec<_> = parts.keys().map(|folder| plan.folder(to, folder)).collect();
    for (url, _) in found {
        if folders.iter().any(|folder| url.key.starts_with(folder)) {
            s3.delete(&url).await?;
        }
    }
    Ok(())
}

async fn upload(s3: &S3, to: &Url, parts: BTreeMap<String, Part>, plan: &Plan<'_>) -> Result<(), SqlError> {
    let mut entries = Vec::new();
    for (folder, part) in parts {
        match part.writer {
            Writer::Csv(writer) => writer.finish().map_err(disk)?,
            Writer::Parquet(writer) => writer.finish().map_err(disk)?,
        }
        let bytes = part.file.as_file().metadata().map_err(disk)?.len();
        let url = to.with_key(format!("{}{}", plan.folder(to, &folder), plan.file_name()));
        s3.put(&url, ByteStream::from_path(part.file.path()).await.map_err(disk)?).await?;
        let meta = json!({ "content_length": bytes, "record_count": part.rows });
        entries.push(json!({ "url": url.to_string(), "meta": meta }));
    }
    if plan.unload.writes_manifest {
        let manifest = json!({ "entries": entries }).to_string();
        let url = to.with_key(format!("{}manifest", plan.folder(to, "")));
        s3.put(&url, manifest.into_bytes().into()).await?;
    }
    Ok(())
}
