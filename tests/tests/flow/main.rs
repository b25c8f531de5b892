//! The queue route end to end: both functions as bootstraps under a Lambda Runtime API, a local S3 and SQS, and a
//! real PostgreSQL behind the Redshift Data API.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod bad_input;
mod delivery;
mod events;
mod faults;
mod redelivery;
mod replay;
mod throughput;
