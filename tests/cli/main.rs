//! The command `tollgate`, as it is typed: what it prints, and how it ends.
//!
//! Servers here are scripted and listen on 127.0.0.1; `tests/providers` has the real ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests, too, may fail loudly"
)]
#![allow(clippy::panic, reason = "helpers of tests, too, may fail loudly")]

mod api_spec;
mod basics;
mod book;
mod check;
mod client;
mod discover;
mod doctor;
mod explain;
mod generate;
mod import;
mod jwt;
mod revoke;
mod run;
mod support;
mod vectors;

/// The top of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
