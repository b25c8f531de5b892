//! Functions run as processes of the local AWS, and end with it.

use std::process::Command;
use std::time::Duration;

use penstock_tests::deployed::Deployment;
use penstock_tests::samples::{lines, transaction};
use penstock_tests::{Auth, MiniStack, until};

/// Processes whose program lies in a folder.
fn programs_in(folder: &str) -> anyhow::Result<Vec<String>> {
    let output = Command::new("ps").args(["-axww", "-o", "pid=,args="]).output()?;
    anyhow::ensure!(output.status.success(), "ps: {}", String::from_utf8_lossy(&output.stderr));
    let processes = String::from_utf8_lossy(&output.stdout);
    let program = |line: &&str| line.split_whitespace().nth(1).is_some_and(|path| path.starts_with(folder));
    Ok(processes.lines().filter(program).map(str::to_owned).collect())
}

#[tokio::test]
async fn functions_end_with_the_cloud_that_runs_them() {
    let cloud = MiniStack::start(Auth::Enforced).await.unwrap();
    let folder = cloud.folder().display().to_string();
    let deployment = Deployment::start(&cloud).await.unwrap();
    let route = deployment.route().await.unwrap();
    route.drop_file("queue/transactions/a.json", lines([transaction(1, 1)])).await.unwrap();
    route.load_all().await.unwrap();
    let running = programs_in(&folder).unwrap();
    assert!(running.len() >= 2, "a bootstrap a function: {running:?}");
    drop(cloud);
    until("the bootstraps to end", Duration::from_secs(20), async || {
        Ok(programs_in(&folder)?.is_empty().then_some(()))
    })
    .await
    .unwrap();
}
