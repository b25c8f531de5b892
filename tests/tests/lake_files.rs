//! The lake's Parquet files as other programs read them: pyarrow and DuckDB find every value, type and partition, and
//! statistics that hold.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use penstock_core::contract::Contract;
use penstock_core::decode;
use penstock_core::ident;
use penstock_core::ingest::{Batch, Ingest, Progress};
use penstock_core::lake::{Layout, Limits, Piece, Writers, source_id};
use penstock_core::row::{Checker, Origin};
use penstock_tests::{lake_python, workspace_root};
use serde_json::Value;

const ROOMY: Limits = Limits { memory_bytes: 64 << 20, row_group_bytes: 32 << 20, max_partitions: 50 };

/// A column, the types that pyarrow and DuckDB are to see, and values: as JSON and as these read it.
type Wanted = (&'static str, &'static str, &'static str, [(&'static str, &'static str); 3]);

const COLUMNS: [Wanted; 17] = [
    ("smallint", "int16", "SMALLINT", [("-32768", "-32768"), ("32767", "32767"), ("0", "0")]),
    (
        "integer",
        "int32",
        "INTEGER",
        [("-2147483648", "-2147483648"), ("2147483647", "2147483647"), ("-1", "-1")],
    ),
    (
        "bigint",
        "int64",
        "BIGINT",
        [
            ("-9223372036854775808", "-9223372036854775808"),
            ("9223372036854775807", "9223372036854775807"),
            ("-1", "-1"),
        ],
    ),
    (
        "numeric(9,2)",
        "decimal128(9, 2)",
        "DECIMAL(9,2)",
        [("-9999999.99", "-9999999.99"), ("9999999.99", "9999999.99"), ("0.1", "0.10")],
    ),
    (
        "numeric(18,18)",
        "decimal128(18, 18)",
        "DECIMAL(18,18)",
        [
            ("-0.999999999999999999", "-0.999999999999999999"),
            ("0.999999999999999999", "0.999999999999999999"),
            ("0.000000000000000001", "0.000000000000000001"),
        ],
    ),
    (
        "numeric(19,2)",
        "decimal128(19, 2)",
        "DECIMAL(19,2)",
        [
            ("-99999999999999999.99", "-99999999999999999.99"),
            ("99999999999999999.99", "99999999999999999.99"),
            ("-0.01", "-0.01"),
        ],
    ),
    (
        "numeric(38,10)",
        "decimal128(38, 10)",
        "DECIMAL(38,10)",
        [
            ("-9999999999999999999999999999.9999999999", "-9999999999999999999999999999.9999999999"),
            ("9999999999999999999999999999.9999999999", "9999999999999999999999999999.9999999999"),
            ("5", "5.0000000000"),
        ],
    ),
    ("real", "float", "FLOAT", [("-3.4028235e38", "-3.4028235e38"), ("1e-45", "1e-45"), ("0.1", "0.1")]),
    (
        "double precision",
        "double",
        "DOUBLE",
        [("-1.7976931348623157e308", "-1.7976931348623157e308"), ("5e-324", "5e-324"), ("0.1", "0.1")],
    ),
    ("boolean", "bool", "BOOLEAN", [("true", "true"), ("false", "false"), ("true", "true")]),
    (
        "varchar(65535)",
        "string",
        "VARCHAR",
        [("\"\"", ""), ("\"a\\u0001\\n\\\"ß\"", "a\u{1}\n\"ß"), ("\"\\udbff\\udfff\"", "\u{10ffff}")],
    ),
    ("char(4)", "string", "VARCHAR", [("\"\"", ""), ("\"~~~~\"", "~~~~"), ("\" a  \"", " a")]),
    (
        "date",
        "date32[day]",
        "DATE",
        [
            ("\"0001-01-01\"", "0001-01-01"),
            ("\"9999-12-31\"", "9999-12-31"),
            ("\"1969-12-31\"", "1969-12-31"),
        ],
    ),
    (
        "time",
        "time64[us]",
        "TIME",
        [
            ("\"00:00:00\"", "00:00:00"),
            ("\"23:59:59.999999\"", "23:59:59.999999"),
            ("\"12:30:00\"", "12:30:00"),
        ],
    ),
    (
        "timestamp",
        "timestamp[us]",
        "TIMESTAMP",
        [
            ("\"0001-01-01T00:00:00\"", "0001-01-01 00:00:00"),
            ("\"9999-12-31T23:59:59.999999\"", "9999-12-31 23:59:59.999999"),
            ("\"1969-12-31T23:59:59.999999\"", "1969-12-31 23:59:59.999999"),
        ],
    ),
    (
        "timestamptz",
        "timestamp[us, tz=UTC]",
        "TIMESTAMP WITH TIME ZONE",
        [
            ("\"0001-01-01T00:00:00Z\"", "0001-01-01 00:00:00+00"),
            ("\"9999-12-31T23:59:59.999999Z\"", "9999-12-31 23:59:59.999999+00"),
            ("\"1970-01-01T00:00:00+01:00\"", "1969-12-31 23:00:00+00"),
        ],
    ),
    ("varbyte(1000)", "binary", "BLOB", [("\"\"", ""), ("\"00FF80\"", "00ff80"), ("\"c3a4\"", "c3a4")]),
];

fn contract(columns: &[String]) -> Contract {
    let columns: String = columns.iter().map(|column| format!("      - {{{column}}}\n")).collect();
    let text = format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.0.0\nstatus: active\n\
         servers: [{{server: landing, type: s3, location: 's3://b/t/*', format: json}}]\nschema:\n  - name: t\n    \
         customProperties: [{{property: penstock.lakeStamps, value: false}}]\n    properties:\n{columns}"
    );
    Contract::parse(&text).unwrap()
}

/// Writes the files of NDJSON below a folder.
fn write(contract: &Contract, lines: &str, limits: Limits, folder: &Path) {
    write_source(contract, ("t/1.json", lines), limits, folder);
}

/// The same of a source with this key.
fn write_source(contract: &Contract, (key, lines): (&str, &str), limits: Limits, folder: &Path) {
    let checker = Arc::new(Checker::compile(Arc::new(contract.clone())).unwrap());
    let origin = Origin::new(format!("s3://b/{key}"), ident::stable_id([key]), 1);
    let mut ingest = Ingest::new(checker, origin, decode::Limits::default()).unwrap();
    let layout = Layout::new(contract);
    let mut writers = Writers::new(&layout, source_id("b", key), limits).unwrap();
    let (mut batch, mut bytes) = (Batch::default(), lines.as_bytes());
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut keep = |pieces: Vec<Piece>| {
        for piece in pieces {
            files.entry(piece.file).or_default().extend(piece.bytes);
        }
    };
    loop {
        let taken = ingest.step(bytes, &mut batch).unwrap();
        bytes = &bytes[taken..];
        let is_done = bytes.is_empty() && ingest.finish(&mut batch).unwrap() == Progress::Done;
        assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
        writers.push(&mut ingest, &mut batch).unwrap();
        batch.clear();
        keep(writers.pieces());
        if is_done {
            break;
        }
    }
    keep(writers.finish().unwrap());
    for (name, bytes) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// What pyarrow and DuckDB read.
fn read(folder: &Path) -> Value {
    let script = workspace_root().join("tests/python/lake_files.py");
    let output = Command::new(lake_python().unwrap()).arg(script).arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["statistics"], serde_json::json!([]));
    read
}

/// Texts of a column.
fn column(read: &Value, reader: &str, name: &str) -> Vec<Option<String>> {
    let values = read[reader]["columns"][name].as_array().unwrap_or_else(|| panic!("{reader}: no {name}"));
    values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

#[test]
fn pyarrow_and_duckdb_read_the_extremes_of_every_type() {
    for required in [true, false] {
        let columns = COLUMNS.iter().enumerate();
        let columns: Vec<_> = columns
            .map(|(i, own)| format!("name: c{i}, physicalType: '{}', required: {required}", own.0))
            .collect();
        let rows = (0..3).map(|row| {
            let members = COLUMNS.iter().enumerate().map(|(i, own)| format!("\"c{i}\":{}", own.3[row].0));
            format!("{{{}}}\n", members.collect::<Vec<_>>().join(","))
        });
        let nulls = if required { "" } else { "{}\n" };
        let lines = rows.collect::<String>() + nulls;
        let folder = tempfile::tempdir().unwrap();
        write(&contract(&columns), &lines, ROOMY, folder.path());
        let read = read(folder.path());
        for (i, (physical, arrow, duck, values)) in COLUMNS.iter().enumerate() {
            let name = format!("c{i}");
            assert_eq!(read["pyarrow"]["types"][&name], *arrow, "{physical}");
            assert_eq!(read["duckdb"]["types"][&name], *duck, "{physical}");
            let texts = values.iter().map(|value| Some(value.1.to_owned()));
            let wanted: Vec<_> = texts.chain((!required).then_some(None)).collect();
            for reader in ["pyarrow", "duckdb"] {
                assert_eq!(column(&read, reader, &name), wanted, "{reader}: {physical}");
            }
        }
        let told = read["pyarrow"]["required"].as_array().unwrap().len();
        assert_eq!(told, if required { COLUMNS.len() } else { 0 });
    }
}

#[test]
fn partitions_are_read_as_they_were_written() {
    let columns =
        ["name: id, physicalType: integer", "name: p, physicalType: varchar(99), partitioned: true"];
    let values = ["a/b=c:d", "100% \"x\" 'y'", "Köln + Süd", "..", "\u{1}\t?#*[]{}^\\", "~"];
    let mut lines: String = values
        .iter()
        .enumerate()
        .map(|(i, value)| serde_json::json!({"id": i, "p": value}).to_string() + "\n")
        .collect();
    lines.push_str("{\"id\":6,\"p\":null}\n");
    let folder = tempfile::tempdir().unwrap();
    write(&contract(&columns.map(str::to_owned)), &lines, ROOMY, folder.path());
    let read = read(folder.path());
    let wanted: BTreeMap<_, _> =
        (0..7).map(|i| (Some(i.to_string()), values.get(i).map(|value| (*value).to_owned()))).collect();
    for reader in ["pyarrow", "duckdb"] {
        let ids = column(&read, reader, "id").into_iter();
        assert_eq!(ids.zip(column(&read, reader, "p")).collect::<BTreeMap<_, _>>(), wanted, "{reader}");
    }
}

#[test]
fn files_of_an_older_and_a_newer_contract_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let own = |columns: &[&str]| contract(&columns.iter().map(|own| (*own).to_owned()).collect::<Vec<_>>());
    let older = own(&[
        "name: id, physicalType: integer, required: true",
        "name: text, physicalType: varchar(3)",
        "name: gone, physicalType: date",
        "name: p, physicalType: varchar(9), partitioned: true",
    ]);
    let newer = own(&[
        "name: added, physicalType: 'numeric(9,1)'",
        "name: id, physicalType: bigint, required: true",
        "name: text, physicalType: varchar(9)",
        "name: p, physicalType: varchar(9), partitioned: true",
    ]);
    let before =
        "{\"id\":-2147483648,\"text\":\"abc\",\"gone\":\"2026-01-02\",\"p\":\"x\"}\n{\"id\":2,\"p\":\"y\"}\n";
    let after = "{\"id\":9223372036854775807,\"text\":\"abcdefghi\",\"added\":0.5,\"p\":\"x\"}\n{\"id\":3,\"p\":\"y\"}\n";
    write_source(&older, ("t/old.json", before), ROOMY, folder.path());
    write_source(&newer, ("t/new.json", after), ROOMY, folder.path());
    let read = read(folder.path());
    let wanted = [
        ["-2147483648", "abc", "2026-01-02", "-", "x"],
        ["2", "-", "-", "-", "y"],
        ["3", "-", "-", "-", "y"],
        ["9223372036854775807", "abcdefghi", "-", "0.5", "x"],
    ];
    for (reader, widest) in [("pyarrow", "int64"), ("duckdb", "BIGINT")] {
        assert_eq!(read[reader]["types"]["id"], widest, "{reader}");
        let columns = ["id", "text", "gone", "added", "p"].map(|name| column(&read, reader, name));
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let mut rows: Vec<Vec<String>> =
            (0..columns[0].len()).map(|row| columns.iter().map(|own| text(&own[row])).collect()).collect();
        rows.sort();
        assert_eq!(rows, wanted, "{reader}");
    }
}

/// Columns that stay in their dictionary, leave it late, leave it at once, and have none; each row has its number.
fn varied(row: u64) -> [Option<String>; 7] {
    let mixed =
        (row + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xa076_1d64_78bd_642f);
    let name = |n: u64| format!("a name that is not short at all: {:08}", mixed % n);
    [
        Some(row.to_string()),
        Some(["red", "green", "blue"][(mixed % 3) as usize].to_owned()),
        (!mixed.is_multiple_of(7)).then(|| name(40_000)),
        Some(format!("{mixed:016x}")),
        (!mixed.is_multiple_of(5)).then(|| (mixed % 1000).to_string()),
        Some(format!("{}.{:02}", mixed % 100_000, mixed % 100)),
        (row % 40_000 > 30_000).then(|| mixed.is_multiple_of(2).to_string()),
    ]
}

#[test]
fn many_rows_of_every_cardinality_are_read_whole_and_found_by_their_values() {
    const ROWS: u64 = 150_000;
    let types = ["bigint", "varchar(9)", "varchar(99)", "char(16)", "smallint", "numeric(18,2)", "boolean"];
    let columns: Vec<_> =
        types.iter().enumerate().map(|(i, own)| format!("name: c{i}, physicalType: '{own}'")).collect();
    let lines: String = (0..ROWS)
        .map(|row| {
            let members = varied(row).into_iter().enumerate().filter_map(|(i, value)| {
                let quote = if matches!(i, 1..=3) { "\"" } else { "" };
                Some(format!("\"c{i}\":{quote}{}{quote}", value?))
            });
            format!("{{{}}}\n", members.collect::<Vec<_>>().join(","))
        })
        .collect();
    let small = Limits { row_group_bytes: 3 << 20, ..ROOMY };
    for (limits, fewest_files) in [(ROOMY, 1), (small, 1), (Limits { memory_bytes: 1 << 20, ..ROOMY }, 2)] {
        let folder = tempfile::tempdir().unwrap();
        write(&contract(&columns), &lines, limits, folder.path());
        let files = std::fs::read_dir(folder.path().join("t")).unwrap().count();
        assert!(files >= fewest_files, "{files} files");
        let read = read(folder.path());
        for reader in ["pyarrow", "duckdb"] {
            let mut rows: Vec<Option<[Option<String>; 7]>> = vec![None; ROWS as usize];
            let columns: Vec<_> = (0..7).map(|i| column(&read, reader, &format!("c{i}"))).collect();
            for (at, row) in columns[0].iter().enumerate() {
                let row: usize = row.as_ref().unwrap().parse().unwrap();
                rows[row] = Some(std::array::from_fn(|i| columns[i][at].clone()));
            }
            let is_right = |row: &usize| rows[*row].as_ref() == Some(&varied(*row as u64));
            let wrong: BTreeSet<_> = (0..rows.len()).filter(|row| !is_right(row)).take(3).collect();
            assert!(columns[0].len() == rows.len() && wrong.is_empty(), "{reader}: {wrong:?}");
        }
        for i in 0..7 {
            let name = format!("c{i}");
            let all = column(&read, "duckdb", &name);
            let first = all.iter().flatten().next().unwrap();
            let count = all.iter().flatten().filter(|own| *own == first).count();
            assert_eq!(read["duckdb"]["found"][&name].as_u64(), Some(count as u64), "{name}");
        }
    }
}
