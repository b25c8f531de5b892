//! How a dataset lies in the lake: the columns of its files, and the folder of a row. Knows no bytes of Parquet.

use crate::contract::{Contract, PhysicalType};
use crate::ident::HexId;
use crate::row::{DELETED, MAX_ORDER_BYTES, MAX_SOURCE_BYTES, ORDER, RECORD_ID, ROW_HASH, SOURCE};

/// What Hive and Spark write for NULL, and for an empty text.
const NULL_PARTITION: &str = "__HIVE_DEFAULT_PARTITION__";

/// Columns, partitions and names of a dataset's files.
#[derive(Debug, Clone)]
pub struct Layout {
    dataset: String,
    columns: Vec<LakeColumn>,
    partitions: Vec<LakeColumn>,
    has_stamps: bool,
}

/// A column of the files, or of the folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeColumn {
    /// Name in the lake, as in the warehouse.
    pub name: String,
    /// Type in the warehouse; stamps are texts and a boolean.
    pub ty: PhysicalType,
    /// Whether it is never NULL.
    pub required: bool,
    pub(super) cell: Cell,
}

/// Where a column's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// A column of the contract.
    Column(usize),
    RecordId,
    RowHash,
    Order,
    Source,
    Deleted,
}

impl Layout {
    /// How the contract's dataset lies in the lake.
    pub fn new(contract: &Contract) -> Self {
        let column = |i: usize| {
            let own = contract.columns.get(i)?;
            let (name, cell) = (own.physical.as_str().to_owned(), Cell::Column(i));
            Some(LakeColumn { name, ty: own.ty, required: own.required, cell })
        };
        let in_files = (0..contract.columns.len()).filter(|i| !contract.partitions.contains(i));
        let has_stamps = contract.lake.has_stamps;
        Self {
            dataset: contract.dataset.clone(),
            columns: in_files.filter_map(column).chain(stamps().into_iter().filter(|_| has_stamps)).collect(),
            partitions: contract.partitions.iter().filter_map(|i| column(*i)).collect(),
            has_stamps,
        }
    }

    /// The dataset: the first folder of every file.
    pub fn dataset(&self) -> &str {
        &self.dataset
    }

    /// Columns of the files, in their order; those of the partitions are not in the files.
    pub fn columns(&self) -> &[LakeColumn] {
        &self.columns
    }

    /// Columns of the folders, in their order.
    pub fn partitions(&self) -> &[LakeColumn] {
        &self.partitions
    }

    /// Whether the files have the stamps and the source of their rows.
    pub fn has_stamps(&self) -> bool {
        self.has_stamps
    }

    /// Appends the folders of a row, `name=value/` for each partition column; `value` gives the canonical text of a
    /// column of the contract. As in Hive an empty text is in the folder of NULL, and so is read as NULL: a path has no
    /// other place for it.
    pub fn push_folders<'v>(&self, value: impl Fn(usize) -> Option<&'v str>, folders: &mut String) {
        for LakeColumn { name, cell, .. } in &self.partitions {
            let Cell::Column(at) = *cell else { continue };
            folders.push_str(name);
            folders.push('=');
            match value(at) {
                None | Some("") => folders.push_str(NULL_PARTITION),
                Some(text) => push_escaped(text, folders),
            }
            folders.push('/');
        }
    }

    /// Key of a source's file in the lake's bucket.
    pub fn file(&self, folders: &str, source_id: &HexId, number: u32) -> String {
        format!("{}/{folders}part-{source_id}-{number:05}.parquet", self.dataset)
    }
}

/// What the rows are known by, behind their columns.
fn stamps() -> [LakeColumn; 5] {
    let column = |name: &str, ty, cell| LakeColumn { name: name.to_owned(), ty, required: true, cell };
    [
        column(RECORD_ID, PhysicalType::Char(32), Cell::RecordId),
        column(ROW_HASH, PhysicalType::Char(32), Cell::RowHash),
        column(ORDER, PhysicalType::Varchar(MAX_ORDER_BYTES as u32), Cell::Order),
        column(SOURCE, PhysicalType::Varchar(MAX_SOURCE_BYTES as u32), Cell::Source),
        column(DELETED, PhysicalType::Boolean, Cell::Deleted),
    ]
}

/// As Hive and Spark escape a value in a path: ASCII that paths, globs or they themselves give a meaning.
fn push_escaped(text: &str, out: &mut String) {
    const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let is_special = |c: char| c < ' ' || matches!(c, '\u{7f}') || "\"#%'*/:=?\\{[]^".contains(c);
    for c in text.chars() {
        if is_special(c) {
            let code = c as usize;
            out.extend(['%', HEX[code >> 4 & 15], HEX[code & 15]]);
        } else {
            out.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::contract;

    const COLUMNS: [&str; 4] = [
        "name: Id, physicalName: id, logicalType: integer, required: true",
        "name: b, logicalType: string, partitioned: true, partitionKeyPosition: 2",
        "name: a, logicalType: date, partitioned: true, partitionKeyPosition: 1",
        "name: n, logicalType: number, physicalType: 'numeric(9,2)'",
    ];

    fn layout(custom: &str) -> Layout {
        Layout::new(&contract(custom, &COLUMNS))
    }

    fn names(columns: &[LakeColumn]) -> Vec<&str> {
        columns.iter().map(|column| column.name.as_str()).collect()
    }

    #[test]
    fn partition_columns_are_folders_and_the_stamps_follow_the_columns() {
        let own = layout("");
        assert_eq!(names(own.partitions()), ["a", "b"]);
        let stamped = ["id", "n", "_record_id", "_row_hash", "_order", "_source", "_deleted"];
        assert_eq!(names(own.columns()), stamped);
        let bare = layout("{property: penstock.lakeStamps, value: false}");
        assert_eq!(names(bare.columns()), ["id", "n"]);
        assert!(bare.columns()[0].required && !bare.columns()[1].required);
    }

    #[test]
    fn a_value_is_escaped_as_hive_does_it() {
        let own = layout("");
        let folders = |b: Option<&'static str>| {
            let mut out = String::new();
            own.push_folders(|at| if at == 1 { b } else { Some("2026-01-02") }, &mut out);
            out
        };
        for (value, want) in [
            (None, "__HIVE_DEFAULT_PARTITION__"),
            (Some(""), "__HIVE_DEFAULT_PARTITION__"),
            (Some("Köln, (Süd) 3"), "Köln, (Süd) 3"),
            (Some("a/b=c:d%e"), "a%2Fb%3Dc%3Ad%25e"),
            (Some("\n\u{1f}\u{7f}\"#'*?\\{[]^"), "%0A%1F%7F%22%23%27%2A%3F%5C%7B%5B%5D%5E"),
            (Some("..}|<>~"), "..}|<>~"),
        ] {
            assert_eq!(folders(value), format!("a=2026-01-02/b={want}/"));
        }
    }

    #[test]
    fn a_file_is_named_by_its_source_and_its_number() {
        let id = super::super::source_id("bucket", "a/b.csv");
        assert_eq!(layout("").file("a=1/", &id, 7), format!("t/a=1/part-{id}-00007.parquet"));
    }
}
