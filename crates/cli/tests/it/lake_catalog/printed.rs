//! What `penstock catalog` prints: SQL that parsers of its grammars read, JSON that says the same, and nothing of a
//! contract that could end its quotes.

use base64_simd::STANDARD;
use serde_json::Value;
use sqlparser::ast::{CreateTable, HiveDistributionStyle, Statement};
use sqlparser::dialect::{Dialect, GenericDialect, HiveDialect, RedshiftSqlDialect};
use sqlparser::parser::Parser;

use super::rig::{COLUMNS, Catalog, ENV, clicks, readings};
use crate::common::{Run, contracts, db, penstock};

async fn printed(contract: &str, arguments: &[&str]) -> Run {
    let run = Catalog::default().run(&[("a.odcs.yaml", contract)], arguments, &ENV).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    run
}

/// The statements of a script, without comments.
fn statements(script: &str) -> Vec<String> {
    let lines: Vec<&str> = script.lines().filter(|line| !line.starts_with("--")).collect();
    let script = lines.join("\n");
    script
        .split(";\n")
        .map(|own| own.trim().trim_end_matches(';').to_owned())
        .filter(|own| !own.is_empty())
        .collect()
}

fn parsed(dialect: &dyn Dialect, sql: &str) -> Statement {
    let mut parsed = Parser::parse_sql(dialect, sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
    assert_eq!(parsed.len(), 1, "{sql}");
    parsed.remove(0)
}

/// The parser knows no comment on an external table.
fn table(sql: &str) -> CreateTable {
    let lines: Vec<&str> = sql.lines().filter(|line| !line.starts_with("COMMENT '")).collect();
    match parsed(&HiveDialect {}, &lines.join("\n")) {
        Statement::CreateTable(table) => table,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_sql_for_athena_is_what_parsers_read_and_says_what_the_json_says() {
    let run = printed(&readings(COLUMNS), &[]).await;
    let sql = statements(&run.out);
    assert_eq!(sql.len(), 4, "{}", run.out);
    assert!(matches!(
        parsed(&HiveDialect {}, &sql[0]),
        Statement::CreateDatabase { if_not_exists: true, .. }
    ));
    let table = table(&sql[1]);
    assert!(table.external && table.if_not_exists);
    assert_eq!(table.name.to_string(), "`penstock_dev`.`readings`");
    assert_eq!(table.location.as_deref(), Some("s3://the-lake/readings/"));
    let json: Value = serde_json::from_str(&printed(&readings(COLUMNS), &["--json"]).await.out).unwrap();
    assert_eq!(json["DatabaseInput"]["Name"], "penstock_dev");
    let input = &json["TableInputs"][0];
    assert_eq!((&input["Name"], &input["TableType"]), (&"readings".into(), &"EXTERNAL_TABLE".into()));
    let named = |columns: &Value| -> Vec<String> {
        let column =
            |own: &Value| format!("`{}` {}", own["Name"].as_str().unwrap(), own["Type"].as_str().unwrap());
        columns.as_array().unwrap().iter().map(column).collect()
    };
    let own: Vec<_> =
        table.columns.iter().map(|own| format!("{} {}", own.name, own.data_type).to_lowercase()).collect();
    assert_eq!(own, named(&input["StorageDescriptor"]["Columns"]));
    let HiveDistributionStyle::PARTITIONED { columns } = table.hive_distribution else {
        panic!("{}", sql[1])
    };
    let keys: Vec<_> =
        columns.iter().map(|own| format!("{} {}", own.name, own.data_type).to_lowercase()).collect();
    assert_eq!(keys, named(&input["PartitionKeys"]));
    let formats = table.hive_formats.unwrap();
    assert!(format!("{formats:?}").contains(input["StorageDescriptor"]["InputFormat"].as_str().unwrap()));
    assert!(matches!(parsed(&HiveDialect {}, &sql[2]), Statement::Msck(own) if own.repair));
    assert!(matches!(parsed(&GenericDialect {}, &sql[3]), Statement::CreateView(own) if own.or_replace));
    let view = &json["TableInputs"][1];
    let text = view["ViewOriginalText"].as_str().unwrap();
    let text = text.strip_prefix("/* Presto View: ").unwrap().strip_suffix(" */").unwrap();
    let view: Value = serde_json::from_slice(&STANDARD.decode_to_vec(text).unwrap()).unwrap();
    assert_eq!(
        sql[3],
        format!(
            "CREATE OR REPLACE VIEW \"penstock_dev\".\"readings_latest\" AS\n{}",
            view["originalSql"].as_str().unwrap()
        )
    );
    assert_eq!(
        (&view["columns"][1]["type"], &view["columns"][0]["type"]),
        (&"decimal(18,4)".into(), &"varchar".into())
    );
}

#[tokio::test]
async fn nothing_of_a_contract_ends_its_quotes() {
    let evil = "x'; DROP TABLE y; -- \\\\' `a`";
    let contract = readings(&COLUMNS.replace("Which one.", &format!("\"{evil}\"")))
        .replace("version: 1.0.0", &format!("version: \"{evil}\""))
        .replace("Rows of readings.", &format!("\"{evil}\""))
        .replace("classification: restricted", &format!("classification: \"{evil}\""));
    let run = printed(&contract, &[]).await;
    let sql = statements(&run.out);
    assert_eq!(sql.len(), 4, "{}", run.out);
    let table = table(&sql[1]);
    assert_eq!(table.columns.len(), 3 + 5);
    assert!(sql[1].contains("COMMENT 'x’, DROP TABLE y, -- /’ ‘a‘'\nPARTITIONED BY"), "{}", sql[1]);
}

#[tokio::test]
async fn the_newest_version_of_a_key_is_the_one_that_a_load_would_keep() {
    let json = printed(&readings(COLUMNS), &["--json"]).await.out;
    let json: Value = serde_json::from_str(&json).unwrap();
    let text = json["TableInputs"][1]["ViewOriginalText"].as_str().unwrap().to_owned();
    let text = text.trim_start_matches("/* Presto View: ").trim_end_matches(" */").to_owned();
    let view: Value = serde_json::from_slice(&STANDARD.decode_to_vec(text).unwrap()).unwrap();
    let db = db().await;
    for sql in [
        "CREATE SCHEMA penstock_dev",
        "CREATE TABLE penstock_dev.readings (id varchar(32), amount numeric(18,4), at timestamptz, day date, \
         _record_id char(32), _row_hash char(32), _order varchar(128), _source varchar(4096), _deleted boolean)",
        "INSERT INTO penstock_dev.readings VALUES \
         ('a', 1, '2026-01-02', '2026-01-01', 'a', 'h', '1', 's', false), \
         ('a', 2, '2026-01-01', '2026-01-01', 'a', 'h', '9', 's', false), \
         ('a', 3, NULL, '2026-01-01', 'a', 'h', '99', 's', false), \
         ('b', 4, '2026-01-01', '2026-01-01', 'b', 'h', '1', 's', false), \
         ('b', 5, '2026-01-01', '2026-01-01', 'b', 'h', '2', 's', false), \
         ('c', 6, '2026-01-01', '2026-01-01', 'c', 'h', '1', 's', false), \
         ('c', 7, '2026-01-02', '2026-01-01', 'c', 'h', '1', 's', true), \
         ('d', 8, '2026-01-02', '2026-01-01', 'd', 'h', '1', 's', true), \
         ('d', 9, '2026-01-03', '2026-01-01', 'd', 'h', '1', 's', false)",
    ] {
        db.sql(sql).await;
    }
    let rows = db
        .sql(&format!("SELECT id, amount FROM ({}) v ORDER BY id", view["originalSql"].as_str().unwrap()))
        .await;
    let rows: Vec<String> =
        rows.iter().map(|row| row.iter().flatten().cloned().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(rows, ["a 1.0000", "b 5.0000", "d 9.0000"]);
}

#[tokio::test]
async fn redshift_gets_a_schema_grants_and_a_join_over_names_that_are_quoted() {
    let arguments = ["--spectrum", "--role", "analyst", "--role", "team@x", "--schema", "the_lake"];
    let contract = readings(COLUMNS);
    let env = [&ENV[..], &[("SPECTRUM_ROLE_ARN", "arn:aws:iam::1:role/x")]].concat();
    let run = Catalog::default().run(&[("a.odcs.yaml", &contract)], &arguments, &env).await;
    let sql = statements(&run.out);
    assert_eq!(
        sql[0],
        "CREATE EXTERNAL SCHEMA IF NOT EXISTS \"the_lake\"\nFROM DATA CATALOG\nDATABASE 'penstock_dev'\n\
         IAM_ROLE 'arn:aws:iam::1:role/x'"
    );
    assert_eq!(sql[1], "GRANT USAGE ON SCHEMA \"the_lake\" TO \"IAMR:analyst\"");
    let create = "-- where it is no user yet: CREATE USER \"IAMR:analyst\" PASSWORD DISABLE;\nGRANT USAGE";
    assert!(run.out.contains(create), "{}", run.out);
    assert!(matches!(parsed(&RedshiftSqlDialect {}, &sql[2]), Statement::Grant(_)));
    assert!(matches!(parsed(&RedshiftSqlDialect {}, &sql[3]), Statement::Query(_)));
    assert!(
        sql[3].contains("FROM \"the_lake\".\"readings\" l\nLEFT JOIN \"tgt\".\"readings\" w"),
        "{}",
        sql[3]
    );
    let run = printed(&contract, &["--spectrum"]).await;
    assert!(run.out.contains("IAM_ROLE default;") && !run.out.contains("GRANT"), "{}", run.out);
    let env = [&ENV[..], &[("SPECTRUM_ROLE_ARN", "x' --")]].concat();
    let run = Catalog::default().run(&[("a.odcs.yaml", &contract)], &["--spectrum"], &env).await;
    assert!(run.code == 2 && run.err.contains("SPECTRUM_ROLE_ARN must be the ARN"), "{}", run.err);
}

#[tokio::test]
async fn settings_are_asked_for_where_a_table_needs_them_and_told_by_name() {
    let run = async |contract: &str, env: &[(&str, &str)]| {
        Catalog::default().run(&[("a.odcs.yaml", contract)], &[], env).await
    };
    let (lake, curated) = (readings(COLUMNS), clicks());
    assert_eq!(run(&lake, &ENV[..2]).await.code, 0);
    let told = run(&curated, &ENV[..2]).await;
    assert_eq!(
        (told.code, told.err.as_str()),
        (2, "error: environment variable CURATED_BUCKET is not set\n")
    );
    for (name, value, reason) in [
        ("GLUE_DATABASE", "", "GLUE_DATABASE is not set: it names the database"),
        ("GLUE_DATABASE", "a-b", "GLUE_DATABASE must be 1 to 255 of a-z"),
        ("LAKE_BUCKET", "b'c/", "LAKE_BUCKET must be the name of a bucket"),
    ] {
        let env = ENV.map(|(own, set)| if own == name { (own, value) } else { (own, set) });
        let told = run(&lake, &env).await;
        assert!(told.code == 2 && told.err.contains(reason), "{}", told.err);
    }
}

#[tokio::test]
async fn two_datasets_do_not_share_a_table() {
    let other = readings(COLUMNS)
        .replace("name: readings", "name: Readings")
        .replace("lake/readings/", "lake/others/")
        .replace("physicalType: table\n", "")
        .replace("    description: Rows", "    physicalName: others\n    description: Rows");
    let files = [("a.odcs.yaml", readings(COLUMNS)), ("b.odcs.yaml", other)];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let run = Catalog::default().run(&files, &[], &ENV).await;
    assert!(
        run.code == 1 && run.err.contains("a.odcs.yaml has a table readings in the catalog, too"),
        "{}",
        run.err
    );
}

#[test]
fn the_contracts_that_the_project_deploys_have_a_catalog_and_no_aws_is_needed_to_print_it() {
    let directory = contracts(&[]);
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../infra/contracts");
    for arguments in
        [&["catalog", folder][..], &["catalog", "--json", folder], &["catalog", "--spectrum", folder]]
    {
        let run = penstock(directory.path(), arguments, &ENV);
        assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    }
    let run = penstock(directory.path(), &["catalog", "--apply", "--json", folder], &ENV);
    assert_eq!(run.code, 2);
}
