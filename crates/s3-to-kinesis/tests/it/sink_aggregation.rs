//! Aggregated records as a sink sends them: every row once, in the shard of its record, in far fewer records.

use penstock_core::kpl;
use serde_json::Value;

use crate::kinesis::{Entry, Kinesis};
use crate::rows::{aggregating, ids, records, rows, send_all};

const MIB: usize = 1 << 20;

/// Rows in a record, each under the record's own hash.
fn rows_of(entry: &Entry) -> Vec<Value> {
    let message = kpl::message(&entry.data).unwrap();
    let hash = entry.explicit_hash_key.as_deref();
    let parse = |own: kpl::UserRecord<'_>| {
        assert_eq!(own.explicit_hash_key, hash);
        assert!(own.data.ends_with(b"}\n"));
        let row: Value = serde_json::from_slice(own.data).unwrap();
        assert_eq!(row["_record_id"], own.partition_key);
        row
    };
    kpl::decode(message).unwrap().into_iter().map(parse).collect()
}

#[tokio::test(start_paused = true)]
async fn every_row_arrives_once_under_the_hash_of_its_record() {
    let (kinesis, checker) = (Kinesis::willing(), aggregating());
    let pads = (0..30_000).map(|n| if n % 1_000 == 7 { 200_000 } else { 100 });
    let told = send_all(&kinesis.open().await, &checker, &rows(&checker, &records(pads))).await;
    assert_eq!(told.sent, 30_000);
    kinesis.seen(|seen| {
        assert_eq!(told.records as usize, seen.accepted.len());
        assert!(told.records * 20 <= told.sent, "{told:?}");
        let all = seen.accepted.iter().flat_map(rows_of);
        let mut all: Vec<String> = all.map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        all.sort();
        assert_eq!(all, ids(30_000));
        for request in &seen.requests {
            assert!(request.len() <= 500 && request.iter().map(Entry::bytes).sum::<usize>() <= 5 * MIB);
            assert!(request.iter().all(|entry| entry.bytes() <= MIB));
        }
    });
}

#[tokio::test(start_paused = true)]
async fn rows_of_one_key_are_all_under_one_hash() {
    let kinesis = Kinesis::willing();
    let checker = crate::rows::checker(
        ", {property: penstock.aggregate, value: kpl}",
        "{property: penstock.partitionBy, value: g}",
    );
    send_all(&kinesis.open().await, &checker, &rows(&checker, &records([100; 5_000]))).await;
    let mut hash_of = std::collections::BTreeMap::new();
    kinesis.seen(|seen| {
        for entry in &seen.accepted {
            for own in kpl::decode(kpl::message(&entry.data).unwrap()).unwrap() {
                let hash =
                    hash_of.entry(own.partition_key.to_owned()).or_insert(entry.explicit_hash_key.clone());
                assert_eq!(*hash, entry.explicit_hash_key);
            }
        }
    });
    assert_eq!(hash_of.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_no_aggregated_record_can_hold_is_rejected_and_the_others_go() {
    let (kinesis, checker) = (Kinesis::willing(), aggregating());
    let stream = kinesis.open().await;
    let invocation = penstock_aws::Invocation::lasting(None);
    let own = rows(&checker, &records([10, MIB, 10]));
    let mut sink = s3_to_kinesis::sink::Sink::new(&stream, checker.contract(), "s", &invocation);
    let pushed: Vec<bool> = own.iter().map(|row| sink.push(row).is_ok()).collect();
    sink.flush().await.unwrap();
    assert_eq!((pushed, sink.sent), (vec![true, false, true], 2));
}
