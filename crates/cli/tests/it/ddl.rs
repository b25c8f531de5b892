//! `penstock ddl`: the SQL as text, in the order in which it runs, without an environment.

use crate::common::{Run, TRANSACTIONS, contracts, payments, penstock, transactions};

fn ddl(files: &[(&str, &str)], arguments: &[&str], env: &[(&str, &str)]) -> Run {
    penstock(contracts(files).path(), &[&["ddl", "."], arguments].concat(), env)
}

/// The first lines of the statements; comments are left out.
fn first_lines(sql: &str) -> Vec<&str> {
    let blocks = sql
        .split(";\n\n")
        .map(|block| block.lines().filter(|line| !line.starts_with("--") && !line.is_empty()));
    blocks.filter_map(|mut lines| lines.next()).collect()
}

#[test]
fn statements_stand_in_the_order_in_which_they_run() {
    let run = ddl(
        &[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", &payments())],
        &["--role", "loader", "--role", "other"],
        &[],
    );
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let lines = first_lines(&run.out);
    let made = [
        "CREATE SCHEMA IF NOT EXISTS \"tgt\"",
        "CREATE SCHEMA IF NOT EXISTS \"penstock\"",
        "CREATE TABLE IF NOT EXISTS \"tgt\".\"transactions\" (",
        "CREATE TABLE IF NOT EXISTS \"penstock\".\"lock_transactions\" (\"n\" integer)",
        "CREATE TABLE IF NOT EXISTS \"penstock\".\"objects_transactions\" (",
        "CREATE OR REPLACE PROCEDURE \"penstock\".\"sp_claim_transactions\"()",
        "CREATE OR REPLACE PROCEDURE \"penstock\".\"sp_balance_transactions\"()",
        "CREATE TABLE IF NOT EXISTS \"tgt\".\"payments\" (",
        "CREATE TABLE IF NOT EXISTS \"penstock\".\"lock_payments\" (\"n\" integer)",
        "CREATE TABLE IF NOT EXISTS \"penstock\".\"objects_payments\" (",
        "CREATE OR REPLACE PROCEDURE \"penstock\".\"sp_claim_payments\"()",
        "CREATE OR REPLACE PROCEDURE \"penstock\".\"sp_balance_payments\"()",
        "CREATE OR REPLACE VIEW \"penstock\".\"objects\" AS",
    ];
    assert_eq!(lines[..made.len()], made);
    let grants = &lines[made.len()..];
    // Two schemas for each role, five objects for each dataset and role.
    assert_eq!(grants.len(), 2 * 2 + 2 * 2 * 5);
    assert!(grants.iter().all(|line| line.starts_with("GRANT ")), "{grants:#?}");
    assert!(run.out.contains("-- CREATE USER \"IAMR:other\" PASSWORD DISABLE;\n"), "{}", run.out);
}

#[test]
fn every_statement_ends_with_a_semicolon_and_can_be_run_again() {
    let run = ddl(&[("a.odcs.yaml", TRANSACTIONS)], &["--role", "loader"], &[]);
    assert!(run.out.ends_with(";\n\n"));
    for line in first_lines(&run.out) {
        let again =
            ["CREATE SCHEMA IF NOT EXISTS", "CREATE TABLE IF NOT EXISTS", "CREATE OR REPLACE", "GRANT"];
        assert!(again.iter().any(|opening| line.starts_with(opening)), "{line}");
    }
    assert!(run.out.contains("\n  \"amount\" numeric(18,2),\n"), "{}", run.out);
    assert!(run.out.contains("\n  \"_record_id\" char(32) NOT NULL,\n"), "{}", run.out);
    assert!(
        run.out.contains("\n  \"_loaded_at\" timestamptz\n)\nDISTSTYLE AUTO\nSORTKEY AUTO;\n"),
        "{}",
        run.out
    );
}

#[test]
fn databases_are_kept_apart() {
    let other = payments().replace("database: ${DATABASE}", "database: lake");
    let run = ddl(&[("a.odcs.yaml", TRANSACTIONS), ("b.odcs.yaml", &other)], &[], &[]);
    let (dev, lake) = run.out.split_once("-- database lake\n").unwrap();
    assert!(dev.starts_with("-- database dev\n-- ./a.odcs.yaml: dataset transactions 1.0.0\n"), "{dev}");
    assert!(!dev.contains("payments") && !lake.contains("objects_transactions"));
    assert!(lake.contains("CREATE SCHEMA IF NOT EXISTS \"penstock\""));
}

#[test]
fn a_schema_with_a_placeholder_needs_its_variable() {
    let contract = transactions(&[("schema: tgt", "schema: ${TARGET_SCHEMA}")]);
    let run = ddl(&[("a.odcs.yaml", &contract)], &[], &[]);
    assert_eq!((run.code, run.out.as_str()), (2, ""));
    assert!(
        run.err.contains("./a.odcs.yaml: ") && run.err.contains("TARGET_SCHEMA, which is not set"),
        "{}",
        run.err
    );
    let run = ddl(&[("a.odcs.yaml", &contract)], &[], &[("TARGET_SCHEMA", "mart")]);
    assert!(run.code == 0 && run.out.contains("\"mart\".\"transactions\""), "{}", run.err);
    let run = ddl(&[("a.odcs.yaml", &contract)], &[], &[("TARGET_SCHEMA", "Mart")]);
    assert!(run.code == 2 && run.err.contains("schema \"Mart\" must be"), "{}", run.err);
}

#[test]
fn wrong_contracts_give_no_sql() {
    let wrong = transactions(&[("minor(amount, 2)", "minor(")]);
    let run = ddl(&[("a.odcs.yaml", &wrong), ("b.odcs.yaml", &payments())], &[], &[]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.starts_with("error: ./a.odcs.yaml: schema[0].properties[10]"), "{}", run.err);
}
