//! The whole function on events: what each record is answered with, and what the accounts say.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

mod answers;
mod common;
mod datasets;
mod records;
mod stamps;
