//! The copy route end to end: the function as a bootstrap under a Lambda Runtime API, a local S3, and a real PostgreSQL
//! behind the Redshift Data API that reads its files from there.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod bad_input;
mod checkpoints;
mod faults;
mod files;
mod freshness;
mod ranges;
mod replay;
mod rig;
mod semantics;
mod trusted;
