//! Records of the stream route: those that s3-to-kinesis rejected, and those that Firehose could not process.

use base64_simd::STANDARD;
use penstock_core::ident;
use serde_json::{Value, json};

use super::rig::{Rig, SECRET, stamps};

const FAILED: &str = "_failed/processing-failed/2026/01/01/00/stream-1-uuid";

/// A line as Firehose writes it.
fn line(data: &str, more: Value) -> String {
    let mut line = json!({"attemptsMade": 4, "arrivalTimestamp": 1_767_225_600_123_u64, "errorCode": "Lambda.FunctionError",
        "errorMessage": "The Lambda function failed", "attemptEndingTimestamp": 1_767_225_700_000_u64,
        "rawData": STANDARD.encode_to_string(data), "lambdaArn": "arn:aws:lambda:eu-central-1:1:function:f"});
    line.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    format!("{line}\n")
}

fn stamped(id: u32) -> Value {
    json!({"id": id.to_string(), "name": "Dora", "_record_id": ident::record_id_of_key([id.to_string().as_str()]),
        "_row_hash": "0".repeat(32), "_order": "7/x", "_deleted": "false", "_source": "s3://landing/stream/people/a.json",
        "_dataset": "people", "_contract_version": "0.9.0"})
}

/// Two bare rows, a record of two stamped ones, two records that are none, one with its sequence number, and no record.
fn failed_lines() -> [String; 7] {
    let bare = "{\"id\":1,\"name\":\"Ann\"}";
    let two = format!("{}\n{}\n", stamped(5), stamped(6));
    let wrong = format!("{{\"id\":\"x\",\"name\":\"{SECRET}\"}}");
    let unknown = json!({"_record_id": "x", "_dataset": "gone"}).to_string();
    [
        line(bare, json!({})),
        line(bare, json!({"arrivalTimestamp": "1767225600123"})).trim_end().to_owned(),
        line(&two, json!({"errorCode": "x"})),
        line(&wrong, json!({})),
        line(&unknown, json!({})),
        line(
            bare,
            json!({"sequenceNumber": "49590338271490256608559692538361571095921575989136588898", "subSequenceNumber": 3}),
        ),
        "{\"rawData\":\"*\"}\n".to_owned(),
    ]
}

/// Rows of the records that the stream took.
fn rows(rig: &Rig) -> Vec<Value> {
    let state = rig.cloud.state();
    let row = |(stream, key, data): &(String, String, String)| {
        let row: Value = serde_json::from_str(data).unwrap();
        assert!(stream == "feed" && *key == row["_record_id"] && data.ends_with('\n'), "{data}");
        row
    };
    state.records.iter().map(row).collect()
}

#[tokio::test]
async fn records_that_s3_to_kinesis_rejected_go_onto_the_stream_and_refused_ones_again() {
    let rig = Rig::new("stream", "json", "", false);
    let body = "{\"id\":1,\"name\":\"Bobby\"}\n{\"id\":1,\"name\":\"Bobby\"}\n";
    let all = rig.arrive("s3-to-kinesis", "stream/people/a.json", body);
    rig.cloud.state().refused_records = 1;
    let run = rig.replay(&["--dataset", "people"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let sent = rows(&rig);
    let mut found: Vec<_> = sent.iter().map(stamps).collect();
    found.sort();
    let mut expected = all;
    expected.sort();
    // Without a key two equal lines stay two rows.
    assert_eq!(found, expected);
    assert!(
        sent.iter()
            .all(|row| row["_source"] == "s3://landing/stream/people/a.json" && row["_dataset"] == "people")
    );
}

#[tokio::test]
async fn rows_go_under_the_partition_key_that_their_contract_asks_for() {
    let table = "    customProperties: [{property: penstock.partitionBy, value: name}]\n";
    let rig = Rig::new("stream", "json", table, true);
    rig.arrive("s3-to-kinesis", "stream/people/a.json", "{\"id\":1,\"name\":\"Bobby\"}\n");
    rig.cloud.put("stage", FAILED, line("{\"id\":2,\"name\":\"Charles\"}", json!({})));
    assert_eq!(rig.replay(&["--dataset", "people"]).await.code, 0);
    assert_eq!(rig.replay(&["--failed", "--dataset", "people"]).await.code, 0);
    let keys: Vec<String> = rig.cloud.state().records.iter().map(|(_, key, _)| key.clone()).collect();
    assert_eq!(keys, ["Bobby", "Charles"].map(|name| ident::stable_id([name]).to_string()));
}

#[tokio::test]
async fn a_row_that_no_record_of_the_stream_holds_is_told_and_the_others_go() {
    let rig = Rig::new("stream", "json", "", false);
    rig.cloud.state().record_kib = Some(1);
    let long = format!("stream/people/{}.json", "x".repeat(900));
    rig.arrive("s3-to-kinesis", &long, "{\"id\":1,\"name\":\"Bobby\"}\n");
    rig.arrive("s3-to-kinesis", "stream/people/a.json", "{\"id\":2,\"name\":\"Charles\"}\n");
    for arguments in [&["--dataset", "people", "--dry-run"][..], &["--dataset", "people"]] {
        let run = rig.replay(arguments).await;
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
        assert!(
            run.out.contains("row_too_large") && run.out.contains("the stream takes 1024"),
            "{}",
            run.out
        );
    }
    assert_eq!(rows(&rig).iter().map(|row| row["id"].clone()).collect::<Vec<_>>(), ["2"]);
}

#[tokio::test]
async fn what_firehose_failed_on_goes_back_once_and_rows_keep_their_stamps() {
    let rig = Rig::new("stream", "json", "", false);
    rig.cloud.put("stage", FAILED, failed_lines().concat());
    let run = rig.replay(&["--failed", "--since", "2026-01-01"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let first = rows(&rig);
    assert_eq!(first.len(), 5, "{}", run.out);
    let kept: Vec<_> =
        first.iter().filter(|row| row["_order"] == "7/x").map(|row| row["id"].clone()).collect();
    assert_eq!(kept, ["5", "6"]);
    let ids: std::collections::BTreeSet<_> = first.iter().map(stamps).collect();
    assert_eq!(ids.len(), 5, "each record is a row of its own");
    assert!(first.iter().any(|row| {
        row["_order"]
            .as_str()
            .unwrap()
            .contains("/49590338271490256608559692538361571095921575989136588898/0000000003")
    }));
    assert!(
        run.out.contains("not_a_number") && run.out.contains("unknown_dataset") && !run.out.contains(SECRET),
        "{}",
        run.out
    );
    assert!(run.out.contains("the line holds no record as Firehose writes it"), "{}", run.out);
    // Once is enough; who asks for it gets the very same rows.
    let run = rig.replay(&["--failed", "--since", "2026-01-01"]).await;
    assert!(
        rows(&rig).len() == 5
            && run.out.contains("people          5     0               1                4 "),
        "{}",
        run.out
    );
    rig.replay(&["--failed", "--since", "2026-01-01", "--again"]).await;
    let again: Vec<_> = rows(&rig).split_off(5);
    assert_eq!(again, first);
}

#[tokio::test]
async fn a_run_that_died_before_its_note_sends_the_same_rows_to_the_stream() {
    let rig = Rig::new("stream", "json", "", false);
    rig.cloud.put("stage", FAILED, line("{\"id\":1,\"name\":\"Ann\"}", json!({})));
    rig.cloud.state().refused_puts = Some("replays/");
    let run = rig.replay(&["--failed", "--dataset", "people"]).await;
    assert!(run.code == 1 && run.err.contains("AccessDenied"), "{}", run.err);
    rig.cloud.state().refused_puts = None;
    assert_eq!(rig.replay(&["--failed", "--dataset", "people"]).await.code, 0);
    let rows = rows(&rig);
    assert_eq!((rows.len(), &rows[0]), (2, &rows[1]));
    rig.replay(&["--failed", "--dataset", "people"]).await;
    assert_eq!(rig.cloud.state().records.len(), 2);
}
