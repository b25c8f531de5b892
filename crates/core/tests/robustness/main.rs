//! Core held through its public API to what it promises of hostile input: it never panics and never loops, every record
//! is accounted for, every row fits its contract and survives the way to the warehouse, exactly.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod datasets;
mod exact;
mod files;
mod fuzz;
mod hostile;
mod hostile_csv;
mod mutate;
mod pieces;
mod rig;
mod rows;
