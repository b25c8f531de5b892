//! The lake route end to end: the function as a bootstrap under a Lambda Runtime API, a local S3 behind a gate, and the
//! files of the lake as another Parquet reader reads them.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod bad_input;
mod conversions;
mod copies;
mod deliveries;
mod kill;
mod limits;
mod replacement;
mod rig;
