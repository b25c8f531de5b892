//! A stage as its users have it: `infra/deploy.sh` into a local AWS, with names and a database of its own. It knows
//! the names that the templates make of a stage, and nothing of what functions compute.

mod aws;
mod copy;
mod function;
mod lake;
mod route;
mod stream;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, bail, ensure};
use redshift_local::Server;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

pub use aws::credentials;
pub use copy::DeployedCopy;
pub use function::{Invoked, Mapping};
pub use lake::{DeployedLake, LAKER, STARTER};
pub use route::DeployedRoute;
pub use stream::{DeployedStream, STREAMER, TRANSFORM};

use crate::results::WORKGROUP;
use crate::route::warehouse_of;
use crate::{COPIER, LOADER, MiniStack, REGION, target_dir, workspace_root};

/// The account of everything local.
pub const ACCOUNT: &str = "000000000000";
/// What a user's commands need of the environment. Nothing else of it reaches them: it could lead to a real AWS.
const INHERITED: [&str; 5] = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "CARGO_TARGET_DIR"];

/// A stage: its names, and the commands of those who deploy it. It holds no connections, so tests may share one.
#[derive(Debug)]
pub struct Deployment<'c> {
    /// Part of every name.
    pub stage: String,
    /// Name of the database.
    pub database: String,
    /// Where it is deployed.
    pub cloud: &'c MiniStack,
    /// The local Redshift.
    pub redshift: &'static Server,
}

impl<'c> Deployment<'c> {
    /// A stage that nothing is deployed of yet, with an empty database.
    pub async fn plan(cloud: &'c MiniStack) -> anyhow::Result<Self> {
        static STAGES: AtomicU32 = AtomicU32::new(0);
        let stage = format!("t{}", STAGES.fetch_add(1, Ordering::Relaxed));
        let (database, redshift) = (format!("stage_{stage}"), warehouse_of(cloud).await?);
        redshift.create_database(&database).await.context("database")?;
        let planned = Self { stage, database, cloud, redshift };
        for function in [LOADER, COPIER] {
            redshift.map_caller(&planned.access_key(function), &planned.database_user(function));
        }
        Ok(planned)
    }

    /// A stage with the project's contracts, deployed.
    pub async fn start(cloud: &'c MiniStack) -> anyhow::Result<Self> {
        let deployment = Self::plan(cloud).await?;
        deployment.deploy(&[])?;
        Ok(deployment)
    }

    /// Runs `infra/deploy.sh` with options of a test; gives what it said.
    pub fn deploy(&self, options: &[&str]) -> anyhow::Result<String> {
        let binaries = target_dir()?.display().to_string();
        let database = format!("Database={}", self.database);
        let own = ["--workgroup", WORKGROUP, "--binaries", &binaries, "--set", &database];
        self.run("deploy.sh", &[&own, options].concat())
    }

    /// Runs `infra/deploy.sh` with the contracts of a directory.
    pub fn deploy_contracts(&self, contracts: &Path) -> anyhow::Result<String> {
        self.deploy(&["--contracts", &contracts.display().to_string()])
    }

    /// Runs `infra/destroy.sh`; gives what it said.
    pub fn destroy(&self, options: &[&str]) -> anyhow::Result<String> {
        self.run("destroy.sh", options)
    }

    fn run(&self, script: &str, options: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(workspace_root().join("infra").join(script))
            .args(["--stage", &self.stage, "--endpoint-url", self.cloud.endpoint()])
            .args(options)
            .env_clear()
            .envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs(self.cloud.function_vars())
            .env("AWS_ENDPOINT_URL_REDSHIFT_DATA", self.redshift.endpoint())
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("{script} does not start"))?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        ensure!(output.status.success(), "{script} {}: {said}", self.stage);
        Ok(said)
    }

    /// Name of something of this stage, such as a function, its role or a queue.
    #[must_use]
    pub fn name(&self, own: &str) -> String {
        format!("penstock-{}-{own}", self.stage)
    }

    /// ARN of a role.
    #[must_use]
    pub fn role(&self, own: &str) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role/{}", self.name(own))
    }

    /// Name of a bucket by what it is for.
    #[must_use]
    pub fn bucket(&self, purpose: &str) -> String {
        self.name(&format!("{purpose}-{ACCOUNT}-{REGION}"))
    }

    /// Name of the stream, and of what Firehose makes of it.
    #[must_use]
    pub fn stream(&self) -> String {
        format!("penstock-{}", self.stage)
    }

    /// Name of the Glue database.
    #[must_use]
    pub fn catalog(&self) -> String {
        format!("penstock_{}", self.stage.replace('-', "_"))
    }

    /// Alarms and what each watches.
    pub fn alarms(&self) -> anyhow::Result<Vec<Value>> {
        let prefix = self.name("");
        let mut found = self.cloud.aws(&["cloudwatch", "describe-alarms", "--alarm-name-prefix", &prefix])?;
        let Value::Array(alarms) = found["MetricAlarms"].take() else { bail!("no alarms: {found}") };
        Ok(alarms)
    }

    /// The database user that a function is by its role.
    #[must_use]
    pub fn database_user(&self, function: &str) -> String {
        format!("IAMR:{}", self.name(function))
    }

    /// Attributes of a queue.
    pub fn queue_attributes(&self, own: &str) -> anyhow::Result<Value> {
        let name = self.name(own);
        let url = self.cloud.aws(&["sqs", "get-queue-url", "--queue-name", &name])?;
        let url = url["QueueUrl"].as_str().with_context(|| format!("{name} has no URL"))?;
        let all = ["sqs", "get-queue-attributes", "--queue-url", url, "--attribute-names", "All"];
        Ok(self.cloud.aws(&all)?["Attributes"].take())
    }

    /// Names of everything of the stage that is in the account, sorted.
    pub fn what_is_there(&self) -> anyhow::Result<Vec<String>> {
        let kinds: [(&[&str], &str); 17] = [
            (&["cloudformation", "describe-stacks"], "Stacks[].StackName"),
            (&["s3api", "list-buckets"], "Buckets[].Name"),
            (&["sqs", "list-queues"], "QueueUrls"),
            (&["iam", "list-roles"], "Roles[].RoleName"),
            (&["lambda", "list-functions"], "Functions[].FunctionName"),
            (&["lambda", "list-event-source-mappings"], "EventSourceMappings[].FunctionArn"),
            (&["logs", "describe-log-groups"], "logGroups[].logGroupName"),
            (&["cloudwatch", "describe-alarms"], "MetricAlarms[].AlarmName"),
            (&["cloudwatch", "list-dashboards"], "DashboardEntries[].DashboardName"),
            (&["kms", "list-aliases"], "Aliases[].AliasName"),
            (&["kinesis", "list-streams"], "StreamNames"),
            (&["firehose", "list-delivery-streams"], "DeliveryStreamNames"),
            (&["events", "list-rules"], "Rules[].Name"),
            (&["glue", "get-jobs"], "Jobs[].Name"),
            (&["glue", "get-crawlers"], "Crawlers[].Name"),
            (&["glue", "get-databases"], "DatabaseList[].Name"),
            (&["athena", "list-work-groups"], "WorkGroups[].Name"),
        ];
        let mut there = Vec::new();
        for (call, query) in kinds {
            let names = self.cloud.aws_list(call, query)?;
            let whole = [self.stream(), self.catalog()];
            let is_own = |name: &String| name.contains(&self.name("")) || whole.contains(name);
            there.extend(names.into_iter().filter(is_own));
        }
        there.sort();
        Ok(there)
    }

    /// The access key that MiniStack makes for a function under its role.
    fn access_key(&self, function: &str) -> String {
        let arn = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", self.name(function));
        let digest = Sha256::digest(format!("{arn}:{}", self.role(function)));
        let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02X}")).collect();
        format!("ASIA{hex}")
    }
}
