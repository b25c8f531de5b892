//! Tests of the Avro reader: files of the apache-avro crate come back as the JSON of their rows, broken ones break.

use apache_avro::types::Value;
use apache_avro::{
    Codec as Packing, DeflateSettings, Schema as FileSchema, Writer as FileWriter, ZstandardSettings,
};
use proptest::prelude::*;

use super::*;

const SCHEMA: &str = r#"{"type": "record", "name": "t", "namespace": "n", "fields": [
    {"name": "id", "type": "long"},
    {"name": "amount", "type": {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    {"name": "local", "type": {"type": "long", "logicalType": "local-timestamp-millis"}},
    {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}]},
    {"name": "time", "type": {"type": "long", "logicalType": "time-micros"}},
    {"name": "share", "type": "double"},
    {"name": "kind", "type": {"type": "enum", "name": "k", "symbols": ["A", "B"]}},
    {"name": "again", "type": "n.k"},
    {"name": "tags", "type": {"type": "array", "items": "string"}},
    {"name": "more", "type": {"type": "map", "values": ["null", "boolean"]}},
    {"name": "raw", "type": {"type": "fixed", "name": "f", "size": 2}},
    {"name": "next", "type": ["null", "t"]}
]}"#;

fn row(id: i64) -> Value {
    let next = match id {
        0 => Value::Union(0, Box::new(Value::Null)),
        _ => Value::Union(1, Box::new(row(0))),
    };
    Value::Record(vec![
        ("id".into(), Value::Long(id)),
        ("amount".into(), Value::Decimal(apache_avro::Decimal::from(vec![0xfb, 0x2e]))),
        ("at".into(), Value::TimestampMicros(1_767_322_800_000_001)),
        ("local".into(), Value::LocalTimestampMillis(0)),
        ("day".into(), Value::Union(1, Box::new(Value::Date(20_455)))),
        ("time".into(), Value::TimeMicros(1_000_000)),
        ("share".into(), Value::Double(f64::NAN)),
        ("kind".into(), Value::Enum(1, "B".into())),
        ("again".into(), Value::Enum(0, "A".into())),
        ("tags".into(), Value::Array(vec![Value::String("a\"\n".into()), Value::String("ä".into())])),
        (
            "more".into(),
            Value::Map([("x".to_owned(), Value::Union(1, Box::new(Value::Boolean(true))))].into()),
        ),
        ("raw".into(), Value::Fixed(2, vec![0xab, 0x01])),
        ("next".into(), next),
    ])
}

const ROW_0: &str = "{\"id\":0,\"amount\":-12.34,\"at\":\"2026-01-02T03:00:00.000001Z\",\
    \"local\":\"1970-01-01T00:00:00\",\"day\":\"2026-01-02\",\"time\":\"00:00:01\",\"share\":\"NaN\",\"kind\":\"B\",\
    \"again\":\"A\",\"tags\":[\"a\\\"\\u000a\",\"ä\"],\"more\":{\"x\":true},\"raw\":\"ab01\",\"next\":null}";

fn packings() -> [Packing; 4] {
    [
        Packing::Null,
        Packing::Deflate(DeflateSettings::default()),
        Packing::Snappy,
        Packing::Zstandard(ZstandardSettings::default()),
    ]
}

fn file(packing: Packing, rows: i64) -> Vec<u8> {
    let schema = FileSchema::parse_str(SCHEMA).unwrap();
    let mut writer =
        FileWriter::builder().schema(&schema).writer(Vec::new()).codec(packing).block_size(900).build();
    for id in 0..rows {
        writer.append(row(id)).unwrap();
    }
    writer.into_inner().unwrap()
}

fn read(bytes: &[u8], step: usize, limits: Limits) -> (Vec<String>, Result<(), Broken>) {
    let mut reader = AvroReader::new(limits);
    let (mut rows, mut out) = (Vec::new(), String::new());
    let mut take = |reader: &mut AvroReader| -> Result<(), Broken> {
        while let Some(ordinal) = reader.next_record(&mut out)? {
            assert_eq!(ordinal, rows.len() as u64);
            rows.push(out.clone());
        }
        Ok(())
    };
    let mut all = || {
        for piece in bytes.chunks(step) {
            reader.push(piece);
            take(&mut reader)?;
        }
        reader.finish();
        take(&mut reader)
    };
    let ended = all();
    (rows, ended)
}

#[test]
fn every_codec_gives_the_rows_in_any_pieces() {
    for packing in packings() {
        let bytes = file(packing, 30);
        for step in [1, 100, usize::MAX] {
            let (rows, ended) = read(&bytes, step, Limits::default());
            assert_eq!(ended, Ok(()), "{packing:?} {step}");
            assert_eq!(rows.len(), 30);
            assert_eq!(rows[0], ROW_0);
            assert!(rows[29].ends_with(&format!("\"next\":{ROW_0}}}")), "{}", rows[29]);
        }
    }
    assert_eq!(read(&file(Packing::Null, 0), 7, Limits::default()), (vec![], Ok(())));
}

#[test]
fn a_file_that_breaks_off_or_is_no_avro_says_so_after_its_rows() {
    let bytes = file(Packing::Snappy, 30);
    let (rows, ended) = read(&bytes[..bytes.len() - 3], 50, Limits::default());
    assert_eq!(ended.unwrap_err().rule, Rule::Truncated);
    assert!(!rows.is_empty());
    for (bytes, rule) in [
        (&b""[..], Rule::Truncated),
        (b"Ob", Rule::Truncated),
        (b"{\"a\":1}", Rule::InvalidAvro),
        (b"Obj\x01\x00................", Rule::InvalidAvro),
    ] {
        assert_eq!(read(bytes, 3, Limits::default()).1.unwrap_err().rule, rule, "{bytes:?}");
    }
}

#[test]
fn what_unpacks_to_more_than_a_block_may_be_is_refused() {
    let limits = Limits { max_block_bytes: 2_000, ..Limits::default() };
    for packing in packings() {
        let schema =
            FileSchema::parse_str(r#"{"type":"record","name":"t","fields":[{"name":"a","type":"string"}]}"#)
                .unwrap();
        let mut writer = FileWriter::builder().schema(&schema).writer(Vec::new()).codec(packing).build();
        writer.append(Value::Record(vec![("a".into(), Value::String("x".repeat(10_000)))])).unwrap();
        let (_, ended) = read(&writer.into_inner().unwrap(), 1000, limits);
        assert_eq!(ended.unwrap_err().rule, Rule::TooLargeForFormat, "{packing:?}");
    }
}

fn handmade(schema: &str, rows: u8, data: &[u8]) -> Vec<u8> {
    let long = |n: usize| vec![((n * 2) & 0x7f) as u8 | 0x80, ((n * 2) >> 7) as u8];
    let mut bytes =
        [MAGIC, &[2, 22][..], b"avro.schema", &long(schema.len()), schema.as_bytes(), &[0]].concat();
    bytes.extend([7; 16]);
    bytes.push(rows * 2);
    bytes.extend(long(data.len()));
    bytes.extend_from_slice(data);
    bytes.extend([7; 16]);
    bytes
}

#[test]
fn a_few_bytes_cannot_claim_endless_values_or_depth() {
    let nulls =
        r#"{"type":"record","name":"t","fields":[{"name":"a","type":{"type":"array","items":"null"}}]}"#;
    let many = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
    let doubled = (0..40).fold(r#""null""#.to_owned(), |inner, i| {
        format!(r#"{{"type":"record","name":"r{i}","fields":[{{"name":"a","type":{inner}}},{{"name":"b","type":"{}"}}]}}"#,
            if i == 0 { "null".to_owned() } else { format!("r{}", i - 1) })
    });
    let list = r#"{"type":"record","name":"t","fields":[{"name":"a","type":["null","t"]}]}"#;
    for (schema, data) in [(nulls, &many[..]), (&doubled, &[]), (list, &[2; 5000])] {
        let (rows, ended) =
            read(&handmade(schema, 1, data), 100, Limits { max_record_bytes: 10_000, ..Limits::default() });
        assert_eq!((rows.len(), ended.unwrap_err().rule), (0, Rule::InvalidAvro), "{schema}");
    }
}

#[test]
fn a_row_over_the_limit_stays_over_it_and_costs_no_other() {
    let schema =
        r#"{"type":"record","name":"t","fields":[{"name":"a","type":{"type":"array","items":"string"}}]}"#;
    let data: Vec<u8> = [&[120][..], &[4, b'a', b'b'].repeat(60), &[0], &[2, 2, b'z', 0]].concat();
    let limits = Limits { max_record_bytes: 150, ..Limits::default() };
    let (rows, ended) = read(&handmade(schema, 2, &data), 9, limits);
    assert_eq!(ended, Ok(()));
    assert!(rows[0].len() > 150 && rows[0].len() < 160, "{}", rows[0].len());
    assert_eq!(rows[1..], ["{\"a\":[\"z\"]}"]);
}

#[test]
fn a_uuid_is_written_as_one_in_either_form() {
    let schema = r#"{"type":"record","name":"t","fields":[
        {"name":"a","type":{"type":"fixed","name":"f","size":16,"logicalType":"uuid"}}]}"#;
    let data: Vec<u8> = (0..16).collect();
    let (rows, _) = read(&handmade(schema, 1, &data), 9, Limits::default());
    assert_eq!(rows, ["{\"a\":\"00010203-0405-0607-0809-0a0b0c0d0e0f\"}"]);
}

proptest! {
    #[test]
    fn flipped_bytes_break_the_file_and_nothing_else(
        packing in 0usize..4,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 1..6),
        step in 1usize..3000,
    ) {
        let mut bytes = file(packings()[packing], 8);
        for (index, mask) in flips {
            let len = bytes.len();
            bytes[index.index(len)] ^= mask;
        }
        let seen = read(&bytes, step, Limits::default());
        prop_assert!(seen.0.len() < 10_000 || seen.1.is_err());
        prop_assert_eq!(read(&bytes, usize::MAX, Limits::default()), seen);
    }
}
