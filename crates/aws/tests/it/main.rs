//! What the functions share, from outside: loads and statements, settings, contracts, metrics, quarantine.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

mod contracts;
mod execute;
mod loads;
mod parts;
mod quarantine;
mod settings;
mod store;
mod tasks;
mod telemetry;
mod warehouse;
