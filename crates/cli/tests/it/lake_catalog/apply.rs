//! `penstock catalog --apply`: nothing is done twice, nothing of others is lost, and what cannot be changed is refused.

use aws_sdk_glue::types::{Column, Table};

use super::rig::{COLUMNS, Catalog, ENV, clicks, readings};
use crate::common::Run;

/// Applies the two datasets, `readings` with these columns.
async fn apply(catalog: &Catalog, columns: &str) -> Run {
    let files = [("clicks.odcs.yaml", clicks()), ("readings.odcs.yaml", readings(columns))];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    catalog.run(&files, &["--apply"], &ENV).await
}

async fn applied() -> Catalog {
    let catalog = Catalog::default();
    let run = apply(&catalog, COLUMNS).await;
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    catalog
}

fn columns(table: &Table) -> Vec<String> {
    let columns = table.storage_descriptor().unwrap().columns();
    columns.iter().map(|own| format!("{} {}", own.name(), own.r#type().unwrap())).collect()
}

#[tokio::test]
async fn tables_are_created_once_and_then_left_alone() {
    let catalog = Catalog::default();
    let run = apply(&catalog, COLUMNS).await;
    let told = "database penstock_dev of Glue's catalog: created\n  created    table  curated_clicks\n  \
                created    table  readings\n  created    view   readings_latest\n\
                3 tables: 3 created, 0 updated, 0 unchanged\n";
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, told, ""));
    let again = apply(&catalog, COLUMNS).await;
    assert!(again.out.starts_with("database penstock_dev of Glue's catalog: unchanged\n"), "{}", again.out);
    assert!(again.out.ends_with("3 tables: 0 created, 0 updated, 3 unchanged\n"), "{}", again.out);
    assert_eq!(catalog.state().writes, 3);
    let state = catalog.state();
    let table = &state.tables["readings"];
    let storage = table.storage_descriptor().unwrap();
    assert_eq!(storage.location(), Some("s3://the-lake/readings/"));
    assert_eq!(
        state.tables["curated_clicks"].storage_descriptor().unwrap().location(),
        Some("s3://the-curated/clicks/")
    );
    assert_eq!(table.description(), Some("Rows of readings."));
    assert_eq!(columns(table)[..3], ["id string", "amount decimal(18,4)", "at timestamp"]);
    let keys: Vec<_> = table.partition_keys().iter().map(|own| (own.name(), own.r#type().unwrap())).collect();
    assert_eq!(keys, [("day", "date")]);
    let amount = &storage.columns()[1];
    assert_eq!(amount.comment(), Some("[restricted] How much."));
    assert_eq!(amount.parameters().unwrap()["classification"], "restricted");
    assert_eq!(table.parameters().unwrap()["classification"], "parquet");
    assert_eq!(table.parameters().unwrap()["EXTERNAL"], "TRUE");
}

#[tokio::test]
async fn a_column_is_added_and_what_others_put_there_stays() {
    let catalog = applied().await;
    {
        let mut state = catalog.state();
        let table = state.tables.get_mut("readings").unwrap();
        let storage = table.storage_descriptor.as_mut().unwrap();
        let columns = storage.columns.as_mut().unwrap();
        columns.insert(0, Column::builder().name("theirs").r#type("string").build().unwrap());
        columns[3].comment = Some("Theirs.".into());
        columns[3].parameters.as_mut().unwrap().insert("owner".into(), "them".into());
        storage.number_of_buckets = 7;
        table.retention = 3;
        table.parameters.as_mut().unwrap().insert("UPDATED_BY_CRAWLER".into(), "lake".into());
    }
    let with_note = COLUMNS
        .replace("      - {name: day", "      - {name: note, logicalType: string}\n      - {name: day");
    let run = apply(&catalog, &with_note).await;
    assert!(run.code == 0 && run.out.contains("  updated    table  readings\n"), "{}{}", run.out, run.err);
    assert!(run.out.contains("  updated    view   readings_latest\n"), "{}", run.out);
    assert!(run.out.contains("  unchanged  table  curated_clicks\n"), "{}", run.out);
    {
        let state = catalog.state();
        let table = &state.tables["readings"];
        assert_eq!(columns(table)[3], "note string");
        assert_eq!(columns(table).last().unwrap(), "theirs string");
        let storage = table.storage_descriptor().unwrap();
        assert_eq!((storage.number_of_buckets(), table.retention()), (7, 3));
        // The contract's own words are above theirs.
        assert_eq!(storage.columns()[2].comment(), Some("[UTC] When."));
        assert_eq!(storage.columns()[2].parameters().unwrap()["owner"], "them");
        assert_eq!(table.parameters().unwrap()["UPDATED_BY_CRAWLER"], "lake");
    }
    let run = apply(&catalog, &with_note).await;
    assert!(run.out.ends_with("0 created, 0 updated, 3 unchanged\n"), "{}", run.out);
}

#[tokio::test]
async fn what_queries_and_files_rely_on_is_refused_with_the_reason_and_the_other_tables_are_done() {
    for (from, to, reason) in [
        (
            "      - {name: at, ",
            "      - {name: other, ",
            "column at is not in the contract any more; no file goes",
        ),
        (
            "'numeric(18,4)'",
            "'numeric(20,4)'",
            "column amount is decimal(18,4) there, and decimal(20,4) by the contract",
        ),
        (
            "name: day, logicalType: date",
            "name: day, logicalType: integer",
            "partitioned by day date, and by day bigint",
        ),
        (", partitioned: true", "", "partitioned by day date, and by nothing in the contract"),
    ] {
        let catalog = applied().await;
        let (before, others) = {
            let mut state = catalog.state();
            let others = state.tables.remove("curated_clicks").unwrap();
            (state.tables.clone(), others)
        };
        assert!(COLUMNS.contains(from));
        // A column that ranks versions is renamed with its rank.
        let columns = COLUMNS.replace(from, to);
        let contract = readings(&columns).replace("orderBy, value: at", "orderBy, value: id");
        let files = [("clicks.odcs.yaml", clicks()), ("readings.odcs.yaml", contract)];
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let run = catalog.run(&files, &["--apply"], &ENV).await;
        assert_eq!(run.code, 1, "{}", run.out);
        assert!(
            run.err.starts_with("error: table penstock_dev.readings: ") && run.err.contains(reason),
            "{}",
            run.err
        );
        assert!(
            run.out.contains("  refused    table  readings\n") && !run.out.contains("_latest"),
            "{}",
            run.out
        );
        let mut state = catalog.state();
        assert_eq!(state.tables.remove("curated_clicks").unwrap(), others);
        assert_eq!(state.tables, before);
    }
}

#[tokio::test]
async fn files_that_moved_and_tables_of_others_are_refused() {
    let catalog = applied().await;
    let env = [ENV[0], ("LAKE_BUCKET", "another-lake"), ENV[2]];
    let contract = readings(COLUMNS);
    let run = catalog.run(&[("readings.odcs.yaml", &contract)], &["--apply"], &env).await;
    assert!(
        run.err.contains("its files are at s3://the-lake/readings/, not at s3://another-lake/readings/"),
        "{}",
        run.err
    );
    for (parameter, reason) in [
        (None, "is not Penstock's: it has no parameter penstock.dataset"),
        (Some("writings"), "is the one of dataset writings"),
    ] {
        let before = {
            let mut state = catalog.state();
            let parameters = state.tables.get_mut("readings").unwrap().parameters.as_mut().unwrap();
            parameters.remove("penstock.dataset");
            parameters.extend(parameter.map(|own| ("penstock.dataset".to_owned(), own.to_owned())));
            state.tables.clone()
        };
        let run = catalog.run(&[("readings.odcs.yaml", &contract)], &["--apply"], &ENV).await;
        assert!(run.code == 1 && run.err.contains(reason), "{}", run.err);
        assert_eq!(catalog.state().tables, before);
    }
}

#[tokio::test]
async fn a_table_that_changed_between_look_and_write_is_looked_at_again() {
    let catalog = Catalog::default();
    let contract = readings(COLUMNS);
    let files = [("readings.odcs.yaml", contract.as_str())];
    catalog.run(&files, &["--apply"], &ENV).await;
    catalog.state().meddler = Some(|table| {
        table.parameters.as_mut().unwrap().insert("theirs".into(), "kept".into());
        table.version_id = Some("9".into());
    });
    let contract = readings(&COLUMNS.replace("Which one.", "Which one it is."));
    let run = catalog.run(&[("readings.odcs.yaml", &contract)], &["--apply"], &ENV).await;
    assert!(run.out.contains("  updated    table  readings\n"), "{}{}", run.out, run.err);
    let state = catalog.state();
    let table = &state.tables["readings"];
    assert_eq!((table.version_id(), table.parameters().unwrap()["theirs"].as_str()), (Some("10"), "kept"));
}

#[tokio::test]
async fn a_table_that_somebody_creates_meanwhile_is_held_to_the_contract_like_any_other() {
    let catalog = applied().await;
    catalog.state().is_unseen = true;
    let columns = COLUMNS.replace("Which one.", "Which one it is.");
    let contract = readings(&columns);
    let run = catalog.run(&[("readings.odcs.yaml", &contract)], &["--apply"], &ENV).await;
    assert!(run.out.contains("  updated    table  readings\n"), "{}{}", run.out, run.err);
    assert!(!catalog.state().is_unseen);
}

#[tokio::test]
async fn a_catalog_that_may_not_be_asked_is_told() {
    let catalog = Catalog::default();
    catalog.state().is_denied = true;
    let run = apply(&catalog, COLUMNS).await;
    let told = "error: database penstock_dev cannot be looked at: AccessDeniedException: no\n";
    assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (1, "", told));
}
