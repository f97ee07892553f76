//! What authorization servers have said, kept for a while ([RFC 7662 §4]).
//!
//! An entry holds an answer, never a verdict: whoever finds one still looks at times, scopes, clients
//! and claims. There are two levels. [`local`] is a worker's own, a lookup in memory. [`shared`] lies
//! in the host's shared data, where all workers of a proxy find it, in a fixed number of slots.
//!
//! A token is known by a hash of itself and of whom it was shown to ([`namespace`], [`crate::token::key`]); it is stored nowhere.
//!
//! [RFC 7662 §4]: https://www.rfc-editor.org/rfc/rfc7662#section-4

pub mod entry;
pub mod local;
pub mod namespace;
pub mod shared;
