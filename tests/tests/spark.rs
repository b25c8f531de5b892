//! The Glue job on a local Spark, beside what s3-to-lake's writer makes of the same objects. The claims are Python's
//! (tests/python/spark), run once on one Spark; this file makes what they compare with, and tells which of them held.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use penstock_core::contract::Contract;
use penstock_core::decode;
use penstock_core::ident;
use penstock_core::ingest::{Batch, Ingest, Progress};
use penstock_core::lake::{Layout, Limits, Piece, Writers, source_id};
use penstock_core::lake_note::{Note, State};
use penstock_core::quarantine::Subject;
use penstock_core::reject::Reject;
use penstock_core::row::{Checker, HandOver, Origin};
use penstock_tests::workspace_root;
use serde_json::{Value, json};

const ROWS: usize = 60;
const MODIFIED_MS: u64 = 1_767_322_800_123;

/// Every type, some required; two partition columns.
const CONTRACT: &str = r"
apiVersion: v3.1.0
kind: DataContract
id: orders
version: 1.0.0
status: active
servers:
  - {server: landing, type: s3, location: 's3://landing/lake/orders/*', format: json, delimiter: new_line}
schema:
  - name: orders
    properties:
      - {name: Id, physicalName: id, physicalType: varchar(20), primaryKey: true, primaryKeyPosition: 2}
      - {name: region, physicalType: char(4), primaryKey: true, primaryKeyPosition: 1}
      - {name: place, physicalType: varchar(40), partitioned: true, partitionKeyPosition: 2}
      - {name: day, physicalType: date, partitioned: true, partitionKeyPosition: 1}
      - {name: s, physicalType: smallint}
      - {name: i, physicalType: integer, required: true}
      - {name: b, physicalType: bigint}
      - {name: n9, physicalType: 'numeric(9,2)', required: true}
      - {name: n18, physicalType: 'numeric(18,6)'}
      - {name: n38, physicalType: 'numeric(38,18)'}
      - {name: r, physicalType: real}
      - {name: f, physicalType: double precision}
      - {name: o, physicalType: boolean}
      - {name: c, physicalType: char(9)}
      - {name: d, physicalType: date}
      - {name: m, physicalType: time}
      - {name: ts, physicalType: timestamp}
      - {name: tz, physicalType: timestamptz}
      - {name: j, physicalType: super}
      - {name: x, physicalType: varbyte(9)}
";

/// The n-th record of a source; every third value of what may be NULL is.
fn record(n: usize) -> String {
    let maybe = |at: usize, value: Value| if (n + at).is_multiple_of(3) { json!(null) } else { value };
    let one_of = |texts: [&str; 4]| json!(texts[n % 4]);
    let sign = if n.is_multiple_of(2) { "-" } else { "" };
    let place = if n % 5 == 2 { json!(null) } else { one_of(["Köln (Süd)", "a/b=c:d%e", "", "x"]) };
    let days = one_of(["0001-01-01", "1582-10-10", "9999-12-31", "2024-02-29"]);
    let plain = [
        "0001-01-01T00:00:00.000001",
        "1883-11-18 12:03:58",
        "9999-12-31T23:59:59.999999",
        "2026-03-29T02:30:00",
    ];
    let zoned = [
        "0001-01-01T00:00:00Z",
        "1900-01-01T00:00:00.5+05:45",
        "2026-03-29T02:30:00.123456+01",
        "9999-12-31T23:59:59.999999Z",
    ];
    let own = json!({
        "Id": format!("ö {n}"), "region": one_of(["EU ", "US", "EU", "A"]), "place": place,
        "day": format!("2026-03-{:02}", 5 + n % 2),
        "s": maybe(0, json!(-32_768 + n as i64)), "i": n, "b": maybe(1, json!(i64::MAX - n as i64)),
        "n9": format!("{sign}9999999.{n:02}"), "n18": maybe(2, json!(format!("{sign}{n}23456789.{n:06}"))),
        "n38": maybe(0, json!(format!("{sign}99999999999999999999.{n:018}"))),
        "r": maybe(1, json!(format!("{sign}0.1{n}e{}", n % 30))),
        "f": maybe(2, json!(format!("{sign}1.{n}e{}", 7 * n % 300))),
        "o": maybe(0, json!(n.is_multiple_of(4))), "c": maybe(1, json!(format!("c{n}  "))), "d": maybe(2, days),
        "m": maybe(0, json!(format!("23:59:{:02}.{n:06}", n % 60))),
        "ts": maybe(1, one_of(plain)), "tz": maybe(2, one_of(zoned)),
        "x": maybe(1, json!(format!("{n:02x}FF00"))),
    });
    // What no JSON library of ours may write anew.
    let nested = [
        r#"{ "a" : [1.50, 1e2, 12345678901234567890.10], "b":"\u00e9 \" x" }"#,
        "1e2",
        r#""text  ""#,
        "null",
    ];
    let text = own.to_string();
    format!("{},\"j\":{}}}", &text[..text.len() - 1], nested[n % 4])
}

fn checker() -> Arc<Checker> {
    let contract = Contract::parse(CONTRACT).unwrap();
    Arc::new(Checker::compile(Arc::new(contract)).unwrap())
}

/// Everything that an object's rows come to: handed to `take` batch by batch.
fn each_batch(mut ingest: Ingest, mut bytes: &[u8], take: &mut dyn FnMut(&mut Ingest, &mut Batch)) {
    let mut batch = Batch::default();
    let mut taken = |ingest: &mut Ingest, batch: &mut Batch| {
        take(ingest, batch);
        batch.clear();
    };
    while !bytes.is_empty() {
        let len = ingest.step(bytes, &mut batch).unwrap();
        bytes = &bytes[len..];
        taken(&mut ingest, &mut batch);
    }
    loop {
        let progress = ingest.finish(&mut batch).unwrap();
        taken(&mut ingest, &mut batch);
        if progress == Progress::Done {
            return;
        }
    }
}

/// What s3-to-lake's writer makes of an object, below a folder; gives the records that are no rows.
fn write_lake(folder: &Path, ingest: Ingest, bytes: &[u8], key: &str) -> Vec<Reject> {
    let layout = Layout::new(checker().contract());
    let limits = Limits { memory_bytes: 64 << 20, row_group_bytes: 32 << 20, max_partitions: 100 };
    let mut writers = Writers::new(&layout, source_id("", key), limits).unwrap();
    let (mut pieces, mut rejects) = (Vec::new(), Vec::new());
    each_batch(ingest, bytes, &mut |ingest, batch| {
        rejects.append(&mut batch.rejects);
        writers.push(ingest, batch).unwrap();
        pieces.extend(writers.pieces());
    });
    pieces.extend(writers.finish().unwrap());
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for Piece { file, bytes, .. } in pieces {
        files.entry(file).or_default().extend(bytes);
    }
    for (file, bytes) in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    rejects
}

/// The columns of a manifest.
fn columns() -> Vec<Value> {
    let checker = checker();
    let contract = checker.contract();
    let place = |places: &[usize], at: usize| places.iter().position(|own| *own == at).map(|place| place + 1);
    let columns = contract.columns.iter().enumerate().map(|(at, own)| {
        json!({
            "name": own.physical.as_str(), "source_name": own.name, "type": own.ty.to_string(), "required": own.required,
            "key": place(&contract.key, at), "partition": place(&contract.partitions, at), "derived": own.derived.is_some(),
        })
    });
    columns.collect()
}

/// An object, what its manifest and note say, its lake and its lines in quarantine.
fn write_fixture(folder: &Path, name: &str, kind: &str, bytes: &[u8], ingest: impl Fn(Origin) -> Ingest) {
    let path = folder.join(format!("{name}.ndjson"));
    fs::write(&path, bytes).unwrap();
    let url = format!("file://{}", path.display());
    let object_id = ident::stable_id(["an object"]);
    let key = url.trim_start_matches("file:///");
    let lake = folder.join(format!("{name}-lake"));
    let rejects = write_lake(&lake, ingest(Origin::new(url.as_str(), object_id, MODIFIED_MS)), bytes, key);
    let subject = Subject {
        dataset: "orders".to_owned(),
        id: object_id,
        source: url.clone(),
        contract_version: Some("1.0.0".to_owned()),
    };
    let lines: Vec<u8> = rejects.iter().flat_map(|own| subject.line_of(own)).collect();
    fs::write(folder.join(format!("{name}-rejects.jsonl")), lines).unwrap();
    let own = json!({
        "kind": kind, "columns": columns(), "entry": {"url": url, "etag": "e1", "bytes": bytes.len()},
        "note": {
            "source": url, "holder": "x", "until_ms": 0, "attempts": 0, "object_id": object_id, "etag": "e1",
            "modified_ms": MODIFIED_MS, "state": "handed-over", "files": [],
        },
    });
    fs::write(folder.join(format!("{name}.json")), own.to_string()).unwrap();
}

/// Records of which the first and the last are rows.
fn bad_records() -> Vec<u8> {
    let with =
        |more: &str| format!("{{\"Id\":\"1\",\"region\":\"EU\",\"i\":1,\"n9\":\"1.50\"{more}}}").into_bytes();
    let long = |bytes: usize| with(&format!(",\"place\":\"{}\"", "é".repeat(bytes / 2)));
    let records = [
        record(0).into_bytes(),
        b"no object".to_vec(),
        Vec::new(),
        b"  {\"Id\":\"1\"} ".to_vec(),
        with(",\"Id\":\"2\""),
        with(",\"s\":99999,\"b\":1.5,\"d\":\"2026-02-30\",\"o\":\"maybe\",\"x\":\"abc\""),
        b"{\"Id\":\"\xff\"}".to_vec(),
        long(1 << 20),
        long(5 << 20),
        record(1).into_bytes(),
    ];
    records.join(&b'\n')
}

/// Source records, and the same rows as they are handed over to the stage bucket.
fn write_fixtures(folder: &Path) {
    let records: String = (0..ROWS).map(|n| record(n) + "\n").collect();
    let read = |origin| Ingest::new(checker(), origin, decode::Limits::default()).unwrap();
    write_fixture(folder, "unstamped", "lake-job", records.as_bytes(), read);
    write_fixture(folder, "rejected", "lake-job", &bad_records(), read);
    let (checker, mut stamped) = (checker(), String::new());
    let hand_over = HandOver::new(checker.contract());
    let origin = Origin::new("s3://landing/a b.json", ident::stable_id(["another object"]), MODIFIED_MS);
    each_batch(read(origin), records.as_bytes(), &mut |ingest, batch| {
        let source = ingest.source().to_owned();
        for row in ingest.stamp(batch).iter() {
            hand_over.write_whole(row, &source, &mut stamped);
            stamped.push('\n');
        }
    });
    let read = |origin| Ingest::of_stamped(self::checker(), origin, decode::Limits::default());
    write_fixture(folder, "stamped", "job", stamped.as_bytes(), read);
}

/// What the scripts came to.
struct Outcome {
    /// By claim, why it is broken.
    claims: BTreeMap<String, Option<String>>,
    /// Everything that was said.
    said: String,
    /// The note that the job left of a source of the lake.
    note: Option<String>,
}

static OUTCOME: LazyLock<Outcome> = LazyLock::new(|| {
    let scratch = tempfile::tempdir().unwrap();
    write_fixtures(scratch.path());
    let python = workspace_root().join(".venv/spark/bin/python");
    assert!(python.exists(), "{} is missing: run `make .venv/spark/installed`", python.display());
    let script = workspace_root().join("tests/python/spark/run.py");
    // What another Spark or Java of the machine would say stays out of it.
    let mut command = Command::new(python);
    for name in ["SPARK_HOME", "SPARK_CONF_DIR", "HADOOP_CONF_DIR", "JAVA_TOOL_OPTIONS", "PYTHONPATH"] {
        command.env_remove(name);
    }
    let output =
        command.arg(script).arg(scratch.path()).env("PYTHONDONTWRITEBYTECODE", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut claims = BTreeMap::new();
    let mut last = None;
    for line in said.lines() {
        if let Some(name) = line.strip_prefix("held ") {
            claims.insert(name.to_owned(), None);
        } else if let Some(name) = line.strip_prefix("broken ") {
            claims.insert(name.to_owned(), Some(String::new()));
            last = Some(name.to_owned());
        } else if let Some(Some(why)) = last.as_ref().and_then(|name| claims.get_mut(name)) {
            why.push_str(line);
            why.push('\n');
        }
    }
    let said = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    Outcome { claims, said, note: fs::read_to_string(scratch.path().join("note.json")).ok() }
});

fn assert_held(name: &str) {
    let Outcome { claims, said, .. } = &*OUTCOME;
    match claims.get(name) {
        Some(None) => {}
        Some(Some(why)) => panic!("{why}"),
        None => panic!("was not claimed; Spark's tests said: {said}"),
    }
}

macro_rules! claims {
    ($($name:ident)*) => {
        $(#[test] fn $name() { assert_held(stringify!($name)); })*

        #[test]
        fn every_claim_of_the_scripts_is_a_test() {
            let own = std::collections::BTreeSet::from([$(stringify!($name)),*]);
            assert_eq!(OUTCOME.claims.keys().map(String::as_str).collect::<std::collections::BTreeSet<_>>(), own);
        }
    };
}

claims! {
    a_death_between_any_two_changes_leaves_nothing_that_the_next_run_does_not_find
    a_death_in_every_run_ends_the_same_once_one_lives
    an_object_replaced_while_it_is_read_is_left_to_its_own_event
    rows_handed_over_end_in_the_files_that_s3_to_lake_writes
    source_records_end_in_the_files_that_s3_to_lake_writes
    rejects_end_in_the_lines_that_s3_to_lake_writes
    rows_become_typed_parquet_in_the_folders_of_their_partitions
    without_stamps_the_files_have_the_contracts_columns_alone
    a_rerun_adds_nothing
    a_replaced_source_replaces_its_own_rows_and_no_others
    an_object_that_vanished_or_was_replaced_is_left_to_its_own_event
    rows_that_do_not_fit_are_written_down_and_stop_no_others
    an_object_of_rejects_alone_replaces_its_rows_and_one_without_stamps_does_not
    an_object_with_a_key_that_s3_refuses_keeps_its_old_files
    a_broken_object_stops_no_other
    a_worker_that_was_killed_is_no_fault_of_the_object
    objects_that_spark_would_take_for_others_are_refused_by_name
    every_key_is_read_as_it_is_written
    lines_end_as_they_like
    partition_values_are_escaped_as_hive_does_it
    nested_json_stays_as_it_was_written
    decimals_and_times_keep_their_last_digit
    a_lease_of_another_is_waited_for
    a_broken_note_or_manifest_is_named
    a_line_has_the_fields_of_crates_core_in_their_order
    a_long_record_is_cut_between_characters_and_says_so
    sections_have_parts_of_bounded_size_and_keys_of_their_own
    the_bucket_gets_puts_alone_and_chooses_the_encryption
    rejects_are_the_same_however_many_tasks_read_their_object
    a_note_that_another_wrote_at_the_same_time_is_anothers
    a_lease_lost_while_files_are_moved_stops_the_moves
    a_lease_is_renewed_while_files_are_moved
    an_object_replaced_once_the_lease_is_taken_is_left_with_the_note_of_before
    source_records_get_the_stamps_that_s3_to_lake_would_give_them
    a_record_has_the_same_place_however_many_tasks_read_its_object
    an_object_without_a_note_gets_its_order_from_what_the_store_tells
    what_takes_more_than_types_is_refused_with_its_reason
    keyless_rows_without_stamps_need_no_identity
    what_is_no_json_lines_is_refused_whole_and_its_earlier_files_stay
    every_value_of_the_vectors_has_its_canonical_text_or_its_rule
    keys_of_the_vectors_give_their_record_ids_in_spark
    row_hashes_of_the_vectors_agree
    sources_of_the_vectors_give_their_ids
    an_object_without_a_note_is_known_by_its_etag
}

#[test]
fn the_note_that_the_job_leaves_is_one_of_s3_to_lake() {
    let note: Note = serde_json::from_str(OUTCOME.note.as_deref().unwrap()).unwrap();
    assert_eq!((note.state, note.until_ms, note.content.modified_ms), (State::Done, 0, MODIFIED_MS));
    assert_eq!(note.content.object_id, ident::stable_id(["an object"]));
    assert!(note.files.len() > 2 && note.files.iter().all(|file| file.starts_with("orders/day=2026-03-")));
}

#[test]
fn sources_of_the_vectors_give_their_ids_in_rust() {
    let vectors: Value = serde_json::from_str(
        &fs::read_to_string(workspace_root().join("tests/vectors/identity.json")).unwrap(),
    )
    .unwrap();
    for vector in vectors["sources"].as_array().filter(|own| !own.is_empty()).unwrap() {
        let text = |name: &str| vector[name].as_str().unwrap();
        assert_eq!(source_id(text("bucket"), text("key")).as_str(), text("source_id"), "{vector}");
    }
}
