//! The handler against a warehouse, a queue and a quarantine that are faked below the SDK: what is submitted, what
//! each end of a statement leads to, and which messages come again.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

mod attempts;
mod batches;
mod common;
mod halving;
mod messages;
mod statuses;
mod visibility;
