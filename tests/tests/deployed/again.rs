//! Deploying again: nothing is touched that is as it should be, and what was changed by hand is set back.

use penstock_tests::deployed::{Deployment, LAKER, STARTER, STREAMER, TRANSFORM};
use penstock_tests::{COPIER, LOADER, MiniStack, READER};
use serde_json::{Value, json};

#[tokio::test]
async fn a_second_deployment_changes_nothing_and_sets_back_what_was_changed_by_hand() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let first = state(&deployment);
    let said = deployment.deploy(&[]).unwrap();
    assert!(said.contains("done: nothing had to be changed"), "{said}");
    assert_eq!(state(&deployment), first);

    let wanted = [configuration(&deployment, READER), configuration(&deployment, LOADER)];
    // One fault a function and round, so that each has to be found by itself.
    let foreign = deployment.role(READER);
    for (reader, loader) in [
        (["--memory-size", "128"], ["--role", &foreign]),
        (["--timeout", "3"], ["--environment", "Variables={DATABASE=elsewhere}"]),
    ] {
        for (function, change) in [(READER, reader), (LOADER, loader)] {
            let name = deployment.name(function);
            let update = ["lambda", "update-function-configuration", "--function-name", &name];
            deployment.cloud.aws(&[&update[..], &change].concat()).unwrap();
        }
        assert_ne!(configuration(&deployment, READER), wanted[0]);
        assert_ne!(configuration(&deployment, LOADER), wanted[1]);
        let said = deployment.deploy(&[]).unwrap();
        assert!(said.contains("\ndone\n"), "{said}");
        assert_eq!(configuration(&deployment, READER), wanted[0]);
        assert_eq!(configuration(&deployment, LOADER), wanted[1]);
    }
}

#[tokio::test]
async fn only_the_functions_that_send_to_themselves_may_and_a_deployment_sees_to_it() {
    let deployment = Deployment::start(MiniStack::enforced().await.unwrap()).await.unwrap();
    let recursion = |function: &str| {
        let name = deployment.name(function);
        let own =
            deployment.cloud.aws(&["lambda", "get-function-recursion-config", "--function-name", &name]);
        own.unwrap()["RecursiveLoop"].clone()
    };
    let all = || [READER, LOADER, COPIER, STREAMER, TRANSFORM, LAKER, STARTER].map(recursion);
    let wanted = ["Terminate", "Terminate", "Allow", "Allow", "Terminate", "Terminate", "Terminate"];
    assert_eq!(all(), wanted);
    for (function, wrong) in [(READER, "Allow"), (COPIER, "Terminate"), (STREAMER, "Terminate")] {
        let name = deployment.name(function);
        let put =
            ["lambda", "put-function-recursion-config", "--function-name", &name, "--recursive-loop", wrong];
        deployment.cloud.aws(&put).unwrap();
    }
    let said = deployment.deploy(&[]).unwrap();
    assert!(said.contains("\ndone\n"), "{said}");
    assert_eq!(all(), wanted);
}

/// What a deployment may change of a function.
fn configuration(deployment: &Deployment<'_>, function: &str) -> Value {
    let name = deployment.name(function);
    let get = ["lambda", "get-function-configuration", "--function-name", &name];
    let own = deployment.cloud.aws(&get).unwrap();
    let names = ["Role", "MemorySize", "Timeout", "Environment", "Handler", "Runtime"];
    names.iter().map(|name| (*name, own[name].clone())).collect()
}

/// Everything of the stage that has a version or a time of its last change.
fn state(deployment: &Deployment<'_>) -> Value {
    let (cloud, own) = (deployment.cloud, deployment.name(""));
    let functions = format!("Functions[?starts_with(FunctionName, '{own}')]");
    let stacks =
        format!("Stacks[?starts_with(StackName, '{own}')].[StackName, StackStatus, LastUpdatedTime]");
    let mappings =
        format!("EventSourceMappings[?contains(FunctionArn, '{own}')].[UUID, LastModified, State]");
    let query = |call: &[&str], query: &str| cloud.aws(&[call, &["--query", query]].concat()).unwrap();
    let notifications = ["landing", "stage", "lake", "curated"].map(|purpose| {
        let bucket = deployment.bucket(purpose);
        cloud.aws(&["s3api", "get-bucket-notification-configuration", "--bucket", &bucket]).unwrap()
    });
    let policies = [READER, LOADER, COPIER, STREAMER, TRANSFORM];
    let policies = policies.map(|function| deployment.policy(function).unwrap());
    json!({
        "functions": query(&["lambda", "list-functions", "--function-version", "ALL"], &functions),
        "stacks": query(&["cloudformation", "describe-stacks"], &stacks),
        "mappings": query(&["lambda", "list-event-source-mappings"], &mappings),
        "notifications": notifications,
        "policies": policies,
    })
}
