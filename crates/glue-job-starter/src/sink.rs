//! Glue: starts a job or a crawler once, and finds what was started. Knows no claims.

use std::time::Duration;

use aws_sdk_glue::Client;
use aws_sdk_glue::config::retry::RetryConfig;
use aws_sdk_glue::config::timeout::TimeoutConfig;
use aws_sdk_glue::config::{Builder, Config};
use aws_sdk_glue::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_glue::types::{JobRun, LastCrawlStatus};
use penstock_aws::answered;

/// Argument that names a run's manifest.
pub const MANIFEST: &str = "--penstock_manifest";
/// GetJobRuns: at most that many a page.
const RUNS_A_PAGE: i32 = 200;
/// How far Glue's clock may be behind ours.
const CLOCKS_MS: u64 = 60_000;
/// Crawls are told by whole seconds.
const SECOND_MS: u64 = 1_000;

/// What is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A Glue job.
    Job,
    /// A Glue crawler.
    Crawler,
}

/// A job or crawler by name.
#[derive(Debug, Clone, Copy)]
pub struct Sink<'a> {
    /// The client.
    pub glue: &'a Client,
    /// What it is.
    pub what: What,
    /// Its name.
    pub name: &'a str,
}

/// What became of a start.
#[derive(Debug)]
pub enum Start {
    /// It was started; a job's run has an id.
    Done(Option<String>),
    /// It surely was not.
    Refused(Refusal),
    /// Nobody knows; what the SDK says.
    Unknown(String),
}

/// Why Glue surely did not start something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub cause: Cause,
    /// Job or crawler, and its name.
    subject: String,
    message: String,
}

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It passes: enough runs are going on, or too many calls are made.
    Busy,
    /// There is no such job or crawler.
    Missing,
    /// A person has to mend it.
    Other,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was not started: {}", self.subject, self.message)
    }
}

/// Glue did not say what was started.
#[derive(Debug, thiserror::Error)]
#[error("looking for runs of {subject}: {message}")]
pub struct FindError {
    subject: String,
    message: String,
}

impl Sink<'_> {
    /// Job or crawler, and its name.
    pub fn subject(&self) -> String {
        match self.what {
            What::Job => format!("Glue job {}", self.name),
            What::Crawler => format!("Glue crawler {}", self.name),
        }
    }

    /// Starts it with a manifest. One request: a second one could start a second run, or be refused because of the first.
    pub async fn start(&self, manifest: &str, within: Duration) -> Start {
        match self.what {
            What::Job => {
                let request = self.glue.start_job_run().job_name(self.name).arguments(MANIFEST, manifest);
                match request.customize().config_override(once(within)).send().await {
                    Ok(answer) => Start::Done(answer.job_run_id),
                    Err(error) => self.not_started(&error),
                }
            }
            What::Crawler => {
                let request = self.glue.start_crawler().name(self.name);
                match request.customize().config_override(once(within)).send().await {
                    Ok(_) => Start::Done(None),
                    Err(error) => self.not_started(&error),
                }
            }
        }
    }

    fn not_started<E>(&self, error: &SdkError<E>) -> Start
    where
        E: std::error::Error + ProvideErrorMetadata + 'static,
    {
        let message = answered(error);
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let cause = match error.code() {
            // Answers of an endpoint that gave up waiting for what may go on behind it.
            Some("OperationTimeoutException" | "InternalServiceException") | None => {
                return Start::Unknown(message);
            }
            Some(
                "ConcurrentRunsExceededException"
                | "ResourceNumberLimitExceededException"
                | "CrawlerRunningException"
                | "ThrottlingException"
                | "Throttling",
            ) => Cause::Busy,
            Some("EntityNotFoundException") => Cause::Missing,
            Some(_) if (400..500).contains(&status) && status != 408 => Cause::Other,
            Some(_) => return Start::Unknown(message),
        };
        Start::Refused(Refusal { cause, subject: self.subject(), message })
    }

    /// What was started with a manifest since that time, in ms since 1970: `None` is nothing, and a crawler's run has no id.
    pub async fn find(&self, manifest: &str, since_ms: u64) -> Result<Option<Option<String>>, FindError> {
        let found = match self.what {
            What::Job => {
                self.find_run(manifest, since_ms.saturating_sub(CLOCKS_MS)).await.map(|id| id.map(Some))
            }
            What::Crawler => self.find_crawl(since_ms).await.map(|found| found.then_some(None)),
        };
        found.map_err(|message| FindError { subject: self.subject(), message })
    }

    /// Pages begin with the newest runs; one that has nothing of that time or later is the last that is looked at.
    async fn find_run(&self, manifest: &str, since_ms: u64) -> Result<Option<String>, String> {
        let mut token = None;
        loop {
            let request = self.glue.get_job_runs().job_name(self.name).max_results(RUNS_A_PAGE);
            let answer = match request.set_next_token(token).send().await {
                Ok(answer) => answer,
                // Nothing runs of what does not exist: the start will say so.
                Err(error) if error.code() == Some("EntityNotFoundException") => return Ok(None),
                Err(error) => return Err(answered(&error)),
            };
            let is_recent = |run: &JobRun| run.started_on.is_none_or(|at| ms(&at) >= since_ms);
            let is_ours = |run: &&JobRun| {
                let arguments = run.arguments.as_ref();
                is_recent(run)
                    && arguments.and_then(|own| own.get(MANIFEST)).is_some_and(|own| own == manifest)
            };
            if let Some(run) = answer.job_runs().iter().find(is_ours) {
                return Ok(Some(run.id.clone().unwrap_or_default()));
            }
            token = answer.next_token.clone().filter(|token| !token.is_empty());
            if token.is_none() || !answer.job_runs().iter().any(is_recent) {
                return Ok(None);
            }
        }
    }

    /// A whole crawl that began after the claim has seen all of its objects, whoever started it. One that goes on is not
    /// counted, as it does not tell its begin: a crawl too many costs less than a file too few.
    async fn find_crawl(&self, since_ms: u64) -> Result<bool, String> {
        let answer = match self.glue.get_crawler().name(self.name).send().await {
            Ok(answer) => answer,
            Err(error) if error.code() == Some("EntityNotFoundException") => return Ok(false),
            Err(error) => return Err(answered(&error)),
        };
        let Some(last) = answer.crawler.and_then(|crawler| crawler.last_crawl) else { return Ok(false) };
        let began_ms = last.start_time.as_ref().map_or(0, ms);
        Ok(last.status == Some(LastCrawlStatus::Succeeded) && began_ms.saturating_add(SECOND_MS) > since_ms)
    }
}

fn once(within: Duration) -> Builder {
    let timeout = TimeoutConfig::builder().operation_timeout(within).build();
    Config::builder().retry_config(RetryConfig::disabled()).timeout_config(timeout)
}

fn ms(at: &aws_sdk_glue::primitives::DateTime) -> u64 {
    at.to_millis().ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
}
