//! The local AWS: a MiniStack of this test's own on a free loopback port.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;
use tokio::sync::OnceCell;

use crate::paths::tool;
use crate::process::Process;
use crate::s3::Bucket;
use crate::sqs::Queue;
use crate::wait::until;

/// The region of everything local.
pub const REGION: &str = "us-east-1";
const START_WITHIN: Duration = Duration::from_secs(60);
/// Another process may take the free port before MiniStack binds it.
const PORT_ATTEMPTS: usize = 5;

/// Whether IAM policies decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Every call is allowed.
    Off,
    /// A call that the caller's role does not allow is AccessDenied. The root credentials of [`MiniStack`]
    /// may do everything.
    Enforced,
}

/// A running MiniStack. It ends with this value, and with this process at the latest.
#[derive(Debug)]
pub struct MiniStack {
    process: Process,
    endpoint: String,
    names: AtomicU32,
}

impl MiniStack {
    /// The MiniStack that all tests of one test binary share, IAM off. Take unique names.
    pub async fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceCell<MiniStack> = OnceCell::const_new();
        SHARED.get_or_try_init(|| Self::start(Auth::Off)).await
    }

    /// The MiniStack with IAM enforced that all tests of one test binary share. Take unique names.
    pub async fn enforced() -> anyhow::Result<&'static Self> {
        static ENFORCED: OnceCell<MiniStack> = OnceCell::const_new();
        ENFORCED.get_or_try_init(|| Self::start(Auth::Enforced)).await
    }

    /// Starts a MiniStack and waits until it answers.
    pub async fn start(auth: Auth) -> anyhow::Result<Self> {
        for _ in 1..PORT_ATTEMPTS {
            match Self::start_on(free_port()?, auth).await? {
                Some(stack) => return Ok(stack),
                None => continue,
            }
        }
        bail!("MiniStack found every one of {PORT_ATTEMPTS} free ports taken")
    }

    /// None when somebody else took `port` in the meantime.
    async fn start_on(port: u16, auth: Auth) -> anyhow::Result<Option<Self>> {
        let endpoint = format!("http://127.0.0.1:{port}");
        let scratch = tempfile::tempdir().context("no scratch folder for MiniStack")?;
        let folder = scratch.path().display().to_string();
        let vars = [
            ("PATH", std::env::var("PATH").unwrap_or_default()),
            ("HOME", folder.clone()),
            ("TMPDIR", folder),
            // Its lines are what this waits for: Python must not keep them in a buffer.
            ("PYTHONUNBUFFERED", "1".to_owned()),
            // By default it would listen on every interface.
            ("BIND_HOST", "127.0.0.1".to_owned()),
            ("GATEWAY_PORT", port.to_string()),
            ("AUTH", if auth == Auth::Enforced { "true" } else { "false" }.to_owned()),
            // Handed on to functions that run inside; without it they would call the real AWS.
            ("AWS_ENDPOINT_URL", endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
        ];
        let process = Process::start(&tool("ministack")?, vars, scratch)?;
        // Its own word that it is bound; an answer on the port could be somebody else's.
        let bound = format!("Running on {endpoint}");
        let started = until("MiniStack to listen", START_WITHIN, async || {
            let lines = process.lines();
            let is_bound = lines.iter().any(|line| line.contains(&bound));
            Ok((is_bound || process.has_ended()).then_some((is_bound, lines)))
        });
        let (is_bound, lines) = started.await?;
        if is_bound {
            return Ok(Some(Self { process, endpoint, names: AtomicU32::new(0) }));
        }
        if lines.iter().any(|line| line.contains("already in use")) {
            return Ok(None);
        }
        bail!("MiniStack ended at once:\n{}", lines.join("\n"))
    }

    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Its folder; the programs of functions that run inside lie in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.process.scratch()
    }

    /// Events that buckets have put into a queue so far. They come a moment after the answer to whoever put the
    /// object.
    #[must_use]
    pub fn notified(&self, queue_name: &str) -> usize {
        let delivered = format!("S3 notification → SQS {queue_name}");
        self.process.count_lines(|line| line.ends_with(&delivered))
    }

    /// What MiniStack itself warned of so far in a stage.
    #[must_use]
    pub fn warnings(&self, stage: &str) -> Vec<String> {
        let is_warning = |line: &String| line.contains(" WARNING [") || line.contains(" ERROR [");
        let own = format!("penstock-{stage}-");
        self.logs().into_iter().filter(|line| is_warning(line) && line.contains(&own)).collect()
    }

    /// What MiniStack printed so far.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.process.lines()
    }

    /// SDK configuration for this MiniStack. Make one in every test: a client's connections belong to the
    /// tokio runtime that opened them.
    pub async fn sdk_config(&self) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::from_static(REGION))
            .credentials_provider(Credentials::new("test", "test", None, None, "ministack"))
            .load()
            .await
    }

    /// An S3 client with path-style addresses: `bucket.127.0.0.1` resolves nowhere.
    pub async fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.sdk_config().await).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// An SQS client.
    pub async fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.sdk_config().await)
    }

    /// The environment that leads a function to this MiniStack.
    #[must_use]
    pub fn function_vars(&self) -> Vec<(String, String)> {
        let vars = [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", REGION),
        ];
        vars.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    /// A name that no other test of this MiniStack gets, valid for buckets and queues.
    #[must_use]
    pub fn unique_name(&self, prefix: &str) -> String {
        format!("{prefix}-{}-{}", std::process::id(), self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// A new, empty bucket.
    pub async fn create_bucket(&self, prefix: &str) -> anyhow::Result<Bucket> {
        Bucket::create(self.s3().await, self.unique_name(prefix)).await
    }

    /// A new standard queue, as S3 notifications need it.
    pub async fn create_queue(&self, prefix: &str) -> anyhow::Result<Queue> {
        Queue::create(self.sqs().await, self.unique_name(prefix)).await
    }

    /// A new FIFO queue without a dead-letter queue.
    pub async fn create_fifo_queue(&self, prefix: &str) -> anyhow::Result<Queue> {
        Queue::create(self.sqs().await, self.unique_name(prefix) + ".fifo").await
    }

    /// A new FIFO queue and its dead-letter queue, which takes what was received `max_receives` times.
    pub async fn create_fifo_queue_with_dlq(
        &self,
        prefix: &str,
        max_receives: u32,
    ) -> anyhow::Result<(Queue, Queue)> {
        let dead = self.create_fifo_queue(&format!("{prefix}-dlq")).await?;
        let queue = self.create_fifo_queue(prefix).await?;
        queue.redrive_to(&dead, max_receives).await?;
        Ok((queue, dead))
    }
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free loopback port")?;
    Ok(listener.local_addr()?.port())
}
