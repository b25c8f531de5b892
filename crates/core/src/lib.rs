//! Records, contracts, dedup and load SQL of Penstock: what all routes share, as pure code.
//!
//! Data flows one way: event → [`object`] refs → bytes → [`ingest`] (decode → row) → rejects and rows → one sink.
//!
//! - [`contract`]: the data contract of a dataset, the only place where a column is written down
//! - [`object`]: which S3 objects an event speaks of, from every envelope
//! - [`decode`]: bytes into records, as a stream; [`row`]: records into checked, derived, stamped rows
//! - [`ident`]: identity and order; [`reject`]: why a record is no row
//! - [`kpl`]: aggregated stream records; [`queue`]: rows into messages and back; [`chunk`]: lists cut by count and bytes
//! - [`range`]: large objects in ranges, and the tasks that have them read
//! - [`parts`]: rows into files that COPY reads, and `frame`: zstd of what is known to repeat
//! - [`sql`]: DDL and the load transaction; [`quarantine`] and [`receipt`]: what is written about an object
//! - `lake` (feature `parquet`): rows into the Parquet files of a data lake
//! - [`lake_note`]: what is written down of one source of the lake
//! - [`claim`]: what Glue jobs and crawlers were started for
//! - [`mask`]: a raw record as people may see it
//!
//! This crate must not know: tokio, any AWS SDK, the environment, the clock, randomness, files.

pub mod chunk;
pub mod claim;
pub mod contract;
pub mod decode;
mod frame;
pub mod ident;
pub mod ingest;
pub mod kpl;
#[cfg(feature = "parquet")]
pub mod lake;
pub mod lake_note;
pub mod mask;
pub mod object;
pub mod parts;
pub mod quarantine;
pub mod queue;
pub mod range;
pub mod receipt;
pub mod reject;
pub mod row;
pub mod sql;
pub mod work;

#[cfg(test)]
mod fixtures;
