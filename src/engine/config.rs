//! The configuration as written: its keys, their schema, and the way from text to a [`Policy`](crate::policy::Policy).

pub mod error;
pub mod host;
mod key;
pub mod keys;
pub mod parse;
pub mod protobuf;
#[cfg(not(target_os = "wasi"))]
pub mod reference;
pub mod schema;
