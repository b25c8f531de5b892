//! What COPY makes of a value, where PostgreSQL would make something else of it.

use crate::common::{db, finished};
use crate::copy_common::{copy, flaw, load, put};

#[tokio::test]
async fn json_values_become_what_redshift_makes_of_them() {
    let db = db().await;
    for (kind, json, expected) in [
        ("numeric(10,2)", "\"1.999\"", "1.99"),
        ("numeric(10,2)", "\"-1.999\"", "-1.99"),
        ("numeric(10,2)", "123456.78", "123456.77"),
        ("numeric(10,2)", "1e3", "1000.00"),
        (
            "numeric(38,0)",
            "\"12345678901234567890123456789012345678\"",
            "12345678901234567890123456789012345678",
        ),
        ("bigint", "\"9223372036854775807\"", "9223372036854775807"),
        ("bigint", "9007199254740993", "9007199254740992"),
        ("bigint", "\"\"", "NULL"),
        ("int", "2.0", "2"),
        ("double precision", "0.1", "0.1"),
        ("real", "\"1.5e3\"", "1500"),
        ("boolean", "true", "true"),
        ("boolean", "\"F\"", "false"),
        ("boolean", "1", "true"),
        ("varchar(20)", "12.50", "12.5"),
        ("varchar(20)", "true", "true"),
        ("varchar(20)", "\"\"", ""),
        ("varchar(20)", "{\"a\": [1]}", "{\"a\": [1]}"),
        ("varchar(20)", "\"a\\tb\\n\\\\N\\u00e9\"", "a\tb\n\\Né"),
        ("varchar(4)", "\"éé\"", "éé"),
        ("char(3)", "\"ab\"", "ab "),
        ("super", "{\"a\":[1,{\"b\":\"\\u00e9\\n\"}],\"n\":1.50}", "{\"a\":[1,{\"b\":\"é\\n\"}],\"n\":1.50}"),
        ("super", "\"text\"", "\"text\""),
        ("super", "\"\"", "\"\""),
        ("super", "12345678901234567890", "12345678901234567890"),
        ("super", "null", "NULL"),
        ("date", "\"2024-02-29\"", "2024-02-29"),
        ("timestamp", "\"2024-02-29T01:02:03.123456Z\"", "2024-02-29 01:02:03.123456"),
        ("timestamptz", "\"2024-02-29 01:02:03+02\"", "2024-02-28 23:02:03+00"),
        ("time", "\"01:02:03.5\"", "01:02:03.5"),
    ] {
        db.ok("DROP TABLE IF EXISTS v").await;
        db.ok(&format!("CREATE TABLE v (x {kind})")).await;
        load(&db, "v", &format!("{{\"x\":{json}}}"), "JSON 'auto' TIMEFORMAT 'auto' DATEFORMAT 'auto'").await;
        assert_eq!(db.one("SELECT x FROM v").await, expected, "{kind} {json}");
    }
}

#[tokio::test]
async fn json_values_that_do_not_fit_are_told_by_code() {
    let db = db().await;
    for (kind, json, code, text) in [
        ("varchar(3)", "\"éé\"", "1204", "String length exceeds DDL length"),
        ("char(3)", "\"abcd\"", "1204", "String length exceeds DDL length"),
        ("char(3)", "\"é\"", "1220", "Multibyte character not supported for CHAR"),
        ("varchar(9)", "\"a\\u0000\"", "1218", "null byte"),
        ("varchar(9)", "\"\\ud800\"", "1220", "UTF8 codepoints"),
        ("super", "{\"a\":\"\\u0000\"}", "1224", "super"),
        ("super", "{\"a\":\"\\ud800\"}", "1224", "super"),
        ("int", "\"12a\"", "1207", "Invalid digit, Value 'a', Pos 2, Type: Integer"),
        ("int", "1.5", "1207", "Invalid digit, Value '.', Pos 1, Type: Integer"),
        ("int", "true", "1207", "Invalid digit, Value 't', Pos 0, Type: Integer"),
        ("int", "[1]", "1207", "Invalid digit"),
        ("smallint", "\"32768\"", "1222", "Overflow"),
        ("numeric(4,2)", "\"100\"", "1204", "overflow"),
        ("numeric(4,2)", "\"1,5\"", "1207", "Type: Decimal"),
        ("double precision", "\"Infinity\"", "1208", "floating point"),
        ("real", "\"1e39\"", "1204", "Overflow"),
        ("boolean", "\"maybe\"", "1210", "boolean"),
        ("date", "\"2023-02-29\"", "1205", "Invalid Date Format"),
        ("timestamp", "\"2024-01-01 25:00:00\"", "1206", "Invalid timestamp format"),
        ("timestamp", "\"2024-01-01 00:00:00.1234567\"", "1206", "Invalid timestamp format"),
        ("timestamp", "\"infinity\"", "1206", "Invalid timestamp format"),
        ("int not null", "null", "1213", "Missing data for not-null field"),
    ] {
        db.ok("DROP TABLE IF EXISTS v").await;
        db.ok(&format!("CREATE TABLE v (x {kind})")).await;
        let body = format!("\n{{\"x\":{json}}}");
        let [found, line, column, message] = flaw(&db, "v", body, "JSON 'auto' TIMEFORMAT 'auto'").await;
        assert_eq!((found.as_str(), line.as_str(), column.as_str()), (code, "2", "x"), "{kind} {json}");
        assert!(message.contains(text), "{kind} {json}: {message}");
    }
}

#[tokio::test]
async fn keys_meet_columns_by_their_case_and_others_are_passed_over() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, camel_case varchar(9), d int default 7)").await;
    let body = r#"{"ID":1,"Camel_Case":"x","other":{"id":5}} {"id":2,"camel_case":"y"}{"id":3,"id":4}"#;
    load(&db, "t", body, "FORMAT JSON 'auto'").await;
    let rows = db.rows_with("SELECT id, camel_case, d FROM t ORDER BY 1, 2", &[]).await;
    assert_eq!(rows, [["2", "y", "NULL"], ["4", "NULL", "NULL"], ["NULL", "NULL", "NULL"]]);
    db.ok("DELETE FROM t").await;
    load(&db, "t (id, camel_case)", body, "FORMAT JSON 'auto ignorecase'").await;
    let rows = db.rows_with("SELECT id, camel_case, d FROM t ORDER BY 1", &[]).await;
    assert_eq!(rows, [["1", "x", "7"], ["2", "y", "7"], ["4", "NULL", "7"]]);
}

#[tokio::test]
async fn an_object_of_more_than_4_mb_or_without_an_end_is_refused() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, s super)").await;
    let fits = format!("{{\"id\":1,\"s\":\"{}\"}}", "x".repeat(4 * 1024 * 1024 - 15));
    load(&db, "t (id)", &fits, "JSON 'auto'").await;
    let [code, line, _, text] = flaw(&db, "t (id)", format!("{fits}\n x{fits}"), "JSON 'auto'").await;
    assert_eq!((code.as_str(), line.as_str()), ("1216", "2"), "{text}");
    let large = fits.replace("\"id\"", "\"idx\"");
    assert!(flaw(&db, "t", large, "JSON 'auto'").await[3].contains("4 MB"));
    let cut = "{\"id\":1}\n{\"id\":2,\"s\":{\"a\":\"}";
    assert!(flaw(&db, "t", cut, "JSON 'auto'").await[3].contains("end of file"));
    let bytes = b"{\"id\":1,\"s\":\"\xff\"}".to_vec();
    assert_eq!(flaw(&db, "t", bytes, "JSON 'auto'").await[0], "1220");
}

#[tokio::test]
async fn a_large_object_is_streamed_in_pieces_and_loses_nothing() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, v varchar(200))").await;
    let rows = 40_000u64;
    let body: String =
        (0..rows).map(|n| format!("{{\"v\":\"{}\",\"id\":\"{n}\"}}\n", "é{\\\"".repeat(20))).collect();
    put(&db, "big", crate::copy_common::zstd(&body));
    finished(&db.run(&copy(&db, "t", "big", "JSON 'auto' ZSTD")).await);
    let sums = db.rows_with("SELECT COUNT(*), SUM(id), SUM(OCTET_LENGTH(v)) FROM t", &[]).await;
    assert_eq!(sums, [[rows.to_string(), (rows * (rows - 1) / 2).to_string(), (rows * 80).to_string()]]);
}

#[tokio::test]
async fn csv_has_quotes_headers_and_texts_for_null() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, v varchar(20), s super)").await;
    let body = "id,v\r\n1,\"a,\"\"b\"\"\nc\",\"{\"\"k\"\":1}\"\r\n2,\\N,\r\n3,,\n,  ,[]";
    load(&db, "t", body, "CSV IGNOREHEADER 1").await;
    let all = "SELECT id, v, s FROM t ORDER BY id";
    assert_eq!(
        db.rows_with(all, &[]).await,
        [["1", "a,\"b\"\nc", "{\"k\":1}"], ["2", "NULL", "NULL"], ["3", "", "NULL"], ["NULL", "  ", "[]"]]
    );
    db.ok("DELETE FROM t").await;
    let body = "1;'it''s';\n\n2;-;\n3;;\n4;\t;\n";
    let options =
        "FORMAT AS CSV DELIMITER ';' QUOTE AS '''' NULL AS '-' EMPTYASNULL BLANKSASNULL IGNOREBLANKLINES";
    load(&db, "t", body, options).await;
    let rows = [["1", "it's", "NULL"], ["2", "NULL", "NULL"], ["3", "NULL", "NULL"], ["4", "NULL", "NULL"]];
    assert_eq!(db.rows_with(all, &[]).await, rows);
    db.ok("DELETE FROM t").await;
    load(&db, "t (v, id)", "\"quoted|5\ncut after twenty bytes|6", "TRUNCATECOLUMNS").await;
    let rows = db.rows_with("SELECT id, v FROM t ORDER BY id", &[]).await;
    assert_eq!(rows, [["5", "\"quoted"], ["6", "cut after twenty byt"]]);
}

#[tokio::test]
async fn csv_lines_that_do_not_fit_are_told_by_line() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int, v varchar(20))").await;
    for (body, code, line, text) in [
        ("1,\"a\nb\"\n2,x,y\n", "1202", "3", "Extra column(s) found"),
        ("1,a\n2\n", "1214", "2", "Delimiter not found"),
        ("1,a\n\n", "1214", "2", "Delimiter not found"),
        ("1,a\n2,\"b\n", "1216", "2", "inside a quoted field"),
        ("1,a\n2,\"b\"c\n", "1216", "2", "quote formatting"),
        ("1,a\nx,b\n", "1207", "2", "Invalid digit, Value 'x'"),
    ] {
        let [found, at, _, message] = flaw(&db, "t", body, "CSV").await;
        assert_eq!((found.as_str(), at.as_str()), (code, line), "{body:?}");
        assert!(message.contains(text), "{body:?}: {message}");
    }
    let [code, line, column, _] = flaw(&db, "t", b"id,v\n1,\xc3\n".to_vec(), "CSV IGNOREHEADER 1").await;
    assert_eq!([code, line, column], ["1220", "2", ""]);
}

#[tokio::test]
async fn times_are_read_by_their_format() {
    let db = db().await;
    db.ok("CREATE TABLE t (d date, x timestamp)").await;
    let options = "CSV DATEFORMAT 'DD.MM.YYYY' TIMEFORMAT 'DD/MM/YYYY HH24:MI:SS'";
    load(&db, "t", "29.02.2024,29/02/2024 01:02:03.5", options).await;
    load(&db, "t", "2024-02-29,1709168523500", "CSV TIMEFORMAT 'epochmillisecs'").await;
    let rows = db.rows_with("SELECT DISTINCT d, x FROM t", &[]).await;
    assert_eq!(rows, [["2024-02-29", "2024-02-29 01:02:03.5"]]);
    assert_eq!(flaw(&db, "t", "2024-02-29,29.02.2024", options).await[0], "1205");
    assert_eq!(flaw(&db, "t", "2024-02-29,2024-02-29T01:02:03", "CSV").await[0], "1206");
}

#[tokio::test]
async fn options_that_are_not_there_are_refused_by_name() {
    let db = db().await;
    db.ok("CREATE TABLE t (id int identity(1,1), v varchar(20), b varbyte(4))").await;
    for (options, name) in [
        ("CSV ACCEPTINVCHARS", "ACCEPTINVCHARS"),
        ("CSV ESCAPE", "ESCAPE"),
        ("CSV ROUNDEC", "ROUNDEC"),
        ("CSV EXPLICIT_IDS", "EXPLICIT_IDS"),
        ("CSV BZIP2", "BZIP2"),
        ("FORMAT AS AVRO 'auto'", "AVRO"),
        ("FORMAT AS JSON 's3://b/paths.json'", "s3://b/paths.json"),
        ("JSON 'auto' DELIMITER ','", "DELIMITER with JSON"),
        ("FORMAT PARQUET GZIP", "a compression with PARQUET"),
        ("FORMAT PARQUET MAXERROR 1", "MAXERROR with PARQUET"),
        ("CSV GZIP ZSTD", "two compressions"),
        ("CSV JSON 'auto'", "two formats"),
        ("CSV MAXERROR 100001", "100000"),
        ("CSV TIMEFORMAT 'MON DD'", "MON DD"),
        ("CSV QUOTE ','", "QUOTE and DELIMITER"),
        ("CSV", "IDENTITY"),
        ("JSON 'auto'", "VARBYTE column b"),
    ] {
        let error = db.error(&copy(&db, "t", "none", options)).await;
        assert!(error.contains(name), "{options}: {error}");
    }
    let sources = ["'dynamodb://t'", "'emr://j-1/a'", "'s3://b/k' IAM_ROLE 'me'", "'s3://b/k' CSV"];
    for (source, name) in sources.into_iter().zip(["s3://", "s3://", "role ARN", "IAM_ROLE"]) {
        let error = db.error(&format!("COPY t FROM {source}")).await;
        assert!(error.contains(name), "{source}: {error}");
    }
    for (table, text) in [
        ("nowhere", "Cannot COPY into nonexistent table nowhere"),
        ("t (x)", "column \"x\" of relation \"t\" does not exist"),
        ("t (v, v)", "more than once"),
        ("redshift_local.load_history (status)", "permission denied for schema redshift_local"),
    ] {
        let error = db.error(&copy(&db, table, "none", "CSV")).await;
        assert!(error.contains(text), "{table}: {error}");
    }
}
