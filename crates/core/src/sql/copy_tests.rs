//! Tests of the COPY load's SQL: its order, and that nothing but checked names and escaped literals gets into it. What
//! it does is held to a model in `tests/tests/copy`.

use super::*;
use crate::fixtures::{checker, object_id, transactions};
use crate::sql::MAX_BATCH_STATEMENTS;

fn statements(contract: &Contract, rows: &[RowFiles], accounting: Accounting) -> Vec<String> {
    let schema = Ident::new("tgt").unwrap();
    let role = CopyRole::new("arn:aws:iam::123456789012:role/copy").unwrap();
    let load = CopyLoad {
        contract,
        schema: &schema,
        load_id: object_id(),
        loaded_ms: 1_767_322_800_000,
        oldest_ms: 1_767_322_800_000,
        role: &role,
        objects: "s3://work/loads/t/1/objects.manifest",
        rows,
        accounting,
    };
    let batch = load.batch().unwrap();
    assert!(batch.parameters.is_empty() && batch.statements.len() <= MAX_BATCH_STATEMENTS);
    batch.statements
}

fn files(name: &str, packing: Packing) -> RowFiles {
    RowFiles { manifest: format!("s3://work/loads/t/1/{name}.manifest"), packing }
}

/// Number of the first statement that begins so.
fn place(statements: &[String], begin: &str) -> usize {
    statements
        .iter()
        .position(|sql| sql.starts_with(begin))
        .unwrap_or_else(|| panic!("{begin}: {statements:#?}"))
}

#[test]
fn objects_are_claimed_under_the_lock_and_before_any_row_is_read() {
    let checker = transactions();
    let rows = [files("zstd", Packing::Zstd), files("gzip", Packing::Gzip)];
    let own = statements(checker.contract(), &rows, Accounting::Objects);
    let order = [
        "LOCK TABLE \"penstock\".\"lock_transactions\"",
        "COPY \"p_obj\"",
        "CALL \"penstock\".\"sp_claim_transactions\"()",
        "COPY \"p_stage\"",
        "INSERT INTO \"p_win\"",
        "DELETE FROM \"tgt\".\"transactions\"",
        "INSERT INTO \"tgt\".\"transactions\"",
        "INSERT INTO \"penstock\".\"objects_transactions\"",
        "CALL \"penstock\".\"sp_balance_transactions\"()",
        "SELECT",
    ];
    let places = order.map(|begin| place(&own, begin));
    assert!(places.is_sorted() && places[0] == 0, "{own:#?}");
    let copies: Vec<_> = own.iter().filter(|sql| sql.starts_with("COPY \"p_stage\"")).collect();
    assert_eq!(copies.len(), 2);
    assert!(copies[0].ends_with("MANIFEST FORMAT AS JSON 'auto' ZSTD TIMEFORMAT 'auto' COMPUPDATE OFF"));
    assert!(
        copies[1]
            .contains("'s3://work/loads/t/1/gzip.manifest' IAM_ROLE 'arn:aws:iam::123456789012:role/copy'")
    );
}

#[test]
fn a_load_of_rejects_alone_reads_no_rows_and_still_has_its_lines_in_the_ledger() {
    let checker = transactions();
    let own = statements(checker.contract(), &[], Accounting::Objects);
    assert!(!own.iter().any(|sql| sql.starts_with("COPY \"p_stage\"")));
    place(&own, "INSERT INTO \"penstock\".\"objects_transactions\"");
}

#[test]
fn without_a_key_nothing_is_deleted_and_bytes_come_as_hex() {
    let checker = checker("", &["name: a, physicalType: 'varbyte(9)'", "name: s, physicalType: super"]);
    let own = statements(checker.contract(), &[files("zstd", Packing::Zstd)], Accounting::Load);
    assert!(!own.iter().any(|sql| sql.starts_with("DELETE")), "{own:#?}");
    let stage = &own[place(&own, "CREATE TEMP TABLE \"p_stage\"")];
    assert!(stage.contains("\"a\" varchar(18), \"s\" super, \"_record_id\" char(32) NOT NULL"), "{stage}");
    assert!(own[place(&own, "INSERT INTO \"p_win\"")].contains("FROM_HEX(r.\"a\"), r.\"s\""));
}

#[test]
fn the_history_is_kept_after_the_target_is_written_and_before_the_ledger() {
    let custom = "{property: penstock.keepHistory, value: true}";
    let checker = checker(custom, &["name: k, physicalType: bigint, primaryKey: true"]);
    let own = statements(checker.contract(), &[files("zstd", Packing::Zstd)], Accounting::Load);
    let order = [
        "INSERT INTO \"tgt\".\"t\"",
        "INSERT INTO \"p_hist\"",
        "DELETE FROM \"stg\".\"t\"",
        "INSERT INTO \"stg\".\"t\"",
        "INSERT INTO \"penstock\".\"objects_t\"",
    ];
    assert!(order.map(|begin| place(&own, begin)).is_sorted(), "{own:#?}");
}

#[test]
fn only_whole_objects_replace_and_keys_that_differ_in_blanks_are_two() {
    let columns = ["name: a, physicalType: bigint"];
    let custom = "{property: penstock.onReplace, value: replace}";
    let own =
        Contract::parse(&crate::fixtures::contract_text(crate::fixtures::S3, custom, &columns)).unwrap();
    let replacing = statements(&own, &[files("zstd", Packing::Zstd)], Accounting::Objects);
    let order = [
        "COPY \"p_stage\"",
        "INSERT INTO \"p_key\"",
        "DELETE FROM \"tgt\".\"t\"",
        "DELETE FROM \"penstock\".\"newest_t\"",
        "INSERT INTO \"penstock\".\"newest_t\"",
        "INSERT INTO \"p_win\"",
    ];
    let places = order.map(|begin| place(&replacing, begin));
    assert!(places.is_sorted(), "{replacing:#?}");
    for at in [1, 2, 3, 5] {
        let sql = &replacing[places[at]];
        assert!(sql.contains("OCTET_LENGTH("), "{sql}");
    }
    let appending = statements(&own, &[files("zstd", Packing::Zstd)], Accounting::Load);
    assert!(
        !appending.iter().any(|sql| sql.contains("p_key") || sql.starts_with("DELETE")),
        "{appending:#?}"
    );
}

#[test]
fn only_what_is_a_role_can_stand_in_sql() {
    for (role, shown) in [
        ("default", Some("default")),
        ("arn:aws:iam::1:role/a", Some("'arn:aws:iam::1:role/a'")),
        (
            "arn:aws:iam::1:role/a,arn:aws:iam::2:role/b",
            Some("'arn:aws:iam::1:role/a,arn:aws:iam::2:role/b'"),
        ),
        ("arn:aws:iam::1:user/a", None),
        ("arn:aws:iam::1:role/a' DELIMITER '", None),
        ("arn:aws:iam::1:role/\\", None),
        ("", None),
    ] {
        assert_eq!(CopyRole::new(role).map(|role| role.to_string()).as_deref(), shown, "{role}");
    }
}

#[test]
fn urls_are_escaped_wherever_they_stand() {
    let query = load_errors("s3://b/it's\\").unwrap();
    assert!(query.contains("STRPOS(\"file_name\", 's3://b/it''s\\\\') = 1"), "{query}");
    assert_eq!(load_errors("s3://b/\0"), None);
}

#[test]
fn the_ledger_is_asked_in_statements_of_bounded_size() {
    let ids: Vec<HexId> =
        (0..4_001).map(|n: u32| crate::ident::stable_id([n.to_string().as_str()])).collect();
    let checker = transactions();
    let own = loaded_objects(checker.contract(), &Ident::new("tgt").unwrap(), &ids).unwrap();
    assert_eq!(own.len(), 3);
    assert!(own.iter().all(|sql| sql.len() < crate::sql::MAX_STATEMENT_BYTES));
    assert!(loaded_objects(checker.contract(), &Ident::new("tgt").unwrap(), &[]).unwrap().is_empty());
}
