//! Ring 1: the engine as a whole, against the shared vectors and against what the documents say.

#![cfg(not(target_family = "wasm"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests, too, may fail loudly"
)]
#![allow(clippy::too_many_lines, reason = "tables")]

mod book;
mod cache;
mod config;
mod conformance;
mod counts;
mod dpop;
mod events;
mod fetching;
mod host;
mod lasting;
mod layers;
mod log;
mod model;
mod namespace;
mod prose;
mod provider_keys;
mod readme;
mod revoked;
mod second;
mod status_list;
mod supply;
mod switches;
mod threats;
mod trace;
mod vectors;
mod verdicts;
mod wycheproof;

/// The top of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
