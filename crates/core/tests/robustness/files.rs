//! Valid files of every format, and some that are nearly so: what the mutations start from.

use std::io::Write as _;

/// Records that the wide contract takes, with what is odd about each and allowed.
pub const RECORDS: [&str; 7] = [
    r#"{"id":1,"name":"a","code":"EUR","amount":12.50,"flag":true,"day":"2026-01-02","at":"2026-01-02T03:04:05.000001+02:00"}"#,
    r#"{"id":-9223372036854775808,"name":"\u00e4\ud83d\ude00\"\\\n","amount":"-0.01","big":99999999999999999999999999999999999999}"#,
    r#"{"id":"3","fine":9.9999999999999999999999999999999999999,"small":-32768,"whole":2147483647,"short":1e-3,"long":-1.7976931348623157e308}"#,
    r#"{"id":4.0,"local":"0001-01-01 00:00:00","clock":"23:59:59.999999","doc":{"a":[1.50,{"b":null}]},"tags":["x",2],"octets":"00fF"}"#,
    r#"{"id":5,"cut":"longer than five","doc":"text","tags":[],"extra":{"deep":[[[]]]},"code":"USD   "}"#,
    r#"{ "id" : 6 , "name" : null , "at" : "9999-12-31T23:59:59Z" }"#,
    r#"{"id":7,"doc":"\ufffe\uffff","name":"￾x","amount":1e3}"#,
];

const FORMATTED: [&str; 3] = [
    r#"{"id":1,"day":"31/12/2025","at":1767322800123,"local":"Jan 02 2026 03:04:05"}"#,
    r#"{"id":2,"day":"29/02/2024","at":"-1","local":"DEC 31 9999 23:59:59"}"#,
    r#"{"id":3,"at":1.767322800123e12}"#,
];

const HEADER: &str =
    "id,name,code,amount,big,fine,small,whole,short,long,flag,day,at,local,clock,doc,tags,octets,cut";
const LINES: [&str; 4] = [
    "1,a,EUR,12.50,1,0.5,1,1,1.5,2.5,true,2026-01-02,2026-01-02T03:04:05Z,2026-01-02 03:04:05,01:02:03,\"{\"\"a\"\":1}\",[1],ff,x",
    "2,\"a \"\"b\"\"\nc,\",USD,-0.00,,,,,,,no,,,,,,,,",
    "3,\"\",\"\",,,,,,,,Y,,,,,,,,\"\"",
    "4, b ,EUR,007,+1,.5,1e2,,,,0,,2026-01-02T03:04:05+0130,,,text,,,",
];

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

/// Files for the dataset of the name.
pub fn seeds(dataset: &str) -> Vec<Vec<u8>> {
    match dataset {
        "formatted" => json_forms(&FORMATTED),
        "csv formatted" => vec![
            b"1,31/12/2025,1767322800123,Jan 02 2026 03:04:05\n2,,0,\n".to_vec(),
            b"\xef\xbb\xbf3,01/01/0001,-62135596800000,feb 29 2024 00:00:00\r\n".to_vec(),
        ],
        "csv semicolons" => vec![
            csv(false).replace(',', ";").into_bytes(),
            b"9;NULL;-;-;;;;;;;;;;;;\"[]\";;;\"-\"\n\n".to_vec(),
        ],
        "csv" | "csv strict" | "csv lines" | "csv bare" => vec![
            csv(true).into_bytes(),
            csv(true).replace('\n', "\r\n").into_bytes(),
            "\u{feff}amount,id,other\n1.5,1,x\n\"2\",\"2\",\"y\n\"\n".as_bytes().to_vec(),
        ],
        "any tsv" => vec![csv(true).replace(',', "\t").into_bytes()],
        "avro" => avro(),
        "parquet" => parquet(),
        _ => json_forms(&RECORDS),
    }
}

fn csv(header: bool) -> String {
    let lines = LINES.join("\n");
    if header { format!("{HEADER}\n{lines}\n") } else { format!("{lines}\n") }
}

fn json_forms(records: &[&str]) -> Vec<Vec<u8>> {
    vec![
        format!("{}\n", records.join("\n")).into_bytes(),
        format!("\u{feff}{}", records.join("\r\n")).into_bytes(),
        records.concat().into_bytes(),
        format!("[{}]", records.join(",")).into_bytes(),
        format!("[\n  {}\n]\n", records.join(",\n  ").replace("\":", "\":\n    ")).into_bytes(),
    ]
}

fn avro() -> Vec<Vec<u8>> {
    use apache_avro::types::Value as V;
    use apache_avro::{Codec, DeflateSettings, Schema, Writer, ZstandardSettings};
    const SCHEMA: &str = r#"{"type":"record","name":"t","fields":[{"name":"id","type":"long"},
        {"name":"name","type":["null","string"]},{"name":"day","type":{"type":"int","logicalType":"date"}},
        {"name":"amount","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":2}},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
        {"name":"doc","type":{"type":"map","values":["null","boolean"]}},
        {"name":"tags","type":{"type":"array","items":"string"}}]}"#;
    let schema = Schema::parse_str(SCHEMA).unwrap();
    let row = |id: i64| {
        let name = if id == 0 {
            V::Union(0, Box::new(V::Null))
        } else {
            V::Union(1, Box::new(V::String("ä".into())))
        };
        V::Record(vec![
            ("id".into(), V::Long(id)),
            ("name".into(), name),
            ("day".into(), V::Date(20_455)),
            ("amount".into(), V::Decimal(apache_avro::Decimal::from(vec![0xfb, 0x2e]))),
            ("at".into(), V::TimestampMicros(1_767_322_800_000_001)),
            ("doc".into(), V::Map([("x".to_owned(), V::Union(1, Box::new(V::Boolean(true))))].into())),
            ("tags".into(), V::Array(vec![V::String("a\"\n".into())])),
        ])
    };
    let packings = [
        Codec::Null,
        Codec::Deflate(DeflateSettings::default()),
        Codec::Snappy,
        Codec::Zstandard(ZstandardSettings::default()),
    ];
    let file = |packing| {
        let mut writer =
            Writer::builder().schema(&schema).writer(Vec::new()).codec(packing).block_size(200).build();
        for id in 0..12 {
            writer.append(row(id)).unwrap();
        }
        writer.into_inner().unwrap()
    };
    packings.map(file).into()
}

#[cfg(not(feature = "parquet"))]
fn parquet() -> Vec<Vec<u8>> {
    vec![b"PAR1".to_vec()]
}

#[cfg(feature = "parquet")]
fn parquet() -> Vec<Vec<u8>> {
    use std::sync::Arc;

    use parquet::basic::Compression as C;
    use parquet::data_type::{ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
    use parquet::schema::parser::parse_message_type;

    fn column<T: DataType>(
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        values: &[T::T],
        levels: Option<(&[i16], &[i16])>,
    ) {
        let mut column = group.next_column().unwrap().unwrap();
        let (def, rep) = levels.unzip();
        column.typed::<T>().write_batch(values, def, rep).unwrap();
        column.close().unwrap();
    }
    const SCHEMA: &str = "message t { required int64 id; optional binary name (UTF8); required int32 day (DATE);
        required int64 amount (DECIMAL(18,2)); required int64 at (TIMESTAMP(MICROS,true)); required binary octets;
        optional group tags (LIST) { repeated group list { optional binary element (UTF8); } } }";
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let text = |text: &str| ByteArray::from(text);
    let file = |packing| {
        let properties = Arc::new(WriterProperties::builder().set_compression(packing).build());
        let mut writer = SerializedFileWriter::new(Vec::new(), Arc::clone(&schema), properties).unwrap();
        for _ in 0..2 {
            let mut group = writer.next_row_group().unwrap();
            column::<Int64Type>(&mut group, &[1, i64::MAX], None);
            column::<ByteArrayType>(&mut group, &[text("ä\"")], Some((&[1, 0], &[0, 0])));
            column::<Int32Type>(&mut group, &[20_455, 0], None);
            column::<Int64Type>(&mut group, &[-1_234, 5], None);
            column::<Int64Type>(&mut group, &[1_767_322_800_000_001, -1], None);
            column::<ByteArrayType>(&mut group, &[text("\u{1}b"), text("")], None);
            column::<ByteArrayType>(&mut group, &[text("x"), text("y")], Some((&[3, 3, 0], &[0, 1, 0])));
            group.close().unwrap();
        }
        writer.into_inner().unwrap()
    };
    [
        C::UNCOMPRESSED,
        C::SNAPPY,
        C::GZIP(Default::default()),
        C::ZSTD(Default::default()),
        C::LZ4_RAW,
        C::BROTLI(Default::default()),
    ]
    .map(file)
    .into()
}
