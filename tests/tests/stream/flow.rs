//! Files that come whole and once: every row arrives, with the counts of each hop.

use std::collections::BTreeSet;

use penstock_core::kpl;
use penstock_tests::{Random, StreamRecord, StreamRoute};

use crate::files::{clicks, customers, put};
use crate::rig::{NONE, check, check_accounts, contracts, route};

/// Has four files taken, packed and not, all the way, and their events once more.
async fn four_files(route: &StreamRoute) {
    let mut random = Random::new(4, 4);
    let (mut objects, mut events) = (Vec::new(), Vec::new());
    for packed in ["", ".gz"] {
        let (keyed, keyless) = (customers(&mut random, 500), clicks(&mut random, 500));
        for (table, key, draft) in [
            ("customers", format!("stream/customers/ä b+c.csv{packed}"), keyed),
            ("clicks", format!("stream/clicks/100% a.json{packed}"), keyless),
        ] {
            let (object, event) = put(route, table, &key, &draft).await.unwrap();
            objects.push(object);
            events.push(event);
        }
    }
    assert_eq!(route.send(&events).await.unwrap(), NONE);
    route.load_new().await.unwrap();
    check(route, &objects).await.unwrap();
    check_accounts(route, &objects).await.unwrap();
    // The events again: the same records go out, and the same rows are there.
    let sent = route.kinesis.records_from(0);
    assert_eq!(route.send(&events).await.unwrap(), NONE);
    let data = |records: &[StreamRecord]| records.iter().map(|own| own.data.clone()).collect::<BTreeSet<_>>();
    assert_eq!(data(&route.kinesis.records_from(sent.len())), data(&sent));
    route.load_new().await.unwrap();
    check(route, &objects).await.unwrap();
    check_accounts(route, &objects).await.unwrap();
}

#[tokio::test]
async fn every_row_of_a_file_arrives_and_is_accounted_for() {
    let route = route().await;
    four_files(&route).await;
    let sent: u64 =
        route.receipts().await.unwrap().iter().map(|receipt| receipt["sent"].as_u64().unwrap()).sum();
    assert_eq!(route.kinesis.count() as u64, 2 * sent, "one record a row, all of them twice");
    for record in route.kinesis.records_from(0) {
        let key = &record.partition_key;
        assert!(
            key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "no value is a key: {key}"
        );
        assert!(
            record.data.ends_with(b"}\n") && record.data.starts_with(b"{"),
            "one JSON object and a line break"
        );
    }
}

#[tokio::test]
async fn rows_of_one_partition_have_one_key() {
    let route = route().await;
    let line =
        |visitor: &str, n: usize| format!("{{{visitor}\"page\":\"/{n}\",\"at\":\"2026-02-01T00:00:00Z\"}}\n");
    let text = [line("\"visitor\":\"a\",", 1), line("", 2), line("\"visitor\":\"b\",", 3)].concat();
    let text = [text.as_str(), &line("\"visitor\":\"a\",", 4), &line("\"visitor\":null,", 5)].concat();
    route.send_all(&[("stream/clicks/a.json", text.into_bytes())]).await.unwrap();
    let key_of = |n: usize| {
        let page = format!("\"page\":\"/{n}\"");
        let records = route.kinesis.records_from(0);
        let own = records.iter().find(|own| String::from_utf8_lossy(&own.data).contains(&page));
        own.unwrap().partition_key.clone()
    };
    assert_eq!(key_of(1), key_of(4));
    assert_eq!(key_of(2), key_of(5), "NULL is a partition of its own");
    assert_ne!(key_of(1), key_of(3));
    assert_ne!(key_of(1), key_of(2));
}

#[tokio::test]
async fn aggregated_rows_arrive_as_the_same_rows() {
    let route = StreamRoute::with_settings(contracts("kpl"), &[("SPLIT_BYTES", "268435456")]).await.unwrap();
    four_files(&route).await;
    let records = route.kinesis.records_from(0);
    let packed = records.iter().map(|own| kpl::decode(kpl::message(&own.data).unwrap()).unwrap().len());
    let sent: u64 =
        route.receipts().await.unwrap().iter().map(|receipt| receipt["sent"].as_u64().unwrap()).sum();
    assert_eq!(packed.sum::<usize>() as u64, 2 * sent, "all of them twice");
    assert!(
        records.iter().all(|own| own.explicit_hash_key.is_some()),
        "a bucket's record says where it belongs"
    );
}
