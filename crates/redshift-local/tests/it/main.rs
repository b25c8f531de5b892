//! The server as its callers see it: through the AWS SDK, on a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy takes its helpers for shipped code"
)]

mod common;
mod data_api;
mod faults;
mod load;
mod process;
mod refusals;
mod semantics;
mod transactions;
