//! Least privilege: each statement of a function's role is taken away in turn. What it allows is refused then, and
//! allowed again with it; a statement that this cloud does not enforce changes nothing, and stands in a list.

mod lake;
mod statements;
mod streamer;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::time::Duration;

use penstock_aws::contracts::load_contracts;
use penstock_core::work::contract_fingerprint;
use penstock_tests::deployed::{DeployedCopy, DeployedRoute, Deployment, Mapping};
use penstock_tests::samples::{lines, transaction};
use penstock_tests::{COPIER, LOADER, MiniStack, READER, SqsBatch, failures, workspace_root};
use serde_json::{Value, json};

use statements::{ENFORCED, NOT_ENFORCED};

/// What has to fail without a statement.
fn wanted(function: &str, sid: &str) -> Vec<&'static str> {
    let own = ENFORCED.iter().filter(|own| (own.0, own.1) == (function, sid));
    own.map(|(.., fault)| *fault).collect()
}

/// Takes each statement away and lets `work` tell what is refused to the function; its argument is new each time.
async fn without_each_statement(
    deployment: &Deployment<'_>,
    function: &str,
    work: impl AsyncFn(&str) -> Vec<String>,
) {
    let whole = deployment.policy(function).unwrap();
    let statements = whole["Statement"].as_array().unwrap();
    let sids: BTreeSet<_> = statements.iter().map(|own| own["Sid"].as_str().unwrap()).collect();
    let known = ENFORCED.iter().chain(&NOT_ENFORCED).filter(|own| own.0 == function);
    assert_eq!(
        sids,
        known.map(|(_, sid, _)| *sid).collect(),
        "the lists are not what the role of {function} has"
    );
    assert_eq!(sids.len(), statements.len(), "two statements of {function} have one name");
    assert_eq!(work("everything").await, Vec::<String>::new());
    let mut wrong = Vec::new();
    for sid in sids {
        let others: Vec<_> = statements.iter().filter(|own| own["Sid"] != sid).collect();
        let mut less = whole.clone();
        less["Statement"] = json!(others);
        deployment.set_policy(function, &less).unwrap();
        let found = work(&format!("without-{sid}")).await;
        deployment.set_policy(function, &whole).unwrap();
        let wanted = wanted(function, sid);
        if found != wanted {
            wrong.push(format!("without {sid}: {found:?} and not {wanted:?}"));
        }
        let again = if found.is_empty() { Vec::new() } else { work(&format!("with-{sid}")).await };
        if !again.is_empty() {
            wrong.push(format!("with {sid} again: {again:?}"));
        }
    }
    assert!(wrong.is_empty(), "{function}: {wrong:#?}");
    print_not_enforced(function);
}

/// Past the test's captured output: what is not proved has to be seen.
fn print_not_enforced(function: &str) {
    let own = NOT_ENFORCED.iter().filter(|own| own.0 == function);
    let lines: String = own.map(|(_, sid, why)| format!("  {sid}: {why}\n")).collect();
    let text = format!("not enforced by the local cloud, {function}:\n{lines}");
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// A role has its one inline policy and nothing else that could allow something.
pub fn has_one_policy(deployment: &Deployment<'_>, function: &str) {
    let role = deployment.name(function);
    let list =
        |call: &str, query: &str| deployment.cloud.aws_list(&["iam", call, "--role-name", &role], query);
    assert_eq!(list("list-role-policies", "PolicyNames").unwrap(), [function]);
    let attached = list("list-attached-role-policies", "AttachedPolicies[].PolicyName").unwrap();
    assert_eq!(attached, Vec::<String>::new());
}

#[tokio::test]
async fn the_reader_is_refused_what_each_statement_of_its_role_allows() {
    let deployment = Deployment::plan(MiniStack::enforced().await.unwrap()).await.unwrap();
    // With a key of the landing bucket, so that its statement is there too.
    deployment.deploy(&["--set", "LandingKeyArn=arn:aws:kms:us-east-1:000000000000:key/landing"]).unwrap();
    has_one_policy(&deployment, READER);
    let route = deployment.route().await.unwrap();
    let mut event = route.landing.put_for_event("queue/transactions/mixed.json", mixed()).await.unwrap();
    let mut vanished =
        route.landing.put_for_event("queue/transactions/vanished.json", mixed()).await.unwrap();
    route.landing.delete("queue/transactions/vanished.json").await.unwrap();
    vanished["Records"][0]["messageId"] = json!("vanished");
    event["Records"].as_array_mut().unwrap().push(vanished["Records"][0].take());
    without_each_statement(&deployment, READER, async |label| {
        let invoked = deployment.invoke(READER, &event).await.unwrap();
        let refusals = invoked.refusals();
        assert_eq!(refusals.is_empty(), failures(&invoked.answer).is_empty(), "{invoked:?}");
        if refusals.is_empty() {
            let key = format!("queue/transactions/{label}.json");
            goes_by_itself(&deployment, READER, async || {
                route.drop_file(&key, mixed()).await?;
                route.read_all().await
            })
            .await;
            let receipts = route.receipts().await.unwrap();
            assert!(receipts.iter().any(|own| own["source"].as_str().unwrap().ends_with(&key)), "{key}");
        }
        refusals
    })
    .await;
}

/// A good record and a bad one.
fn mixed() -> String {
    lines([transaction(1, 1), json!({"no": "transaction"})])
}

#[tokio::test]
async fn the_loader_is_refused_what_each_statement_of_its_role_allows() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    has_one_policy(&deployment, LOADER);
    let route = deployment.route().await.unwrap();
    let batch = rows_and_a_foreign_message(&deployment, &route).await;
    let good = batch.event["Records"][0]["body"].as_str().unwrap().to_owned();
    without_each_statement(&deployment, LOADER, async |label| {
        let refused = load_with_a_fault(&deployment, &route, &batch, &format!("{label}-fault")).await;
        let invoked = deployment.invoke(LOADER, &delivered_as(&batch, label)).await.unwrap();
        assert_eq!(invoked.refusals().is_empty(), failures(&invoked.answer).is_empty(), "{invoked:?}");
        if refused.is_empty() {
            goes_by_itself(&deployment, LOADER, async || {
                route.queue.send_in_group(&good, label, label).await?;
                route.load_all_but(batch.len()).await
            })
            .await;
        }
        refused
    })
    .await;
    route.check_ledger("transactions").await.unwrap();
}

/// Messages of rows, and last one that is not Penstock's, out of the queue for good; the mapping takes what comes
/// after them.
async fn rows_and_a_foreign_message(deployment: &Deployment<'_>, route: &DeployedRoute<'_>) -> SqsBatch {
    deployment.set_mapping(LOADER, Mapping::Off).unwrap();
    route.drop_file("queue/transactions/a.json", lines((0..9).map(|n| transaction(n, 3)))).await.unwrap();
    route.read_all().await.unwrap();
    route.queue.send_in_group("not of Penstock", "foreign", "foreign").await.unwrap();
    let batch = route.queue.receive(10).await.unwrap();
    assert_eq!(batch.len() as u64, route.queue.depth().await.unwrap(), "all messages are out");
    deployment.set_mapping(LOADER, Mapping::On).unwrap();
    batch
}

/// The batch as if its messages were others: a load of the same ones would be found, and not done again.
fn delivered_as(batch: &SqsBatch, label: &str) -> Value {
    let mut event = batch.event.clone();
    for record in event["Records"].as_array_mut().unwrap() {
        record["messageId"] = json!(format!("{}-{label}", record["messageId"].as_str().unwrap()));
    }
    event
}

/// A load that fails once, so that its messages are handed over to the next invocation; what the role was refused.
async fn load_with_a_fault(
    deployment: &Deployment<'_>,
    route: &DeployedRoute<'_>,
    batch: &SqsBatch,
    label: &str,
) -> Vec<String> {
    let fault = json!({
        "fault": "fail", "contains": "INSERT INTO \"tgt\"", "error": "out of memory", "times": 1,
        "database": deployment.database,
    });
    deployment.redshift.add_fault(serde_json::from_value(fault).unwrap());
    let invoked = deployment.invoke(LOADER, &delivered_as(batch, label)).await.unwrap();
    assert!(failures(&invoked.answer).len() >= batch.len() - 1, "{invoked:?}");
    // Handed over they would come back in half a minute.
    route.queue.keep(batch, Duration::from_secs(1_800)).await.unwrap();
    invoked.refusals()
}

/// The mapping brings work to the function, and the function's log is written.
async fn goes_by_itself(
    deployment: &Deployment<'_>,
    function: &str,
    work: impl AsyncFn() -> anyhow::Result<()>,
) {
    let before = deployment.log_streams(function).unwrap();
    work().await.unwrap();
    assert!(deployment.log_streams(function).unwrap() > before, "{function} wrote no log");
}

#[tokio::test]
async fn the_copier_is_refused_what_each_statement_of_its_role_allows() {
    let deployment = Deployment::plan(MiniStack::enforced().await.unwrap()).await.unwrap();
    deployment.deploy(&["--set", "LandingKeyArn=arn:aws:kms:us-east-1:000000000000:key/landing"]).unwrap();
    has_one_policy(&deployment, COPIER);
    let route = deployment.copy_route().await.unwrap();
    deployment.set_mapping(COPIER, Mapping::Off).unwrap();
    without_each_statement(&deployment, COPIER, async |label| {
        let mut refused = BTreeSet::new();
        // Read in flight, refused as a whole, and read by COPY; each is new, because nothing is loaded twice.
        for (bucket, key, body) in [
            (&route.landing, format!("copy/customers/{label}.csv"), customers()),
            (&route.landing, format!("copy/customers/{label}-other.csv"), "id\n1\n".to_owned()),
            (&route.stage, format!("customers/{label}.json"), stamped_customer()),
        ] {
            route.drop_file(bucket, &key, body).await.unwrap();
            refused.extend(take(&deployment, &route).await);
        }
        refused.extend(take_task(&deployment, &route, label).await);
        if label.ends_with("HandOver") {
            refused.extend(run_out_of_time(&deployment, &route, label).await);
        }
        if refused.is_empty() {
            goes_by_itself(&deployment, COPIER, async || {
                deployment.set_mapping(COPIER, Mapping::On)?;
                let key = format!("copy/customers/{label}-by-itself.csv");
                route.drop_file(&route.landing, &key, customers()).await?;
                route.load_all().await?;
                deployment.set_mapping(COPIER, Mapping::Off)
            })
            .await;
        }
        refused.into_iter().collect()
    })
    .await;
    route.check_ledger("customers").await.unwrap();
}

/// The function takes what is in its queue; what its role was refused. The messages are gone then, whatever came of it.
async fn take(deployment: &Deployment<'_>, route: &DeployedCopy<'_>) -> Vec<String> {
    let batch = route.events.receive(10).await.unwrap();
    let mut event = batch.event.clone();
    for record in event["Records"].as_array_mut().unwrap() {
        let mut body: Value = serde_json::from_str(record["body"].as_str().unwrap()).unwrap();
        if body["Records"].is_null() {
            continue;
        }
        // Without them the function has to ask S3 for what lies in the stage bucket, too.
        let object = body["Records"][0]["s3"]["object"].as_object_mut().unwrap();
        object.retain(|name, _| name == "key");
        record["body"] = json!(body.to_string());
    }
    let invoked = deployment.invoke(COPIER, &event).await.unwrap();
    route.events.settle(batch, &Value::Null).await.unwrap();
    let refused = invoked.refusals();
    match (refused.is_empty(), failures(&invoked.answer).is_empty()) {
        // HEAD is answered without a text.
        (true, false) => {
            let kinds = invoked.logs.iter().filter_map(|line| line["kind"].as_str());
            // Who has no time left is refused nothing.
            let kinds = kinds.filter(|kind| *kind != "OutOfTime");
            let mut kinds: Vec<_> = kinds.map(|kind| format!("{kind}: HEAD")).collect();
            kinds.dedup();
            kinds
        }
        (false, true) => panic!("refused, and nothing given back: {invoked:?}"),
        _ => refused,
    }
}

/// The function has no time for an object, and hands its message over.
async fn run_out_of_time(deployment: &Deployment<'_>, route: &DeployedCopy<'_>, label: &str) -> Vec<String> {
    let key = format!("copy/customers/{label}-late.csv");
    route.drop_file(&route.landing, &key, customers()).await.unwrap();
    set_timeout(deployment, COPIER, "10");
    let refused = take(deployment, route).await;
    set_timeout(deployment, COPIER, "900");
    refused
}

/// A task that nothing was begun for: the function looks whether its object has failed, and sends tasks anew.
async fn take_task(deployment: &Deployment<'_>, route: &DeployedCopy<'_>, label: &str) -> Vec<String> {
    let key = format!("copy/customers/{label}-task.csv");
    route.drop_file(&route.landing, &key, customers()).await.unwrap();
    let batch = route.events.receive(10).await.unwrap();
    let mut event = batch.event.clone();
    let told: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
    let object = &told["Records"][0]["s3"]["object"];
    let bytes = object["size"].as_u64().unwrap();
    let contracts = load_contracts(&workspace_root().join("infra/contracts")).unwrap();
    let own = contracts.iter().find(|own| own.dataset == "customers").unwrap();
    // One of another put of the object would be done with.
    let modified_ms = route.landing.modified_ms(&key).await.unwrap();
    let task = json!({
        "penstock_task": "read_range", "bucket": route.landing.name, "key": key, "etag": object["eTag"],
        "object_id": "0".repeat(32), "fingerprint": contract_fingerprint(own), "bytes": bytes, "modified_ms": modified_ms,
        "number": 0, "count": 1, "start": 0, "end": bytes,
    });
    event["Records"][0]["body"] = json!(task.to_string());
    let invoked = deployment.invoke(COPIER, &event).await.unwrap();
    route.events.settle(batch, &Value::Null).await.unwrap();
    // What it has sent is taken, too.
    [invoked.refusals(), take(deployment, route).await].concat()
}

/// A good customer and a bad one.
fn customers() -> String {
    "customer_id,name,email,country,birthday,balance,updated_at\n\
     c-1,Ann,,DE,,1.50,2026-01-01T00:00:00Z\nc-2,,,DE,,1.50,2026-01-01T00:00:00Z\n"
        .to_owned()
}

/// A customer as our transform writes it.
fn stamped_customer() -> String {
    let stamped = json!({
        "customer_id": "c-3", "name": "Cy", "email": null, "country": "DE", "birthday": null, "balance": "1.00",
        "updated_at": "2026-01-01 00:00:00.000000+00", "_record_id": "3".repeat(32), "_row_hash": "3".repeat(32),
        "_order": "3", "_deleted": "false", "_source": "arn:aws:kinesis:us-east-1:1:stream/s",
        "_dataset": "customers", "_contract_version": "1.0.0",
    });
    format!("{stamped}\n")
}

/// Gives a function less or more time.
fn set_timeout(deployment: &Deployment<'_>, function: &str, seconds: &str) {
    let name = deployment.name(function);
    let update = ["lambda", "update-function-configuration", "--function-name", &name, "--timeout", seconds];
    deployment.cloud.aws(&update).unwrap();
}
