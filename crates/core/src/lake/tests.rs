//! Tests of the lake's files: what our own reader reads out of them is what went in, whatever the limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::statistics::Statistics;
use proptest::prelude::*;

use super::*;
use crate::contract::Contract;
use crate::decode::parquet::ParquetReader;
use crate::fixtures::{contract, contract_text, origin};
use crate::ingest::{Batch, Ingest, Progress};
use crate::row::{Checker, Place, Rows, Session};

/// Texts of a row, as they are read back.
type Texts = Vec<Option<String>>;
/// Rows of each folder, in their order.
type Folders = BTreeMap<String, Vec<Texts>>;

const ROOMY: super::Limits =
    super::Limits { memory_bytes: 64 << 20, row_group_bytes: 32 << 20, max_partitions: 100 };

const TYPES: [(&str, &str); 16] = [
    ("smallint", "integer"),
    ("integer", "integer"),
    ("bigint", "integer"),
    ("numeric(9,2)", "number"),
    ("numeric(18,18)", "number"),
    ("numeric(38,10)", "number"),
    ("real", "number"),
    ("double precision", "number"),
    ("boolean", "boolean"),
    ("varchar(65535)", "string"),
    ("char(4)", "string"),
    ("date", "date"),
    ("time", "time"),
    ("timestamp", "timestamp"),
    ("timestamptz", "timestamp"),
    ("varbyte(1000)", "string"),
];

fn columns(types: &[(&str, &str)], required: bool, partitions: &[usize]) -> Vec<String> {
    let column = |(i, (physical, logical)): (usize, &(&str, &str))| {
        let place = partitions.iter().position(|own| *own == i);
        let partitioned = place.map_or(String::new(), |place| {
            format!(", partitioned: true, partitionKeyPosition: {}", place + 1)
        });
        format!(
            "name: c{i}, logicalType: {logical}, physicalType: '{physical}', required: {required}{partitioned}"
        )
    };
    types.iter().enumerate().map(column).collect()
}

fn made(custom: &str, columns: &[String]) -> Contract {
    contract(custom, &columns.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Everything that the writers give for lines that are pushed in pieces of so many bytes; each line is a row.
fn write(
    contract: &Contract,
    lines: &[String],
    step: usize,
    limits: super::Limits,
) -> Result<Vec<Piece>, LakeError> {
    let checker = Arc::new(Checker::compile(Arc::new(contract.clone())).unwrap());
    let mut ingest = Ingest::new(checker, origin(), crate::decode::Limits::default()).unwrap();
    let layout = Layout::new(contract);
    let mut writers = Writers::new(&layout, source_id("b", "t/1.json"), limits)?;
    let (mut batch, mut pieces, mut rows) = (Batch::default(), Vec::new(), 0);
    let mut take = |ingest: &mut Ingest, batch: &mut Batch| {
        assert!(batch.rejects.is_empty(), "{:?}", batch.rejects);
        rows += batch.rows.len();
        writers.push(ingest, batch)?;
        pieces.extend(writers.pieces());
        batch.clear();
        Ok::<_, LakeError>(())
    };
    for mut bytes in lines.concat().as_bytes().chunks(step) {
        while !bytes.is_empty() {
            let taken = ingest.step(bytes, &mut batch).unwrap();
            take(&mut ingest, &mut batch)?;
            bytes = &bytes[taken..];
        }
    }
    while ingest.finish(&mut batch).unwrap() == Progress::More {
        take(&mut ingest, &mut batch)?;
    }
    take(&mut ingest, &mut batch)?;
    pieces.extend(writers.finish()?);
    assert_eq!(rows, lines.len());
    Ok(pieces)
}

/// The files that pieces make.
fn files(pieces: &[Piece]) -> BTreeMap<String, Vec<u8>> {
    let mut files: BTreeMap<String, (u32, bool, Vec<u8>)> = BTreeMap::new();
    for piece in pieces {
        let (next, is_whole, bytes) = files.entry(piece.file.clone()).or_default();
        assert!(!*is_whole && piece.number == *next, "{}: {}", piece.file, piece.number);
        assert!(piece.is_last || piece.bytes.len() >= MIN_PIECE_BYTES, "{}", piece.bytes.len());
        (*next, *is_whole) = (piece.number + 1, piece.is_last);
        bytes.extend_from_slice(&piece.bytes);
    }
    assert!(files.values().all(|(_, is_whole, _)| *is_whole));
    files.into_iter().map(|(name, (_, _, bytes))| (name, bytes)).collect()
}

fn json_rows(bytes: &[u8]) -> Vec<String> {
    let mut reader = ParquetReader::new(crate::decode::Limits::default());
    reader.push(bytes);
    reader.finish();
    let (mut rows, mut out) = (Vec::new(), String::new());
    while reader.next_record(&mut out).unwrap().is_some() {
        rows.push(out.clone());
    }
    rows
}

/// What our own reader and checker make of the files: canonical texts by folder.
fn read_back(types: &[(&str, &str)], partitions: &[usize], pieces: &[Piece]) -> Folders {
    let kept: Vec<_> = (0..types.len()).filter(|i| !partitions.contains(i)).collect();
    let all = columns(types, false, &[]);
    let contract = made("", &kept.iter().map(|i| all[*i].clone()).collect::<Vec<_>>());
    let checker = Checker::compile(Arc::new(contract)).unwrap();
    let mut folders = Folders::new();
    for (name, bytes) in files(pieces) {
        let (folder, file) = name.rsplit_once('/').unwrap();
        assert!(file.starts_with("part-") && file.ends_with(".parquet"), "{file}");
        let texts = json_rows(&bytes).into_iter().map(|record| {
            let (mut rows, mut session, origin) = (Rows::default(), Session::default(), origin());
            let place = Place::Object { origin: &origin, position: 0 };
            checker.check_json(&mut session, record.as_bytes(), &place, &mut rows).unwrap();
            let row = rows.get(0).unwrap();
            (0..kept.len()).map(|i| row.get(i).map(str::to_owned)).collect()
        });
        folders.entry(folder.to_owned()).or_default().extend(texts.collect::<Vec<Texts>>());
    }
    folders
}

/// The same of what was put in, by the checker alone.
fn expected(contract: &Contract, lines: &[String]) -> Folders {
    let checker = Checker::compile(Arc::new(contract.clone())).unwrap();
    let layout = Layout::new(contract);
    let (mut folders, origin) = (Folders::new(), origin());
    for line in lines {
        let (mut rows, mut session, mut name) = (Rows::default(), Session::default(), "t/".to_owned());
        let place = Place::Object { origin: &origin, position: 0 };
        checker.check_json(&mut session, line.trim_end().as_bytes(), &place, &mut rows).unwrap();
        let row = rows.get(0).unwrap();
        layout.push_folders(|i| row.get(i), &mut name);
        let kept = (0..contract.columns.len()).filter(|i| !contract.partitions.contains(i));
        let texts = kept.map(|i| row.get(i).map(str::to_owned)).collect();
        folders.entry(name.trim_end_matches('/').to_owned()).or_default().push(texts);
    }
    folders
}

fn line(values: &[Option<String>]) -> String {
    let members = values.iter().enumerate().map(|(i, value)| match value {
        Some(value) => format!("\"c{i}\":{value}"),
        None => format!("\"c{i}\":null"),
    });
    format!("{{{}}}\n", members.collect::<Vec<_>>().join(","))
}

const NO_STAMPS: &str = "{property: penstock.lakeStamps, value: false}";

/// Smallest, largest and usual values of all types, as JSON.
fn extremes() -> Vec<[String; 16]> {
    let (nines, long) = ("9".repeat(38), "\u{10ffff}ä\\\"\\n".repeat(6_000));
    let wide = format!("{}.{}", &nines[..28], &nines[28..]);
    let all = [
        ["-32768", "32767", "0"],
        ["-2147483648", "2147483647", "7"],
        ["-9223372036854775808", "9223372036854775807", "7"],
        ["-9999999.99", "9999999.99", "0.01"],
        ["-0.999999999999999999", "0.999999999999999999", "0.1"],
        [&format!("-{wide}"), &wide, "-0.0000000001"],
        ["-3.4028235e38", "1e-45", "0.1"],
        ["-1.7976931348623157e308", "5e-324", "0.1"],
        ["false", "true", "true"],
        ["\"\"", &serde_json::to_string(&long).unwrap(), "\"x\""],
        ["\"\"", "\"~~~~\"", "\" a\""],
        ["\"0001-01-01\"", "\"9999-12-31\"", "\"1969-12-31\""],
        ["\"00:00:00\"", "\"23:59:59.999999\"", "\"12:00:00.5\""],
        ["\"0001-01-01T00:00:00\"", "\"9999-12-31T23:59:59.999999\"", "\"1969-12-31T23:59:59.999999\""],
        ["\"0001-01-01T00:00:00Z\"", "\"9999-12-31T23:59:59.999999Z\"", "\"1970-01-01T00:00:00+01:00\""],
        ["\"\"", "\"00ff00ff\"", "\"c3a4\""],
    ];
    (0..3).map(|row| std::array::from_fn(|column| all[column][row].to_owned())).collect()
}

#[test]
fn the_extremes_of_every_type_come_back_required_or_not() {
    for required in [true, false] {
        let contract = made(NO_STAMPS, &columns(&TYPES, required, &[]));
        let mut rows: Vec<Texts> = extremes().into_iter().map(|row| row.map(Some).to_vec()).collect();
        if !required {
            rows.insert(1, vec![None; TYPES.len()]);
        }
        let lines: Vec<String> = rows.iter().map(|row| line(row)).collect();
        let pieces = write(&contract, &lines, 1 << 16, ROOMY).unwrap();
        assert_eq!(read_back(&TYPES, &[], &pieces), expected(&contract, &lines));
    }
}

#[test]
fn stamps_and_source_follow_the_columns_and_super_is_its_text() {
    let columns = ["name: a, logicalType: object".to_owned()];
    let contract = made("{property: penstock.deletedWhen, value: 'false'}", &columns);
    let lines = ["{\"a\":{\"b\": [1, \"x\"]}}\n".to_owned()];
    let pieces = write(&contract, &lines, 9, ROOMY).unwrap();
    let [piece] = pieces.as_slice() else { panic!("{} pieces", pieces.len()) };
    let row: serde_json::Value = serde_json::from_str(&json_rows(&piece.bytes)[0]).unwrap();
    assert_eq!(row["a"], "{\"b\":[1,\"x\"]}");
    assert_eq!(row["_source"], "s3://b/t/1.json");
    assert_eq!(row["_deleted"], false);
    for (name, len) in [("_record_id", 32), ("_row_hash", 32), ("_order", 13 + 1 + 32 + 1)] {
        assert!(row[name].as_str().unwrap().len() >= len, "{row}");
    }
}

#[test]
fn a_source_without_rows_has_no_file() {
    let contract = made("", &columns(&TYPES, false, &[]));
    assert!(write(&contract, &[], 1, ROOMY).unwrap().is_empty());
}

#[test]
fn too_many_partitions_and_a_key_that_s3_would_refuse_are_told() {
    let types = [("varchar(2000)", "string"), ("integer", "integer")];
    let contract = made("", &columns(&types, false, &[0]));
    let rows = |texts: &[&str]| -> Vec<String> {
        texts.iter().map(|text| format!("{{\"c0\":\"{text}\",\"c1\":1}}\n")).collect()
    };
    let two = super::Limits { max_partitions: 2, ..ROOMY };
    assert_eq!(files(&write(&contract, &rows(&["a", "b", "a"]), 100, two).unwrap()).len(), 2);
    let error = write(&contract, &rows(&["a", "b", "c"]), 100, two).unwrap_err();
    assert_eq!(error.to_string(), "has rows of more than 2 partitions");
    let error = write(&contract, &rows(&[&"x".repeat(1000)]), 100, two).unwrap_err();
    assert!(matches!(error, LakeError::KeyTooLong { max: 1024, .. }), "{error}");
}

#[test]
fn a_large_file_leaves_in_pieces_and_memory_is_kept() {
    let types = [("bigint", "integer"), ("varchar(200)", "string")];
    let contract = made(NO_STAMPS, &columns(&types, true, &[]));
    let mut random = 1u64;
    let lines: Vec<String> = (0..300_000)
        .map(|i| {
            random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(i);
            let text = format!("{:016x}{:016x}", random, random.rotate_left(17).wrapping_mul(31));
            format!("{{\"c0\":{},\"c1\":\"{text}\"}}\n", random >> 2)
        })
        .collect();
    let limits = super::Limits { memory_bytes: 8 << 20, row_group_bytes: 2 << 20, max_partitions: 1 };
    let pieces = write(&contract, &lines, 1 << 16, limits).unwrap();
    assert!(pieces.len() > 1, "{} bytes are one piece", pieces[0].bytes.len());
    assert!(pieces.iter().all(|piece| piece.bytes.len() < MIN_PIECE_BYTES + (1 << 20)));
    let all: Vec<u8> = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
    let rows = json_rows(&all);
    assert!(rows.iter().map(String::as_str).eq(lines.iter().map(|line| line.trim_end())));
}

#[test]
fn a_file_of_many_row_groups_ends_before_its_footer_is_more_than_memory_has() {
    let types = [("integer", "integer"), ("boolean", "boolean")];
    let contract = made(NO_STAMPS, &columns(&types, true, &[]));
    let lines: Vec<String> = (0..400).map(|i| format!("{{\"c0\":{i},\"c1\":true}}\n")).collect();
    // Every batch is a row group: 2 KiB of the footer each, and hardly any byte of the file.
    let limits = super::Limits { memory_bytes: 200 << 10, row_group_bytes: 0, max_partitions: 1 };
    let pieces = write(&contract, &lines, 8, limits).unwrap();
    let files = files(&pieces);
    assert!(files.len() > 2, "{:?}", files.keys());
    let rows = files.values().flat_map(|bytes| json_rows(bytes));
    assert!(rows.eq(lines.iter().map(|line| line.trim_end())));
}

/// Smallest and largest float of a column as the footer of the first row group has them.
fn float_ends(bytes: &[u8], column: usize) -> Option<[f64; 2]> {
    let reader = SerializedFileReader::new(bytes::Bytes::copy_from_slice(bytes)).unwrap();
    match reader.metadata().row_group(0).column(column).statistics().unwrap() {
        Statistics::Float(own) => Some([f64::from(*own.min_opt()?), f64::from(*own.max_opt()?)]),
        Statistics::Double(own) => Some([*own.min_opt()?, *own.max_opt()?]),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ranges_of_floats_hold_and_know_one_zero() {
    let types = [("real", "number"), ("double precision", "number")];
    let contract = made(NO_STAMPS, &columns(&types, false, &[]));
    for (values, ends) in [
        (&["-1.5", "2.25", "-0.0", "null"][..], Some([-1.5, 2.25])),
        (&["-2.5", "-3"][..], Some([-3.0, -2.5])),
        // There is no NaN and no -0.0 in a row that was checked, so every order of floats is the same.
        (&["-0.0", "-0", "-0e3"][..], Some([0.0, 0.0])),
        (&["0.5", "1e-45", "3.4028235e38"][..], Some([f64::from(f32::from_bits(1)), f64::from(f32::MAX)])),
        (&["null"][..], None),
    ] {
        let texts = values.iter().map(|value| line(&[Some((*value).to_owned()), Some((*value).to_owned())]));
        let pieces = write(&contract, &texts.collect::<Vec<_>>(), 1 << 16, ROOMY).unwrap();
        let bits = |ends: Option<[f64; 2]>| ends.map(|ends| ends.map(f64::to_bits));
        let of_real = float_ends(&pieces[0].bytes, 0);
        assert_eq!(bits(of_real), bits(ends), "{values:?}: {of_real:?}");
        let doubles: Vec<f64> = values.iter().filter_map(|value| value.parse().ok()).collect();
        let of_double = float_ends(&pieces[0].bytes, 1);
        let least = doubles.iter().copied().reduce(f64::min).map(|own| own + 0.0);
        let most = doubles.iter().copied().reduce(f64::max).map(|own| own + 0.0);
        assert_eq!(bits(of_double), bits(least.zip(most).map(<[f64; 2]>::from)), "{values:?}: {of_double:?}");
    }
}

/// Values of a column from a small seed: often the same one, sometimes NULL.
fn value(physical: &str, seed: u32) -> Option<String> {
    let n = seed % 97;
    (!seed.is_multiple_of(13)).then(|| match physical {
        "boolean" => n.is_multiple_of(2).to_string(),
        "date" => format!("\"19{:02}-0{}-1{}\"", n, n % 9 + 1, n % 10),
        "time" => format!("\"{:02}:{:02}:{:02}.{seed:06}\"", n % 24, n % 60, n % 59).replace('-', ""),
        "timestamp" => format!("\"1969-12-{:02} 23:59:{:02}\"", n % 31 + 1, n % 60),
        "timestamptz" => format!("\"2026-03-{:02}T23:59:{:02}Z\"", n % 31 + 1, n % 60),
        "char(4)" => format!("\"{}\"", n % 50),
        "varbyte(1000)" => format!("\"{}\"", "a0".repeat(n as usize)),
        "varchar(65535)" => format!("\"{}\"", "k/=%é".repeat((seed % 40) as usize)),
        "numeric(18,18)" => format!("-0.{seed}"),
        _ => format!("{}{n}", if seed.is_multiple_of(3) { "-" } else { "" }),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_rows_come_back_in_their_folders_whatever_the_limits(
        seeds in prop::collection::vec(prop::collection::vec(0u32..200_000, TYPES.len()), 1..120),
        partitions in prop::sample::subsequence((0..TYPES.len()).collect::<Vec<_>>(), 0..3),
        (memory_bytes, row_group_bytes) in (prop_oneof![Just(0usize), 1..1_000_000usize], 0..100_000usize),
        step in 1usize..5_000,
    ) {
        let contract = made(NO_STAMPS, &columns(&TYPES, false, &partitions));
        let lines: Vec<String> = seeds
            .iter()
            .map(|seeds| line(&TYPES.iter().zip(seeds).map(|(ty, seed)| value(ty.0, *seed)).collect::<Vec<_>>()))
            .collect();
        let limits = super::Limits { memory_bytes, row_group_bytes, max_partitions: 1_000 };
        let pieces = write(&contract, &lines, step, limits).unwrap();
        prop_assert_eq!(&pieces, &write(&contract, &lines, step, limits).unwrap());
        prop_assert_eq!(read_back(&TYPES, &partitions, &pieces), expected(&contract, &lines));
    }

    #[test]
    fn columns_of_every_cardinality_come_back(
        cardinality in prop_oneof![1u64..4, 1_000..20_000u64, Just(u64::MAX)],
        rows in prop_oneof![1usize..200, 60_000..70_000usize],
        nulls in 1u64..20,
        salt: u64,
    ) {
        let types = [("bigint", "integer"), ("varchar(100)", "string"), ("boolean", "boolean")];
        let contract = made(NO_STAMPS, &columns(&types, false, &[]));
        let lines: Vec<String> = (0..rows as u64)
            .map(|i| {
                let mixed = (i ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31).wrapping_mul(salt | 1);
                let n = (mixed % cardinality) >> 1;
                match mixed % nulls {
                    0 => "{\"c0\":null,\"c1\":null,\"c2\":null}\n".to_owned(),
                    _ => format!("{{\"c0\":{n},\"c1\":\"name of {n}\",\"c2\":{}}}\n", n % 3 == 0),
                }
            })
            .collect();
        let pieces = write(&contract, &lines, 1 << 16, ROOMY).unwrap();
        let read: Vec<String> = json_rows(&files(&pieces).into_values().next().unwrap());
        prop_assert!(read.iter().map(String::as_str).eq(lines.iter().map(|line| line.trim_end())));
    }
}

#[test]
fn files_without_a_column_are_refused_by_the_contract() {
    let columns = ["name: a, logicalType: string, partitioned: true"];
    let text = |custom| Contract::parse(&contract_text(crate::fixtures::S3, custom, &columns));
    assert!(text("").is_ok());
    assert!(text(NO_STAMPS).unwrap_err().reason.contains("lakeStamps"));
}
