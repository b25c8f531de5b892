//! Contracts are all that a dataset needs; what a role does not cover is refused; a broken contract stops everything.

use penstock_tests::deployed::Deployment;
use penstock_tests::samples::AUDIT;
use penstock_tests::{MiniStack, READER, contracts_with, failures};

/// The dataset `elsewhere`, from a folder that belongs to no route.
fn elsewhere() -> String {
    AUDIT.replace("audit", "elsewhere").replace("queue/elsewhere/", "elsewhere/own/")
}

#[tokio::test]
async fn a_new_contract_is_a_dataset_after_one_more_deployment_and_its_role_reads_below_the_prefix_only() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let elsewhere = elsewhere();
    let extra = [("audit.odcs.yaml", AUDIT), ("elsewhere.odcs.yaml", &elsewhere)];
    let (_scratch, contracts) = contracts_with(&extra).unwrap();
    let said = deployment.deploy_contracts(&contracts).unwrap();
    for (step, word) in [
        ("stack foundation", "unchanged"),
        ("stack streaming", "unchanged"),
        ("stack lake", "unchanged"),
        ("tables", "changed"),
        ("stack triggers", "unchanged"),
        ("stack lake-triggers", "unchanged"),
    ] {
        assert!(said.lines().any(|line| step_is(line, step, word)), "{step} is not {word}: {said}");
    }
    let route = deployment.route().await.unwrap();
    route
        .drop_file("queue/audit/2026/a.json", "{\"who\":\"a\",\"n\":1}\n{\"who\":\"b\",\"n\":2}\n")
        .await
        .unwrap();
    route.load_all().await.unwrap();
    assert_eq!(route.lines("SELECT who, n FROM tgt.audit ORDER BY who").await.unwrap(), ["a|1", "b|2"]);
    route.check_ledger("audit").await.unwrap();

    let event = route.landing.put_for_event("elsewhere/own/2026/a.json", "{\"who\":\"a\"}").await.unwrap();
    let invoked = deployment.invoke(READER, &event).await.unwrap();
    assert_eq!(failures(&invoked.answer).len(), 1, "{invoked:?}");
    assert_eq!(invoked.refusals(), ["FetchError: s3:GetObject"]);
    assert_eq!(route.queue.depth().await.unwrap(), 0);
    assert_eq!(route.number("SELECT COUNT(*) FROM tgt.elsewhere").await.unwrap(), 0);
}

/// Whether a line of the deployment's report says this of a step.
fn step_is(line: &str, step: &str, word: &str) -> bool {
    line.trim().strip_prefix(step).is_some_and(|rest| rest.split_whitespace().next() == Some(word))
}

#[tokio::test]
async fn a_broken_contract_stops_the_deployment_before_anything_is_changed() {
    let deployment = Deployment::plan(MiniStack::enforced().await.unwrap()).await.unwrap();
    let broken = AUDIT.replace("logicalType: integer", "logicalType: imaginary");
    let (_scratch, contracts) = contracts_with(&[("broken.odcs.yaml", &broken)]).unwrap();
    let error = deployment.deploy_contracts(&contracts).unwrap_err().to_string();
    assert!(error.contains("broken.odcs.yaml") && error.contains("imaginary"), "{error}");
    assert_eq!(deployment.what_is_there().unwrap(), Vec::<String>::new());
    let tables = "SELECT COUNT(*) FROM svv_tables WHERE table_schema IN ('tgt', 'penstock')";
    assert_eq!(deployment.results().await.unwrap().number(tables).await.unwrap(), 0);
}
