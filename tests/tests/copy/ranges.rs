//! Objects that are too much for one invocation: in ranges, or from checkpoint to checkpoint. However their tasks come,
//! the table is what one reading gives, and nothing is left behind.

use std::time::Duration;

use penstock_tests::{Bootstrap, COPIER, CopyRoute, batch, until};
use serde_json::{Value, json};

use crate::rig::contracts;

/// Append only; NDJSON.
const HITS: &str = "apiVersion: v3.1.0
kind: DataContract
id: hits
name: hits
version: 1.0.0
status: active
servers:
  - {server: landing, type: s3, location: 's3://${LANDING_BUCKET}/copy/hits/*', format: json, delimiter: new_line}
  - {server: warehouse, type: redshift, database: '${DATABASE}', schema: tgt}
schema:
  - name: hits
    physicalType: table
    customProperties:
      - {property: penstock.maxRejectedFraction, value: 0.2}
    properties:
      - {name: n, logicalType: integer, physicalType: bigint, required: true}
      - {name: page, logicalType: string, physicalType: varchar(400)}
";

/// Upsert by `id`; CSV whose lines stand for themselves.
const STOCKS: &str = "apiVersion: v3.1.0
kind: DataContract
id: stocks
name: stocks
version: 1.0.0
status: active
servers:
  - server: landing
    type: s3
    location: 's3://${LANDING_BUCKET}/copy/stocks/*'
    format: csv
    customProperties: [{property: penstock.multiline, value: false}]
  - {server: warehouse, type: redshift, database: '${DATABASE}', schema: tgt}
schema:
  - name: stocks
    physicalType: table
    properties:
      - {name: id, logicalType: integer, physicalType: bigint, primaryKey: true, required: true}
      - {name: place, logicalType: string, physicalType: varchar(400)}
";

const SPLIT_BYTES: usize = 64 << 10;
pub const NONE: Vec<usize> = Vec::new();

pub async fn route_split(bytes: usize) -> CopyRoute {
    let folder = contracts(&[("hits", HITS), ("stocks", STOCKS)]);
    CopyRoute::with_settings(folder, &[("SPLIT_BYTES", &bytes.to_string())]).await.unwrap()
}

pub async fn route() -> CopyRoute {
    route_split(SPLIT_BYTES).await
}

/// So many lines, some of them no records, with blank ones and both kinds of line ends; the last one has no end.
fn hits(lines: usize, is_bad: impl Fn(usize) -> bool) -> String {
    let line = |n: usize| match n {
        n if is_bad(n) => format!("{{\"n\":\"x{n}\"}}"),
        n if n % 7 == 0 => format!("  {{\"n\":{n},\"page\":\"/{}\"}}\r\n", "ü".repeat(n % 90)),
        n => format!("{{\"n\":{n},\"page\":\"/{}\"}}", "p".repeat(n % 200)),
    };
    (0..lines).map(line).collect::<Vec<_>>().join("\n")
}

/// Number and position of each good hit, and positions of the bad ones, found without the record engine.
fn expected(text: &str, is_bad: impl Fn(usize) -> bool) -> (Vec<String>, Vec<u64>) {
    let (mut good, mut bad, mut at) = (Vec::new(), Vec::new(), 0);
    let mut number = 0;
    for line in text.split_inclusive('\n') {
        let blanks = line.len() - line.trim_start().len();
        if !line.trim().is_empty() {
            match is_bad(number) {
                true => bad.push((at + blanks) as u64),
                false => good.push(format!("{number}|{:020}", at + blanks)),
            }
            number += 1;
        }
        at += line.len();
    }
    (good, bad)
}

async fn positions(route: &CopyRoute) -> Vec<String> {
    route.lines("SELECT n, RIGHT(_order, 20) FROM tgt.hits ORDER BY n").await.unwrap()
}

async fn quarantined_positions(route: &CopyRoute) -> Vec<u64> {
    let lines = route.quarantined().await.unwrap();
    let mut all: Vec<u64> = lines.iter().filter_map(|line| line["position"].as_u64()).collect();
    all.sort_unstable();
    all
}

/// The tasks that stand in the queue, as messages like the event's; they are gone from there.
pub async fn tasks(route: &CopyRoute, event: &Value) -> Vec<Value> {
    let bodies = route.queue.drain().await.unwrap();
    bodies.iter().map(|body| with_body(event, body)).collect()
}

pub fn with_body(event: &Value, body: &str) -> Value {
    let mut message = event.clone();
    message["Records"][0]["body"] = json!(body);
    message
}

/// Puts a file and has its event taken; its tasks.
pub async fn split(route: &CopyRoute, key: &str, body: impl Into<Vec<u8>>) -> (Value, Vec<Value>) {
    let event = route.landing.put_for_event(key, body).await.unwrap();
    assert_eq!(route.take(std::slice::from_ref(&event)).await.unwrap(), NONE);
    let tasks = tasks(route, &event).await;
    (event, tasks)
}

pub async fn is_settled(route: &CopyRoute, table: &str, objects: usize) {
    let lines = format!("SELECT COUNT(*), COUNT(DISTINCT object_id) FROM penstock.objects_{table}");
    assert_eq!(route.lines(&lines).await.unwrap(), [format!("{objects}|{objects}")]);
    route.check_ledger(table).await.unwrap();
    route.check_clean().await.unwrap();
    assert_eq!(route.queue.depth().await.unwrap(), 0);
}

const BAD: fn(usize) -> bool = |n| n % 50 == 3;

#[tokio::test]
async fn lines_are_read_in_ranges_and_stand_where_one_reading_finds_them() {
    let route = route().await;
    let text = hits(4_000, BAD);
    let (_, tasks) = split(&route, "copy/hits/big.json", text.clone()).await;
    assert_eq!(tasks.len(), text.len().div_ceil(SPLIT_BYTES));
    assert!(positions(&route).await.is_empty());
    assert_eq!(route.take(&tasks).await.unwrap(), NONE);
    let (good, bad) = expected(&text, BAD);
    assert_eq!(positions(&route).await, good);
    assert_eq!(quarantined_positions(&route).await, bad);
    let counts = "SELECT n_read, n_inserted, n_rejected FROM penstock.objects_hits";
    assert_eq!(
        route.lines(counts).await.unwrap(),
        [format!("{}|{}|{}", 4_000, 4_000 - bad.len(), bad.len())]
    );
    is_settled(&route, "hits", 1).await;
}

#[tokio::test]
async fn ranges_of_a_csv_file_know_its_header() {
    let route = route().await;
    let mut text = String::from("\u{feff}place,id,extra\r\n");
    for n in 0..5_000 {
        text += &format!("\"shelf {n}, \"\"{}\"\"\",{n},\r\n", "s".repeat(n % 60));
    }
    text += "unknown,x,\r\n";
    let (_, tasks) = split(&route, "copy/stocks/big.csv", text).await;
    assert!(tasks.len() > 3, "{}", tasks.len());
    assert_eq!(route.take(&tasks).await.unwrap(), NONE);
    let rows = route.lines("SELECT id, place FROM tgt.stocks ORDER BY id").await.unwrap();
    let wanted: Vec<_> = (0..5_000).map(|n| format!("{n}|shelf {n}, \"{}\"", "s".repeat(n % 60))).collect();
    assert_eq!(rows, wanted);
    assert_eq!(route.quarantined_rules().await.unwrap(), ["not_a_number"]);
    is_settled(&route, "stocks", 1).await;
}

#[tokio::test]
async fn tasks_that_come_twice_and_in_any_order_add_nothing() {
    let route = route().await;
    let text = hits(3_000, BAD);
    let (event, tasks) = split(&route, "copy/hits/big.json", text.clone()).await;
    let last = tasks.len() - 1;
    // All but one, backwards, each twice in one batch and once more in another.
    for group in tasks[1..].rchunks(2) {
        let twice = [group, group].concat();
        assert_eq!(route.take(&twice).await.unwrap(), NONE);
        assert_eq!(route.take(group).await.unwrap(), NONE);
    }
    assert!(positions(&route).await.is_empty(), "a range is missing");
    // The event again sends what is missing, and nothing else.
    assert_eq!(route.take(std::slice::from_ref(&event)).await.unwrap(), NONE);
    let missing = self::tasks(&route, &event).await;
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0]["Records"][0]["body"], tasks[0]["Records"][0]["body"]);
    assert_eq!(route.take(&[missing[0].clone(), tasks[last].clone(), event.clone()]).await.unwrap(), NONE);
    let (good, bad) = expected(&text, BAD);
    assert_eq!(positions(&route).await, good);
    // Late ones find the object loaded.
    assert_eq!(route.take(&[&tasks[..], &[event]].concat()).await.unwrap(), NONE);
    assert_eq!(positions(&route).await, good);
    assert_eq!(quarantined_positions(&route).await, bad);
    is_settled(&route, "hits", 1).await;
}

#[tokio::test]
async fn a_function_that_dies_between_ranges_costs_nothing() {
    let route = route().await;
    let text = hits(20_000, BAD);
    let (_, tasks) = split(&route, "copy/hits/big.json", text.clone()).await;
    let dies = async {
        until("the first ranges", Duration::from_secs(30), async || {
            let read = route.work.list("objects/").await?;
            Ok((read.iter().filter(|key| key.contains("/ranges/")).count() >= 2).then_some(()))
        })
        .await
        .unwrap();
        route.copier.kill();
    };
    let event = batch(&tasks);
    let (answer, ()) = tokio::join!(route.copier.invoke(&event), dies);
    assert!(answer.is_err(), "{answer:?}");
    let next = Bootstrap::start(COPIER, route.vars.clone()).await.unwrap();
    let answer = next.invoke(&batch(&tasks)).await.unwrap();
    assert_eq!(penstock_tests::failures(&answer), Vec::<String>::new());
    let (good, bad) = expected(&text, BAD);
    assert_eq!(positions(&route).await, good);
    assert_eq!(quarantined_positions(&route).await, bad);
    is_settled(&route, "hits", 1).await;
}

#[tokio::test]
async fn two_functions_with_the_same_tasks_load_the_object_once() {
    let route = route().await;
    let text = hits(6_000, BAD);
    let (_, tasks) = split(&route, "copy/hits/big.json", text.clone()).await;
    let other = Bootstrap::start(COPIER, route.vars.clone()).await.unwrap();
    let (forwards, backwards) = (batch(&tasks), batch(&tasks.iter().rev().cloned().collect::<Vec<_>>()));
    let (left, right) = tokio::join!(route.copier.invoke(&forwards), other.invoke(&backwards));
    let given_back = [left, right].into_iter().flat_map(|answer| penstock_tests::failures(&answer.unwrap()));
    if given_back.count() > 0 {
        assert_eq!(route.take(&tasks).await.unwrap(), NONE, "what a race gives back comes again");
    }
    assert_eq!(positions(&route).await, expected(&text, BAD).0);
    is_settled(&route, "hits", 1).await;
}

#[tokio::test]
async fn an_object_that_is_replaced_between_its_ranges_leaves_nothing() {
    let route = route().await;
    let key = "copy/hits/big.json";
    let (event, old) = split(&route, key, hits(3_000, BAD)).await;
    assert_eq!(route.take(&old[..2]).await.unwrap(), NONE);
    assert!(!route.work.list("objects/").await.unwrap().is_empty());
    let text = hits(3_500, |_| false);
    let (_, new) = split(&route, key, text.clone()).await;
    assert_eq!(route.take(&old[1..]).await.unwrap(), NONE);
    assert!(positions(&route).await.is_empty());
    assert_eq!(route.take(&new).await.unwrap(), NONE);
    assert_eq!(route.take(&[&old[..], &[event]].concat()).await.unwrap(), NONE);
    assert_eq!(positions(&route).await, expected(&text, |_| false).0);
    is_settled(&route, "hits", 1).await;
}

#[tokio::test]
async fn the_same_content_put_again_between_ranges_gives_all_its_rows_one_time() {
    let route = route().await;
    let (key, text) = ("copy/hits/big.json", hits(3_000, BAD));
    let (event, old) = split(&route, key, text.clone()).await;
    assert_eq!(route.take(&old[..2]).await.unwrap(), NONE);
    // S3's times are whole seconds: again, until it is another one.
    let new = until("another time", Duration::from_secs(20), async || {
        let (_, new) = split(&route, key, text.clone()).await;
        Ok((put_ms(&new[0]) > put_ms(&old[0])).then_some(new))
    });
    let new = new.await.unwrap();
    assert_eq!(route.take(&old).await.unwrap(), NONE);
    assert!(positions(&route).await.is_empty());
    assert_eq!(route.take(&new).await.unwrap(), NONE);
    assert_eq!(route.take(&[&old[..], &[event]].concat()).await.unwrap(), NONE);
    assert_eq!(positions(&route).await, expected(&text, BAD).0);
    let times = route.lines("SELECT DISTINCT LEFT(_order, 13) FROM tgt.hits").await.unwrap();
    assert_eq!(times, [format!("{:013}", put_ms(&new[0]))]);
    is_settled(&route, "hits", 1).await;
}

/// When the object of a task was put.
fn put_ms(task: &Value) -> u64 {
    let body: Value = serde_json::from_str(task["Records"][0]["body"].as_str().unwrap()).unwrap();
    body["modified_ms"].as_u64().unwrap()
}

#[tokio::test]
async fn rejects_are_held_against_the_whole_object_whatever_ranges_they_stand_in() {
    let route = route().await;
    // Bad ones only at the beginning: a fifth of all may be bad, and the first ranges are far above that.
    let below: fn(usize) -> bool = |n| n < 500;
    let text = hits(3_000, below);
    let (_, tasks) = split(&route, "copy/hits/below.json", text.clone()).await;
    assert_eq!(route.take(&tasks).await.unwrap(), NONE);
    assert_eq!(positions(&route).await, expected(&text, below).0);

    let above: fn(usize) -> bool = |n| n < 1_000;
    let (_, tasks) = split(&route, "copy/hits/above.json", hits(3_000, above)).await;
    assert_eq!(route.take(&tasks).await.unwrap(), NONE);
    assert_eq!(positions(&route).await.len(), 2_500, "nothing of it loads");
    // A task that comes again does not begin anew.
    assert_eq!(route.take(&tasks[..1]).await.unwrap(), NONE);
    let receipts = route.receipts().await.unwrap();
    assert_eq!((receipts.len(), &receipts[0]["status"]), (1, &json!("failed")));
    assert_eq!((&receipts[0]["read"], &receipts[0]["rejected"]), (&json!(3_000), &json!(1_000)));
    let rules = route.quarantined_rules().await.unwrap();
    assert_eq!(rules.iter().filter(|rule| *rule == "too_many_rejects").count(), 1);
    assert_eq!(quarantined_positions(&route).await.len(), 1_500);
    is_settled(&route, "hits", 1).await;
}

#[tokio::test]
async fn tasks_of_an_object_that_the_warehouse_refused_do_not_begin_it_anew() {
    let route = route().await;
    // Narrower than the contract, which no check of a record can know.
    for sql in ["ALTER TABLE tgt.hits DROP COLUMN page", "ALTER TABLE tgt.hits ADD COLUMN page varchar(8)"] {
        route.sql(sql).await.unwrap();
    }
    let (_, tasks) = split(&route, "copy/hits/big.json", hits(3_000, |_| false)).await;
    assert_eq!(route.take(&tasks).await.unwrap(), NONE);
    assert_eq!(route.take(&tasks).await.unwrap(), NONE);
    assert_eq!(route.quarantined_rules().await.unwrap(), ["refused_by_warehouse"]);
    let receipts = route.receipts().await.unwrap();
    assert_eq!((&receipts[0]["status"], &receipts[0]["read"]), (&json!("failed"), &json!(3_000)));
    is_settled(&route, "hits", 0).await;
}

#[tokio::test]
async fn tasks_of_an_older_contract_are_begun_anew_under_the_new_one() {
    let route = route().await;
    let text = hits(3_000, BAD);
    let (_, tasks) = split(&route, "copy/hits/big.json", text.clone()).await;
    assert_eq!(route.take(&tasks[..2]).await.unwrap(), NONE);
    let folder = route.vars.iter().find(|(name, _)| name == "CONTRACTS_DIR").map(|(_, value)| value);
    let newer = HITS.replace("version: 1.0.0", "version: 1.0.1");
    std::fs::write(format!("{}/hits.odcs.yaml", folder.unwrap()), newer).unwrap();
    let next = Bootstrap::start(COPIER, route.vars.clone()).await.unwrap();
    // The first two are acknowledged and gone: those that are left have all of it read again.
    let answer = next.invoke(&batch(&tasks[2..])).await.unwrap();
    assert_eq!(penstock_tests::failures(&answer), Vec::<String>::new());
    route.work_off(&next, None).await.unwrap();
    assert_eq!(positions(&route).await, expected(&text, BAD).0);
    is_settled(&route, "hits", 1).await;
}

#[tokio::test]
async fn a_task_for_another_bucket_or_for_no_range_goes_to_quarantine() {
    let route = route().await;
    let (event, tasks) = split(&route, "copy/hits/big.json", hits(3_000, BAD)).await;
    let body = tasks[0]["Records"][0]["body"].as_str().unwrap();
    let foreign = body.replace(&route.landing.name, &route.quarantine.name);
    let none = body.replace("\"number\":0", "\"number\":77");
    assert_eq!(route.take(&[with_body(&event, &foreign), with_body(&event, &none)]).await.unwrap(), NONE);
    assert_eq!(route.quarantined_rules().await.unwrap(), ["unknown_event", "unknown_event"]);
    assert_eq!(route.take(&tasks).await.unwrap(), NONE);
    is_settled(&route, "hits", 1).await;
}
