//! Tests of `penstock catalog`: what it prints, and what it makes of a catalog that is there.

mod apply;
mod printed;
mod rig;
