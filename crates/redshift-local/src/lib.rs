//! The Redshift Data API over a real PostgreSQL, for local development and tests.
//!
//! Calls arrive as the AWS SDKs send them; every statement is parsed as Redshift SQL and then passed, translated, or
//! refused by name. It is meant to be stricter than PostgreSQL wherever Redshift is: lengths in bytes, keys that are
//! declared but not enforced, conflicts as error 1023, no NULL and no empty text as parameters. What it cannot do
//! it says; it never runs a statement with another meaning knowingly.
//!
//! | part | does |
//! |---|---|
//! | `sql` | Redshift's text to PostgreSQL's, a pure function |
//! | `postgres` | starts and stops PostgreSQL, databases, sessions |
//! | `load`, `unload`, `s3` | COPY and UNLOAD: objects of the local S3 to rows and back |
//! | `store`, `run` | accepted requests, and how they run |
//! | `api`, `http` | the operations and their wire format |
//! | `faults` | what a test wants to go wrong |
//!
//! COPY and UNLOAD talk to a local S3 ([`Config::s3_endpoint`], `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`) with the
//! process's own credentials; IAM_ROLE is read and not assumed. `sys_load_history` has a line for each COPY, also of
//! those that were rolled back, so a test can count the loads of a manifest; [`DelayWhen::DuringCopy`] makes one slow.
//!
//! ```no_run
//! # async fn example() -> Result<(), redshift_local::Error> {
//! let server = redshift_local::Server::start(redshift_local::Config::default()).await?;
//! server.create_database("test_1").await?;
//! println!("AWS_ENDPOINT_URL_REDSHIFT_DATA={}", server.endpoint());
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```

mod api;
mod error;
mod faults;
mod http;
mod load;
mod pg_error;
mod postgres;
mod result_set;
mod run;
mod s3;
mod server;
mod sql;
mod store;
mod unload;

pub use error::Error;
pub use faults::{DelayWhen, Fault};
pub use server::{Config, Server};
