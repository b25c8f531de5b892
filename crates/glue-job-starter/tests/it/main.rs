//! The handler against S3, SQS and Glue clients that are faked below the SDK: what it asks for, and how long it has
//! messages wait.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

mod answers;
mod common;
mod reads;
mod waits;
