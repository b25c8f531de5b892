//! The queue route end to end: both functions as bootstraps under a Lambda Runtime API, a local S3 and SQS, and a
//! real PostgreSQL behind the Redshift Data API.

mod bad_input;
mod delivery;
mod events;
mod faults;
mod redelivery;
mod throughput;
