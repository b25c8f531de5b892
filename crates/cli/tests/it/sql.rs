//! `penstock sql` against the local warehouse: what it prints and its exit codes.

use crate::common::{contracts, db, penstock};

#[tokio::test]
async fn a_result_is_printed_with_its_columns_and_their_number() {
    let (db, directory) = (db().await, contracts(&[]));
    let sql = "SELECT CAST(7 AS bigint) AS n, CAST(12.5 AS numeric(9,2)) AS amount, CAST(NULL AS varchar(9)) AS note, \
               TRUE AS ok UNION ALL SELECT -12, CAST(0 AS numeric(9,2)), 'müsli', FALSE ORDER BY 1 DESC";
    let run = db.penstock(directory.path(), &["sql", sql]);
    let expected = "  n  amount  note   ok\n---  ------  -----  -----\n  7   12.50  NULL   true\n-12    0.00  müsli  false\n\
                    2 rows\n";
    assert_eq!((run.out.as_str(), run.err.as_str(), run.code), (expected, "", 0));
    let run = db.penstock(directory.path(), &["sql", "--json", sql]);
    let expected = "{\"n\":7,\"amount\":\"12.50\",\"note\":null,\"ok\":true}\n\
                    {\"n\":-12,\"amount\":\"0.00\",\"note\":\"müsli\",\"ok\":false}\n";
    assert_eq!((run.out.as_str(), run.code), (expected, 0));
}

#[tokio::test]
async fn a_result_of_many_pages_is_printed_whole() {
    let (db, directory) = (db().await, contracts(&[]));
    db.sql("CREATE TABLE numbers (n integer)").await;
    db.sql("INSERT INTO numbers (n) VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14)").await;
    let sql = "SELECT a.n FROM numbers a CROSS JOIN numbers b CROSS JOIN numbers c";
    let run = db.penstock(directory.path(), &["sql", sql]);
    assert!(run.out.ends_with("\n2744 rows\n") && run.out.lines().count() == 2_747, "{}", run.out.len());
}

#[tokio::test]
async fn a_statement_without_a_result_is_done() {
    let (db, directory) = (db().await, contracts(&[]));
    let run = db.penstock(directory.path(), &["sql", "CREATE TABLE t (n integer)"]);
    assert_eq!((run.out.as_str(), run.err.as_str(), run.code), ("done\n", "", 0));
    let run = db.penstock(directory.path(), &["sql", "SELECT n FROM t"]);
    assert_eq!((run.out.as_str(), run.code), ("n\n-\n0 rows\n", 0));
}

#[tokio::test]
async fn what_the_warehouse_refuses_is_told_in_its_words() {
    let (db, directory) = (db().await, contracts(&[]));
    let run = db.penstock(directory.path(), &["sql", "SELECT * FROM not_there"]);
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert_eq!(run.err, "error: ERROR: relation \"not_there\" does not exist\n");
}

#[test]
fn without_a_warehouse_the_usage_is_wrong() {
    let directory = contracts(&[]);
    let run = penstock(directory.path(), &["sql", "SELECT 1"], &[]);
    assert!(run.code == 2 && run.err.contains("WORKGROUP_NAME is not set"), "{}", run.err);
    assert_eq!(penstock(directory.path(), &["sql"], &[]).code, 2);
}
