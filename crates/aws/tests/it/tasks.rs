//! Tasks are sent by count, and what the queue does not take is sent again, and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_sqs::operation::send_message_batch::SendMessageBatchOutput;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchResultEntry};
use aws_smithy_mocks::{RuleMode, mock, mock_client};
use penstock_aws::tasks::{SendTasksError, send_tasks};

type Requests = Arc<Mutex<Vec<Vec<String>>>>;

/// A queue that refuses each of these bodies so often, by an entry or by none at all.
fn queue(refusals: &[(&str, usize)], answers: bool) -> (aws_sdk_sqs::Client, Requests) {
    let requests = Requests::default();
    let log = Arc::clone(&requests);
    let left: BTreeMap<String, usize> =
        refusals.iter().map(|(body, times)| ((*body).to_owned(), *times)).collect();
    let left = Mutex::new(left);
    let send = mock!(aws_sdk_sqs::Client::send_message_batch).then_compute_output(move |input| {
        let (mut taken, mut failed) = (Vec::new(), Vec::new());
        log.lock().unwrap().push(input.entries().iter().map(|own| own.message_body().to_owned()).collect());
        for entry in input.entries() {
            let mut left = left.lock().unwrap();
            match left.get_mut(entry.message_body()).filter(|times| **times > 0) {
                Some(times) => {
                    *times -= 1;
                    let refused = BatchResultErrorEntry::builder().id(entry.id()).code("InternalError");
                    failed.extend(answers.then(|| refused.sender_fault(false).build().unwrap()));
                }
                None => taken.push(
                    SendMessageBatchResultEntry::builder()
                        .id(entry.id())
                        .message_id("m")
                        .md5_of_message_body("5")
                        .build()
                        .unwrap(),
                ),
            }
        }
        // In an order of its own.
        taken.reverse();
        let output = SendMessageBatchOutput::builder().set_successful(Some(taken));
        output.set_failed(Some(failed)).build().unwrap()
    });
    (mock_client!(aws_sdk_sqs, RuleMode::MatchAny, [&send]), requests)
}

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|n| n.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn only_what_was_not_taken_is_sent_again() {
    for answers in [true, false] {
        let (sqs, requests) = queue(&[("3", 2), ("7", 1), ("11", 1)], answers);
        send_tasks(&sqs, "q", &bodies(12)).await.unwrap();
        let requests: Vec<_> = requests.lock().unwrap().iter().map(|own| own.join(" ")).collect();
        assert_eq!(requests, ["0 1 2 3 4 5 6 7 8 9", "3 7", "3", "10 11", "11"], "{answers}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_again_and_again_is_an_error() {
    let (sqs, requests) = queue(&[("1", 100)], true);
    let error = send_tasks(&sqs, "q", &bodies(2)).await.unwrap_err();
    assert!(
        matches!(&error, SendTasksError::Refused { count: 1, code } if code == "InternalError"),
        "{error}"
    );
    assert_eq!(requests.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn nothing_to_send_is_no_request() {
    let (sqs, requests) = queue(&[], true);
    send_tasks(&sqs, "q", &[]).await.unwrap();
    assert!(requests.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn requests_keep_the_limit_of_bytes() {
    let (sqs, requests) = queue(&[], true);
    send_tasks(&sqs, "q", &vec!["x".repeat(400_000); 5]).await.unwrap();
    let sizes: Vec<usize> = requests.lock().unwrap().iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 1]);
}
