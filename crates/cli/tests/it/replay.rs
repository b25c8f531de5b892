//! `penstock replay` over a cloud in memory.

mod files;
mod records;
mod rig;
mod streams;
