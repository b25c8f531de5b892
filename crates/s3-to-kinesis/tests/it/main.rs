//! Tests of s3-to-kinesis with faked clients.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

mod common;
mod invocations;
mod kinesis;
mod pieces;
mod rows;
mod sink_aggregation;
mod sink_answers;
mod sink_faults;
mod sink_limits;
mod sink_pace;
