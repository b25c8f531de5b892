//! A function with faked clients: a warehouse that ends statements by script, and all requests on record.

use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_redshiftdata::config::http::HttpResponse;
use aws_sdk_redshiftdata::operation::batch_execute_statement::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput,
};
use aws_sdk_redshiftdata::operation::describe_statement::{DescribeStatementInput, DescribeStatementOutput};
use aws_sdk_redshiftdata::operation::get_statement_result::GetStatementResultOutput;
use aws_sdk_redshiftdata::types::{Field, StatusString, SubStatementData};
use aws_sdk_s3::primitives::SdkBody;
use aws_sdk_sqs::operation::change_message_visibility_batch::{
    ChangeMessageVisibilityBatchInput, ChangeMessageVisibilityBatchOutput,
};
use aws_smithy_mocks::{MockResponse, RuleMode, mock, mock_client};
use penstock_aws::Invocation;
use penstock_core::contract::ContractSet;
use penstock_core::ident::record_id_of_key;
use serde_json::{Value, json};
use sqs_fifo_to_redshift::{App, Config, StartError};

const QUEUE_URL: &str = "https://sqs.us-east-1.amazonaws.com/123456789012/load.fifo";

fn contract(dataset: &str, version: &str, database: &str) -> String {
    format!(
        "apiVersion: v3.1.0\nkind: DataContract\nid: {dataset}\nversion: {version}\nstatus: active\n\
         servers: [{{server: w, type: redshift, database: '{database}', schema: tgt}}]\n\
         schema:\n- name: {dataset}\n\
         \u{20} properties:\n\
         \u{20} - {{name: id, physicalType: varchar(64), required: true, primaryKey: true, primaryKeyPosition: 1}}\n\
         \u{20} - {{name: pad, physicalType: varchar(65535)}}\n"
    )
}

/// One BatchExecuteStatement under a token that was not there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    pub token: String,
    pub name: String,
    pub database: String,
    pub workgroup: String,
    pub sqls: Vec<String>,
    pub parameters: Vec<(String, String)>,
}

impl Submission {
    fn of(input: &BatchExecuteStatementInput) -> Self {
        let own = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let parameter =
            |one: &aws_sdk_redshiftdata::types::SqlParameter| (one.name().to_owned(), one.value().to_owned());
        Self {
            token: own(input.client_token()),
            name: own(input.statement_name()),
            database: own(input.database()),
            workgroup: own(input.workgroup_name()),
            sqls: input.sqls().to_vec(),
            parameters: input.parameters().iter().map(parameter).collect(),
        }
    }

    /// Ids of the rows in it, in order.
    pub fn rows(&self) -> Vec<&str> {
        let values = self.parameters.iter().map(|(_, value)| value.as_str());
        values.filter(|value| value.starts_with("r-")).collect()
    }

    pub fn dataset(&self) -> &str {
        self.name.split('/').nth(1).unwrap()
    }
}

/// One answer of DescribeStatement.
#[derive(Debug, Clone)]
pub enum Step {
    Status(StatusString, &'static str),
    Error(u16),
}

/// Answers of DescribeStatement one after the other; the last one stays.
#[derive(Debug, Clone)]
pub struct Course {
    pub steps: Vec<Step>,
}

pub fn finished() -> Course {
    Course { steps: vec![Step::Status(StatusString::Finished, "")] }
}

pub fn running() -> Course {
    Course { steps: vec![Step::Status(StatusString::Started, "")] }
}

pub fn failed(text: &'static str) -> Course {
    Course { steps: vec![Step::Status(StatusString::Failed, text)] }
}

pub const CONFLICT: &str = "ERROR: 1023";
pub const DATA: &str = "ERROR: value too long for type character varying(4)";
pub const NO_TABLE: &str = "ERROR: relation \"tgt.t\" does not exist";

/// All requests, in order.
#[derive(Debug, Default)]
pub struct Seen {
    pub submissions: Vec<Submission>,
    courses: Vec<Course>,
    /// Statements that were seen FINISHED.
    pub committed: Vec<usize>,
    /// Receipt handle and seconds, by request.
    pub changes: Vec<Vec<(String, i32)>>,
    /// Key and body of what went to quarantine.
    pub puts: Vec<(String, Vec<u8>)>,
}

type Run = dyn Fn(&[Submission]) -> Result<Course, u16> + Send + Sync;

/// The answers of the fakes.
pub struct Script {
    run: Box<Run>,
    put_status: u16,
    change_status: u16,
    version: &'static str,
    database_of_u: &'static str,
    vars: Vec<(&'static str, &'static str)>,
}

impl Script {
    /// What becomes of the newest submission.
    pub fn of(run: impl Fn(&[Submission]) -> Course + Send + Sync + 'static) -> Self {
        Self::answering(move |submissions| Ok(run(submissions)))
    }

    /// The same, where a submission may be refused.
    pub fn answering(run: impl Fn(&[Submission]) -> Result<Course, u16> + Send + Sync + 'static) -> Self {
        Self {
            run: Box::new(run),
            put_status: 200,
            change_status: 200,
            version: "1.0.0",
            database_of_u: "${DATABASE}",
            vars: Vec::new(),
        }
    }

    /// Every load is finished at once.
    pub fn smooth() -> Self {
        Self::of(|_| finished())
    }

    pub fn put_status(mut self, status: u16) -> Self {
        self.put_status = status;
        self
    }

    /// Status of ChangeMessageVisibilityBatch; 207 stands for an answer that refuses every entry.
    pub fn change_status(mut self, status: u16) -> Self {
        self.change_status = status;
        self
    }

    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    pub fn database_of_u(mut self, database: &'static str) -> Self {
        self.database_of_u = database;
        self
    }

    pub fn var(mut self, name: &'static str, value: &'static str) -> Self {
        self.vars.push((name, value));
        self
    }

    pub fn try_config(&self) -> Result<Config, StartError> {
        let t = contract("t", self.version, "${DATABASE}");
        let u = contract("u", self.version, self.database_of_u);
        let set = ContractSet::parse([("t.odcs.yaml", t.as_str()), ("u.odcs.yaml", u.as_str())]).unwrap();
        let env = |name: &str| {
            let own = [
                ("LOAD_QUEUE_URL", QUEUE_URL),
                ("QUARANTINE_BUCKET", "quarantine"),
                ("WORKGROUP_NAME", "wg"),
            ];
            let found = self.vars.iter().chain(&own).find(|(own, _)| *own == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Config::with_contracts(&set, &env)
    }

    pub fn start(self) -> Function {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let config = self.try_config().unwrap();
        let (s3, sqs) = (s3_client(self.put_status, &seen), sqs_client(self.change_status, &seen));
        let app = App::with_clients(config, s3, sqs, redshift_client(self.run, &seen));
        Function { app, seen }
    }
}

fn redshift_client(run: Box<Run>, seen: &Arc<Mutex<Seen>>) -> aws_sdk_redshiftdata::Client {
    use aws_sdk_redshiftdata::Client;
    let log = Arc::clone(seen);
    let submit = mock!(Client::batch_execute_statement).then_compute_response(move |input| {
        let mut seen = log.lock().unwrap();
        let submission = Submission::of(input);
        // As in the Data API, a token that was used before gives the statement of then.
        let known = seen.submissions.iter().position(|own| own.token == submission.token);
        let statement = known.unwrap_or(seen.submissions.len());
        if known.is_none() {
            let so_far = [&seen.submissions[..], std::slice::from_ref(&submission)].concat();
            match run(&so_far) {
                Ok(course) => seen.courses.push(course),
                Err(status) => return MockResponse::Http(answer(status)),
            }
            seen.submissions.push(submission);
        }
        MockResponse::Output(BatchExecuteStatementOutput::builder().id(statement.to_string()).build())
    });
    let log = Arc::clone(seen);
    let describe = mock!(Client::describe_statement)
        .then_compute_response(move |input| describe(input, &mut log.lock().unwrap()));
    let result = mock!(Client::get_statement_result).then_output(|| {
        let counts = [1, 1, 0, 0, 0, 0].map(Field::LongValue).to_vec();
        GetStatementResultOutput::builder().records(counts).build().unwrap()
    });
    mock_client!(aws_sdk_redshiftdata, RuleMode::MatchAny, [&submit, &describe, &result], |config| config
        .retry_config(aws_sdk_redshiftdata::config::retry::RetryConfig::disabled()))
}

fn describe<E>(input: &DescribeStatementInput, seen: &mut Seen) -> MockResponse<DescribeStatementOutput, E> {
    let statement: usize = input.id().unwrap().parse().unwrap();
    let steps = &mut seen.courses[statement].steps;
    let step = if steps.len() > 1 { steps.remove(0) } else { steps[0].clone() };
    let (status, error) = match step {
        Step::Status(status, error) => (status, error),
        Step::Error(status) => return MockResponse::Http(answer(status)),
    };
    match status {
        StatusString::Finished => seen.committed.push(statement),
        StatusString::Failed | StatusString::Aborted => {}
        // A call that waits comes back when its time is over.
        _ => advance(Duration::from_secs(input.wait_time_seconds().unwrap_or(0).try_into().unwrap())),
    }
    let last = SubStatementData::builder().id(format!("{statement}:1")).build().unwrap();
    let output = DescribeStatementOutput::builder().id(statement.to_string()).status(status);
    let error = (!error.is_empty()).then(|| error.to_owned());
    MockResponse::Output(output.set_error(error).sub_statements(last).build().unwrap())
}

fn sqs_client(status: u16, seen: &Arc<Mutex<Seen>>) -> aws_sdk_sqs::Client {
    let log = Arc::clone(seen);
    let change = mock!(aws_sdk_sqs::Client::change_message_visibility_batch).then_compute_response(
        move |input: &ChangeMessageVisibilityBatchInput| {
            assert_eq!(input.queue_url(), Some(QUEUE_URL));
            let entry = |entry: &aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry| {
                (entry.receipt_handle().to_owned(), entry.visibility_timeout().unwrap())
            };
            log.lock().unwrap().changes.push(input.entries().iter().map(entry).collect());
            if ![200, 207].contains(&status) {
                return MockResponse::Http(answer(status));
            }
            let refused = |entry: &aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry| {
                let refused = aws_sdk_sqs::types::BatchResultErrorEntry::builder().id(entry.id());
                refused.code("ReceiptHandleIsInvalid").sender_fault(true).build().unwrap()
            };
            let all = input.entries().iter().map(refused);
            let failed = if status == 207 { all.collect() } else { Vec::new() };
            let output = ChangeMessageVisibilityBatchOutput::builder().set_successful(Some(Vec::new()));
            MockResponse::Output(output.set_failed(Some(failed)).build().unwrap())
        },
    );
    mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&change], |config| config
        .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled()))
}

fn s3_client(status: u16, seen: &Arc<Mutex<Seen>>) -> aws_sdk_s3::Client {
    let log = Arc::clone(seen);
    let put = mock!(aws_sdk_s3::Client::put_object).then_compute_response(move |input| {
        assert_eq!(input.bucket(), Some("quarantine"));
        let body = input.body().bytes().unwrap().to_vec();
        log.lock().unwrap().puts.push((input.key().unwrap().to_owned(), body));
        MockResponse::Http(answer(status))
    });
    mock_client!(aws_sdk_s3, RuleMode::MatchAny, [&put], |config| config
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled()))
}

/// A response without a body.
pub fn answer(status: u16) -> HttpResponse {
    HttpResponse::new(status.try_into().unwrap(), SdkBody::empty())
}

/// Moves the paused clock, from inside a fake.
fn advance(duration: Duration) {
    let mut advanced = std::pin::pin!(tokio::time::advance(duration));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    // The first poll moves the clock and then only yields.
    let _pending = std::future::Future::poll(advanced.as_mut(), &mut context);
}

/// A stamped row.
pub fn row(id: &str) -> Value {
    json!({
        "id": id, "pad": null, "_record_id": record_id_of_key([id]).as_str(), "_row_hash": "0".repeat(32),
        "_order": "0001767323045/0/0", "_deleted": "false",
    })
}

/// The body of a message.
pub fn body(dataset: &str, rows: &[Value]) -> String {
    let source = format!("s3://landing/queue/{dataset}/a.json");
    json!({"penstock": 1, "dataset": dataset, "contract_version": "1.0.0", "source": source, "rows": rows})
        .to_string()
}

/// A message of a group; its receipt handle is `h-` and its id.
pub fn message(id: &str, group: &str, body: &str) -> Value {
    json!({
        "messageId": id, "receiptHandle": format!("h-{id}"), "body": body,
        "attributes": {"MessageGroupId": group, "SentTimestamp": "1767323045000"},
        "messageAttributes": {}, "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:load.fifo",
    })
}

/// A message of dataset `t` with these rows.
pub fn of_rows(id: &str, group: &str, rows: &[&str]) -> Value {
    message(id, group, &body("t", &rows.iter().map(|id| row(id)).collect::<Vec<_>>()))
}

/// Messages m-0, m-1, … of dataset `t` with one row each, r-0, r-1, …, by group.
pub fn singles(groups: &[&str]) -> Vec<Value> {
    let one = |(n, group): (usize, &&str)| of_rows(&format!("m-{n}"), group, &[&format!("r-{n}")]);
    groups.iter().enumerate().map(one).collect()
}

/// The function and what it asked for.
pub struct Function {
    pub app: App,
    pub seen: Arc<Mutex<Seen>>,
}

impl Function {
    /// The ids of the messages that are given back.
    pub async fn invoke(&self, messages: &[Value]) -> Vec<String> {
        self.invoke_for(messages, None).await
    }

    pub async fn invoke_for(&self, messages: &[Value], left: Option<Duration>) -> Vec<String> {
        let event: SqsEvent = serde_json::from_value(json!({"Records": messages})).unwrap();
        let answer = self.app.handle(event, Invocation::lasting(left)).await;
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    pub fn submissions(&self) -> Vec<Submission> {
        self.seen.lock().unwrap().submissions.clone()
    }

    /// Row ids of the loads that were committed, load by load.
    pub fn loaded(&self) -> Vec<Vec<String>> {
        let seen = self.seen.lock().unwrap();
        let rows = |at: &usize| seen.submissions[*at].rows().iter().map(|id| (*id).to_owned()).collect();
        seen.committed.iter().map(rows).collect()
    }

    pub fn changes(&self) -> Vec<Vec<(String, i32)>> {
        self.seen.lock().unwrap().changes.clone()
    }

    /// All quarantined lines.
    pub fn quarantined(&self) -> Vec<Value> {
        let seen = self.seen.lock().unwrap();
        let lines = |(_, body): &(String, Vec<u8>)| {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap();
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>()
        };
        seen.puts.iter().flat_map(lines).collect()
    }

    /// Ids of the rows in quarantine.
    pub fn quarantined_rows(&self) -> Vec<String> {
        let id = |line: &Value| {
            let raw: Value = serde_json::from_str(line["raw"].as_str().unwrap()).unwrap();
            raw["id"].as_str().unwrap().to_owned()
        };
        self.quarantined().iter().map(id).collect()
    }
}
