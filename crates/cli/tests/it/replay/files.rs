//! Whole files: their events once more, to the queue that S3 sends them to.

use penstock_core::object::events_in_text;

use super::rig::{Rig, SECRET};

/// Two files of the dataset, one of them with rejects, and others that are none.
fn rig() -> Rig {
    let rig = Rig::new(
        "copy",
        "csv",
        "    customProperties: [{property: penstock.maxRejectedFraction, value: 0.4}]\n",
        true,
    );
    rig.cloud.put("landing", "copy/people/1 ü.csv", "id,name\n1,Ann\n");
    rig.cloud.put("landing", "copy/people/2.csv", format!("id,name\nx,{SECRET}\n2,Bob\n"));
    rig.cloud.put("landing", "copy/people/", "");
    rig.cloud.put("landing", "copy/other/3.csv", "id,name\n");
    rig
}

#[tokio::test]
async fn a_files_event_goes_to_the_queue_that_s3_sends_it_to() {
    let rig = rig();
    let run = rig.replay(&["--objects", "--dataset", "people", "--rate", "1000"]).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    let state = rig.cloud.state();
    let mut keys = Vec::new();
    for (queue, _, body) in &state.messages {
        assert_eq!(queue, "https://copies");
        let [own] = &events_in_text(body).unwrap().created[..] else { panic!("{body}") };
        assert!(own.bucket == "landing" && own.size.is_some() && own.etag.is_some(), "{own:?}");
        keys.push(own.key.clone());
    }
    assert_eq!(keys, ["copy/people/1 ü.csv", "copy/people/2.csv"]);
    assert!(run.out.contains("people       2     2         0\n"), "{}", run.out);
    assert!(
        run.out.contains("note: 2 files: what is loaded already is not loaded again, what s3-to-lake has"),
        "{}",
        run.out
    );
}

#[tokio::test]
async fn rows_without_a_key_are_left_alone_when_they_are_old_but_for_files_that_take_their_own_place() {
    for (route, is_sent) in [("copy", true), ("lake", true), ("stream", false)] {
        let rig = Rig::new(route, "csv", "", false);
        rig.cloud.put("landing", &format!("{route}/people/1.csv"), "id,name\n1,Ann\n");
        let run = rig.replay(&["--objects", "--dataset", "people"]).await;
        assert_eq!(rig.cloud.state().messages.len(), usize::from(is_sent), "{route}: {}", run.out);
        assert_eq!(run.out.contains("is older than penstock.dedupDays"), !is_sent, "{route}: {}", run.out);
    }
}

#[tokio::test]
async fn a_dry_run_reads_the_files_and_tells_what_of_them_would_be_rejected() {
    let rig = rig();
    let run = rig.replay(&["--objects", "--dataset", "people", "--dry-run"]).await;
    assert!(run.code == 0 && rig.cloud.state().messages.is_empty(), "{}", run.err);
    assert!(run.out.contains("line 2  not_a_number  id") && !run.out.contains(SECRET), "{}", run.out);
    assert!(run.out.contains("note: 1 file: more records would be rejected than"), "{}", run.out);
}

#[tokio::test]
async fn files_of_no_dataset_and_of_no_queue_are_told() {
    let rig = rig();
    let run = rig.replay(&["--objects", "--prefix", "s3://landing/copy/"]).await;
    assert!(
        run.out.contains("not sent: 1 file (the first of s3://landing/copy/other/3.csv): no contract's"),
        "{}",
        run.out
    );
    assert_eq!(rig.cloud.state().messages.len(), 2);
    let rig = Rig::new("queue", "csv", "", true);
    rig.cloud.put("landing", "queue/people/1.csv", "id,name\n1,Ann\n");
    let run = rig.replay(&["--objects", "--dataset", "people"]).await;
    assert!(run.out.contains("to no queue: was the stage deployed?"), "{}", run.out);
    assert!(rig.cloud.state().messages.is_empty());
}

#[tokio::test]
async fn rows_of_the_stage_bucket_have_their_events_too() {
    let rig = rig();
    rig.cloud.put("stage", "copy/people/4.gz", "");
    rig.cloud.put("stage", "people/dt=2026-01-01/5.gz", "x");
    rig.cloud.put("stage", "_failed/6", "x");
    let run = rig.replay(&["--objects", "--prefix", "s3://stage/"]).await;
    for told in [
        "the first of s3://stage/_failed/6): what Firehose",
        "people/dt=2026-01-01/5.gz): S3 sends",
        "copy/people/4.gz): no con",
    ] {
        assert!(run.out.contains(told), "{told}: {}", run.out);
    }
}
