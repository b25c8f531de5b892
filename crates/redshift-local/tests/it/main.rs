//! The server as its callers see it: through the AWS SDK, on a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy takes its helpers for shipped code"
)]

mod common;
mod copy;
mod copy_common;
mod copy_values;
mod data_api;
mod faults;
mod load;
mod process;
mod refusals;
mod s3_stub;
mod semantics;
mod transactions;
mod unload;
