//! The event files: each parses, is listed, and is aimed at a test's own object.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::collections::BTreeSet;

use penstock_tests::{EventFile, workspace_root};

fn names() -> BTreeSet<String> {
    let paths = EventFile::all().unwrap().into_iter();
    paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_event_file_is_listed_in_the_readme_and_the_readme_lists_no_other() {
    let readme = std::fs::read_to_string(workspace_root().join("events/README.md")).unwrap();
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |"));
    let listed: BTreeSet<_> = rows.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(listed, names());
}

#[test]
fn every_event_file_parses_and_names_no_bucket_but_the_one_it_is_given() {
    for name in names() {
        let event = EventFile::load(&name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let event = event.in_bucket("given-bucket").json().to_string();
        assert!(!event.contains("\"penstock-landing\"") && !event.contains(":::penstock-landing"), "{name}");
    }
}

#[test]
fn a_key_is_the_same_object_in_every_envelope() {
    let special = ["queue/transactions/café + 100% (a&b=c).json"];
    for name in ["s3-special-key.json", "sqs-s3-special-key.json", "eventbridge-special-key.json"] {
        assert_eq!(EventFile::load(name).unwrap().keys(), special, "{name}");
    }
    let plain = ["queue/transactions/2026-01-15-transactions.json"];
    for name in ["s3-put.json", "sqs-s3-put.json", "sqs-sns-s3-put.json", "sns-s3-put.json"] {
        assert_eq!(EventFile::load(name).unwrap().keys(), plain, "{name}");
    }
    for name in ["eventbridge-object-created.json", "sqs-eventbridge-object-created.json"] {
        assert_eq!(EventFile::load(name).unwrap().keys(), plain, "{name}");
    }
}
