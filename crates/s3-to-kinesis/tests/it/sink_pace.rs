//! How many requests are in flight, and when the sink waits.

use std::collections::BTreeSet;
use std::time::Duration;

use penstock_aws::Invocation;
use s3_to_kinesis::sink::{SendError, Sink};
use tokio::time::Instant;

use crate::kinesis::{Entry, Kinesis, Reply, THROTTLED, Verdict};
use crate::rows::{SOURCE, ids, plain, records, rows, seconds, send, send_all};

const SLOW: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn four_requests_are_in_flight_and_never_more() {
    let kinesis = Kinesis::slow(|_, entries| (SLOW, Reply::all(entries)));
    let checker = plain();
    let begin = Instant::now();
    send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 10_000]))).await;
    assert_eq!(kinesis.seen(|seen| (seen.requests.len(), seen.most_in_flight)), (20, 4));
    assert_eq!(begin.elapsed().as_secs(), 5);
    assert_eq!(kinesis.accepted_ids(), ids(10_000));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_throttles_gets_fewer_requests_at_once_and_more_when_it_takes_them() {
    let kinesis = Kinesis::slow(|number, entries| {
        let verdict = if number < 20 { THROTTLED } else { Verdict::Accepted };
        (SLOW, Reply::each(entries, |_, _| verdict))
    });
    let checker = plain();
    send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 20_000]))).await;
    let depths = kinesis.seen(|seen| seen.depths.clone());
    assert_eq!(depths[..4], [1, 2, 3, 4]);
    assert_eq!(depths[10..21], [1; 11]);
    assert!(depths[21..].contains(&4), "{depths:?}");
    assert_eq!(kinesis.accepted_ids(), ids(20_000));
}

#[tokio::test(start_paused = true)]
async fn refusals_that_are_not_for_throughput_slow_nothing_down() {
    let kinesis = Kinesis::slow(|number, entries| {
        let verdict = if number < 8 { Verdict::Refused("InternalFailure") } else { Verdict::Accepted };
        (SLOW, Reply::each(entries, |_, _| verdict))
    });
    let checker = plain();
    send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 20_000]))).await;
    let depths = kinesis.seen(|seen| seen.depths.clone());
    assert!(depths[12..40].iter().all(|depth| *depth >= 3), "{depths:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_takes_nothing_gets_the_same_few_rows_again_and_no_new_ones() {
    let kinesis = Kinesis::new(|_, entries| Reply::each(entries, |_, _| THROTTLED));
    let checker = plain();
    let rows = rows(&checker, &records([0; 20_000]));
    let (told, sent) = send(&kinesis.open().await, &checker, &rows, &seconds(120)).await;
    assert!(matches!(sent, Err(SendError::OutOfTime { .. })) && told.sent == 0, "{sent:?}");
    let offered: BTreeSet<String> =
        kinesis.seen(|seen| seen.requests.iter().flatten().map(Entry::id).collect());
    assert!((1..=2_500).contains(&offered.len()), "{} rows are held in memory", offered.len());
    let calls = kinesis.request_sizes().len();
    assert!((20..500).contains(&calls), "{calls} calls in two minutes");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_never_answers_is_waited_for_until_the_time_is_over() {
    let kinesis = Kinesis::slow(|_, entries| (Duration::from_secs(3_600), Reply::all(entries)));
    let checker = plain();
    let begin = Instant::now();
    let rows = rows(&checker, &records([0; 700]));
    let (told, sent) = send(&kinesis.open().await, &checker, &rows, &seconds(30)).await;
    assert_eq!((told.sent, begin.elapsed().as_secs()), (0, 30));
    let Err(SendError::OutOfTime { rows: 700, code, .. }) = sent else { panic!("{sent:?}") };
    assert_eq!(code, "none");
}

#[tokio::test(start_paused = true)]
async fn draining_waits_only_for_room() {
    let kinesis = Kinesis::slow(|_, entries| (SLOW, Reply::all(entries)));
    let checker = plain();
    let (stream, invocation) = (kinesis.open().await, Invocation::lasting(None));
    let rows = rows(&checker, &records([0; 3_001]));
    let mut sink = Sink::new(&stream, checker.contract(), SOURCE, &invocation);
    let begin = Instant::now();
    let mut waited = Vec::new();
    for row in rows.iter() {
        sink.push(row).unwrap();
        let before = Instant::now();
        sink.drain().await.unwrap();
        if before.elapsed() >= SLOW {
            waited.push(sink.sent);
        }
    }
    // Four go at once; the fifth and sixth find room when the first four are answered.
    assert_eq!((waited.as_slice(), begin.elapsed()), (&[2_000][..], SLOW));
    assert_eq!(kinesis.request_sizes(), [500; 6]);
    sink.flush().await.unwrap();
    assert_eq!((sink.sent, begin.elapsed()), (3_001, SLOW * 2));
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_on_its_way_while_its_sender_reads_on() {
    let kinesis = Kinesis::willing();
    let checker = plain();
    let (stream, invocation) = (kinesis.open().await, Invocation::lasting(None));
    let rows = rows(&checker, &records([0; 501]));
    let mut sink = Sink::new(&stream, checker.contract(), SOURCE, &invocation);
    for row in rows.iter() {
        sink.push(row).unwrap();
    }
    sink.drain().await.unwrap();
    // As a reader that waits for the next bytes of its object.
    tokio::time::sleep(SLOW).await;
    assert_eq!(kinesis.seen(|seen| (seen.requests.len(), seen.in_flight)), (1, 0));
    sink.flush().await.unwrap();
    assert_eq!(sink.sent, 501);
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_dropped_takes_its_requests_along() {
    let kinesis = Kinesis::slow(|_, entries| (SLOW, Reply::all(entries)));
    let checker = plain();
    let (stream, invocation) = (kinesis.open().await, Invocation::lasting(None));
    let rows = rows(&checker, &records([0; 501]));
    let mut sink = Sink::new(&stream, checker.contract(), SOURCE, &invocation);
    rows.iter().for_each(|row| sink.push(row).unwrap());
    sink.drain().await.unwrap();
    drop(sink);
    tokio::time::sleep(SLOW * 2).await;
    assert!(kinesis.seen(|seen| seen.accepted.is_empty()));
}
