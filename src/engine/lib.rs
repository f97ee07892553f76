//! Tollgate: an access-token policy filter for Envoy and Istio.
//!
//! A sans-I/O engine: a request head goes in, a [`enforcer::Step`] comes out. Nothing in here but
//! `filter` performs I/O or reads a clock, and `filter` exists on `wasm32-wasip1` only.
//!
//! ```text
//!  what was sent      whom we ask         what is demanded     what we answer
//!  request/      ──▶  provider/      ──▶  policy/         ──▶  response/
//!  head, path,        choice, call,       rule, scope,         challenge, body
//!  token              reply               claims, clients
//!  ╰──────────────────── enforcer.rs drives them, decision.rs names the verdict ─────────────╯
//! ```
//!
//! | room | what it holds |
//! | --- | --- |
//! | [`enforcer`] | the engine: [`enforcer::Enforcer`], [`enforcer::Step`], [`enforcer::Pending`] |
//! | [`decision`] | the verdicts, and every reason for which a request is turned away |
//! | [`request`] | the request head, its path, the places a token may be in (RFC 6750 §2) |
//! | [`cache`] | what providers have said, kept for a while: per worker, and across workers |
//! | [`provider`] | which authorization server is asked, how, and what its reply says (RFC 7662) |
//! | [`policy`] | the configuration: as written, as checked, as compiled |
//! | [`response`] | challenges (RFC 6750 §3) and bodies, for HTTP and gRPC |
//! | [`upstream`] | what the upstream is told: identity header fields, and nobody else's |
//! | [`jose`] | signed objects: JWS, keys and sets of keys (RFC 7515, RFC 7517, RFC 7518) |
//! | [`proof`] | proofs of possession: DPoP (RFC 9449), certificates (RFC 8705) |
//! | [`json`], [`secret`], [`time`], [`store`] | strict JSON, values that must not be shown, the only notion of time, what workers share |
//!
//! No file imports one that imports it; only in `filter`, the worker and what it waits for know each other.

pub mod base;
pub mod cache;
pub mod config;
pub mod decision;
pub mod enforcer;
pub mod jose;
pub mod policy;
pub mod proof;
pub mod provider;
pub mod request;
pub mod response;
pub mod token;
pub mod upstream;
