//! Tests of models: what is taken apart, and what is refused with its line.

use super::*;
use crate::sql::Ident;

const DAILY: &str = "-- Customers a day; it's idempotent.
CREATE TABLE IF NOT EXISTS mart.daily (day date, n bigint, note varchar(9) DEFAULT 'a;b');
create or replace view mart.\"Latest\" AS
SELECT d.day, d.n FROM mart.daily d WITH NO SCHEMA BINDING;
/* both; at once */
DELETE FROM mart.daily;
INSERT INTO mart.daily (day, n)
WITH per AS (SELECT EXTRACT(DAY FROM c.updated_at) AS x, c.k FROM tgt.customers c LEFT JOIN stg.customers h ON h.k = c.k)
SELECT p.x, COUNT(*) FROM per AS p JOIN (SELECT k FROM tgt.orders_live) o USING (k) WHERE p.k <> 'it''s; \\'quoted\\'' GROUP BY p.x, p.k
";

fn refused(text: &str) -> String {
    Model::parse(text).expect_err(text).to_string()
}

/// A model around one more statement.
fn with(statement: &str) -> String {
    format!("CREATE TABLE IF NOT EXISTS mart.m (n bigint);\nDELETE FROM mart.m;\n{statement}")
}

#[test]
fn a_model_is_cut_into_statements_with_their_tables() {
    let model = Model::parse(DAILY).unwrap();
    let told: Vec<String> = model
        .statements
        .iter()
        .map(|own| {
            let reads: Vec<String> = own.reads.iter().map(ToString::to_string).collect();
            format!("{} {:?} {} {}", own.line, own.kind, own.relation, reads.join(" "))
        })
        .collect();
    assert_eq!(
        told,
        [
            "2 Table mart.daily ",
            "3 View mart.latest mart.daily",
            "6 Delete mart.daily ",
            "7 Insert mart.daily stg.customers tgt.customers tgt.orders_live",
        ]
    );
    assert!(model.statements[0].sql.starts_with("CREATE TABLE IF NOT EXISTS \"mart\".\"daily\" (day"));
    assert!(model.statements[1].sql.starts_with("CREATE OR REPLACE VIEW \"mart\".\"latest\" AS"));
    assert_eq!(model.statements[2].sql, "DELETE FROM \"mart\".\"daily\"");
    assert!(model.statements[3].sql.ends_with("GROUP BY p.x, p.k"), "{}", model.statements[3].sql);
}

#[test]
fn what_fills_runs_under_the_sorted_locks_of_all_datasets() {
    let model = Model::parse(DAILY).unwrap();
    let tables = ["orders", "customers"].map(|name| Ident::new(name).unwrap()).into();
    let batch = after_load(&tables, [&model]).unwrap();
    assert_eq!(
        batch.statements[0],
        "LOCK TABLE \"penstock\".\"lock_customers\", \"penstock\".\"lock_orders\""
    );
    assert_eq!(batch.statements.len(), 3);
    let many = format!("{}{}", with(""), "INSERT INTO mart.m (n) SELECT k FROM tgt.t;\n".repeat(20));
    let many = Model::parse(&many).unwrap();
    assert_eq!(after_load(&tables, [&many, &many]), Err(AfterLoadError::TooMany));
}

#[test]
fn what_ends_the_transaction_or_writes_elsewhere_is_refused_with_its_line() {
    for (statement, expected) in [
        ("COMMIT", "line 3: COMMIT is not taken here"),
        ("TRUNCATE mart.m", "line 3: TRUNCATE is not taken here"),
        ("VACUUM mart.m", "line 3: VACUUM is not taken here"),
        ("\n\nLOCK TABLE penstock.lock_t", "line 5: LOCK is not taken here"),
        ("DROP TABLE mart.m", "line 3: DROP is not taken here"),
        ("UPDATE mart.m SET n = 1", "line 3: UPDATE is not taken here"),
        ("CREATE TABLE mart.n (n bigint)", "line 3: CREATE is not taken here"),
        ("DELETE FROM tgt.t", "line 3: tgt.t is no table that this file creates"),
        ("INSERT INTO tgt.t SELECT 1", "line 3: tgt.t is no table that this file creates"),
        ("DELETE FROM penstock.objects_t", "line 3: schema penstock is Penstock's own"),
        ("DELETE FROM m", "line 3: m must be written as schema.table"),
        ("CREATE TABLE IF NOT EXISTS mart.m (n bigint)", "line 3: mart.m is defined twice"),
        ("CREATE OR REPLACE VIEW mart.v AS SELECT k FROM tgt.t", "must end WITH NO SCHEMA BINDING"),
        ("INSERT INTO mart.m SELECT k\nFROM t", "line 4: t must be written as schema.table"),
        ("INSERT INTO mart.m SELECT a.k FROM tgt.a a, tgt.b b", "write JOIN instead of a comma"),
        ("INSERT INTO mart.m SELECT a.k FROM tgt.a, tgt.b b", "write JOIN instead of a comma"),
        ("INSERT INTO mart.m SELECT k FROM (tgt.a JOIN tgt.b ON true)", "must hold a query"),
        ("INSERT INTO mart.m SELECT k::int FROM tgt.t", "write CAST"),
        ("INSERT INTO mart.m SELECT k FROM tgt.t WHERE k = $$x$$", "write '...'"),
        ("INSERT INTO mart.m SELECT k FROM tgt.t ON CONFLICT DO NOTHING", "does not take ON CONFLICT"),
        ("INSERT INTO mart.m SELECT DISTINCT ON (k) k FROM tgt.t", "does not take DISTINCT ON"),
        ("INSERT INTO mart.m SELECT NOW() FROM tgt.t", "does not take NOW()"),
        ("INSERT INTO mart.m SELECT k FROM tgt.t WHERE v = 'open", "a text is not closed"),
        ("/* open", "a comment is not closed"),
    ] {
        let told = refused(&with(statement));
        assert!(told.contains(expected), "{statement}: {told}");
    }
    assert_eq!(refused(" -- nothing\n ;"), "line 1: holds no statement");
    let doubling = "CREATE TABLE IF NOT EXISTS mart.m (n bigint); INSERT INTO mart.m SELECT k FROM tgt.t";
    assert!(refused(doubling).contains("DELETE what is inserted first"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[a-z .,;'\"()/*$:\\\\\n-]{0,80}|(FROM|WITH|AS|[(),.;a]| ){0,30}") {
        if let Err(error) = Model::parse(&with(&text)) {
            proptest::prop_assert!(error.line >= 1 && !error.reason.is_empty());
        }
    }
}
