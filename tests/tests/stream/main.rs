//! The stream route end to end: s3-to-kinesis, firehose-transform and s3-to-redshift-copy as bootstraps under a Lambda
//! Runtime API, a stream that can go wrong, a local S3 and SQS, and a real PostgreSQL behind the Redshift Data API.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod bad_input;
mod files;
mod flow;
mod kill;
mod model;
mod producers;
mod rig;
mod routes;
mod tasks;
