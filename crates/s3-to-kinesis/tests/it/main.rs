//! The function with faked clients: what it makes of messages, objects and pieces of them.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

mod common;
mod invocations;
mod pieces;
