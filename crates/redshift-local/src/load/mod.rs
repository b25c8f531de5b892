//! COPY: finds the objects, turns each into rows, and hands them to PostgreSQL inside the caller's transaction.
//! Objects are streamed; what a row may not hold is decided here, so that an error has a file, a line and a column.
//! Knows neither HTTP nor how the statement was written.

use bytes::Bytes;
use futures_util::{SinkExt, pin_mut};
use tokio_postgres::CopyInSink;

mod columns;
mod delimited;
mod inflate;
mod journal;
mod json;
mod nested;
mod numbers;
mod parquet;
mod rows;
mod sources;
mod target;
mod times;

pub use journal::abandon;

use crate::postgres::{Postgres, Session};
use crate::s3::{Object, S3};
use crate::sql::{Copy, Format, SqlError};
use inflate::Inflate;
use journal::{Figures, Journal};
use rows::Rows;
use sources::Source;

/// How much of an object is unpacked at a time: little, because it can grow a thousandfold.
const PIECE_BYTES: usize = 16 * 1024;
/// Rows are sent in pieces of about this size.
const SEND_BYTES: usize = 256 * 1024;

/// Where a COPY runs.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// Where the objects are.
    pub s3: &'a S3,
    /// For the journal.
    pub postgres: &'a Postgres,
    /// The caller's, with its transaction.
    pub session: &'a Session,
    /// Its database.
    pub database: &'a str,
    /// The statement's number.
    pub query_id: i64,
    /// The call's number.
    pub transaction_id: i64,
    /// The session's process.
    pub pid: i64,
}

/// Why a COPY did not end well.
#[derive(Debug)]
pub enum Failure {
    /// In the words that the caller reads.
    Sql(SqlError),
    /// As PostgreSQL said it.
    Postgres(tokio_postgres::Error),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error)
    }
}

impl Load<'_> {
    /// Loads everything and gives the number of rows; `pause` is waited for before the rows are there.
    pub async fn run(
        &self,
        copy: &Copy,
        prologue: &str,
        pause: impl Future<Output = ()>,
    ) -> Result<u64, Failure> {
        self.s3.check()?;
        let columns = target::columns(self.session, copy).await?;
        let journal = Journal::start(self, copy).await.map_err(internal)?;
        let mut rows = Rows {
            columns: &columns,
            conversion: &copy.conversion,
            file: String::new(),
            out: Vec::new(),
            loaded: 0,
            errors: Vec::new(),
            max_errors: copy.max_errors,
        };
        let mut figures = Figures::default();
        let outcome = match self.session.execute(prologue).await {
            Ok(()) => self.load(copy, &mut rows, &mut figures, pause).await,
            Err(error) => Err(error.into()),
        };
        figures.rows = rows.loaded;
        let noted = journal.end(self, copy, outcome.is_ok(), &figures, &rows.errors).await;
        outcome?;
        noted.map_err(internal)?;
        let count = format!(
            "SELECT set_config('redshift_local.copy_count', '{}', false), \
             set_config('redshift_local.copy_id', '{}', false)",
            rows.loaded, self.query_id
        );
        self.session.execute(&count).await?;
        Ok(rows.loaded)
    }

    async fn load(
        &self,
        copy: &Copy,
        rows: &mut Rows<'_>,
        figures: &mut Figures,
        pause: impl Future<Output = ()>,
    ) -> Result<(), Failure> {
        let sources = sources::find(self.s3, copy).await?;
        let sink = self.session.copy_in(&target::copy_from_stdin(copy, rows.columns)).await?;
        pin_mut!(sink);
        for source in &sources {
            let Some(object) = self.open(source).await? else { continue };
            figures.files += 1;
            figures.bytes += object.bytes;
            rows.file = source.url.to_string();
            let mut out = Out { sink: sink.as_mut() };
            match &copy.format {
                Format::Parquet => parquet::read(object, rows, &mut out).await?,
                _ => text(copy, object, rows, &mut out).await?,
            }
            if rows.is_lost() {
                let text = format!("Load into table '{}' failed.", copy.table_name);
                let hint = "Check 'sys_load_error_detail' system table for details.";
                return Err(SqlError::new("XX000", format!("{text} {hint}")).into());
            }
            out.send(rows).await?;
        }
        if figures.files == 0 {
            let detail = Some(format!("manifest: {}", copy.source));
            let error = SqlError::new("XX000", "No files were found: no object of the manifest exists");
            return Err(SqlError { detail, ..error }.into());
        }
        pause.await;
        sink.finish().await?;
        Ok(())
    }

    /// The object, unless it may be missing and is.
    async fn open(&self, source: &Source) -> Result<Option<Object>, Failure> {
        let wrong = |message: String| {
            let detail = Some(format!("object: {}", source.url));
            Err(SqlError { detail, ..SqlError::new("XX000", message) }.into())
        };
        match self.s3.get(&source.url).await? {
            None if source.is_mandatory => wrong(
                "S3ServiceException:The specified key does not exist.,Status 404,Error NoSuchKey".into(),
            ),
            None => Ok(None),
            Some(object) if source.bytes.is_some_and(|bytes| bytes != object.bytes) => wrong(format!(
                "the manifest's content_length is {}, the object has {} bytes",
                source.bytes.unwrap_or_default(),
                object.bytes
            )),
            Some(object) => Ok(Some(object)),
        }
    }
}

fn internal(error: crate::Error) -> SqlError {
    SqlError::new("XX000", crate::http::chain(&error))
}

/// Where the rows go.
struct Out<'a> {
    sink: std::pin::Pin<&'a mut CopyInSink<Bytes>>,
}

impl Out<'_> {
    /// Sends what is ready.
    async fn send(&mut self, rows: &mut Rows<'_>) -> Result<(), tokio_postgres::Error> {
        if rows.out.is_empty() {
            return Ok(());
        }
        self.sink.send(Bytes::from(std::mem::take(&mut rows.out))).await
    }
}

/// What reads an object that is no Parquet.
enum Reader {
    Json(json::Reader),
    Delimited(delimited::Reader),
}

impl Reader {
    fn push(&mut self, bytes: &[u8], rows: &mut Rows<'_>) {
        match self {
            Self::Json(reader) => reader.push(bytes, rows),
            Self::Delimited(reader) => reader.push(bytes, rows),
        }
    }

    fn end(&mut self, rows: &mut Rows<'_>) {
        match self {
            Self::Json(reader) => reader.end(rows),
            Self::Delimited(reader) => reader.end(rows),
        }
    }
}

async fn text(copy: &Copy, object: Object, rows: &mut Rows<'_>, out: &mut Out<'_>) -> Result<(), Failure> {
    let mut reader = match &copy.format {
        Format::Delimited(format) => Reader::Delimited(delimited::Reader::new(format.clone())),
        Format::Json { ignore_case } => Reader::Json(json::Reader::new(rows.columns, *ignore_case)),
        Format::Parquet => return Err(SqlError::unsupported("PARQUET as text").into()),
    };
    let file = rows.file.clone();
    // No line is at fault, so there is no line of SYS_LOAD_ERROR_DETAIL either.
    let broken = |reason: String| SqlError {
        detail: Some(format!("object: {file}")),
        ..SqlError::new("XX000", format!("The object cannot be read: {reason}"))
    };
    let packed = |error: std::io::Error| broken(error.to_string());
    let mut inflate = Inflate::new(copy.compression).map_err(packed)?;
    let mut body = object.body;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| broken(error.to_string()))?;
        for piece in chunk.chunks(PIECE_BYTES) {
            inflate.push(piece).map_err(packed)?;
            reader.push(&inflate.take(), rows);
            if rows.is_lost() {
                return Ok(());
            }
            if rows.out.len() >= SEND_BYTES {
                out.send(rows).await?;
            }
        }
    }
    inflate.finish().map_err(packed)?;
    reader.push(&inflate.take(), rows);
    if !rows.is_lost() {
        reader.end(rows);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::columns::{Column, Kind};
    use super::*;
    use crate::sql::{Conversion, Delimited};

    fn read(mut reader: Reader, columns: &[Column], pieces: &[&[u8]]) -> (String, Vec<(u64, i32)>) {
        let conversion = Conversion::default();
        let mut rows = Rows {
            columns,
            conversion: &conversion,
            file: String::new(),
            out: Vec::new(),
            loaded: 0,
            errors: Vec::new(),
            max_errors: 100,
        };
        for piece in pieces {
            reader.push(piece, &mut rows);
        }
        reader.end(&mut rows);
        let errors = rows.errors.iter().map(|error| (error.line, error.flaw.code)).collect();
        (String::from_utf8(rows.out).unwrap(), errors)
    }

    #[test]
    fn rows_do_not_depend_on_where_a_file_is_cut() {
        let column =
            |name: &str, kind| Column { name: name.into(), kind, is_required: false, is_identity: false };
        let columns = [column("a", Kind::Integer(32)), column("b", Kind::Varchar(40))];
        let json = "{\"a\":1,\"b\":\"é}\\\"{\"}\n\n{\"b\":{\"c\":[\"]\"]}} {\"a\":\"x\"}\n nonsense {}\n{\"a\":3}\n{";
        let csv = "1,\"é,\"\"\r\n\"\"\"\r\nx,y\n2,\n3\n4,z";
        let format =
            Delimited { delimiter: b',', quote: Some(b'"'), header_lines: 0, skips_blank_lines: false };
        let readers: [(&str, &dyn Fn() -> Reader, usize); 2] = [
            (json, &|| Reader::Json(json::Reader::new(&columns, false)), 3),
            (csv, &|| Reader::Delimited(delimited::Reader::new(format.clone())), 2),
        ];
        for (text, reader, flaws) in readers {
            let whole = read(reader(), &columns, &[text.as_bytes()]);
            assert_eq!(whole.1.len(), flaws, "{whole:?}");
            assert_eq!(whole.0.lines().count(), 3, "{whole:?}");
            for cut in 0..=text.len() {
                let (first, second) = text.as_bytes().split_at(cut);
                assert_eq!(read(reader(), &columns, &[first, second]), whole, "{cut}");
            }
            let single: Vec<_> = text.as_bytes().chunks(1).collect();
            assert_eq!(read(reader(), &columns, &single), whole);
        }
    }
}
