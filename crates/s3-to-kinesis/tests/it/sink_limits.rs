//! Limits of a record and of a request, and what a record looks like.

use penstock_aws::Invocation;
use penstock_core::ident::{self, HexId};
use penstock_core::reject::Rule;
use s3_to_kinesis::sink::{Sink, TooLarge};

use crate::kinesis::{Entry, Kinesis};
use crate::rows::{SOURCE, checker, ids, plain, records, rows, send_all};

const MIB: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn a_record_is_one_stamped_row_and_a_line_break_under_the_rows_identity() {
    let (kinesis, checker) = (Kinesis::willing(), plain());
    send_all(&kinesis.open().await, &checker, &rows(&checker, &records([3]))).await;
    let entry = kinesis.seen(|seen| seen.accepted[0].clone());
    let row = entry.row();
    assert!(entry.data.ends_with(b"}\n") && entry.data.iter().filter(|byte| **byte == b'\n').count() == 1);
    assert_eq!((&row["id"], &row["pad"]), (&"r-0000000".into(), &"xxx".into()));
    assert_eq!((&row["_dataset"], &row["_contract_version"]), (&"t".into(), &"1.2.3".into()));
    assert_eq!((&row["_source"], &row["_deleted"]), (&SOURCE.into(), &"false".into()));
    assert_eq!(row["_record_id"], entry.partition_key.as_str());
    assert_eq!(entry.partition_key, ident::record_id_of_key(["r-0000000"]).as_str());
    assert_eq!(entry.explicit_hash_key, None);
}

#[tokio::test(start_paused = true)]
async fn the_partition_key_is_a_hash_of_the_columns_that_the_contract_names() {
    let (kinesis, checker) = (Kinesis::willing(), checker("", "{property: penstock.partitionBy, value: g}"));
    send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 14]))).await;
    kinesis.seen(|seen| {
        for entry in &seen.accepted {
            let expected = ident::stable_id([entry.row()["g"].as_str().unwrap()]);
            assert_eq!(HexId::parse(&entry.partition_key), Some(expected));
        }
    });
}

#[tokio::test(start_paused = true)]
async fn requests_keep_both_limits_lose_nothing_and_are_full() {
    let pads = (0..3_000).map(|n| match n % 100 {
        7 => 400_000,
        n if n > 80 => 20_000,
        n => n,
    });
    let (kinesis, checker) = (Kinesis::willing(), plain());
    let told = send_all(&kinesis.open().await, &checker, &rows(&checker, &records(pads))).await;
    assert_eq!((told.sent, told.records, told.refusals), (3_000, 3_000, 0));
    assert_eq!(kinesis.accepted_ids(), ids(3_000));
    let bytes = |entries: &[Entry]| entries.iter().map(Entry::bytes).sum::<usize>();
    kinesis.seen(|seen| {
        for request in &seen.requests {
            assert!(request.len() <= 500 && bytes(request) <= 5 * MIB);
        }
        for pair in seen.requests.windows(2) {
            let with_next = bytes(&pair[0]) + pair[1][0].bytes();
            assert!(pair[0].len() == 500 || with_next > MIB, "{} records, {with_next} bytes", pair[0].len());
        }
    });
}

#[tokio::test(start_paused = true)]
async fn five_hundred_records_make_a_request() {
    let (kinesis, checker) = (Kinesis::willing(), plain());
    send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 1_250]))).await;
    assert_eq!(kinesis.request_sizes(), [500, 500, 250]);
}

/// Pushes a row whose record, partition key included, has so many bytes.
async fn push_of(kinesis: &Kinesis, bytes: usize) -> Result<(), TooLarge> {
    let checker = plain();
    let stream = kinesis.open().await;
    let invocation = Invocation::lasting(None);
    let empty = rows(&checker, &records([0]));
    let mut sink = Sink::new(&stream, checker.contract(), SOURCE, &invocation);
    sink.push(empty.get(0).unwrap()).unwrap();
    sink.flush().await.unwrap();
    let bare = kinesis.seen(|seen| seen.accepted.last().unwrap().bytes());
    let own = rows(&checker, &records([bytes - bare, 0]));
    let pushed = sink.push(own.get(0).unwrap());
    sink.push(own.get(1).unwrap()).unwrap();
    sink.flush().await.unwrap();
    assert_eq!(sink.sent, if pushed.is_ok() { 3 } else { 2 }, "rows beside it go on");
    pushed
}

#[tokio::test(start_paused = true)]
async fn a_record_has_at_most_the_streams_limit_with_its_partition_key() {
    for (kinesis, limit) in [
        (Kinesis::willing(), MIB),
        (Kinesis::willing().record_limit_kib(2_048), 2 * MIB),
        (Kinesis::willing().record_limit_kib(10_240), 5 * MIB),
        (Kinesis::willing().record_limit_kib(0), MIB),
        (Kinesis::willing().summary_fails(400, "AccessDeniedException"), MIB),
        (Kinesis::willing().summary_fails(400, "UnknownOperationException"), MIB),
    ] {
        assert_eq!(kinesis.open().await.record_limit(), limit);
        push_of(&kinesis, limit).await.unwrap();
        let largest = kinesis.seen(|seen| seen.accepted.iter().map(Entry::bytes).max());
        assert_eq!(largest, Some(limit));
        let refused = push_of(&kinesis, limit + 1).await.unwrap_err();
        assert_eq!(refused.violation.rule, Rule::RowTooLarge);
        let reason =
            format!("takes {} bytes as a record with its partition key, the stream takes {limit}", limit + 1);
        assert_eq!(refused.violation.reason, reason);
        let raw: serde_json::Value = serde_json::from_slice(&refused.raw).unwrap();
        assert_eq!((&raw["id"], refused.raw.last()), (&"r-0000000".into(), Some(&b'}')));
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_is_told_to_be_too_large_as_pushing_it_would() {
    let invocation = Invocation::lasting(None);
    let stream = Kinesis::willing().open().await;
    let key = ident::stable_id(["key"]);
    for checker in [plain(), crate::rows::aggregating()] {
        let contract = checker.contract();
        let aggregate = contract.stream.as_ref().unwrap().aggregate;
        let (mut fitting, mut sink) = (0, Sink::new(&stream, contract, SOURCE, &invocation));
        for bytes in MIB - 400..=MIB {
            let line = "x".repeat(bytes - 1) + "\n";
            let told = stream.check_line(aggregate, &key, &line);
            let pushed = sink.push_line(key, &line);
            assert_eq!(told.clone().err(), pushed.map_err(|own| own.violation).err(), "{bytes} bytes");
            fitting += usize::from(told.is_ok());
        }
        assert!((1..400).contains(&fitting), "{fitting}");
    }
}

#[tokio::test(start_paused = true)]
async fn records_over_the_size_of_a_usual_request_go_alone() {
    let (kinesis, checker) = (Kinesis::willing().record_limit_kib(10_240), plain());
    let large = records([10, 4 * MIB, 10, 3 * MIB, 3 * MIB]);
    send_all(&kinesis.open().await, &checker, &rows(&checker, &large)).await;
    assert_eq!(kinesis.request_sizes(), [1, 1, 1, 1, 1]);
    assert_eq!(kinesis.accepted_ids(), ids(5));
}

#[tokio::test(start_paused = true)]
async fn nothing_pushed_is_nothing_sent() {
    let kinesis = Kinesis::willing();
    for checker in [plain(), crate::rows::aggregating()] {
        send_all(&kinesis.open().await, &checker, &rows(&checker, &[])).await;
    }
    assert!(kinesis.request_sizes().is_empty());
}
