//! The configuration as written: its keys, their schema, and the way from text to a [`Policy`](tollgate_engine::policy::Policy).
//!
//! It stands on floor 8 of the engine's rooms: it imports the rooms below the cache, and none above
//! (`tests/engine/layers.rs`). It is compiled for its size, because it runs once and the host compiles all of it before
//! the first request.

pub mod error;
pub mod host;
mod key;
pub mod keys;
pub mod parse;
pub mod protobuf;
#[cfg(not(target_os = "wasi"))]
pub mod reference;
pub mod schema;

pub use self::parse::{policy, policy_of};
