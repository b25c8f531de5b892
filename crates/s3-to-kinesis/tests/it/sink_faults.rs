//! Calls that fail, answers that are lost, streams that are not there, and time that runs out: nothing is lost, and nothing
//! counts as sent that was not accepted.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use penstock_aws::Invocation;
use proptest::prelude::*;
use s3_to_kinesis::sink::SendError;

use crate::kinesis::{Kinesis, NAME, Reply, THROTTLED, Verdict};
use crate::rows::{aggregating, ids, plain, records, rows, seconds, send, send_all};

async fn refused_with(status: u16, name: &'static str) -> (SendError, usize) {
    let kinesis = Kinesis::new(move |_, _| Reply::Fails(status, name));
    let checker = plain();
    let rows = rows(&checker, &records([0; 2]));
    let (told, sent) = send(&kinesis.open().await, &checker, &rows, &Invocation::lasting(None)).await;
    assert_eq!(told.sent, 0);
    (sent.unwrap_err(), kinesis.request_sizes().len())
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_exist_is_told_at_once_by_name() {
    let (error, calls) = refused_with(400, "ResourceNotFoundException").await;
    assert!(matches!(&error, SendError::NoSuchStream { stream, .. } if stream == NAME), "{error}");
    assert_eq!(error.to_string(), "stream penstock-test does not exist: ResourceNotFoundException: no");
    assert_eq!((calls, error.is_retryable()), (1, false));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_may_not_be_written_to_is_told_at_once_by_name() {
    for name in ["AccessDeniedException", "KMSAccessDeniedException"] {
        let (error, calls) = refused_with(400, name).await;
        assert!(matches!(&error, SendError::Denied { stream, .. } if stream == NAME), "{error}");
        assert!(error.to_string().contains(name) && error.to_string().contains(NAME), "{error}");
        assert_eq!((calls, error.is_retryable()), (1, false));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_is_the_sdks_to_try_again_and_nobody_elses() {
    for (status, name, calls) in [
        (500, "InternalFailure", 4),
        (400, "ProvisionedThroughputExceededException", 4),
        (400, "InvalidArgumentException", 1),
    ] {
        let (error, tried) = refused_with(status, name).await;
        assert!(matches!(&error, SendError::Request { message, .. } if message.contains(name)), "{error}");
        assert_eq!(tried, calls, "{name}");
        assert!(error.is_retryable() && error.to_string().contains(NAME));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_can_read_accepts_nothing() {
    let kinesis = Kinesis::new(|_, _| Reply::Garbled);
    let checker = plain();
    let rows = rows(&checker, &records([0; 2]));
    let (told, sent) = send(&kinesis.open().await, &checker, &rows, &Invocation::lasting(None)).await;
    assert!(matches!(sent, Err(SendError::Request { .. })), "{sent:?}");
    assert_eq!((told.sent, kinesis.request_sizes()), (0, vec![2]));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_doubles_records_under_the_same_identity() {
    let kinesis = Kinesis::new(|number, entries| match number {
        0 => Reply::Lost,
        _ => Reply::all(entries),
    });
    let checker = plain();
    let told = send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 3]))).await;
    assert_eq!(told.sent, 3);
    kinesis.seen(|seen| {
        assert_eq!(seen.accepted.len(), 6);
        assert_eq!(seen.accepted[..3], seen.accepted[3..]);
    });
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_throttles_until_the_deadline_is_given_up_with_what_it_took() {
    for checker in [plain(), aggregating()] {
        let kinesis = Kinesis::new(|_, entries| {
            Reply::each(entries, |at, _| if at == 0 { Verdict::Accepted } else { THROTTLED })
        });
        let stream = kinesis.open().await;
        let rows = rows(&checker, &records([0; 40_000]));
        let begin = tokio::time::Instant::now();
        let (told, sent) = send(&stream, &checker, &rows, &seconds(60)).await;
        let error = sent.unwrap_err();
        let SendError::OutOfTime { stream, rows, code } = &error else { panic!("{error}") };
        assert_eq!((stream.as_str(), code.as_str()), (NAME, "ProvisionedThroughputExceededException"));
        let accepted = kinesis.seen(|seen| seen.accepted.len()) as u64;
        assert!(accepted > 1 && told.records == accepted, "{told:?}, {accepted} accepted");
        assert!(*rows > 0 && told.sent + rows <= 40_000, "{told:?}");
        let took = begin.elapsed().as_secs();
        assert!((59..=61).contains(&took), "{took} s: the reserve is left");
        assert!(error.is_retryable());
    }
}

#[tokio::test(start_paused = true)]
async fn a_time_that_is_over_already_sends_nothing() {
    let (kinesis, checker) = (Kinesis::willing(), plain());
    let rows = rows(&checker, &records([0; 600]));
    let (told, sent) = send(&kinesis.open().await, &checker, &rows, &seconds(0)).await;
    assert!(matches!(sent, Err(SendError::OutOfTime { .. })), "{sent:?}");
    assert_eq!((told.sent, kinesis.request_sizes().len()), (0, 0));
}

/// A share that depends on the texts alone.
fn is_drawn(what: impl Hash, percent: u64) -> bool {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish() % 100 < percent
}

/// Sends rows through a stream that refuses records, fails calls and loses answers; gives how often each was accepted.
/// A call that fails as often as the SDK tries ends a delivery: the queue's next one sends the object once more.
async fn through_faults(seed: u64, count: usize, refused: u64) -> BTreeMap<String, usize> {
    let kinesis = Kinesis::new(move |number, entries| {
        if is_drawn((seed, number, "fails"), 5) {
            return Reply::Fails(500, "InternalFailure");
        }
        if is_drawn((seed, number, "lost"), 3) {
            return Reply::Lost;
        }
        let code = ["ProvisionedThroughputExceededException", "InternalFailure"][number % 2];
        Reply::each(entries, |at, entry| match is_drawn((seed, number, at, &entry.data), refused) {
            true => Verdict::Refused(code),
            false => Verdict::Accepted,
        })
    });
    let checker = plain();
    let pads = (0..count).map(|n| if is_drawn((seed, n), 2) { 30_000 } else { n % 50 });
    let rows = rows(&checker, &records(pads));
    let told = loop {
        let (told, sent) = send(&kinesis.open().await, &checker, &rows, &Invocation::lasting(None)).await;
        match sent {
            Ok(()) => break told,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    };
    assert_eq!(told.sent, count as u64);
    let mut times = BTreeMap::new();
    for id in kinesis.accepted_ids() {
        *times.entry(id).or_default() += 1;
    }
    let accepted: usize = times.values().sum();
    assert!(accepted >= told.records as usize);
    times
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_whatever_is_refused(seed in any::<u64>(), count in 1usize..4_000, refused in 0u64..70) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let times = runtime.block_on(through_faults(seed, count, refused));
        prop_assert!(times.keys().eq(&ids(count)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_third_refused_costs_seconds_not_minutes() {
    let begin = tokio::time::Instant::now();
    let times = through_faults(1, 20_000, 30).await;
    assert!(times.keys().eq(&ids(20_000)));
    let took = begin.elapsed();
    assert!(took.as_secs() < 20, "{took:?} for 20,000 rows");
}
