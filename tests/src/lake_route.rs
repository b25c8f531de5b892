//! The lake route as a test has it: buckets, queues, and the function as a bootstrap, its S3 behind a gate. It knows the
//! function by its binary, and the lake by its Parquet files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use anyhow::{Context as _, bail, ensure};
use bytes::Bytes;
use parquet::data_type::Decimal;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::copy_route::batch;
use crate::s3_gate::S3Gate;
use crate::stream_route::given_back;
use crate::{Bootstrap, Bucket, MiniStack, Queue};

/// The function.
pub const LAKER: &str = "s3-to-lake";

/// The lake route of one test.
#[derive(Debug)]
pub struct LakeRoute {
    /// Where files are dropped.
    pub landing: Bucket,
    /// Where Firehose writes stamped rows.
    pub stage: Bucket,
    /// Receipts and notes.
    pub work: Bucket,
    /// Rejects.
    pub quarantine: Bucket,
    /// The lake.
    pub lake: Bucket,
    /// The queue that messages would come from.
    pub queue: Queue,
    /// The queue of what starts Glue jobs.
    pub glue_queue: Queue,
    /// Between the function and S3.
    pub gate: S3Gate,
    /// Variables of the function.
    pub vars: Vec<(String, String)>,
    /// The function.
    pub laker: Bootstrap,
    /// The function reads its contracts when it starts, and again when it is started again.
    contracts: TempDir,
}

/// What is in a file of the lake.
#[derive(Debug, Clone, PartialEq)]
pub struct LakeFile {
    /// Its schema, one column a line.
    pub columns: Vec<String>,
    /// Its rows as JSON.
    pub rows: Vec<Value>,
}

impl LakeRoute {
    /// The route with the contracts of a directory, and more variables for the function.
    pub async fn with_settings(contracts: TempDir, settings: &[(&str, &str)]) -> anyhow::Result<Self> {
        let cloud = MiniStack::shared().await?;
        let gate = S3Gate::before(cloud.endpoint()).await?;
        let mut buckets = Vec::new();
        for name in ["landing", "stage", "work", "quarantine", "lake"] {
            buckets.push(cloud.create_bucket(name).await?);
        }
        let [landing, stage, work, quarantine, lake] =
            <[Bucket; 5]>::try_from(buckets).ok().context("five buckets")?;
        let (queue, glue_queue) = (cloud.create_queue("lake").await?, cloud.create_queue("glue").await?);
        let mut vars = cloud.function_vars();
        for (name, value) in [
            ("AWS_ENDPOINT_URL_S3", gate.endpoint.clone()),
            ("CONTRACTS_DIR", contracts.path().display().to_string()),
            ("LANDING_BUCKET", landing.name.clone()),
            ("STAGE_BUCKET", stage.name.clone()),
            ("WORK_BUCKET", work.name.clone()),
            ("QUARANTINE_BUCKET", quarantine.name.clone()),
            ("LAKE_BUCKET", lake.name.clone()),
            ("LAKE_QUEUE_URL", queue.url.clone()),
            ("GLUE_QUEUE_URL", glue_queue.url.clone()),
        ] {
            vars.push((name.to_owned(), value));
        }
        vars.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let laker = Bootstrap::start(LAKER, vars.clone()).await?;
        Ok(Self { landing, stage, work, quarantine, lake, queue, glue_queue, gate, vars, laker, contracts })
    }

    /// Another process of the function.
    pub async fn another(&self) -> anyhow::Result<Bootstrap> {
        Bootstrap::start(LAKER, self.vars.clone()).await
    }

    /// A contract in place of the one of that name, for functions that start from now on.
    pub fn replace_contract(&self, name: &str, text: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.contracts.path().join(format!("{name}.odcs.yaml")), text)?)
    }

    /// Has the function take a batch of messages; the numbers of those that it gives back.
    pub async fn take(&self, messages: &[Value]) -> anyhow::Result<Vec<usize>> {
        given_back(&self.laker.invoke(&batch(messages)).await?)
    }

    /// Puts an object into the landing bucket and has the function take it; it may not be given back.
    pub async fn convert(&self, key: &str, body: impl Into<Vec<u8>>) -> anyhow::Result<Value> {
        let message = self.landing.put_for_event(key, body).await?;
        let given_back = self.take(std::slice::from_ref(&message)).await?;
        ensure!(given_back.is_empty(), "{key} was given back");
        Ok(message)
    }

    /// All files of a dataset in the lake, by key.
    pub async fn files(&self, dataset: &str) -> anyhow::Result<BTreeMap<String, LakeFile>> {
        let mut files = BTreeMap::new();
        for key in self.lake.list(&format!("{dataset}/")).await? {
            let file = read(self.lake.get(&key).await?).with_context(|| key.clone())?;
            files.insert(key, file);
        }
        Ok(files)
    }

    /// The values of some columns of all rows of a dataset, in order; a partition's column is told by the folder.
    pub async fn rows(&self, dataset: &str, columns: &[&str]) -> anyhow::Result<Vec<String>> {
        let mut rows = Vec::new();
        for (key, file) in self.files(dataset).await? {
            let folders: BTreeMap<&str, &str> =
                key.split('/').filter_map(|folder| folder.split_once('=')).collect();
            for row in &file.rows {
                let value = |name: &&str| match (row.get(*name), folders.get(name)) {
                    (Some(Value::String(text)), _) => text.clone(),
                    (Some(value), _) => value.to_string(),
                    (None, Some(folder)) => (*folder).to_owned(),
                    (None, None) => "-".to_owned(),
                };
                rows.push(columns.iter().map(value).collect::<Vec<_>>().join("|"));
            }
        }
        rows.sort();
        Ok(rows)
    }

    /// The receipts, by source's key; each must balance.
    pub async fn receipts(&self) -> anyhow::Result<Vec<Value>> {
        let mut receipts = Vec::new();
        for key in self.work.list("receipts/").await? {
            let receipt: Value = serde_json::from_slice(&self.work.get(&key).await?)?;
            let count = |name: &str| receipt[name].as_u64().unwrap_or(u64::MAX / 8);
            let accounted = count("rejected") + count("duplicate") + count("sent");
            ensure!(count("read") == accounted, "{key} does not balance: {receipt}");
            receipts.push(receipt);
        }
        Ok(receipts)
    }

    /// Every line of the quarantine bucket, keys in order.
    pub async fn quarantined(&self) -> anyhow::Result<Vec<Value>> {
        let mut lines = Vec::new();
        for key in self.quarantine.list("").await? {
            let mut text = String::new();
            let packed = self.quarantine.get(&key).await?;
            flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text)?;
            for line in text.lines() {
                lines.push(serde_json::from_str(line).with_context(|| key.clone())?);
            }
        }
        Ok(lines)
    }

    /// The notes of all sources.
    pub async fn notes(&self) -> anyhow::Result<Vec<(String, Value)>> {
        let mut notes = Vec::new();
        for key in self.work.list("lake/").await? {
            let note = serde_json::from_slice(&self.work.get(&key).await?)?;
            notes.push((key, note));
        }
        Ok(notes)
    }

    /// Has every lease that is held end now, as it does when its time is over.
    pub async fn end_leases(&self) -> anyhow::Result<()> {
        for (key, mut note) in self.notes().await? {
            if note["until_ms"] != 0 {
                note["until_ms"] = 1.into();
                self.work.put(&key, note.to_string()).await?;
            }
        }
        Ok(())
    }

    /// Holds the lake to the notes: what is there is what they name, and nobody holds a lease.
    pub async fn check_notes(&self) -> anyhow::Result<()> {
        let mut named = BTreeSet::new();
        for (key, note) in self.notes().await? {
            ensure!(note["until_ms"] == 0, "{key} is held: {note}");
            let files = note["files"].as_array().into_iter().flatten();
            named.extend(files.filter_map(|file| file.as_str().map(str::to_owned)));
        }
        let there: BTreeSet<String> = self.lake.list("").await?.into_iter().collect();
        ensure!(named == there, "named {named:?}, there {there:?}");
        Ok(())
    }
}

/// A Parquet file as another reader than ours reads it.
fn read(bytes: Vec<u8>) -> anyhow::Result<LakeFile> {
    let reader = SerializedFileReader::new(Bytes::from(bytes))?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let columns = schema.columns().iter().map(|column| {
        let own = column.self_type().get_basic_info();
        let logical = own.logical_type_ref().map(|ty| format!(" {ty:?}")).unwrap_or_default();
        format!("{} {:?} {:?}{logical}", column.name(), own.repetition(), column.physical_type())
    });
    let rows = reader.get_row_iter(None)?.map(|row| {
        let row = row?;
        let members = row.get_column_iter().map(|(name, field)| Ok((name.clone(), value(field)?)));
        Ok(Value::Object(members.collect::<anyhow::Result<_>>()?))
    });
    Ok(LakeFile { columns: columns.collect(), rows: rows.collect::<anyhow::Result<_>>()? })
}

/// A value to its last digit: times in microseconds, days since 1970, decimals as texts, bytes in hex.
fn value(field: &Field) -> anyhow::Result<Value> {
    Ok(match field {
        Field::Null => Value::Null,
        Field::Bool(own) => json!(own),
        Field::Short(own) => json!(own),
        Field::Int(own) | Field::Date(own) => json!(own),
        Field::Long(own) | Field::TimeMicros(own) | Field::TimestampMicros(own) => json!(own),
        Field::Float(own) => json!(own),
        Field::Double(own) => json!(own),
        Field::Str(own) => json!(own),
        Field::Bytes(own) => json!(own.data().iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
        Field::Decimal(own) => json!(decimal(own)),
        other => bail!("the lake has no values like {other:?}"),
    })
}

fn decimal(own: &Decimal) -> String {
    let negative = own.data().first().is_some_and(|byte| byte & 0x80 != 0);
    let start = if negative { -1i128 } else { 0 };
    let unscaled = own.data().iter().fold(start, |sum, byte| sum << 8 | i128::from(*byte));
    let (digits, scale) = (unscaled.unsigned_abs().to_string(), usize::try_from(own.scale()).unwrap_or(0));
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, rest) = digits.split_at(digits.len() - scale);
    let sign = if negative { "-" } else { "" };
    if rest.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{rest}") }
}
