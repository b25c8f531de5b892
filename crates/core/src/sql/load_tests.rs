//! Tests of the SQL that Penstock emits: its structure and limits, that no value reaches a statement's text, and that
//! it parses as Redshift.

use proptest::prelude::*;
use sqlparser::dialect::RedshiftSqlDialect;
use sqlparser::parser::Parser;

use super::*;
use crate::contract::Contract;
use crate::fixtures::{One, check, checker, contract, object_id, transaction, transactions};
use crate::row::Checker;
use crate::sql::{GrantRole, grants, ledger_view, migration};

/// What the Data API takes in one statement.
const API_STATEMENT_BYTES: usize = 100_000;
const SOURCE: &str = "s3://b/t/1.json";

fn load(contract: &Contract, rows: &[(One, String)]) -> Result<SqlBatch, LoadError> {
    let staged: Vec<StagedRow<'_>> =
        rows.iter().map(|(row, source)| StagedRow { row: row.row(), source }).collect();
    let schema = Ident::new("tgt").unwrap();
    let load_id = object_id();
    FifoLoad {
        contract,
        schema: &schema,
        load_id,
        loaded_ms: 1_767_322_800_000,
        oldest_ms: 1_767_322_800_000,
        source: "arn:aws:sqs:q",
        rows: &staged,
        rejected: 2,
    }
    .batch()
}

fn row(checker: &Checker, record: &str) -> (One, String) {
    (check(checker, record).unwrap_or_else(|e| panic!("{record}: {e:?}")), SOURCE.to_owned())
}

fn keyless() -> Checker {
    checker(
        "{property: penstock.dedupDays, value: 3}",
        &["name: n, physicalType: bigint", "name: t, physicalType: varchar(65535)"],
    )
}

/// Placeholders of a statement, in order.
fn placeholders(sql: &str) -> Vec<String> {
    let pieces = sql.split(":p").skip(1);
    pieces
        .map(|piece| format!("p{}", piece.chars().take_while(char::is_ascii_digit).collect::<String>()))
        .filter(|p| p != "p")
        .collect()
}

/// Limits and binding of a batch.
fn assert_sound(batch: &SqlBatch) {
    assert!(batch.statements.len() <= MAX_BATCH_STATEMENTS);
    let mut used = std::collections::HashSet::new();
    let bound: HashMap<&str, &str> =
        batch.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for sql in &batch.statements {
        let mut names = placeholders(sql);
        names.sort();
        names.dedup();
        let values: usize = names.iter().map(|name| bound[name.as_str()].len()).sum();
        assert!(sql.len() + values <= API_STATEMENT_BYTES, "{} + {values}: {sql:.80}", sql.len());
        used.extend(names);
    }
    for (i, (name, value)) in batch.parameters.iter().enumerate() {
        assert_eq!(*name, format!("p{i}"));
        assert!(!value.is_empty() && used.contains(name), "{name}");
    }
}

/// Parses a statement with a literal in the place of each parameter.
fn parses(sql: &str) -> Result<(), String> {
    let mut bound = String::new();
    for (i, piece) in sql.split(":p").enumerate() {
        let tail = piece.trim_start_matches(|c: char| c.is_ascii_digit());
        match i > 0 && tail.len() < piece.len() {
            true => bound.push_str("'x'"),
            false => bound.push_str(if i > 0 { ":p" } else { "" }),
        }
        bound.push_str(if i > 0 { tail } else { piece });
    }
    Parser::parse_sql(&RedshiftSqlDialect {}, &bound).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn a_load_locks_first_and_ends_with_its_counts() {
    let own = transactions();
    let batch = load(own.contract(), &[row(&own, &transaction(""))]).unwrap();
    assert_sound(&batch);
    let heads: Vec<String> =
        batch.statements.iter().map(|sql| sql.split(' ').take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        heads,
        [
            "LOCK TABLE \"penstock\".\"lock_transactions\"",
            "CREATE TEMP TABLE",
            "INSERT INTO \"p_obj\"",
            "CREATE TEMP TABLE",
            "INSERT INTO \"p_stage\"",
            "CREATE TEMP TABLE",
            "INSERT INTO \"p_win\"",
            "DELETE FROM \"tgt\".\"transactions\"",
            "INSERT INTO \"tgt\".\"transactions\"",
            "INSERT INTO \"penstock\".\"objects_transactions\"",
            "CALL \"penstock\".\"sp_balance_transactions\"()",
            "SELECT \"n_read\", \"n_inserted\",",
        ]
    );
    assert!(batch.statements[2].contains(", 3, 2, 0)"), "one row and two rejects: {}", batch.statements[2]);
}

#[test]
fn null_empty_texts_and_booleans_stand_inline() {
    let own = checker(
        "",
        &[
            "name: a, physicalType: varchar(9)",
            "name: b, physicalType: varchar(9)",
            "name: c, physicalType: boolean",
            "name: d, physicalType: boolean",
        ],
    );
    let batch = load(own.contract(), &[row(&own, r#"{"a":"","c":true,"d":false}"#)]).unwrap();
    assert!(batch.statements[4].contains("VALUES ('', NULL, TRUE, FALSE, :p"), "{}", batch.statements[4]);
    assert_sound(&batch);
}

#[test]
fn json_and_bytes_are_parsed_on_their_way_out_of_the_stage() {
    let own = checker("", &["name: s, physicalType: super", "name: x, physicalType: varbyte(4)"]);
    let batch = load(own.contract(), &[row(&own, r#"{"s":{"a":1},"x":"00ff"}"#)]).unwrap();
    assert!(batch.statements[3].contains("\"s\" varchar(65535), \"x\" varchar(65535)"));
    assert!(batch.statements[6].contains("JSON_PARSE(r.\"s\"), FROM_HEX(r.\"x\")"));
}

#[test]
fn without_a_key_nothing_is_deleted_and_the_look_back_is_bounded() {
    let own = keyless();
    let batch = load(own.contract(), &[row(&own, r#"{"n":1}"#)]).unwrap();
    assert_sound(&batch);
    assert!(!batch.statements.iter().any(|sql| sql.starts_with("DELETE")));
    let winners = batch.statements.iter().find(|sql| sql.starts_with("INSERT INTO \"p_win\"")).unwrap();
    assert!(
        winners.contains("t.\"_loaded_at\" >= CAST('2025-12-30 03:00:00.000000+00' AS timestamptz)"),
        "{winners}"
    );
    assert!(!winners.contains("restamped") && winners.contains("IS NOT NULL THEN 'duplicate'"));
}

#[test]
fn order_by_ranks_before_the_order_of_arrival() {
    let winners = |custom: &str| {
        let own = checker(
            custom,
            &["name: id, physicalType: bigint, primaryKey: true", "name: v, physicalType: bigint"],
        );
        let batch = load(own.contract(), &[row(&own, r#"{"id":1}"#)]).unwrap();
        assert_sound(&batch);
        batch.statements[6].clone()
    };
    let with = winners("{property: penstock.orderBy, value: v}");
    assert!(
        with.contains("ORDER BY CASE WHEN \"v\" IS NULL THEN 1 ELSE 0 END, \"v\" DESC, \"_order\" DESC"),
        "{with}"
    );
    assert!(with.contains("WHEN r.\"v\" > t.\"v\" THEN 'updated'"));
    let without = winners("");
    assert!(without.contains("ORDER BY \"_order\" DESC") && !without.contains("r.\"v\" >"), "{without}");
}

#[test]
fn a_load_of_rejects_alone_inserts_no_rows_and_is_counted() {
    let own = keyless();
    let batch = load(own.contract(), &[]).unwrap();
    assert_sound(&batch);
    assert!(!batch.statements.iter().any(|sql| sql.starts_with("INSERT INTO \"p_stage\"")));
    assert!(batch.statements[2].contains(", 2, 2, 0)"));
}

#[test]
fn rows_are_split_below_the_limit_and_too_many_are_refused() {
    let own = keyless();
    let text = "x".repeat(20_000);
    let many = |count: usize| -> Vec<(One, String)> {
        (0..count).map(|_| row(&own, &format!("{{\"t\":\"{text}\"}}"))).collect()
    };
    let batch = load(own.contract(), &many(100)).unwrap();
    assert_sound(&batch);
    assert_eq!(batch.statements.iter().filter(|sql| sql.starts_with("INSERT INTO \"p_stage\"")).count(), 25);
    assert_eq!(load(own.contract(), &many(200)), Err(LoadError::TooLarge { rows: 200 }));
}

#[test]
fn long_sources_count_in_every_statement_that_names_them() {
    let own = keyless();
    let mut rows = Vec::new();
    for i in 0..600 {
        let (own, _) = row(&own, &format!("{{\"t\":\"{}\"}}", "x".repeat(400)));
        rows.push((own, format!("s3://b/{}{}", i % 20, "k".repeat(4_000))));
    }
    let batch = load(own.contract(), &rows).unwrap();
    assert_sound(&batch);
    let bound = batch.parameters.iter().filter(|(_, value)| value.starts_with("s3://")).count();
    assert_eq!(bound, 20, "each source is bound once");
}

#[test]
fn many_small_rows_do_not_cost_their_square() {
    let own = keyless();
    let seconds = |count: usize| {
        let rows: Vec<(One, String)> = (0..count).map(|_| row(&own, "{\"n\":1}")).collect();
        // The shortest of some: others use the machine too.
        let run = |_| {
            let start = std::time::Instant::now();
            assert_sound(&load(own.contract(), &rows).unwrap());
            start.elapsed().as_secs_f64()
        };
        (0..5).map(run).fold(f64::INFINITY, f64::min)
    };
    // Eight times the rows: eight times the work, and sixty-four times if it were a square.
    let ratio = seconds(12_000) / seconds(1_500);
    assert!(ratio < 32.0, "{ratio:.1}");
}

fn hostile_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("'; DROP TABLE x; --".to_owned()),
        Just("\\'".to_owned()),
        Just(":p0".to_owned()),
        Just("$$".to_owned()),
        Just("''".to_owned()),
        Just("\u{2019}".to_owned()),
        Just("%s".to_owned()),
        Just("\n".to_owned()),
        "[ -~]{0,30}",
        Just("x".repeat(3_000)),
    ];
    proptest::collection::vec(word, 1..5).prop_map(|words| format!("MARK{}", words.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_value_of_a_row_reaches_a_statement(texts in proptest::collection::vec(hostile_text(), 1..60), source in hostile_text()) {
        let own = keyless();
        let rows: Vec<(One, String)> = texts.iter().enumerate().map(|(i, text)| {
            let (own, _) = row(&own, &format!("{{\"n\":{i},\"t\":{}}}", serde_json::to_string(text).unwrap()));
            (own, format!("{source}{}", i % 3))
        }).collect();
        let batch = load(own.contract(), &rows).unwrap();
        assert_sound(&batch);
        prop_assert!(batch.statements.iter().all(|sql| !sql.contains("MARK") && !sql.contains(';')));
        for sql in &batch.statements {
            prop_assert_eq!(parses(sql), Ok(()));
        }
        let bound: Vec<&String> = batch.parameters.iter().map(|(_, value)| value).collect();
        prop_assert!(texts.iter().all(|text| bound.contains(&text)));
    }
}

#[test]
fn every_statement_of_a_load_parses_as_redshift() {
    let (own, append) = (transactions(), keyless());
    let upsert = load(own.contract(), &[row(&own, &transaction(""))]).unwrap();
    for sql in
        upsert.statements.iter().chain(&load(append.contract(), &[row(&append, "{}")]).unwrap().statements)
    {
        assert_eq!(parses(sql), Ok(()), "{sql}");
    }
}

#[test]
fn a_version_that_is_no_plain_text_cannot_leave_its_literal() {
    let mut own = contract("", &["name: n, physicalType: bigint"]);
    own.version = "1.0'; DROP TABLE x; --\\".into();
    let batch = load(&own, &[]).unwrap();
    assert!(batch.statements.iter().any(|sql| sql.contains("CAST('1.0DROPTABLEx--' AS varchar(64))")));
}

#[test]
fn the_migration_creates_everything_and_declares_no_key() {
    let own = Contract::parse(crate::fixtures::TRANSACTIONS).unwrap();
    let statements = migration(&own, &Ident::new("tgt").unwrap()).unwrap();
    assert!(statements.iter().all(|sql| sql.contains("IF NOT EXISTS") || sql.contains("OR REPLACE")));
    let target = statements.iter().find(|sql| sql.contains("\"tgt\".\"transactions\" (")).unwrap();
    assert!(
        target.contains("\"transaction_id\" varchar(64) NOT NULL")
            && target.contains("\"account_id\" varchar(34),")
    );
    assert!(target.ends_with("DISTSTYLE AUTO\nSORTKEY AUTO"), "{target}");
    assert!(!target.contains("PRIMARY KEY") && !target.contains("UNIQUE"));
    for sql in &statements {
        // sqlparser has no Redshift procedures: a body in $$ after parentheses without a name is nothing it knows.
        // It knows neither DISTSTYLE AUTO nor SORTKEY AUTO: what stands before them is parsed.
        let known = sql.split("\nDISTSTYLE").next().unwrap();
        if !sql.starts_with("CREATE OR REPLACE PROCEDURE") {
            assert_eq!(parses(known), Ok(()), "{sql}");
        }
    }
    let view = ledger_view(&[Ident::new("a").unwrap(), Ident::new("b").unwrap()]).unwrap();
    assert_eq!((parses(&view), view.matches("UNION ALL").count()), (Ok(()), 1));
}

#[test]
fn history_newest_objects_and_live_view_are_made_where_the_contract_asks_for_them() {
    let columns = ["name: a, physicalType: bigint"];
    let custom = "{property: penstock.keepHistory, value: true}, {property: penstock.onReplace, value: replace}, \
         {property: penstock.deletedWhen, value: a == 0}";
    let own =
        Contract::parse(&crate::fixtures::contract_text(crate::fixtures::S3, custom, &columns)).unwrap();
    let all = migration(&own, &Ident::new("tgt").unwrap()).unwrap();
    let named =
        |words: &str| all.iter().find(|sql| sql.starts_with(words)).unwrap_or_else(|| panic!("{words}"));
    named("CREATE SCHEMA IF NOT EXISTS \"stg\"");
    assert!(named("CREATE TABLE IF NOT EXISTS \"stg\".\"t\"").contains("\"_row_hash\" char(32) NOT NULL"));
    named("CREATE TABLE IF NOT EXISTS \"penstock\".\"newest_t\"");
    let live = named("CREATE OR REPLACE VIEW \"tgt\".\"t_live\"");
    assert!(
        live.contains("SELECT \"a\", \"_record_id\"") && live.ends_with("WITH NO SCHEMA BINDING"),
        "{live}"
    );
    assert_eq!(parses(live), Ok(()));
    let role = GrantRole::new("loader").unwrap();
    let granted = grants(&own, &Ident::new("tgt").unwrap(), &role).unwrap().join("\n");
    for table in ["\"stg\".\"t\"", "\"penstock\".\"newest_t\""] {
        assert!(granted.contains(&format!("GRANT SELECT, INSERT, DELETE ON {table} TO")), "{granted}");
    }
    // The history would be the target.
    let clash = migration(&own, &Ident::new("stg").unwrap()).unwrap_err();
    assert!(clash.to_string().contains("the schema of histories"), "{clash}");
}

#[test]
fn dist_and_sort_keys_are_those_of_the_contract() {
    let custom = "{property: penstock.distkey, value: a}, {property: penstock.sortkey, value: [b, a]}";
    let own = contract(custom, &["name: a, physicalType: bigint", "name: b, physicalType: date"]);
    let target = migration(&own, &Ident::new("tgt").unwrap()).unwrap().remove(2);
    assert!(target.ends_with("DISTKEY (\"a\")\nCOMPOUND SORTKEY (\"b\", \"a\")"), "{target}");
}

#[test]
fn grants_name_their_role_and_nothing_else_can_be_put_in() {
    let own = Contract::parse(crate::fixtures::TRANSACTIONS).unwrap();
    let role = GrantRole::new("penstock-load.dev@x").unwrap();
    let all = grants(&own, &Ident::new("tgt").unwrap(), &role).unwrap();
    assert!(all.iter().all(|sql| sql.ends_with("TO \"IAMR:penstock-load.dev@x\"")));
    for sql in &all {
        // sqlparser takes no signature in GRANT EXECUTE ON PROCEDURE name().
        assert_eq!(parses(&sql.replace("() TO", " TO")), Ok(()), "{sql}");
    }
    // CREATE USER ... PASSWORD DISABLE is Redshift's alone.
    assert_eq!(role.create_user(), "CREATE USER \"IAMR:penstock-load.dev@x\" PASSWORD DISABLE");
    for bad in ["", "a\"b", "a b", "a;b", "a'b", "a\\b", "a\nb", "ä", &"a".repeat(65)] {
        assert_eq!(GrantRole::new(bad), None, "{bad:?}");
    }
    for bad in ["x\"; DROP TABLE y; --", "a.b", "a'", "$1", "public\0"] {
        assert!(Ident::new(bad).is_err(), "{bad:?}");
    }
}
