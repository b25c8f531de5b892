//! Tests of the servers' options: what is read, what it is by default, and what is refused where.

use super::super::Contract;
use super::*;
use crate::fixtures::contract_text;

const ID: &str = "name: id, logicalType: integer, physicalType: bigint, primaryKey: true";

fn parse(server: &str, custom: &[(&str, &str)]) -> Result<Contract, ContractError> {
    let custom: Vec<String> =
        custom.iter().map(|(name, value)| format!("{{property: penstock.{name}, value: {value}}}")).collect();
    let server = format!("{{server: s, {server}, customProperties: [{}]}}", custom.join(", "));
    Contract::parse(&contract_text(&server, "", &[ID]))
}

fn s3_of(options: &str, custom: &[(&str, &str)]) -> S3Server {
    let own = parse(&format!("type: s3, location: 's3://b/k'{options}"), custom);
    own.unwrap_or_else(|error| panic!("{options} {custom:?}: {error}")).s3.unwrap()
}

#[test]
fn csv_is_comma_separated_quoted_and_named_unless_the_contract_says_otherwise() {
    let plain = s3_of("", &[]);
    assert_eq!(
        (plain.format, plain.compression, plain.delimiter),
        (None, Compression::Auto, Delimiter::Auto)
    );
    let default = CsvOptions {
        delimiter: None,
        header: CsvHeader::Names,
        quote: Some(b'"'),
        null_texts: Vec::new(),
        multiline: true,
    };
    assert_eq!(plain.csv, default);
    let own = s3_of(
        ", format: csv, delimiter: ';'",
        &[
            ("header", "none"),
            ("quote", "\"'\""),
            ("nullText", "['NULL', '-']"),
            ("multiline", "false"),
            ("compression", "zstd"),
        ],
    );
    assert_eq!((own.format, own.compression), (Some(Format::Csv), Compression::Zstd));
    let expected = CsvOptions {
        delimiter: Some(b';'),
        header: CsvHeader::None,
        quote: Some(b'\''),
        null_texts: vec!["NULL".into(), "-".into()],
        multiline: false,
    };
    assert_eq!(own.csv, expected);
    assert_eq!(s3_of(", format: csv", &[("nullText", "'NULL'")]).csv.null_texts, ["NULL"]);
}

#[test]
fn tab_and_no_quoting_have_their_words() {
    for text in ["tab", "'\\t'", "\"\\t\""] {
        assert_eq!(s3_of(&format!(", delimiter: {text}"), &[]).csv.delimiter, Some(b'\t'), "{text}");
    }
    for text in ["none", "''"] {
        assert_eq!(s3_of(", format: csv", &[("quote", text)]).csv.quote, None, "{text}");
    }
    assert_eq!(s3_of(", delimiter: array", &[]).delimiter, Delimiter::Array);
}

#[test]
fn what_cannot_be_or_has_no_effect_is_refused_with_its_path() {
    for (options, custom, path) in [
        (", format: csv, delimiter: ';;'", &[][..], "servers[0].delimiter"),
        (", format: csv, delimiter: ä", &[], "servers[0].delimiter"),
        (", format: csv, delimiter: \"\\n\"", &[], "servers[0].delimiter"),
        (", format: csv, delimiter: new_line", &[], "servers[0].delimiter"),
        (", format: json, delimiter: ';'", &[], "servers[0].delimiter"),
        (", format: parquet, delimiter: ';'", &[], "servers[0].delimiter"),
        (", delimiter: ';;'", &[], "servers[0].delimiter"),
        (", format: csv, delimiter: '\"'", &[], "servers[0].customProperties"),
        (", format: csv", &[("quote", "ab")], "servers[0].customProperties"),
        (", format: csv", &[("quote", "[a, b]")], "servers[0].customProperties"),
        (", format: csv", &[("compression", "bzip2")], "servers[0].customProperties"),
        (", format: json", &[("header", "none")], "servers[0].customProperties"),
        (", format: parquet", &[("nullText", "'NULL'")], "servers[0].customProperties"),
        (", format: avro", &[("multiline", "true")], "servers[0].customProperties"),
    ] {
        let error = parse(&format!("type: s3, location: 's3://b/k'{options}"), custom).unwrap_err();
        assert_eq!(error.path, path, "{options} {custom:?}: {}", error.reason);
    }
}

#[test]
fn the_streams_names_and_aggregation_are_read() {
    let custom = [("streamName", "s"), ("deliveryStream", "'${D}'"), ("aggregate", "kpl")];
    let own = parse("type: kinesis", &custom).unwrap().stream.unwrap();
    assert_eq!(own.stream_name.as_ref().map(Template::as_str), Some("s"));
    assert_eq!(own.delivery_stream.as_ref().map(Template::as_str), Some("${D}"));
    assert_eq!(own.aggregate, Aggregate::Kpl);
    let bare = parse("type: kinesis", &[]).unwrap();
    let stream = bare.stream.unwrap();
    assert!(stream.stream_name.is_none() && stream.aggregate == Aggregate::None);
    assert_eq!(bare.notes.lines().len(), 0);
}
