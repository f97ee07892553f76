//! Ring 1: the engine as a whole, against the shared vectors and against what the documents say.

mod cache;
mod config;
mod conformance;
mod dpop;
mod layers;
mod model;
mod prose;
mod readme;
mod second;
mod switches;
mod vectors;
mod wycheproof;

/// The top of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
