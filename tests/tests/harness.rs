//! The harness itself: a local AWS that behaves, functions that run and fail as on Lambda, nothing left over.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use penstock_tests::{Auth, Bootstrap, MiniStack, Queue, target_dir, until};
use serde_json::{Value, json};

const NO_VARS: [(&str, &str); 0] = [];
const LONG: Duration = Duration::from_secs(30);

fn example(name: &str) -> PathBuf {
    let path = target_dir().unwrap().join("examples").join(name);
    assert!(path.exists(), "{} is missing: run `make build`", path.display());
    path
}

async fn start() -> Bootstrap {
    Bootstrap::start_program(&example("scripted-function"), NO_VARS).await.unwrap()
}

fn bodies(event: &Value) -> Vec<&str> {
    let records = event["Records"].as_array().unwrap();
    records.iter().map(|record| record["body"].as_str().unwrap()).collect()
}

async fn groups_a_and_b() -> Queue {
    let queue = MiniStack::shared().await.unwrap().create_fifo_queue("groups").await.unwrap();
    for body in ["a1", "a2", "b1"] {
        queue.send_in_group(body, &body[..1], body).await.unwrap();
    }
    queue
}

#[tokio::test]
async fn an_answer_an_error_and_a_panic_come_back_and_the_process_lives_on() {
    let function = start().await;
    let answer = function.invoke(&json!({ "do": "answer" })).await.unwrap();
    assert_eq!(answer["event"], json!({ "do": "answer" }));
    let failed = function.invoke(&json!({ "do": "fail" })).await.unwrap_err();
    assert!(failed.message.contains("told to fail"), "{failed}");
    let panicked = function.invoke(&json!({ "do": "panic" })).await.unwrap_err();
    assert!(panicked.message.contains("told to panic"), "{panicked}");
    function.invoke(&json!({ "do": "answer" })).await.unwrap();
    function.wait_for_log(|line| line["message"] == "invoked").await.unwrap();
}

#[tokio::test]
async fn a_deadline_in_the_past_reaches_the_function_and_kills_nothing() {
    let answer =
        start().await.invoke_until(&json!({ "do": "answer" }), SystemTime::UNIX_EPOCH).await.unwrap();
    assert_eq!(answer["deadline"], 0);
}

#[tokio::test]
async fn a_function_that_hangs_is_killed_at_its_deadline() {
    let function = start().await;
    let deadline = SystemTime::now() + Duration::from_secs(1);
    let error = function.invoke_until(&json!({ "do": "hang" }), deadline).await.unwrap_err();
    assert_eq!(error.error_type, "Sandbox.Timedout");
    let after = function.invoke(&json!({ "do": "answer" })).await.unwrap_err();
    assert_eq!(after.error_type, "Runtime.ExitError");
}

#[tokio::test]
async fn a_kill_in_the_middle_and_an_exit_are_exit_errors() {
    let function = start().await;
    let event = json!({ "do": "hang" });
    let (outcome, ()) = tokio::join!(function.invoke(&event), async {
        function.wait_for_log(|line| line["message"] == "invoked").await.unwrap();
        function.kill();
    });
    assert_eq!(outcome.unwrap_err().error_type, "Runtime.ExitError");
    let error = start().await.invoke(&json!({ "do": "exit" })).await.unwrap_err();
    assert_eq!(error.error_type, "Runtime.ExitError");
    assert!(error.message.contains("exit status 3"), "{error}");
}

#[tokio::test]
async fn a_function_that_does_not_start_says_why() {
    let vars = [("FAIL_AT_START", "no such contract")];
    let function = Bootstrap::start_program(&example("scripted-function"), vars).await.unwrap();
    let error = function.init_error().await.unwrap();
    assert!(error.message.contains("no such contract"), "{error}");
}

#[tokio::test]
async fn a_function_sees_lambdas_environment_and_not_the_tests() {
    let names = start().await.invoke(&json!({ "do": "variables" })).await.unwrap();
    let names: Vec<_> = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert!(names.contains(&"AWS_LAMBDA_FUNCTION_NAME"), "{names:?}");
    assert!(!names.contains(&"CARGO_MANIFEST_DIR"), "{names:?}");
}

#[tokio::test]
async fn several_functions_run_at_once() {
    let (one, two) = (start().await, start().await);
    let event = json!({ "do": "hang" });
    let deadline = SystemTime::now() + Duration::from_secs(1);
    let (_, answer) = tokio::join!(one.invoke_until(&event, deadline), async {
        two.invoke(&json!({ "do": "answer" })).await
    });
    answer.unwrap();
}

#[tokio::test]
async fn messages_come_as_lambda_gets_them_and_a_group_waits_for_its_batch() {
    let queue = groups_a_and_b().await;
    let batch = queue.receive(1).await.unwrap();
    assert_eq!(bodies(&batch.event), ["a1"]);
    let record = &batch.event["Records"][0];
    assert_eq!(record["eventSourceARN"], queue.arn.as_str());
    assert_eq!(record["attributes"]["MessageGroupId"], "a");
    assert_eq!(record["attributes"]["MessageDeduplicationId"], "a1");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    for name in ["SequenceNumber", "SentTimestamp"] {
        assert!(record["attributes"][name].as_str().unwrap().parse::<u128>().is_ok(), "{name}");
    }
    let other = queue.receive(10).await.unwrap();
    assert_eq!(bodies(&other.event), ["b1"], "group a is locked");
}

#[tokio::test]
async fn only_reported_messages_come_back() {
    let queue = groups_a_and_b().await;
    let batch = queue.receive(10).await.unwrap();
    assert_eq!(batch.len(), 3);
    let a2 = batch.event["Records"].as_array().unwrap().iter().find(|record| record["body"] == "a2").unwrap();
    let report = json!({ "batchItemFailures": [{ "itemIdentifier": a2["messageId"] }] });
    queue.settle(batch, &report).await.unwrap();
    assert_eq!(queue.drain().await.unwrap(), ["a2"]);
    assert_eq!(queue.depth().await.unwrap(), 0);
}

#[tokio::test]
async fn a_report_of_a_foreign_message_fails_the_whole_batch() {
    let queue = groups_a_and_b().await;
    let batch = queue.receive(10).await.unwrap();
    let report = json!({ "batchItemFailures": [{ "itemIdentifier": "foreign" }] });
    assert_eq!(queue.settle(batch, &report).await.unwrap().len(), 3);
    assert_eq!(queue.drain().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_message_that_fails_too_often_goes_to_the_dead_letter_queue() {
    let stack = MiniStack::shared().await.unwrap();
    let (queue, dead) = stack.create_fifo_queue_with_dlq("poison", 2).await.unwrap();
    queue.send_in_group("poison", "g", "1").await.unwrap();
    for _ in 0..2 {
        let batch = queue.receive(10).await.unwrap();
        assert_eq!(batch.len(), 1);
        queue.fail(batch).await.unwrap();
    }
    assert!(queue.receive(10).await.unwrap().is_empty());
    assert_eq!(dead.drain().await.unwrap(), ["poison"]);
}

#[tokio::test]
async fn a_put_below_the_prefix_is_notified() {
    let stack = MiniStack::shared().await.unwrap();
    let (bucket, queue) =
        (stack.create_bucket("landing").await.unwrap(), stack.create_queue("n").await.unwrap());
    bucket.notify(&queue, "queue/").await.unwrap();
    bucket.put("other/x", "1").await.unwrap();
    bucket.put("queue/a b.json", "22").await.unwrap();
    let mut received = Vec::new();
    until("the notification", LONG, async || {
        received.extend(queue.drain().await?);
        Ok(received.iter().any(|body| body.contains("queue/a+b.json")).then_some(()))
    })
    .await
    .unwrap();
    assert!(received.iter().any(|body| body.contains("s3:TestEvent")), "{received:?}");
    assert!(!received.iter().any(|body| body.contains("other/x")), "{received:?}");
    assert_eq!(bucket.list("").await.unwrap(), ["other/x", "queue/a b.json"]);
    assert_eq!(bucket.get("queue/a b.json").await.unwrap(), b"22");
}

#[tokio::test]
async fn iam_decides_where_it_is_enforced_and_two_local_clouds_share_nothing() {
    let (one, two) = (MiniStack::start(Auth::Enforced).await.unwrap(), MiniStack::shared().await.unwrap());
    let bucket = one.create_bucket("mine").await.unwrap();
    bucket.put("k", "v").await.unwrap();
    assert!(two.s3().await.get_object().bucket(&bucket.name).key("k").send().await.is_err());
    let unknown = aws_sdk_s3::config::Credentials::new("AKIAUNKNOWN", "wrong", None, None, "test");
    let config = bucket.client.config().to_builder().credentials_provider(unknown).build();
    let stranger = aws_sdk_s3::Client::from_conf(config);
    assert!(stranger.get_object().bucket(&bucket.name).key("k").send().await.is_err());
}

#[tokio::test]
async fn no_process_outlives_a_killed_test() {
    let scratch = tempfile::tempdir().unwrap();
    let out = std::fs::File::create(scratch.path().join("out")).unwrap();
    let mut test = Command::new(example("process-holder"))
        .env("TMPDIR", scratch.path())
        .stdout(out)
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let endpoint = until("the other test to hold its processes", LONG, async || {
        let out = std::fs::read_to_string(scratch.path().join("out"))?;
        Ok(out.lines().find_map(|line| line.strip_prefix("holding ").map(str::to_owned)))
    })
    .await
    .unwrap();
    assert_eq!(folders(scratch.path()), 2);
    test.kill().unwrap();
    test.wait().unwrap();
    let address = endpoint.trim_start_matches("http://").to_owned();
    until("MiniStack and the function to end and their folders to go", LONG, async || {
        let is_gone = std::net::TcpStream::connect(&address).is_err() && folders(scratch.path()) == 0;
        Ok(is_gone.then_some(()))
    })
    .await
    .unwrap();
}

fn folders(path: &Path) -> usize {
    std::fs::read_dir(path).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
}
