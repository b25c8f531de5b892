//! The handler against S3 and SQS clients that are faked below the SDK: what it asks for, what it makes of each
//! answer, and what it gives back.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

mod common;
mod copies;
mod places;
mod settings;
mod sink;
