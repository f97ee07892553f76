//! Tollgate: an access-token policy engine for Envoy and Istio.
//!
//! The engine is sans-I/O. An [`worker::command::Event`] goes in, [`worker::command::Command`]s come out. Nothing in here performs
//! I/O or reads a clock; hosts do that (`src/filter`, `src/cli`).
//!
//! ```text
//!  what was sent      who is asked        what is demanded     what the client is told
//!  request/      ──▶  provider/      ──▶  policy/         ──▶  response/
//!  head, path,        introspection,      rule, resource,      challenge, body
//!  extract            jwt, keys           requirement
//!  ╰──────────────────── enforcer.rs drives them, decision.rs names the verdict ─────────────╯
//! ```
//!
//! Imports run downwards: a room imports rooms of lower floors only, and rooms of one floor do not import each
//! other. `tests/engine/layers.rs` reads this table and fails on an import that runs up.
//!
//! | floor | room | what it holds |
//! | --- | --- | --- |
//! | 10 | [`worker`] | one worker of a proxy: what happens goes in, commands come out; everything that waits waits in it |
//! | 9 | [`enforcer`] | the engine: [`enforcer::Enforcer`], [`enforcer::Step`], [`enforcer::Pending`] |
//! | 8 | [`config`] | the configuration as written: its keys, their schema, the way to a [`policy::Policy`] |
//! | 8 | [`cache`] | what providers have said, kept for a while: per worker, and across workers |
//! | 7 | [`policy`] | the configuration as compiled: rules, resources, requirements and how they are judged |
//! | 6 | [`provider`] | which authorization server is asked, how, and what its response says (RFC 7662) |
//! | 5 | [`upstream`] | what the upstream is told: identity header fields, and never a client's own |
//! | 4 | [`token`] | what a token says (claims, scopes, details), what every token of a provider has to satisfy, the keys that it is known by |
//! | 4 | [`response`] | challenges (RFC 6750 §3) and bodies, for HTTP and gRPC |
//! | 4 | [`proof`] | proofs of possession: DPoP (RFC 9449), certificates (RFC 8705) |
//! | 3 | [`decision`] | the verdicts, and every reason for which a request is rejected |
//! | 2 | [`request`] | the request head, its path, the places a token may be in (RFC 6750 §2), its connection |
//! | 2 | [`jose`] | signed objects: JWS, keys and sets of keys (RFC 7515, RFC 7517, RFC 7518) |
//! | 1 | [`base`] | strict JSON, secrets, time, randomness, identifiers, what workers share |

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
pub mod worker;
