//! Tests of the Parquet reader: files of the crate's own writer come back as the JSON of their rows, broken ones
//! break and nothing else.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::*;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use proptest::prelude::*;

use super::*;

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn file(schema: &str, packing: Compression, groups: usize, write: &dyn Fn(&mut Group<'_>)) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(packing).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    for _ in 0..groups {
        let mut group = writer.next_row_group().unwrap();
        write(&mut group);
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}

fn column<T: DataType>(group: &mut Group<'_>, values: &[T::T], def: Option<&[i16]>, rep: Option<&[i16]>) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, def, rep).unwrap();
    column.close().unwrap();
}

fn read(bytes: &[u8], limits: Limits) -> (Vec<String>, Result<(), Broken>) {
    let mut reader = ParquetReader::new(limits);
    let (mut rows, mut out) = (Vec::new(), String::new());
    for piece in bytes.chunks(1000) {
        reader.push(piece);
        match reader.next_record(&mut out) {
            Ok(row) => assert_eq!(row, None),
            Err(broken) => return (rows, Err(broken)),
        }
    }
    reader.finish();
    loop {
        match reader.next_record(&mut out) {
            Ok(None) => return (rows, Ok(())),
            Ok(Some(ordinal)) => assert_eq!(ordinal, rows.len() as u64),
            Err(broken) => return (rows, Err(broken)),
        }
        rows.push(out.clone());
    }
}

const FLAT: &str = "message t {
    required boolean flag; required int32 day (DATE); optional int64 id; required int64 at (TIMESTAMP(MICROS,true));
    required int64 nanos (TIMESTAMP(NANOS,false)); required int96 old; required int32 price (DECIMAL(9,2));
    required fixed_len_byte_array(16) wide (DECIMAL(38,3)); required int64 time (TIME(MICROS,false));
    required double share; required float part; optional binary name (UTF8); required binary raw;
    required fixed_len_byte_array(16) uuid (UUID); required int32 small (INTEGER(32,false)); required binary j (JSON);
}";

fn flat(group: &mut Group<'_>) {
    let bytes = |text: &str| ByteArray::from(text);
    let fixed = |number: i128| FixedLenByteArray::from(number.to_be_bytes().to_vec());
    let mut old = Int96::new();
    old.set_data(1_000, 0, 2_440_589);
    column::<BoolType>(group, &[true, false], None, None);
    column::<Int32Type>(group, &[20_455, 0], None, None);
    column::<Int64Type>(group, &[i64::MAX], Some(&[1, 0]), None);
    column::<Int64Type>(group, &[1_767_322_800_000_001, -1], None, None);
    column::<Int64Type>(group, &[1_000, 1], None, None);
    column::<Int96Type>(group, &[old, old], None, None);
    column::<Int32Type>(group, &[-1_234, 5], None, None);
    column::<FixedLenByteArrayType>(group, &[fixed(-1), fixed(99_999)], None, None);
    column::<Int64Type>(group, &[86_399_999_999, 0], None, None);
    column::<DoubleType>(group, &[0.1, f64::NAN], None, None);
    column::<FloatType>(group, &[0.1, f32::INFINITY], None, None);
    column::<ByteArrayType>(group, &[bytes("a\"ä")], Some(&[1, 0]), None);
    column::<ByteArrayType>(group, &[bytes("\u{1}ab"), bytes("")], None, None);
    column::<FixedLenByteArrayType>(group, &[fixed(1), fixed(2)], None, None);
    column::<Int32Type>(group, &[-1, 7], None, None);
    column::<ByteArrayType>(group, &[bytes("{\"a\": [1]}"), bytes("{")], None, None);
}

const FLAT_ROWS: [&str; 2] = [
    "{\"flag\":true,\"day\":\"2026-01-02\",\"id\":9223372036854775807,\"at\":\"2026-01-02T03:00:00.000001Z\",\
     \"nanos\":\"1970-01-01T00:00:00.000001\",\"old\":\"1970-01-02T00:00:00.000001\",\"price\":-12.34,\"wide\":-0.001,\
     \"time\":\"23:59:59.999999\",\"share\":0.1,\"part\":0.1,\"name\":\"a\\\"ä\",\"raw\":\"016162\",\
     \"uuid\":\"00000000-0000-0000-0000-000000000001\",\"small\":4294967295,\"j\":{\"a\": [1]}}",
    "{\"flag\":false,\"day\":\"1970-01-01\",\"id\":null,\"at\":\"1969-12-31T23:59:59.999999Z\",\
     \"nanos\":\"1970-01-01T00:00:00.000000001\",\"old\":\"1970-01-02T00:00:00.000001\",\"price\":0.05,\"wide\":99.999,\
     \"time\":\"00:00:00\",\"share\":\"NaN\",\"part\":\"Infinity\",\"name\":null,\"raw\":\"\",\
     \"uuid\":\"00000000-0000-0000-0000-000000000002\",\"small\":7,\"j\":\"{\"}",
];

const NESTED: &str = "message t {
    optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }
    required group more (MAP) { repeated group key_value { required int32 key; optional int32 value; } }
    repeated group old { required int32 a; optional int32 b; }
    optional group deep { required group list (LIST) { repeated group list { required group element (LIST) {
        repeated int32 item; } } } }
}";

fn nested(group: &mut Group<'_>) {
    column::<ByteArrayType>(group, &["x".into(), "y".into()], Some(&[3, 2, 3, 1, 0]), Some(&[0, 1, 1, 0, 0]));
    column::<Int32Type>(group, &[1, 2, 3], Some(&[1, 1, 0, 1]), Some(&[0, 1, 0, 0]));
    column::<Int32Type>(group, &[10, 30], Some(&[2, 1, 0, 2]), Some(&[0, 1, 0, 0]));
    column::<Int32Type>(group, &[1, 2], Some(&[0, 1, 1, 0]), Some(&[0, 0, 1, 0]));
    column::<Int32Type>(group, &[5], Some(&[0, 2, 1, 0]), Some(&[0, 0, 1, 0]));
    column::<Int32Type>(group, &[7, 8, 9], Some(&[3, 3, 3, 2, 0, 1]), Some(&[0, 2, 1, 1, 0, 0]));
}

const NESTED_ROWS: [&str; 3] = [
    "{\"tags\":[\"x\",null,\"y\"],\"more\":{\"1\":10,\"2\":null},\"old\":[],\"deep\":{\"list\":[[7,8],[9],[]]}}",
    "{\"tags\":[],\"more\":{},\"old\":[{\"a\":1,\"b\":5},{\"a\":2,\"b\":null}],\"deep\":null}",
    "{\"tags\":null,\"more\":{\"3\":30},\"old\":[],\"deep\":{\"list\":[]}}",
];

fn packings() -> [Compression; 6] {
    [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
        Compression::BROTLI(Default::default()),
    ]
}

#[test]
fn every_type_and_packing_comes_back_exactly() {
    for packing in packings() {
        let (rows, ended) = read(&file(FLAT, packing, 2, &flat), Limits::default());
        assert_eq!((ended, rows.len()), (Ok(()), 4), "{packing:?}");
        assert_eq!(rows[..2], FLAT_ROWS);
        assert_eq!(rows[2..], FLAT_ROWS);
    }
}

#[test]
fn lists_maps_and_groups_are_put_together() {
    let (rows, ended) = read(&file(NESTED, Compression::SNAPPY, 2, &nested), Limits::default());
    assert_eq!(ended, Ok(()));
    assert_eq!(rows[..3], NESTED_ROWS);
    assert_eq!(rows[3..], NESTED_ROWS);
}

#[test]
fn more_rows_than_a_batch_keep_their_order() {
    let schema = "message t { required int32 a; repeated int32 b; }";
    let write = |group: &mut Group<'_>| {
        let all: Vec<i32> = (0..1000).collect();
        column::<Int32Type>(group, &all, None, None);
        let twice: Vec<i32> = all.iter().flat_map(|n| [*n, *n]).collect();
        column::<Int32Type>(group, &twice, Some(&[1; 2000]), Some(&[0, 1].repeat(1000)));
    };
    let (rows, ended) = read(&file(schema, Compression::UNCOMPRESSED, 1, &write), Limits::default());
    assert_eq!(ended, Ok(()));
    let expected: Vec<String> = (0..1000).map(|n| format!("{{\"a\":{n},\"b\":[{n},{n}]}}")).collect();
    assert_eq!(rows, expected);
}

#[test]
fn a_file_that_is_too_large_cut_or_no_parquet_says_so() {
    let bytes = file(FLAT, Compression::SNAPPY, 1, &flat);
    let rule = |bytes: &[u8], limits| read(bytes, limits).1.unwrap_err().rule;
    let default = Limits::default();
    assert_eq!(rule(&bytes[..bytes.len() - 1], default), Rule::Truncated);
    assert_eq!(rule(b"PAR1", default), Rule::Truncated);
    assert_eq!(rule(b"a,b\n1,2\n", default), Rule::InvalidParquet);
    assert_eq!(rule(b"PAR1....PAR1", default), Rule::InvalidParquet);
    let small = Limits { max_whole_bytes: bytes.len() - 1, ..default };
    assert_eq!(rule(&bytes, small), Rule::TooLargeForFormat);
}

#[test]
fn what_unpacks_to_more_than_a_page_may_be_is_refused() {
    let write = |group: &mut Group<'_>| {
        column::<ByteArrayType>(group, &[ByteArray::from(vec![0u8; 1 << 20])], None, None);
    };
    let schema = "message t { required binary a; }";
    for packing in packings() {
        let bytes = file(schema, packing, 1, &write);
        let limits = Limits { max_block_bytes: 100_000, ..Limits::default() };
        assert_eq!(read(&bytes, limits).1.unwrap_err().rule, Rule::TooLargeForFormat, "{packing:?}");
        let limits = Limits { max_record_bytes: 1_000, ..Limits::default() };
        let (rows, ended) = read(&bytes, limits);
        assert_eq!(ended, Ok(()));
        assert!(rows.len() == 1 && rows[0].len() > 1_000 && rows[0].len() < 1_010, "{}", rows[0].len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]
    #[test]
    fn flipped_bytes_break_the_file_and_nothing_else(
        packing in 0usize..6,
        is_flat: bool,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..4),
    ) {
        let packing = packings()[packing];
        let mut bytes = match is_flat {
            true => file(FLAT, packing, 1, &flat),
            false => file(NESTED, packing, 1, &nested),
        };
        for (index, mask) in flips {
            let len = bytes.len() - 4;
            bytes[index.index(len)] ^= mask;
        }
        let (rows, ended) = read(&bytes, Limits { max_record_bytes: 1 << 16, ..Limits::default() });
        prop_assert!(rows.len() < 100 || ended.is_err());
    }
}
