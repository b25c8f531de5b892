//! A warehouse faked below the SDK: what a statement ends as, by the order in which statements are submitted.

use std::sync::{Arc, Mutex};

use aws_sdk_redshiftdata::Client;
use aws_sdk_redshiftdata::config::http::HttpResponse;
use aws_sdk_redshiftdata::operation::batch_execute_statement::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput,
};
use aws_sdk_redshiftdata::operation::describe_statement::{DescribeStatementInput, DescribeStatementOutput};
use aws_sdk_redshiftdata::operation::get_statement_result::GetStatementResultOutput;
use aws_sdk_redshiftdata::primitives::DateTime;
use aws_sdk_redshiftdata::types::{Field, StatusString, SubStatementData};
use aws_sdk_s3::primitives::SdkBody;
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use penstock_aws::warehouse::{Compute, Warehouse, WarehouseTarget};

/// How a statement ends.
#[derive(Debug, Clone)]
pub struct End {
    pub status: StatusString,
    pub error: Option<&'static str>,
    pub created_ms: Option<i64>,
}

impl End {
    pub fn finished() -> Self {
        Self { status: StatusString::Finished, error: None, created_ms: None }
    }

    pub fn failed(error: &'static str) -> Self {
        Self { status: StatusString::Failed, error: Some(error), created_ms: None }
    }

    pub fn at(self, created_ms: i64) -> Self {
        Self { created_ms: Some(created_ms), ..self }
    }
}

/// What GetStatementResult answers.
#[derive(Debug, Clone)]
pub enum Counts {
    Fields(Vec<Field>),
    NoRows,
    Error(u16),
    /// The statement has no sub-statements to ask for.
    NoStatement,
}

/// The warehouse and the submissions that it saw.
pub struct Fake {
    pub warehouse: Warehouse,
    pub submissions: Arc<Mutex<Vec<BatchExecuteStatementInput>>>,
}

impl Fake {
    /// Statements end as `ends` says, one after the other, and the last goes on for ever.
    pub fn ending(ends: Vec<End>) -> Self {
        Self::new(ends, Counts::NoRows)
    }

    pub fn new(ends: Vec<End>, counts: Counts) -> Self {
        let submissions = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&submissions);
        let submit = mock!(Client::batch_execute_statement).then_compute_output(move |input| {
            let mut submissions = log.lock().unwrap();
            submissions.push(input.clone());
            BatchExecuteStatementOutput::builder().id((submissions.len() - 1).to_string()).build()
        });
        let no_statement = matches!(counts, Counts::NoStatement);
        let describe = mock!(Client::describe_statement).then_compute_output(move |input| {
            let at: usize = input.id().unwrap().parse().unwrap();
            let end = ends.get(at).or(ends.last()).unwrap();
            describe(input, end, !no_statement)
        });
        let result = mock!(Client::get_statement_result).then_compute_response(move |input| {
            assert!(input.id().unwrap().ends_with(":2"), "counts are the last statement's");
            let output = GetStatementResultOutput::builder();
            match &counts {
                Counts::Fields(fields) => {
                    MockResponse::Output(output.records(fields.clone()).build().unwrap())
                }
                Counts::NoRows => MockResponse::Output(output.set_records(Some(Vec::new())).build().unwrap()),
                Counts::Error(status) => MockResponse::Http(answer(*status)),
                Counts::NoStatement => panic!("there is no statement to ask for"),
            }
        });
        let client =
            mock_client!(aws_sdk_redshiftdata, RuleMode::MatchAny, [&submit, &describe, &result], |config| {
                config.retry_config(aws_sdk_redshiftdata::config::retry::RetryConfig::disabled())
            });
        Self { warehouse: Warehouse::new(client, workgroup()), submissions }
    }

    pub fn tokens(&self) -> Vec<String> {
        let submissions = self.submissions.lock().unwrap();
        submissions.iter().map(|input| input.client_token().unwrap().to_owned()).collect()
    }
}

fn describe(input: &DescribeStatementInput, end: &End, with_statements: bool) -> DescribeStatementOutput {
    let id = input.id().unwrap();
    let part = |n| SubStatementData::builder().id(format!("{id}:{n}")).build().unwrap();
    let mut output = DescribeStatementOutput::builder()
        .id(id)
        .status(end.status.clone())
        .set_error(end.error.map(ToOwned::to_owned))
        .set_created_at(end.created_ms.map(DateTime::from_millis));
    if with_statements {
        output = output.sub_statements(part(1)).sub_statements(part(2));
    }
    if !matches!(end.status, StatusString::Finished | StatusString::Failed | StatusString::Aborted) {
        advance(u64::try_from(input.wait_time_seconds().unwrap_or(0)).unwrap());
    }
    output.build().unwrap()
}

pub fn workgroup() -> WarehouseTarget {
    WarehouseTarget { compute: Compute::Workgroup("wg".into()), secret_arn: None }
}

/// A response without a body.
pub fn answer(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::empty())
}

/// Moves the paused clock, from inside a fake.
fn advance(seconds: u64) {
    let mut advanced = std::pin::pin!(tokio::time::advance(std::time::Duration::from_secs(seconds)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    // The first poll moves the clock and then only yields.
    let _pending = std::future::Future::poll(advanced.as_mut(), &mut context);
}
