//! The SQL that Penstock emits, on a real PostgreSQL behind the Redshift Data API and under two parsers of Redshift.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod concurrency;
mod copies;
mod grants;
mod history;
mod model;
mod parsers;
mod replace;
mod rig;
mod tombstones;
