//! The chain of a load's attempts: what is passed over, what counts, what is tried again, and what ends it.

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_redshiftdata::types::{Field, StatusString};
use penstock_aws::Invocation;
use penstock_aws::warehouse::{Compute, Fault, LoadEnd, LoadName, Warehouse, WarehouseTarget};
use penstock_core::sql::SqlBatch;
use tokio::time::Instant;

use crate::warehouse::{Counts, End, Fake};

const NAME: LoadName<'_> = LoadName { dataset: "t", load_id: "0123456789abcdef" };
/// When the invocation began; earlier statements are of earlier invocations.
const STARTED_MS: i64 = 1_767_323_045_000;
const EARLIER_MS: i64 = STARTED_MS - 60_000;
const CONFLICT: &str = "ERROR: 1023";
const DATA: &str = "ERROR: value too long for type character varying(4)";
const NO_TABLE: &str = "ERROR: relation \"tgt.t\" does not exist";

fn batch() -> SqlBatch {
    SqlBatch {
        statements: vec!["LOCK TABLE x".into(), "SELECT 1".into()],
        parameters: vec![("p0".into(), "value".into())],
    }
}

fn invocation(left: Option<Duration>) -> Invocation {
    let mut invocation = Invocation::lasting(left);
    invocation.started_ms = STARTED_MS as u64;
    invocation
}

async fn load(fake: &Fake) -> LoadEnd {
    fake.warehouse.load(NAME, "dev", &batch(), &invocation(None)).await.unwrap()
}

fn fault(end: &LoadEnd) -> Option<Fault> {
    match end {
        LoadEnd::Failed { fault, .. } => Some(*fault),
        _ => None,
    }
}

#[tokio::test(start_paused = true)]
async fn failures_of_earlier_invocations_are_passed_over_at_once_and_do_not_count() {
    let mut ends = vec![End::failed(NO_TABLE).at(EARLIER_MS); 6];
    ends.extend(vec![End::failed(CONFLICT).at(EARLIER_MS); 6]);
    ends.push(End { status: StatusString::Aborted, error: None, created_ms: Some(EARLIER_MS) });
    ends.push(End::finished().at(STARTED_MS));
    let fake = Fake::ending(ends);
    let start = Instant::now();
    assert_eq!(load(&fake).await, LoadEnd::Finished { statement: "13".into(), counts: None });
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(fake.tokens().iter().collect::<HashSet<_>>().len(), 14);
}

#[tokio::test(start_paused = true)]
async fn five_attempts_are_new_however_many_were_made_before() {
    for earlier in [0, 1, 7] {
        let mut ends = vec![End::failed(CONFLICT).at(EARLIER_MS); earlier];
        ends.push(End::failed(CONFLICT).at(STARTED_MS + 1));
        let fake = Fake::ending(ends);
        assert_eq!(fault(&load(&fake).await), Some(Fault::Conflict));
        assert_eq!(fake.tokens().len(), earlier + 5);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_failure_that_is_no_conflict_is_not_tried_again() {
    for (text, kind) in [
        (NO_TABLE, Fault::Transient),
        (DATA, Fault::Data),
        ("ERROR: penstock already loaded 1", Fault::AlreadyLoaded),
        ("ERROR: penstock out of balance 1", Fault::OutOfBalance),
    ] {
        let fake = Fake::ending(vec![End::failed(text).at(STARTED_MS)]);
        assert_eq!(load(&fake).await, LoadEnd::Failed { fault: kind, message: text.into() });
        assert_eq!(fake.tokens().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_value_caused_earlier_is_not_run_again() {
    let fake = Fake::ending(vec![End::failed(DATA).at(EARLIER_MS), End::finished()]);
    assert_eq!(fault(&load(&fake).await), Some(Fault::Data));
    assert_eq!(fake.tokens().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn in_doubt_a_failure_is_of_this_invocation() {
    // Without a time, or so near to the start that two clocks may differ by it.
    for end in
        [End::failed(NO_TABLE), End::failed(NO_TABLE).at(STARTED_MS - 2_900), End::failed(NO_TABLE).at(-1)]
    {
        let fake = Fake::ending(vec![end, End::finished()]);
        assert_eq!(fault(&load(&fake).await), Some(Fault::Transient));
    }
    let fake = Fake::ending(vec![End::failed(NO_TABLE).at(STARTED_MS - 3_100), End::finished()]);
    assert!(matches!(load(&fake).await, LoadEnd::Finished { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_was_cancelled_is_a_fault_that_may_pass() {
    let fake = Fake::ending(vec![End { status: StatusString::Aborted, error: None, created_ms: None }]);
    assert_eq!(fault(&load(&fake).await), Some(Fault::Transient));
}

#[tokio::test(start_paused = true)]
async fn a_chain_of_failures_ends_somewhere() {
    let fake = Fake::ending(vec![End::failed(NO_TABLE).at(EARLIER_MS)]);
    assert_eq!(fault(&load(&fake).await), Some(Fault::Transient));
    assert_eq!(fake.tokens().len(), 1_000);
}

#[tokio::test(start_paused = true)]
async fn conflicts_are_tried_again_after_pauses_that_double() {
    let fake = Fake::ending(vec![End::failed(CONFLICT)]);
    let start = Instant::now();
    load(&fake).await;
    assert_eq!(start.elapsed(), Duration::from_millis(400 + 800 + 1_600 + 3_200));
    // No pause is begun that the invocation has no time for.
    let fake = Fake::ending(vec![End::failed(CONFLICT)]);
    let start = Instant::now();
    let end = fake.warehouse.load(NAME, "dev", &batch(), &invocation(Some(Duration::from_secs(7)))).await;
    assert_eq!(fault(&end.unwrap()), Some(Fault::Conflict));
    assert_eq!(start.elapsed(), Duration::from_millis(400 + 800));
}

#[tokio::test(start_paused = true)]
async fn a_load_is_finished_whether_or_not_its_counts_can_be_read() {
    let some = |counts: &[i64]| Some(counts.to_vec());
    for (counts, read) in [
        (Counts::Fields([3, 2, 1].map(Field::LongValue).to_vec()), some(&[3, 2, 1])),
        (Counts::Fields(vec![Field::LongValue(3), Field::IsNull(true)]), some(&[3, 0])),
        (Counts::NoRows, None),
        (Counts::Error(500), None),
        (Counts::Error(400), None),
        (Counts::NoStatement, None),
    ] {
        let text = format!("{counts:?}");
        let fake = Fake::new(vec![End::finished()], counts);
        assert_eq!(load(&fake).await, LoadEnd::Finished { statement: "0".into(), counts: read }, "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_outlasts_the_invocation_is_running_and_its_token_finds_it_again() {
    let open = |status: &str| End { status: status.into(), error: None, created_ms: None };
    for status in ["SUBMITTED", "PICKED", "STARTED", "SOMETHING_NEW"] {
        let fake = Fake::ending(vec![open(status)]);
        let start = Instant::now();
        for _ in 0..2 {
            let minute = invocation(Some(Duration::from_secs(60)));
            let end = fake.warehouse.load(NAME, "dev", &batch(), &minute).await.unwrap();
            assert!(matches!(end, LoadEnd::Running { .. }), "{status}");
        }
        let waited = start.elapsed();
        assert!(waited > Duration::from_secs(100) && waited <= Duration::from_secs(110), "{waited:?}");
        let tokens = fake.tokens();
        assert_eq!(tokens[0], tokens[1]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_is_of_the_load_its_sql_and_its_values() {
    let name = LoadName { load_id: "other", ..NAME };
    let mut other_sql = batch();
    other_sql.statements[1].push(' ');
    let mut other_value = batch();
    other_value.parameters[0].1.push(' ');
    let fake = Fake::ending(vec![End::finished()]);
    for (name, batch) in
        [(NAME, batch()), (NAME, batch()), (name, batch()), (NAME, other_sql), (NAME, other_value)]
    {
        fake.warehouse.load(name, "dev", &batch, &invocation(None)).await.unwrap();
    }
    let tokens = fake.tokens();
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(tokens.iter().collect::<HashSet<_>>().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_request_names_one_compute_and_the_secret_if_there_is_one() {
    let secret = Some("arn:aws:secretsmanager:x".to_owned());
    for (compute, secret_arn) in [
        (Compute::Workgroup("wg".into()), None),
        (Compute::Cluster("c".into()), None),
        (Compute::Cluster("c".into()), secret),
    ] {
        let target = WarehouseTarget { compute: compute.clone(), secret_arn: secret_arn.clone() };
        let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
        let log = std::sync::Arc::clone(&seen);
        let submit = aws_smithy_mocks::mock!(aws_sdk_redshiftdata::Client::batch_execute_statement)
            .then_compute_response(move |input| {
                *log.lock().unwrap() = Some(input.clone());
                aws_smithy_mocks::MockResponse::Http(crate::warehouse::answer(400))
            });
        let client = aws_smithy_mocks::mock_client!(aws_sdk_redshiftdata, [&submit]);
        let error = Warehouse::new(client, target).load(NAME, "db", &batch(), &invocation(None)).await;
        assert!(error.unwrap_err().to_string().starts_with("BatchExecuteStatement: "));
        let input = seen.lock().unwrap().take().unwrap();
        let expected = match &compute {
            Compute::Workgroup(name) => (Some(name.as_str()), None),
            Compute::Cluster(id) => (None, Some(id.as_str())),
        };
        assert_eq!((input.workgroup_name(), input.cluster_identifier()), expected);
        assert_eq!((input.secret_arn(), input.db_user()), (secret_arn.as_deref(), None));
        assert_eq!(
            (input.database(), input.statement_name()),
            (Some("db"), Some("penstock/t/0123456789abcdef"))
        );
        assert_eq!(input.sqls(), batch().statements);
        let parameter = &input.parameters()[0];
        assert_eq!((parameter.name(), parameter.value()), ("p0", "value"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_an_id_is_an_error() {
    let submit =
        aws_smithy_mocks::mock!(aws_sdk_redshiftdata::Client::batch_execute_statement).then_output(|| {
            aws_sdk_redshiftdata::operation::batch_execute_statement::BatchExecuteStatementOutput::builder()
                .build()
        });
    let client = aws_smithy_mocks::mock_client!(aws_sdk_redshiftdata, [&submit]);
    let warehouse = Warehouse::new(client, crate::warehouse::workgroup());
    let error = warehouse.load(NAME, "dev", &batch(), &invocation(None)).await.unwrap_err();
    assert_eq!(error.to_string(), "BatchExecuteStatement: answered no id");
}
