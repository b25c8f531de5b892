//! The binary as people and the deployment call it: what it prints, its exit codes, and what it leaves in a warehouse.

#![allow(
    clippy::unwrap_used,
    reason = "a test may panic; clippy.toml allows it only inside #[test] functions"
)]

mod alter;
mod alter_race;
mod buckets;
mod check;
mod cloud;
mod common;
mod ddl;
mod lake_catalog;
mod loader;
mod migrate;
mod rejects;
mod replay;
mod semantics;
mod sql;
mod status;
mod tables;
mod try_files;
