//! Single statements for tools: their rows as texts over all pages, and their failures as errors.

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::operation::describe_statement::DescribeStatementOutput;
use aws_sdk_redshiftdata::operation::execute_statement::ExecuteStatementOutput;
use aws_sdk_redshiftdata::operation::get_statement_result::GetStatementResultOutput;
use aws_sdk_redshiftdata::primitives::Blob;
use aws_sdk_redshiftdata::types::{Field, StatusString};
use aws_smithy_mocks::{MockResponse, Rule, RuleMode, mock, mock_client};
use penstock_aws::warehouse::{ExecuteError, Warehouse};

use crate::warehouse::{answer, workgroup};

fn submitted(id: Option<&'static str>) -> Rule {
    mock!(Client::execute_statement)
        .match_requests(|input| input.sql() == Some("SELECT 1") && input.database() == Some("db"))
        .then_output(move || ExecuteStatementOutput::builder().set_id(id.map(Into::into)).build())
}

/// The statement is open for two looks and then ends.
fn described(status: StatusString, error: Option<&'static str>, rows: bool) -> Rule {
    let open = |status: StatusString| {
        move || DescribeStatementOutput::builder().id("s").status(status.clone()).build().unwrap()
    };
    mock!(Client::describe_statement)
        .match_requests(|input| input.id() == Some("s"))
        .sequence()
        .output(open(StatusString::Submitted))
        .output(open(StatusString::Started))
        .output(move || {
            let output = DescribeStatementOutput::builder().id("s").status(status.clone());
            output.set_error(error.map(Into::into)).has_result_set(rows).build().unwrap()
        })
        .build()
}

/// Three pages; the last one has an empty token, as some have.
fn pages() -> Rule {
    mock!(Client::get_statement_result).then_compute_output(|input| {
        let output = GetStatementResultOutput::builder();
        let text = |text: &str| vec![Field::StringValue(text.into())];
        match input.next_token() {
            None => output.records(text("a")).records(text("b")).next_token("1"),
            Some("1") => output.set_records(Some(Vec::new())).next_token("2"),
            Some("2") => {
                let row = vec![
                    Field::LongValue(-7),
                    Field::DoubleValue(1.5),
                    Field::BooleanValue(true),
                    Field::IsNull(true),
                    Field::StringValue(String::new()),
                    Field::BlobValue(Blob::new([1])),
                ];
                output.records(row).next_token("")
            }
            other => panic!("{other:?}"),
        }
        .build()
        .unwrap()
    })
}

async fn execute(rules: &[Rule]) -> Result<Vec<Vec<Option<String>>>, ExecuteError> {
    let client = mock_client!(aws_sdk_redshiftdata, RuleMode::MatchAny, rules, |config| config
        .retry_config(aws_sdk_redshiftdata::config::retry::RetryConfig::disabled()));
    Warehouse::new(client, workgroup()).execute("db", "SELECT 1").await
}

#[tokio::test(start_paused = true)]
async fn rows_of_all_pages_come_as_texts() {
    let rows = execute(&[submitted(Some("s")), described(StatusString::Finished, None, true), pages()]).await;
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        rows.unwrap(),
        [vec![some("a")], vec![some("b")], vec![some("-7"), some("1.5"), some("true"), None, some(""), None],]
    );
}

#[tokio::test(start_paused = true)]
async fn a_statement_without_a_result_has_no_rows() {
    let rows = execute(&[submitted(Some("s")), described(StatusString::Finished, None, false)]).await;
    assert!(rows.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_failed_tells_the_warehouses_text() {
    let texts = [
        (StatusString::Failed, Some("ERROR: no"), "ERROR: no"),
        (StatusString::Failed, None, "failed without a text"),
        (StatusString::Aborted, None, "failed without a text"),
    ];
    for (status, error, text) in texts {
        let failed = execute(&[submitted(Some("s")), described(status, error, false)]).await.unwrap_err();
        assert!(matches!(&failed, ExecuteError::Failed(own) if own == text), "{failed}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_id_is_an_error() {
    let error = execute(&[submitted(None)]).await.unwrap_err();
    assert_eq!(error.to_string(), "ExecuteStatement: answered no id");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_cannot_be_read_is_an_error_and_no_partial_result() {
    let broken =
        mock!(Client::get_statement_result).then_compute_response(|input| match input.next_token() {
            None => {
                let output = GetStatementResultOutput::builder().set_records(Some(Vec::new()));
                MockResponse::Output(output.next_token("1").build().unwrap())
            }
            Some(_) => MockResponse::Http(answer(500)),
        });
    let rules = [submitted(Some("s")), described(StatusString::Finished, None, true), broken];
    let error = execute(&rules).await.unwrap_err();
    assert!(error.to_string().starts_with("GetStatementResult: "), "{error}");
}
