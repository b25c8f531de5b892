//! The arrows between the crates and the shape of their sources: `core <- aws <- functions <- {cli, tests}`.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use penstock_tests::workspace_root;
use serde_json::Value;

/// What core may not reach, not even through others. Names that end in '-' are prefixes.
const NOT_IN_CORE: [&str; 7] =
    ["tokio", "aws-", "aws_lambda_events", "lambda_runtime", "rand", "reqwest", "hyper"];
const MAX_LINES: usize = 399;
const MAX_MAIN_LINES: usize = 29;

/// Package name to the names of its direct dependencies, dev and build dependencies included.
fn workspace_dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let packages = cargo(&["metadata", "--offline", "--no-deps", "--format-version", "1"]);
    let packages: Value = serde_json::from_str(&packages).unwrap();
    let packages = packages["packages"].as_array().unwrap().iter().map(|package| {
        let dependencies = package["dependencies"].as_array().unwrap().iter().map(name).collect();
        (name(package), dependencies)
    });
    packages.collect()
}

fn name(value: &Value) -> String {
    value["name"].as_str().unwrap().to_owned()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(workspace_root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn is_function(name: &str) -> bool {
    name.contains("-to-") || name == "glue-job-starter" || name == "firehose-transform"
}

/// The packages of the workspace that `package` may depend on.
fn is_allowed(package: &str, dependency: &str) -> bool {
    match package {
        "penstock-core" | "redshift-local" => false,
        "penstock-aws" => dependency == "penstock-core",
        "penstock" | "penstock-tests" => true,
        "penstock-bench" => dependency == "penstock-core",
        function if is_function(function) => ["penstock-core", "penstock-aws"].contains(&dependency),
        unknown => panic!("{unknown} has no place in the architecture: give it one here"),
    }
}

#[test]
fn crates_of_the_workspace_depend_only_along_the_arrows() {
    let packages = workspace_dependencies();
    let mut wrong = Vec::new();
    for (package, dependencies) in &packages {
        let inner = dependencies.iter().filter(|dependency| packages.contains_key(*dependency));
        let refused = inner.filter(|dependency| !is_allowed(package, dependency));
        wrong.extend(refused.map(|dependency| format!("{package} -> {dependency}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn core_reaches_no_runtime_no_sdk_and_no_randomness() {
    let arguments = ["tree", "--offline", "--package", "penstock-core", "--edges", "normal,build"];
    let tree = cargo(&[&arguments[..], &["--prefix", "none", "--format", "{p}"]].concat());
    let reached: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(reached.contains("penstock-core"), "{tree}");
    let refuses = |name: &str, refused: &str| match refused.strip_suffix('-') {
        Some(_) => name.starts_with(refused),
        None => name == refused,
    };
    let is_refused = |name: &&&str| NOT_IN_CORE.iter().any(|refused| refuses(name, refused));
    let wrong: Vec<_> = reached.iter().filter(is_refused).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Every Rust source of the workspace with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = workspace_root();
    let mut folders = vec![root.join("crates"), root.join("tests")];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                sources.push((path.strip_prefix(root).unwrap().to_path_buf(), text));
            }
        }
    }
    assert!(!sources.is_empty());
    sources.sort();
    sources
}

/// The sources for which `fault` finds something, with what it found.
fn faults(fault: impl Fn(&Path, &str) -> Option<String>) -> Vec<String> {
    let found = sources()
        .into_iter()
        .filter_map(|(path, text)| fault(&path, &text).map(|fault| format!("{}: {fault}", path.display())));
    found.collect()
}

#[test]
fn core_reads_no_environment_and_no_clock_and_prints_nothing() {
    let refused = [
        "std::env",
        "env::var",
        "SystemTime",
        "Instant::now",
        "Utc::now",
        "println!",
        "print!(",
        "eprint!(",
        "dbg!(",
        "std::fs",
        "std::net",
        "std::process",
    ];
    let wrong = faults(|path, text| {
        // Tests beside the code may read vectors from files.
        let text = text.split("#[cfg(test)]\nmod tests {").next()?;
        let is_test = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
        let is_core = path.starts_with("crates/core/src") && !is_test;
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = code.collect::<Vec<_>>().join("\n");
        let found: Vec<_> = refused.iter().filter(|refused| code.contains(**refused)).collect();
        (is_core && !found.is_empty()).then(|| format!("{found:?}"))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_module_opens_with_what_it_does() {
    let wrong = faults(|_, text| (!text.starts_with("//! ")).then(|| "no `//!` at the top".to_owned()));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_source_is_too_long_to_read_at_once() {
    let wrong = faults(|_, text| {
        let lines = text.lines().count();
        (lines > MAX_LINES).then(|| format!("{lines} lines"))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_source_names_a_path_of_somebodys_machine() {
    // Put together here, so that this file does not name them.
    let folders = ["home", "root", "Users", "work", "mnt", "opt"].map(|folder| format!("\"/{folder}/"));
    let wrong = faults(|_, text| {
        let line = text.lines().position(|line| folders.iter().any(|folder| line.contains(folder)))?;
        Some(format!("line {}", line + 1))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_function_has_the_shape_of_its_siblings() {
    let crates = std::fs::read_dir(workspace_root().join("crates")).unwrap();
    let folders = crates.map(|entry| entry.unwrap().path());
    let mut wrong = Vec::new();
    for folder in folders.filter(|folder| is_function(folder.file_name().unwrap().to_str().unwrap())) {
        for file in ["main.rs", "lib.rs", "config.rs", "error.rs", "sink.rs"] {
            let path = folder.join("src").join(file);
            match std::fs::read_to_string(&path) {
                Err(_) => wrong.push(format!("{} is missing", path.display())),
                Ok(text) if file == "main.rs" && text.lines().count() > MAX_MAIN_LINES => {
                    wrong.push(format!("{} is no thin main", path.display()));
                }
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
