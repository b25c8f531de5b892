//! Events as AWS's samples and producers write them, and such as nobody should.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn read(event: &str) -> Result<Batch<'_>, NotFirehose> {
    Batch::read(event.as_bytes(), Parts::default())
}

/// The event's text lives as long as the test.
fn parse(event: serde_json::Value) -> Result<Batch<'static>, NotFirehose> {
    read(event.to_string().leak())
}

fn one(record: serde_json::Value) -> Batch<'static> {
    parse(json!({"records": [record]})).unwrap()
}

fn only<'b>(batch: &'b Batch<'_>) -> Record<'b> {
    let records: Vec<_> = batch.records().collect();
    assert_eq!(records.len(), 1);
    records[0]
}

#[test]
fn a_record_is_read_with_its_metadata() {
    let batch = parse(json!({
        "invocationId": "i", "region": "r", "somethingNew": {"a": [1, null]},
        "deliveryStreamArn": "arn:aws:firehose:eu-central-1:1:deliverystream/tx",
        "sourceKinesisStreamArn": "arn:aws:kinesis:eu-central-1:1:stream/tx-in",
        "records": [{
            "recordId": "r-1", "data": "aGk=", "approximateArrivalTimestamp": 1_510_772_160_000u64,
            "kinesisRecordMetadata": {"sequenceNumber": "4951", "subsequenceNumber": 7, "shardId": "s"},
        }],
    }));
    let batch = batch.unwrap();
    assert_eq!(
        (batch.delivery_stream(), batch.source()),
        ("tx", "arn:aws:kinesis:eu-central-1:1:stream/tx-in")
    );
    let record = Record {
        id: "r-1",
        sequence: Some("4951"),
        subsequence: 7,
        arrival_ms: Some(1_510_772_160_000),
        data: Some("aGk="),
    };
    assert_eq!(only(&batch), record);
}

#[test]
fn numbers_may_be_texts_and_texts_numbers() {
    let metadata = json!({"sequenceNumber": 4951, "subsequenceNumber": "7"});
    let batch = one(json!({"recordId": 12, "data": "", "approximateArrivalTimestamp": "1510772160000",
        "kinesisRecordMetadata": metadata}));
    let record = only(&batch);
    assert_eq!((record.id, record.sequence, record.subsequence), ("12", Some("4951"), 7));
    assert_eq!(record.arrival_ms, Some(1_510_772_160_000));
    let batch = one(json!({"recordId": "a", "data": "", "approximateArrivalTimestamp": 1.510772160e12}));
    assert_eq!(only(&batch).arrival_ms, Some(1_510_772_160_000));
}

#[test]
fn an_empty_subsequence_is_the_first() {
    let metadata = json!({"sequenceNumber": "1", "subsequenceNumber": ""});
    let batch = one(json!({"recordId": "a", "data": "", "kinesisRecordMetadata": metadata}));
    assert_eq!((only(&batch).sequence, only(&batch).subsequence), (Some("1"), 0));
}

#[test]
fn a_sequence_that_is_none_leaves_the_record_id() {
    let not_it = [
        json!(null),
        json!("text"),
        json!([1]),
        json!({"sequenceNumber": "12a"}),
        json!({"sequenceNumber": ""}),
        json!({"sequenceNumber": "1".repeat(57)}),
        json!({"sequenceNumber": "1", "subsequenceNumber": "seven"}),
    ];
    for metadata in not_it {
        let batch = one(json!({"recordId": "a", "data": "", "kinesisRecordMetadata": metadata}));
        assert_eq!(only(&batch).sequence, None, "{metadata}");
    }
}

#[test]
fn data_stays_as_it_came() {
    for text in ["a", "QQ=", "QR==", "Q Q=", "QQ==\n", "-_-_", "é", "QUJD\"\\"] {
        let batch = one(json!({"recordId": "a", "data": text}));
        assert_eq!(only(&batch).data, Some(text), "{text}");
    }
}

#[test]
fn data_may_be_escaped_in_the_event() {
    let text = r#"{"records": [{"recordId": "\u0061", "data": "\/\/8\u003d"}]}"#;
    let batch = read(text).unwrap();
    assert_eq!((only(&batch).id, only(&batch).data), ("a", Some("//8=")));
}

#[test]
fn of_a_field_that_stands_twice_the_last_one_counts() {
    let text = r#"{"records": [{"recordId": "x", "data": ""}],
        "records": [{"recordId": "a", "recordId": "b", "data": "QQ==", "data": "Qg=="}]}"#;
    let batch = read(text).unwrap();
    assert_eq!((only(&batch).id, only(&batch).data), ("b", Some("Qg==")));
}

#[test]
fn an_event_of_somebody_else_is_told_and_not_read() {
    for (event, fault) in [
        (json!({"Records": []}), NotFirehose::NoRecords),
        (json!({}), NotFirehose::NoRecords),
        (json!({"records": [{"data": "QQ=="}]}), NotFirehose::NoRecordId),
        (json!({"records": [{"recordId": null, "data": "QQ=="}]}), NotFirehose::NoRecordId),
        (json!({"records": {"topic-0": []}}), NotFirehose::NoObject),
        (json!({"records": ["text"]}), NotFirehose::NoObject),
        (json!([]), NotFirehose::NoObject),
        (json!("text"), NotFirehose::NoObject),
        (json!(null), NotFirehose::NoObject),
    ] {
        assert_eq!(parse(event.clone()).map(|_| ()), Err(fault), "{event}");
    }
}

#[test]
fn an_event_without_records_is_an_empty_batch() {
    assert!(parse(json!({"records": []})).unwrap().is_empty());
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        let _told = read(&text);
        let _told = read(&format!("{{\"records\":[{{\"recordId\":\"a\",\"data\":{text}}}]}}"));
    }
}
