//! Nothing is acknowledged unless its statement was FINISHED or its row is in quarantine, whatever else the Data API
//! says, in whatever order.

use std::time::Duration;

use aws_sdk_redshiftdata::types::StatusString;

use crate::common::{CONFLICT, Course, DATA, NO_TABLE, Script, Step, Submission, finished, of_rows};

/// Everything that one DescribeStatement can answer.
fn alphabet() -> Vec<Step> {
    let open = ["SUBMITTED", "PICKED", "STARTED", "ALL", "SOMETHING_NEW"];
    let mut steps: Vec<Step> = open.map(|name| Step::Status(StatusString::from(name), "")).into();
    steps.extend([
        Step::Status(StatusString::Finished, ""),
        Step::Status(StatusString::Aborted, ""),
        Step::Status(StatusString::Failed, DATA),
        Step::Status(StatusString::Failed, CONFLICT),
        Step::Status(StatusString::Failed, NO_TABLE),
        Step::Status(StatusString::Failed, ""),
        Step::Error(500),
        Step::Error(400),
    ]);
    steps
}

/// How a sequence ends for a message of one row.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Loaded,
    Quarantined,
    GivenBack,
}

fn expected(steps: &[Step]) -> End {
    for step in steps {
        match step {
            Step::Status(StatusString::Finished, _) => return End::Loaded,
            Step::Status(StatusString::Failed, DATA) => return End::Quarantined,
            Step::Status(StatusString::Failed | StatusString::Aborted, _) | Step::Error(_) => {
                return End::GivenBack;
            }
            Step::Status(..) => {}
        }
    }
    End::GivenBack
}

#[tokio::test(start_paused = true)]
async fn only_finished_acknowledges_over_every_sequence_of_statuses() {
    let alphabet = alphabet();
    let sequences = alphabet.iter().flat_map(|first| {
        let alphabet = &alphabet;
        alphabet.iter().flat_map(move |second| {
            alphabet.iter().map(move |third| vec![first.clone(), second.clone(), third.clone()])
        })
    });
    let mut seen = [0; 3];
    for mut steps in sequences {
        let expected = expected(&steps);
        let text = format!("{steps:?}");
        // What was not told an end runs on.
        steps.push(Step::Status(StatusString::Started, ""));
        // The ledger's line of a refused row is a load of its own, without rows.
        let course = move |all: &[Submission]| match all.last().unwrap().rows().is_empty() {
            true => finished(),
            false => Course { steps: steps.clone() },
        };
        let function = Script::of(course).start();
        let messages = [of_rows("m-0", "a", &["r-0"])];
        let given_back = function.invoke_for(&messages, Some(Duration::from_secs(900))).await;
        let loaded = function.loaded().concat();
        let end = match (loaded.len(), function.quarantined().len(), given_back.len()) {
            (1, 0, 0) => End::Loaded,
            (0, 1, 0) => End::Quarantined,
            (0, 0, 1) => End::GivenBack,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(end, expected, "{text}");
        seen[end as usize] += 1;
    }
    assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
}
