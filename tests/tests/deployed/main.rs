//! Stages as their users deploy them, in a local AWS that enforces IAM: the whole route, least privilege, and what
//! deploy.sh and destroy.sh do and leave alone.

#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what only tests call")]

mod again;
mod contracts;
mod copy;
mod destroy;
mod lake;
mod lake_roles;
mod landing;
mod privileges;
mod processes;
mod redelivery;

mod route;
mod security;
mod stream;
