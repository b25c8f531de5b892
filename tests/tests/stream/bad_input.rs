//! What is wrong with a stream or an object costs no row: it is told, what can be sent is sent once, and the rest goes on.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use penstock_tests::{Conduct, Random, STREAM, StreamRoute, batch, given_back};
use serde_json::{Value, json};

use crate::files::{clicks, customers, put};
use crate::model;
use crate::rig::{NONE, check, check_accounts, route, rows, same};

/// The invocation has half a second without its reserve.
const SHORT: Duration = Duration::from_millis(10_500);

#[tokio::test]
async fn without_its_stream_a_message_is_given_back_and_the_stream_is_named() {
    let route = route().await;
    let (object, event) =
        put(&route, "clicks", "stream/clicks/a.json", &clicks(&mut Random::new(1, 1), 50)).await.unwrap();
    route.kinesis.behave(Conduct { is_missing: true, ..Conduct::default() });
    assert_eq!(route.send(std::slice::from_ref(&event)).await.unwrap(), [0]);
    let told = format!("stream {STREAM} does not exist");
    let names = |line: &Value| line.to_string().contains(&told);
    route.streamer.wait_for_log(names).await.unwrap();
    assert!(route.receipts().await.unwrap().is_empty(), "an object that was not sent has no receipt");
    // Somebody makes the stream: the message comes again.
    route.kinesis.behave(Conduct::default());
    assert_eq!(route.send(&[event]).await.unwrap(), NONE);
    route.load_new().await.unwrap();
    check(&route, std::slice::from_ref(&object)).await.unwrap();
    check_accounts(&route, &[object]).await.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_throttled_for_longer_than_the_invocation_loses_nothing() {
    let route = route().await;
    let (object, event) =
        put(&route, "clicks", "stream/clicks/a.json", &clicks(&mut Random::new(2, 1), 700)).await.unwrap();
    let events = std::slice::from_ref(&event);
    for refused in [100, 90] {
        route.kinesis.behave(Conduct { refused, ..Conduct::default() });
        let until = SystemTime::now() + SHORT;
        let answer = route.streamer.invoke_until(&batch(events), until).await.unwrap();
        let tasks = route.take_tasks().await.unwrap();
        let is_left = given_back(&answer).unwrap() == [0] || !tasks.is_empty();
        assert!(is_left, "nothing is left to do, and {} records were taken", route.kinesis.count());
        assert!(SystemTime::now() < until, "the function answers before it would be ended");
        assert!(route.receipts().await.unwrap().is_empty(), "an object that was not sent has no receipt");
        for task in tasks {
            route.tasks.send(task["Records"][0]["body"].as_str().unwrap()).await.unwrap();
        }
    }
    route.kinesis.behave(Conduct::default());
    assert_eq!(route.send(events).await.unwrap(), NONE);
    route.tasks.work_off(async |event| route.streamer.invoke(event).await).await.unwrap();
    route.load_new().await.unwrap();
    check(&route, std::slice::from_ref(&object)).await.unwrap();
    check_accounts(&route, &[object]).await.unwrap();
}

#[tokio::test]
async fn refused_records_and_lost_answers_lose_nothing_and_double_no_row() {
    let route = route().await;
    let mut random = Random::new(3, 1);
    route.kinesis.behave(Conduct { refused: 30, lost: 5, ..Conduct::default() });
    let (mut objects, mut events) = (Vec::new(), Vec::new());
    for n in 0..6 {
        let draft = customers(&mut random, 700);
        let (object, event) =
            put(&route, "customers", &format!("stream/customers/{n}.csv"), &draft).await.unwrap();
        objects.push(object);
        events.push(event);
    }
    assert_eq!(route.send(&events).await.unwrap(), NONE);
    let sent: u64 =
        route.receipts().await.unwrap().iter().map(|receipt| receipt["sent"].as_u64().unwrap()).sum();
    assert!(route.kinesis.count() as u64 >= sent);
    route.load_new().await.unwrap();
    check(&route, &objects).await.unwrap();
    check_accounts(&route, &objects).await.unwrap();
}

#[tokio::test]
async fn an_object_that_vanished_or_was_replaced_before_it_was_read_is_superseded() {
    let route = route().await;
    let mut random = Random::new(4, 1);
    let key = |name: &str| format!("stream/customers/{name}.csv");
    let (_, gone) = put(&route, "customers", &key("gone"), &customers(&mut random, 20)).await.unwrap();
    route.landing.delete(&key("gone")).await.unwrap();
    let (_, old) = put(&route, "customers", &key("new"), &customers(&mut random, 20)).await.unwrap();
    let (object, new) = put(&route, "customers", &key("new"), &customers(&mut random, 30)).await.unwrap();
    assert_eq!(route.send(&[gone, old]).await.unwrap(), NONE);
    assert_eq!(route.kinesis.count(), 0, "nothing of an object that is no more");
    assert_eq!(route.send(&[new]).await.unwrap(), NONE);
    route.load_new().await.unwrap();
    check(&route, std::slice::from_ref(&object)).await.unwrap();
    check_accounts(&route, &[object]).await.unwrap();
}

#[tokio::test]
async fn a_gzip_that_ends_early_is_delivered_up_to_its_break_once_and_is_partial() {
    let route = route().await;
    let draft = clicks(&mut Random::new(5, 1), 5_000);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    encoder.write_all(draft.text.as_bytes()).unwrap();
    let whole = encoder.finish().unwrap();
    let (key, cut) = ("stream/clicks/cut.json.gz", &whole[..whole.len() / 5 * 4]);
    let event = route.landing.put_for_event(key, cut).await.unwrap();
    assert_eq!(route.send(std::slice::from_ref(&event)).await.unwrap(), NONE);
    let receipt = route.receipt_of(key).await.unwrap();
    assert_eq!(receipt["status"], "partial");
    let sent = receipt["sent"].as_u64().unwrap() as usize;
    assert!(sent > 3_000 && sent < draft.records.len(), "{receipt}");
    let fault = fault_of(&route, "truncated").await;
    let reason = fault["rules"][0]["reason"].as_str().unwrap();
    let broke_at =
        reason.split_once("at byte ").unwrap().1.split(' ').next().unwrap().parse::<u64>().unwrap();
    let whole_records = draft.records[sent].position;
    assert!(draft.records[sent - 1].position < broke_at && broke_at <= whole_records + 300, "{reason}");
    let is_told = |line: &Value| line["level"] == "ERROR" && line.to_string().contains("cut.json.gz");
    route.streamer.wait_for_log(is_told).await.unwrap();
    // Once more: it is done.
    assert_eq!(route.send(&[event]).await.unwrap(), NONE);
    assert_eq!(route.receipt_of(key).await.unwrap(), receipt);
    route.load_new().await.unwrap();
    let (id, modified_ms) = penstock_tests::expected::told(&route.landing, key).await.unwrap();
    let uri = format!("s3://{}/{key}", route.landing.name);
    let records = draft.records[..sent].to_vec();
    let object = model::Object { table: "clicks", uri, id, modified_ms, records, rejected: 0 };
    same("clicks", rows(&route, "clicks").await.unwrap(), model::rows(&[object], "clicks")).unwrap();
    route.check_clean().await.unwrap();
}

/// The one line of quarantine under a rule.
async fn fault_of(route: &StreamRoute, rule: &str) -> Value {
    let lines = route.quarantined().await.unwrap();
    let mut own: Vec<_> = lines.iter().filter(|line| line["rules"][0]["rule"] == rule).collect();
    assert_eq!(own.len(), 1, "{lines:?}");
    own.remove(0).clone()
}

#[tokio::test]
async fn a_row_that_no_record_can_hold_is_a_reject_and_the_others_arrive() {
    let route = route().await;
    let text = [line_of(1, "a"), line_of(2, &"x".repeat(1_200_000)), line_of(3, "c")].concat();
    route.send_all(&[("stream/clicks/large.json", text.into_bytes())]).await.unwrap();
    route.load_new().await.unwrap();
    assert_eq!(route.lines("SELECT page FROM tgt.clicks ORDER BY page").await.unwrap(), ["/1", "/3"]);
    let receipt = route.receipt_of("stream/clicks/large.json").await.unwrap();
    let counts = ["read", "rejected", "sent"].map(|name| receipt[name].clone());
    assert_eq!(counts, [json!(3), json!(1), json!(2)]);
    let line = route.quarantined().await.unwrap().remove(0);
    assert_eq!(line["position"], json!(line_of(1, "a").len()), "{}", line["rules"]);
    route.check_quarantine().await.unwrap();
}

fn line_of(n: usize, device: &str) -> String {
    let device = format!("{{\"os\":\"{device}\"}}");
    format!("{{\"page\":\"/{n}\",\"at\":\"2026-02-01T00:00:00Z\",\"device\":{device}}}\n")
}

#[tokio::test]
async fn objects_at_fault_go_to_quarantine_and_the_others_arrive() {
    let route = route().await;
    let good = "updated_at,customer_id,name,status,balance\n2026-01-02T00:00:00Z,c-1,Ann,open,1\n";
    route
        .send_all(&[
            ("stream/customers/good.csv", good.into()),
            ("stream/customers/no-name.csv", "customer_id,other\n2,x\n".into()),
            ("stream/customers/corrupt.csv.gz", b"\x1f\x8b\xff\xff\xff\xff garbage".to_vec()),
            ("stream/customers/empty.csv", Vec::new()),
            ("stream/unknown/a.csv", "1".into()),
        ])
        .await
        .unwrap();
    route.load_new().await.unwrap();
    assert_eq!(route.lines("SELECT customer_id FROM tgt.customers").await.unwrap(), ["c-1"]);
    let mut rules = route.quarantined_rules().await.unwrap();
    rules.sort();
    assert_eq!(rules, ["corrupt_compression", "header_mismatch", "unknown_dataset"]);
    let mut told: Vec<_> = route
        .receipts()
        .await
        .unwrap()
        .iter()
        .map(|own| own["status"].as_str().unwrap().to_owned())
        .collect();
    told.sort();
    assert_eq!(told, ["complete", "complete", "failed", "failed"]);
    route.check_clean().await.unwrap();
}
