//! AWS code that two or more functions share: reading objects of any size, quarantine, the work bucket, the warehouse,
//! tasks, triggers, telemetry, settings. Knows no function, no queue and no route: what only one function does lives in
//! that function.

#[cfg(feature = "sdk")]
pub mod causes;
pub mod contracts;
pub mod deadline;
#[cfg(feature = "sdk")]
pub mod fetch;
#[cfg(feature = "sdk")]
pub mod models;
#[cfg(feature = "sdk")]
pub mod quarantine;
#[cfg(feature = "sdk")]
pub mod reading;
mod start;
#[cfg(feature = "sdk")]
pub mod store;
#[cfg(feature = "sdk")]
pub mod tasks;
pub mod telemetry;
#[cfg(feature = "sdk")]
pub mod trigger;
pub mod vars;
#[cfg(feature = "sdk")]
pub mod warehouse;

#[cfg(feature = "sdk")]
pub use causes::answered;
pub use deadline::Invocation;
pub use start::StartError;

/// Clients are made from this once, in main.
#[cfg(feature = "sdk")]
pub async fn sdk_config() -> aws_config::SdkConfig {
    // The SDK is the owner of retries within one call; the trigger owns all others.
    aws_config::defaults(aws_config::BehaviorVersion::latest())
        .retry_config(aws_config::retry::RetryConfig::standard().with_max_attempts(4))
        .load()
        .await
}

/// An S3 client. Under `AWS_ENDPOINT_URL` (a local cloud) buckets are addressed by path, as their names do not resolve.
#[cfg(feature = "sdk")]
pub fn s3_client(config: &aws_config::SdkConfig) -> aws_sdk_s3::Client {
    let path_style = config.endpoint_url().is_some();
    let config = aws_sdk_s3::config::Builder::from(config).force_path_style(path_style).build();
    aws_sdk_s3::Client::from_conf(config)
}
