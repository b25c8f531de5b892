//! Quarantined records: what is sent, how often, what is told, and what is left behind when a run dies half-way.

use penstock_core::ident;
use penstock_core::receipt::Receipt;
use penstock_core::reject::{Reject, Rule, Violation};
use penstock_core::row::Origin;
use serde_json::{Value, json};

use super::rig::{ENV, FILE, Rig, SECRET, stamps};
use crate::cloud::object_id;

#[tokio::test]
async fn records_that_fit_by_now_become_the_rows_that_their_file_would_have_had() {
    let rig = Rig::copy();
    let all =
        rig.arrive("s3-to-redshift-copy", FILE, &format!("name,id\nAnn,1\n{SECRET},2\nBobby,3\nCharles,x\n"));
    let run = rig.replay(&["--dataset", "people"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let rows = rig.cloud.rows("stage");
    assert_eq!(rows.iter().map(stamps).collect::<Vec<_>>(), all[1..3]);
    assert!(rows.iter().all(|row| row["_source"] == format!("s3://landing/{FILE}")));
    let keys = rig.cloud.keys("stage");
    assert!(
        keys.len() == 1 && keys[0].starts_with("people/replay/") && keys[0].ends_with(".json.gz"),
        "{keys:?}"
    );
    let table = "\
dataset  records  sent  still rejected  replayed before  not sent
-------  -------  ----  --------------  ---------------  --------
people         3     2               1                0         0
";
    assert!(run.out.ends_with(table), "{}", run.out);
    assert!(run.out.contains("line 5  not_a_number  id") && !run.out.contains(SECRET), "{}", run.out);
}

#[tokio::test]
async fn what_was_replayed_is_not_sent_again_but_where_it_is_asked_for_and_then_the_same() {
    let rig = Rig::copy();
    rig.replay(&["--dataset", "people"]).await;
    let before = rig.cloud.state().objects.clone();
    let run = rig.replay(&["--dataset", "people"]).await;
    assert!(
        run.out.contains("people         3     0               1                2         0\n"),
        "{}",
        run.out
    );
    let run = rig.replay(&["--dataset", "people", "--again"]).await;
    assert!(
        run.out.contains("people         3     2               1                0         0\n"),
        "{}",
        run.out
    );
    assert_eq!(rig.cloud.state().objects, before);
}

#[tokio::test]
async fn a_run_that_died_before_its_note_is_made_up_for_by_the_same_rows() {
    let rig = Rig::copy();
    rig.cloud.state().refused_puts = Some("replays/");
    let run = rig.replay(&["--dataset", "people"]).await;
    assert_eq!(run.code, 1, "{}", run.out);
    assert!(
        run.err.contains("AccessDenied") && run.out.contains("run this again"),
        "{} {}",
        run.out,
        run.err
    );
    let sent = (rig.cloud.keys("stage"), rig.cloud.rows("stage"));
    assert_eq!((sent.1.len(), rig.cloud.keys("work").len()), (2, 0));
    rig.cloud.state().refused_puts = None;
    let run = rig.replay(&["--dataset", "people"]).await;
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!((rig.cloud.keys("stage"), rig.cloud.rows("stage")), sent);
    assert_eq!(rig.cloud.keys("work").len(), 1);
}

#[tokio::test]
async fn what_could_not_be_sent_is_not_noted() {
    let rig = Rig::copy();
    rig.cloud.state().refused_puts = Some("people/replay/");
    let run = rig.replay(&["--dataset", "people"]).await;
    assert_eq!((run.code, rig.cloud.keys("work").len()), (1, 0), "{}", run.out);
    rig.cloud.state().refused_puts = None;
    let run = rig.replay(&["--dataset", "people"]).await;
    assert_eq!((run.code, rig.cloud.rows("stage").len()), (0, 2), "{}", run.err);
}

#[tokio::test]
async fn a_dry_run_tells_the_same_and_changes_nothing() {
    let rig = Rig::copy();
    let before = rig.cloud.state().objects.clone();
    let run = rig.replay(&["--dry-run"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(
        run.out.contains("would be sent") && run.out.contains("people         3              2 "),
        "{}",
        run.out
    );
    assert!(run.out.ends_with("nothing was sent: this was --dry-run\n"), "{}", run.out);
    assert_eq!(rig.cloud.state().objects, before);
}

#[tokio::test]
async fn only_what_is_asked_for_is_replayed() {
    let rig = Rig::copy();
    rig.arrive("s3-to-redshift-copy", "copy/people/b.csv", "name,id\nLonger,7\n");
    for arguments in [&["--prefix", "s3://landing/copy/people/b"][..], &["--since", "1m"]] {
        let run = rig.replay(&[arguments, &["--dry-run"]].concat()).await;
        let found = if arguments[0] == "--prefix" { "\npeople         1 " } else { "nothing to replay\n" };
        assert!(run.out.contains(found), "{arguments:?}: {}", run.out);
    }
    let run = rig.replay(&["--since", "2026-01-01", "--until", "2026-01-01T00:00:01Z", "--dry-run"]).await;
    assert!(run.out.contains("\npeople         4 "), "{}", run.out);
}

#[tokio::test]
async fn without_its_file_a_csv_record_has_no_columns_and_an_old_version_no_age() {
    let rig = Rig::copy();
    rig.cloud.state().objects.remove(&("landing".into(), FILE.into()));
    let run = rig.replay(&["--dataset", "people"]).await;
    assert!(
        run.out.contains("not sent: 3 records (the first of s3://landing/copy/people/a.csv): the columns"),
        "{}",
        run.out
    );
    let rig = Rig::new("copy", "json", "", true);
    rig.arrive("s3-to-redshift-copy", FILE, "{\"id\":1,\"name\":\"Bobby\"}\n");
    let landed = rig.cloud.state().objects.remove(&("landing".into(), FILE.into())).unwrap();
    let run = rig.replay(&["--dataset", "people"]).await;
    assert!(run.out.contains("penstock.orderBy") && rig.cloud.rows("stage").is_empty(), "{}", run.out);
    // A receipt tells when it was written.
    let id = object_id("landing", FILE, &landed);
    let receipt = json!({"dataset": "people", "object_id": id, "source": "s", "bytes": 1, "source_ms": 7,
        "contract_version": "1", "status": "complete", "read": 1, "rejected": 1, "duplicate": 0, "sent": 0, "extra_fields": 0});
    rig.cloud.put("work", &Receipt::key("people", &id), receipt.to_string());
    rig.replay(&["--dataset", "people"]).await;
    assert!(rig.cloud.rows("stage")[0]["_order"].as_str().unwrap().starts_with("0000000000007/"));
}

#[tokio::test]
async fn records_of_a_file_that_failed_or_was_replaced_and_what_was_not_kept_stay() {
    let rig = Rig::new(
        "copy",
        "json",
        "    customProperties: [{property: penstock.onReplace, value: replace}]\n",
        false,
    );
    rig.arrive("s3-to-redshift-copy", "copy/people/old.json", "{\"id\":1,\"name\":\"Bobby\"}\n");
    rig.cloud.put("landing", "copy/people/old.json", "{}");
    let origin = |key: &str| Origin::new(format!("s3://landing/{key}"), ident::stable_id([key]), 0);
    let reject = |raw: &str, position| {
        let violations = vec![Violation::column(Rule::TooLong, "name", "too long")];
        Reject { position, line: None, violations, raw: raw.into() }
    };
    let whole = Reject::whole(Violation::record(Rule::TooManyRejects, "1 of 1"));
    let record = reject("{\"id\":1,\"name\":\"Bobby\"}", Some(0));
    rig.quarantine("s3-to-redshift-copy", &origin("copy/people/failed.json"), &[record.clone(), whole]);
    rig.quarantine("s3-to-redshift-copy", &origin("copy/people/gone.json"), &[reject("", Some(9))]);
    rig.quarantine("s3-to-lake", &origin("lake/people/lake.json"), std::slice::from_ref(&record));
    let staged = Origin::new("s3://stage/people/1.gz", ident::stable_id(["staged"]), 0);
    rig.quarantine("json-to-parquet", &staged, std::slice::from_ref(&record));
    rig.quarantine("json-to-parquet", &origin("lake/people/large.json"), std::slice::from_ref(&record));
    rig.quarantine("stranger", &origin("copy/people/strange.json"), &[record]);
    let run = rig.replay(&["--dataset", "people"]).await;
    assert!(run.code == 0 && rig.cloud.rows("stage").is_empty(), "{}", run.out);
    for told in [
        "not sent: 1 record (the first of s3://landing/copy/people/old.json): the file was replaced",
        "not sent: 1 record (the first of s3://landing/copy/people/failed.json): the file failed as a whole",
        "not sent: 1 record (the first of s3://landing/copy/people/failed.json): about a whole file",
        "not sent: 1 record (the first of s3://landing/copy/people/gone.json): nothing of the text was kept",
        "not sent: 1 record (the first of s3://landing/lake/people/lake.json): of the lake route, whose files",
        "not sent: 1 record (the first of s3://stage/people/1.gz): of the lake route, from the stage bucket",
        "not sent: 1 record (the first of s3://landing/lake/people/large.json): of the Glue job, which reads each put",
        "not sent: 1 record (the first of s3://landing/copy/people/strange.json): written by a function that",
    ] {
        assert!(run.out.contains(told), "{told}\n\nis not in\n\n{}", run.out);
    }
}

#[tokio::test]
async fn records_and_rows_of_the_queue_route_go_into_the_queue_as_its_packer_packs_them() {
    let rig = Rig::new("queue", "json", "", true);
    let body = "{\"id\":1,\"name\":\"Bobby\"}\n{\"id\":2,\"name\":\"Charles\"}\n";
    let all = rig.arrive("s3-to-sqs-fifo", "queue/people/a.json", body);
    // The loader keeps rows, which have no position.
    let row = json!({"id": "3", "name": "Dora", "_record_id": ident::record_id_of_key(["3"]),
        "_row_hash": "0".repeat(32), "_order": "7/x", "_deleted": "false"});
    let violations = vec![Violation::column(Rule::TooLong, "name", "too long")];
    let reject = Reject { position: None, line: None, violations, raw: row.to_string().into() };
    let message = Origin::new("s3://landing/queue/people/a.json", ident::stable_id(["message"]), 0);
    rig.quarantine("sqs-fifo-to-redshift", &message, &[reject]);
    let run = rig.replay(&["--dataset", "people", "--rate", "1000"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let sent = rig.cloud.state().messages.clone();
    let mut rows = Vec::new();
    for (queue, _, body) in &sent {
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (queue.as_str(), &body["source"]),
            ("https://load", &json!("s3://landing/queue/people/a.json"))
        );
        rows.extend(body["rows"].as_array().unwrap().iter().map(stamps));
    }
    let mut expected = [all, vec![stamps(&row)]].concat();
    rows.sort();
    expected.sort();
    assert_eq!(rows, expected);
    rig.replay(&["--dataset", "people", "--again"]).await;
    let mut ids: Vec<String> = rig.cloud.state().messages.iter().map(|(_, id, _)| id.clone()).collect();
    ids.sort();
    ids.dedup();
    // SQS itself drops the second sending within minutes, the loader at any time.
    assert_eq!((rig.cloud.state().messages.len(), ids.len()), (2 * sent.len(), sent.len()));
}

#[tokio::test]
async fn who_says_nothing_replays_nothing_and_settings_are_told_by_name() {
    let rig = Rig::copy();
    let run = rig.replay(&[]).await;
    assert!(run.code == 2 && run.err.starts_with("error: say what to replay"), "{}", run.err);
    let load = "0".repeat(32);
    let run = rig.replay(&["--dataset", "people", "--dataset", "other", "--load", &load]).await;
    assert!(run.code == 2 && run.err.contains("one --dataset"), "{}", run.err);
    let run = rig.replay(&["--dataset", "other"]).await;
    assert!(
        run.code == 2 && run.err.contains("dataset other has neither a contract nor rejects"),
        "{}",
        run.err
    );
    let run = rig.cloud.run(rig.directory.path(), &["replay", "--dry-run"], &ENV[1..]).await;
    assert!(run.code == 2 && run.err.contains("QUARANTINE_BUCKET is not set"), "{}", run.err);
    let run = rig.cloud.run(rig.directory.path(), &["replay", "--dataset", "people"], &ENV[..2]).await;
    assert!(run.code == 2 && run.err.contains("STAGE_BUCKET is not set"), "{}", run.err);
}
