//! glue-job-starter as a bootstrap under a Lambda Runtime API, on a local S3, with a Glue that can go wrong and with the
//! local cloud's own: every piece of work is in exactly one run, whatever comes twice, dies or is refused.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod bad_input;
mod busy;
mod glue;
mod kill;
mod local_glue;
mod once;
mod rig;
mod schedules;
