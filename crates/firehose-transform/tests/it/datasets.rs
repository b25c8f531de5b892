//! Which dataset a record is of.

use firehose_transform::Error;
use serde_json::{Value, json};

use crate::common::{
    ID, NOTE, SOURCE, answers, app, app_of, contract, contracts, event, invoke, order, record, results,
    try_app,
};

fn stamped_click() -> Value {
    answers(&app_of("clicks"), vec![record(1, r#"{"note": "n"}"#)])[0].row()
}

#[test]
fn the_function_may_be_set_to_a_dataset_whatever_the_stream_is() {
    let answers = answers(&app_of("clicks"), vec![record(1, r#"{"note": "n"}"#)]);
    assert_eq!(answers[0].keys["dataset"], "clicks");
}

#[test]
fn a_stamped_row_names_its_dataset_and_others_are_of_the_stream() {
    let records = vec![record(1, order("a", "s")), record(2, stamped_click().to_string())];
    let datasets: Vec<_> = answers(&app(), records).iter().map(|own| own.keys["dataset"].clone()).collect();
    assert_eq!(datasets, [json!("orders"), json!("clicks")]);
}

#[test]
fn rows_of_two_datasets_do_not_go_together() {
    let data = format!("{}\n{}", order("a", "s"), stamped_click());
    assert_eq!(results(&app(), vec![record(1, data)]), ["ProcessingFailed"]);
}

#[test]
fn a_dataset_that_nobody_knows_fails_the_record() {
    let mut row = stamped_click();
    row["_dataset"] = json!("nobodys");
    assert_eq!(results(&app(), vec![record(1, row.to_string())]), ["ProcessingFailed"]);
    let app = try_app(vec![contract("orders", "another-stream", &[ID])], &[]).unwrap();
    assert_eq!(results(&app, vec![record(1, r#"{"id": "a"}"#)]), ["ProcessingFailed"]);
}

#[test]
fn two_contracts_of_one_stream_tell_no_dataset() {
    let two = vec![contract("a", "orders-stream", &[ID]), contract("b", "orders-stream", &[ID])];
    let app = try_app(two, &[]).unwrap();
    assert_eq!(results(&app, vec![record(1, r#"{"id": "a"}"#)]), ["ProcessingFailed"]);
}

#[test]
fn an_unstamped_row_of_a_shared_stream_names_its_dataset_itself_and_is_stamped() {
    let two = || vec![contract("a", "orders-stream", &[ID]), contract("b", "orders-stream", &[ID])];
    let app = try_app(two(), &[]).unwrap();
    let rows = [r#"{"_dataset": "b", "id": "x"}"#, r#"{"id": "y", "_dataset": "a"}"#];
    let found = answers(&app, vec![record(1, rows[0]), record(2, rows[1])]);
    for (answer, dataset) in found.iter().zip(["b", "a"]) {
        assert_eq!(answer.keys["dataset"], dataset);
        assert_eq!(answer.row()["_dataset"], dataset);
        assert_eq!(answer.row()["_source"], SOURCE);
    }
    // It is stamped as where the stream tells its dataset.
    let alone = try_app(vec![contract("b", "orders-stream", &[ID])], &[]).unwrap();
    assert_eq!(answers(&alone, vec![record(1, r#"{"id": "x"}"#)])[0].row(), found[0].row());
    for wrong in
        [r#"{"_dataset": "nobodys", "id": "x"}"#, r#"{"_dataset": null, "id": "x"}"#, "{\"id\": \"x\"}"]
    {
        assert_eq!(results(&app, vec![record(1, wrong)]), ["ProcessingFailed"], "{wrong}");
    }
}

#[test]
fn rows_of_two_datasets_that_they_name_themselves_do_not_go_together() {
    let both =
        "{\"id\": \"x\", \"at\": \"2026-01-02T00:00:00Z\"}\n{\"_dataset\": \"clicks\", \"note\": \"n\"}";
    assert_eq!(results(&app(), vec![record(1, both)]), ["ProcessingFailed"]);
}

#[test]
fn other_stamps_of_an_unstamped_row_are_not_believed() {
    let forged = r#"{"_dataset": "clicks", "note": "n", "_order": "9", "_source": "s", "_deleted": "true"}"#;
    let honest = r#"{"_dataset": "clicks", "note": "n"}"#;
    let [forged, honest] = [forged, honest].map(|own| answers(&app(), vec![record(1, own)])[0].row());
    assert_eq!(forged, honest);
}

#[test]
fn a_streams_name_may_be_made_of_the_environment() {
    let contracts = || vec![contract("orders", "${STAGE}-stream", &[ID]), contract("b", "${OTHER}", &[ID])];
    let one = || vec![record(1, r#"{"id": "a"}"#)];
    assert_eq!(results(&try_app(contracts(), &[("STAGE", "orders")]).unwrap(), one()), ["Ok"]);
    assert_eq!(results(&try_app(contracts(), &[]).unwrap(), one()), ["ProcessingFailed"]);
}

#[test]
fn a_dataset_setting_without_a_contract_fails_the_start() {
    let error = try_app(contracts(), &[("DATASET", "nobodys")]).unwrap_err().to_string();
    assert!(error.contains("DATASET") && error.contains("nobodys"), "{error}");
}

#[test]
fn a_wrong_contract_is_told_by_its_file_where_it_is_needed() {
    let wrong = || contract("clicks", "", &["name: note, logicalType: string, physicalType: money"]);
    let error = try_app(vec![wrong()], &[("DATASET", "clicks")]).unwrap_err().to_string();
    assert!(error.starts_with("clicks.odcs.yaml: "), "{error}");
    let app = try_app(vec![wrong(), contract("orders", "orders-stream", &[ID, NOTE])], &[]).unwrap();
    assert_eq!(results(&app, vec![record(1, r#"{"id": "a"}"#)]), ["Ok"]);
    let error = invoke(&app, &event(vec![record(1, stamped_click().to_string())])).unwrap_err();
    assert_eq!(error.kind(), "ContractError");
}

#[test]
fn an_event_that_is_not_of_firehose_fails_by_its_name() {
    for foreign in [json!({"Records": [{"s3": {}}]}), json!([]), json!({"records": [{"data": "QQ=="}]})] {
        let error = invoke(&app(), &foreign).unwrap_err();
        assert!(matches!(error, Error::Event(_)) && error.to_string().contains("Firehose"), "{error}");
    }
}

#[test]
fn equal_rows_of_two_datasets_are_two_rows() {
    let both = || vec![contract("a", "", &[ID]), contract("b", "", &[ID])];
    let of = |dataset| {
        let app = try_app(both(), &[("DATASET", dataset)]).unwrap();
        answers(&app, vec![record(1, r#"{"id": "x"}"#)])[0].row().to_string()
    };
    let app = try_app(both(), &[]).unwrap();
    let found = answers(&app, vec![record(1, of("a")), record(2, of("b")), record(3, of("a"))]);
    let told: Vec<_> = found.iter().map(|own| (own.result.as_str(), own.keys["dataset"].clone())).collect();
    assert_eq!(told, [("Ok", json!("a")), ("Ok", json!("b")), ("Dropped", Value::Null)]);
}

#[test]
fn stamps_that_are_null_or_no_text_are_bad_stamps_and_not_none() {
    let mut row = stamped_click();
    row["_record_id"] = Value::Null;
    assert_eq!(results(&app(), vec![record(1, row.to_string())]), ["ProcessingFailed"]);
    let mut row = stamped_click();
    row["_dataset"] = json!(5);
    assert_eq!(results(&app(), vec![record(1, row.to_string())]), ["ProcessingFailed"]);
}

#[test]
fn a_row_of_a_failed_record_leaves_no_value_behind() {
    const MAIL: &str = "name: mail, physicalType: varchar(20), unique: true";
    let app = try_app(vec![contract("orders", "orders-stream", &[ID, MAIL])], &[]).unwrap();
    let half_bad = "{\"id\":\"a\",\"mail\":\"x\"}\n{\"mail\":\"y\"}";
    let rows = [half_bad, r#"{"id":"b","mail":"x"}"#, r#"{"id":"c","mail":"x"}"#];
    let records = rows.iter().enumerate().map(|(n, data)| record(n, data)).collect();
    assert_eq!(results(&app, records), ["ProcessingFailed", "Ok", "ProcessingFailed"]);
}
