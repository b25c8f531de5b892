//! Answers are read by position: what is refused, and nothing else, is sent again until it is accepted.

use crate::kinesis::{Entry, Kinesis, Reply, THROTTLED, Verdict};
use crate::rows::{aggregating, ids, plain, records, rows, send_all};

fn ids_of(request: &[Entry]) -> Vec<String> {
    request.iter().map(Entry::id).collect()
}

#[tokio::test(start_paused = true)]
async fn only_refused_records_are_sent_again() {
    for refusal in [THROTTLED, Verdict::Refused("InternalFailure"), Verdict::Unsaid] {
        let kinesis = Kinesis::new(move |number, entries| {
            Reply::each(entries, |at, _| match (number, at) {
                (0, 3 | 5) | (1, 1) => refusal,
                _ => Verdict::Accepted,
            })
        });
        let checker = plain();
        let told = send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 8]))).await;
        assert_eq!((told.sent, told.records, told.refusals), (8, 8, 3));
        kinesis.seen(|seen| {
            assert_eq!(ids_of(&seen.requests[1]), ["r-0000003", "r-0000005"]);
            assert_eq!(ids_of(&seen.requests[2]), ["r-0000005"]);
            assert_eq!(seen.requests[1][0], seen.requests[0][3], "data and key are the same");
            assert_eq!(seen.requests.len(), 3);
        });
        assert_eq!(kinesis.accepted_ids(), ids(8));
    }
}

#[tokio::test(start_paused = true)]
async fn records_without_an_answer_are_refused() {
    let kinesis = Kinesis::new(|number, entries| match number {
        0 => Reply::Verdicts(vec![Verdict::Accepted; entries.len() - 2]),
        1 => Reply::Verdicts(Vec::new()),
        _ => Reply::all(entries),
    });
    let checker = plain();
    let told = send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 5]))).await;
    assert_eq!((told.sent, told.refusals), (5, 4));
    assert_eq!(kinesis.request_sizes(), [5, 2, 2]);
    assert_eq!(kinesis.accepted_ids(), ids(5));
}

#[tokio::test(start_paused = true)]
async fn more_answers_than_records_accept_nothing_more() {
    let kinesis = Kinesis::new(|_, entries| Reply::Verdicts(vec![Verdict::Accepted; entries.len() + 3]));
    let checker = plain();
    let told = send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 5]))).await;
    assert_eq!((told.sent, kinesis.request_sizes()), (5, vec![5]));
}

#[tokio::test(start_paused = true)]
async fn a_refused_aggregated_record_comes_again_as_it_was() {
    let kinesis = Kinesis::new(|number, entries| {
        Reply::each(entries, |at, _| if number == 0 && at == 0 { THROTTLED } else { Verdict::Accepted })
    });
    let checker = aggregating();
    let told = send_all(&kinesis.open().await, &checker, &rows(&checker, &records([0; 500]))).await;
    assert_eq!((told.sent, told.refusals), (500, 1));
    kinesis.seen(|seen| {
        let again = seen.requests[1..].iter().flatten().filter(|own| **own == seen.requests[0][0]);
        assert_eq!(again.count(), 1);
        assert_eq!(told.records as usize, seen.accepted.len());
    });
}
