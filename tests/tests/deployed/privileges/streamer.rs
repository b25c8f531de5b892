//! The streaming route's roles: s3-to-kinesis as the other functions, the transform that may nothing, and Firehose's own
//! by a user who has its policy, because the local Firehose asks no role.

use std::collections::BTreeSet;

use penstock_aws::contracts::load_contracts;
use penstock_core::work::contract_fingerprint;
use penstock_tests::deployed::{
    ACCOUNT, DeployedStream, Deployment, Mapping, STREAMER, TRANSFORM, credentials,
};
use penstock_tests::{Bucket, MiniStack, READER, failures, workspace_root};
use serde_json::{Value, json};

use super::{customers, goes_by_itself, has_one_policy, set_timeout, without_each_statement};

#[tokio::test]
async fn the_streamer_is_refused_what_each_statement_of_its_role_allows() {
    let deployment = Deployment::plan(MiniStack::enforced().await.unwrap()).await.unwrap();
    deployment.deploy(&["--set", "LandingKeyArn=arn:aws:kms:us-east-1:000000000000:key/landing"]).unwrap();
    has_one_policy(&deployment, STREAMER);
    let route = deployment.stream_route().await.unwrap();
    deployment.set_mapping(STREAMER, Mapping::Off).unwrap();
    without_each_statement(&deployment, STREAMER, async |label| {
        let mut refused = BTreeSet::new();
        let key = format!("stream/customers/{label}.csv");
        route.drop_file(&key, customers()).await.unwrap();
        refused.extend(take(&deployment, &route, &key, Value::clone).await);
        let key = format!("stream/customers/{label}-task.csv");
        route.drop_file(&key, customers()).await.unwrap();
        let object = object(&route, &key).await;
        refused.extend(take(&deployment, &route, &key, |told| task(&object, told)).await);
        if label.ends_with("HandOver") {
            refused.extend(run_out_of_time(&deployment, &route, label).await);
        }
        if refused.is_empty() {
            goes_by_itself(&deployment, STREAMER, async || {
                let before = route.receipts().await?.len();
                deployment.set_mapping(STREAMER, Mapping::On)?;
                let key = format!("stream/customers/{label}-by-itself.csv");
                route.drop_file(&key, customers()).await?;
                route.read_all().await?;
                assert_eq!(route.receipts().await?.len(), before + 1);
                deployment.set_mapping(STREAMER, Mapping::Off)
            })
            .await;
        }
        refused.into_iter().collect()
    })
    .await;
}

/// The function has no time for an object, and hands its message over.
async fn run_out_of_time(
    deployment: &Deployment<'_>,
    route: &DeployedStream<'_>,
    label: &str,
) -> Vec<String> {
    let key = format!("stream/customers/{label}-late.csv");
    route.drop_file(&key, customers()).await.unwrap();
    set_timeout(deployment, STREAMER, "10");
    let refused = take(deployment, route, &key, Value::clone).await;
    set_timeout(deployment, STREAMER, "900");
    refused
}

/// What a task says of an object.
async fn object(route: &DeployedStream<'_>, key: &str) -> Value {
    // One of another put of the object would be done with.
    json!({"key": key, "bucket": route.landing.name, "modified_ms": route.landing.modified_ms(key).await.unwrap()})
}

/// A task that nothing was begun for.
fn task(object: &Value, told: &Value) -> Value {
    let contracts = load_contracts(&workspace_root().join("infra/contracts")).unwrap();
    let own = contracts.iter().find(|own| own.dataset == "customers").unwrap();
    let event = &told["Records"][0]["s3"]["object"];
    json!({
        "penstock_task": "read_range", "bucket": object["bucket"], "key": object["key"], "etag": event["eTag"],
        "object_id": "0".repeat(32), "fingerprint": contract_fingerprint(own), "bytes": event["size"],
        "modified_ms": object["modified_ms"], "number": 0, "count": 1, "start": 0, "end": event["size"],
    })
}

/// The function takes an object's event, or what `made` makes of that, and then what it has sent itself; what its role
/// was refused. The messages are gone then, whatever came of it.
async fn take(
    deployment: &Deployment<'_>,
    route: &DeployedStream<'_>,
    key: &str,
    made: impl Fn(&Value) -> Value,
) -> Vec<String> {
    let mut all = Vec::new();
    while route.events.depth().await.unwrap() > 0 {
        let batch = route.events.receive(10).await.unwrap();
        let mut event = batch.event.clone();
        for record in event["Records"].as_array_mut().unwrap() {
            let body: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
            if body["Records"].is_array() {
                record["body"] = json!(made(&body).to_string());
            }
        }
        let invoked = deployment.invoke(STREAMER, &event).await;
        let invoked = invoked.unwrap_or_else(|error| panic!("{key}: {error:#}"));
        route.events.settle(batch, &Value::Null).await.unwrap();
        let refused = invoked.refusals();
        match (refused.is_empty(), failures(&invoked.answer).is_empty()) {
            // HEAD is answered without a text.
            (true, false) => {
                let kinds = invoked.logs.iter().filter_map(|line| line["kind"].as_str());
                // Who has no time left is refused nothing.
                let kinds = kinds.filter(|kind| *kind != "OutOfTime");
                all.extend(kinds.map(|kind| format!("{kind}: HEAD")));
            }
            (false, true) => panic!("{key}: refused, and nothing given back: {invoked:?}"),
            _ => all.extend(refused),
        }
    }
    all
}

#[tokio::test]
async fn the_transform_may_write_its_log_and_nothing_else() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    has_one_policy(&deployment, TRANSFORM);
    let policy = deployment.policy(TRANSFORM).unwrap();
    let [statement] = &policy["Statement"].as_array().unwrap()[..] else { panic!("{policy}") };
    assert_eq!(statement["Action"], json!(["logs:CreateLogStream", "logs:PutLogEvents"]));
    assert!(statement["Resource"].as_str().unwrap().contains(&deployment.name(TRANSFORM)), "{statement}");
}

#[tokio::test]
async fn firehoses_role_reads_the_stream_asks_the_transform_and_writes_the_stage_bucket_alone() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let (cloud, name) = (deployment.cloud, deployment.name("like-firehose"));
    let policy = deployment.policy("firehose").unwrap();
    has_one_policy(&deployment, "firehose");
    cloud.aws(&["iam", "create-user", "--user-name", &name]).unwrap();
    let put = ["iam", "put-user-policy", "--user-name", &name, "--policy-name", "firehose"];
    cloud.aws(&[&put[..], &["--policy-document", &policy.to_string()]].concat()).unwrap();
    let key = cloud.aws(&["iam", "create-access-key", "--user-name", &name]).unwrap();
    let user = credentials(&key["AccessKey"]).unwrap();
    let s3 = cloud.s3().await;
    let written = async |purpose: &str, key: &str| {
        let bucket = Bucket { client: s3.clone(), name: deployment.bucket(purpose) };
        bucket.seen_by(user.clone()).put(key, "{}").await.is_ok()
    };
    // Where no object is taken for one of a route.
    assert!(written("stage", "_failed/of-firehoses-role").await);
    for purpose in ["landing", "work", "quarantine", "curated", "lake"] {
        assert!(!written(purpose, "elsewhere/of-firehoses-role").await, "{purpose} is written");
    }
    let may = |call: &[&str]| cloud.aws_as(&user, call).is_ok();
    let (own, foreign) = (deployment.stream(), deployment.name("foreign"));
    cloud.aws(&["kinesis", "create-stream", "--stream-name", &foreign, "--shard-count", "1"]).unwrap();
    for call in ["describe-stream", "list-shards"] {
        assert!(may(&["kinesis", call, "--stream-name", &own]), "{call}");
        assert!(!may(&["kinesis", call, "--stream-name", &foreign]), "{call} of another stream");
    }
    let record = ["--partition-key", "p", "--data", "{}"];
    assert!(!may(&[&["kinesis", "put-record", "--stream-name", &own][..], &record].concat()));
    let function = |own: &str| deployment.name(own);
    let configuration =
        |own: &str| may(&["lambda", "get-function-configuration", "--function-name", &function(own)]);
    assert!(configuration(TRANSFORM) && !configuration(READER));
    let trust = ["iam", "get-role", "--role-name", &deployment.name("firehose")];
    let trust = cloud.aws(&trust).unwrap()["Role"]["AssumeRolePolicyDocument"]["Statement"].take();
    let firehose = json!({"Service": "firehose.amazonaws.com"});
    assert_eq!((&trust[0]["Principal"], &trust[1]), (&firehose, &Value::Null));
    assert_eq!(trust[0]["Condition"], json!({"StringEquals": {"aws:SourceAccount": ACCOUNT}}));
}
