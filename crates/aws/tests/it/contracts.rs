//! Contracts from a directory: what is read, in which order, and how each fault names its file.

use std::path::Path;

use penstock_aws::contracts::{Datasets, LoadContractsError, load_contracts, read_contract_files};
use tempfile::TempDir;

fn contract(dataset: &str, rule: &str) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {dataset}\nversion: 1.0.0\nstatus: active\n\
         servers: [{{server: l, type: s3, location: 's3://${{BUCKET}}/{dataset}/*', format: json}}]\n\
         schema:\n- name: {dataset}\n\
         \u{20} properties: [{{name: id, physicalType: varchar(64){rule}}}]\n"
    )
}

fn directory(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn refusal(files: &[(&str, &[u8])]) -> (LoadContractsError, String) {
    let error = load_contracts(directory(files).path()).unwrap_err();
    let text = error.to_string();
    (error, text)
}

#[test]
fn a_directory_that_is_not_there_is_named() {
    let error = load_contracts(Path::new("no/such/directory")).unwrap_err();
    assert!(matches!(error, LoadContractsError::Io { .. }));
    assert!(error.to_string().contains("no/such/directory"), "{error}");
}

#[test]
fn a_directory_without_a_contract_is_refused() {
    let other = contract("t", "");
    for files in [&[][..], &[("notes.md", b"x".as_slice()), ("t.yaml", other.as_bytes())]] {
        let (error, text) = refusal(files);
        assert!(matches!(error, LoadContractsError::Empty { .. }), "{text}");
        assert!(text.contains("*.odcs.yaml"), "{text}");
    }
}

#[test]
fn a_broken_file_is_named_and_spoils_the_set() {
    let good = contract("a", "");
    let unknown = contract("b", ", customProperties: [{property: penstock.overflw, value: reject}]");
    for broken in ["", "a: [", "kind: DataContract", &unknown] {
        let files = [("a.odcs.yaml", good.as_bytes()), ("b.odcs.yaml", broken.as_bytes())];
        let (error, text) = refusal(&files);
        assert!(matches!(error, LoadContractsError::Set(_)), "{text}");
        assert!(text.starts_with("b.odcs.yaml: "), "{text}");
    }
    let (error, text) = refusal(&[("a.odcs.yaml", good.as_bytes()), ("b.odcs.yaml", b"\xff\xfe")]);
    assert!(matches!(error, LoadContractsError::Io { .. }) && text.contains("b.odcs.yaml"), "{text}");
}

#[test]
fn two_contracts_of_a_dataset_are_both_named() {
    let twice = contract("a", "");
    let (_, text) = refusal(&[("a.odcs.yaml", twice.as_bytes()), ("b.odcs.yaml", twice.as_bytes())]);
    assert!(text.contains("a.odcs.yaml") && text.contains("b.odcs.yaml"), "{text}");
}

#[test]
fn a_file_over_four_mebibytes_is_refused_unread() {
    // Blank lines: as YAML it would be a sound contract.
    let sized = |bytes: usize| {
        let mut text = contract("a", "");
        text.push_str(&"\n".repeat(bytes - text.len()));
        text
    };
    let (error, text) = refusal(&[("a.odcs.yaml", sized((4 << 20) + 1).as_bytes())]);
    assert!(matches!(error, LoadContractsError::TooLarge { .. }), "{text}");
    assert!(text.contains("a.odcs.yaml") && text.contains("4194304"), "{text}");
    load_contracts(directory(&[("a.odcs.yaml", sized(4 << 20).as_bytes())]).path()).unwrap();
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let [a, b, c] = ["z", "y", "x"].map(|dataset| contract(dataset, ""));
    let directory = directory(&[
        ("c.odcs.yaml", c.as_bytes()),
        ("a.odcs.yaml", a.as_bytes()),
        ("b.odcs.yaml", b.as_bytes()),
        ("ignored.txt", b"not a contract"),
    ]);
    let names: Vec<String> =
        read_contract_files(directory.path()).unwrap().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.odcs.yaml", "b.odcs.yaml", "c.odcs.yaml"]);
    let set = load_contracts(directory.path()).unwrap();
    assert_eq!(set.iter().map(|own| own.dataset.as_str()).collect::<Vec<_>>(), ["z", "y", "x"]);
}

#[test]
fn an_object_is_of_the_dataset_whose_location_it_matches() {
    let text = contract("t", "");
    let directory = directory(&[("t.odcs.yaml", text.as_bytes())]);
    let set = load_contracts(directory.path()).unwrap();
    let datasets = Datasets::with_locations(&set, &|name| (name == "BUCKET").then(|| "b".into())).unwrap();
    let found = datasets.of_object("b", "t/1").unwrap().unwrap();
    assert_eq!(found.contract().dataset, "t");
    assert!(datasets.of_object("b", "u/1").is_none() && datasets.of_object("c", "t/1").is_none());
    assert!(datasets.named("t").is_some() && datasets.named("u").is_none());
    let error = Datasets::with_locations(&set, &|_| None).unwrap_err().to_string();
    assert!(error.contains("t.odcs.yaml") && error.contains("BUCKET"), "{error}");
}

#[test]
fn a_rule_that_does_not_compile_is_told_when_the_dataset_is_first_used_and_every_time_after() {
    let text = contract("t", ", logicalTypeOptions: {pattern: '('}");
    let directory = directory(&[("t.odcs.yaml", text.as_bytes())]);
    let datasets = Datasets::new(&load_contracts(directory.path()).unwrap());
    for _ in 0..2 {
        assert!(datasets.named("t").unwrap().is_err());
    }
}
