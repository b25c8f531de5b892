//! Files as people and programs really write them, through `penstock try`: every record is accounted for, and each
//! reject has the line, column and rule that an independent program (Python's csv and json) finds.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use penstock_tests::{target_dir, tool, workspace_root};
use serde_json::{Value, json};

fn samples() -> PathBuf {
    workspace_root().join("tests/samples")
}

/// What Python counts, by file name.
fn counted() -> serde_json::Map<String, Value> {
    let script = workspace_root().join("tests/python/count_records.py");
    let output = Command::new(tool("python").unwrap()).arg(script).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counted: Value = serde_json::from_slice(&output.stdout).unwrap();
    counted.as_object().unwrap().clone()
}

/// The report of one file, and its rejects.
fn tried(name: &str) -> (Value, Vec<Value>) {
    // `orders.csv` is held to `orders.odcs.yaml`, and so are `orders_more.csv` and the like.
    let dataset = name.split(['.', '_']).next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let rejects = folder.path().join("rejects.jsonl");
    let penstock = target_dir().unwrap().join("penstock");
    assert!(penstock.exists(), "{} is missing: run `make build`", penstock.display());
    let mut command = Command::new(penstock);
    command.current_dir(samples()).args(["try", "--json", "--contract"]).arg(format!("{dataset}.odcs.yaml"));
    let output = command.arg("--rejects").arg(&rejects).arg(name).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{name}: {}", String::from_utf8_lossy(&output.stderr)));
    let rejects = std::fs::read_to_string(rejects).unwrap();
    let rejects = rejects.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let is_complete = report["is_complete"].as_bool().unwrap();
    assert_eq!(output.status.code(), Some(if is_complete { 0 } else { 1 }), "{name}");
    (report["files"][0].clone(), rejects)
}

/// The same form as Python's: line, column or null, and rule of each broken rule; without what is told of the whole
/// file.
fn told(rejects: &[Value]) -> Vec<Value> {
    let records = rejects.iter().filter(|reject| reject.get("position").is_some());
    let rules = records.flat_map(|reject| {
        let rules = reject["rules"].as_array().unwrap().iter();
        rules.map(|own| json!([reject["line"], own.get("column"), own["rule"]]))
    });
    rules.collect()
}

/// A record's rules have no order of their own.
fn by_line(mut rejected: Vec<Value>) -> Vec<Value> {
    rejected.sort_by_key(|own| (own[0].as_u64(), own.to_string()));
    rejected
}

fn plain_bytes(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_none_or(|own| own != "gz") {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}

#[test]
fn penstock_and_python_account_for_the_same_records_and_reject_them_for_the_same_reasons() {
    let counted = counted();
    assert!(counted.len() >= 8, "the samples are missing");
    for (name, wanted) in counted {
        let (report, rejects) = tried(&name);
        for count in ["read", "accepted"] {
            assert_eq!(report[count], wanted[count], "{name}: {count}");
        }
        assert_eq!(report["broken"].get("rule").unwrap_or(&Value::Null), &wanted["broken"], "{name}");
        let records = rejects.iter().filter(|reject| reject.get("position").is_some()).count() as u64;
        assert_eq!(report["read"].as_u64(), Some(report["accepted"].as_u64().unwrap() + records), "{name}");
        let wanted = wanted["rejected"].as_array().unwrap().clone();
        assert_eq!(by_line(told(&rejects)), by_line(wanted), "{name}");
    }
}

#[test]
fn the_position_of_every_reject_is_in_its_line() {
    for name in counted().keys() {
        let bytes = plain_bytes(&samples().join(name));
        for reject in tried(name).1.iter().filter(|reject| reject.get("position").is_some()) {
            let position = reject["position"].as_u64().unwrap() as usize;
            let line = bytes[..position].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
            assert_eq!(reject["line"].as_u64(), Some(line), "{name}: {position}");
            if let Some(raw) = reject["raw"].as_str() {
                assert!(bytes[position..].starts_with(raw.as_bytes()), "{name}: {position}");
            }
        }
    }
}

#[test]
fn the_samples_reach_the_rules_that_real_files_break() {
    let found: BTreeSet<String> = counted()
        .values()
        .flat_map(|own| own["rejected"].as_array().unwrap().clone())
        .map(|own| own[2].as_str().unwrap().to_owned())
        .collect();
    let wanted = "duplicate_key extra_column field_count format invalid_csv invalid_date invalid_json invalid_timestamp \
                  maximum minimum not_a_number not_an_object not_ascii not_utf8 nul_character out_of_range pattern required \
                  too_long too_many_digits too_short valid_values wrong_type";
    let missing: Vec<_> = wanted.split_whitespace().filter(|rule| !found.contains(*rule)).collect();
    assert!(missing.is_empty(), "no sample breaks {missing:?}");
}
