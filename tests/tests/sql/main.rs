//! The SQL that Penstock emits, on a real PostgreSQL behind the Redshift Data API and under two parsers of Redshift.

mod concurrency;
mod grants;
mod model;
mod parsers;
mod rig;
