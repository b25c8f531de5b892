//! Rows as their route takes them: messages of the FIFO queue, records of the stream, or files for COPY. They wait here
//! until all of a part are judged, because a part is sent, and noted, as one. Sends nothing.

use std::io::Write;
use std::sync::Arc;

use flate2::write::GzEncoder;
use penstock_core::contract::{Compression, Contract, QueueServer};
use penstock_core::decode::{Inflate, Limits};
use penstock_core::ident;
use penstock_core::parts::PartWriter;
use penstock_core::queue::{Message, Packer};
use penstock_core::reject::Violation;
use penstock_core::row::{Origin, Row};
use s3_to_kinesis::sink::Stream;

use super::stream::Records;

/// Where rows go, by the function that rejected them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The FIFO queue.
    Queue,
    /// The stream.
    Stream,
    /// The stage bucket.
    Copy,
}

/// Names of the functions in keys of the quarantine.
const FUNCTIONS: [(&str, Way); 4] = [
    ("s3-to-sqs-fifo", Way::Queue),
    ("sqs-fifo-to-redshift", Way::Queue),
    ("s3-to-kinesis", Way::Stream),
    ("s3-to-redshift-copy", Way::Copy),
];

impl Way {
    /// The way behind the function that wrote a part, by the part's key.
    pub fn of_part(key: &str) -> Option<Self> {
        Self::of_function(key).map(|(_, way)| way)
    }

    /// The function that wrote a part, and the way behind it.
    pub fn of_function(key: &str) -> Option<(&'static str, Self)> {
        let name = key.rsplit('/').next()?;
        let is_of = |function: &str| name.strip_prefix(function).is_some_and(|rest| rest.starts_with('-'));
        FUNCTIONS.into_iter().find(|(function, _)| is_of(function))
    }
}

/// Who makes files of whole sources: single records have no way back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileMaker {
    /// s3-to-lake.
    Function,
    /// The Glue job.
    Job,
}

impl FileMaker {
    /// By the key of its part of the quarantine.
    pub fn of_part(key: &str) -> Option<Self> {
        let name = key.rsplit('/').next().unwrap_or(key);
        let makers = [("s3-to-lake-", Self::Function), ("json-to-parquet-", Self::Job)];
        makers.into_iter().find(|(own, _)| name.starts_with(own)).map(|(_, maker)| maker)
    }
}

/// Rows of one object that wait.
pub enum Outbox<'a> {
    /// Messages, and rows that do not fill one yet.
    Queue(Box<Packer<'a>>, Vec<Message>),
    /// Records of the stream.
    Stream(Box<Records>, &'a Contract),
    /// Files.
    Copy(Box<Files>),
}

/// Files of rows, gzip as Firehose's are: the Glue job reads the stage bucket, too, and no zstd.
pub struct Files {
    parts: PartWriter,
    /// Full ones, with their names; still zstd.
    full: Vec<(String, Vec<u8>)>,
    /// Identity and content of the rows since the last full one.
    ids: Vec<String>,
    rows: u64,
}

/// What is sent.
pub enum Packed {
    /// To the queue, in order.
    Messages(Vec<Message>),
    /// To the stream.
    Records(Box<Records>),
    /// Into the stage bucket, by name; rows of all of them.
    Files(Vec<(String, Vec<u8>)>, u64),
}

impl<'a> Outbox<'a> {
    /// For the rows of one object; a dataset without the server that its way needs has none. `stream` is the dataset's,
    /// where it is known by now.
    pub fn of(
        way: Way,
        contract: &'a Contract,
        origin: &'a Origin,
        stream: Option<Arc<Stream>>,
    ) -> Option<Self> {
        Some(match way {
            Way::Queue => {
                let queue: &QueueServer = contract.queue.as_ref()?;
                Self::Queue(Box::new(Packer::new(contract, queue, origin)), Vec::new())
            }
            Way::Stream => {
                contract.stream.as_ref()?.stream_name.as_ref()?;
                Self::Stream(Box::new(Records::new(contract, origin.source.clone(), stream)), contract)
            }
            Way::Copy => Self::Copy(Box::new(Files {
                parts: PartWriter::new(contract, origin.source.clone()),
                full: Vec::new(),
                ids: Vec::new(),
                rows: 0,
            })),
        })
    }

    /// Adds a row, or tells why its route takes none like it.
    pub fn push(&mut self, row: Row<'_>) -> Result<(), Violation> {
        match self {
            Self::Queue(packer, messages) => messages.extend(packer.push(row)?),
            Self::Stream(records, contract) => records.push(row, contract)?,
            Self::Copy(files) => files.push(row)?,
        }
        Ok(())
    }

    /// What is to be sent: the same of the same rows.
    pub fn finish(self) -> Result<Packed, String> {
        Ok(match self {
            Self::Queue(mut packer, mut messages) => {
                messages.extend(packer.finish());
                Packed::Messages(messages)
            }
            Self::Stream(records, _) => Packed::Records(records),
            Self::Copy(mut files) => {
                let last = files.parts.cut();
                files.close(last);
                let repacked =
                    files.full.into_iter().map(|(name, zstd)| gzipped(&zstd).map(|gzip| (name, gzip)));
                Packed::Files(repacked.collect::<Result<_, String>>()?, files.rows)
            }
        })
    }
}

impl Files {
    fn push(&mut self, row: Row<'_>) -> Result<(), Violation> {
        let full = self.parts.push(row)?;
        let stamp = row.stamp();
        self.ids.extend([stamp.record_id.to_string(), stamp.row_hash.to_string(), stamp.order.to_owned()]);
        self.rows += 1;
        self.close(full);
        Ok(())
    }

    /// A file is named by its rows: sent again, it takes its own place.
    fn close(&mut self, file: Option<Vec<u8>>) {
        if let Some(bytes) = file {
            let id = ident::stable_id(self.ids.iter().map(String::as_str));
            self.full.push((format!("{id}.json.gz"), bytes));
            self.ids.clear();
        }
    }
}

/// The same bytes of the same rows.
fn gzipped(zstd: &[u8]) -> Result<Vec<u8>, String> {
    // Our own packing: no ratio of it is a fault.
    let limits = Limits { free_bytes: u64::MAX, ..Limits::default() };
    let mut inflate = Inflate::new(Compression::Zstd, limits);
    let (mut plain, mut rest) = (Vec::new(), zstd);
    let mut take = |piece: &[u8]| plain.extend_from_slice(piece);
    while !rest.is_empty() {
        let taken = inflate.step(rest, &mut take).map_err(|broken| broken.to_string())?;
        rest = rest.get(taken..).unwrap_or_default();
    }
    inflate.finish(&mut take).map_err(|broken| broken.to_string())?;
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&plain).map_err(|error| error.to_string())?;
    encoder.finish().map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_tells_the_way_of_its_records() {
        let way = |name: &str| Way::of_part(&format!("customers/0123/{name}"));
        assert_eq!(way("s3-to-redshift-copy-000000.jsonl.gz"), Some(Way::Copy));
        assert_eq!(way("s3-to-redshift-copy-s000001-000000.jsonl.gz"), Some(Way::Copy));
        assert_eq!(way("sqs-fifo-to-redshift-000000.jsonl.gz"), Some(Way::Queue));
        assert_eq!(way("s3-to-sqs-fifo-000001.jsonl.gz"), Some(Way::Queue));
        assert_eq!(way("s3-to-kinesis-000000.jsonl.gz"), Some(Way::Stream));
        assert_eq!(way("reader-000000.jsonl.gz"), None);
        assert_eq!(way("s3-to-lake-000000.jsonl.gz"), None);
    }

    #[test]
    fn parts_of_who_makes_files_of_whole_sources_are_known() {
        for (name, maker) in [
            ("s3-to-lake-000000.jsonl.gz", Some(FileMaker::Function)),
            ("json-to-parquet-s000001-000000.jsonl.gz", Some(FileMaker::Job)),
            ("s3-to-kinesis-000000.jsonl.gz", None),
            ("reader-000000.jsonl.gz", None),
        ] {
            assert_eq!(FileMaker::of_part(&format!("s3-to-lake-x/0123/{name}")), maker, "{name}");
        }
    }

    #[test]
    fn a_file_is_gzip_of_the_same_lines_and_the_same_each_time() {
        let lines = "{\"a\":\"1\"}\n".repeat(100_000);
        let packed = penstock_core::parts::packed(&lines).unwrap();
        let gzip = gzipped(&packed).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(gzip.as_slice()), &mut text).unwrap();
        assert!(text == lines && gzip == gzipped(&packed).unwrap());
        assert!(gzipped(b"no zstd").is_err());
    }

    #[test]
    fn a_file_of_rows_is_gzip_of_their_lines() {
        let contract = "{apiVersion: v3.1.0, kind: DataContract, id: t, version: 1.0.0, status: active, \
            servers: [{server: landing, type: s3, location: 's3://b/t/*', format: json}], \
            schema: [{name: t, properties: [{name: a, physicalType: integer}]}]}";
        let contract = penstock_core::contract::Contract::parse(contract).unwrap();
        let checker = penstock_core::row::Checker::compile(contract.clone().into()).unwrap();
        let (mut rows, mut session) =
            (penstock_core::row::Rows::default(), penstock_core::row::Session::default());
        let origin = Origin::new("s3://b/t/1", ident::stable_id(["1"]), 1_767_322_800_000);
        let mut parts = PartWriter::new(&contract, "s3://b/t/1");
        for position in 0..20_000 {
            let place = penstock_core::row::Place::Object { origin: &origin, position };
            let record = format!("{{\"a\":{position}}}");
            checker.check_json(&mut session, record.as_bytes(), &place, &mut rows).unwrap();
        }
        rows.iter().for_each(|row| assert_eq!(parts.push(row).unwrap(), None));
        let gzip = gzipped(&parts.finish().unwrap()).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(gzip.as_slice()), &mut text).unwrap();
        let first = |line: &str| line.split(",\"_record_id\"").next().unwrap().to_owned();
        assert_eq!(text.lines().count(), 20_000);
        assert!(text.lines().enumerate().all(|(i, line)| first(line) == format!("{{\"a\":\"{i}\"")));
    }
}
