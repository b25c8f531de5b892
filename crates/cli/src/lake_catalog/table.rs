//! What a contract's files are as a table: where they lie, their columns and their partitions. The layout is the one that
//! the files are written by. Asks no service, and knows no SQL.

use penstock_core::contract::{Contract, Glob, LakeFormat, PhysicalType, S3Server};
use penstock_core::lake::{LakeColumn, Layout};

use super::types::HiveType;
use super::words::{COMMENT_BYTES, DESCRIPTION_BYTES, Name, Phrase};

/// The bucket that files of a dataset lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// What s3-to-lake writes.
    Lake,
    /// What Glue jobs write.
    Curated,
}

impl Home {
    /// Where files of the contract's dataset may be that are Parquet.
    pub fn of(contract: &Contract) -> Vec<Self> {
        if contract.is_binary() {
            return Vec::new();
        }
        // Without files of its own a dataset may still have objects in the stage bucket.
        let (lake, on_route) = (&contract.lake, contract.s3.as_ref().is_some_and(is_on_lake_route));
        let is_converted = lake.format != Some(LakeFormat::AsIs) && (on_route || lake.format.is_some());
        // A job takes stage objects, unless the lake has them; what it takes over from s3-to-lake is the lake's.
        let has_stage_objects = contract.stream.is_some() || !on_route;
        let is_curated = lake.glue_job.is_some() && lake.format.is_none() && has_stage_objects;
        let found = [(Self::Lake, is_converted), (Self::Curated, is_curated)];
        found.into_iter().filter_map(|(home, is_one)| is_one.then_some(home)).collect()
    }

    /// The variable that names the bucket.
    pub fn variable(self) -> &'static str {
        match self {
            Self::Lake => "LAKE_BUCKET",
            Self::Curated => "CURATED_BUCKET",
        }
    }

    /// Both may have a dataset's files, so their tables have different names.
    fn prefix(self) -> &'static str {
        match self {
            Self::Lake => "",
            Self::Curated => "curated_",
        }
    }
}

/// Whether a key of the lake route may be an object of the dataset.
fn is_on_lake_route(s3: &S3Server) -> bool {
    let Ok(text) = s3.location.placeholder_text() else { return false };
    let bucket = text.strip_prefix("s3://").and_then(|path| path.split('/').next()).unwrap_or_default();
    match (Glob::parse(&text), Glob::parse(&format!("s3://{bucket}/lake/**"))) {
        (Ok(own), Ok(route)) => own.overlaps(&route),
        _ => false,
    }
}

/// A dataset's files in one bucket, as a table.
#[derive(Debug)]
pub struct LakeTable<'c> {
    /// The contract.
    pub contract: &'c Contract,
    /// Name of the table.
    pub name: Name,
    /// `s3://bucket/dataset/`.
    pub location: String,
    /// What a row is.
    pub description: Option<Phrase>,
    /// Columns of the files, stamps included.
    pub columns: Vec<Field>,
    /// Columns of the folders.
    pub partitions: Vec<Field>,
    /// View of the newest version of each key, where rows have keys and stamps.
    pub latest: Option<Name>,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// A name of the warehouse: a-z, 0-9 and _.
    pub name: String,
    /// Its type in tables.
    pub ty: HiveType,
    /// Its type in the contract.
    pub contract_type: PhysicalType,
    /// What it holds, its unit and its classification.
    pub comment: Option<Phrase>,
    /// How its values are classified.
    pub classification: Option<Phrase>,
}

impl<'c> LakeTable<'c> {
    /// The table of a contract's files in a bucket; `None` where its name would be too long.
    pub fn new(contract: &'c Contract, home: Home, bucket: &str) -> Option<Self> {
        let layout = Layout::new(contract);
        let name = Name::of_folder(home.prefix(), layout.dataset())?;
        let is_versioned = layout.has_stamps() && !contract.key.is_empty();
        let fields = |columns: &[LakeColumn], ty: fn(PhysicalType) -> HiveType| -> Vec<Field> {
            columns.iter().map(|column| Field::of(contract, column, ty)).collect()
        };
        Some(Self {
            contract,
            latest: if is_versioned { Some(name.ending("_latest")?) } else { None },
            name,
            location: format!("s3://{bucket}/{}/", layout.dataset()),
            description: contract
                .description
                .as_deref()
                .and_then(|text| Phrase::new(text, DESCRIPTION_BYTES)),
            columns: fields(layout.columns(), HiveType::in_file),
            partitions: fields(layout.partitions(), HiveType::in_path),
        })
    }

    /// All columns, as a query without a list gives them.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.columns.iter().chain(&self.partitions)
    }
}

impl Field {
    fn of(contract: &Contract, column: &LakeColumn, ty: fn(PhysicalType) -> HiveType) -> Self {
        let own = contract.columns.iter().find(|own| own.physical.as_str() == column.name);
        let classification = own.and_then(|own| Phrase::new(own.classification.as_deref()?, COMMENT_BYTES));
        let hive = ty(column.ty);
        let description = own.map_or(stamp(&column.name), |own| own.description.as_deref());
        let unit = if hive == HiveType::in_file(column.ty) { HiveType::unit(column.ty) } else { None };
        let marks = [unit, classification.as_ref().map(Phrase::as_str)];
        // The classification first: a long text is cut at its end.
        let marks = marks.into_iter().flatten().map(|mark| format!("[{mark}] "));
        let comment = marks.collect::<String>() + description.unwrap_or_default();
        Self {
            name: column.name.clone(),
            ty: hive,
            contract_type: column.ty,
            comment: Phrase::new(&comment, COMMENT_BYTES),
            classification,
        }
    }
}

/// What Penstock's own columns hold.
fn stamp(name: &str) -> Option<&'static str> {
    Some(match name {
        "_record_id" => "Identity of the record: of its key, else of its place in its object.",
        "_row_hash" => "Hash of the row as it came.",
        "_order" => "Decides as a text which version of a row is the newer one.",
        "_source" => "Object that the row came from.",
        "_deleted" => "Whether the row says that its key is deleted.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(location: &str, servers: &str, custom: &str, columns: &str) -> Contract {
        Contract::parse(&text(location, servers, custom, columns)).unwrap()
    }

    fn text(location: &str, servers: &str, custom: &str, columns: &str) -> String {
        format!(
            "apiVersion: v3.1.0\nkind: DataContract\nid: t\nname: t\nversion: 1.0.0\nstatus: active\nservers:\n  \
             - {{server: l, type: s3, location: '{location}', format: json}}\n{servers}schema:\n  - name: Sensor-readings\n    physicalName: readings\n    \
             description: \"A 'row'.\"\n    customProperties: [{custom}]\n    properties:\n      \
             - {{name: id, logicalType: integer, required: true, primaryKey: true, description: Which one.}}\n{columns}"
        )
    }

    const JOB: &str = "{property: penstock.glueJob, value: job}";
    const STREAM: &str =
        "  - {server: k, type: kinesis, customProperties: [{property: penstock.streamName, value: s}]}\n";

    #[test]
    fn parquet_lies_where_the_lake_route_or_a_job_puts_it() {
        let homes = |location: &str, servers: &str, custom: &str| {
            Home::of(&contract(&format!("s3://${{LANDING_BUCKET}}/{location}"), servers, custom, ""))
        };
        let format = |format: &str| format!("{{property: penstock.lakeFormat, value: {format}}}");
        assert_eq!(homes("lake/t/*", "", ""), [Home::Lake]);
        assert_eq!(homes("*/t/*", "", ""), [Home::Lake]);
        assert_eq!(homes("copy/t/*", "", ""), []);
        assert_eq!(homes("lake/t/*", "", &format("as-is")), []);
        assert_eq!(homes("copy/t/*", "", &format("parquet")), [Home::Lake]);
        assert_eq!(homes("stream/t/*", STREAM, JOB), [Home::Curated]);
        assert_eq!(homes("lake/t/*", "", JOB), [Home::Lake]);
        assert_eq!(homes("*/t/*", STREAM, JOB), [Home::Lake, Home::Curated]);
        assert_eq!(homes("stream/t/*", STREAM, &format!("{JOB}, {}", format("parquet"))), [Home::Lake]);
    }

    #[test]
    fn rows_that_come_by_the_stream_alone_have_their_tables() {
        let homes = |custom: &str| {
            let server = "  - {server: l, type: s3, location: 'x', format: json}\n";
            let text = text("x", STREAM, custom, "");
            assert!(text.contains(server));
            Home::of(&Contract::parse(&text.replace(server, "")).unwrap())
        };
        assert_eq!(homes(""), []);
        assert_eq!(homes(JOB), [Home::Curated]);
        assert_eq!(homes(&format!("{JOB}, {{property: penstock.lakeFormat, value: parquet}}")), [Home::Lake]);
    }

    #[test]
    fn columns_are_told_with_unit_and_classification_and_partitions_stand_apart() {
        let columns = "      - {name: at, logicalType: time, classification: Confidential, description: When.}\n      \
            - {name: day, logicalType: timestamp, partitioned: true}\n";
        let contract = contract("s3://b/lake/t/*", "", "", columns);
        let table = LakeTable::new(&contract, Home::Curated, "bucket").unwrap();
        assert_eq!(
            (table.name.as_str(), table.location.as_str()),
            ("curated_sensor_readings", "s3://bucket/Sensor-readings/")
        );
        assert_eq!(table.description.unwrap().as_str(), "A ’row’.");
        let shown = |field: &Field| {
            let comment = field.comment.as_ref().map(Phrase::as_str).unwrap_or_default();
            format!("{} {} {comment}", field.name, field.ty)
        };
        let columns: Vec<_> = table.columns.iter().map(shown).collect();
        assert_eq!(
            columns[..2],
            ["id bigint Which one.", "at bigint [microseconds since midnight] [Confidential] When."]
        );
        let stamps: Vec<_> = table.columns[2..].iter().map(|own| own.name.as_str()).collect();
        assert_eq!(stamps, ["_record_id", "_row_hash", "_order", "_source", "_deleted"]);
        assert!(table.columns[2..].iter().all(|own| own.comment.is_some()));
        assert_eq!(table.partitions.iter().map(shown).collect::<Vec<_>>(), ["day string "]);
        assert_eq!(table.latest.unwrap().as_str(), "curated_sensor_readings_latest");
    }

    #[test]
    fn without_stamps_nobody_knows_the_newest_version() {
        let contract = contract("s3://b/lake/t/*", "", "{property: penstock.lakeStamps, value: false}", "");
        let table = LakeTable::new(&contract, Home::Lake, "bucket").unwrap();
        assert_eq!((table.columns.len(), table.latest), (1, None));
    }
}
